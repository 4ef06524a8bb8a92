//! The one thread that owns the sessions: takes commands, drains alerts, keeps time.
//!
//! libtorrent wakes us only when its queue goes from empty to non-empty, so the loop drains after
//! every message and at least once a tick: a lost wake costs one tick, never a stall, and what an
//! earlier alert says never undoes what a later command did.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::peer::Peer;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Torrent;
use crate::engine::board::Board;
use crate::engine::board::Token;
use crate::engine::convert;
use crate::engine::ffi::bridge;
use crate::engine::looking::LookUps;
use crate::engine::memory::Memory;
use crate::engine::message::Message;
use crate::engine::message::Note;
use crate::engine::message::Outcome;
use crate::engine::message::Reply;
use crate::engine::message::Saved;
use crate::engine::migrating::Migration;
use crate::engine::prepared::Prepared;
use crate::engine::prepared::refused;
use crate::engine::settings::PreparedSession;
use crate::engine::slots::Launch;
use crate::engine::slots::Slots;
use crate::engine::stats::Stats;
use crate::engine::trouble::recount;
use crate::engine::waker::Farewell;
use crate::engine::waker::Judge;

/// How often changed statuses are asked for.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
/// How soon they are asked for again when something is known to have changed.
const UPDATE_SOON: Duration = Duration::from_millis(40);

/// What the engine thread remembers of a torrent beside its row on the board.
#[derive(Default)]
pub(crate) struct Entry {
    /// The number of the session that it lives in; 0 for one that is only shown.
    pub(crate) session: u32,
    pub(crate) keep_on_failure: bool,
    /// libtorrent does not have it: only the reason is shown.
    pub(crate) is_shown_only: bool,
    /// Something changed that the store does not have yet.
    pub(crate) needs_save: bool,
    /// It changed in a way that should not wait for the interval.
    pub(crate) save_soon: bool,
    pub(crate) save_metadata: bool,
    pub(crate) is_saving: bool,
    pub(crate) was_checked: bool,
    pub(crate) saved_at: Option<Instant>,
    /// Why libtorrent could not read or write; it shows no such error itself.
    pub(crate) file_error: Option<(String, Failure)>,
    /// What is to be added when its files are there again; it is only shown until then.
    pub(crate) held: Option<Box<Prepared>>,
    pub(crate) logged_at: Option<Instant>,
    pub(crate) limits: (u32, u32),
    /// While libtorrent takes it in: the commands that wait for that.
    pub(crate) deferred: Option<Vec<Message>>,
    /// Whether the last word was to let it run: that it has stopped may be told later.
    pub(crate) is_told_to_run: bool,
    /// libtorrent has forgotten what its record in the store claims, and nobody wants that yet.
    pub(crate) keeps_record: bool,
    /// It is on its way to another session.
    pub(crate) migration: Option<Migration>,
    /// It comes from another session and is new to nobody.
    pub(crate) has_moved_in: bool,
}

pub(crate) struct Actor {
    pub(crate) slots: Slots,
    pub(crate) board: Arc<Board>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) listening: watch::Sender<Option<u16>>,
    pub(crate) saved: mpsc::Sender<Saved>,
    pub(crate) resume_interval: Duration,
    pub(crate) torrents: HashMap<Token, Entry>,
    pub(crate) waiting: HashMap<(Token, Outcome), Vec<Reply>>,
    pub(crate) look_ups: LookUps,
    /// Saves asked for and not yet handed up.
    pub(crate) saves_under_way: usize,
    pub(crate) update_soon: bool,
    pub(crate) stats: Stats,
    updated_at: Instant,
    memory: Memory,
    next_token: Token,
    wake_pending: Arc<AtomicBool>,
}

impl Actor {
    #[expect(clippy::too_many_arguments, reason = "the ends of every channel, handed over once")]
    pub(crate) fn new(
        sessions: &[PreparedSession],
        queue: SyncSender<Message>,
        board: Arc<Board>,
        events: broadcast::Sender<Event>,
        listening: watch::Sender<Option<u16>>,
        saved: mpsc::Sender<Saved>,
        resume_interval: Duration,
        (judge, farewell): (&Judge, &Farewell),
    ) -> Result<Self> {
        let wake_pending = Arc::new(AtomicBool::new(false));
        let launch = Launch {
            queue,
            wake_pending: Arc::clone(&wake_pending),
            judge: Arc::clone(judge),
            farewell: Arc::clone(farewell),
            board: Arc::clone(&board),
        };
        let slots = Slots::start(sessions, launch)?;
        let now = Instant::now();
        Ok(Self {
            slots,
            board,
            events,
            listening,
            saved,
            resume_interval,
            torrents: HashMap::new(),
            waiting: HashMap::new(),
            look_ups: LookUps::new(),
            saves_under_way: 0,
            update_soon: false,
            stats: Stats::default(),
            updated_at: now,
            memory: Memory::new(now),
            next_token: 1,
            wake_pending,
        })
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self, inbox: &Receiver<Message>) {
        loop {
            let message = match inbox.recv_timeout(self.until_update()) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match message {
                Some(Message::Stop { limit, reply }) => {
                    let outcome = self.stop(limit);
                    let _ = reply.send(outcome);
                    return;
                }
                Some(message) => self.obey(message),
                None => {}
            }
            self.drain();
            self.tick(Instant::now());
        }
    }

