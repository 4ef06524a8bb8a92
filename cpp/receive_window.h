// How much the system may hold for one connection before it is read.
#pragma once

#include <libtorrent/settings_pack.hpp>

namespace cove {

// libtorrent reads all that a connection has waiting into one buffer, twice while it parses. Where
// the system lets 32 MiB wait, one fast peer costs 64 MiB: there, unless the user has chosen, the
// window is limited to what is still 40 MB/s from a peer 100 ms away.
void limit_receive_window(lt::settings_pack& pack);

}  // namespace cove
