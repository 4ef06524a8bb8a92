// Names on disk (rule F2): what libtorrent's own cleaning leaves undone.
#pragma once

#include <map>
#include <string>

#include <libtorrent/file_storage.hpp>
#include <libtorrent/torrent_info.hpp>

namespace cove {

using Renames = std::map<lt::file_index_t, std::string>;

// One part of a path: no control or direction-override characters, no separator, at most 255
// bytes, never empty and never a dot name. Clean names come back as they are.
std::string clean_part(std::string const& part);

// As clean_part for a torrent's display name, which may be empty: not known yet.
std::string clean_name(std::string const& name);

// A relative path, each part clean; `..` and empty parts vanish.
std::string clean_path(std::string const& path);

// The new names of those files whose names need one, given the names they have in `info` or by
// `renames`: unclean ones, and ones that would meet another file or folder, by letter case too.
Renames clean_names(lt::torrent_info const& info, Renames const& renames);

// How many files have the name of an earlier one, by letter case too. Padding of one size may.
int count_collisions(lt::file_storage const& files);

}  // namespace cove
