// Every difference between libtorrent versions, so that it is nowhere else.
#pragma once

#include <libtorrent/alert_types.hpp>
#include <libtorrent/torrent_flags.hpp>
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

}  // namespace cove
