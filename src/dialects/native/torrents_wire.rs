//! The JSON of torrents: one as a row of a list, what one is added with, bulk requests.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::ToSchema;

use crate::dialects::native::state_wire::StateName;
use crate::dialects::native::wire::ProblemBody;
use crate::dialects::native::wire::present;
use crate::domain::ratio::Ratio;
use crate::domain::swarm::SwarmSummary;
use crate::domain::torrent::Torrent;
use crate::service::labels::LabelSet;
use crate::service::torrents::QueueMove;

/// Names the torrent.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only describes a part of paths")]
pub(super) struct OfTorrent {
    /// The info-hash in hex: v1 (40 digits) or v2 (64, or its first 40).
    #[param(pattern = "^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$")]
    hash: String,
}

/// The swarm of a torrent as our own tracker sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct JoinedSwarm {
    /// Complete peers that announced, this client included.
    seeders: u32,
    /// Other peers that announced.
    leechers: u32,
    /// How often it was completed.
    completed: u32,
    /// Announces are refused.
    is_flagged: bool,
}

/// A torrent: what the client does with it, and its swarm on our own tracker, in one object.
/// Members have the names of the fields of filters. Bytes, bytes/s, seconds, and Unix seconds.
#[derive(Serialize, ToSchema)]
#[schema(as = Torrent)]
pub(super) struct TorrentRow<'a> {
    /// What it is named by: the v1 hash, or the first 40 digits of the v2 hash.
    info_hash: String,
    /// The v2 hash; null when it has none.
    info_hash_v2: Option<String>,
    /// As it is on the disk.
    name: &'a str,
    /// The engine session it lives in.
    session: &'a str,
    state: StateName,
    /// Why it stopped by itself; null when all is well.
    error: Option<&'a str>,
    /// Share of the present task, 0 to 1; checking is one too.
    #[schema(minimum = 0, maximum = 1)]
    progress: f32,
    /// Bytes of all files; null before the metadata is known.
    size: Option<u64>,
    /// Bytes of the wanted files.
    wanted: u64,
    /// Wanted bytes that are there and verified.
    done: u64,
    /// Wanted bytes that are missing.
    left: u64,
    /// Seconds until nothing is missing, at the present rate; null while nothing comes.
    eta: Option<u64>,
    /// Where its files are.
    save_path: &'a str,
    /// Files, padding aside; null before the metadata is known.
    files: Option<usize>,
    /// Whether peers come from its trackers only (BEP 27); null before the metadata is known.
    private: Option<bool>,
    /// What its maker wrote into it.
    comment: Option<&'a str>,
    /// The one word that somebody chose for its kind; null when none.
    category: Option<&'a str>,
    /// Words that somebody put on it, in order.
    tags: &'a [String],
    /// What somebody keeps with it; an empty object when nothing.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// It neither asks nor serves.
    paused: bool,
    /// The queue decides when it runs.
    auto_managed: bool,
    /// Place in the download queue; null when it is in none.
    queue_position: Option<u32>,
    download_rate: u32,
    upload_rate: u32,
    /// 0 = none.
    download_limit: u32,
    /// 0 = none.
    upload_limit: u32,
    /// The ratio of bytes sent to bytes that are there at which it stops by itself, 0 = none; null
    /// = as `client.limits.seed_ratio_percent` says.
    seed_ratio_limit: Option<f64>,
    /// Payload received since it was added.
    downloaded: u64,
    /// Payload sent since it was added.
    uploaded: u64,
    /// `uploaded` for each byte of `downloaded`; 0 when nothing was received.
    ratio: f64,
    /// Complete peers: as the trackers told, else as far as known.
    seeders: u32,
    /// Incomplete peers, likewise.
    leechers: u32,
    connected_peers: u32,
    /// Those of them that are complete.
    connected_seeders: u32,
    /// Copies among connected peers; null when not known.
    availability: Option<f32>,
    added_at: i64,
    /// When the last wanted piece arrived; null = not yet.
    completed_at: Option<i64>,
    /// When payload was last received; null = never.
    last_download_at: Option<i64>,
    /// When payload was last sent; null = never.
    last_upload_at: Option<i64>,
    /// Seconds spent running.
    active_duration: u64,
    /// Seconds spent running with all wanted files there.
    finished_duration: u64,
    /// Seconds spent running with all files there.
    seeding_duration: u64,
    /// Its swarm on our own tracker; null when nobody announced it.
    swarm: Option<JoinedSwarm>,
}

