// Memory to read files into.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include <libtorrent/span.hpp>

namespace cove {

// Begins with a page: the system copies there several times as fast as to elsewhere.
class PageBuffer final {
public:
    explicit PageBuffer(std::ptrdiff_t bytes)
        : bytes_(static_cast<char*>(std::aligned_alloc(page, rounded(bytes)))), size_(bytes)
    {
        if (!bytes_) throw std::bad_alloc();
    }

    lt::span<char> all() const { return {bytes_.get(), size_}; }

private:
    static constexpr std::size_t page = 4096;

    static std::size_t rounded(std::ptrdiff_t bytes)
    {
        return (static_cast<std::size_t>(bytes) + page - 1) / page * page;
    }

    struct Free {
        void operator()(char* bytes) const { std::free(bytes); }
    };

    std::unique_ptr<char, Free> bytes_;
    std::ptrdiff_t size_;
};

}  // namespace cove
