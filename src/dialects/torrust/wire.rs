//! The bodies of Torrust's API, in both shapes of peers (contract sections 3, 4, 5 and 8).

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;
use serde::ser::SerializeMap;
use serde::ser::Serializer;

use crate::dialects::torrust::errors::Refusal;
use crate::domain::access::KeyRecord;
use crate::domain::client_name::client_name;
use crate::domain::stats::TrackerStats;
use crate::domain::stats::Transport;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::SwarmPeer;
use crate::domain::swarm::SwarmSummary;
use crate::domain::swarm::SwarmTotals;

/// Peers of one torrent that are listed.
pub(super) const PEERS_MAX: usize = 74;

/// `{"status":"ok"}`.
pub(super) const OK: &[u8] = b"{\"status\":\"ok\"}";

/// With a capital letter, unlike the above.
pub(super) const HEALTHY: &[u8] = b"{\"status\":\"Ok\"}";

/// A swarm that nobody knows: a JSON text with status 200.
pub(super) const NOT_KNOWN: &[u8] = b"\"torrent not known\"";

/// `GET /api/stats`: 16 numbers in Torrust's order.
struct Stats(SwarmTotals, TrackerStats);

impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(totals, stats) = self;
        let mut map = serializer.serialize_map(Some(16))?;
        map.serialize_entry("torrents", &totals.swarms)?;
        map.serialize_entry("seeders", &totals.seeders)?;
        map.serialize_entry("completed", &totals.completed)?;
        map.serialize_entry("leechers", &totals.leechers)?;
        for transport in Transport::ALL {
            let (name, of) = (transport.name(), stats.transports[transport.index()]);
            map.serialize_entry(&format!("{name}_connections_handled"), &of.connections)?;
            map.serialize_entry(&format!("{name}_announces_handled"), &of.announces)?;
            map.serialize_entry(&format!("{name}_scrapes_handled"), &of.scrapes)?;
        }
        map.end()
    }
}

/// One torrent of the list.
#[derive(Serialize)]
struct Row {
    info_hash: String,
    seeders: u32,
    completed: u32,
    leechers: u32,
}

impl Row {
    fn of(summary: &SwarmSummary) -> Self {
        let counts = summary.counts;
        Self {
            info_hash: summary.info_hash.to_string(),
            seeders: counts.seeders,
            completed: counts.completed,
            leechers: counts.leechers,
        }
    }
}

/// One torrent with its peers.
#[derive(Serialize)]
struct Details<P: Serialize> {
    #[serde(flatten)]
    row: Row,
    peers: Vec<P>,
}

#[derive(Serialize)]
struct PeerId {
    id: String,
    client: Option<&'static str>,
}

impl PeerId {
    fn of(peer: &SwarmPeer, prefix: &str) -> Self {
        let digits: String = peer.peer_id.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id: format!("{prefix}{digits}"), client: client_name(&peer.peer_id) }
    }
}

/// The second half of a pair, as the document of 2021 shows it.
#[derive(Serialize)]
struct PairState {
    ip: String,
    /// Unix seconds, as that document says; no released version did it.
    updated: i64,
    uploaded: i64,
    downloaded: i64,
    left: i64,
    event: &'static str,
}

/// A peer of 3.0.
#[derive(Serialize)]
struct PeerObject {
    peer_id: PeerId,
    peer_addr: String,
    /// Unix milliseconds, in spite of the second one's name.
    updated: i64,
    updated_milliseconds_ago: i64,
    uploaded: i64,
    downloaded: i64,
    left: i64,
    event: &'static str,
}

/// A peer of 2.1 to 2.3.
#[derive(Serialize)]
struct OldPeerObject {
    peer_id: PeerId,
    peer_addr: String,
    /// Milliseconds since its last announce.
    updated: i64,
    uploaded: i64,
    downloaded: i64,
    left: i64,
    event: &'static str,
}

/// A key of 2.x.
#[derive(Serialize)]
struct OldKey<'a> {
    key: &'a str,
    valid_until: Option<i64>,
}

/// A key of 3.0.
#[derive(Serialize)]
struct Key<'a> {
    key: &'a str,
    valid_until: Option<i64>,
    expiry_time: Option<String>,
}

