// The memory that blocks travel in: 16 KiB each, used again and again.
#pragma once

#include <mutex>
#include <vector>

#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/disk_interface.hpp>

namespace cove::disk {

// Blocks are cut from big maps, since single allocations of this size tear the heap: what one
// burst took would never go back to the system. Safe to call from every thread.
class Buffers final : public lt::buffer_allocator_interface {
public:
    Buffers() = default;
    Buffers(Buffers const&) = delete;
    Buffers& operator=(Buffers const&) = delete;
    ~Buffers();

    // One block, its content undefined. Throws `std::bad_alloc`.
    char* take();

    // A block of `length` bytes that comes back by itself.
    lt::disk_buffer_holder hold(int length);

    void free_disk_buffer(char* block) override;

    // Gives the memory of free blocks back to the system, but for a few. False: nothing to give.
    bool trim();

    // Blocks that are out.
    int in_use() const;

private:
    void grow();

    mutable std::mutex mutex_;
    std::vector<char*> maps_;
    // The last one to come is the first to go, so that the warm ones are used again. The first
    // `cold_` of them have no memory behind them.
    std::vector<char*> free_;
    std::size_t cold_ = 0;
    int in_use_ = 0;
};

}  // namespace cove::disk
