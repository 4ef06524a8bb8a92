//! What can be done to one torrent: each a message to the engine thread.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Torrent;
use crate::engine::Engine;
use crate::engine::board::Token;
use crate::engine::ffi::bridge;
use crate::engine::full;
use crate::engine::message::Message;
use crate::engine::message::Note;
use crate::engine::message::Outcome;
use crate::engine::stopped;

/// How long libtorrent may take to confirm file priorities.
const PRIORITIZE_LIMIT: Duration = Duration::from_secs(2);

/// In which direction a torrent moves in the download queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueMove {
    /// One place up.
    Up,
    /// One place down.
    Down,
    /// To the front.
    Top,
    /// To the end.
    Bottom,
}

/// What to do with files that are in the way of a move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MoveMode {
    /// Refuse the move.
    #[default]
    FailIfExists,
    /// Replace them.
    Replace,
    /// Take them in place of the files that were to be moved.
    KeepExisting,
}

impl Engine {
    /// Stops a torrent; answered when no disk job of it is under way (rule D19).
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn pause(&self, id: TorrentId) -> Result<()> {
        self.ask(|reply| Message::Pause { id, reply }).await
    }

    /// Clears an error and lets a torrent run.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn resume(&self, id: TorrentId, auto_managed: bool) -> Result<()> {
        self.ask(|reply| Message::Resume { id, auto_managed, reply }).await
    }

    /// Lets a torrent that an error stopped try its files again.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it cannot run; Busy.
    pub async fn retry(&self, id: TorrentId) -> Result<()> {
        self.ask(|reply| Message::Retry { id, reply }).await
    }

    /// Forgets why a torrent stopped by itself; it stays as it is.
    ///
    /// # Errors
    /// Busy.
    pub fn forget_error(&self, id: TorrentId) -> Result<()> {
        self.note(id, Note::ErrorCleared)
    }

    /// Shows a torrent of the store that cannot run; its error says why. Not for the runtime.
    ///
    /// # Errors
    /// Internal, when the engine has stopped.
    pub fn show(&self, row: Torrent) -> Result<()> {
        self.queue.send(Message::Show { row: Box::new(row) }).map_err(|_| stopped())
    }

    /// Hashes every piece again; after the check it stops (`then_stop`), or runs, also when an
    /// error had stopped it.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn recheck(&self, id: TorrentId, then_stop: bool) -> Result<()> {
        let work = move |mut session: Pin<&mut bridge::Session>, token| {
            session.as_mut().clear_error(token)?;
            session.as_mut().recheck(token)?;
            session.as_mut().set_flag(token, bridge::Flag::StopWhenReady, then_stop)?;
            if then_stop {
                session.as_mut().set_flag(token, bridge::Flag::AutoManaged, false)?;
            }
            // A paused torrent is not checked, so even one that is to stop runs until then.
            session.resume(token)
        };
        self.run(id, work).await?;
        self.note(id, Note::ErrorCleared)
    }

    /// Announces to `url`, or to every tracker and the DHT when it is empty.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn reannounce(&self, id: TorrentId, url: String) -> Result<()> {
        self.run(id, move |session, token| session.reannounce(token, &url)).await
    }

    /// Moves the files to the directory `path`; answered when they are there, which may take hours.
    ///
    /// # Errors
    /// `NotFound`; Invalid with the system's text; Busy.
    pub async fn move_storage(&self, id: TorrentId, path: String, mode: MoveMode) -> Result<()> {
        let mode = match mode {
            MoveMode::FailIfExists => bridge::MoveMode::FailIfExists,
            MoveMode::Replace => bridge::MoveMode::Replace,
            MoveMode::KeepExisting => bridge::MoveMode::KeepExisting,
        };
        let work = move |session: Pin<&mut bridge::Session>, token| {
            session.move_storage(token, &path, mode)
        };
        let (work, outcome) = (Box::new(work), Outcome::Moved);
        self.ask_patiently(|reply| Message::Await { id, work, outcome, reply }).await
    }

    /// Renames file `file`, below the save path.
    ///
    /// # Errors
    /// `NotFound`; Invalid with the system's text; Busy.
    pub async fn rename_file(&self, id: TorrentId, file: u32, name: String) -> Result<()> {
        let work = move |session: Pin<&mut bridge::Session>, token| {
            session.rename_file(token, file, &name)
        };
        self.wait(id, Outcome::Renamed, work).await
    }

    /// Sets the priority of every file, 0 not wanted to 7.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn prioritize_files(&self, id: TorrentId, priorities: Vec<u8>) -> Result<()> {
        let note = Note::FilePriorities(priorities.clone());
        let work = move |session: Pin<&mut bridge::Session>, token| {
            session.prioritize_files(token, &priorities)
        };
        // A torrent without storage yet (metadata missing, still loading) takes them silently.
        let taken = self.wait(id, Outcome::Prioritized, work);
        match tokio::time::timeout(PRIORITIZE_LIMIT, taken).await {
            Ok(outcome) => outcome?,
            Err(_) => tracing::debug!("no word that file priorities were taken"),
        }
        self.note(id, note)
    }

    /// Sets the priorities of pieces from `first` on.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn prioritize_pieces(&self, id: TorrentId, first: u32, to: Vec<u8>) -> Result<()> {
        self.run(id, move |session, token| session.prioritize_pieces(token, first, &to)).await
    }

    /// Wants each piece within its time in milliseconds.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn set_piece_deadlines(
        &self,
        id: TorrentId,
        deadlines: Vec<(u32, u32)>,
    ) -> Result<()> {
        let work = move |mut session: Pin<&mut bridge::Session>, token| {
            deadlines.iter().try_for_each(|&(piece, within_ms)| {
                session.as_mut().set_piece_deadline(token, piece, within_ms)
            })
        };
        self.run(id, work).await
    }

    /// Wants no piece sooner than another.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn clear_piece_deadlines(&self, id: TorrentId) -> Result<()> {
        self.run(id, |session, token| session.clear_piece_deadlines(token)).await
    }

    /// Sets rate limits in bytes/s, 0 = none.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn set_limits(&self, id: TorrentId, download: u32, upload: u32) -> Result<()> {
        let number = |limit: u32| i32::try_from(limit).unwrap_or(i32::MAX);
        let limits = bridge::TorrentLimits {
            download: number(download),
            upload: number(upload),
            connections: 0,
            uploads: 0,
        };
        self.run(id, move |session, token| session.set_limits(token, &limits)).await?;
        self.note(id, Note::Limits { download, upload })
    }

    /// Lets libtorrent's queue decide when the torrent runs, or not.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn set_auto_managed(&self, id: TorrentId, on: bool) -> Result<()> {
        self.run(id, move |session, token| session.set_flag(token, bridge::Flag::AutoManaged, on))
            .await
    }

    /// Moves the torrent in the download queue.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn move_in_queue(&self, id: TorrentId, direction: QueueMove) -> Result<()> {
        let direction = match direction {
            QueueMove::Up => bridge::QueueMove::Up,
            QueueMove::Down => bridge::QueueMove::Down,
            QueueMove::Top => bridge::QueueMove::Top,
            QueueMove::Bottom => bridge::QueueMove::Bottom,
        };
        self.run(id, move |session, token| session.move_in_queue(token, direction)).await
    }

    /// Puts the torrent at a place of the download queue, 0 = first.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn set_queue_position(&self, id: TorrentId, position: u32) -> Result<()> {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        self.run(id, move |session, token| session.set_queue_position(token, position)).await
    }

    /// Adds an announce URL in the tier after the last.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn add_tracker(&self, id: TorrentId, url: String) -> Result<()> {
        let entry = bridge::TrackerEntry { url: url.clone(), tier: self.next_tier(id) };
        self.run(id, move |session, token| session.add_tracker(token, &entry)).await?;
        self.note(id, Note::TrackerAdded(url))
    }

    /// Removes an announce URL; nothing happens when it is not there.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn remove_tracker(&self, id: TorrentId, url: String) -> Result<()> {
        let unwanted = url.clone();
        let work = move |mut session: Pin<&mut bridge::Session>, token| {
            let mut trackers = session.trackers(token)?;
            trackers.retain(|tracker| tracker.url != unwanted);
            session.as_mut().replace_trackers(token, &trackers)
        };
        self.run(id, work).await?;
        self.note(id, Note::TrackerRemoved(url))
    }

    /// Has these announce URLs and no others, each in its tier.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn replace_trackers(&self, id: TorrentId, trackers: Vec<(String, u8)>) -> Result<()> {
        let entry =
            |(url, tier): &(String, u8)| bridge::TrackerEntry { url: url.clone(), tier: *tier };
        let entries: Vec<_> = trackers.iter().map(entry).collect();
        self.run(id, move |session, token| session.replace_trackers(token, &entries)).await?;
        self.note(id, Note::TrackersReplaced(trackers))
    }

    /// The URLs of web servers that have the files. Asks the session.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn web_seeds(&self, id: TorrentId) -> Result<Vec<String>> {
        self.look(id, |session, token| session.web_seeds(token)).await
    }

    /// Adds the URL of a web server that has the files.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn add_web_seed(&self, id: TorrentId, url: String) -> Result<()> {
        self.run(id, move |session, token| session.add_web_seed(token, &url)).await
    }

    /// Removes the URL of a web server; nothing happens when it is not there.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn remove_web_seed(&self, id: TorrentId, url: String) -> Result<()> {
        self.run(id, move |session, token| session.remove_web_seed(token, &url)).await
    }

    /// How many connected peers have each piece; empty while it seeds. Asks the session.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn piece_availability(&self, id: TorrentId) -> Result<Vec<u32>> {
        self.look(id, |session, token| session.piece_availability(token)).await
    }

    /// Connects to a peer.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn connect_peer(&self, id: TorrentId, peer: std::net::SocketAddr) -> Result<()> {
        let ip = peer.ip().to_string();
        self.run(id, move |session, token| session.connect_peer(token, &ip, peer.port())).await
    }

    /// Judges the connected members of a torrent again, in the next turn of the network's loop;
    /// those that are none any more are disconnected.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn judge_again(&self, id: TorrentId) -> Result<()> {
        self.run(id, |session, token| session.judge_again(token)).await
    }

    /// Takes a torrent out; its files stay. Answered when libtorrent let go of it.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn remove(&self, id: TorrentId) -> Result<()> {
        self.wait(id, Outcome::Removed, |session, token| session.remove(token)).await
    }

    /// Hands resume data up now; answered when whoever receives it made it durable.
    ///
    /// # Errors
    /// `NotFound`; Busy; what the store says.
    pub async fn save(&self, id: TorrentId) -> Result<()> {
        self.ask(|reply| Message::Save { id, reply }).await
    }

    fn next_tier(&self, id: TorrentId) -> u8 {
        let last = self.get(id).and_then(|torrent| torrent.trackers.last().map(|last| last.tier));
        last.map_or(0, |tier| tier.saturating_add(1))
    }

    fn note(&self, id: TorrentId, note: Note) -> Result<()> {
        self.queue.try_send(Message::Note { id, note }).map_err(full)
    }

    pub(super) async fn run(
        &self,
        id: TorrentId,
        work: impl FnOnce(Pin<&mut bridge::Session>, Token) -> std::result::Result<(), cxx::Exception>
        + Send
        + 'static,
    ) -> Result<()> {
        self.ask(|reply| Message::Run { id, work: Box::new(work), reply }).await
    }

    /// Asks the session something.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        id: TorrentId,
        look: impl FnOnce(&bridge::Session, Token) -> std::result::Result<T, cxx::Exception>
        + Send
        + 'static,
    ) -> Result<T> {
        let (seen, answer) = oneshot::channel();
        let work = move |session: Pin<&mut bridge::Session>, token| {
            let _ = seen.send(look(&session, token)?);
            Ok(())
        };
        self.run(id, work).await?;
        answer.await.map_err(|_| stopped())
    }

    async fn wait(
        &self,
        id: TorrentId,
        outcome: Outcome,
        work: impl FnOnce(Pin<&mut bridge::Session>, Token) -> std::result::Result<(), cxx::Exception>
        + Send
        + 'static,
    ) -> Result<()> {
        self.ask(|reply| Message::Await { id, work: Box::new(work), outcome, reply }).await
    }
}
