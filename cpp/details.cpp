// What libtorrent knows of one torrent beyond its status: asked for one at a time, never for lists.
#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <boost/version.hpp>
#include <libtorrent/announce_entry.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/version.hpp>

#include "cove/src/engine/ffi_details.rs.h"

#include "convert.h"
#include "impl.h"

namespace cove {
namespace {

// Whole seconds of the steady clock; the unset moment is the smallest number. libtorrent's own clock
// may be the wall's, whose distance from the steady one is rounded, so that a moment stays the same.
std::int32_t seconds_of(lt::time_point32 moment)
{
    using std::chrono::duration;
    if (moment == (lt::time_point32::min)()) return std::numeric_limits<std::int32_t>::min();
    duration<double> const steady = std::chrono::steady_clock::now().time_since_epoch();
    duration<double> const own = lt::clock_type::now().time_since_epoch();
    auto const distance = std::llround(steady.count() - own.count());
    return std::int32_t(moment.time_since_epoch().count() + distance);
}

AnnounceState state_of(lt::announce_infohash const& from)
{
    AnnounceState to{};
    to.message = foreign(from.message);
    to.has_error = bool(from.last_error);
    if (to.has_error) to.last_error = foreign(from.last_error.message());
    to.next_announce = seconds_of(from.next_announce);
    to.min_announce = seconds_of(from.min_announce);
    to.scrape_incomplete = from.scrape_incomplete;
    to.scrape_complete = from.scrape_complete;
    to.scrape_downloaded = from.scrape_downloaded;
    to.fails = from.fails;
    to.is_updating = from.updating;
    to.start_sent = from.start_sent;
    to.complete_sent = from.complete_sent;
    return to;
}

AnnounceEndpoint endpoint_of(lt::announce_endpoint const& from)
{
    AnnounceEndpoint to{};
    to.ip = lossy(from.local_endpoint.address().to_string());
    to.port = from.local_endpoint.port();
    to.is_enabled = from.enabled;
    to.v1 = state_of(from.info_hashes[lt::protocol_version::V1]);
    to.v2 = state_of(from.info_hashes[lt::protocol_version::V2]);
    return to;
}

TrackerReport report_of(lt::announce_entry const& from)
{
    TrackerReport to{};
    to.url = lossy(from.url);
    to.tracker_id = foreign(from.trackerid);
    to.tier = from.tier;
    to.fail_limit = from.fail_limit;
    to.source = from.source;
    to.is_verified = from.verified;
    for (auto const& endpoint : from.endpoints) to.endpoints.push_back(endpoint_of(endpoint));
    return to;
}

}  // namespace

rust::Vec<TrackerReport> Session::tracker_reports(std::uint64_t token) const
{
    rust::Vec<TrackerReport> to;
    for (auto const& tracker : impl->handle(token).trackers()) to.push_back(report_of(tracker));
    return to;
}

Properties Session::properties(std::uint64_t token) const
{
    auto const& torrent = impl->handle(token);
    Properties to{};
    to.download_limit = torrent.download_limit();
    to.upload_limit = torrent.upload_limit();
    to.max_connections = torrent.max_connections();
    to.max_uploads = torrent.max_uploads();
    to.flags = static_cast<std::uint64_t>(torrent.flags());
    return to;
}

rust::Vec<std::uint8_t> Session::file_flags(std::uint64_t token) const
{
    auto const info = impl->handle(token).torrent_file();
    if (!info) throw std::runtime_error("the metadata is not known yet");
    rust::Vec<std::uint8_t> to;
    auto const& files = info->orig_files();
    for (auto const file : files.file_range()) {
        to.push_back(static_cast<std::uint8_t>(files.file_flags(file)));
    }
    return to;
}

SessionState Session::session_state() const
{
    auto const& session = impl->live();
    SessionState to{};
    to.is_dht_running = session.is_dht_running();
    to.is_listening = session.is_listening();
    to.is_paused = session.is_paused();
    return to;
}

void Session::set_flags(std::uint64_t token, std::uint64_t flags, std::uint64_t mask)
{
    impl->handle(token).set_flags(lt::torrent_flags_t(flags), lt::torrent_flags_t(mask));
}

void AddParams::set_flags(std::uint64_t flags, std::uint64_t mask)
{
    auto const meant = lt::torrent_flags_t(mask);
    auto& present = impl->params.flags;
    present = (present & ~meant) | (lt::torrent_flags_t(flags) & meant);
}

void Session::set_queue_position(std::uint64_t token, std::int32_t position)
{
    if (position < 0) throw std::runtime_error("a place in the queue is 0 or more");
    impl->handle(token).queue_position_set(lt::queue_position_t(position));
}

rust::String libtorrent_revision() { return lossy(LIBTORRENT_REVISION); }

rust::String boost_version() { return lossy(BOOST_LIB_VERSION); }

}  // namespace cove
