//! One torrent as the members of Tribler's download object.

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::status;
use crate::dialects::tribler::status::is_active;
use crate::dialects::tribler::wire::Download;
use crate::dialects::tribler::wire::LaterMembers;
use crate::dialects::tribler::wire::Number;
use crate::dialects::tribler::wire::StreamState;
use crate::dialects::tribler::wire::Tracker;
use crate::dialects::tribler::wire::TrackerStatus;
use crate::domain::metadata::Metadata;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::remote_tracker::TrackerState;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Status;
use crate::domain::torrent::Torrent;
use crate::service::seeding;
use crate::service::settings::SessionFacts;
use crate::service::stream_plan::StreamProgress;
use crate::service::torrents::TorrentOptions;

/// A stalled download is given this many bytes/s, as in the original: an enormous time and not a
/// division by zero.
const RATE_FLOOR: f64 = 0.000_001;

/// Endings of files that players can play while they download.
const STREAMABLE: [&str; 4] = [".mp4", ".m4v", ".mov", ".mkv"];

/// What a row shows besides the torrent itself.
pub(super) struct Around<'a> {
    pub(super) generation: Generation,
    pub(super) facts: SessionFacts,
    pub(super) options: &'a TorrentOptions,
    pub(super) stream: Option<StreamProgress>,
}

/// The members that are always there.
pub(super) fn download<'a>(torrent: &'a Torrent, around: &'a Around<'_>) -> Download<'a> {
    let status = &torrent.status;
    let code = status::of(status, around.generation);
    let active = |value: u32| if is_active(code) { value } else { 0 };
    Download {
        name: &torrent.name,
        // With no file wanted nothing is missing, and yet nothing is there.
        progress: match around.options.only_metadata {
            true => Number::Short(0.0),
            false => progress(status),
        },
        infohash: torrent.id,
        speed_down: active(status.download_rate),
        speed_up: active(status.upload_rate),
        status: code.0,
        status_code: code.1,
        size: torrent.metadata.as_ref().map_or(0, |metadata| metadata.total_bytes),
        eta: eta_s(torrent),
        num_peers: active(status.known_peers.saturating_sub(status.known_seeds)),
        num_seeds: active(status.known_seeds),
        num_connected_peers: status.connected_peers.saturating_sub(status.connected_seeds),
        num_connected_seeds: status.connected_seeds,
        total_up: status.session_upload_bytes,
        total_down: status.session_download_bytes,
        ratio: ratio(status.all_time_upload_bytes, status.done_bytes, 0),
        trackers: trackers(torrent, around),
        hops: around.options.anon_hops,
        anon_download: around.options.anon_hops > 0,
        safe_seeding: around.options.safe_seeding,
        max_upload_speed: around.facts.upload_limit / 1_024,
        max_download_speed: around.facts.download_limit / 1_024,
        destination: &torrent.save_path,
        availability: finite(status.availability).max(0.0),
        total_pieces: torrent.metadata.as_ref().map_or(0, |metadata| metadata.piece_count),
        stream: stream(around.stream),
        error: quoted(&status.error),
        time_added: status.added_at,
        channel_download: false,
        later: later(torrent, around),
        peers: None,
        pieces: None,
        files: None,
    }
}

/// The state of a stream; zeros when none runs.
pub(super) fn stream(progress: Option<StreamProgress>) -> StreamState {
    let vod_mode = progress.is_some();
    let progress = progress.unwrap_or_default();
    StreamState {
        vod_mode,
        vod_prebuffering_progress: progress.prebuffer,
        vod_prebuffering_progress_consec: progress.prebuffer_consecutive,
        vod_header_progress: progress.header,
        vod_footer_progress: progress.footer,
    }
}

fn later<'a>(torrent: &'a Torrent, around: &'a Around<'_>) -> LaterMembers<'a> {
    let (status, options) = (&torrent.status, around.options);
    LaterMembers {
        all_time_upload: status.all_time_upload_bytes,
        all_time_download: status.all_time_download_bytes,
        all_time_ratio: ratio(status.all_time_upload_bytes, status.all_time_download_bytes, -1),
        last_download: status.last_download_at,
        last_upload: status.last_upload_at,
        upload_limit: status.upload_limit,
        download_limit: status.download_limit,
        seeding_ratio: seeding::in_force(options, around.facts.seed_ratio).number(),
        completed_dir: &options.completed_dir,
        time_finished: status.completed_at,
        queue_position: status.queue_position,
        auto_managed: status.is_auto_managed,
        user_stopped: options.is_stopped,
        streamable: torrent.metadata.as_deref().is_some_and(is_streamable),
    }
}

fn is_streamable(metadata: &Metadata) -> bool {
    metadata.files.iter().any(|file| {
        let ending = file.path.len().checked_sub(4).and_then(|start| file.path.get(start..));
        ending.is_some_and(|end| STREAMABLE.iter().any(|one| one.eq_ignore_ascii_case(end)))
    })
}

