// libtorrent's disk back end with one promise more: a piece counts as there only when its bytes
// were written.
#pragma once

#include <memory>

#include <libtorrent/disk_interface.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/performance_counters.hpp>
#include <libtorrent/settings_pack.hpp>

namespace cove {

// A disk_io_constructor for lt::session_params.
std::unique_ptr<lt::disk_interface> make_ordered_disk(lt::io_context& context,
                                                      lt::settings_interface const& settings,
                                                      lt::counters& counters);

}  // namespace cove
