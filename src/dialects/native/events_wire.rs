//! The JSON of events, in the frames of server-sent events.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::dialects::native::shares_wire::JobRow;
use crate::dialects::native::torrents_wire::TorrentRow;
use crate::dialects::native::torrents_wire::Wishes;
use crate::dialects::native::wire;
use crate::domain::hash::TorrentId;
use crate::domain::swarm::SwarmSummary;
use crate::service::events::Change;
use crate::service::events::Changed;
use crate::service::events::EventId;
use crate::service::events::Labelled;
use crate::service::events::Overview;
use crate::service::events::Snapshot;
use crate::service::share_watch::ShareState;

/// The data of a `snapshot` event. What was known before is forgotten when part 1 comes.
#[derive(Serialize, ToSchema)]
#[schema(as = EventSnapshot)]
pub(super) struct SnapshotPart {
    /// Which part it is, from 1 on.
    part: usize,
    /// How many there are. Only the last one has an id.
    parts: usize,
    /// Torrents with the members that lists have, without `swarm`.
    #[schema(value_type = Vec<Object>)]
    torrents: Vec<Value>,
    /// Swarms of our own tracker.
    swarms: Vec<SwarmRow>,
    /// Shares; all of them in part 1.
    shares: Vec<ShareStateRow>,
    /// Shares in the making, as at `/v1/shares/jobs`; all of them in part 1.
    #[schema(value_type = Vec<Object>)]
    jobs: Vec<Value>,
    /// Everything in one glance.
    overview: OverviewBody,
}

/// The data of a `delta` event. What is absent or empty did not change.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = EventDelta)]
pub(super) struct Delta {
    /// By info-hash: the members that changed; all of them for a new torrent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
    torrents: BTreeMap<String, Value>,
    /// Info-hashes of torrents that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    torrents_gone: Vec<String>,
    /// By info-hash: the members that changed; all of them for a new swarm.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
    swarms: BTreeMap<String, Value>,
    /// Info-hashes of swarms that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    swarms_gone: Vec<String>,
    /// By info-hash: the members that changed; all of them for a new share.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
    shares: BTreeMap<String, Value>,
    /// Info-hashes of shares that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shares_gone: Vec<String>,
    /// By number, of shares in the making: the members that changed; all of them for a new one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
    jobs: BTreeMap<String, Value>,
    /// Numbers of shares in the making that are told no longer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    jobs_gone: Vec<String>,
    /// The members of the glance that changed.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    overview: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventSwarm)]
struct SwarmRow {
    info_hash: String,
    /// Complete peers that announced.
    seeders: u32,
    /// Other peers that announced.
    leechers: u32,
    /// How often it was completed.
    completed: u32,
    /// Announces are refused.
    is_flagged: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventShare)]
struct ShareStateRow {
    info_hash: String,
    name: String,
    /// `current` or `changed`.
    state: &'static str,
    /// What became of its files, in words; null when nothing did.
    change: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventOverview)]
struct OverviewBody {
    torrents: u64,
    /// Bytes/s.
    download_rate: u64,
    /// Bytes/s.
    upload_rate: u64,
    swarms: u64,
    seeders: u64,
    leechers: u64,
    completed: u64,
    /// There are so many swarms that only those of our own torrents are told.
    only_own_swarms: bool,
}

impl From<&SwarmSummary> for SwarmRow {
    fn from(swarm: &SwarmSummary) -> Self {
        Self {
            info_hash: swarm.info_hash.to_string(),
            seeders: swarm.counts.seeders,
            leechers: swarm.counts.leechers,
            completed: swarm.counts.completed,
            is_flagged: swarm.is_flagged,
        }
    }
}

impl ShareStateRow {
    fn of(id: &TorrentId, share: &ShareState) -> Self {
        Self {
            info_hash: id.to_string(),
            name: share.name.to_string(),
            state: if share.change.is_some() { "changed" } else { "current" },
            change: share.change.clone(),
        }
    }
}

impl From<&Overview> for OverviewBody {
    fn from(overview: &Overview) -> Self {
        Self {
            torrents: overview.torrents,
            download_rate: overview.download_rate,
            upload_rate: overview.upload_rate,
            swarms: overview.swarms.swarms,
            seeders: overview.swarms.seeders,
            leechers: overview.swarms.leechers,
            completed: overview.swarms.completed,
            only_own_swarms: overview.only_own_swarms,
        }
    }
}

