//! The JSON that the command line reads from the API at `/v1`.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::app::cli::wire::pretty;

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
