//! What the engine thread is told, and what it hands up.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::bitfield::Bitfield;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::domain::peer::Peer;
use crate::domain::share::FileMark;
use crate::domain::stats::EngineStats;
use crate::domain::torrent::Torrent;
use crate::engine::board::Token;
use crate::engine::ffi::bridge;
use crate::engine::looking::Found;
use crate::engine::prepared::Prepared;
use crate::engine::settings::PreparedSession;

/// Where an answer goes; a caller that gave up is ignored.
pub(crate) type Reply<T = ()> = oneshot::Sender<Result<T>>;

/// One call on the session that owns the torrent.
pub(crate) type Work = Box<
    dyn FnOnce(Pin<&mut bridge::Session>, Token) -> std::result::Result<(), cxx::Exception> + Send,
>;

/// One call on a session.
pub(crate) type SessionWork =
    Box<dyn FnOnce(Pin<&mut bridge::Session>) -> std::result::Result<(), cxx::Exception> + Send>;

/// What a command waits for before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Added,
    Removed,
    Paused,
    Moved,
    Renamed,
    Prioritized,
    Saved,
    /// The save after the one that is under way, which may be older than what is to be saved.
    SavedNext,
}

/// A command to the engine thread.
pub(crate) enum Message {
    /// libtorrent's queue is no longer empty.
    AlertsReady,
    /// Takes a torrent in; answered when libtorrent did.
    Add {
        prepared: Box<Prepared>,
        session: Arc<str>,
        /// A torrent of the store stays on the board, with the error, when libtorrent refuses it.
        keep_on_failure: bool,
        reply: Option<Reply>,
    },
    /// Shows a torrent that cannot run, with the reason as its error (rule D4).
    Show { row: Box<Torrent> },
    /// Shows a torrent of the store without running it, with the reason as its error.
    Hold { prepared: Box<Prepared>, session: Arc<str>, why: String },
    /// Runs a torrent that was held, as its record says, or stopped.
    Release { id: TorrentId, is_stopped: bool, reply: Reply },
    /// Starts a session.
    OpenSession { wish: Box<PreparedSession>, reply: Reply },
    /// Ends a session that has no torrents; answered when its ports are free.
    CloseSession { number: u32, reply: Reply },
    /// Stops a torrent that is to live in another session; answered when its record, of which a copy
    /// goes to `record`, is durable. Other commands wait from here on.
    Depart { id: TorrentId, record: oneshot::Sender<Vec<u8>>, reply: Reply },
    /// Lets a torrent that departs stay where it is.
    Stay { id: TorrentId, reply: Reply },
    /// Has a torrent that departs live in another session; answered when libtorrent took it.
    Arrive { id: TorrentId, prepared: Box<Prepared>, session: Arc<str>, reply: Reply },
    /// A torrent that is held back belongs to another session.
    Rehome { id: TorrentId, session: Arc<str>, reply: Reply },
    /// Does `work` on the session of this name and answers.
    OnSession { name: String, work: SessionWork, reply: Reply },
    /// Does `work` and answers.
    Run { id: TorrentId, work: Work, reply: Reply },
    /// Does `work` and answers when `outcome` is known.
    Await { id: TorrentId, work: Work, outcome: Outcome, reply: Reply },
    /// Stops a torrent; answered when no disk job of it is under way.
    Pause { id: TorrentId, reply: Reply },
    /// Clears an error and lets the torrent run as before.
    Retry { id: TorrentId, reply: Reply },
    /// Clears an error and lets the torrent run.
    Resume { id: TorrentId, auto_managed: bool, reply: Reply },
    /// Says what the files of a share look like from now on.
    RenewSeal { id: TorrentId, marks: Vec<FileMark>, reply: Reply },
    /// Changes a row that updates from libtorrent do not carry.
    Note { id: TorrentId, note: Note },
    /// Resume data now; answered when the store has it.
    Save { id: TorrentId, reply: Reply },
    /// The torrent file of a magnet link that is not ours; answered when libtorrent is rid of it.
    LookUp { prepared: Box<Prepared>, reply: Reply<Found> },
    /// Looks no longer; answered when libtorrent is rid of it.
    EndLookUp { id: TorrentId, reply: Reply },
    /// Connected peers.
    Peers { id: TorrentId, reply: Reply<Vec<Peer>> },
    /// The statistics of every session.
    Stats { reply: Reply<Arc<EngineStats>> },
    /// Other settings for a session that runs.
    Configure { wish: Box<PreparedSession>, reply: Reply },
    /// Saves what is unsaved, leaves the swarms and ends the thread, within `limit`.
    Stop { limit: Duration, reply: Reply },
}

/// A change of a row that only commands know of.
pub(crate) enum Note {
    FilePriorities(Vec<u8>),
    Limits {
        download: u32,
        upload: u32,
    },
    TrackerAdded(String),
    TrackerRemoved(String),
    /// These and no others, each with its tier.
    TrackersReplaced(Vec<(String, u8)>),
    ErrorCleared,
}

/// Resume data on its way to the store.
pub struct Saved {
    /// Whose.
    pub id: TorrentId,
    /// Bencoded, without the info dictionary.
    pub resume: Vec<u8>,
    /// The .torrent file, once, when the metadata came from a peer.
    pub metadata_file: Option<Vec<u8>>,
    /// Display name.
    pub name: Arc<str>,
    /// Where the files are.
    pub save_path: Arc<str>,
    /// The files, to be made durable before this record is (rule D3).
    pub metadata: Option<Arc<Metadata>>,
    /// At least the pieces that `resume` claims.
    pub pieces: Arc<Bitfield>,
    /// Pieces were found by a check, so any of them may be newly claimed.
    pub was_checked: bool,
    /// Told when the store has it.
    pub waiters: Vec<Reply>,
}
