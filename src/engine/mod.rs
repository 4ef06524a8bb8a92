//! libtorrent, behind one handle: commands go in, the board and events come out.
//!
//! One thread owns every session. Lists and single torrents are read from the board, which that
//! thread keeps fresh from alerts; only [`Engine::peers`] asks libtorrent, and is cached.

mod actor;
mod adding;
mod alerts;
mod author;
mod board;
mod commands;
mod convert;
mod details;
pub(crate) mod ffi;
pub(crate) mod ffi_details;
mod fresh;
mod looking;
mod memory;
mod message;
mod migrating;
mod outside;
mod prepared;
mod pulse;
mod saving;
mod seals;
mod sessions;
pub mod settings;
mod slots;
mod stats;
mod stopping;
#[cfg(test)]
mod tests;
mod trouble;
pub(crate) mod waker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use libtorrent_sys as _;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::AnyHash;
use crate::domain::hash::TorrentId;
use crate::domain::peer::Peer;
use crate::domain::stats::EngineStats;
use crate::domain::torrent::Torrent;
use crate::domain::tracker_report::TrackerReport;
use crate::engine::actor::Actor;
pub use crate::engine::author::AuthorPlan;
pub use crate::engine::author::HashMeter;
pub use crate::engine::author::author;
pub use crate::engine::author::cancelled;
use crate::engine::board::Board;
pub use crate::engine::commands::MoveMode;
pub use crate::engine::commands::QueueMove;
pub use crate::engine::details::Properties;
pub use crate::engine::details::PropertyChange;
use crate::engine::ffi::bridge;
use crate::engine::fresh::Fresh;
use crate::engine::message::Message;
use crate::engine::message::Reply;
pub use crate::engine::message::Saved;
pub use crate::engine::outside::Outside;
pub use crate::engine::outside::PortMapping;
pub use crate::engine::prepared::AddOptions;
pub use crate::engine::prepared::Prepared;
pub use crate::engine::prepared::Tuning;
pub use crate::engine::sessions::SessionState;
use crate::engine::settings::PreparedSession;
use crate::engine::settings::SettingValue;
pub use crate::engine::slots::DEFAULT_SESSION_NUMBER;
pub use crate::engine::slots::OpenSession;
pub use crate::engine::waker::Farewell;
pub use crate::engine::waker::Judge;
pub use crate::engine::waker::open_to_all;
pub use crate::engine::waker::unheard;

/// Commands that may wait for the engine thread; past it callers are told Busy.
const QUEUE_COMMANDS_MAX: usize = 1024;
/// Events a slow listener may be behind before it misses some.
const EVENTS_BEHIND_MAX: usize = 1024;
/// How long a command may take before its caller is told Busy.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);

/// One session to be started.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Its number, which no other one has: [`DEFAULT_SESSION_NUMBER`] for the first.
    pub number: u32,
    /// Its name, such as `default`.
    pub name: String,
    /// libtorrent settings by name, over the engine's own defaults.
    pub settings: Vec<(String, SettingValue)>,
    /// Our own disk back end rather than libtorrent's.
    pub cove_disk: bool,
    /// Our own disk back end makes files below these folders only (rule F1); none = anywhere.
    pub roots: Vec<PathBuf>,
    /// Whether peers are exchanged with peers (BEP 11); libtorrent has no setting for it.
    pub pex: bool,
    /// How many peers of one torrent may be connected at once; 0 = any number.
    pub connections_per_torrent: u32,
    /// Whether uTP is spoken to peers on loopback and the local network too, where it costs speed.
    pub utp_to_lan: bool,
}

/// What the engine needs to start.
pub struct EngineConfig {
    /// The sessions; the first is where torrents go by default. One of the others that libtorrent
    /// refuses is logged and left out.
    pub sessions: Vec<SessionConfig>,
    /// How often progress is saved, at most.
    pub resume_interval: Duration,
    /// Who may connect.
    pub judge: Judge,
    /// Told how much passed over each connection of a share.
    pub farewell: Farewell,
}

/// A session's settings, checked.
pub struct NewSettings(PreparedSession);

/// The handle everybody clones.
#[derive(Clone)]
pub struct Engine {
    queue: SyncSender<Message>,
    board: Arc<Board>,
    events: broadcast::Sender<Event>,
    listening: watch::Receiver<Option<u16>>,
    peer_lists: Fresh<Peer>,
    tracker_lists: Fresh<TrackerReport>,
}

