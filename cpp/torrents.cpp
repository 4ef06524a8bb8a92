// What can be done to one torrent, by its token.
#include <algorithm>
#include <limits>
#include <stdexcept>

#include <libtorrent/announce_entry.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

#include "compat.h"
#include "cove/src/engine/ffi_details.rs.h"

#include "convert.h"
#include "impl.h"
#include "names.h"

namespace cove {
namespace {

lt::torrent_flags_t flag_of(Flag flag)
{
    switch (flag) {
        case Flag::AutoManaged: return lt::torrent_flags::auto_managed;
        case Flag::UploadMode: return lt::torrent_flags::upload_mode;
        case Flag::Sequential: return lt::torrent_flags::sequential_download;
        case Flag::SuperSeeding: return lt::torrent_flags::super_seeding;
        case Flag::StopWhenReady: return lt::torrent_flags::stop_when_ready;
        case Flag::DisableDht: return lt::torrent_flags::disable_dht;
        case Flag::DisableLsd: return lt::torrent_flags::disable_lsd;
        case Flag::DisablePex: return lt::torrent_flags::disable_pex;
        case Flag::ShareMode: return lt::torrent_flags::share_mode;
        case Flag::ApplyIpFilter: return lt::torrent_flags::apply_ip_filter;
    }
    throw std::runtime_error("no such flag");
}

lt::move_flags_t move_mode_of(MoveMode mode)
{
    switch (mode) {
        case MoveMode::Replace: return lt::move_flags_t::always_replace_files;
        case MoveMode::FailIfExists: return lt::move_flags_t::fail_if_exist;
        case MoveMode::KeepExisting: return lt::move_flags_t::dont_replace;
    }
    throw std::runtime_error("no such way to move");
}

lt::announce_entry announce_of(TrackerEntry const& from)
{
    lt::announce_entry to(plain(from.url));
    to.tier = from.tier;
    to.source = lt::announce_entry::source_client;
    return to;
}

std::vector<lt::download_priority_t> priorities_of(rust::Slice<std::uint8_t const> from)
{
    std::vector<lt::download_priority_t> to;
    to.reserve(from.size());
    for (auto const priority : from) {
        if (priority > 7) throw std::runtime_error("a priority is above 7");
        to.push_back(lt::download_priority_t(priority));
    }
    return to;
}

// libtorrent ignores pieces beyond a torrent's last; here they must only be a number of its kind.
lt::piece_index_t piece_of(std::uint64_t piece)
{
    if (piece > std::uint64_t(std::numeric_limits<int>::max())) {
        throw std::runtime_error("no torrent has so many pieces");
    }
    return lt::piece_index_t(int(piece));
}

// A copy made on the network thread, which renames files in the original. A v2 torrent that still
// lacks hashes has no such copy; its original is copied here.
std::shared_ptr<lt::torrent_info> copy_of_info(lt::torrent_handle const& torrent)
{
    if (auto copy = torrent.torrent_file_with_hashes()) return copy;
    auto const info = torrent.torrent_file();
    return info ? std::make_shared<lt::torrent_info>(*info) : nullptr;
}

void copy_state(lt::peer_info const& from, PeerEntry& to)
{
    auto const has = [&from](lt::peer_flags_t flag) { return bool(from.flags & flag); };
    to.we_are_interested = has(lt::peer_info::interesting);
    to.we_choke = has(lt::peer_info::choked);
    to.is_interested = has(lt::peer_info::remote_interested);
    to.chokes_us = has(lt::peer_info::remote_choked);
    to.is_outgoing = has(lt::peer_info::local_connection);
    to.is_seed = has(lt::peer_info::seed);
    to.is_upload_only = has(lt::peer_info::upload_only);
    to.is_snubbed = has(lt::peer_info::snubbed);
    to.is_optimistic = has(lt::peer_info::optimistic_unchoke);
    to.is_utp = has(lt::peer_info::utp_socket);
}

PeerEntry peer_of(lt::peer_info const& from)
{
    PeerEntry to{};
    to.ip = lossy(from.ip.address().to_string());
    to.port = from.ip.port();
    std::memcpy(to.id.data(), from.pid.data(), to.id.size());
    to.client = foreign(from.client);
    to.progress = from.progress;
    to.download_rate = small_count_of(from.payload_down_speed);
    to.upload_rate = small_count_of(from.payload_up_speed);
    to.downloaded = count_of(from.total_download);
    to.uploaded = count_of(from.total_upload);
    to.source = static_cast<std::uint8_t>(from.source);
    to.flags = static_cast<std::uint32_t>(from.flags);
    // libtorrent's flags 1, 2 and 4 as the numbers 0, 1 and 2.
    auto const kind = static_cast<std::uint8_t>(from.connection_type);
    to.connection_kind = kind == 4 ? 2 : kind == 2 ? 1 : 0;
    to.total_download_rate = small_count_of(from.down_speed);
    to.total_upload_rate = small_count_of(from.up_speed);
    to.busy_requests = from.busy_requests;
    to.queue_length = from.download_queue_length;
    to.queue_s = lt::total_seconds(from.download_queue_time);
    to.last_active_s = lt::total_seconds(from.last_active);
    to.last_request_s = lt::total_seconds(from.last_request);
    to.rtt_ms = from.rtt;
    to.local_ip = lossy(from.local_endpoint.address().to_string());
    to.local_port = from.local_endpoint.port();
    copy_state(from, to);
    return to;
}

}  // namespace

lt::torrent_handle const& Session::Impl::handle(std::uint64_t token) const
{
    auto const found = handles.find(token);
    if (found == handles.end()) throw std::runtime_error("the session has no such torrent");
    return found->second;
}

void Session::add(std::unique_ptr<AddParams> params, std::uint64_t token)
{
    if (!params) throw std::runtime_error("there are no parameters to add");
    if (token == 0) throw std::runtime_error("token 0 means none");
    if (impl->handles.count(token) != 0) throw std::runtime_error("the token is in use");
    auto taken = std::move(params->impl->params);
    // The disk asks for it as soon as libtorrent has the torrent.
    if (auto& seal = params->impl->seal) impl->seals->put(hashes_in(taken), std::move(*seal));
    taken.userdata = lt::client_data_t(reinterpret_cast<void*>(std::uintptr_t(token)));
    taken.flags |= lt::torrent_flags::update_subscribe | lt::torrent_flags::duplicate_is_error;
    impl->live().async_add_torrent(std::move(taken));
}

void Session::remove(std::uint64_t token)
{
    auto const& torrent = impl->handle(token);
    auto const hashes = torrent.info_hashes();
    impl->live().remove_torrent(torrent);
    impl->seals->drop(hashes);
}

bool Session::pause(std::uint64_t token)
{
    auto const& torrent = impl->handle(token);
    torrent.unset_flags(lt::torrent_flags::auto_managed);
    bool const stands = bool(torrent.flags() & lt::torrent_flags::paused);
    torrent.pause();
    return !stands && !impl->live().is_paused();
}

void Session::resume(std::uint64_t token) { impl->handle(token).resume(); }

void Session::recheck(std::uint64_t token) { impl->handle(token).force_recheck(); }

void Session::clear_error(std::uint64_t token) { impl->handle(token).clear_error(); }

void Session::reannounce(std::uint64_t token, rust::Str url)
{
    auto const& torrent = impl->handle(token);
    if (url.empty()) {
        torrent.force_reannounce(0, -1, lt::torrent_handle::ignore_min_interval);
        torrent.force_dht_announce();
        return;
    }
    auto const wanted = plain(url);
    auto const all = torrent.trackers();
    auto const found = std::find_if(
        all.begin(), all.end(), [&](auto const& tracker) { return tracker.url == wanted; });
    if (found == all.end()) throw std::runtime_error("it has no tracker `" + wanted + "`");
    torrent.force_reannounce(0, int(found - all.begin()), lt::torrent_handle::ignore_min_interval);
}

void Session::move_storage(std::uint64_t token, rust::Str path, MoveMode mode)
{
    if (path.empty()) throw std::runtime_error("the path is empty");
    impl->handle(token).move_storage(plain(path), move_mode_of(mode));
}

void Session::rename_file(std::uint64_t token, std::uint32_t file, rust::Str name)
{
    auto const& torrent = impl->handle(token);
    auto const wanted = plain(name);
    if (clean_path(wanted) != wanted) throw std::runtime_error("`" + wanted + "` is no file name");
    auto const info = copy_of_info(torrent);
    if (!info) throw std::runtime_error("the metadata is not known yet");
    if (file >= std::uint32_t(info->num_files())) throw std::runtime_error("no such file");
    lt::file_index_t const index(static_cast<int>(file));
    if (!clean_names(*info, {{index, wanted}}).empty()) {
        throw std::runtime_error("another file has the name `" + wanted + "`");
    }
    torrent.rename_file(index, wanted);
}

void Session::prioritize_files(std::uint64_t token, rust::Slice<std::uint8_t const> priorities)
{
    impl->handle(token).prioritize_files(priorities_of(priorities));
}

void Session::prioritize_pieces(std::uint64_t token, std::uint32_t first,
                                rust::Slice<std::uint8_t const> priorities)
{
    std::vector<std::pair<lt::piece_index_t, lt::download_priority_t>> wanted;
    std::uint64_t piece = first;
    for (auto const priority : priorities_of(priorities)) {
        wanted.emplace_back(piece_of(piece++), priority);
    }
    impl->handle(token).prioritize_pieces(wanted);
}

void Session::set_piece_deadline(std::uint64_t token, std::uint32_t piece, std::uint32_t deadline_ms)
{
    auto const longest = std::uint32_t(std::numeric_limits<int>::max());
    auto const deadline = int(std::min(deadline_ms, longest));
    impl->handle(token).set_piece_deadline(piece_of(piece), deadline);
}

void Session::clear_piece_deadlines(std::uint64_t token)
{
    impl->handle(token).clear_piece_deadlines();
}

void Session::set_limits(std::uint64_t token, TorrentLimits const& limits)
{
    auto const& torrent = impl->handle(token);
    torrent.set_download_limit(limits.download);
    torrent.set_upload_limit(limits.upload);
    if (limits.connections != 0) torrent.set_max_connections(limits.connections);
    if (limits.uploads != 0) torrent.set_max_uploads(limits.uploads);
}

void Session::set_flag(std::uint64_t token, Flag flag, bool on)
{
    auto const bit = flag_of(flag);
    impl->handle(token).set_flags(on ? bit : lt::torrent_flags_t{}, bit);
}

void Session::move_in_queue(std::uint64_t token, QueueMove direction)
{
    auto const& torrent = impl->handle(token);
    switch (direction) {
        case QueueMove::Up: torrent.queue_position_up(); break;
        case QueueMove::Down: torrent.queue_position_down(); break;
        case QueueMove::Top: torrent.queue_position_top(); break;
        case QueueMove::Bottom: torrent.queue_position_bottom(); break;
    }
}

void Session::replace_trackers(std::uint64_t token, rust::Slice<TrackerEntry const> trackers)
{
    std::vector<lt::announce_entry> wanted;
    for (auto const& tracker : trackers) wanted.push_back(announce_of(tracker));
    impl->handle(token).replace_trackers(wanted);
}

void Session::add_tracker(std::uint64_t token, TrackerEntry const& tracker)
{
    impl->handle(token).add_tracker(announce_of(tracker));
}

void Session::add_web_seed(std::uint64_t token, rust::Str url)
{
    impl->handle(token).add_url_seed(plain(url));
}

void Session::remove_web_seed(std::uint64_t token, rust::Str url)
{
    impl->handle(token).remove_url_seed(plain(url));
}

void Session::connect_peer(std::uint64_t token, rust::Str ip, std::uint16_t port)
{
    lt::error_code error;
    auto const address = lt::make_address(plain(ip), error);
    if (error || port == 0) {
        throw std::runtime_error("`" + plain(ip) + "` with port " + std::to_string(port)
                                 + " is no address of a peer");
    }
    impl->handle(token).connect_peer({address, port});
}

void Session::save_resume(std::uint64_t token, bool with_metadata, bool only_if_modified)
{
    lt::resume_data_flags_t flags{};
    if (with_metadata) flags |= lt::torrent_handle::save_info_dict;
    if (only_if_modified) flags |= lt::torrent_handle::only_if_modified;
    impl->handle(token).save_resume_data(flags);
}

Description Session::description(std::uint64_t token) const
{
    auto const& torrent = impl->handle(token);
    auto const status = torrent.status(lt::torrent_handle::query_name
                                       | lt::torrent_handle::query_save_path);
    Description to{};
    to.hashes = hashes_of(status.info_hashes);
    to.name = lossy(clean_name(status.name));
    to.save_path = lossy(status.save_path);
    to.added_at = status.added_time;
    to.completed_at = status.completed_time;
    to.trackers = trackers(token);
    to.web_seeds = web_seeds(token);
    if (auto const info = copy_of_info(torrent)) describe_metadata(*info, to);
    for (auto const priority : torrent.get_file_priorities()) {
        to.file_priorities.push_back(static_cast<std::uint8_t>(priority));
    }
    return to;
}

rust::Vec<PeerEntry> Session::peers(std::uint64_t token) const
{
    std::vector<lt::peer_info> from;
    impl->handle(token).get_peer_info(from);
    rust::Vec<PeerEntry> to;
    for (auto const& peer : from) to.push_back(peer_of(peer));
    return to;
}

rust::Vec<TrackerEntry> Session::trackers(std::uint64_t token) const
{
    rust::Vec<TrackerEntry> to;
    for (auto const& tracker : impl->handle(token).trackers()) {
        to.push_back(TrackerEntry{lossy(tracker.url), tracker.tier});
    }
    return to;
}

rust::Vec<rust::String> Session::web_seeds(std::uint64_t token) const
{
    rust::Vec<rust::String> to;
    for (auto const& url : impl->handle(token).url_seeds()) to.push_back(lossy(url));
    return to;
}

rust::Vec<std::uint32_t> Session::piece_availability(std::uint64_t token) const
{
    std::vector<int> from;
    impl->handle(token).piece_availability(from);
    rust::Vec<std::uint32_t> to;
    for (auto const copies : from) to.push_back(copies < 0 ? 0 : std::uint32_t(copies));
    return to;
}

}  // namespace cove
