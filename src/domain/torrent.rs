//! A torrent: what the engine downloads or seeds, as a snapshot at one moment.

use std::sync::Arc;

use crate::domain::bitfield::Bitfield;
use crate::domain::hash::InfoHashes;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::torrent_figures::TorrentFigures;

/// What a torrent is doing, pause and error aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Handed over, not yet seen by the engine.
    #[default]
    Loading,
    /// Comparing resume data with the files.
    CheckingResume,
    /// Hashing what is on disk.
    Checking,
    /// Asking peers for the metadata.
    Metadata,
    /// Fetching pieces.
    Downloading,
    /// All wanted pieces are there, others are not.
    Finished,
    /// Complete.
    Seeding,
}

/// What kind of error stopped a torrent, for whoever decides what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No space left, or a quota reached: goes on by itself when there is space (rule D6).
    DiskFull,
    /// Its files could not be read or written (rules D8, D10).
    Disk,
    /// It is held back: its files are not as its record says (rules D10, D11).
    Held,
    /// It will not go away by itself.
    Lasting,
}

/// One torrent at one moment. Rates are payload bytes/s, times are Unix seconds, 0 = never.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// What it is doing.
    pub stage: Stage,
    /// Stopped: neither asks nor serves.
    pub is_paused: bool,
    /// libtorrent's queue decides when it runs.
    pub is_auto_managed: bool,
    /// Its files are being moved now.
    pub is_moving: bool,
    /// libtorrent will not write more until told to (disk full, rule D6).
    pub is_upload_mode: bool,
    /// Why it stopped by itself; empty when all is well.
    pub error: String,
    /// What kind of error that is; `None` when all is well.
    pub failure: Option<Failure>,
    /// Share of the current task, 0 to 1 (checking too).
    pub progress: f32,
    /// Bytes/s received.
    pub download_rate: u32,
    /// Bytes/s sent.
    pub upload_rate: u32,
    /// Bytes of the files that are wanted.
    pub wanted_bytes: u64,
    /// Wanted bytes that are there and verified.
    pub wanted_done_bytes: u64,
    /// Bytes there and verified, wanted or not.
    pub done_bytes: u64,
    /// Received since the process started, protocol included.
    pub session_download_bytes: u64,
    /// Sent since the process started, protocol included.
    pub session_upload_bytes: u64,
    /// Payload received since the torrent was added.
    pub all_time_download_bytes: u64,
    /// Payload sent since the torrent was added.
    pub all_time_upload_bytes: u64,
    /// When it was added.
    pub added_at: i64,
    /// When the last wanted piece arrived.
    pub completed_at: i64,
    /// When payload was last received.
    pub last_download_at: i64,
    /// When payload was last sent.
    pub last_upload_at: i64,
    /// Connected peers.
    pub connected_peers: u32,
    /// Connected peers that are complete.
    pub connected_seeds: u32,
    /// Known peers, connected or not.
    pub known_peers: u32,
    /// Known complete peers, connected or not.
    pub known_seeds: u32,
    /// Complete peers as the trackers told; -1 unknown.
    pub scrape_seeds: i32,
    /// Incomplete peers as the trackers told; -1 unknown.
    pub scrape_leeches: i32,
    /// Copies of the torrent among connected peers; -1 unknown.
    pub availability: f32,
    /// Place in the download queue; -1 when seeding.
    pub queue_position: i32,
    /// Bytes/s, 0 = none.
    pub download_limit: u32,
    /// Bytes/s, 0 = none.
    pub upload_limit: u32,
    /// Seconds spent complete and running.
    pub seeding_s: u64,
    /// Seconds spent running.
    pub active_s: u64,
    /// What else is counted of it.
    pub figures: TorrentFigures,
}

/// One of our torrents as the board shows it.
#[derive(Clone, Debug)]
pub struct Torrent {
    /// Its name inside the program.
    pub id: TorrentId,
    /// Its info-hashes.
    pub hashes: InfoHashes,
    /// The engine session it lives in, such as `default`.
    pub session: Arc<str>,
    /// Its display name, cleaned as it is on disk.
    pub name: Arc<str>,
    /// Where its files are.
    pub save_path: Arc<str>,
    /// What the torrent file says; `None` until the metadata is known.
    pub metadata: Option<Arc<Metadata>>,
    /// Priority of every file, 0 = not wanted to 7; empty = all at 4.
    pub file_priorities: Arc<[u8]>,
    /// Which pieces are there and verified; empty before metadata.
    pub pieces: Arc<Bitfield>,
    /// Its remote trackers, by tier.
    pub trackers: Arc<[RemoteTracker]>,
    /// The changing rest.
    pub status: Status,
    /// Grows with every change of any torrent; tells whether a copy is stale.
    pub revision: u64,
}

impl Torrent {
    /// Whether `file` (an index into the metadata) is wanted.
    pub fn wants_file(&self, file: usize) -> bool {
        self.file_priorities.get(file).copied().unwrap_or(4) > 0
    }

    /// Whether every wanted piece is there and the torrent may serve.
    pub fn is_complete(&self) -> bool {
        matches!(self.status.stage, Stage::Finished | Stage::Seeding)
    }
}
