//! A torrent: what the engine downloads or seeds, as a snapshot at one moment.

use std::sync::Arc;

use crate::domain::bitfield::Bitfield;
use crate::domain::hash::InfoHashes;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::torrent_figures::TorrentFigures;
use crate::domain::torrent_flags::TorrentFlags;

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
    /// A file of a share is not as it was when it was shared, so nothing of it is sent. Whoever
    /// looks after shares lets it go on.
    Changed,
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
    /// Seconds spent with all wanted files there, and running.
    pub finished_s: u64,
    /// Seconds spent running.
    pub active_s: u64,
    /// The engine's flags.
    pub flags: TorrentFlags,
    /// The number of the error that stopped it, as the system or libtorrent counts; 0 when none is
    /// known.
    pub error_value: i32,
    /// What else is counted of it.
    pub figures: TorrentFigures,
}

/// What a torrent is doing in one word: of several that are true, the one that matters most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It stopped by itself; its error says why.
    Error,
    /// Its files are being moved.
    Moving,
    /// It waits for its turn in the queue.
    Queued,
    /// Somebody stopped it.
    Stopped,
    /// The engine has not seen it yet.
    Loading,
    /// Its files are being looked at or hashed.
    Checking,
    /// Its metadata is being asked for.
    Metadata,
    /// It fetches pieces.
    Downloading,
    /// All wanted files are there.
    Finished,
    /// All files are there.
    Seeding,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::Error,
        Self::Moving,
        Self::Queued,
        Self::Stopped,
        Self::Loading,
        Self::Checking,
        Self::Metadata,
        Self::Downloading,
        Self::Finished,
        Self::Seeding,
    ];

    /// Its name in APIs and filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Moving => "moving",
            Self::Queued => "queued",
            Self::Stopped => "stopped",
            Self::Loading => "loading",
            Self::Checking => "checking",
            Self::Metadata => "metadata",
            Self::Downloading => "downloading",
            Self::Finished => "finished",
            Self::Seeding => "seeding",
        }
    }
}

impl Status {
    /// Payload sent for each byte received; 0 when nothing was received.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn ratio(&self) -> f64 {
        match self.all_time_download_bytes {
            0 => 0.0,
            received => self.all_time_upload_bytes as f64 / received as f64,
        }
    }

    /// Seconds until all wanted files are there at the present rate; `None` while nothing comes.
    pub fn eta_s(&self) -> Option<u64> {
        match self.wanted_bytes.saturating_sub(self.wanted_done_bytes) {
            0 => Some(0),
            left => left.checked_div(self.download_rate.into()),
        }
    }

    /// Complete peers: as the trackers told, else as far as they are known.
    pub fn seeders(&self) -> u32 {
        u32::try_from(self.scrape_seeds).unwrap_or(self.known_seeds)
    }

    /// Incomplete peers: as the trackers told, else as far as they are known.
    pub fn leechers(&self) -> u32 {
        let known = self.known_peers.saturating_sub(self.known_seeds);
        u32::try_from(self.scrape_leeches).unwrap_or(known)
    }
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

    /// What it is doing, in one word.
    pub fn state(&self) -> State {
        let status = &self.status;
        match status.stage {
            _ if !status.error.is_empty() => State::Error,
            _ if status.is_moving => State::Moving,
            _ if status.is_paused && status.is_auto_managed => State::Queued,
            _ if status.is_paused => State::Stopped,
            Stage::Loading => State::Loading,
            Stage::CheckingResume | Stage::Checking => State::Checking,
            Stage::Metadata => State::Metadata,
            Stage::Downloading => State::Downloading,
            Stage::Finished => State::Finished,
            Stage::Seeding => State::Seeding,
        }
    }

    /// Whether every wanted piece is there and the torrent may serve.
    pub fn is_complete(&self) -> bool {
        matches!(self.status.stage, Stage::Finished | Stage::Seeding)
    }
}
