//! The JSON that the command line reads from the API at `/v1`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::app::cli::wire::pretty;
use crate::app::logging;

/// A page of torrents.
#[derive(Debug, Deserialize)]
pub(super) struct TorrentPage {
    pub(super) total: u64,
    /// Torrents of the store that are not shown yet.
    pub(super) loading: u64,
    pub(super) torrents: Vec<TorrentLine>,
}

/// What a table shows of a torrent.
#[derive(Debug, Deserialize)]
pub(super) struct TorrentLine {
    pub(super) name: String,
    pub(super) size: Option<u64>,
    pub(super) progress: f64,
    pub(super) state: String,
    pub(super) download_rate: u64,
    pub(super) upload_rate: u64,
    pub(super) connected_peers: u64,
    pub(super) eta: Option<u64>,
    pub(super) ratio: f64,
    pub(super) downloaded: u64,
    pub(super) error: Option<String>,
}

/// The connections of a torrent.
#[derive(Debug, Deserialize)]
pub(super) struct Peers {
    pub(super) peers: Vec<PeerLine>,
}

/// What a table shows of a connection.
#[derive(Debug, Deserialize)]
pub(super) struct PeerLine {
    pub(super) address: String,
    pub(super) client: String,
    pub(super) progress: f64,
    pub(super) download_rate: u64,
    pub(super) upload_rate: u64,
    pub(super) transport: String,
    pub(super) is_outgoing: bool,
}

/// A swarm of our own tracker.
#[derive(Debug, Deserialize)]
pub(super) struct Swarm {
    pub(super) name: Option<String>,
    pub(super) seeders: u64,
    pub(super) leechers: u64,
    pub(super) completed: u64,
    pub(super) is_listed: bool,
    pub(super) is_flagged: bool,
    pub(super) mode: Option<String>,
}

/// The swarm of a torrent of the server's own.
#[derive(Debug, Deserialize)]
pub(super) struct SwarmView {
    pub(super) name: String,
    pub(super) participants: Vec<ParticipantLine>,
    pub(super) friends: Vec<FriendInSwarm>,
    pub(super) seeders: u64,
    pub(super) leechers: u64,
    pub(super) completed: u64,
    pub(super) copies: f64,
    pub(super) other_seeds: u64,
    pub(super) other_seed_seen_at: Option<i64>,
    pub(super) can_stop: bool,
}

/// What a table shows of a participant.
#[derive(Debug, Deserialize)]
pub(super) struct ParticipantLine {
    pub(super) ip: String,
    pub(super) friend: Option<String>,
    pub(super) client: String,
    pub(super) inside: bool,
    pub(super) own: bool,
    pub(super) progress: f64,
    pub(super) state: String,
    pub(super) claimed_uploaded: Option<u64>,
    pub(super) claimed_downloaded: Option<u64>,
    pub(super) seen_ago_s: u32,
    pub(super) sent: Option<u64>,
    pub(super) received: Option<u64>,
    pub(super) upload_rate: Option<u64>,
    pub(super) download_rate: Option<u64>,
}

/// A friend's account in a swarm.
#[derive(Debug, Deserialize)]
pub(super) struct FriendInSwarm {
    pub(super) name: String,
    pub(super) is_complete: bool,
    pub(super) last_seen_at: i64,
    pub(super) excess: u64,
}

/// Its peers.
#[derive(Debug, Deserialize)]
pub(super) struct SwarmPeers {
    pub(super) peers: Vec<SwarmPeerLine>,
}

/// What a table shows of a peer of a swarm.
#[derive(Debug, Deserialize)]
pub(super) struct SwarmPeerLine {
    pub(super) address: String,
    pub(super) uploaded: u64,
    pub(super) downloaded: u64,
    pub(super) left: u64,
    pub(super) age: u64,
    pub(super) is_own: bool,
}

/// All keys.
#[derive(Debug, Deserialize)]
pub(super) struct Keys {
    pub(super) keys: Vec<KeyLine>,
}

/// A key in the list.
#[derive(Debug, Deserialize)]
pub(super) struct KeyLine {
    pub(super) prefix: String,
    pub(super) valid_until: Option<i64>,
    pub(super) is_expired: bool,
}

/// A key that was just made.
#[derive(Debug, Deserialize)]
pub(super) struct NewKey {
    pub(super) key: String,
}

/// The whitelist.
#[derive(Debug, Deserialize)]
pub(super) struct Whitelist {
    pub(super) info_hashes: Vec<String>,
}

/// What a new key is to be.
#[derive(Serialize)]
pub(super) struct KeyWish<'a> {
    pub(super) valid_s: Option<u64>,
    pub(super) key: Option<&'a str>,
}

/// All tokens.
#[derive(Debug, Deserialize)]
pub(super) struct Tokens {
    pub(super) tokens: Vec<TokenLine>,
}

