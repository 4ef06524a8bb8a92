//! Where a torrent's files go once all of them that are wanted are there: a directory that was
//! named when it was added, or later while it downloads.
//!
//! The wish stays with the torrent, so that a move that a crash interrupted is begun again. Who
//! moves a complete torrent elsewhere takes the wish back by that.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Torrent;
use crate::service::properties::MoveMode;
use crate::service::torrents::TorrentOptions;
use crate::service::torrents::Torrents;

/// Runs until the engine is gone. `events` must have been subscribed before torrents are added.
pub async fn run(torrents: Torrents, mut events: Receiver<Event>) {
    let mut begun = HashMap::new();
    loop {
        match events.recv().await {
            Ok(Event::StateChanged(id)) => look(&torrents, &mut begun, id).await,
            Ok(Event::Removed(id)) => drop(begun.remove(&id)),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                events = events.resubscribe();
                for torrent in torrents.list() {
                    look(&torrents, &mut begun, torrent.id).await;
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Begins to move a torrent that is complete and not where it was wished to be. Once for each wish:
/// what failed would fail again.
async fn look(torrents: &Torrents, begun: &mut HashMap<TorrentId, String>, id: TorrentId) {
    let Ok(torrent) = torrents.get(id) else { return };
    let options = torrents.options(id).unwrap_or_default();
    let wish = options.completed_dir;
    // With nothing wanted, nothing is missing.
    if wish.is_empty()
        || options.only_metadata
        || !is_settled(&torrent)
        || begun.get(&id) == Some(&wish)
    {
        return;
    }
    begun.insert(id, wish.clone());
    if let Err(error) = torrents.move_when_complete(&torrent, wish).await {
        tracing::warn!(%error, torrent = %id, "cannot move a complete torrent where it was wished");
    }
}

fn is_settled(torrent: &Torrent) -> bool {
    torrent.is_complete() && torrent.status.error.is_empty() && !torrent.status.is_moving
}

impl Torrents {
    /// Where a torrent's files are to go when it is complete: the directory, links resolved, under a
    /// root (rule F1). Empty means that they stay.
    ///
    /// # Errors
    /// Forbidden; Invalid; Conflict, when the torrent is complete.
    pub async fn check_completed_dir(&self, id: TorrentId, wish: &str) -> Result<String> {
        let torrent = self.get(id)?;
        let resolved = self.resolve_aside(wish).await?;
        let known = self.options(id).map(|options| options.completed_dir).unwrap_or_default();
        if torrent.is_complete() && resolved != known {
            return Err(Error::conflict("this torrent is complete already: move it instead"));
        }
        Ok(resolved)
    }

    /// Keeps where a torrent's files are to go when it is complete, and moves them then.
    ///
    /// # Errors
    /// As [`Torrents::check_completed_dir`]; `StorageFull`.
    pub async fn set_completed_dir(&self, id: TorrentId, wish: &str) -> Result<()> {
        let completed_dir = self.check_completed_dir(id, wish).await?;
        self.keep_completed_dir(id, completed_dir).await
    }

    /// A complete torrent that somebody moves stays where it is moved to.
    pub(super) async fn drop_completed_dir(&self, torrent: &Torrent) -> Result<()> {
        match torrent.is_complete() {
            true => self.keep_completed_dir(torrent.id, String::new()).await,
            false => Ok(()),
        }
    }

    async fn keep_completed_dir(&self, id: TorrentId, completed_dir: String) -> Result<()> {
        let put = move |options: &mut TorrentOptions| {
            options.completed_dir.clone_from(&completed_dir);
        };
        self.change_options(id, put).await
    }

    async fn move_when_complete(&self, torrent: &Arc<Torrent>, wish: String) -> Result<()> {
        let path = self.resolve_aside(&wish).await?;
        if *torrent.save_path != *path {
            tracing::info!(torrent = %torrent.id, "moving a torrent that is complete");
            self.start_move(torrent.id, path, MoveMode::FailIfExists);
        }
        Ok(())
    }

    /// A directory under a root that may have to be made; empty stays empty.
    pub(super) async fn resolve_aside(&self, wish: &str) -> Result<String> {
        if wish.is_empty() {
            return Ok(String::new());
        }
        let (torrents, wish) = (self.clone(), wish.to_owned());
        let resolved = tokio::task::spawn_blocking(move || torrents.resolve(Some(&wish))).await;
        resolved.map_err(|_| Error::internal("resolving a path panicked"))?
    }
}
