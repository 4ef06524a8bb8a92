//! The JSON of a torrent's parts: files, peers, remote trackers, web seeds, pieces.

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::metadata::File;
use crate::domain::metadata::Metadata;
use crate::domain::peer::Peer;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::remote_tracker::TrackerState;
use crate::domain::torrent::Torrent;

/// The files of a torrent; none before its metadata is known.
#[derive(Serialize, ToSchema)]
pub(super) struct FileList<'a> {
    pub(super) files: Vec<FileRow<'a>>,
}

/// A file. Padding is left out, so indices may have gaps.
#[derive(Serialize, ToSchema)]
pub(super) struct FileRow<'a> {
    index: usize,
    /// Below the save path, with the torrent's folder; as it is on the disk.
    path: &'a str,
    /// Bytes.
    size: u64,
    /// Bytes that are there and verified.
    done: u64,
    /// 0 = not wanted, 4 = normal, 7 = first of all.
    #[schema(minimum = 0, maximum = 7)]
    priority: u8,
}

/// Changes of files.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileChanges {
    #[schema(max_items = 100_000)]
    pub(super) files: Vec<FileChange>,
}

/// A change of one file; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileChange {
    pub(super) index: u32,
    /// 0 = not wanted, 4 = normal, 7 = first of all.
    #[schema(minimum = 0, maximum = 7)]
    pub(super) priority: Option<u8>,
    /// A new path below the save path.
    pub(super) path: Option<String>,
}

/// The connections of a torrent.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerList<'a> {
    pub(super) peers: Vec<PeerRow<'a>>,
}

/// A connected peer.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerRow<'a> {
    /// Address and port.
    address: String,
    /// The 20 bytes it calls itself, in hex.
    peer_id: String,
    /// Its program, as it says.
    client: &'a str,
    /// Its share of the torrent, 0 to 1.
    progress: f32,
    download_rate: u32,
    upload_rate: u32,
    /// Bytes received from it over this connection.
    downloaded: u64,
    /// Bytes sent to it over this connection.
    uploaded: u64,
    /// Where we learned of it.
    sources: Vec<&'static str>,
    /// What it speaks.
    transport: &'static str,
    /// We opened the connection.
    is_outgoing: bool,
    /// It has every piece.
    is_seeder: bool,
    /// It wants pieces that we have.
    is_interested: bool,
    /// It serves us now.
    is_serving: bool,
    /// We want pieces that it has.
    are_we_interested: bool,
    /// We serve it now.
    are_we_serving: bool,
    /// It has not answered for a while.
    is_snubbed: bool,
}

/// Peers to connect to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PeerAddresses {
    /// Address and port each, such as `192.0.2.1:6881` or `[2001:db8::1]:6881`.
    #[schema(max_items = 200)]
    pub(super) peers: Vec<String>,
}

/// The remote trackers of a torrent, by tier.
#[derive(Serialize, ToSchema)]
pub(super) struct TrackerList {
    pub(super) trackers: Vec<TrackerRow>,
}

/// A remote tracker.
#[derive(Serialize, ToSchema)]
pub(super) struct TrackerRow {
    /// The announce URL. Whoever may only look sees no more than its host: the rest may be a
    /// passkey.
    url: String,
    /// Lower ones are asked first.
    tier: u8,
    state: TrackerStateName,
    /// What it said, or why it cannot be reached; null when there is nothing to say.
    message: Option<String>,
    /// Peers in its last answer; null before one came.
    peers: Option<u32>,
    /// Complete peers that it told of; null when not known.
    seeders: Option<u32>,
    /// Incomplete peers that it told of; null when not known.
    leechers: Option<u32>,
}

/// What the last announce came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TrackerStateName {
    NotContacted,
    Updating,
    Working,
    Warning,
    Error,
}

/// Remote trackers to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackerWishes {
    #[schema(max_items = 256)]
    pub(super) trackers: Vec<TrackerWish>,
}

