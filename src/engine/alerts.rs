//! Alerts to changes of the board, events and answers.

use std::sync::Arc;

use crate::domain::bitfield::Bitfield;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::remote_tracker::TrackerState;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::actor::Actor;
use crate::engine::actor::Entry;
use crate::engine::actor::note_failure;
use crate::engine::board::Token;
use crate::engine::convert;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::Alert;
use crate::engine::ffi::bridge::AlertKind;
use crate::engine::message::Outcome;
use crate::engine::slots::DEFAULT_SESSION_NUMBER;

/// What nobody needs to wait for once a torrent left libtorrent.
pub(crate) const GIVEN_UP: [Outcome; 6] = [
    Outcome::Paused,
    Outcome::Moved,
    Outcome::Renamed,
    Outcome::Prioritized,
    Outcome::Saved,
    Outcome::SavedNext,
];

impl Actor {
    /// Everything that one drain of `session` brought, in order.
    pub(crate) fn apply(&mut self, session: u32, batch: bridge::Batch) {
        for alert in batch.alerts {
            // A session that a torrent has left may still speak of it.
            if !self.is_elsewhere(alert.token, session) {
                self.apply_alert(session, alert);
            }
        }
        for status in batch.statuses {
            if !self.is_elsewhere(status.token, session) {
                self.apply_status(&status);
            }
        }
    }

    fn is_elsewhere(&self, token: Token, session: u32) -> bool {
        self.torrents.get(&token).is_some_and(|entry| entry.session != session)
    }

    fn apply_alert(&mut self, session: u32, alert: Alert) {
        let token = alert.token;
        if self.look_ups.contains_key(&token) {
            return self.looked(alert);
        }
        match alert.kind {
            AlertKind::Added => self.added(token),
            AlertKind::AddFailed => self.add_failed(token, &alert.text),
            AlertKind::Removed if self.is_refused(token) => {}
            AlertKind::Removed if self.is_migrating(token) => self.settle(token),
            AlertKind::Removed => self.removed(token),
            AlertKind::MetadataReceived => self.metadata_received(token),
            AlertKind::MetadataRefused => self.metadata_refused(token, &alert.text),
            AlertKind::Checked => self.checked(token),
            AlertKind::Finished => self.finished(token),
            AlertKind::StateChanged | AlertKind::Resumed => self.changed(token),
            AlertKind::Paused => {
                let entry = self.torrents.get(&token);
                if entry.is_some_and(|entry| !entry.is_told_to_run) {
                    self.board.update(token, |row| row.status.is_paused = true);
                }
                self.changed(token);
                self.finish(token, Outcome::Paused, &Ok(()));
                self.halted(token);
            }
            AlertKind::PieceFinished => self.piece_finished(token, alert.number),
            AlertKind::ResumeData => self.resume_data(token, alert.data, alert.metadata),
            AlertKind::ResumeFailed => self.resume_failed(token, &alert.text, alert.number == 1),
            AlertKind::FileError | AlertKind::TorrentError => self.file_error(&alert),
            AlertKind::ResumeRejected => self.resume_rejected(&alert),
            AlertKind::Moved | AlertKind::MoveFailed => self.moved(&alert),
            AlertKind::Renamed | AlertKind::RenameFailed => self.renamed(&alert),
            AlertKind::FilesPrioritized => {
                self.finish(token, Outcome::Prioritized, &Ok(()));
                self.save_soon(token);
            }
            AlertKind::TrackerAnnounce
            | AlertKind::TrackerReply
            | AlertKind::TrackerWarning
            | AlertKind::TrackerError
            | AlertKind::ScrapeReply => self.tracker(&alert),
            _ => self.session_alert(session, &alert),
        }
    }

