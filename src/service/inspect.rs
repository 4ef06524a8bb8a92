//! Looks into a torrent without adding it; into that of a magnet link, by asking its swarm.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Notify;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::engine::AddOptions;
use crate::engine::Prepared;
use crate::service::adding::Source;
use crate::service::adding::parse;
use crate::service::adding::select_blindly;
use crate::service::torrents::Torrents;

/// Swarms that may be asked at one time.
const LOOK_UPS_MAX: usize = 8;

/// The swarms that are being asked.
pub(super) struct LookUps {
    limit: Duration,
    by_id: DashMap<TorrentId, Arc<Notify>>,
}

impl LookUps {
    /// Each of them for so long at most.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, by_id: DashMap::new() }
    }

    /// Ends one, if there is one: the torrent is to be added.
    pub(super) fn end(&self, id: TorrentId) {
        if let Some(wish) = self.by_id.get(&id) {
            wish.notify_one();
        }
    }
}

/// What a torrent says of itself.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Its name inside the program.
    pub id: TorrentId,
    /// Its display name.
    pub name: Arc<str>,
    /// Its files and pieces.
    pub metadata: Arc<Metadata>,
    /// The torrent file, at most 10 MiB.
    pub file: Vec<u8>,
    /// Whether it is one of our torrents.
    pub is_ours: bool,
}

impl Torrents {
    /// What a torrent file says, or the torrent that a magnet link names: one of ours, or what its
    /// swarm tells within a time limit; `None` when that is nothing. The same limits hold as for
    /// adding (rule F4).
    ///
    /// # Errors
    /// Invalid, when it is no torrent; Busy, when many swarms are being asked; those of the store.
    pub async fn inspect(&self, source: Source) -> Result<Option<Inspected>> {
        let file = match &source {
            Source::File(bytes) => Some(bytes.clone()),
            Source::Magnet(_) => None,
        };
        let prepared = parse(source).await?;
        let ours = self.existing(&prepared.hashes);
        match (ours, file) {
            (ours, Some(file)) => Ok(inspected(prepared, file, ours.is_some())),
            (Some(ours), None) => {
                let Some(metadata) = ours.metadata.clone() else { return Ok(None) };
                let (id, name, is_ours) = (ours.id, Arc::clone(&ours.name), true);
                let file = self.torrent_file(id).await?;
                Ok(Some(Inspected { id, name, metadata, file, is_ours }))
            }
            (None, None) => {
                // To its end even when the caller goes away: nobody else would clear up.
                let asked = tokio::spawn(self.clone().ask_swarm(prepared)).await;
                let asked = asked.map_err(|_| Error::internal("asking a swarm panicked"))?;
                let Some(file) = asked? else { return Ok(None) };
                Ok(inspected(parse(Source::File(file.clone())).await?, file, false))
            }
        }
    }

    /// Asks the swarm of a magnet link, while nobody adds the torrent.
    async fn ask_swarm(self, mut prepared: Prepared) -> Result<Option<Vec<u8>>> {
        let (id, look_ups) = (prepared.hashes.id(), &self.inner.look_ups);
        let change = self.wait_to_change(id).await?;
        if look_ups.by_id.len() >= LOOK_UPS_MAX {
            return Err(Error::busy("many magnet links are being looked at; try again later"));
        }
        // No file is wanted, so that none is made.
        prepared.set_options(&AddOptions {
            save_path: self.download_dir().to_owned(),
            file_priorities: select_blindly(&[])?,
            ..AddOptions::default()
        })?;
        let wish = Arc::new(Notify::new());
        look_ups.by_id.insert(id, Arc::clone(&wish));
        let given_up = async {
            tokio::select! {
                () = tokio::time::sleep(look_ups.limit) => {}
                () = wish.notified() => {}
            }
        };
        let found = self.inner.engine.look_up(prepared, given_up).await;
        look_ups.by_id.remove(&id);
        drop(change);
        found
    }
}

fn inspected(prepared: Prepared, file: Vec<u8>, is_ours: bool) -> Option<Inspected> {
    let metadata = prepared.metadata?;
    Some(Inspected { id: prepared.hashes.id(), name: prepared.name, metadata, file, is_ours })
}