/// What a table shows of a token; times in Unix seconds.
#[derive(Debug, Deserialize)]
pub(super) struct TokenLine {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires_at: Option<i64>,
    pub(super) used_at: Option<i64>,
}

/// A token that was just made.
#[derive(Debug, Deserialize)]
pub(super) struct NewToken {
    /// The secret.
    pub(super) token: String,
}

/// What a new token is to be.
#[derive(Serialize)]
pub(super) struct TokenWish<'a> {
    pub(super) name: &'a str,
    pub(super) scopes: Vec<&'a str>,
    pub(super) valid_s: Option<u64>,
}

/// Figures of the server.
#[derive(Debug, Deserialize)]
pub(super) struct StatsLines {
    pub(super) version: String,
    pub(super) process: ProcessLine,
    pub(super) client: ClientLine,
    pub(super) tracker: TrackerLine,
}

/// Those of the process.
#[derive(Debug, Deserialize)]
pub(super) struct ProcessLine {
    pub(super) uptime: u64,
    pub(super) cpu: f64,
    pub(super) resident: Option<u64>,
}

/// Those of the torrents.
#[derive(Debug, Deserialize)]
pub(super) struct ClientLine {
    pub(super) torrents: u64,
    pub(super) downloading: u64,
    pub(super) seeding: u64,
    pub(super) checking: u64,
    pub(super) stopped: u64,
    pub(super) failed: u64,
    pub(super) download_rate: u64,
    pub(super) upload_rate: u64,
    pub(super) downloaded: u64,
    pub(super) uploaded: u64,
}

/// Those of the tracker.
#[derive(Debug, Deserialize)]
pub(super) struct TrackerLine {
    pub(super) swarms: u64,
    pub(super) seeders: u64,
    pub(super) leechers: u64,
    pub(super) completed: u64,
    pub(super) requests: BTreeMap<String, TransportLine>,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) malformed: u64,
}

/// Those of one protocol and family.
#[derive(Debug, Deserialize)]
pub(super) struct TransportLine {
    pub(super) connections: u64,
    pub(super) announces: u64,
    pub(super) scrapes: u64,
}

/// Settings.
#[derive(Debug, Deserialize)]
pub(super) struct SettingLines {
    pub(super) settings: Vec<SettingLine>,
}

/// One setting.
#[derive(Debug, Deserialize)]
pub(super) struct SettingLine {
    pub(super) key: String,
    value: Value,
    pub(super) source_detail: String,
    pub(super) can_change: bool,
}

impl SettingLine {
    /// Whether it holds a text now.
    pub(super) fn is_text(&self) -> bool {
        self.value.is_string()
    }

    /// Its value for people.
    pub(super) fn value_text(&self) -> String {
        match &self.value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// The body that changes settings: key, value as typed, and whether it is a text for sure.
pub(super) fn settings_body(changes: &[(&str, &str, bool)]) -> Vec<u8> {
    let value = |text: &str, is_text: bool| match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) if !is_text => value,
        _ => Value::from(text),
    };
    let pair =
        |(key, text, is_text): &(&str, &str, bool)| ((*key).to_owned(), value(text, *is_text));
    Value::Object(changes.iter().map(pair).collect()).to_string().into_bytes()
}

/// One event as a line; `None` when its data is no JSON.
pub(super) fn event_json(name: &str, id: &str, data: &str) -> Option<String> {
    let data: Value = serde_json::from_str(data).ok()?;
    let line = json!({ "event": name, "id": id, "data": data }).to_string();
    Some(logging::escape_json(&line).into_owned())
}

/// What an answer can be read into.
pub(super) trait Read: for<'de> Deserialize<'de> {}

impl<T: for<'de> Deserialize<'de>> Read for T {}

/// An answer in a form for us; `None` when it is something else.
pub(super) fn read<T: Read>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// The body that asks for a key.
pub(super) fn key_body(wish: &KeyWish<'_>) -> Vec<u8> {
    serde_json::to_vec(wish).unwrap_or_default()
}

/// The body that asks for a token.
pub(super) fn token_body(wish: &TokenWish<'_>) -> Vec<u8> {
    serde_json::to_vec(wish).unwrap_or_default()
}

/// `cove token rm --json`: what was revoked.
pub(super) fn revoked_json(revoked: &[&TokenLine]) -> String {
    let one = |token: &&TokenLine| json!({ "id": token.id, "name": token.name });
    pretty(&json!({ "revoked": revoked.iter().map(one).collect::<Vec<_>>() }))
}

/// An answer as programs get it; `None` when it is no JSON.
pub(super) fn shown_json(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    Some(pretty(&value))
}

/// Several answers in one object.
pub(super) fn joined_json(parts: &[(&str, &[u8])]) -> Option<String> {
    let mut whole = json!({});
    for (name, body) in parts {
        whole[*name] = serde_json::from_slice(body).ok()?;
    }
    Some(pretty(&whole))
}