    fn session_alert(&mut self, session: u32, alert: &Alert) {
        let is_default = session == DEFAULT_SESSION_NUMBER;
        if is_default {
            self.board.outside.note(alert);
        }
        match alert.kind {
            AlertKind::ListenSucceeded if alert.path == "tcp" => {
                let port = u16::try_from(alert.number).ok();
                tracing::info!(address = %alert.text, port, session, "listening for peers");
                self.board.note_port(session, port);
                self.listening.send_if_modified(|seen| {
                    let first = is_default && seen.unwrap_or(0) == 0;
                    *seen = if first { port } else { *seen };
                    first
                });
            }
            AlertKind::ListenFailed => {
                tracing::error!(interface = %alert.path, port = alert.more, error = %alert.text,
                    session, "cannot listen for peers; free the port or change client.listen");
                self.tell(Event::Trouble(format!("cannot listen for peers: {}", alert.text)));
                self.board.note_port(session, Some(0));
                self.listening.send_if_modified(|seen| {
                    (is_default && seen.is_none()).then(|| *seen = Some(0)).is_some()
                });
            }
            AlertKind::ExternalIp => {
                if let Ok(ip) = alert.text.parse() {
                    self.tell(Event::ExternalAddress(ip));
                }
            }
            AlertKind::Dropped => self.resynchronise(&alert.text),
            AlertKind::SessionError | AlertKind::MetadataFailed => {
                tracing::warn!(error = %alert.text, "libtorrent reports an error");
            }
            _ => {}
        }
    }

    /// Alerts were lost: ask for every status, and save what might have missed its save.
    fn resynchronise(&mut self, lost: &str) {
        tracing::warn!(lost, "libtorrent dropped alerts; asking for every status again");
        for slot in self.slots.iter_mut() {
            note_failure("resynchronise", slot.session.pin_mut().post_all());
        }
        self.saves_under_way = 0;
        for entry in self.torrents.values_mut() {
            entry.is_saving = false;
            entry.needs_save = true;
            entry.was_checked = true;
        }
    }

    pub(crate) fn removed(&mut self, token: Token) {
        self.torrents.remove(&token);
        if let Some(row) = self.board.remove(token) {
            self.tell(Event::Removed(row.id));
        }
        for outcome in GIVEN_UP {
            self.finish(token, outcome, &Err(Error::not_found("the torrent was removed")));
        }
        self.finish(token, Outcome::Removed, &Ok(()));
    }

    fn metadata_received(&mut self, token: Token) {
        let Some(entry) = self.torrents.get_mut(&token) else {
            return;
        };
        entry.save_metadata = true;
        entry.save_soon = true;
        let slot = self.slots.get(entry.session);
        let Some(told) = slot.and_then(|slot| slot.session.description(token).ok()) else {
            return;
        };
        let metadata = convert::metadata(&told).map(Arc::new);
        let found = convert::hashes(&told.hashes);
        self.board.update(token, |row| {
            row.name = told.name.as_str().into();
            row.metadata = metadata;
            row.hashes = found.filter(|found| found.id() == row.id).unwrap_or(row.hashes);
        });
        self.tell_of(token, Event::MetadataReceived);
        self.update_soon = true;
    }

