//! Our torrents: add, remove, stop, resume, move, select; and the lists everybody reads.
//!
//! A change is durable in the store before it is answered (rules D1, D2).

use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Notify;
use tokio::sync::broadcast;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::AnyHash;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::domain::peer::Peer;
use crate::domain::ratio::Ratio;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Torrent;
use crate::engine::Engine;
pub use crate::engine::QueueMove;
use crate::service::adding::select;
use crate::service::inspect::LookUps;
use crate::service::labels::Labels;
use crate::service::mending;
use crate::service::moving::Moves;
use crate::service::paths::Roots;
use crate::service::sessions::Sessions;
use crate::store::Store;
pub use crate::store::TorrentOptions;

/// How long adding or removing a torrent waits for somebody who adds or removes the same one.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);

/// The torrents of this program; a cheap handle.
#[derive(Clone)]
pub struct Torrents {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) store: Store,
    pub(super) roots: Roots,
    download_dir: String,
    sessions: Sessions,
    pub(super) options: DashMap<TorrentId, TorrentOptions>,
    labels: Labels,
    pub(super) look_ups: LookUps,
    pub(super) moves: Moves,
    /// Torrents being added or removed now: one change of existence at a time.
    in_change: Mutex<HashSet<TorrentId>>,
    /// Told whenever one of those changes ended.
    change_ended: Notify,
    option_changes: AtomicU64,
    to_load: AtomicUsize,
    loaded: AtomicUsize,
}

impl Torrents {
    /// The service over a running engine and store; `to_load` torrents will come from the store.
    /// A swarm is asked for metadata as long as `look_up_limit`.
    pub fn new(
        (engine, sessions): (Engine, Sessions),
        store: Store,
        roots: Roots,
        download_dir: &Path,
        to_load: usize,
        look_up_limit: Duration,
    ) -> Self {
        let labels = Labels::new(store.clone());
        let inner = Inner {
            engine,
            store,
            roots,
            download_dir: download_dir.to_string_lossy().into_owned(),
            sessions,
            options: DashMap::new(),
            labels,
            look_ups: LookUps::new(look_up_limit),
            moves: Moves::new(),
            in_change: Mutex::default(),
            change_ended: Notify::new(),
            option_changes: AtomicU64::new(0),
            to_load: AtomicUsize::new(to_load),
            loaded: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What users write on torrents.
    pub fn labels(&self) -> &Labels {
        &self.inner.labels
    }

    /// Where torrents live.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// Where torrents go when nobody says otherwise.
    pub fn download_dir(&self) -> &str {
        &self.inner.download_dir
    }

    /// Every torrent, in the order of adding. Memory only.
    pub fn list(&self) -> Vec<Arc<Torrent>> {
        self.inner.engine.list()
    }

    /// The torrent that somebody means by `hash`. Memory only.
    ///
    /// # Errors
    /// `NotFound`; `Busy` while the start still loads torrents, of which it may be one.
    pub fn find(&self, hash: &AnyHash) -> Result<Arc<Torrent>> {
        // Asked first: what is shown after it was looked for would be called unknown.
        let progress = self.load_progress();
        self.inner.engine.find(hash).ok_or_else(|| unknown(progress))
    }

    /// What the user chose for a torrent. Memory only.
    pub fn options(&self, id: TorrentId) -> Option<TorrentOptions> {
        self.inner.options.get(&id).map(|options| options.clone())
    }

    /// How far a torrent is to be seeded, when somebody said so of this one. Memory only.
    pub fn seed_ratio(&self, id: TorrentId) -> Option<Ratio> {
        self.inner.options.get(&id).and_then(|options| options.seed_ratio)
    }

    /// Grows with every change of any torrent, and of what was chosen for it.
    pub fn revision(&self) -> u64 {
        self.inner.engine.revision() + self.inner.option_changes.load(Ordering::Relaxed)
    }

    /// Ticks whenever a torrent changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.engine.changes()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.engine.events()
    }

    /// Torrents in the store at start, damaged ones too, and how many of them are shown by now.
    pub fn load_progress(&self) -> (usize, usize) {
        let loaded = self.inner.loaded.load(Ordering::Relaxed);
        (self.inner.to_load.load(Ordering::Relaxed), loaded)
    }

    /// Notes what the store says of a torrent; a damaged one has nothing.
    pub(crate) fn note_options(&self, id: TorrentId, options: TorrentOptions) {
        self.inner.options.insert(id, options);
    }

    /// Notes that a torrent came from the store.
    pub(crate) fn note_loaded(&self) {
        self.inner.loaded.fetch_add(1, Ordering::Relaxed);
    }

    /// The connected peers. The one read that asks libtorrent; cached for a second.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn peers(&self, id: TorrentId) -> Result<Arc<[Peer]>> {
        self.inner.engine.peers(id).await
    }

