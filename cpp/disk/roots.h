// Below which folders files may be made (rule F1).
#pragma once

#include <string>
#include <vector>

#include <libtorrent/error_code.hpp>

namespace cove::disk {

class Roots {
public:
    // None: everywhere.
    explicit Roots(std::vector<std::string> folders) : folders_(std::move(folders)) {}

    // Whether `path` lies below a root once every symlink on the way is followed. What is not
    // there yet counts by its name. Asked when something is about to be made, since a link may
    // have come after the torrent was judged. A refusal is ELOOP, as for a link that may not be
    // followed: nothing else leads out.
    bool allow(std::string const& path, lt::error_code& error) const;

private:
    std::vector<std::string> const folders_;
};

}  // namespace cove::disk
