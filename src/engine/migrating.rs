//! Torrents on their way from one session to another. They stand still for that moment, and nothing
//! is hashed again: the resume data of the old session goes into the new one.
//!
//! What makes it durable, and which session the store names, is the service's to do between
//! [`Engine::depart`] and [`Engine::arrive`]. Commands for the torrent wait until it is there. Its row
//! stays as it was, so that nobody takes the pause for a stop.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::torrent_flags::TorrentFlags;
use crate::engine::Engine;
use crate::engine::actor::Actor;
use crate::engine::actor::note_failure;
use crate::engine::actor::unknown;
use crate::engine::alerts::GIVEN_UP;
use crate::engine::board::Token;
use crate::engine::ffi::bridge::Flag;
use crate::engine::message::Message;
use crate::engine::message::Outcome;
use crate::engine::message::Reply;
use crate::engine::prepared::Prepared;
use crate::engine::prepared::refused;
use crate::engine::slots::no_session;

/// How far a torrent is on its way.
pub(crate) struct Migration {
    was_paused: bool,
    was_auto_managed: bool,
    /// It stands still and has no disk job left.
    is_halted: bool,
    /// Whoever waits for the record; with libtorrent once that was asked for it.
    reply: Option<Reply>,
    /// Where a copy of the record goes.
    record: Option<oneshot::Sender<Vec<u8>>>,
    /// The old session is letting go of it.
    into: Option<Destination>,
}

struct Destination {
    session: u32,
    prepared: Box<Prepared>,
    reply: Reply,
}

impl Engine {
    /// Stops a torrent that is to live in another session, and returns its resume data, which is
    /// durable by then. Follow it with [`Engine::arrive`] or [`Engine::stay`], whatever it returns.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it cannot run or its record is not to be replaced; Busy; what the
    /// store says.
    pub async fn depart(&self, id: TorrentId) -> Result<Vec<u8>> {
        let (record, answer) = oneshot::channel();
        self.ask(|reply| Message::Depart { id, record, reply }).await?;
        answer.await.map_err(|_| Error::internal("the resume data cannot be read back"))
    }

    /// Lets a torrent stay that was to depart; nothing happens when it was not.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it has left already; Busy.
    pub async fn stay(&self, id: TorrentId) -> Result<()> {
        self.ask(|reply| Message::Stay { id, reply }).await
    }

    /// Takes a torrent that departs out of its session and into `session`, as `prepared` says.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it does not depart; Invalid, when libtorrent refuses it, which is
    /// then shown; Busy.
    pub async fn arrive(&self, id: TorrentId, prepared: Prepared, session: &str) -> Result<()> {
        let (prepared, session) = (Box::new(prepared), session.into());
        self.ask(|reply| Message::Arrive { id, prepared, session, reply }).await
    }

    /// Has a torrent that is held back belong to `session`.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it is not held back; Busy.
    pub async fn rehome(&self, id: TorrentId, session: &str) -> Result<()> {
        let session = session.into();
        self.ask(|reply| Message::Rehome { id, session, reply }).await
    }
}

