//! What must happen when something happens by itself: metadata that comes from a peer is judged
//! as strictly as a torrent file is.

use std::collections::HashSet;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::service::torrents::Torrents;

/// Runs until the engine is gone. `events` must have been subscribed before torrents are added.
pub async fn run(torrents: Torrents, mut events: Receiver<Event>) {
    // Those whose metadata has been judged: it does not change, and looking where files would lie
    // asks the disk.
    let mut judged = HashSet::new();
    loop {
        match events.recv().await {
            Ok(Event::MetadataReceived(id)) => {
                judge(&torrents, id).await;
                judged.insert(id);
            }
            Ok(Event::Removed(id)) => drop(judged.remove(&id)),
            Ok(_) => {}
            // Which torrents the missed events were about is unknown, so all are judged.
            Err(RecvError::Lagged(_)) => {
                events = events.resubscribe();
                judge_all(&torrents, &mut judged).await;
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn judge_all(torrents: &Torrents, judged: &mut HashSet<TorrentId>) {
    let with_metadata: Vec<TorrentId> = torrents
        .list()
        .iter()
        .filter_map(|torrent| torrent.metadata.as_ref().map(|_| torrent.id))
        .collect();
    let new: Vec<TorrentId> =
        with_metadata.iter().filter(|id| !judged.contains(id)).copied().collect();
    for id in new {
        judge(torrents, id).await;
    }
    *judged = with_metadata.into_iter().collect();
}

/// Stops a torrent whose files may not be written where it lies (rules F1, F3).
async fn judge(torrents: &Torrents, id: TorrentId) {
    if let Err(error) = check(torrents, id) {
        tracing::warn!(%error, torrent = %id, "stopping a torrent whose files are not allowed");
        if let Err(error) = torrents.stop(id).await {
            tracing::error!(%error, torrent = %id, "cannot stop it");
        }
    }
}

fn check(torrents: &Torrents, id: TorrentId) -> Result<()> {
    let Ok(torrent) = torrents.get(id) else { return Ok(()) };
    let Some(metadata) = &torrent.metadata else { return Ok(()) };
    torrents.check_files(&torrent.save_path, metadata)
}
