// A torrent's files as names in a folder: compared with resume data, moved, removed.
#pragma once

#include <cstdint>
#include <string>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/session_types.hpp>
#include <libtorrent/storage_defs.hpp>

#include "disk/roots.h"

namespace cove::disk {

struct Layout {
    lt::file_storage const& files;
    std::string const& folder;
    Roots const& roots;
};

// `path` from the root on.
std::string absolute(std::string const& path);

// The size of the file at `path`; -1, and `error` says why.
std::int64_t size_of(std::string const& path, lt::error_code& error);

// Makes the hard links in `links` (empty names are none), and says whether the files that `resume`
// claims pieces of are there; of a seed, whether they are long enough.
bool matches_resume(Layout const& layout, lt::add_torrent_params const& resume,
                    lt::aux::vector<std::string, lt::file_index_t> const& links,
                    lt::aux::vector<lt::download_priority_t, lt::file_index_t> const& priorities,
                    lt::storage_error& error);

// Moves one file, making folders. True: it had to be copied, and the source is still there.
bool move_file(std::string const& from, std::string const& to, Roots const& roots,
               lt::error_code& error);

// Moves all files and the part file, or none.
lt::status_t move_files(Layout const& layout, std::string const& to, std::string const& part_name,
                        lt::move_flags_t flags, lt::storage_error& error);

// Removes files, the folders of the torrent that are empty then, and the part file. Symlinks are
// removed, not followed.
void remove_files(Layout const& layout, std::string const& part_name, lt::remove_flags_t what,
                  lt::storage_error& error);

}  // namespace cove::disk