    pub(super) async fn resolve_existing(&self, destination: &str) -> Result<String> {
        let (inner, wish) = (Arc::clone(&self.inner), destination.to_owned());
        let resolved = tokio::task::spawn_blocking(move || inner.roots.resolve_existing(&wish));
        utf8(resolved.await.map_err(|_| Error::internal("resolving a path panicked"))??)
    }

    /// A destination, checked against the roots (rule F1); `None` = the download directory. Looks
    /// at the file system.
    pub(super) fn resolve(&self, destination: Option<&str>) -> Result<String> {
        let wish = destination.filter(|wish| !wish.is_empty()).unwrap_or(&self.inner.download_dir);
        utf8(self.inner.roots.resolve(wish)?)
    }

    /// Removes a torrent, and its files if asked to; answers when all of it is done (rule D19).
    /// Whoever adds or removes the same one at the moment is waited for.
    ///
    /// # Errors
    /// `NotFound`, also when another removal came first; Conflict, when that takes long; Busy;
    /// Internal with the files that could not be deleted in the log.
    pub async fn remove(&self, id: TorrentId, remove_data: bool) -> Result<()> {
        self.get(id)?;
        let _change = self.wait_to_change(id).await?;
        // Another one may have removed it meanwhile.
        let torrent = self.get(id)?;
        match self.inner.store.begin_removal(id, remove_data).await {
            // Only a damaged record, kept aside, is left of it (rule D4).
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
        if remove_data {
            // Deleting while a disk job is under way would bring a file back.
            if let Err(error) = self.inner.engine.pause(id).await {
                tracing::warn!(%error, torrent = %id, "removing a torrent that did not stop");
            }
        }
        self.inner.engine.remove(id).await?;
        let deleted = if remove_data { self.delete_files(torrent).await } else { Ok(()) };
        self.inner.options.remove(&id);
        self.inner.store.finish_removal(id).await?;
        self.inner.labels.forget(id);
        deleted
    }

    async fn delete_files(&self, torrent: Arc<Torrent>) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let work = move || {
            let files = payload_files(torrent.id, torrent.metadata.as_deref());
            inner.roots.delete_files(Path::new(&*torrent.save_path), &files)
        };
        let deleted = tokio::task::spawn_blocking(work).await;
        deleted.map_err(|_| Error::internal("deleting files panicked"))?
    }

    /// Lets a torrent run; survives a restart. After an error of its files they are checked when
    /// something is gone, and what is missing is downloaded: the user's word for that (rule D10).
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`; Busy.
    pub async fn resume(&self, id: TorrentId) -> Result<()> {
        let torrent = self.get(id)?;
        let auto_managed = torrent.status.is_auto_managed;
        self.want_more_than_metadata(&torrent).await?;
        self.set_stopped(id, false).await?;
        let has_lost = torrent.status.failure == Some(Failure::Disk)
            && mending::missing_aside(self, torrent).await.is_some();
        match has_lost {
            true => self.inner.engine.recheck(id, false).await,
            false => self.inner.engine.resume(id, auto_managed).await,
        }
    }

    /// Stops a torrent; survives a restart.
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`; Busy.
    pub async fn stop(&self, id: TorrentId) -> Result<()> {
        let torrent = self.get(id)?;
        self.set_stopped(id, true).await?;
        self.halt(&torrent).await
    }

    /// Has the engine stop a torrent that is to be stopped.
    pub(super) async fn halt(&self, torrent: &Torrent) -> Result<()> {
        let id = torrent.id;
        if torrent.status.failure == Some(Failure::Held) {
            return Ok(());
        }
        self.inner.engine.set_auto_managed(id, false).await?;
        self.inner.engine.pause(id).await
    }

