//! Magnet links of which only the metadata is wished: they get it and stop, and nothing else of them
//! is asked for or made on the disk until somebody resumes them.
//!
//! Until the metadata is there no file is wanted, so that nothing happens between its coming and the
//! stop. The wish stays with the torrent: a crash in between changes nothing.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Torrent;
use crate::service::adding::AddWish;
use crate::service::adding::select;
use crate::service::torrents::TorrentOptions;
use crate::service::torrents::Torrents;

/// Runs until the engine is gone. `events` must have been subscribed before torrents are added.
pub async fn run(torrents: Torrents, mut events: Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(Event::Added(id) | Event::MetadataReceived(id)) => settle(&torrents, id).await,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                events = events.resubscribe();
                for torrent in torrents.list() {
                    settle(&torrents, torrent.id).await;
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn settle(torrents: &Torrents, id: TorrentId) {
    if let Err(error) = torrents.stop_with_metadata(id).await {
        tracing::warn!(%error, torrent = %id, "cannot stop a torrent that has its metadata");
    }
}

/// What has its metadata has nothing to wait for and is added stopped.
pub(super) fn settle_wish(wish: &mut AddWish, has_metadata: bool) -> Result<()> {
    let is_selecting = wish.selected_files.as_ref().is_some_and(|files| !files.is_empty());
    match (wish.only_metadata, has_metadata) {
        (true, true) => (wish.is_stopped, wish.only_metadata) = (true, false),
        (true, false) if is_selecting => {
            return Err(Error::invalid(
                "files cannot be selected while only the metadata is wished: select them when it \
                 is there",
            ));
        }
        _ => {}
    }
    Ok(())
}

impl Torrents {
    /// Stops a torrent of which only the metadata was wished, if that is there. Its files stay
    /// unwanted until somebody wishes for more: the disk makes a file as soon as it is wanted.
    async fn stop_with_metadata(&self, id: TorrentId) -> Result<()> {
        let is_wished = self.options(id).is_some_and(|options| options.only_metadata);
        match is_wished && self.get(id)?.metadata.is_some() {
            true => self.stop(id).await,
            false => Ok(()),
        }
    }

    /// All of a torrent is wished now of which only the metadata was, if that is there.
    pub(super) async fn want_more_than_metadata(&self, torrent: &Torrent) -> Result<()> {
        let id = torrent.id;
        let Some(metadata) = &torrent.metadata else { return Ok(()) };
        if !self.options(id).is_some_and(|options| options.only_metadata) {
            return Ok(());
        }
        self.inner.engine.prioritize_files(id, select(metadata, &[])?).await?;
        self.inner.engine.save(id).await?;
        self.end_metadata_wish(id).await
    }

    /// Somebody said what is wished of a torrent beside its metadata.
    pub(super) async fn end_metadata_wish(&self, id: TorrentId) -> Result<()> {
        self.change_options(id, |options: &mut TorrentOptions| options.only_metadata = false).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(files: &[u32]) -> AddWish {
        let selected_files = Some(files.to_vec());
        AddWish { selected_files, only_metadata: true, ..AddWish::default() }
    }

    #[test]
    fn what_has_its_metadata_is_added_stopped() {
        let (mut file, mut magnet) = (wish(&[1]), wish(&[]));
        settle_wish(&mut file, true).unwrap();
        settle_wish(&mut magnet, false).unwrap();
        assert_eq!((file.is_stopped, file.only_metadata), (true, false));
        assert_eq!((magnet.is_stopped, magnet.only_metadata), (false, true));
        assert!(settle_wish(&mut wish(&[1]), false).is_err());
    }
}
