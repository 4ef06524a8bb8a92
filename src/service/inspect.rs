//! Looks into a torrent without adding it.

use std::sync::Arc;

use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::service::adding::Source;
use crate::service::adding::parse;
use crate::service::torrents::Torrents;

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
    /// What a torrent file says, or one of our torrents that a magnet link names; `None` for a
    /// link to what we do not have. The same limits hold as for adding (rule F4).
    ///
    /// # Errors
    /// Invalid, when it is no torrent; those of the store.
    pub async fn inspect(&self, source: Source) -> Result<Option<Inspected>> {
        let file = match &source {
            Source::File(bytes) => Some(bytes.clone()),
            Source::Magnet(_) => None,
        };
        let prepared = parse(source).await?;
        let ours = self.existing(&prepared.hashes);
        let (id, name, is_ours) = (prepared.hashes.id(), prepared.name, ours.is_some());
        if let (Some(metadata), Some(file)) = (prepared.metadata, file) {
            return Ok(Some(Inspected { id, name, metadata, file, is_ours }));
        }
        let Some(ours) = ours else { return Ok(None) };
        let Some(metadata) = ours.metadata.clone() else { return Ok(None) };
        let file = self.torrent_file(ours.id).await?;
        Ok(Some(Inspected { id: ours.id, name: Arc::clone(&ours.name), metadata, file, is_ours }))
    }
}