/// A remote tracker to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackerWish {
    /// Begins with `http://`, `https://` or `udp://`.
    pub(super) url: String,
    /// Lower ones are asked first; absent = 0.
    #[serde(default)]
    pub(super) tier: u8,
}

/// A URL.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UrlBody {
    pub(super) url: String,
}

/// The web servers that have the files of a torrent (BEP 19).
#[derive(Serialize, ToSchema)]
pub(super) struct WebSeedList {
    pub(super) web_seeds: Vec<String>,
}

/// The pieces of a torrent.
#[derive(Serialize, ToSchema)]
pub(super) struct Pieces {
    /// How many there are; 0 before the metadata is known.
    pub(super) count: u32,
    /// Bytes of each but the last; null before the metadata is known.
    pub(super) length: Option<u32>,
    /// How many are there and verified.
    pub(super) done: u32,
    /// A bit for each, the most significant one first, in base64.
    pub(super) have: String,
    /// How many connected peers have each; null while it seeds, when nobody counts.
    pub(super) availability: Option<Vec<u32>>,
}

/// A link to a torrent.
#[derive(Serialize, ToSchema)]
pub(super) struct Magnet {
    /// With its remote trackers.
    pub(super) magnet: String,
}

impl<'a> FileRow<'a> {
    pub(super) fn of(
        torrent: &Torrent,
        metadata: &'a Metadata,
        index: usize,
        file: &'a File,
    ) -> Self {
        Self {
            index,
            path: &file.path,
            size: file.size_bytes,
            done: metadata.verified_bytes(file, &torrent.pieces),
            priority: torrent.file_priorities.get(index).copied().unwrap_or(4),
        }
    }
}

impl<'a> PeerRow<'a> {
    pub(super) fn of(peer: &'a Peer) -> Self {
        let state = &peer.state;
        Self {
            address: peer.address.to_string(),
            peer_id: peer.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            client: &peer.client,
            progress: if peer.progress.is_finite() { peer.progress } else { 0.0 },
            download_rate: peer.download_rate,
            upload_rate: peer.upload_rate,
            downloaded: peer.downloaded_bytes,
            uploaded: peer.uploaded_bytes,
            sources: sources(peer.source),
            transport: match (peer.connection_kind, state.is_utp) {
                (0, false) => "tcp",
                (0, true) => "utp",
                _ => "http",
            },
            is_outgoing: state.is_outgoing,
            is_seeder: state.is_seed,
            is_interested: state.is_interested,
            is_serving: !state.chokes_us,
            are_we_interested: state.we_are_interested,
            are_we_serving: !state.we_choke,
            is_snubbed: state.is_snubbed,
        }
    }
}

fn sources(bits: u32) -> Vec<&'static str> {
    let names =
        [(1, "tracker"), (2, "dht"), (4, "pex"), (8, "lsd"), (16, "resume"), (32, "incoming")];
    names.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect()
}

impl TrackerRow {
    /// `shows_url`: whether the asker may see what may be a secret.
    pub(super) fn of(tracker: &RemoteTracker, shows_url: bool) -> Self {
        use TrackerStateName as Name;
        let (state, message) = match &tracker.state {
            TrackerState::NotContacted => (Name::NotContacted, None),
            TrackerState::Updating => (Name::Updating, None),
            TrackerState::Working => (Name::Working, None),
            TrackerState::Warning(text) => (Name::Warning, Some(text.clone())),
            TrackerState::Error(text) => (Name::Error, Some(text.clone())),
            TrackerState::Timeout => (Name::Error, Some("no answer in time".to_owned())),
            TrackerState::HttpStatus(status) => (Name::Error, Some(format!("HTTP {status}"))),
        };
        Self {
            url: if shows_url { tracker.url.clone() } else { tracker.host().to_owned() },
            tier: tracker.tier,
            state,
            message,
            peers: u32::try_from(tracker.peers).ok(),
            seeders: u32::try_from(tracker.seeds).ok(),
            leechers: u32::try_from(tracker.leeches).ok(),
        }
    }
}
