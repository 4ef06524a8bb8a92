// Drains alerts into plain values. Alerts die at the next drain, so everything is copied at once.
#include <cmath>
#include <stdexcept>
#include <string>

#include <libtorrent/alert_types.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>
#include <libtorrent/write_resume_data.hpp>

#include "compat.h"
#include "convert.h"
#include "impl.h"
#include "names.h"

namespace cove {
namespace {

Alert alert_of(AlertKind kind, std::uint64_t token = 0)
{
    Alert to{};
    to.kind = kind;
    to.token = token;
    return to;
}

// The system's own error number, 0 for libtorrent's errors.
std::int64_t errno_of(lt::error_code const& error)
{
    bool const system = error.category() == boost::system::system_category()
        || error.category() == boost::system::generic_category();
    return system ? error.value() : 0;
}

float copies_of(lt::torrent_status const& from)
{
    if (from.distributed_full_copies < 0) return -1.0f;
    return float(from.distributed_full_copies) + float(from.distributed_fraction) / 1000.0f;
}

void copy_rates(lt::torrent_status const& from, StatusUpdate& to)
{
    to.progress = from.progress;
    to.download_rate = small_count_of(from.download_payload_rate);
    to.upload_rate = small_count_of(from.upload_payload_rate);
    to.wanted = count_of(from.total_wanted);
    to.wanted_done = count_of(from.total_wanted_done);
    to.done = count_of(from.total_done);
    to.session_download = count_of(from.total_download);
    to.session_upload = count_of(from.total_upload);
    to.all_time_download = count_of(from.all_time_download);
    to.all_time_upload = count_of(from.all_time_upload);
}

void copy_times(lt::torrent_status const& from, StatusUpdate& to)
{
    to.added_at = from.added_time;
    to.completed_at = from.completed_time;
    to.last_download_at = unix_time(from.last_download);
    to.last_upload_at = unix_time(from.last_upload);
    to.seeding_s = count_of(lt::total_seconds(from.seeding_duration));
    to.finished_s = count_of(lt::total_seconds(from.finished_duration));
    to.active_s = count_of(lt::total_seconds(from.active_duration));
}

void copy_peers(lt::torrent_status const& from, StatusUpdate& to)
{
    to.connected_peers = small_count_of(from.num_peers);
    to.connected_seeds = small_count_of(from.num_seeds);
    to.known_peers = small_count_of(from.list_peers);
    to.known_seeds = small_count_of(from.list_seeds);
    to.scrape_seeds = from.num_complete;
    to.scrape_leeches = from.num_incomplete;
    to.distributed_copies = copies_of(from);
}

void copy_figures(lt::torrent_status const& from, TorrentFigures& to)
{
    to.payload_download = from.total_payload_download;
    to.payload_upload = from.total_payload_upload;
    to.failed_bytes = from.total_failed_bytes;
    to.redundant_bytes = from.total_redundant_bytes;
    to.total_bytes = from.total;
    to.download_rate = from.download_rate;
    to.upload_rate = from.upload_rate;
    to.progress_ppm = from.progress_ppm;
    to.connect_candidates = from.connect_candidates;
    to.piece_count = from.num_pieces;
    to.full_copies = from.distributed_full_copies;
    to.copies_fraction = from.distributed_fraction;
    to.block_size = from.block_size;
    to.uploads = from.num_uploads;
    to.connections = from.num_connections;
    to.uploads_limit = from.uploads_limit;
    to.connections_limit = from.connections_limit;
    to.upload_queue = from.up_bandwidth_queue;
    to.download_queue = from.down_bandwidth_queue;
    to.seed_rank = from.seed_rank;
    to.state = int(from.state);
    to.finished_s = lt::total_seconds(from.finished_duration);
}

// A seed's status names no pieces: all of them are there.
void copy_pieces(lt::torrent_status const& from, StatusUpdate& to)
{
    if (!from.pieces.empty()) {
        to.pieces = bits_of(from.pieces);
        to.piece_count = small_count_of(from.pieces.size());
    }
}

StatusUpdate status_of(lt::torrent_status const& from)
{
    StatusUpdate to{};
    to.token = token_in(from.handle.userdata());
    to.stage = std::uint8_t(from.state);
    to.is_paused = bool(from.flags & lt::torrent_flags::paused);
    to.is_auto_managed = bool(from.flags & lt::torrent_flags::auto_managed);
    to.is_upload_mode = bool(from.flags & lt::torrent_flags::upload_mode);
    to.is_moving = from.moving_storage;
    to.has_metadata = from.has_metadata;
    to.needs_resume = from.need_save_resume;
    to.error = from.errc ? foreign(from.errc.message()) : rust::String();
    to.error_value = from.errc.value();
    to.flags = static_cast<std::uint64_t>(from.flags);
    to.error_file = static_cast<int>(from.error_file);
    to.queue_position = static_cast<int>(from.queue_position);
    to.name = lossy(clean_name(from.name));
    to.save_path = lossy(from.save_path);
    copy_rates(from, to);
    copy_times(from, to);
    copy_peers(from, to);
    copy_figures(from, to.figures);
    copy_pieces(from, to);
    return to;
}

// One alert after another is offered to these; the first that knows it fills `to`.

bool take_life(lt::alert const* from, Session::Impl& session, Alert& to)
{
    if (auto const* a = lt::alert_cast<lt::add_torrent_alert>(from)) {
        auto const token = token_in(a->params.userdata);
        to = alert_of(a->error ? AlertKind::AddFailed : AlertKind::Added, token);
        if (a->error) {
            to.text = lossy(a->error.message());
            session.seals->drop(hashes_in(a->params));
        } else {
            session.handles[token] = a->handle;
        }
        return true;
    }
    if (auto const* a = lt::alert_cast<lt::torrent_removed_alert>(from)) {
        to = alert_of(AlertKind::Removed, token_in(a->userdata));
        session.handles.erase(to.token);
        return true;
    }
    return false;
}

void fill_resume(lt::add_torrent_params const& from, Alert& to)
{
    auto params = from;
    if (auto const info = torrent_file_of(params)) {
        params.info_hashes = info->info_hashes();
        to.metadata = bytes_of(
            lt::write_torrent_file_buf(params, lt::write_flags::allow_missing_piece_layer));
    }
    params.ti.reset();
    to.data = bytes_of(lt::write_resume_data_buf(params));
}

bool take_resume(lt::alert const* from, Alert& to)
{
    if (auto const* a = lt::alert_cast<lt::save_resume_data_alert>(from)) {
        to = alert_of(AlertKind::ResumeData, token_in(a->handle.userdata()));
        fill_resume(a->params, to);
        return true;
    }
    if (auto const* a = lt::alert_cast<lt::save_resume_data_failed_alert>(from)) {
        to = alert_of(AlertKind::ResumeFailed, token_in(a->handle.userdata()));
        to.text = lossy(a->error.message());
        to.number = a->error == lt::errors::resume_data_not_modified ? 1 : 0;
        return true;
    }
    return false;
}

bool take_metadata(lt::alert const* from, Session::Impl& session, Alert& to)
{
    auto const* const a = lt::alert_cast<lt::metadata_received_alert>(from);
    if (a == nullptr) return false;
    to = alert_of(AlertKind::MetadataReceived, token_in(a->handle.userdata()));
    if (auto const why = session.refusals->take(to.token)) {
        to.kind = AlertKind::MetadataRefused;
        to.text = lossy(*why);
    }
    return true;
}

bool take_state(lt::alert const* from, Alert& to)
{
    auto const plainly = [&to, from](AlertKind kind) {
        auto const* torrent = static_cast<lt::torrent_alert const*>(from);
        to = alert_of(kind, token_in(torrent->handle.userdata()));
        return true;
    };
    switch (from->type()) {
        case lt::torrent_checked_alert::alert_type: return plainly(AlertKind::Checked);
        case lt::torrent_finished_alert::alert_type: return plainly(AlertKind::Finished);
        case lt::torrent_paused_alert::alert_type: return plainly(AlertKind::Paused);
        case lt::torrent_resumed_alert::alert_type: return plainly(AlertKind::Resumed);
        case lt::file_prio_alert::alert_type: return plainly(AlertKind::FilesPrioritized);
        case lt::state_changed_alert::alert_type:
            plainly(AlertKind::StateChanged);
            to.number = static_cast<lt::state_changed_alert const*>(from)->state;
            return true;
        case lt::piece_finished_alert::alert_type:
            plainly(AlertKind::PieceFinished);
            to.number = static_cast<int>(
                static_cast<lt::piece_finished_alert const*>(from)->piece_index);
            return true;
        case lt::hash_failed_alert::alert_type:
            plainly(AlertKind::HashFailed);
            to.number = static_cast<int>(static_cast<lt::hash_failed_alert const*>(from)->piece_index);
            return true;
        case lt::metadata_failed_alert::alert_type:
            plainly(AlertKind::MetadataFailed);
            to.text = lossy(static_cast<lt::metadata_failed_alert const*>(from)->error.message());
            return true;
        case lt::performance_alert::alert_type:
            plainly(AlertKind::Performance);
            to.text = lossy(from->message());
            return true;
        default: return false;
    }
}

bool take_files(lt::alert const* from, Alert& to)
{
    auto const fail = [&to](AlertKind kind, lt::torrent_alert const& a, lt::error_code const& error,
                            char const* path) {
        to = alert_of(kind, token_in(a.handle.userdata()));
        to.text = lossy(error.message());
        to.number = errno_of(error);
        to.path = lossy(path == nullptr ? "" : path);
        return true;
    };
    if (auto const* a = lt::alert_cast<lt::file_error_alert>(from)) {
        fail(AlertKind::FileError, *a, a->error, a->filename());
        to.more = disk::is_broken_seal(a->error) ? 1 : 0;
        return true;
    }
    if (auto const* a = lt::alert_cast<lt::torrent_error_alert>(from))
        return fail(AlertKind::TorrentError, *a, a->error, a->filename());
    if (auto const* a = lt::alert_cast<lt::fastresume_rejected_alert>(from))
        return fail(AlertKind::ResumeRejected, *a, a->error, a->file_path());
    if (auto const* a = lt::alert_cast<lt::storage_moved_failed_alert>(from))
        return fail(AlertKind::MoveFailed, *a, a->error, a->file_path());
    if (auto const* a = lt::alert_cast<lt::file_rename_failed_alert>(from)) {
        fail(AlertKind::RenameFailed, *a, a->error, nullptr);
        to.number = static_cast<int>(a->index);
        return true;
    }
    if (auto const* a = lt::alert_cast<lt::storage_moved_alert>(from)) {
        to = alert_of(AlertKind::Moved, token_in(a->handle.userdata()));
        to.path = lossy(a->storage_path());
        return true;
    }
    if (auto const* a = lt::alert_cast<lt::file_renamed_alert>(from)) {
        to = alert_of(AlertKind::Renamed, token_in(a->handle.userdata()));
        to.number = static_cast<int>(a->index);
        to.path = lossy(a->new_name());
        return true;
    }
    return false;
}

Alert tracker_alert_of(AlertKind kind, lt::tracker_alert const& from)
{
    auto to = alert_of(kind, token_in(from.handle.userdata()));
    to.url = lossy(from.tracker_url());
    return to;
}

Alert tracker_error_of(lt::tracker_error_alert const& from)
{
    auto to = tracker_alert_of(AlertKind::TrackerError, from);
    auto const reason = std::string(from.failure_reason() ? from.failure_reason() : "");
    to.text = foreign(reason.empty() ? from.error.message() : reason);
    to.number = from.error.category() == lt::http_category() ? from.error.value() : 0;
    bool const late = from.error == boost::asio::error::timed_out
        || from.error == lt::error_code(lt::errors::timed_out, lt::libtorrent_category());
    to.more = late ? 1 : 0;
    return to;
}

bool take_trackers(lt::alert const* from, Alert& to)
{
    if (auto const* a = lt::alert_cast<lt::tracker_announce_alert>(from)) {
        to = tracker_alert_of(AlertKind::TrackerAnnounce, *a);
    } else if (auto const* a = lt::alert_cast<lt::tracker_reply_alert>(from)) {
        to = tracker_alert_of(AlertKind::TrackerReply, *a);
        to.number = a->num_peers;
    } else if (auto const* a = lt::alert_cast<lt::tracker_warning_alert>(from)) {
        to = tracker_alert_of(AlertKind::TrackerWarning, *a);
        to.text = foreign(a->warning_message());
    } else if (auto const* a = lt::alert_cast<lt::tracker_error_alert>(from)) {
        to = tracker_error_of(*a);
    } else if (auto const* a = lt::alert_cast<lt::scrape_reply_alert>(from)) {
        to = tracker_alert_of(AlertKind::ScrapeReply, *a);
        to.number = a->complete;
        to.more = a->incomplete;
    } else {
        return false;
    }
    return true;
}

rust::String socket_name(lt::socket_type_t type)
{
    switch (type) {
        case lt::socket_type_t::tcp: return "tcp";
        case lt::socket_type_t::utp: return "utp";
        case lt::socket_type_t::tcp_ssl: return "tcp_ssl";
        case lt::socket_type_t::utp_ssl: return "utp_ssl";
        default: return "other";
    }
}

bool take_session(lt::alert const* from, Alert& to)
{
    if (auto const* a = lt::alert_cast<lt::listen_succeeded_alert>(from)) {
        to = alert_of(AlertKind::ListenSucceeded);
        to.text = lossy(a->address.to_string());
        to.number = a->port;
        to.path = socket_name(a->socket_type);
    } else if (auto const* a = lt::alert_cast<lt::listen_failed_alert>(from)) {
        to = alert_of(AlertKind::ListenFailed);
        to.text = lossy(a->error.message());
        to.path = lossy(a->listen_interface());
        to.number = errno_of(a->error);
        to.more = a->port;
    } else if (auto const* a = lt::alert_cast<lt::external_ip_alert>(from)) {
        to = alert_of(AlertKind::ExternalIp);
        to.text = lossy(a->external_address.to_string());
    } else if (auto const* a = lt::alert_cast<lt::portmap_alert>(from)) {
        to = alert_of(AlertKind::PortMapped);
        to.number = a->external_port;
        to.text = a->map_transport == lt::portmap_transport::upnp ? "upnp" : "natpmp";
        to.path = a->map_protocol == lt::portmap_protocol::tcp ? "tcp" : "udp";
    } else if (auto const* a = lt::alert_cast<lt::portmap_error_alert>(from)) {
        to = alert_of(AlertKind::PortMapFailed);
        to.text = lossy(a->error.message());
    } else if (auto const* a = lt::alert_cast<lt::alerts_dropped_alert>(from)) {
        to = alert_of(AlertKind::Dropped);
        to.text = lossy(a->message());
    } else if (auto const* a = lt::alert_cast<lt::session_error_alert>(from)) {
        to = alert_of(AlertKind::SessionError);
        to.text = lossy(a->error.message());
    } else {
        return false;
    }
    return true;
}

void take(lt::alert const* from, Session::Impl& session, Batch& batch)
{
    if (auto const* a = lt::alert_cast<lt::state_update_alert>(from)) {
        for (auto const& status : a->status) batch.statuses.push_back(status_of(status));
        return;
    }
    if (auto const* a = lt::alert_cast<lt::session_stats_alert>(from)) {
        batch.stats.clear();
        for (auto const value : a->counters()) batch.stats.push_back(value);
        return;
    }
    Alert to{};
    bool const known = take_life(from, session, to) || take_metadata(from, session, to)
        || take_state(from, to) || take_resume(from, to)
        || take_files(from, to) || take_trackers(from, to) || take_session(from, to);
    if (known) batch.alerts.push_back(std::move(to));
}

// What a list shows of each torrent; names and paths change too seldom to be copied each time.
constexpr lt::status_flags_t listed = lt::torrent_handle::query_pieces
    | lt::torrent_handle::query_name | lt::torrent_handle::query_save_path
    | lt::torrent_handle::query_distributed_copies;

}  // namespace

void Session::drain(Batch& batch)
{
    std::vector<lt::alert*> alerts;
    impl->live().pop_alerts(&alerts);
    for (auto const* alert : alerts) take(alert, *impl, batch);
}

void Session::post_updates() { impl->live().post_torrent_updates(listed); }

void Session::post_all()
{
    for (auto const& [token, torrent] : impl->handles) {
        if (torrent.is_valid()) torrent.set_flags(lt::torrent_flags::update_subscribe);
    }
    impl->live().post_torrent_updates(listed);
}

}  // namespace cove