/// What users say of a torrent.
#[derive(Clone, Copy)]
pub(super) struct Wishes<'a> {
    pub(super) labels: &'a LabelSet,
    pub(super) seed_ratio: Option<Ratio>,
}

impl<'a> TorrentRow<'a> {
    /// The names of the members, in order.
    pub(super) const MEMBERS: &'static [&'static str] = &[
        "info_hash",
        "info_hash_v2",
        "name",
        "session",
        "state",
        "error",
        "progress",
        "size",
        "wanted",
        "done",
        "left",
        "eta",
        "save_path",
        "files",
        "private",
        "comment",
        "category",
        "tags",
        "metadata",
        "paused",
        "auto_managed",
        "queue_position",
        "download_rate",
        "upload_rate",
        "download_limit",
        "upload_limit",
        "seed_ratio_limit",
        "downloaded",
        "uploaded",
        "ratio",
        "seeders",
        "leechers",
        "connected_peers",
        "connected_seeders",
        "availability",
        "added_at",
        "completed_at",
        "last_download_at",
        "last_upload_at",
        "active_duration",
        "finished_duration",
        "seeding_duration",
        "swarm",
    ];

    /// A torrent, its swarm, and what users say of it.
    pub(super) fn of(
        torrent: &'a Torrent,
        swarm: Option<&SwarmSummary>,
        Wishes { labels, seed_ratio }: Wishes<'a>,
    ) -> Self {
        let status = &torrent.status;
        let metadata = torrent.metadata.as_deref();
        let moment = |at: i64| Some(at).filter(|at| *at > 0);
        Self {
            info_hash: torrent.id.to_string(),
            info_hash_v2: torrent.hashes.v2().map(|v2| v2.to_string()),
            name: &torrent.name,
            session: &torrent.session,
            state: torrent.state().into(),
            error: Some(status.error.as_str()).filter(|error| !error.is_empty()),
            progress: shown(status.progress).unwrap_or_default(),
            size: metadata.map(|metadata| metadata.total_bytes),
            wanted: status.wanted_bytes,
            done: status.wanted_done_bytes,
            left: status.wanted_bytes.saturating_sub(status.wanted_done_bytes),
            eta: status.eta_s(),
            save_path: &torrent.save_path,
            files: metadata
                .map(|metadata| metadata.files.iter().filter(|file| !file.is_padding).count()),
            private: metadata.map(|metadata| metadata.is_private),
            comment: metadata.map(|metadata| metadata.comment.as_str()),
            category: labels.category.as_deref(),
            tags: &labels.tags,
            metadata: object(&labels.metadata),
            paused: status.is_paused,
            auto_managed: status.is_auto_managed,
            queue_position: u32::try_from(status.queue_position).ok(),
            download_rate: status.download_rate,
            upload_rate: status.upload_rate,
            download_limit: status.download_limit,
            upload_limit: status.upload_limit,
            seed_ratio_limit: seed_ratio.map(Ratio::number),
            downloaded: status.all_time_download_bytes,
            uploaded: status.all_time_upload_bytes,
            ratio: status.ratio(),
            seeders: status.seeders(),
            leechers: status.leechers(),
            connected_peers: status.connected_peers,
            connected_seeders: status.connected_seeds,
            availability: shown(status.availability),
            added_at: status.added_at,
            completed_at: moment(status.completed_at),
            last_download_at: moment(status.last_download_at),
            last_upload_at: moment(status.last_upload_at),
            active_duration: status.active_s,
            finished_duration: status.finished_s,
            seeding_duration: status.seeding_s,
            swarm: swarm.map(JoinedSwarm::of),
        }
    }
}

