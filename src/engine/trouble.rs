//! Torrents that stand still for a reason: errors of their files, metadata that is not allowed, and
//! torrents held back because their files are not as their record says.
//!
//! Nothing here tries again: when to do so is the service's to decide.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::actor::Actor;
use crate::engine::actor::Entry;
use crate::engine::actor::note_failure;
use crate::engine::actor::unknown;
use crate::engine::adding::row_of;
use crate::engine::alerts::GIVEN_UP;
use crate::engine::board::Token;
use crate::engine::ffi::bridge::Alert;
use crate::engine::ffi::bridge::AlertKind;
use crate::engine::ffi::bridge::Flag;
use crate::engine::message::Outcome;
use crate::engine::prepared::Prepared;

/// At most one log line a torrent in this time about files it cannot use (rule D8).
const LOG_EVERY: Duration = Duration::from_secs(60);
/// errno values that mean the disk is full: ENOSPC and EDQUOT.
const DISK_FULL: [i64; 2] = [28, 122];
/// What an error says of a file of a share that is not as it was.
const BROKEN_SEAL: i64 = 1;

impl Actor {
    /// libtorrent could not read or write a file, or gave a torrent up.
    pub(crate) fn file_error(&mut self, alert: &Alert) {
        let Some(row) = self.board.row(alert.token) else { return };
        let Some(entry) = self.torrents.get_mut(&alert.token) else { return };
        let failure = match alert.kind {
            // It follows the error of a file, which says more.
            AlertKind::TorrentError if entry.file_error.is_some() => return,
            AlertKind::TorrentError => Failure::Lasting,
            _ if alert.more == BROKEN_SEAL => Failure::Changed,
            _ if DISK_FULL.contains(&alert.number) => Failure::DiskFull,
            _ => Failure::Disk,
        };
        let error = named(&row, alert);
        // Until it is tried again, further errors only repeat the first.
        if entry.file_error.is_some() {
            return;
        }
        entry.file_error = Some((error.clone(), failure));
        if entry.logged_at.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            entry.logged_at = Some(Instant::now());
            tracing::warn!(torrent = %row.id, error, "a torrent cannot use its files");
        }
        // Upload mode keeps serving while the disk is full. Any other failure would repeat with
        // every request (rules D8, D10).
        if matches!(failure, Failure::Disk | Failure::Changed) {
            self.stop_running(alert.token);
        }
        self.show_error(alert.token, &error, failure);
    }

    /// Its files are not as its record says, and the service did not see it before: libtorrent has
    /// forgotten what it had, so going on means to check and to download, which is the user's wish
    /// alone (rule D10). The guard has paused it, and its record stays: the next start must not take
    /// it for one that has nothing yet.
    pub(crate) fn resume_rejected(&mut self, alert: &Alert) {
        let Some(row) = self.board.row(alert.token) else { return };
        let Some(entry) = self.torrents.get_mut(&alert.token) else { return };
        let error = format!("{}; resume it to check what is there", named(&row, alert));
        entry.file_error = Some((error.clone(), Failure::Lasting));
        entry.keeps_record = true;
        tracing::warn!(torrent = %row.id, error, "a torrent's files are not as its record says");
        self.show_error(alert.token, &error, Failure::Lasting);
    }

    /// Out of libtorrent and still shown: the user is to see why, and to remove it.
    pub(crate) fn metadata_refused(&mut self, token: Token, why: &str) {
        let is_leaving = self.waiting.contains_key(&(token, Outcome::Removed));
        let Some(entry) = self.torrents.get_mut(&token).filter(|_| !is_leaving) else {
            return;
        };
        entry.is_shown_only = true;
        if let Some(session) = self.session_of(token) {
            note_failure("take out a refused torrent", session.remove(token));
        }
        let error = format!("its metadata is not allowed: {why}");
        if let Some(row) = self.board.row(token) {
            tracing::warn!(torrent = %row.id, error, "refusing a torrent");
        }
        self.board.update(token, |row| {
            row.status.is_paused = true;
            row.status.error.clone_from(&error);
            row.status.failure = Some(Failure::Lasting);
        });
        for outcome in GIVEN_UP {
            self.finish(token, outcome, &Err(Error::conflict(error.clone())));
        }
        self.changed(token);
    }

    /// Whether libtorrent let go of a torrent that is still shown.
    pub(crate) fn is_refused(&self, token: Token) -> bool {
        self.torrents.get(&token).is_some_and(|entry| entry.is_shown_only)
    }

    /// Shows a torrent of the store and keeps it until it is released.
    pub(crate) fn hold(&mut self, prepared: Prepared, session: &str, why: String) {
        let Some(slot) = self.slots.named(session) else {
            tracing::error!(session, "a torrent was held back for a session that is not there");
            return;
        };
        let (session, name) = (slot.number, Arc::clone(&slot.name));
        let token = self.new_token();
        let mut row = row_of(&prepared, name);
        row.pieces = Arc::clone(&prepared.pieces);
        recount(&mut row);
        row.status.is_paused = true;
        row.status.error = why;
        row.status.failure = Some(Failure::Held);
        let id = row.id;
        if self.board.insert(token, row) {
            let limits = prepared.limits;
            let held = Some(Box::new(prepared));
            let entry = Entry { session, held, is_shown_only: true, limits, ..Entry::default() };
            self.torrents.insert(token, entry);
            self.changed(token);
        } else {
            tracing::error!(torrent = %id, "a torrent is in the store twice");
        }
    }

    pub(crate) fn is_held(&self, id: TorrentId) -> bool {
        let entry = self.board.token(id).and_then(|token| self.torrents.get(&token));
        entry.is_some_and(|entry| entry.held.is_some())
    }

    /// What is to be added when it is released.
    pub(crate) fn held(&mut self, id: TorrentId) -> Option<&mut Prepared> {
        let token = self.board.token(id)?;
        self.torrents.get_mut(&token)?.held.as_deref_mut()
    }

    /// Runs a held torrent with what its record claims; `is_stopped` leaves it stopped.
    pub(crate) fn release(&mut self, id: TorrentId, is_stopped: bool) -> Result<()> {
        let (token, mut prepared) = self.take_held(id)?;
        if is_stopped {
            prepared.set_running(true, false)?;
        }
        self.run_held(token, prepared);
        Ok(())
    }

    /// Runs a held torrent because the user says so: everything is checked, nothing believed.
    pub(crate) fn release_checked(&mut self, id: TorrentId, auto_managed: bool) -> Result<()> {
        let (token, mut prepared) = self.take_held(id)?;
        prepared.forget_pieces()?;
        prepared.set_running(false, auto_managed)?;
        self.run_held(token, prepared);
        Ok(())
    }

    fn take_held(&mut self, id: TorrentId) -> Result<(Token, Prepared)> {
        let token = self.board.token(id).ok_or_else(|| unknown(id))?;
        let held = self.torrents.get_mut(&token).and_then(|entry| entry.held.take());
        let prepared = held.ok_or_else(|| Error::conflict("the torrent is not held back"))?;
        Ok((token, *prepared))
    }

    fn run_held(&mut self, token: Token, prepared: Prepared) {
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.is_shown_only = false;
            entry.keep_on_failure = true;
        }
        self.board.update(token, |row| row.status.is_paused = false);
        self.clear_error(token);
        self.hand_over(token, prepared);
    }

    /// Lets a torrent that an error stopped try its files again.
    pub(crate) fn retry(&mut self, id: TorrentId) -> Result<()> {
        let token = self.run_work(id, |mut session, token| {
            session.as_mut().clear_error(token)?;
            session.as_mut().set_flag(token, Flag::UploadMode, false)?;
            session.resume(token)
        })?;
        self.told_to_run(token);
        Ok(())
    }

    /// libtorrent was told to let a torrent run, whatever stopped it before.
    pub(crate) fn told_to_run(&mut self, token: Token) {
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.is_told_to_run = true;
            entry.keeps_record = false;
        }
        self.clear_error(token);
    }

    /// Forgets an error; the next one is shown again.
    pub(crate) fn clear_error(&mut self, token: Token) {
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.file_error = None;
        }
        self.board.update(token, |row| {
            row.status.error.clear();
            row.status.failure = None;
        });
        self.update_soon = true;
    }

    fn stop_running(&mut self, token: Token) {
        if let Some(session) = self.session_of(token) {
            note_failure("stop after a file error", session.pause(token).map(drop));
        }
    }

    fn show_error(&mut self, token: Token, error: &str, failure: Failure) {
        self.board.update(token, |row| {
            error.clone_into(&mut row.status.error);
            row.status.failure = Some(failure);
        });
        self.changed(token);
    }
}

/// The system's text and the file it is about, as the torrent names it.
fn named(row: &Torrent, alert: &Alert) -> String {
    let inside = Path::new(&alert.path).strip_prefix(&*row.save_path);
    match inside.map(|file| file.display().to_string()) {
        Ok(file) if !file.is_empty() => format!("{}: `{file}`", alert.text),
        _ => alert.text.clone(),
    }
}

/// What is wanted changed: says so at once, since a caller that asks right after choosing files must
/// not read that all is done. libtorrent's own figures follow with the next update.
pub(crate) fn recount(row: &mut Torrent) {
    let Some(metadata) = row.metadata.clone() else { return };
    let wanted = metadata.files.iter().enumerate().filter(|(index, _)| row.wants_file(*index));
    let (total, done) = wanted.fold((0, 0), |(total, done), (_, file)| {
        (total + file.size_bytes, done + metadata.verified_bytes(file, &row.pieces))
    });
    row.status.wanted_bytes = total;
    row.status.wanted_done_bytes = done;
    if done < total && row.is_complete() {
        row.status.stage = Stage::Downloading;
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = done as f32 / total as f32;
        row.status.progress = share;
    }
}
