//! Bridge values to domain values, and back where a command needs it.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::domain::bitfield::Bitfield;
use crate::domain::hash::InfoHashes;
use crate::domain::hash::Sha1Hash;
use crate::domain::hash::Sha256Hash;
use crate::domain::metadata::File;
use crate::domain::metadata::Metadata;
use crate::domain::peer::Peer;
use crate::domain::peer::PeerDetails;
use crate::domain::peer::PeerState;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::remote_tracker::TrackerState;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Status;
use crate::domain::torrent_figures::TorrentFigures;
use crate::domain::torrent_flags::TorrentFlags;
use crate::domain::tracker_report::AnnounceReport;
use crate::domain::tracker_report::TrackerEndpoint;
use crate::domain::tracker_report::TrackerReport;
use crate::engine::ffi::bridge;
use crate::engine::ffi_details;

/// The hashes that are there; `None` when none is.
pub(crate) fn hashes(from: &bridge::Hashes) -> Option<InfoHashes> {
    let v1 = from.has_v1.then_some(Sha1Hash(from.v1));
    let v2 = from.has_v2.then_some(Sha256Hash(from.v2));
    InfoHashes::new(v1, v2)
}

/// Files and pieces; `None` before the metadata is known.
pub(crate) fn metadata(from: &bridge::Description) -> Option<Metadata> {
    from.has_metadata.then(|| Metadata {
        files: from.files.iter().map(file).collect(),
        piece_length: from.piece_length,
        piece_count: from.piece_count,
        total_bytes: from.total_size,
        is_private: from.is_private,
        has_folder: from.has_folder,
        comment: from.comment.clone(),
    })
}

fn file(from: &bridge::FileEntry) -> File {
    File {
        path: from.path.clone(),
        size_bytes: from.size,
        offset_bytes: from.offset,
        is_padding: from.is_padding,
    }
}

/// Announce URLs that nobody has asked yet.
pub(crate) fn trackers(from: &[bridge::TrackerEntry]) -> Vec<RemoteTracker> {
    let fresh = |entry: &bridge::TrackerEntry| RemoteTracker {
        url: entry.url.clone(),
        tier: entry.tier,
        state: TrackerState::NotContacted,
        peers: -1,
        seeds: -1,
        leeches: -1,
    };
    from.iter().map(fresh).collect()
}

/// libtorrent's number of a state (`torrent_status::state_t`).
pub(crate) fn stage(number: u8) -> Stage {
    match number {
        1 => Stage::Checking,
        2 => Stage::Metadata,
        3 => Stage::Downloading,
        4 => Stage::Finished,
        5 => Stage::Seeding,
        7 => Stage::CheckingResume,
        _ => Stage::Loading,
    }
}

/// The changing part of a torrent; `limits` (down, up) are ours, since updates do not carry them.
pub(crate) fn status(from: &bridge::StatusUpdate, limits: (u32, u32)) -> Status {
    Status {
        stage: stage(from.stage),
        is_paused: from.is_paused,
        is_auto_managed: from.is_auto_managed,
        is_moving: from.is_moving,
        is_upload_mode: from.is_upload_mode,
        error: from.error.clone(),
        failure: (!from.error.is_empty()).then_some(Failure::Lasting),
        progress: from.progress,
        download_rate: from.download_rate,
        upload_rate: from.upload_rate,
        wanted_bytes: from.wanted,
        wanted_done_bytes: from.wanted_done,
        done_bytes: from.done,
        session_download_bytes: from.session_download,
        session_upload_bytes: from.session_upload,
        all_time_download_bytes: from.all_time_download,
        all_time_upload_bytes: from.all_time_upload,
        added_at: from.added_at,
        completed_at: from.completed_at,
        last_download_at: from.last_download_at,
        last_upload_at: from.last_upload_at,
        connected_peers: from.connected_peers,
        connected_seeds: from.connected_seeds,
        known_peers: from.known_peers,
        known_seeds: from.known_seeds,
        scrape_seeds: from.scrape_seeds,
        scrape_leeches: from.scrape_leeches,
        availability: from.distributed_copies,
        queue_position: from.queue_position,
        download_limit: limits.0,
        upload_limit: limits.1,
        seeding_s: from.seeding_s,
        finished_s: from.finished_s,
        active_s: from.active_s,
        flags: TorrentFlags(from.flags),
        error_value: from.error_value,
        figures: figures(&from.figures),
    }
}