impl Actor {
    pub(crate) fn depart(&mut self, id: TorrentId, record: oneshot::Sender<Vec<u8>>, reply: Reply) {
        match self.begin_departure(id, record) {
            Ok((token, ran)) => {
                if let Some(migration) = self.migration(token) {
                    migration.reply = Some(reply);
                }
                // Else the alert of the pause is next.
                if !ran {
                    self.halted(token);
                }
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Says whether it ran until now.
    fn begin_departure(
        &mut self,
        id: TorrentId,
        record: oneshot::Sender<Vec<u8>>,
    ) -> Result<(Token, bool)> {
        let (mut ran, mut flags) = (false, TorrentFlags::default());
        let entry = self.board.token(id).and_then(|token| self.torrents.get(&token));
        if entry.is_some_and(|entry| entry.keeps_record) {
            let message =
                "its files are not as its record says: resume it, so that they are checked";
            return Err(Error::conflict(message));
        }
        let token = self.run_work(id, |mut session, token| {
            flags = TorrentFlags(session.properties(token)?.flags);
            ran = session.as_mut().pause(token)?;
            Ok(())
        })?;
        let entry = self.torrents.get_mut(&token).ok_or_else(|| unknown(id))?;
        let (was_paused, was_auto_managed) =
            (flags.has(TorrentFlags::PAUSED), flags.has(TorrentFlags::AUTO_MANAGED));
        // The row stays as it is.
        entry.is_told_to_run = !was_paused;
        entry.deferred = Some(Vec::new());
        entry.migration = Some(Migration {
            was_paused,
            was_auto_managed,
            is_halted: false,
            reply: None,
            record: Some(record),
            into: None,
        });
        Ok((token, ran))
    }

    fn migration(&mut self, token: Token) -> Option<&mut Migration> {
        self.torrents.get_mut(&token)?.migration.as_mut()
    }

    /// libtorrent has stopped a torrent.
    pub(crate) fn halted(&mut self, token: Token) {
        if let Some(migration) = self.migration(token) {
            migration.is_halted = true;
            self.save_departing(token);
        }
    }

    /// Asks for the record of a torrent that departs, once nothing changes any more and no older
    /// record is under way.
    pub(crate) fn save_departing(&mut self, token: Token) {
        let Some(entry) = self.torrents.get_mut(&token).filter(|entry| !entry.is_saving) else {
            return;
        };
        let halted = entry.migration.as_mut().filter(|migration| migration.is_halted);
        let Some(reply) = halted.and_then(|migration| migration.reply.take()) else { return };
        self.waiting.entry((token, Outcome::Saved)).or_default().push(reply);
        self.request_save(token, false);
    }

    /// The record of a torrent that departs says how it ran, not that it stands still for a moment.
    /// Other resume data stays as it is.
    pub(crate) fn departing(&mut self, token: Token, resume: Vec<u8>) -> Vec<u8> {
        let Some(migration) = self.migration(token).filter(|it| it.is_halted && it.reply.is_none())
        else {
            return resume;
        };
        let running = (migration.was_paused, migration.was_auto_managed);
        match (migration.record.take(), as_it_ran(&resume, running)) {
            (Some(record), Ok(resume)) => {
                // Whoever asked may have gone.
                let _ = record.send(resume.clone());
                resume
            }
            (_, Err(error)) => {
                tracing::error!(%error, "the resume data of a torrent cannot be read back");
                resume
            }
            (None, Ok(resume)) => resume,
        }
    }

    pub(crate) fn stay(&mut self, id: TorrentId) -> Result<()> {
        let token = self.board.token(id).ok_or_else(|| unknown(id))?;
        if self.is_migrating(token) {
            return Err(Error::conflict("the torrent has left its session already"));
        }
        let entry = self.torrents.get_mut(&token);
        let Some(migration) = entry.and_then(|entry| entry.migration.take()) else { return Ok(()) };
        if let Some(mut session) = self.session_of(token) {
            let managed = migration.was_auto_managed;
            let set = session.as_mut().set_flag(token, Flag::AutoManaged, managed);
            note_failure("give a torrent back to the queue", set);
            if !migration.was_paused {
                note_failure("let a torrent go on", session.resume(token));
            }
        }
        self.catch_up(token);
        self.update_soon = true;
        Ok(())
    }

    pub(crate) fn arrive(
        &mut self,
        id: TorrentId,
        prepared: Prepared,
        session: &str,
        reply: Reply,
    ) {
        match self.begin_arrival(id, session) {
            Ok((token, session)) => {
                let into = Destination { session, prepared: Box::new(prepared), reply };
                // `settle` follows.
                if let Some(migration) = self.migration(token) {
                    migration.into = Some(into);
                }
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                note_refusal(self.stay(id));
            }
        }
    }

    fn begin_arrival(&mut self, id: TorrentId, session: &str) -> Result<(Token, u32)> {
        let token = self.board.token(id).ok_or_else(|| unknown(id))?;
        let slot = self.slots.named(session).ok_or_else(|| no_session(session))?.number;
        if self.is_migrating(token) || self.migration(token).is_none() {
            return Err(Error::conflict("the torrent does not depart"));
        }
        let from = self.session_of(token).ok_or_else(|| unknown(id))?;
        from.remove(token).map_err(refused)?;
        Ok((token, slot))
    }

    /// Whether the old session is letting go of it.
    pub(crate) fn is_migrating(&self, token: Token) -> bool {
        let migration = self.torrents.get(&token).and_then(|entry| entry.migration.as_ref());
        migration.is_some_and(|migration| migration.into.is_some())
    }

    /// The old session has let go of a torrent: it goes to the new one.
    pub(crate) fn settle(&mut self, token: Token) {
        let entry = self.torrents.get_mut(&token);
        let migration = entry.and_then(|entry| entry.migration.take());
        let Some(Destination { session, prepared, reply }) = migration.and_then(|it| it.into)
        else {
            return;
        };
        self.save_ended(token);
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.session = session;
            entry.limits = prepared.limits;
            entry.keep_on_failure = true;
            entry.has_moved_in = true;
            (entry.needs_save, entry.save_soon, entry.saved_at) = (false, false, None);
        }
        if let Some(name) = self.slots.get(session).map(|slot| Arc::clone(&slot.name)) {
            self.board.update(token, |row| row.session = name);
        }
        let given_up = Err(Error::busy("the torrent has gone to another session; try again"));
        GIVEN_UP.into_iter().for_each(|outcome| self.finish(token, outcome, &given_up));
        self.waiting.entry((token, Outcome::Added)).or_default().push(reply);
        self.hand_over(token, *prepared);
    }

    pub(crate) fn rehome(&mut self, id: TorrentId, session: &str) -> Result<()> {
        let token = self.board.token(id).ok_or_else(|| unknown(id))?;
        let slot = self.slots.named(session).ok_or_else(|| no_session(session))?;
        let (number, name) = (slot.number, Arc::clone(&slot.name));
        let entry = self.torrents.get_mut(&token).filter(|entry| entry.held.is_some());
        entry.ok_or_else(|| Error::conflict("the torrent is not held back"))?.session = number;
        self.board.update(token, |row| row.session = name);
        self.changed(token);
        Ok(())
    }
}

fn as_it_ran(resume: &[u8], (is_paused, is_auto_managed): (bool, bool)) -> Result<Vec<u8>> {
    let mut prepared = Prepared::from_resume(resume, &[])?;
    prepared.set_running(is_paused, is_auto_managed)?;
    prepared.resume_bytes()
}

fn note_refusal(outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "a torrent cannot stay in its session");
    }
}