    fn until_update(&self) -> Duration {
        let wanted = if self.update_soon { UPDATE_SOON } else { UPDATE_EVERY };
        wanted.saturating_sub(self.updated_at.elapsed())
    }

    fn tick(&mut self, now: Instant) {
        if !self.until_update().is_zero() {
            return;
        }
        self.updated_at = now;
        self.update_soon = false;
        self.memory.look(self.torrents.len(), now);
        if self.torrents.is_empty() {
            return;
        }
        for slot in self.slots.iter_mut() {
            note_failure("update", slot.session.pin_mut().post_updates());
        }
        self.save_due(now);
    }

    /// Takes everything that waits in every session, in order.
    pub(crate) fn drain(&mut self) {
        self.wake_pending.store(false, Ordering::Release);
        for number in self.slots.numbers() {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            let mut batch = bridge::Batch::default();
            note_failure("drain", slot.session.pin_mut().drain(&mut batch));
            self.stats.answered(slot, &batch.stats);
            self.apply(number, batch);
        }
        self.board.announce();
        self.board.pulse.note();
    }

    pub(crate) fn obey(&mut self, message: Message) {
        let Some(message) = self.defer(message) else { return };
        match message {
            Message::AlertsReady | Message::Stop { .. } => {}
            Message::Add { prepared, session, keep_on_failure, reply } => {
                self.add(*prepared, &session, keep_on_failure, reply);
            }
            Message::Show { row } => self.show(*row),
            Message::Hold { prepared, session, why } => self.hold(*prepared, &session, why),
            Message::Release { id, is_stopped, reply } => {
                let _ = reply.send(self.release(id, is_stopped));
            }
            Message::OpenSession { wish, reply } => drop(reply.send(self.slots.open(&wish))),
            Message::CloseSession { number, reply } => self.close(number, reply),
            Message::Depart { id, record, reply } => self.depart(id, record, reply),
            Message::Stay { id, reply } => drop(reply.send(self.stay(id))),
            Message::Arrive { id, prepared, session, reply } => {
                self.arrive(id, *prepared, &session, reply);
            }
            Message::Rehome { id, session, reply } => {
                let _ = reply.send(self.rehome(id, &session));
            }
            Message::OnSession { name, work, reply } => {
                let _ = reply.send(self.work_on(&name, work));
            }
            Message::Run { id, work, reply } => {
                let _ = reply.send(self.run_work(id, work).map(drop));
                self.update_soon = true;
            }
            Message::Await { id, outcome: Outcome::Removed, reply, .. }
                if self.is_shown_only(id) =>
            {
                self.board.token(id).into_iter().for_each(|token| self.removed(token));
                let _ = reply.send(Ok(()));
            }
            Message::Await { id, work, outcome, reply } => match self.run_work(id, work) {
                Ok(token) => self.waiting.entry((token, outcome)).or_default().push(reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Message::Pause { id, reply } => self.pause(id, reply),
            Message::Resume { id, auto_managed, reply } => {
                let _ = reply.send(self.resume(id, auto_managed));
            }
            Message::LookUp { prepared, reply } => self.look_up(*prepared, reply),
            Message::EndLookUp { id, reply } => self.end_look_up(id, reply),
            Message::Retry { id, reply } => drop(reply.send(self.retry(id))),
            Message::RenewSeal { id, marks, reply } => {
                let _ = reply.send(self.renew_seal(id, &marks));
            }
            Message::Note { id, note } => self.note(id, note),
            Message::Save { id, reply } => self.save_for(id, reply),
            Message::Peers { id, reply } => drop(reply.send(self.peers(id))),
            Message::Stats { reply } => self.stats.ask(&mut self.slots, reply),
            Message::Configure { wish, reply } => drop(reply.send(self.configure(*wish))),
        }
    }

    pub(crate) fn new_token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token - 1
    }

    fn show(&mut self, row: Torrent) {
        let token = self.new_token();
        if self.board.insert(token, row) {
            self.torrents.insert(token, Entry { is_shown_only: true, ..Entry::default() });
        }
    }

    fn is_shown_only(&self, id: TorrentId) -> bool {
        let entry = self.board.token(id).and_then(|token| self.torrents.get(&token));
        entry.is_some_and(|entry| entry.is_shown_only)
    }

    /// Calls the session that owns `id`.
    pub(crate) fn run_work(
        &mut self,
        id: TorrentId,
        work: impl FnOnce(Pin<&mut bridge::Session>, Token) -> std::result::Result<(), cxx::Exception>,
    ) -> Result<Token> {
        let token = self.board.token(id).ok_or_else(|| unknown(id))?;
        if let Some(row) = self.board.row(token).filter(|_| self.is_shown_only(id)) {
            return Err(Error::conflict(format!("it cannot run: {}", row.status.error)));
        }
        let session = self.session_of(token).ok_or_else(|| unknown(id))?;
        work(session, token).map_err(refused)?;
        Ok(token)
    }

    /// libtorrent tells that a torrent has stopped only when it ran until then.
    fn pause(&mut self, id: TorrentId, reply: Reply) {
        let mut ran = false;
        let work = |session: Pin<&mut bridge::Session>, token| {
            ran = session.pause(token)?;
            Ok(())
        };
        let outcome = self.run_work(id, work);
        if let Ok(token) = outcome
            && let Some(entry) = self.torrents.get_mut(&token)
        {
            entry.is_told_to_run = false;
        }
        match outcome {
            Ok(token) if ran => {
                self.waiting.entry((token, Outcome::Paused)).or_default().push(reply)
            }
            _ => drop(reply.send(outcome.map(drop))),
        }
        self.update_soon = true;
    }

    fn resume(&mut self, id: TorrentId, auto_managed: bool) -> Result<()> {
        if self.is_held(id) {
            return self.release_checked(id, auto_managed);
        }
        let token = self.run_work(id, |mut session, token| {
            session.as_mut().clear_error(token)?;
            session.as_mut().set_flag(token, bridge::Flag::UploadMode, false)?;
            // A check that was to end in a stop is under way: what is asked for last counts.
            session.as_mut().set_flag(token, bridge::Flag::StopWhenReady, false)?;
            session.as_mut().set_flag(token, bridge::Flag::AutoManaged, auto_managed)?;
            session.resume(token)
        })?;
        self.told_to_run(token);
        Ok(())
    }

    fn note(&mut self, id: TorrentId, note: Note) {
        let Some(token) = self.board.token(id) else {
            return;
        };
        if let (Note::Limits { download, upload }, Some(entry)) =
            (&note, self.torrents.get_mut(&token))
        {
            entry.limits = (*download, *upload);
        }
        if matches!(note, Note::ErrorCleared) {
            self.clear_error(token);
        }
        self.board.update(token, |row| match note {
            Note::ErrorCleared => {}
            Note::FilePriorities(priorities) => {
                row.file_priorities = priorities.into();
                recount(row);
            }
            Note::Limits { download, upload } => {
                row.status.download_limit = download;
                row.status.upload_limit = upload;
            }
            Note::TrackerAdded(url) => add_tracker_row(row, &url),
            Note::TrackerRemoved(url) => {
                row.trackers =
                    row.trackers.iter().filter(|tracker| tracker.url != url).cloned().collect();
            }
            Note::TrackersReplaced(trackers) => replace_tracker_rows(row, trackers),
        });
        self.board.announce();
    }

    fn peers(&self, id: TorrentId) -> Result<Vec<Peer>> {
        let token = self.board.token(id).ok_or_else(|| unknown(id))?;
        let slot = self.torrents.get(&token).and_then(|entry| self.slots.get(entry.session));
        let peers = slot.ok_or_else(|| unknown(id))?.session.peers(token).map_err(refused)?;
        Ok(peers.iter().filter_map(convert::peer).collect())
    }

    /// Answers everybody who waits for `outcome`.
    pub(crate) fn finish(&mut self, token: Token, outcome: Outcome, result: &Result<()>) {
        for reply in self.waiting.remove(&(token, outcome)).unwrap_or_default() {
            let _ = reply.send(result.clone());
        }
    }

    /// The session that owns `token`.
    pub(crate) fn session_of(
        &mut self,
        token: Token,
    ) -> Option<std::pin::Pin<&mut bridge::Session>> {
        let number = self.torrents.get(&token)?.session;
        Some(self.slots.get_mut(number)?.session.pin_mut())
    }
}

fn add_tracker_row(row: &mut Torrent, url: &str) {
    if row.trackers.iter().any(|tracker| tracker.url == url) {
        return;
    }
    let tier = row.trackers.last().map_or(0, |last| last.tier.saturating_add(1));
    let entry = bridge::TrackerEntry { url: url.to_owned(), tier };
    let added = convert::trackers(&[entry]);
    row.trackers = row.trackers.iter().cloned().chain(added).collect();
}

/// What is known of a tracker stays when it stays.
fn replace_tracker_rows(row: &mut Torrent, mut trackers: Vec<(String, u8)>) {
    trackers.sort_by_key(|(_, tier)| *tier);
    let entries: Vec<_> =
        trackers.into_iter().map(|(url, tier)| bridge::TrackerEntry { url, tier }).collect();
    let mut replaced = convert::trackers(&entries);
    for tracker in &mut replaced {
        if let Some(known) = row.trackers.iter().find(|known| known.url == tracker.url) {
            *tracker = RemoteTracker { tier: tracker.tier, ..known.clone() };
        }
    }
    row.trackers = replaced.into();
}

pub(crate) fn unknown(id: TorrentId) -> Error {
    Error::not_found(format!("there is no torrent {id}"))
}

/// A session call that failed though nothing should make it: logged, and life goes on.
pub(crate) fn note_failure(what: &str, outcome: std::result::Result<(), cxx::Exception>) {
    if let Err(error) = outcome {
        tracing::error!(what, error = error.what(), "libtorrent refused a call");
    }
}