fn figures(from: &bridge::TorrentFigures) -> TorrentFigures {
    TorrentFigures {
        payload_download: from.payload_download,
        payload_upload: from.payload_upload,
        failed_bytes: from.failed_bytes,
        redundant_bytes: from.redundant_bytes,
        total_bytes: from.total_bytes,
        download_rate: from.download_rate,
        upload_rate: from.upload_rate,
        progress_ppm: from.progress_ppm,
        connect_candidates: from.connect_candidates,
        piece_count: from.piece_count,
        full_copies: from.full_copies,
        copies_fraction: from.copies_fraction,
        block_size: from.block_size,
        uploads: from.uploads,
        connections: from.connections,
        uploads_limit: from.uploads_limit,
        connections_limit: from.connections_limit,
        upload_queue: from.upload_queue,
        download_queue: from.download_queue,
        seed_rank: from.seed_rank,
        state: from.state,
        finished_s: from.finished_s,
    }
}

/// The pieces that a status names.
pub(crate) fn pieces(from: &bridge::StatusUpdate) -> Bitfield {
    Bitfield::from_bytes(from.pieces.clone(), from.piece_count)
}

/// One connection; `None` when its address is none (web seeds without an address yet).
pub(crate) fn peer(from: &ffi_details::bridge::PeerEntry) -> Option<Peer> {
    let ip: IpAddr = from.ip.parse().ok()?;
    Some(Peer {
        address: SocketAddr::new(ip, from.port),
        id: from.id,
        client: from.client.clone(),
        progress: from.progress,
        download_rate: from.download_rate,
        upload_rate: from.upload_rate,
        downloaded_bytes: from.downloaded,
        uploaded_bytes: from.uploaded,
        source: from.source,
        flags: from.flags,
        connection_kind: from.connection_kind,
        state: PeerState {
            we_are_interested: from.we_are_interested,
            we_choke: from.we_choke,
            is_interested: from.is_interested,
            chokes_us: from.chokes_us,
            is_outgoing: from.is_outgoing,
            is_seed: from.is_seed,
            is_upload_only: from.is_upload_only,
            is_snubbed: from.is_snubbed,
            is_optimistic: from.is_optimistic,
            is_utp: from.is_utp,
        },
        details: PeerDetails {
            download_rate: from.total_download_rate,
            upload_rate: from.total_upload_rate,
            busy_requests: from.busy_requests,
            queue_length: from.queue_length,
            queue_s: from.queue_s,
            last_active_s: from.last_active_s,
            last_request_s: from.last_request_s,
            rtt_ms: from.rtt_ms,
            local: from.local_ip.parse().ok().map(|ip| SocketAddr::new(ip, from.local_port)),
        },
    })
}

/// All that is known of one announce URL.
pub(crate) fn tracker_report(from: &ffi_details::bridge::TrackerReport) -> TrackerReport {
    TrackerReport {
        url: from.url.clone(),
        tracker_id: from.tracker_id.clone(),
        tier: from.tier,
        fail_limit: from.fail_limit,
        source: from.source,
        is_verified: from.is_verified,
        endpoints: from.endpoints.iter().map(tracker_endpoint).collect(),
    }
}

fn tracker_endpoint(from: &ffi_details::bridge::AnnounceEndpoint) -> TrackerEndpoint {
    TrackerEndpoint {
        ip: from.ip.clone(),
        port: from.port,
        is_enabled: from.is_enabled,
        by_version: [announce_report(&from.v1), announce_report(&from.v2)],
    }
}

fn announce_report(from: &ffi_details::bridge::AnnounceState) -> AnnounceReport {
    AnnounceReport {
        message: from.message.clone(),
        last_error: from.has_error.then(|| from.last_error.clone()),
        next_announce: from.next_announce,
        min_announce: from.min_announce,
        scrape_incomplete: from.scrape_incomplete,
        scrape_complete: from.scrape_complete,
        scrape_downloaded: from.scrape_downloaded,
        fails: from.fails,
        is_updating: from.is_updating,
        start_sent: from.start_sent,
        complete_sent: from.complete_sent,
    }
}