/// An object that is kept as text; an empty one for an empty text.
fn object(text: &str) -> Map<String, Value> {
    match text {
        "" => Map::new(),
        text => serde_json::from_str(text).unwrap_or_default(),
    }
}

/// An object as the text that is kept of it.
pub(super) fn object_text(object: &Map<String, Value>) -> String {
    match object.is_empty() {
        true => String::new(),
        // Writing to memory cannot fail.
        false => serde_json::to_string(object).unwrap_or_default(),
    }
}

/// A number that JSON can hold; negative ones mean "not known".
fn shown(number: f32) -> Option<f32> {
    Some(number).filter(|number| number.is_finite() && *number >= 0.0)
}

impl JoinedSwarm {
    fn of(swarm: &SwarmSummary) -> Self {
        Self {
            seeders: swarm.counts.seeders,
            leechers: swarm.counts.leechers,
            completed: swarm.counts.completed,
            is_flagged: swarm.is_flagged,
        }
    }
}

/// A page of the list. With `fields` each torrent has only those members.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written from kept rows")]
pub(super) struct TorrentList<'a> {
    /// Torrents that pass the filter, on all pages.
    total: usize,
    /// How many were passed over.
    offset: usize,
    /// Torrents of the store that are not shown yet, right after a start.
    loading: usize,
    torrents: Vec<TorrentRow<'a>>,
}

/// What comes before the torrents of a list; they are written by hand, from kept rows.
pub(super) fn list_head(total: usize, offset: usize, loading: usize) -> Vec<u8> {
    format!("{{\"total\":{total},\"offset\":{offset},\"loading\":{loading},\"torrents\":[")
        .into_bytes()
}

/// A torrent to be added: exactly one of `uri` and `torrent`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AddBody {
    /// A magnet link, or the address of a torrent file.
    pub(super) uri: Option<String>,
    /// A torrent file in base64.
    pub(super) torrent: Option<String>,
    /// Where its files go: a directory under the download roots.
    pub(super) save_path: Option<String>,
    /// Indices of the wanted files; absent or empty = all.
    pub(super) files: Option<Vec<u32>>,
    /// It waits until it is started.
    pub(super) stopped: Option<bool>,
    /// The queue decides when it runs.
    pub(super) auto_managed: Option<bool>,
    /// The ratio of bytes sent to bytes that are there at which it stops by itself, 0 = none;
    /// absent = as `client.limits.seed_ratio_percent` says.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub(super) seed_ratio_limit: Option<f64>,
    /// A magnet link gets its metadata and stops: nothing else of it is downloaded or made until it
    /// is started, or files of it are chosen. What has its metadata is added stopped.
    pub(super) only_metadata: Option<bool>,
    /// The name of the session it is to live in; absent = the default one.
    pub(super) session: Option<String>,
    /// One word for its kind.
    pub(super) category: Option<String>,
    /// Words to find it by.
    #[schema(max_items = 100)]
    pub(super) tags: Option<Vec<String>>,
    /// Anything else to keep with it.
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
}

/// What may change in a torrent; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PatchBody {
    /// Bytes/s, 0 = none.
    pub(super) download_limit: Option<u32>,
    /// Bytes/s, 0 = none.
    pub(super) upload_limit: Option<u32>,
    /// The queue decides when it runs.
    pub(super) auto_managed: Option<bool>,
    /// The name of the session it is to live in from now on.
    pub(super) session: Option<String>,
    /// The ratio of bytes sent to bytes that are there at which it stops by itself, 0 = none; null
    /// = as `client.limits.seed_ratio_percent` says. It counts anew: a torrent that was resumed
    /// past its limit goes on without one.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1_000_000)]
    pub(super) seed_ratio_limit: Option<Option<f64>>,
    /// One word for its kind; null takes it.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(super) category: Option<Option<String>>,
    /// These words, in place of those that it has.
    #[schema(max_items = 100)]
    pub(super) tags: Option<Vec<String>>,
    /// This, in place of what is kept with it; an empty object takes that.
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
}

