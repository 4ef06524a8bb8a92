#include "disk/buffers.h"

#include <algorithm>
#include <new>

#include <sys/mman.h>

namespace cove::disk {
namespace {

constexpr std::size_t block_bytes = lt::default_block_size;
constexpr std::size_t map_blocks = 64;
// Enough for a burst of reads at a time when nothing much happens.
constexpr std::size_t warm_blocks = 16;

}  // namespace

Buffers::~Buffers()
{
    for (char* const map : maps_) munmap(map, map_blocks * block_bytes);
}

char* Buffers::take()
{
    std::lock_guard<std::mutex> const lock(mutex_);
    if (free_.empty()) grow();
    char* const block = free_.back();
    free_.pop_back();
    cold_ = std::min(cold_, free_.size());
    ++in_use_;
    return block;
}

lt::disk_buffer_holder Buffers::hold(int length) { return {*this, take(), length}; }

void Buffers::free_disk_buffer(char* block)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    free_.push_back(block);
    --in_use_;
}

bool Buffers::trim()
{
    std::lock_guard<std::mutex> const lock(mutex_);
    if (free_.size() <= cold_ + warm_blocks) return false;
    auto const first = free_.begin() + std::ptrdiff_t(cold_);
    auto const last = free_.end() - std::ptrdiff_t(warm_blocks);
    std::for_each(first, last, [](char* block) { madvise(block, block_bytes, MADV_DONTNEED); });
    cold_ = free_.size() - warm_blocks;
    return true;
}

int Buffers::in_use() const
{
    std::lock_guard<std::mutex> const lock(mutex_);
    return in_use_;
}

void Buffers::grow()
{
    // Room first, so that giving a block back never has to allocate.
    maps_.reserve(maps_.size() + 1);
    free_.reserve((maps_.size() + 1) * map_blocks);
    void* const memory = mmap(nullptr, map_blocks * block_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    auto* const map = static_cast<char*>(memory);
    maps_.push_back(map);
    for (std::size_t i = map_blocks; i > 0; --i) free_.push_back(map + (i - 1) * block_bytes);
}

}  // namespace cove::disk