/// Part number `part` of `count` of a snapshot, with up to `rows` torrents and swarms.
pub(super) fn part(snapshot: &Snapshot, part: usize, count: usize, rows: usize) -> Bytes {
    let body = SnapshotPart {
        part: part + 1,
        parts: count,
        torrents: page(&snapshot.torrents, part, rows).iter().map(torrent).collect(),
        swarms: page(&snapshot.swarms, part, rows).iter().map(SwarmRow::from).collect(),
        shares: match part {
            0 => snapshot.shares.iter().map(|(id, one)| ShareStateRow::of(id, one)).collect(),
            _ => Vec::new(),
        },
        jobs: match part {
            0 => snapshot.jobs.iter().map(|job| value(&JobRow::of(job))).collect(),
            _ => Vec::new(),
        },
        overview: (&snapshot.overview).into(),
    };
    let is_last = part + 1 == count;
    frame("snapshot", is_last.then_some(snapshot.id), &wire::text(&body)).into()
}

/// A change as an event; empty when nothing that is shown changed.
pub(super) fn delta(change: &Change) -> Vec<u8> {
    let mut body = Delta::default();
    for (id, changed) in &change.torrents {
        match difference(changed, torrent) {
            Some(Value::Object(none)) if none.is_empty() => {}
            Some(members) => drop(body.torrents.insert(id.to_string(), members)),
            None => body.torrents_gone.push(id.to_string()),
        }
    }
    for (hash, changed) in &change.swarms {
        match difference(changed, |one| value(&SwarmRow::from(one))) {
            Some(members) => drop(body.swarms.insert(hash.to_string(), members)),
            None => body.swarms_gone.push(hash.to_string()),
        }
    }
    for (id, changed) in &change.shares {
        match difference(changed, |one| value(&ShareStateRow::of(id, one))) {
            Some(members) => drop(body.shares.insert(id.to_string(), members)),
            None => body.shares_gone.push(id.to_string()),
        }
    }
    for (number, changed) in &change.jobs {
        match difference(changed, |job| value(&JobRow::of(job))) {
            Some(members) => drop(body.jobs.insert(number.to_string(), members)),
            None => body.jobs_gone.push(number.to_string()),
        }
    }
    let (before, after) = &change.overview;
    let overview = |one: &Overview| value(&OverviewBody::from(one));
    body.overview = changed_members(&overview(before), overview(after));
    let text = wire::text(&body);
    if text == b"{}" { Vec::new() } else { frame("delta", Some(change.id), &text) }
}

fn page<T>(all: &[T], part: usize, rows: usize) -> &[T] {
    let from = (part * rows).min(all.len());
    &all[from..(from + rows).min(all.len())]
}

/// The members of `changed` that are new; `None` when it is gone.
fn difference<T>(changed: &Changed<T>, shown: impl Fn(&T) -> Value) -> Option<Value> {
    let after = shown(changed.after.as_ref()?);
    let before = changed.before.as_ref().map_or(Value::Null, shown);
    Some(Value::Object(changed_members(&before, after)))
}

fn changed_members(before: &Value, after: Value) -> Map<String, Value> {
    let Value::Object(after) = after else { return Map::new() };
    after.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect()
}

fn torrent(torrent: &Labelled) -> Value {
    let wishes = Wishes { labels: &torrent.labels, seed_ratio: torrent.seed_ratio };
    let mut row = value(&TorrentRow::of(&torrent.torrent, None, wishes));
    if let Value::Object(members) = &mut row {
        // Swarms are told apart: a torrent would change with each announce.
        members.shift_remove("swarm");
    }
    row
}

fn value(from: &impl Serialize) -> Value {
    serde_json::to_value(from).unwrap_or_default()
}

fn frame(event: &str, id: Option<EventId>, data: &[u8]) -> Vec<u8> {
    let mut text = id.map_or_else(String::new, |id| format!("id: {id}\n")).into_bytes();
    text.extend_from_slice(format!("event: {event}\ndata: ").as_bytes());
    text.extend_from_slice(data);
    text.extend_from_slice(b"\n\n");
    text
}
