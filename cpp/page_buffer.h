// Memory to read files into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include <libtorrent/file_storage.hpp>
#include <libtorrent/span.hpp>

namespace cove {

// The system copies out of its pages four times as fast to where a page has the same place as to
// elsewhere. So what is read from the middle of a page goes to the middle of one.
class PageBuffer final {
public:
    // Room for `bytes`, wherever they come from; taken when it is first used.
    explicit PageBuffer(std::ptrdiff_t bytes) : size_(bytes) {}

    std::ptrdiff_t size() const { return size_; }

    // For `size` bytes of a piece from `start` on. Throws `std::bad_alloc`.
    lt::span<char> place(lt::file_storage const& files, lt::piece_index_t piece, int start,
                         std::ptrdiff_t size)
    {
        if (!bytes_) bytes_.reset(static_cast<char*>(std::aligned_alloc(page, room_for(size_))));
        if (!bytes_) throw std::bad_alloc();
        auto const offset = std::int64_t(static_cast<int>(piece)) * files.piece_length() + start;
        auto const file = files.file_index_at_offset(offset);
        auto const in_page = (offset - files.file_offset(file)) % std::int64_t(page);
        return {bytes_.get() + in_page, size};
    }

private:
    static constexpr std::size_t page = 4096;

    static std::size_t room_for(std::ptrdiff_t bytes)
    {
        return (static_cast<std::size_t>(bytes) + 2 * page - 1) / page * page;
    }

    struct Free {
        void operator()(char* bytes) const { std::free(bytes); }
    };

    std::unique_ptr<char, Free> bytes_;
    std::ptrdiff_t size_;
};

}  // namespace cove
