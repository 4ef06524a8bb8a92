//! What is asked of libtorrent about one torrent at a time, and the properties that may be set.

use std::pin::Pin;
use std::sync::Arc;

use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::torrent_flags::TorrentFlags;
use crate::domain::tracker_report::TrackerReport;
use crate::engine::Engine;
use crate::engine::convert;
use crate::engine::ffi::bridge;

/// What may be set on a torrent, in libtorrent's numbers: -1 or 2^24 - 1 = no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Bytes/s received.
    pub download_limit: i32,
    /// Bytes/s sent.
    pub upload_limit: i32,
    /// Peers connected at once.
    pub max_connections: i32,
    /// Peers sent to at once.
    pub max_uploads: i32,
    /// Its flags.
    pub flags: TorrentFlags,
}

/// What is to be set; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyChange {
    /// Peers connected at once, -1 = any number.
    pub max_connections: Option<i32>,
    /// Peers sent to at once, -1 = any number.
    pub max_uploads: Option<i32>,
    /// The flags of `mask` become those of `flags`.
    pub flags: TorrentFlags,
    /// Which flags are meant.
    pub mask: TorrentFlags,
}

impl Engine {
    /// All that is known of each announce URL. Asks the session, at most once a second and torrent.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it cannot run; Busy.
    pub async fn tracker_reports(&self, id: TorrentId) -> Result<Arc<[TrackerReport]>> {
        if let Some(reports) = self.tracker_lists.get(id) {
            return Ok(reports);
        }
        let reports = self.look(id, |session, token| session.tracker_reports(token)).await?;
        let reports = reports.iter().map(convert::tracker_report).collect();
        Ok(self.tracker_lists.put(id, reports))
    }

    /// What may be set on a torrent, as it is now. Asks the session.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it cannot run; Busy.
    pub async fn properties(&self, id: TorrentId) -> Result<Properties> {
        let found = self.look(id, |session, token| session.properties(token)).await?;
        Ok(Properties {
            download_limit: found.download_limit,
            upload_limit: found.upload_limit,
            max_connections: found.max_connections,
            max_uploads: found.max_uploads,
            flags: TorrentFlags(found.flags),
        })
    }

    /// Sets properties other than the rates, which are [`Engine::set_limits`].
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it cannot run; Busy.
    pub async fn set_properties(&self, id: TorrentId, change: PropertyChange) -> Result<()> {
        let work = move |mut session: Pin<&mut bridge::Session>, token| {
            let now = session.properties(token)?;
            let limits = bridge::TorrentLimits {
                download: now.download_limit,
                upload: now.upload_limit,
                connections: change.max_connections.unwrap_or(0),
                uploads: change.max_uploads.unwrap_or(0),
            };
            session.as_mut().set_limits(token, &limits)?;
            session.set_flags(token, change.flags.0, change.mask.0)
        };
        self.run(id, work).await
    }

    /// libtorrent's flags of each file: 1 padding, 2 hidden, 4 executable, 8 link.
    ///
    /// # Errors
    /// `NotFound`; Invalid before the metadata is known; Conflict, when it cannot run; Busy.
    pub async fn file_flags(&self, id: TorrentId) -> Result<Vec<u8>> {
        self.look(id, |session, token| session.file_flags(token)).await
    }
}
