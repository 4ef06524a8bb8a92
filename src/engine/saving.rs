//! Resume data: when it is asked for, and how it goes up to the store.

use std::time::Instant;

use tokio::sync::mpsc::error::TrySendError;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::engine::actor::Actor;
use crate::engine::actor::note_failure;
use crate::engine::board::Token;
use crate::engine::message::Outcome;
use crate::engine::message::Reply;
use crate::engine::message::Saved;

/// Saves that may be under way at once; more would only queue up in the store.
const SAVES_MAX: usize = 256;

impl Actor {
    /// Asks for the resume data of torrents whose time has come.
    pub(crate) fn save_due(&mut self, now: Instant) {
        let interval = self.resume_interval;
        let due: Vec<Token> = self
            .torrents
            .iter()
            .filter(|(_, entry)| !entry.is_saving && !entry.is_shown_only)
            .filter(|(_, entry)| entry.migration.is_none())
            .filter(|(_, entry)| {
                let waited = entry.saved_at.is_none_or(|at| now.duration_since(at) >= interval);
                entry.save_soon || (entry.needs_save && waited)
            })
            .map(|(token, _)| *token)
            .take(SAVES_MAX.saturating_sub(self.saves_under_way))
            .collect();
        for token in due {
            self.request_save(token, true);
        }
    }

    /// Saves now and answers when the store has it.
    pub(crate) fn save_for(&mut self, id: TorrentId, reply: Reply) {
        let Some(token) = self.board.token(id) else {
            let _ = reply.send(Err(Error::not_found(format!("there is no torrent {id}"))));
            return;
        };
        let is_saving = self.torrents.get(&token).is_some_and(|entry| entry.is_saving);
        let outcome = if is_saving { Outcome::SavedNext } else { Outcome::Saved };
        self.waiting.entry((token, outcome)).or_default().push(reply);
        if !is_saving {
            self.request_save(token, false);
        }
    }

    /// Saves again for those who asked while another save was under way.
    fn save_next(&mut self, token: Token) {
        if let Some(waiters) = self.waiting.remove(&(token, Outcome::SavedNext)) {
            self.waiting.entry((token, Outcome::Saved)).or_default().extend(waiters);
            self.request_save(token, false);
        }
    }

    /// Asks libtorrent for resume data; `ResumeData` or `ResumeFailed` follows.
    pub(crate) fn request_save(&mut self, token: Token, only_if_modified: bool) {
        let Some(entry) = self.torrents.get_mut(&token) else {
            return;
        };
        if entry.keeps_record {
            (entry.save_soon, entry.needs_save) = (false, false);
            return self.finish(token, Outcome::Saved, &Ok(()));
        }
        let with_metadata = entry.save_metadata;
        let only_if_modified = only_if_modified && !with_metadata;
        if !entry.is_saving {
            self.saves_under_way += 1;
        }
        entry.is_saving = true;
        entry.save_soon = false;
        entry.needs_save = false;
        entry.saved_at = Some(Instant::now());
        if let Some(session) = self.session_of(token)
            && let Err(error) = session.save_resume(token, with_metadata, only_if_modified)
        {
            self.resume_failed(token, error.what(), false);
        }
    }

    pub(crate) fn resume_data(&mut self, token: Token, resume: Vec<u8>, metadata: Vec<u8>) {
        self.save_ended(token);
        let resume = self.departing(token, resume);
        self.hand_up(token, resume, metadata);
        self.save_next(token);
        self.save_departing(token);
    }

    fn hand_up(&mut self, token: Token, resume: Vec<u8>, metadata: Vec<u8>) {
        let waiters = self.waiting.remove(&(token, Outcome::Saved)).unwrap_or_default();
        let (Some(row), Some(entry)) = (self.board.row(token), self.torrents.get_mut(&token))
        else {
            return;
        };
        entry.save_metadata &= metadata.is_empty();
        let was_checked = std::mem::take(&mut entry.was_checked);
        let saved = Saved {
            id: row.id,
            resume,
            metadata_file: (!metadata.is_empty()).then_some(metadata),
            name: row.name.clone(),
            save_path: row.save_path.clone(),
            metadata: row.metadata.clone(),
            pieces: row.pieces.clone(),
            was_checked,
            waiters,
        };
        match self.saved.try_send(saved) {
            Ok(()) => {}
            Err(TrySendError::Full(saved) | TrySendError::Closed(saved)) => {
                self.not_taken(token, saved)
            }
        }
    }

    /// The store is behind: try again with the next interval.
    fn not_taken(&mut self, token: Token, saved: Saved) {
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.needs_save = true;
            entry.was_checked |= saved.was_checked;
            entry.save_metadata |= saved.metadata_file.is_some();
        }
        for reply in saved.waiters {
            let _ = reply.send(Err(Error::busy("the store is behind; try again")));
        }
    }

    pub(crate) fn resume_failed(&mut self, token: Token, why: &str, is_unmodified: bool) {
        self.save_ended(token);
        let result: Result<()> = if is_unmodified {
            Ok(())
        } else {
            tracing::warn!(error = why, "no resume data for a torrent");
            Err(Error::internal(format!("no resume data: {why}")))
        };
        self.finish(token, Outcome::Saved, &result);
        self.save_next(token);
        self.save_departing(token);
    }

    pub(crate) fn save_ended(&mut self, token: Token) {
        if let Some(entry) = self.torrents.get_mut(&token).filter(|entry| entry.is_saving) {
            entry.is_saving = false;
            self.saves_under_way = self.saves_under_way.saturating_sub(1);
        }
    }

    /// Asks for everything that is unsaved, at the end.
    pub(crate) fn save_all(&mut self) {
        let live = self.torrents.iter().filter(|(_, entry)| !entry.is_shown_only);
        let tokens: Vec<Token> = live.map(|(token, _)| *token).collect();
        for token in tokens {
            self.request_save(token, true);
        }
        for slot in self.slots.iter_mut() {
            note_failure("pause the session", slot.session.pin_mut().pause_session());
        }
    }
}
