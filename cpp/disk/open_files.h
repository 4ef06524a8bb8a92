// The files that are open: a bounded number, the least used closed first. Safe from every thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <libtorrent/disk_interface.hpp>
#include <libtorrent/time.hpp>

#include "disk/file.h"

namespace cove::disk {

class OpenFiles {
public:
    using Opener = std::function<std::shared_ptr<File const>()>;

    // File `file` of storage `owner`, by `open` if it is not open in that way. What is handed out
    // stays open until it is let go.
    std::shared_ptr<File const> get(std::uint32_t owner, lt::file_index_t file, Access access,
                                    Opener const& open);

    // Closes all files of `owner`, or one of them.
    void close(std::uint32_t owner);
    void close(std::uint32_t owner, lt::file_index_t file);

    void set_limit(int files);

    std::vector<lt::open_file_state> of(std::uint32_t owner) const;

private:
    struct Entry {
        std::shared_ptr<File const> file;
        Access access;
        lt::time_point used;
    };

    void close_oldest();

    mutable std::mutex mutex_;
    // By owner and file.
    std::unordered_map<std::uint64_t, Entry> entries_;
    std::size_t limit_ = 40;
};

}  // namespace cove::disk