impl Engine {
    /// Starts the sessions on their own thread. `saved` receives resume data for the store.
    ///
    /// # Errors
    /// Invalid, for an unknown or mistyped setting; Internal, when libtorrent cannot start.
    pub fn start(config: EngineConfig, saved: mpsc::Sender<Saved>) -> Result<Self> {
        let sessions = settings::prepare(&config.sessions)?;
        let (queue, inbox) = sync_channel(QUEUE_COMMANDS_MAX);
        let (events, _) = broadcast::channel(EVENTS_BEHIND_MAX);
        let (listening, listening_reader) = watch::channel(None);
        let board = Arc::new(Board::new());
        let engine = Self {
            queue: queue.clone(),
            board: Arc::clone(&board),
            events: events.clone(),
            listening: listening_reader,
            peer_lists: Fresh::default(),
            tracker_lists: Fresh::default(),
        };
        let (started, outcome) = std::sync::mpsc::channel();
        let body = move || {
            let interval = config.resume_interval;
            let door = (&config.judge, &config.farewell);
            match Actor::new(&sessions, queue, board, events, listening, saved, interval, door) {
                Ok(actor) => {
                    let _ = started.send(Ok(()));
                    actor.run(&inbox);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        };
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(body)
            .map_err(|error| Error::internal(format!("cannot start the engine thread: {error}")))?;
        outcome.recv().map_err(|_| Error::internal("the engine thread died at start"))??;
        Ok(engine)
    }

    /// libtorrent's version, such as `2.0.8.0`.
    pub fn libtorrent_version() -> String {
        bridge::libtorrent_version().unwrap_or_default()
    }

    /// Every torrent of every session, in the order of adding. Memory only.
    pub fn list(&self) -> Vec<Arc<Torrent>> {
        self.board.list()
    }

    /// How many torrents there are.
    pub fn count(&self) -> usize {
        self.board.len()
    }

    /// The torrent of this name. Memory only.
    pub fn get(&self, id: TorrentId) -> Option<Arc<Torrent>> {
        self.board.get(id)
    }

    /// The torrent that somebody means by `hash`. Memory only.
    pub fn find(&self, hash: &AnyHash) -> Option<Arc<Torrent>> {
        self.board.find(hash)
    }

    /// Grows with every change of any torrent.
    pub fn revision(&self) -> u64 {
        self.board.revision()
    }

    /// Ticks whenever a torrent changed, verified pieces included.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.board.changes()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The TCP port that peers reach; `None` until it listens, 0 when it cannot.
    pub fn listening(&self) -> watch::Receiver<Option<u16>> {
        self.listening.clone()
    }

    /// What is known of the way to us: forwarded ports, addresses that are taken. Memory only.
    pub fn outside(&self) -> Outside {
        self.board.outside.get()
    }

    /// Adds a torrent to `session` and waits for libtorrent to take it.
    ///
    /// # Errors
    /// Conflict, when it is there already; Invalid, when libtorrent refuses it.
    pub async fn add(&self, prepared: Prepared, session: &str) -> Result<()> {
        let prepared = Box::new(prepared);
        let session = session.into();
        self.ask(|reply| Message::Add {
            prepared,
            session,
            keep_on_failure: false,
            reply: Some(reply),
        })
        .await
    }

    /// Adds a torrent of the store; waits only for a place in the queue. Not for the runtime.
    ///
    /// # Errors
    /// Internal, when the engine has stopped.
    pub fn load(&self, prepared: Prepared, session: &str) -> Result<()> {
        let message = Message::Add {
            prepared: Box::new(prepared),
            session: session.into(),
            keep_on_failure: true,
            reply: None,
        };
        self.queue.send(message).map_err(|_| stopped())
    }

    /// Shows a torrent of the store without running it: its files are not as its record says
    /// (rules D10, D11). [`Engine::resume`] checks and runs it. Not for the runtime.
    ///
    /// # Errors
    /// Internal, when the engine has stopped.
    pub fn hold(&self, prepared: Prepared, session: &str, why: String) -> Result<()> {
        let (prepared, session) = (Box::new(prepared), session.into());
        self.queue.send(Message::Hold { prepared, session, why }).map_err(|_| stopped())
    }

    /// Runs a held torrent without checking it; `is_stopped` leaves it stopped.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it is not held; Busy.
    pub async fn release(&self, id: TorrentId, is_stopped: bool) -> Result<()> {
        self.ask(|reply| Message::Release { id, is_stopped, reply }).await
    }

    /// The connected peers. Asks the session, at most once a second and torrent.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn peers(&self, id: TorrentId) -> Result<Arc<[Peer]>> {
        if let Some(peers) = self.peer_lists.get(id) {
            return Ok(peers);
        }
        let peers = self.ask(|reply| Message::Peers { id, reply }).await?;
        Ok(self.peer_lists.put(id, peers))
    }

    /// The statistics of every session, at most a second old.
    ///
    /// # Errors
    /// Busy.
    pub async fn stats(&self) -> Result<Arc<EngineStats>> {
        self.ask(|reply| Message::Stats { reply }).await
    }

    /// Checks the settings of a session, without applying them.
    ///
    /// # Errors
    /// Invalid, for an unknown or mistyped setting.
    pub fn prepare_settings(&self, session: &SessionConfig) -> Result<NewSettings> {
        settings::prepare_one(session, &settings::known()?).map(NewSettings)
    }

    /// Gives a running session other settings: those that it was started with and that are not
    /// named any more get libtorrent's default.
    ///
    /// # Errors
    /// Invalid, when libtorrent refuses them; Busy.
    pub async fn configure(&self, new: NewSettings) -> Result<()> {
        let wish = Box::new(new.0);
        self.ask(|reply| Message::Configure { wish, reply }).await
    }

    /// Whether the thread that owns the sessions still does its work (rule T9).
    pub fn is_alive(&self) -> bool {
        self.board.pulse.is_recent()
    }

    /// Saves what is unsaved, tells the trackers and ends the sessions, within `limit`.
    ///
    /// # Errors
    /// Busy, when the limit passed first; what was saved by then is saved.
    pub async fn stop(&self, limit: Duration) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let _ = self.queue.try_send(Message::Stop { limit, reply });
        match tokio::time::timeout(limit + Duration::from_secs(1), answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(Error::busy("the engine did not stop in time")),
        }
    }

    /// As [`Engine::ask`], however long it takes.
    async fn ask_patiently(&self, message: impl FnOnce(Reply) -> Message) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(message(reply)).map_err(full)?;
        answer.await.map_err(|_| stopped())?
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(message(reply)).map_err(full)?;
        match tokio::time::timeout(COMMAND_LIMIT, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(Error::busy("the engine did not answer in time; try again")),
        }
    }
}

fn stopped() -> Error {
    Error::busy("the engine is stopping")
}

fn full(error: TrySendError<Message>) -> Error {
    match error {
        TrySendError::Full(_) => Error::busy("too many commands are waiting; try again"),
        TrySendError::Disconnected(_) => stopped(),
    }
}
