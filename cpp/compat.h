// Every difference between libtorrent versions, so that it is nowhere else.
#pragma once

#include <map>
#include <string>

#include <libtorrent/alert_types.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/version.hpp>

#if LIBTORRENT_VERSION_NUM < 20008
#error "libtorrent 2.0.8 or newer is needed"
#endif

namespace cove {

// The torrent file of an alert's parameters.
inline std::shared_ptr<lt::torrent_info const> torrent_file_of(lt::add_torrent_params const& params)
{
    return params.ti;
}

// Gives files of a torrent that libtorrent holds, but has not opened yet, other names on disk: those
// of `names`, and over them `renames`. Runs on the network thread.
//
// libtorrent offers no way to name a magnet's files before it makes them. The object behind the
// pointer is not const: the torrent that owns it makes it with make_shared<torrent_info>, and only
// the network thread touches it by now.
inline void rename_before_opening(lt::torrent_info const& held, lt::torrent_info const& names,
                                  std::map<lt::file_index_t, std::string> const& renames)
{
    static_assert(LIBTORRENT_VERSION_NUM < 20100, "torrent_info is immutable from 2.1 on");
    auto& own = const_cast<lt::torrent_info&>(held);
    if (&names.files() != &names.orig_files()) own.remap_files(names.files());
    for (auto const& [file, name] : renames) own.rename_file(file, name);
}

}  // namespace cove
