//! What may be looked at and set on one torrent beyond stopping and moving it: remote trackers in
//! every detail, limits, flags, its place in the queue, moves; and the space where files go.

use std::path::Path;
use std::sync::Arc;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::torrent_flags::TorrentFlags;
use crate::domain::tracker_report::TrackerReport;
pub use crate::engine::MoveMode;
pub use crate::engine::Properties;
use crate::engine::PropertyChange;
use crate::service::labels::LabelWish;
use crate::service::torrents::Torrents;

/// What is to be set; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyWish {
    /// Bytes/s received, 0 = no limit.
    pub download_limit: Option<u32>,
    /// Bytes/s sent, 0 = no limit.
    pub upload_limit: Option<u32>,
    /// Peers connected at once, -1 = any number.
    pub max_connections: Option<i32>,
    /// Peers sent to at once, -1 = any number.
    pub max_uploads: Option<i32>,
    /// The flags of `mask` become those of `flags`.
    pub flags: TorrentFlags,
    /// Which flags are meant.
    pub mask: TorrentFlags,
}

/// Space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What we may still use.
    pub available: u64,
    /// All of it.
    pub capacity: u64,
    /// What nobody uses.
    pub free: u64,
}

impl Torrents {
    /// All that is known of each remote tracker. Asks the engine; cached for a second.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when the torrent cannot run; Busy.
    pub async fn tracker_reports(&self, id: TorrentId) -> Result<Arc<[TrackerReport]>> {
        self.inner.engine.tracker_reports(id).await
    }

    /// libtorrent's flags of each file: 1 padding, 2 hidden, 4 executable, 8 link. Asks the engine.
    ///
    /// # Errors
    /// `NotFound`; Invalid before the metadata is known; Conflict, when the torrent cannot run.
    pub async fn file_flags(&self, id: TorrentId) -> Result<Vec<u8>> {
        self.inner.engine.file_flags(id).await
    }

    /// Limits and flags as they are now. Asks the engine.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when the torrent cannot run; Busy.
    pub async fn properties(&self, id: TorrentId) -> Result<Properties> {
        self.inner.engine.properties(id).await
    }

    /// Sets limits and flags, and keeps them. Flags that only make sense when a torrent is added,
    /// or that the program needs for itself, are left alone.
    ///
    /// # Errors
    /// `NotFound`; Forbidden, when a private torrent would look for peers elsewhere (rule F10);
    /// Conflict, when the torrent cannot run; `StorageFull`; Busy.
    pub async fn set_properties(&self, id: TorrentId, wish: PropertyWish) -> Result<()> {
        let torrent = self.get(id)?;
        let is_private = torrent.metadata.as_ref().is_none_or(|metadata| metadata.is_private);
        let loosened = wish.mask.of(TorrentFlags::NO_OTHER_SOURCES);
        if is_private && wish.flags.of(loosened) != loosened {
            return Err(Error::forbidden(
                "a private torrent, or one that may be, finds peers by its trackers only",
            ));
        }
        if wish.max_connections.is_some() {
            let max_connections = wish.max_connections;
            let wish = LabelWish { max_connections, ..LabelWish::default() };
            self.labels().change(id, wish).await?;
        }
        let change = PropertyChange {
            max_connections: wish.max_connections,
            max_uploads: wish.max_uploads,
            flags: wish.flags,
            mask: wish.mask.of(TorrentFlags::FREE),
        };
        self.inner.engine.set_properties(id, change).await?;
        self.set_limits(id, wish.download_limit, wish.upload_limit).await?;
        if wish.mask.has(TorrentFlags::AUTO_MANAGED) {
            self.set_auto_managed(id, wish.flags.has(TorrentFlags::AUTO_MANAGED)).await?;
        }
        match (wish.mask.has(TorrentFlags::PAUSED), wish.flags.has(TorrentFlags::PAUSED)) {
            (true, true) => self.stop(id).await,
            (true, false) => self.resume(id).await,
            (false, _) => Ok(()),
        }
    }

    /// Puts a torrent at a place of the download queue, 0 = first.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it cannot run; Busy.
    pub async fn set_queue_position(&self, id: TorrentId, position: u32) -> Result<()> {
        self.inner.engine.set_queue_position(id, position).await?;
        self.inner.engine.save(id).await
    }

    /// Begins to move the files to a directory under a root, which is made if need be (rule F1).
    /// What comes of it is seen in the torrent, and in the log when it fails.
    ///
    /// # Errors
    /// `NotFound`; Forbidden; Invalid.
    pub async fn begin_move(&self, id: TorrentId, destination: &str, mode: MoveMode) -> Result<()> {
        let torrent = self.get(id)?;
        let path = self.resolve_aside(destination).await?;
        if path.is_empty() {
            return Err(Error::invalid("no directory is named"));
        }
        self.drop_completed_dir(&torrent).await?;
        self.start_move(id, path, mode);
        Ok(())
    }

    /// Begins to move the files to a directory that was checked.
    pub(super) fn start_move(&self, id: TorrentId, path: String, mode: MoveMode) {
        let torrents = self.clone();
        tokio::spawn(async move {
            match torrents.relocate(id, path, mode).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, torrent = %id, "cannot move a torrent's files")
                }
            }
        });
    }

    /// The space of the file system that a directory under a root is on (rule F1).
    ///
    /// # Errors
    /// Forbidden outside the roots; `NotFound` with the system's text.
    pub async fn space(&self, path: &str) -> Result<Space> {
        let (inner, wish) = (Arc::clone(&self.inner), path.to_owned());
        look_aside(move || space_of(&inner.roots.resolve(&wish)?)).await
    }

    /// As [`Torrents::space`]; of a directory that is not there, the space of the nearest one above
    /// it, where it would be made.
    ///
    /// # Errors
    /// As [`Torrents::space`], when there is none up to the root.
    pub async fn space_around(&self, path: &str) -> Result<Space> {
        let (inner, wish) = (Arc::clone(&self.inner), path.to_owned());
        let look = move || {
            let real = inner.roots.resolve(&wish)?;
            let is_inside =
                |path: &&Path| path.to_str().is_some_and(|path| inner.roots.resolve(path).is_ok());
            let mut around = real.ancestors().take_while(is_inside);
            match around.find(|path| path.exists()) {
                Some(found) => space_of(found),
                None => space_of(&real),
            }
        };
        look_aside(look).await
    }
}

/// A disk may be slow: not for the runtime.
async fn look_aside(look: impl FnOnce() -> Result<Space> + Send + 'static) -> Result<Space> {
    let space = tokio::task::spawn_blocking(look).await;
    space.map_err(|_| Error::internal("looking at a file system panicked"))?
}

fn space_of(path: &Path) -> Result<Space> {
    let found = rustix::fs::statvfs(path).map_err(|error| {
        let text = std::io::Error::from(error).to_string();
        Error::not_found(text.split(" (os error").next().unwrap_or_default())
    })?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space {
        available: bytes(found.f_bavail),
        capacity: bytes(found.f_blocks),
        free: bytes(found.f_bfree),
    })
}
