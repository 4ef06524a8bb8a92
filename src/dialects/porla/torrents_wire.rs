//! Parameters and results of the methods for single torrents (sections 5 and 6). Members stand in
//! alphabetical order, which is the order of the original's answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use serde::Serialize;

use crate::dialects::porla::json::Hash;
use crate::dialects::porla::json::HashParam;
use crate::dialects::porla::json::Object;

#[derive(Deserialize)]
pub(super) struct ByHash {
    pub(super) info_hash: HashParam,
}

#[derive(Deserialize)]
pub(super) struct Add {
    pub(super) category: Option<String>,
    pub(super) download_limit: Option<i64>,
    pub(super) http_seeds: Option<Vec<String>>,
    pub(super) magnet_uri: Option<String>,
    pub(super) max_connections: Option<i64>,
    pub(super) max_uploads: Option<i64>,
    pub(super) metadata: Option<Object>,
    pub(super) name: Option<String>,
    pub(super) preset: Option<String>,
    pub(super) save_path: Option<String>,
    /// Of the later line; 0.41 reads a `session` and ignores it.
    pub(super) session_id: Option<i64>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) ti: Option<String>,
    pub(super) trackers: Option<Vec<String>>,
    pub(super) upload_limit: Option<i64>,
    pub(super) url_seeds: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct Remove {
    pub(super) info_hashes: Vec<HashParam>,
    pub(super) remove_data: bool,
}

#[derive(Deserialize)]
pub(super) struct Move {
    pub(super) flags: Option<String>,
    pub(super) info_hash: HashParam,
    pub(super) path: String,
}

#[derive(Deserialize)]
pub(super) struct AddPeers {
    pub(super) info_hash: HashParam,
    pub(super) peers: Vec<(String, i64)>,
}

#[derive(Deserialize)]
pub(super) struct AddTracker {
    pub(super) info_hash: HashParam,
    pub(super) url: String,
}

#[derive(Deserialize)]
pub(super) struct SetProperties {
    pub(super) download_limit: Option<i64>,
    pub(super) flags: Option<BTreeMap<String, bool>>,
    pub(super) info_hash: HashParam,
    pub(super) max_connections: Option<i64>,
    pub(super) max_uploads: Option<i64>,
    pub(super) upload_limit: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Prioritize {
    pub(super) info_hash: HashParam,
    pub(super) priorities: Vec<u8>,
}

#[derive(Deserialize)]
pub(super) struct Rename {
    pub(super) index: u32,
    pub(super) info_hash: HashParam,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct QueueSet {
    pub(super) info_hash: HashParam,
    pub(super) position: i64,
}

#[derive(Serialize)]
pub(super) struct Added {
    pub(super) info_hash: Hash,
}

#[derive(Serialize)]
pub(super) struct MetadataList {
    pub(super) metadata: Object,
}

#[derive(Serialize)]
pub(super) struct Properties {
    pub(super) download_limit: i32,
    pub(super) flags: BTreeMap<&'static str, bool>,
    pub(super) max_connections: i32,
    pub(super) max_uploads: i32,
    pub(super) upload_limit: i32,
}

#[derive(Serialize)]
pub(super) struct Files<'a> {
    pub(super) files: Vec<File<'a>>,
}

#[derive(Serialize)]
pub(super) struct File<'a> {
    pub(super) absolute_path: String,
    pub(super) first_block_node: u64,
    pub(super) first_piece_node: u64,
    pub(super) flags: u8,
    pub(super) name: &'a str,
    pub(super) num_blocks: u64,
    pub(super) num_pieces: u64,
    pub(super) offset: u64,
    pub(super) path: &'a str,
    pub(super) size: u64,
}

#[derive(Serialize)]
pub(super) struct Priorities {
    pub(super) priorities: Vec<u8>,
}

#[derive(Serialize)]
pub(super) struct FileProgress {
    pub(super) progress: Vec<u64>,
}

#[derive(Serialize)]
pub(super) struct Pieces {
    pub(super) pieces: Vec<u8>,
}

#[derive(Serialize)]
pub(super) struct Peers<'a> {
    pub(super) peers: Vec<Peer<'a>>,
}

/// An address as the original tells it: text and number.
#[derive(Serialize)]
pub(super) struct Endpoint(String, u16);

impl Endpoint {
    pub(super) fn of(address: SocketAddr) -> Self {
        Self(address.ip().to_string(), address.port())
    }

    pub(super) fn new(ip: &str, port: u16) -> Self {
        Self(ip.to_owned(), port)
    }
}

#[derive(Serialize)]
pub(super) struct Peer<'a> {
    pub(super) busy_requests: i32,
    pub(super) client: &'a str,
    pub(super) connection_type: u32,
    pub(super) down_speed: u32,
    pub(super) download_queue_length: i32,
    pub(super) download_queue_time: i64,
    pub(super) flags: u32,
    pub(super) ip: Endpoint,
    pub(super) last_active: i64,
    pub(super) last_request: i64,
    pub(super) local_endpoint: Endpoint,
    pub(super) progress: f64,
    pub(super) rtt: i32,
    pub(super) source: u32,
    pub(super) total_download: u64,
    pub(super) total_upload: u64,
    pub(super) up_speed: u32,
}

#[derive(Serialize)]
pub(super) struct Trackers<'a> {
    pub(super) trackers: Vec<Tracker<'a>>,
}

#[derive(Serialize)]
pub(super) struct Tracker<'a> {
    pub(super) endpoints: Vec<TrackerEndpoint<'a>>,
    pub(super) fail_limit: u8,
    pub(super) source: u8,
    pub(super) tier: u8,
    pub(super) trackerid: &'a str,
    pub(super) url: &'a str,
    pub(super) verified: bool,
}

#[derive(Serialize)]
pub(super) struct TrackerEndpoint<'a> {
    pub(super) enabled: bool,
    pub(super) info_hashes: [Announce<'a>; 2],
    pub(super) local_endpoint: Endpoint,
}

#[derive(Serialize)]
pub(super) struct Announce<'a> {
    pub(super) complete_sent: bool,
    pub(super) fails: u8,
    pub(super) last_error: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) min_announce: i32,
    pub(super) next_announce: i32,
    pub(super) scrape_complete: i32,
    pub(super) scrape_downloaded: i32,
    pub(super) scrape_incomplete: i32,
    pub(super) start_sent: bool,
    pub(super) updating: bool,
}