/// An integer 0 before the engine has the torrent, a float afterwards.
fn progress(status: &Status) -> Number {
    match status.stage {
        Stage::Loading => Number::Whole(0),
        _ => Number::Short(finite(status.progress).clamp(0.0, 1.0)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate; sizes are below 2^53 (rule F4)")]
fn eta_s(torrent: &Torrent) -> f64 {
    let status = &torrent.status;
    let size = torrent.metadata.as_ref().map_or(0, |metadata| metadata.total_bytes);
    let progress = f64::from(finite(status.progress).clamp(0.0, 1.0));
    if status.stage != Stage::Downloading || progress >= 1.0 {
        return 0.0;
    }
    (1.0 - progress) * size as f64 / f64::from(status.download_rate).max(RATE_FLOOR)
}

/// `up` per `down`; an integer 0 when there is neither, `infinite` when only `up`.
#[expect(clippy::cast_precision_loss, reason = "a ratio of byte counts for people")]
fn ratio(up: u64, down: u64, infinite: i64) -> Number {
    match (up, down) {
        (0, 0) => Number::Whole(0),
        (_, 0) => Number::Whole(infinite),
        _ => Number::Real(up as f64 / down as f64),
    }
}

fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

/// The trackers, then `[DHT]` and `[PeX]`; nothing before the engine has the torrent.
fn trackers<'a>(torrent: &'a Torrent, around: &Around<'_>) -> Vec<Tracker<'a>> {
    if torrent.status.stage == Stage::Loading {
        return Vec::new();
    }
    let is_private = torrent.metadata.as_ref().is_some_and(|metadata| metadata.is_private);
    let source = |url, is_on: bool| Tracker {
        url,
        peers: 0,
        seeds: -1,
        leeches: -1,
        status: TrackerStatus::Fixed(if is_on && !is_private { "Working" } else { "Disabled" }),
    };
    let mut rows = Vec::with_capacity(torrent.trackers.len() + 2);
    rows.extend(torrent.trackers.iter().map(|tracker| row(tracker, around.generation)));
    rows.push(source("[DHT]", around.facts.has_dht));
    rows.push(source("[PeX]", around.facts.has_pex));
    rows
}

fn row(tracker: &RemoteTracker, generation: Generation) -> Tracker<'_> {
    let least_peers = match generation {
        Generation::Seven => 0,
        Generation::Eight => -1,
    };
    Tracker {
        url: &tracker.url,
        peers: tracker.peers.max(least_peers),
        seeds: tracker.seeds,
        leeches: tracker.leeches,
        status: match &tracker.state {
            TrackerState::Updating if tracker.peers >= 0 => TrackerStatus::Fixed("Working"),
            TrackerState::NotContacted | TrackerState::Updating => {
                TrackerStatus::Fixed("Not contacted yet")
            }
            TrackerState::Working => TrackerStatus::Fixed("Working"),
            TrackerState::Timeout => TrackerStatus::Fixed("Timeout"),
            TrackerState::Error(text) if text.is_empty() => TrackerStatus::Fixed("Not working"),
            TrackerState::Error(text) => TrackerStatus::WithText("Error", text),
            TrackerState::Warning(text) => TrackerStatus::WithText("Warning", text),
            TrackerState::HttpStatus(code) => TrackerStatus::HttpCode(*code),
        },
    }
}

/// `text` as Python quotes it, since the original sends the error so; nothing when there is none.
fn quoted(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if letter == quote => out.extend(['\\', letter]),
            _ if letter.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dialects::tribler::json;
    use crate::domain::hash::InfoHashes;
    use crate::domain::hash::Sha1Hash;
    use crate::domain::metadata::File;

    fn torrent(status: Status) -> Torrent {
        let hashes = InfoHashes::new(Some(Sha1Hash([0xab; 20])), None).unwrap();
        let file = File {
            path: "demo/film.MKV".into(),
            size_bytes: 1_000,
            offset_bytes: 0,
            is_padding: false,
        };
        let metadata = Metadata {
            files: vec![file],
            piece_length: 250,
            piece_count: 4,
            total_bytes: 1_000,
            ..Metadata::default()
        };
        let tracker = RemoteTracker {
            url: "udp://192.0.2.1:6969".into(),
            tier: 0,
            state: TrackerState::Working,
            peers: 2,
            seeds: -1,
            leeches: -1,
        };
        Torrent {
            id: hashes.id(),
            hashes,
            session: "default".into(),
            name: "demo".into(),
            save_path: "/srv/dl".into(),
            metadata: Some(Arc::new(metadata)),
            file_priorities: Arc::new([]),
            pieces: Arc::default(),
            trackers: Arc::new([tracker]),
            status,
            revision: 1,
        }
    }

    fn running() -> Status {
        Status {
            stage: Stage::Downloading,
            progress: 0.5,
            download_rate: 40,
            upload_rate: 3,
            known_peers: 3,
            known_seeds: 1,
            connected_peers: 2,
            connected_seeds: 1,
            availability: 1.25,
            added_at: 1_700_000_000,
            all_time_upload_bytes: 250,
            done_bytes: 500,
            session_download_bytes: 510,
            ..Status::default()
        }
    }

    fn shown(torrent: &Torrent, generation: Generation) -> serde_json::Value {
        let options = TorrentOptions::default();
        let facts = SessionFacts { has_dht: true, has_pex: true, ..SessionFacts::default() };
        let around = Around { generation, facts, options: &options, stream: None };
        serde_json::from_slice(&json::text(&download(torrent, &around))).unwrap()
    }

    #[test]
    fn a_running_download_has_the_members_of_the_contract() {
        let row = shown(&torrent(running()), Generation::Seven);
        let expected = serde_json::json!({
            "name": "demo", "progress": 0.5, "infohash": "ab".repeat(20), "speed_down": 40,
            "speed_up": 3, "status": "DOWNLOADING", "status_code": 3, "size": 1000, "eta": 12.5,
            "num_peers": 2, "num_seeds": 1, "num_connected_peers": 1, "num_connected_seeds": 1,
            "total_up": 0, "total_down": 510, "ratio": 0.5, "hops": 0, "anon_download": false,
            "safe_seeding": false, "max_upload_speed": 0, "max_download_speed": 0,
            "destination": "/srv/dl", "availability": 1.25, "total_pieces": 4, "vod_mode": false,
            "vod_prebuffering_progress": 0.0, "vod_header_progress": 0.0, "error": "",
            "time_added": 1_700_000_000, "channel_download": false, "all_time_ratio": -1,
            "streamable": true, "user_stopped": false, "completed_dir": "",
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&row[name], value, "{name}");
        }
        assert_eq!(
            row["trackers"],
            serde_json::json!([
                {"url": "udp://192.0.2.1:6969", "peers": 2, "seeds": -1, "leeches": -1,
                 "status": "Working"},
                {"url": "[DHT]", "peers": 0, "seeds": -1, "leeches": -1, "status": "Working"},
                {"url": "[PeX]", "peers": 0, "seeds": -1, "leeches": -1, "status": "Working"},
            ])
        );
        for absent in ["peers", "pieces", "files"] {
            assert!(row.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn nothing_moves_in_a_stopped_or_loading_download() {
        let stopped = shown(&torrent(Status { is_paused: true, ..running() }), Generation::Seven);
        assert_eq!((&stopped["speed_down"], &stopped["num_seeds"]), (&0.into(), &0.into()));
        let status = Status { stage: Stage::Loading, ..running() };
        let loading = shown(&torrent(status), Generation::Eight);
        assert_eq!(loading["progress"].to_string(), "0");
        assert_eq!(loading["trackers"], serde_json::json!([]));
        assert_eq!(loading["status"], "LOADING");
    }

    #[test]
    fn odd_numbers_stay_json() {
        let status = Status {
            stage: Stage::Downloading,
            progress: f32::NAN,
            availability: -1.0,
            ..Status::default()
        };
        let row = shown(&torrent(status), Generation::Seven);
        assert_eq!(row["progress"].to_string(), "0.0");
        assert_eq!(row["availability"].to_string(), "0.0");
        assert!(row["eta"].as_f64().unwrap() > 1e8);
        assert_eq!(row["ratio"].to_string(), "0");
    }

    /// Rule F10: a private torrent uses neither.
    #[test]
    fn f10_a_private_torrent_shows_dht_and_pex_disabled() {
        let mut private = torrent(running());
        let metadata = private.metadata.take().unwrap();
        private.metadata = Some(Arc::new(Metadata { is_private: true, ..(*metadata).clone() }));
        let row = shown(&private, Generation::Seven);
        assert_eq!(row["trackers"][1]["status"], "Disabled");
        assert_eq!(row["trackers"][2]["status"], "Disabled");
    }

    #[test]
    fn every_tracker_state_has_its_words() {
        let states = [
            (TrackerState::NotContacted, "Not contacted yet"),
            (TrackerState::Updating, "Not contacted yet"),
            (TrackerState::Working, "Working"),
            (TrackerState::Timeout, "Timeout"),
            (TrackerState::Error(String::new()), "Not working"),
            (TrackerState::Error("no".into()), "Error: no"),
            (TrackerState::Warning("slow".into()), "Warning: slow"),
            (TrackerState::HttpStatus(503), "HTTP status code 503"),
        ];
        for (state, words) in states {
            let tracker = RemoteTracker {
                url: String::new(),
                tier: 0,
                state,
                peers: -1,
                seeds: -1,
                leeches: -1,
            };
            for (generation, peers) in [(Generation::Seven, 0), (Generation::Eight, -1)] {
                let row: serde_json::Value =
                    serde_json::from_slice(&json::text(&row(&tracker, generation))).unwrap();
                assert_eq!((&row["status"], &row["peers"]), (&words.into(), &peers.into()));
            }
        }
    }

    #[test]
    fn errors_are_quoted_as_python_does() {
        assert_eq!(quoted(""), "");
        assert_eq!(quoted("disk full"), "'disk full'");
        assert_eq!(quoted("can't"), "\"can't\"");
        assert_eq!(quoted("a'b\"c\\\n\u{1}"), "'a\\'b\"c\\\\\\n\\x01'");
    }
}