/// Where files go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveBody {
    /// A directory that is there, under the download roots.
    pub(super) save_path: String,
}

/// A step in the download queue.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum QueueStep {
    Up,
    Down,
    Top,
    Bottom,
}

impl From<QueueStep> for QueueMove {
    fn from(step: QueueStep) -> Self {
        match step {
            QueueStep::Up => Self::Up,
            QueueStep::Down => Self::Down,
            QueueStep::Top => Self::Top,
            QueueStep::Bottom => Self::Bottom,
        }
    }
}

/// Where in the download queue.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueBody {
    pub(super) to: QueueStep,
}

/// What is done to many torrents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ActionName {
    Start,
    Stop,
    Recheck,
    Reannounce,
    /// Needs `save_path`.
    Move,
    /// Needs `to`.
    Queue,
    /// Takes `with_data`.
    Remove,
}

/// An action on many torrents: exactly one of `info_hashes` and `filter`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkBody {
    pub(super) action: ActionName,
    /// These torrents.
    #[schema(max_items = 100_000)]
    pub(super) info_hashes: Option<Vec<String>>,
    /// All torrents that pass this filter.
    pub(super) filter: Option<String>,
    /// For `move`.
    pub(super) save_path: Option<String>,
    /// For `queue`.
    pub(super) to: Option<QueueStep>,
    /// For `remove`: delete their files too.
    pub(super) with_data: Option<bool>,
}

/// Torrents to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkAddBody {
    /// In any number that fits into a body: by default about 15 MiB.
    pub(super) torrents: Vec<AddBody>,
}

/// What came of each torrent, in the order of the request.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkResults {
    /// How many succeeded.
    pub(super) succeeded: usize,
    /// How many did not.
    pub(super) failed: usize,
    pub(super) results: Vec<BulkResult>,
}

/// What came of one torrent.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkResult {
    /// Null when a torrent was not even understood.
    pub(super) info_hash: Option<String>,
    /// What a request for this torrent alone would have answered.
    #[schema(minimum = 200, maximum = 599)]
    pub(super) status: u16,
    /// Why it failed; null when it did not.
    pub(super) problem: Option<ProblemBody>,
}

impl BulkResults {
    pub(super) fn of(results: Vec<BulkResult>) -> Self {
        let succeeded = results.iter().filter(|result| result.problem.is_none()).count();
        Self { succeeded, failed: results.len() - succeeded, results }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dialects::native::wire;
    use crate::domain::bitfield::Bitfield;
    use crate::domain::hash::InfoHashes;
    use crate::domain::hash::Sha1Hash;
    use crate::domain::torrent::Status;

    /// `fields=` takes just the members that a row has.
    #[test]
    fn the_names_of_the_members_are_those_of_a_row() {
        let hashes = InfoHashes::new(Some(Sha1Hash([1; 20])), None).unwrap();
        let torrent = Torrent {
            id: hashes.id(),
            hashes,
            session: "default".into(),
            name: "a\"b".into(),
            save_path: "/srv".into(),
            metadata: None,
            file_priorities: Arc::new([]),
            pieces: Arc::new(Bitfield::default()),
            trackers: Arc::new([]),
            status: Status { availability: f32::NAN, queue_position: -1, ..Status::default() },
            revision: 1,
        };
        let wishes = Wishes { labels: &LabelSet::default(), seed_ratio: None };
        let row = wire::text(&TorrentRow::of(&torrent, None, wishes));
        let row: serde_json::Value = serde_json::from_slice(&row).unwrap();
        let names: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(names, TorrentRow::MEMBERS);
        assert!(row["availability"].is_null() && row["queue_position"].is_null());
    }

    #[test]
    fn what_is_misspelt_is_refused_by_name() {
        let wrong = |body: &str| match wire::parse::<AddBody>(body.as_bytes()) {
            Err(problem) => problem.body().detail,
            Ok(_) => panic!("{body} was taken"),
        };
        assert!(wrong(r#"{"url": "magnet:?"}"#).contains("`url`"));
        assert!(wrong(r#"{"files": [-1]}"#).contains("-1"));
    }
}
