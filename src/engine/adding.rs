//! Torrents on their way into libtorrent, and the commands that wait until they are there.
//!
//! A torrent is on the board at once and libtorrent takes it in a little later. What is asked of it
//! in between is put off, so that a client may act upon what it sees in a list.

use std::sync::Arc;

use crate::domain::bitfield::Bitfield;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Status;
use crate::domain::torrent::Torrent;
use crate::engine::actor::Actor;
use crate::engine::actor::Entry;
use crate::engine::actor::note_failure;
use crate::engine::board::Token;
use crate::engine::ffi::bridge;
use crate::engine::message::Message;
use crate::engine::message::Outcome;
use crate::engine::message::Reply;
use crate::engine::prepared::Prepared;
use crate::engine::slots::no_session;

impl Actor {
    /// Shows a torrent and hands it over.
    pub(crate) fn add(
        &mut self,
        prepared: Prepared,
        session: &str,
        keep_on_failure: bool,
        reply: Option<Reply>,
    ) {
        let Some(slot) = self.slots.named(session) else {
            return answer(reply, Err(no_session(session)));
        };
        let (session, name) = (slot.number, Arc::clone(&slot.name));
        let token = self.new_token();
        let row = row_of(&prepared, name);
        let id = row.id;
        if !self.board.insert(token, row) {
            answer(reply, Err(Error::conflict(format!("torrent {id} is there already"))));
            return;
        }
        let limits = prepared.limits;
        let entry = Entry { session, keep_on_failure, limits, ..Entry::default() };
        self.torrents.insert(token, entry);
        if let Some(reply) = reply {
            self.waiting.entry((token, Outcome::Added)).or_default().push(reply);
        }
        self.hand_over(token, prepared);
    }

    /// Gives libtorrent a torrent that is on the board.
    pub(crate) fn hand_over(&mut self, token: Token, mut prepared: Prepared) {
        let Some(entry) = self.torrents.get_mut(&token) else { return };
        // One that comes from another session has some already.
        entry.deferred.get_or_insert_default();
        let Some(slot) = self.slots.get_mut(entry.session) else {
            return self.add_failed(token, "its session is closed");
        };
        // What a record of the store says may be of an older configuration.
        let most = prepared.max_connections.unwrap_or(slot.connections_per_torrent);
        let limit = prepared.params.pin_mut().set_max_connections(most);
        let added = limit.and_then(|()| slot.session.pin_mut().add(prepared.params, token));
        if let Err(error) = added {
            self.add_failed(token, error.what());
        }
        self.update_soon = true;
    }

    /// Puts a command off while libtorrent takes its torrent in; otherwise gives it back.
    pub(crate) fn defer(&mut self, message: Message) -> Option<Message> {
        let token = subject(&message).and_then(|id| self.board.token(id));
        let entry = token.and_then(|token| self.torrents.get_mut(&token));
        let Some(deferred) = entry.and_then(|entry| entry.deferred.as_mut()) else {
            return Some(message);
        };
        deferred.push(message);
        None
    }

    /// libtorrent has it.
    pub(crate) fn added(&mut self, token: Token) {
        self.board.update(token, |row| row.status.stage = Stage::CheckingResume);
        let Some(entry) = self.torrents.get_mut(&token) else { return };
        let has_moved_in = std::mem::take(&mut entry.has_moved_in);
        if let Some(slot) = self.slots.get_mut(entry.session).filter(|slot| !slot.pex) {
            let session = slot.session.pin_mut();
            note_failure("switch off PEX", session.set_flag(token, bridge::Flag::DisablePex, true));
        }
        self.tell_of(token, if has_moved_in { Event::StateChanged } else { Event::Added });
        self.finish(token, Outcome::Added, &Ok(()));
        self.update_soon = true;
        self.catch_up(token);
    }

    /// A torrent that libtorrent did not take: gone, or shown with the reason when it is of the
    /// store (rule D4: its data stays untouched and the user sees why).
    pub(crate) fn add_failed(&mut self, token: Token, why: &str) {
        let deferred = self.take_deferred(token);
        let keep = self.torrents.get(&token).is_some_and(|entry| entry.keep_on_failure);
        if keep {
            if let Some(entry) = self.torrents.get_mut(&token) {
                entry.is_shown_only = true;
            }
            self.board.update(token, |row| {
                why.clone_into(&mut row.status.error);
                row.status.failure = Some(Failure::Lasting);
            });
        } else {
            self.torrents.remove(&token);
            self.board.remove(token);
        }
        self.finish(token, Outcome::Added, &Err(Error::invalid(why.to_owned())));
        // Each is refused in words of its own.
        deferred.into_iter().for_each(|message| self.obey(message));
    }

    pub(crate) fn catch_up(&mut self, token: Token) {
        let deferred = self.take_deferred(token);
        deferred.into_iter().for_each(|message| self.obey(message));
    }

    fn take_deferred(&mut self, token: Token) -> Vec<Message> {
        let entry = self.torrents.get_mut(&token);
        entry.and_then(|entry| entry.deferred.take()).unwrap_or_default()
    }
}

/// The torrent that libtorrent must have for a command to make sense.
fn subject(message: &Message) -> Option<TorrentId> {
    match message {
        Message::Run { id, .. }
        | Message::Await { id, .. }
        | Message::Pause { id, .. }
        | Message::Resume { id, .. }
        | Message::Retry { id, .. }
        | Message::RenewSeal { id, .. }
        | Message::Depart { id, .. }
        | Message::Save { id, .. } => Some(*id),
        _ => None,
    }
}

fn answer(reply: Option<Reply>, result: Result<()>) {
    if let Some(reply) = reply {
        let _ = reply.send(result);
    }
}

/// What is shown of a torrent before libtorrent tells more.
pub(crate) fn row_of(prepared: &Prepared, session: Arc<str>) -> Torrent {
    Torrent {
        id: prepared.hashes.id(),
        hashes: prepared.hashes,
        session,
        name: Arc::clone(&prepared.name),
        save_path: Arc::clone(&prepared.save_path),
        metadata: prepared.metadata.clone(),
        file_priorities: prepared.file_priorities.as_slice().into(),
        pieces: Arc::new(Bitfield::default()),
        trackers: prepared.trackers.as_slice().into(),
        status: Status {
            is_paused: prepared.is_paused,
            is_auto_managed: prepared.is_auto_managed,
            added_at: prepared.added_at,
            wanted_bytes: prepared.metadata.as_ref().map_or(0, |metadata| metadata.total_bytes),
            availability: -1.0,
            scrape_seeds: -1,
            scrape_leeches: -1,
            queue_position: -1,
            download_limit: prepared.limits.0,
            upload_limit: prepared.limits.1,
            ..Status::default()
        },
        revision: 0,
    }
}
