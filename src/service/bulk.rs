//! The same done to many torrents: side by side, each with an outcome of its own.
//!
//! What is done side by side shares commits of the store and bursts of the engine.

use futures_util::StreamExt;
use futures_util::stream;

use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::service::adding::AddWish;
use crate::service::adding::Added;
use crate::service::adding::Source;
use crate::service::torrents::QueueMove;
use crate::service::torrents::Torrents;

/// Torrents that are worked on at once: half of a transaction of the store, and far below what
/// may wait for the engine.
const AT_ONCE: usize = 128;

/// What can be done to a torrent in a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it run.
    Start,
    /// Stop it.
    Stop,
    /// Hash every piece again.
    Recheck,
    /// Announce now to every tracker.
    Reannounce,
    /// Move its files to this directory.
    Move(String),
    /// Move it in the download queue.
    Queue(QueueMove),
    /// Remove it.
    Remove {
        /// Its files too.
        with_data: bool,
    },
}

impl Torrents {
    /// Does `action` to one torrent.
    ///
    /// # Errors
    /// Those of the action.
    pub async fn act(&self, id: TorrentId, action: &Action) -> Result<()> {
        match action {
            Action::Start => self.resume(id).await,
            Action::Stop => self.stop(id).await,
            Action::Recheck => self.recheck(id).await,
            Action::Reannounce => self.announce(id).await,
            Action::Move(path) => self.move_storage(id, path).await,
            Action::Queue(step) => self.move_in_queue(id, *step).await,
            Action::Remove { with_data } => self.remove(id, *with_data).await,
        }
    }

    /// Does `action` to each torrent; the outcomes stand in the order of `ids`.
    pub async fn act_on_all(&self, ids: &[TorrentId], action: &Action) -> Vec<Result<()>> {
        // In the queue each step depends on the one before: all keep their order.
        let (at_once, is_backwards) = match action {
            Action::Queue(QueueMove::Top | QueueMove::Down) => (1, true),
            Action::Queue(QueueMove::Bottom | QueueMove::Up) => (1, false),
            _ => (AT_ONCE, false),
        };
        let mut ids = ids.to_vec();
        if is_backwards {
            ids.reverse();
        }
        let outcomes = stream::iter(ids).map(|id| self.act(id, action));
        let mut outcomes: Vec<Result<()>> = outcomes.buffered(at_once).collect().await;
        if is_backwards {
            outcomes.reverse();
        }
        outcomes
    }

    /// Adds many torrents; the outcomes stand in the order of the wishes.
    pub async fn add_many(&self, wishes: Vec<(Source, AddWish)>) -> Vec<Result<Added>> {
        let outcomes = stream::iter(wishes).map(|(source, wish)| self.add(source, wish));
        outcomes.buffered(AT_ONCE).collect().await
    }
}
