//! The JSON of Tribler's API beside its downloads: the program, its settings, torrents that are
//! not added yet, and events.

use std::fmt::Display;

use serde::Deserialize;
use serde::Serialize;
use serde::Serializer;

use crate::domain::hash::TorrentId;

fn displayed<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// `PUT /shutdown`.
#[derive(Serialize)]
pub(super) struct ShuttingDown {
    pub(super) shutdown: bool,
}

/// `GET /statistics/tribler`.
#[derive(Serialize)]
pub(super) struct TriblerStatistics {
    tribler_statistics: Kept,
}

#[derive(Serialize)]
struct Kept {
    db_size: u64,
    num_channels: u32,
    num_torrents: usize,
}

impl TriblerStatistics {
    pub(super) fn of(db_size: u64, num_torrents: usize) -> Self {
        Self { tribler_statistics: Kept { db_size, num_channels: 0, num_torrents } }
    }
}

/// `GET /statistics/ipv8`.
#[derive(Default, Serialize)]
pub(super) struct OverlayStatistics {
    ipv8_statistics: Traffic,
}

#[derive(Default, Serialize)]
struct Traffic {
    total_up: u64,
    total_down: u64,
}

/// `GET /api/files/browse`.
#[derive(Serialize)]
pub(super) struct Browsed<'a> {
    pub(super) current: &'a str,
    pub(super) paths: Vec<BrowsedEntry<'a>>,
    pub(super) separator: &'static str,
}

/// `GET /api/files/list`.
#[derive(Serialize)]
pub(super) struct ListedFiles<'a> {
    pub(super) paths: Vec<BrowsedEntry<'a>>,
}

/// A file or a directory; a list of files does not say which.
#[derive(Serialize)]
pub(super) struct BrowsedEntry<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dir: Option<bool>,
}

/// What a torrent says: the first two members in 7.x, the others in 8.x.
#[derive(Serialize)]
pub(super) struct TorrentInfo<'a> {
    /// Hex digits of JSON text.
    pub(super) metainfo: String,
    /// True or null.
    pub(super) download_exists: Option<bool>,
    #[serde(serialize_with = "displayed")]
    pub(super) infohash: TorrentId,
    pub(super) name: &'a str,
    pub(super) files: Vec<TorrentInfoFile<'a>>,
    pub(super) valid_certificate: bool,
}

/// A file of a torrent that is not added yet.
#[derive(Serialize)]
pub(super) struct TorrentInfoFile<'a> {
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) size: u64,
}

/// A magnet link that was not to be resolved.
#[derive(Serialize)]
pub(super) struct UnresolvedInfo {
    metainfo: &'static str,
    download_exists: bool,
    valid_certificate: bool,
}

impl Default for UnresolvedInfo {
    fn default() -> Self {
        Self { metainfo: "", download_exists: false, valid_certificate: true }
    }
}

/// The body of `POST /api/torrentinfo/uri`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct InfoBody {
    pub(super) uri: Option<String>,
    pub(super) hops: Option<i64>,
    pub(super) skipmagnet: Option<bool>,
}

/// The body of `POST /createtorrent`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct CreateBody {
    pub(super) files: Option<Vec<String>>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) trackers: Option<Vec<String>>,
    pub(super) export_dir: Option<String>,
}

/// `POST /createtorrent`.
#[derive(Serialize)]
pub(super) struct Created {
    /// The torrent file in base64.
    pub(super) torrent: String,
}

/// `GET /libtorrent/settings`.
#[derive(Serialize)]
pub(super) struct LibtorrentSettings {
    pub(super) hop: i64,
    pub(super) settings: ByName,
}

/// `GET /libtorrent/session`.
#[derive(Serialize)]
pub(super) struct LibtorrentStatistics {
    pub(super) hop: i64,
    pub(super) session: ByName,
}

/// Members in their own order.
pub(super) struct ByName(pub(super) Vec<(String, Plain)>);

impl Serialize for ByName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// What one of libtorrent's settings holds.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Plain {
    Bool(bool),
    Number(i64),
    Text(String),
}

/// The body of `POST /api/createtorrent/dryrun`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct DryRunBody {
    pub(super) name: Option<String>,
    pub(super) export_dir: Option<String>,
}

/// `POST /api/createtorrent/dryrun`.
#[derive(Serialize)]
pub(super) struct DryRun {
    pub(super) success: bool,
}

/// The body of `PUT /api/statistics/dirspace`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct SpaceBody {
    pub(super) directory: Option<String>,
}

/// `PUT /api/statistics/dirspace`.
#[derive(Serialize)]
pub(super) struct SpaceStatistics {
    pub(super) statistics: SpaceFigures,
}

/// Bytes, as Python's `shutil.disk_usage` counts them.
#[derive(Serialize)]
pub(super) struct SpaceFigures {
    pub(super) total: u64,
    pub(super) used: u64,
    pub(super) free: u64,
}
