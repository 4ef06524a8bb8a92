//! The JSON of UDPT's API, members in its order (contract sections 4 to 6).

use serde::Deserialize;
use serde::Serialize;

use crate::domain::client_name::client_name;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::SwarmPeer;
use crate::domain::swarm::SwarmSummary;

/// Peers of one torrent that are listed.
const PEERS_MAX: usize = 1000;

/// `{"status":"ok"}`.
pub(super) const OK: &[u8] = b"{\"status\":\"ok\"}";

/// The answer to dropping what is not there, with status 200.
pub(super) const NOT_DELETED: &[u8] =
    b"{\"status\":\"err\",\"reason\":\"failed to delete torrent\"}";

/// One torrent of the list.
#[derive(Serialize)]
struct Row {
    info_hash: String,
    is_flagged: bool,
    completed: u32,
    seeders: u32,
    leechers: u32,
}

impl Row {
    fn of(summary: &SwarmSummary) -> Self {
        let counts = summary.counts;
        Self {
            info_hash: summary.info_hash.to_string(),
            is_flagged: summary.is_flagged,
            completed: counts.completed,
            seeders: counts.seeders,
            leechers: counts.leechers,
        }
    }
}

/// One torrent with its peers, and before them `status` when it answers a change: the original
/// sends only that, its document shows only the torrent.
#[derive(Serialize)]
struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(flatten)]
    row: Row,
    peers: Vec<(Identity, State)>,
}

/// The first half of a peer.
#[derive(Serialize)]
struct Identity {
    id: String,
    client: Option<&'static str>,
}

/// The second half of a peer.
#[derive(Serialize)]
struct State {
    ip: String,
    uploaded: u64,
    downloaded: u64,
    left: u64,
    event: &'static str,
    /// Milliseconds since its last announce: an age.
    updated: u64,
}

/// The body of a change; `null` stands for `false`.
#[derive(Deserialize)]
struct Flag {
    is_flagged: bool,
}

/// The wish in a body; the parser's sentence when there is none.
pub(super) fn is_flagged(body: &[u8]) -> Result<bool, String> {
    let flag: Option<Flag> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(flag.is_some_and(|flag| flag.is_flagged))
}

/// `GET /t`.
pub(super) fn list<'a>(summaries: impl Iterator<Item = &'a SwarmSummary>) -> Vec<u8> {
    json(&summaries.map(Row::of).collect::<Vec<_>>())
}

/// `GET /t/{ih}`.
pub(super) fn torrent(summary: &SwarmSummary, peers: &[SwarmPeer]) -> Vec<u8> {
    details(None, summary, peers)
}

/// `POST /t/{ih}`.
pub(super) fn changed(summary: &SwarmSummary, peers: &[SwarmPeer]) -> Vec<u8> {
    details(Some("ok"), summary, peers)
}

fn details(status: Option<&'static str>, summary: &SwarmSummary, peers: &[SwarmPeer]) -> Vec<u8> {
    let peers = peers.iter().take(PEERS_MAX).map(pair).collect();
    json(&Details { status, row: Row::of(summary), peers })
}

fn pair(peer: &SwarmPeer) -> (Identity, State) {
    let id = peer.peer_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let identity = Identity { id, client: client_name(&peer.peer_id) };
    let state = State {
        ip: peer.address.to_string(),
        uploaded: peer.uploaded,
        downloaded: peer.downloaded,
        left: peer.left,
        event: event(peer.event),
        updated: u64::from(peer.age_s) * 1000,
    };
    (identity, state)
}

/// Without a d, unlike Torrust's.
fn event(event: AnnounceEvent) -> &'static str {
    match event {
        AnnounceEvent::Started => "Started",
        AnnounceEvent::Stopped => "Stopped",
        AnnounceEvent::Completed => "Complete",
        AnnounceEvent::None | AnnounceEvent::Paused => "None",
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 3: the texts behind `Request body deserialize error: `.
    #[test]
    fn a_body_that_says_no_flag_is_refused_in_the_parsers_words() {
        let error = |body: &str| is_flagged(body.as_bytes()).unwrap_err();
        assert_eq!(error("{}"), "missing field `is_flagged` at line 1 column 2");
        let wrong = "invalid type: string \"x\", expected a boolean at line 1 column 17";
        assert_eq!(error("{\"is_flagged\":\"x\"}"), wrong);
        assert_eq!(error(""), "EOF while parsing a value at line 1 column 0");
    }

    /// Section 6: other members are passed over, `null` is false.
    #[test]
    fn a_flag_is_read_from_an_object_or_null() {
        assert_eq!(is_flagged(b"{\"is_flagged\": true, \"x\": 1}"), Ok(true));
        assert_eq!(is_flagged(b"null"), Ok(false));
    }

    /// Section 5: the spelling of events.
    #[test]
    fn complete_is_spelled_without_a_d() {
        assert_eq!(event(AnnounceEvent::Completed), "Complete");
        assert_eq!(event(AnnounceEvent::Paused), "None");
    }
}
