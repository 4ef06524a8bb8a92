//! Torrents go from one session to another: nothing is hashed again, and nothing that was counted is
//! lost.
//!
//! The order makes a kill at any moment leave a torrent in exactly one session, the one that its
//! options in the store name: its record is made durable in the old session, then the options, and
//! then the engine lets it go from the one and takes it into the other. At a start it is loaded into
//! the session of its options, with that record.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::Prepared;
use crate::service::torrents::TorrentOptions;
use crate::service::torrents::Torrents;

/// How long a torrent may take to be compared with its files before it can go.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

impl Torrents {
    /// Has a torrent live in another session; nothing happens when it does already. It runs on, or
    /// stands still, as before. Durable, and there, when this returns.
    ///
    /// # Errors
    /// `NotFound`; Invalid, when there is no such session; Conflict, while it is checked, moved,
    /// added or removed, or stands in error; those of the store; Busy.
    pub async fn migrate(&self, id: TorrentId, session: &str) -> Result<()> {
        self.get(id)?;
        let _stay = self.sessions().enter(Some(session)).await?;
        let _change = self.wait_to_change(id).await?;
        let torrent = self.ready_to_go(id).await?;
        if *torrent.session == *session {
            return Ok(());
        }
        if torrent.status.failure == Some(Failure::Held) {
            self.name_session(id, session).await?;
            return self.inner.engine.rehome(id, session).await;
        }
        let prepared = match self.pack(id, session).await {
            Ok(prepared) => prepared,
            Err(error) => {
                let stayed = self.inner.engine.stay(id).await;
                if let Err(error) = stayed {
                    tracing::warn!(%error, torrent = %id, "cannot leave a torrent in its session");
                }
                return Err(error);
            }
        };
        self.inner.engine.arrive(id, prepared, session).await
    }

    /// The torrent, once it is compared with its files.
    async fn ready_to_go(&self, id: TorrentId) -> Result<Arc<Torrent>> {
        let mut changes = self.changes();
        let settled = async {
            loop {
                let torrent = self.get(id)?;
                let stage = torrent.status.stage;
                let is_shown = torrent.status.failure.is_some();
                if is_shown || !matches!(stage, Stage::Loading | Stage::CheckingResume) {
                    return Ok::<_, Error>(torrent);
                }
                changes.changed().await.map_err(|_| Error::busy("the engine is stopping"))?;
            }
        };
        let late = || Error::conflict("the torrent is compared with its files: try again later");
        let torrent = timeout(SETTLE_LIMIT, settled).await.map_err(|_| late())??;
        refuse_unfit(&torrent)?;
        Ok(torrent)
    }

    /// Stops a torrent, makes its record and its new session durable, and returns it as it is to be
    /// added there.
    async fn pack(&self, id: TorrentId, session: &str) -> Result<Prepared> {
        let inner = &self.inner;
        let record = inner.engine.depart(id).await?;
        let metadata = inner.store.metadata_file(id).await?.unwrap_or_default();
        let read = tokio::task::spawn_blocking(move || Prepared::from_resume(&record, &metadata));
        let read = read.await.map_err(|_| Error::internal("reading a record panicked"))?;
        let mut prepared = read?;
        prepared.max_connections = self.labels().get(id).max_connections;
        if let Some(marks) = inner.store.share_files(id).await? {
            prepared.seal(&marks)?;
        }
        self.name_session(id, session).await?;
        Ok(prepared)
    }

    async fn name_session(&self, id: TorrentId, session: &str) -> Result<()> {
        let session = session.to_owned();
        let name = move |options: &mut TorrentOptions| options.session.clone_from(&session);
        self.change_options(id, name).await
    }
}

/// Refuses what would lose something on the way.
fn refuse_unfit(torrent: &Torrent) -> Result<()> {
    let status = &torrent.status;
    let why = match &status.failure {
        Some(Failure::Held) => return Ok(()),
        Some(_) => format!("stands in error ({}): mend that first", status.error),
        None if status.stage == Stage::Checking => "is being checked: try again after that".into(),
        None if status.is_moving => "has its files moved: try again after that".into(),
        None => return Ok(()),
    };
    Err(Error::conflict(format!("the torrent {why}")))
}
