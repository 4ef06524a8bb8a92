//! The sessions that run, each under a number that stays when another one is closed. All are started
//! alike: the same disk, the same gate, the same waker.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use cxx::UniquePtr;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::board::Board;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::Setting;
use crate::engine::ffi_details::Ending;
use crate::engine::message::Message;
use crate::engine::message::Reply;
use crate::engine::prepared;
use crate::engine::prepared::refused;
use crate::engine::settings::PreparedSession;
use crate::engine::settings::count_or_any;
use crate::engine::waker::Farewell;
use crate::engine::waker::Gate;
use crate::engine::waker::Judge;
use crate::engine::waker::Waker;

/// The number of the session where torrents go by default; it is never closed.
pub const DEFAULT_SESSION_NUMBER: u32 = 1;

/// A session that runs, as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Its number, which stays its own.
    pub number: u32,
    /// Its name.
    pub name: Arc<str>,
    /// The TCP port that peers reach; `None` until it listens, 0 when it cannot.
    pub port: Option<u16>,
}

/// A running session and its name.
pub(crate) struct Slot {
    pub(crate) number: u32,
    pub(crate) name: Arc<str>,
    pub(crate) session: UniquePtr<bridge::Session>,
    pub(crate) pex: bool,
    /// As libtorrent counts: -1 = any number.
    pub(crate) connections_per_torrent: i32,
    /// What it was given beside libtorrent's defaults.
    pub(crate) settings: Vec<Setting>,
}

/// What every session is started with.
pub(crate) struct Launch {
    pub(crate) queue: SyncSender<Message>,
    pub(crate) wake_pending: Arc<AtomicBool>,
    pub(crate) judge: Judge,
    pub(crate) farewell: Farewell,
    pub(crate) board: Arc<Board>,
}

/// All of them, the default one first.
pub(crate) struct Slots {
    slots: Vec<Slot>,
    launch: Launch,
    /// Sessions that are closed and still say goodbye to their trackers.
    endings: Vec<JoinHandle<()>>,
}

impl Slots {
    /// Starts the first of `sessions`, and those of the others that can be started.
    pub(crate) fn start(sessions: &[PreparedSession], launch: Launch) -> Result<Self> {
        let mut all = Self { slots: Vec::new(), launch, endings: Vec::new() };
        for session in sessions {
            match all.open(session) {
                Err(error) if !all.slots.is_empty() => {
                    tracing::error!(session = %session.name, %error, "cannot start a session");
                }
                outcome => outcome?,
            }
        }
        Ok(all)
    }

    /// Starts one more.
    pub(crate) fn open(&mut self, config: &PreparedSession) -> Result<()> {
        if self.slots.iter().any(|slot| slot.name == config.name || slot.number == config.number) {
            return Err(Error::conflict(format!("the session `{}` runs already", config.name)));
        }
        let session = self.launch.session(config)?;
        self.slots.push(Slot {
            number: config.number,
            name: config.name.clone(),
            session,
            pex: config.pex,
            connections_per_torrent: count_or_any(config.connections_per_torrent),
            settings: config.settings.clone(),
        });
        let (number, name) = (config.number, config.name.clone());
        self.launch.board.open_session(OpenSession { number, name, port: None });
        Ok(())
    }

    /// Ends one; answered when its ports are free. Whoever waits for that is another thread, since
    /// the trackers may take their time.
    pub(crate) fn close(&mut self, number: u32, reply: Reply) {
        self.endings.retain(|ending| !ending.is_finished());
        let Some(place) = self.slots.iter().position(|slot| slot.number == number) else {
            drop(reply.send(Err(Error::not_found("the session is closed already"))));
            return;
        };
        let slot = self.slots.remove(place);
        self.launch.board.close_session(number);
        let ending = Ending::of(slot.session);
        let body = move || {
            drop(ending);
            let _ = reply.send(Ok(()));
        };
        match std::thread::Builder::new().name("session-end".into()).spawn(body) {
            Ok(ending) => self.endings.push(ending),
            Err(error) => tracing::error!(%error, "cannot start a thread to end a session"),
        }
    }

    /// Ends all of them, and waits for that.
    pub(crate) fn end(&mut self) {
        let begun: Vec<Ending> =
            self.slots.drain(..).map(|slot| Ending::of(slot.session)).collect();
        drop(begun);
        for ending in self.endings.drain(..) {
            // It only drops a value; a panic of that is in the log.
            let _ = ending.join();
        }
    }

    /// The session of this number.
    pub(crate) fn get(&self, number: u32) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.number == number)
    }

    /// The session of this number.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.number == number)
    }

    /// The session of this name; the default one for no name.
    pub(crate) fn named(&self, name: &str) -> Option<&Slot> {
        match name {
            "" => self.slots.first(),
            name => self.slots.iter().find(|slot| *slot.name == *name),
        }
    }

    /// The session of this name; the default one for no name.
    pub(crate) fn named_mut(&mut self, name: &str) -> Result<&mut Slot> {
        let found = self.named(name).map(|slot| slot.number);
        let found = found.and_then(|number| self.get_mut(number));
        found.ok_or_else(|| no_session(name))
    }

    /// The session where torrents go by default.
    pub(crate) fn first_mut(&mut self) -> Option<&mut Slot> {
        self.slots.first_mut()
    }

    /// The numbers of all of them.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.slots.iter().map(|slot| slot.number).collect()
    }

    /// All of them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }
}

impl Launch {
    fn session(&self, config: &PreparedSession) -> Result<UniquePtr<bridge::Session>> {
        let pending = Arc::clone(&self.wake_pending);
        let waker = Waker::new(self.queue.clone(), pending, || Message::AlertsReady);
        let options = bridge::SessionOptions {
            limits: prepared::LIMITS,
            cove_disk: config.cove_disk,
            utp_to_lan: config.utp_to_lan,
            roots: config.roots.clone(),
        };
        let gate = Box::new(Gate::new(Arc::clone(&self.judge), Arc::clone(&self.farewell)));
        let session = bridge::new_session(&config.settings, &options, Box::new(waker), gate);
        session.map_err(refused)
    }
}

/// What is said when no session has this name.
pub(crate) fn no_session(name: &str) -> Error {
    Error::not_found(format!("there is no session `{name}`"))
}