    async fn set_stopped(&self, id: TorrentId, is_stopped: bool) -> Result<()> {
        self.change_options(id, move |options| options.is_stopped = is_stopped).await
    }

    /// Durable first, then seen by everybody. What `change` does not name stays, also when others
    /// change that at the same time.
    pub(super) async fn change_options(
        &self,
        id: TorrentId,
        change: impl Fn(&mut TorrentOptions) + Clone + Send + 'static,
    ) -> Result<()> {
        let present = self.options(id).unwrap_or_default();
        let mut changed = present.clone();
        change(&mut changed);
        if changed == present {
            return Ok(());
        }
        self.inner.store.change_options(id, change.clone()).await?;
        change(&mut self.inner.options.entry(id).or_default());
        self.inner.option_changes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Hashes every piece again; a stopped torrent stops again after it.
    ///
    /// # Errors
    /// `NotFound`; Conflict when it cannot run; Busy.
    pub async fn recheck(&self, id: TorrentId) -> Result<()> {
        if self.get(id)?.status.failure == Some(Failure::Held) {
            return self.inner.engine.resume(id, false).await;
        }
        // What is shown lags behind what was asked for.
        let is_stopped = self.options(id).is_some_and(|options| options.is_stopped);
        self.inner.engine.recheck(id, is_stopped).await
    }

    /// Wants the files of these indices and no others; an empty list wants all.
    ///
    /// # Errors
    /// `NotFound`; Invalid "index out of range"; Conflict before the metadata is known.
    pub async fn select_files(&self, id: TorrentId, wanted: &[u32]) -> Result<()> {
        let torrent = self.get(id)?;
        let Some(metadata) = &torrent.metadata else {
            return Err(Error::conflict("the files are not known before the metadata is"));
        };
        let priorities = select(metadata, wanted)?;
        self.inner.engine.prioritize_files(id, priorities).await?;
        self.end_metadata_wish(id).await?;
        self.inner.engine.save(id).await
    }

    /// Sets rate limits in bytes/s, 0 = none; `None` leaves one as it is.
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`; Busy.
    pub async fn set_limits(
        &self,
        id: TorrentId,
        download: Option<u32>,
        upload: Option<u32>,
    ) -> Result<()> {
        let status = &self.get(id)?.status;
        let download = download.unwrap_or(status.download_limit);
        let upload = upload.unwrap_or(status.upload_limit);
        self.inner.engine.set_limits(id, download, upload).await?;
        self.inner.engine.save(id).await
    }

    /// Moves a torrent in the download queue.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn move_in_queue(&self, id: TorrentId, direction: QueueMove) -> Result<()> {
        self.inner.engine.move_in_queue(id, direction).await?;
        self.inner.engine.save(id).await
    }

    /// Lets the queue decide when a torrent runs, or not.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn set_auto_managed(&self, id: TorrentId, on: bool) -> Result<()> {
        self.inner.engine.set_auto_managed(id, on).await?;
        self.inner.engine.save(id).await
    }

    /// The .torrent file.
    ///
    /// # Errors
    /// `NotFound`, also before the metadata is known; those of the store.
    pub async fn torrent_file(&self, id: TorrentId) -> Result<Vec<u8>> {
        let torrent = self.get(id)?;
        let mut file = self.inner.store.metadata_file(id).await?;
        if file.is_none() && torrent.metadata.is_some() {
            // A peer told it a moment ago.
            self.inner.engine.save(id).await?;
            file = self.inner.store.metadata_file(id).await?;
        }
        file.ok_or_else(|| Error::not_found("the metadata of this torrent is not known yet"))
    }

    /// How large the store is, in bytes.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn store_bytes(&self) -> Result<u64> {
        self.inner.store.size_bytes().await
    }

    /// Adds an announce URL. Refused for private torrents (rule F10).
    ///
    /// # Errors
    /// `NotFound`; Invalid; Forbidden.
    pub async fn add_tracker(&self, id: TorrentId, url: &str) -> Result<()> {
        let torrent = self.get(id)?;
        if torrent.metadata.as_ref().is_some_and(|metadata| metadata.is_private) {
            return Err(Error::forbidden("a private torrent keeps the trackers it came with"));
        }
        check_tracker(url)?;
        self.inner.engine.add_tracker(id, url.to_owned()).await?;
        self.inner.engine.save(id).await
    }

    /// Removes an announce URL; nothing happens when it is not there.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn remove_tracker(&self, id: TorrentId, url: &str) -> Result<()> {
        self.inner.engine.remove_tracker(id, url.to_owned()).await?;
        self.inner.engine.save(id).await
    }

    /// Announces now to the tracker `url`; an unknown one is ignored.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn force_announce(&self, id: TorrentId, url: &str) -> Result<()> {
        if self.get(id)?.trackers.iter().any(|tracker| tracker.url == url) {
            return self.inner.engine.reannounce(id, url.to_owned()).await;
        }
        Ok(())
    }

    /// The torrent of this name.
    pub(super) fn get(&self, id: TorrentId) -> Result<Arc<Torrent>> {
        let found = self.inner.engine.get(id);
        found.ok_or_else(|| Error::not_found(format!("there is no torrent {id}")))
    }

    /// As [`Torrents::begin_change`], once nobody else changes `id`.
    pub(super) async fn wait_to_change(&self, id: TorrentId) -> Result<Change> {
        let deadline = Instant::now() + CHANGE_LIMIT;
        loop {
            // Made before the look: an end in between is told all the same.
            let ended = self.inner.change_ended.notified();
            let refusal = match self.begin_change(id) {
                Ok(change) => return Ok(change),
                Err(refusal) => refusal,
            };
            timeout_at(deadline, ended).await.map_err(|_| refusal)?;
        }
    }

    /// Marks `id` as being added or removed, until the value is dropped.
    pub(super) fn begin_change(&self, id: TorrentId) -> Result<Change> {
        let mut changing = self.inner.in_change.lock().unwrap_or_else(PoisonError::into_inner);
        if !changing.insert(id) {
            return Err(Error::conflict("this torrent is being added or removed right now"));
        }
        Ok(Change { inner: Arc::clone(&self.inner), id })
    }
}

/// Held while a torrent is being added or removed.
pub(super) struct Change {
    inner: Arc<Inner>,
    id: TorrentId,
}

impl Drop for Change {
    fn drop(&mut self) {
        let mut changing = self.inner.in_change.lock().unwrap_or_else(PoisonError::into_inner);
        changing.remove(&self.id);
        drop(changing);
        self.inner.change_ended.notify_waiters();
    }
}

/// Everything of a torrent that may lie below its save path: its files and libtorrent's part file.
pub(crate) fn payload_files(id: TorrentId, metadata: Option<&Metadata>) -> Vec<String> {
    let files = metadata.map_or(&[][..], |metadata| &metadata.files);
    let named = files.iter().filter(|file| !file.is_padding).map(|file| file.path.clone());
    named.chain([format!(".{id}.parts")]).collect()
}

fn utf8(path: PathBuf) -> Result<String> {
    path.into_os_string().into_string().map_err(|_| Error::invalid("the path is not valid UTF-8"))
}

/// A URL that may become a tracker of a torrent.
pub(super) fn check_tracker(url: &str) -> Result<()> {
    let parsed = url::Url::parse(url).ok();
    let is_fine = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https" | "udp"));
    if is_fine {
        return Ok(());
    }
    Err(Error::invalid("a tracker URL begins with http://, https:// or udp://"))
}

/// What is said of a torrent that is not there, with so many of those in the store shown.
fn unknown((stored, shown): (usize, usize)) -> Error {
    if shown < stored {
        let left = stored - shown;
        return Error::busy(format!("{left} torrents are still being loaded, perhaps this one"));
    }
    Error::not_found("there is no torrent of this info-hash")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing acknowledged is called lost, not even for the moment of a start.
    #[test]
    fn a_torrent_is_unknown_only_when_all_of_the_store_are_shown() {
        assert_eq!(unknown((3, 2)).kind(), ErrorKind::Busy);
        assert_eq!(unknown((3, 3)).kind(), ErrorKind::NotFound);
        assert_eq!(unknown((0, 0)).kind(), ErrorKind::NotFound);
    }

    #[test]
    fn only_announce_urls_become_trackers() {
        assert!(check_tracker("udp://tracker.example:6969/announce").is_ok());
        for bad in ["", "tracker.example", "file:///etc/passwd", "ftp://a/"] {
            assert!(check_tracker(bad).is_err(), "{bad}");
        }
    }
}