/// `POST /api/v1/keys`.
#[derive(Deserialize)]
pub(super) struct NewKey {
    /// The key itself; made by us when absent.
    #[serde(default)]
    pub(super) key: Option<String>,
    /// For how long; for ever when absent.
    #[serde(default)]
    pub(super) seconds_valid: Option<u64>,
}

/// The body of a wish for a key.
pub(super) fn new_key(body: &Bytes) -> Result<NewKey, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.is_data() {
        true => Refusal::undeserialized(&error.to_string()),
        false => Refusal::unparsed(&error.to_string()),
    })
}

pub(super) fn stats(totals: SwarmTotals, stats: TrackerStats) -> Vec<u8> {
    json(&Stats(totals, stats))
}

pub(super) fn torrents<'a>(rows: impl Iterator<Item = &'a SwarmSummary>) -> Vec<u8> {
    json(&rows.map(Row::of).collect::<Vec<_>>())
}

/// A torrent with its peers as pairs.
pub(super) fn torrent_of_pairs(summary: &SwarmSummary, peers: &[SwarmPeer], now_s: i64) -> Vec<u8> {
    let pair = |peer: &SwarmPeer| {
        let state = PairState {
            ip: peer.address.to_string(),
            updated: now_s - i64::from(peer.age_s),
            uploaded: signed(peer.uploaded),
            downloaded: signed(peer.downloaded),
            left: signed(peer.left),
            event: event(peer.event),
        };
        (PeerId::of(peer, ""), state)
    };
    let peers = peers.iter().take(PEERS_MAX).map(pair).collect();
    json(&Details { row: Row::of(summary), peers })
}

/// A torrent with its peers as the objects of 2.1 to 2.3.
pub(super) fn torrent_of_old_objects(summary: &SwarmSummary, peers: &[SwarmPeer]) -> Vec<u8> {
    let object = |peer: &SwarmPeer| OldPeerObject {
        peer_id: PeerId::of(peer, ""),
        peer_addr: peer.address.to_string(),
        updated: i64::from(peer.age_s) * 1000,
        uploaded: signed(peer.uploaded),
        downloaded: signed(peer.downloaded),
        left: signed(peer.left),
        event: event(peer.event),
    };
    let peers = peers.iter().take(PEERS_MAX).map(object).collect();
    json(&Details { row: Row::of(summary), peers })
}

/// A torrent with its peers as objects.
pub(super) fn torrent_of_objects(
    summary: &SwarmSummary,
    peers: &[SwarmPeer],
    now_s: i64,
) -> Vec<u8> {
    let object = |peer: &SwarmPeer| {
        let updated = (now_s - i64::from(peer.age_s)) * 1000;
        PeerObject {
            peer_id: PeerId::of(peer, "0x"),
            peer_addr: peer.address.to_string(),
            updated,
            updated_milliseconds_ago: updated,
            uploaded: signed(peer.uploaded),
            downloaded: signed(peer.downloaded),
            left: signed(peer.left),
            event: event(peer.event),
        }
    };
    let peers = peers.iter().take(PEERS_MAX).map(object).collect();
    json(&Details { row: Row::of(summary), peers })
}

pub(super) fn old_key(record: &KeyRecord) -> Vec<u8> {
    json(&OldKey { key: record.key.as_str(), valid_until: record.valid_until })
}

pub(super) fn key(record: &KeyRecord) -> Vec<u8> {
    let expiry_time = record.valid_until.map(utc);
    json(&Key { key: record.key.as_str(), valid_until: record.valid_until, expiry_time })
}

fn event(event: AnnounceEvent) -> &'static str {
    match event {
        AnnounceEvent::Started => "Started",
        AnnounceEvent::Stopped => "Stopped",
        AnnounceEvent::Completed => "Completed",
        AnnounceEvent::None | AnnounceEvent::Paused => "None",
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A moment as `2023-11-14 22:13:20 UTC`, in the proleptic Gregorian calendar.
fn utc(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    // Days since the first of March of the year 0, in eras of 400 years of equal length.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    let year = year + 400 * era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_people_read_them() {
        for (unix_s, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_700_000_000, "2023-11-14 22:13:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(unix_s), text);
        }
    }
}
