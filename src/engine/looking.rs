//! Asks the swarm of a magnet link for its metadata, without taking the torrent in: it is not on the
//! board, nothing is told of it, and nothing is kept.
//!
//! Its token is in a table of its own, so that whatever libtorrent says of it ends here.

use std::collections::HashMap;
use std::future::Future;

use tokio::sync::oneshot;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::engine::Engine;
use crate::engine::actor::Actor;
use crate::engine::actor::note_failure;
use crate::engine::board::Token;
use crate::engine::ffi::bridge::Alert;
use crate::engine::ffi::bridge::AlertKind;
use crate::engine::ffi::bridge::Flag;
use crate::engine::full;
use crate::engine::message::Message;
use crate::engine::message::Reply;
use crate::engine::prepared::Prepared;
use crate::engine::stopped;

/// The torrent file of somebody else's torrent, or none.
pub(crate) type Found = Option<Vec<u8>>;

/// Everything that is being looked up.
pub(crate) type LookUps = HashMap<Token, LookUp>;

/// One torrent that is only looked at. It is answered when libtorrent has let go of it, so that it
/// may be added right after.
pub(crate) struct LookUp {
    id: TorrentId,
    reply: Reply<Found>,
    found: Result<Found>,
    /// libtorrent has it and knows its token.
    is_there: bool,
    /// It is to go.
    is_over: bool,
    /// Who waits until it is gone.
    enders: Vec<Reply>,
}

impl Engine {
    /// The torrent file that the swarm of a magnet link has, as soon as a peer hands it out; `None`
    /// when `given_up` comes first. No file of `prepared` may be wanted.
    ///
    /// # Errors
    /// Invalid, when the metadata is not allowed (rule F4) or libtorrent refuses the link; Busy.
    pub async fn look_up(
        &self,
        prepared: Prepared,
        given_up: impl Future<Output = ()>,
    ) -> Result<Found> {
        let id = prepared.hashes.id();
        let (reply, mut found) = oneshot::channel();
        let prepared = Box::new(prepared);
        self.queue.try_send(Message::LookUp { prepared, reply }).map_err(full)?;
        tokio::select! {
            found = &mut found => return found.unwrap_or_else(|_| Err(stopped())),
            () = given_up => {}
        }
        self.ask(|reply| Message::EndLookUp { id, reply }).await?;
        found.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Actor {
    pub(crate) fn look_up(&mut self, prepared: Prepared, reply: Reply<Found>) {
        let id = prepared.hashes.id();
        if self.board.token(id).is_some() {
            let _ = reply.send(Ok(None));
            return;
        }
        let token = self.new_token();
        let Some(slot) = self.slots.first_mut() else { return };
        if let Err(error) = slot.session.pin_mut().add(prepared.params, token) {
            let _ = reply.send(Err(Error::invalid(error.what())));
            return;
        }
        let (is_there, is_over, enders) = Default::default();
        let look_up = LookUp { id, reply, found: Ok(None), is_there, is_over, enders };
        self.look_ups.insert(token, look_up);
    }

    pub(crate) fn end_look_up(&mut self, id: TorrentId, reply: Reply) {
        match self.look_ups.iter_mut().find(|(_, look_up)| look_up.id == id) {
            Some((token, look_up)) => {
                let token = *token;
                look_up.enders.push(reply);
                self.let_go(token);
            }
            None => drop(reply.send(Ok(()))),
        }
    }

    /// What libtorrent says of a torrent that is only looked at.
    pub(crate) fn looked(&mut self, alert: Alert) {
        let token = alert.token;
        match alert.kind {
            AlertKind::Added => self.is_looked_at(token),
            AlertKind::AddFailed => {
                self.note_found(token, Err(Error::invalid(alert.text)));
                self.conclude(token);
            }
            AlertKind::MetadataReceived => self.take_metadata(token),
            AlertKind::MetadataRefused => {
                let why = format!("its metadata is not allowed: {}", alert.text);
                self.note_found(token, Err(Error::invalid(why)));
                self.let_go(token);
            }
            AlertKind::ResumeData => {
                let file = Some(alert.metadata).filter(|file| !file.is_empty());
                self.note_found(token, Ok(file));
                self.let_go(token);
            }
            AlertKind::ResumeFailed => self.let_go(token),
            AlertKind::Removed => self.conclude(token),
            _ => {}
        }
    }

    fn is_looked_at(&mut self, token: Token) {
        let Some(look_up) = self.look_ups.get_mut(&token) else { return };
        look_up.is_there = true;
        let Some(slot) = self.slots.first_mut() else { return };
        if !slot.pex {
            let outcome = slot.session.pin_mut().set_flag(token, Flag::DisablePex, true);
            note_failure("switch off PEX", outcome);
        }
        if look_up.is_over {
            self.let_go(token);
        }
    }

    /// The torrent file comes with resume data. Nothing else of the torrent may happen meanwhile.
    fn take_metadata(&mut self, token: Token) {
        let Some(slot) = self.slots.first_mut() else { return };
        let mut session = slot.session.pin_mut();
        let asked = session.as_mut().pause(token);
        let asked = asked.and_then(|_| session.save_resume(token, true, false));
        if asked.is_err() {
            self.let_go(token);
        }
    }

    fn note_found(&mut self, token: Token, found: Result<Found>) {
        if let Some(look_up) = self.look_ups.get_mut(&token) {
            look_up.found = found;
        }
    }

    /// Has libtorrent remove it; what it has not taken in yet goes as soon as it has.
    fn let_go(&mut self, token: Token) {
        let Some(look_up) = self.look_ups.get_mut(&token) else { return };
        look_up.is_over = true;
        if let Some(slot) = self.slots.first_mut().filter(|_| look_up.is_there) {
            look_up.is_there = false;
            let removed = slot.session.pin_mut().remove(token);
            note_failure("let go of a torrent that was looked at", removed);
        }
    }

    fn conclude(&mut self, token: Token) {
        let Some(look_up) = self.look_ups.remove(&token) else { return };
        let _ = look_up.reply.send(look_up.found);
        for reply in look_up.enders {
            let _ = reply.send(Ok(()));
        }
    }
}
