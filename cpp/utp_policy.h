// Keeps uTP away from loopback and the local network, where it costs speed and gives nothing:
// 7-30 MB/s where TCP moves hundreds. libtorrent has no setting for that.
#pragma once

#include <memory>

#include <libtorrent/fwd.hpp>

namespace cove {

// A session plug-in that redoes outgoing uTP connections to local peers over TCP.
std::shared_ptr<lt::plugin> make_utp_policy();

}  // namespace cove