    fn checked(&mut self, token: Token) {
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.was_checked = true;
            entry.save_soon = true;
        }
        self.changed(token);
    }

    fn finished(&mut self, token: Token) {
        self.save_soon(token);
        self.tell_of(token, Event::Finished);
        self.changed(token);
    }

    pub(crate) fn changed(&mut self, token: Token) {
        self.tell_of(token, Event::StateChanged);
        self.update_soon = true;
    }

    fn piece_finished(&mut self, token: Token, piece: i64) {
        let Ok(piece) = u32::try_from(piece) else {
            return;
        };
        self.board.update(token, |row| {
            let count = row.metadata.as_ref().map_or(0, |metadata| metadata.piece_count);
            if row.pieces.len() != count {
                row.pieces = Arc::new(Bitfield::from_bytes(Vec::new(), count));
            }
            Arc::make_mut(&mut row.pieces).set(piece);
        });
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.needs_save = true;
        }
    }

    fn moved(&mut self, alert: &Alert) {
        let result = if alert.kind == AlertKind::Moved {
            self.board.update(alert.token, |row| row.save_path = alert.path.as_str().into());
            Ok(())
        } else {
            Err(Error::invalid(format!("cannot move the files: {}", alert.text)))
        };
        self.finish(alert.token, Outcome::Moved, &result);
        self.save_soon(alert.token);
        self.changed(alert.token);
    }

    fn renamed(&mut self, alert: &Alert) {
        let result = if alert.kind == AlertKind::Renamed {
            self.board.update(alert.token, |row| rename_row(row, alert.number, &alert.path));
            Ok(())
        } else {
            Err(Error::invalid(format!("cannot rename the file: {}", alert.text)))
        };
        self.finish(alert.token, Outcome::Renamed, &result);
        self.save_soon(alert.token);
    }

    fn tracker(&mut self, alert: &Alert) {
        self.board.update(alert.token, |row| {
            let mut trackers = row.trackers.to_vec();
            if let Some(tracker) = trackers.iter_mut().find(|tracker| tracker.url == alert.url) {
                heard(tracker, alert);
                row.trackers = trackers.into();
            }
        });
        self.tell_of(alert.token, Event::TrackerChanged);
    }

    fn apply_status(&mut self, update: &bridge::StatusUpdate) {
        let found = self.torrents.get_mut(&update.token);
        // What is on its way to another session looks as before until it is there.
        let is_here = |entry: &&mut Entry| !entry.is_shown_only && entry.migration.is_none();
        let Some(entry) = found.filter(is_here) else {
            return;
        };
        entry.needs_save |= update.needs_resume;
        let mut status = convert::status(update, entry.limits);
        // Ours names the file.
        if let Some((error, failure)) = &entry.file_error {
            status.error.clone_from(error);
            status.failure = Some(*failure);
        }
        let mut before = None;
        self.board.update(update.token, |row| {
            before = Some(key(row));
            if update.piece_count > 0 && row.pieces.as_bytes() != update.pieces {
                row.pieces = Arc::new(convert::pieces(update));
            }
            if !update.name.is_empty() && *row.name != *update.name {
                row.name = update.name.as_str().into();
            }
            row.status = status;
        });
        let after = self.board.row(update.token).map(|row| key(&row));
        if before != after {
            self.tell_of(update.token, Event::StateChanged);
        }
    }

    fn save_soon(&mut self, token: Token) {
        if let Some(entry) = self.torrents.get_mut(&token) {
            entry.save_soon = true;
            self.update_soon = true;
        }
    }

    pub(crate) fn tell_of(&self, token: Token, event: fn(TorrentId) -> Event) {
        if let Some(row) = self.board.row(token) {
            self.tell(event(row.id));
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listening is the normal case.
        let _ = self.events.send(event);
    }
}

/// What makes a state change worth telling.
fn key(row: &Torrent) -> (Stage, bool, String) {
    (row.status.stage, row.status.is_paused, row.status.error.clone())
}

fn rename_row(row: &mut Torrent, file: i64, path: &str) {
    let Some(metadata) = &mut row.metadata else {
        return;
    };
    let index = usize::try_from(file).unwrap_or(usize::MAX);
    if let Some(file) = Arc::make_mut(metadata).files.get_mut(index) {
        path.clone_into(&mut file.path);
    }
}

/// What an announce or scrape came to.
fn heard(tracker: &mut RemoteTracker, alert: &Alert) {
    match alert.kind {
        AlertKind::TrackerAnnounce => tracker.state = TrackerState::Updating,
        AlertKind::TrackerReply => {
            tracker.state = TrackerState::Working;
            tracker.peers = i32::try_from(alert.number).unwrap_or(i32::MAX);
        }
        AlertKind::TrackerWarning => tracker.state = TrackerState::Warning(alert.text.clone()),
        AlertKind::TrackerError => tracker.state = failure(alert),
        AlertKind::ScrapeReply => {
            tracker.seeds = i32::try_from(alert.number).unwrap_or(-1);
            tracker.leeches = i32::try_from(alert.more).unwrap_or(-1);
        }
        _ => {}
    }
}

fn failure(alert: &Alert) -> TrackerState {
    match u16::try_from(alert.number) {
        _ if alert.more == 1 => TrackerState::Timeout,
        Ok(status @ 100..) => TrackerState::HttpStatus(status),
        _ => TrackerState::Error(alert.text.clone()),
    }
}
