//! Our torrents: add, remove, stop, resume, move, select; and the lists everybody reads.
//!
//! A change is durable in the store before it is answered (rules D1, D2).

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use dashmap::DashMap;
use tokio::sync::broadcast;
use tokio::sync::watch;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::AnyHash;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::domain::peer::Peer;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::torrent::Torrent;
use crate::engine::AddOptions;
use crate::engine::Engine;
use crate::engine::Prepared;
pub use crate::engine::QueueMove;
use crate::service::paths::Roots;
use crate::store::NewTorrent;
use crate::store::Store;
pub use crate::store::TorrentOptions;

/// How long a torrent file may take to parse (rule F4).
const PARSE_LIMIT: Duration = Duration::from_secs(5);
/// How long a caller waits for files to be moved; a longer move goes on by itself.
const MOVE_LIMIT: Duration = Duration::from_secs(10);
/// The priority libtorrent gives a wanted file.
const WANTED: u8 = 4;
/// Files a torrent may have (rule F4): how far a selection made before the metadata reaches.
const FILES_MAX: usize = 100_000;

/// Where a torrent comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A magnet link (BEP 9).
    Magnet(String),
    /// The bytes of a .torrent file.
    File(Vec<u8>),
}

/// How a torrent is to be added.
#[derive(Clone, Debug, Default)]
pub struct AddWish {
    /// Directory for its files; `None` = `client.download_dir`.
    pub destination: Option<String>,
    /// Indices of the wanted files; `None` or empty = all.
    pub selected_files: Option<Vec<u32>>,
    /// Relays between us and peers; only 0 exists.
    pub anon_hops: u32,
    /// Kept and shown; means something only with hops.
    pub safe_seeding: bool,
    /// Whether it starts stopped.
    pub is_stopped: bool,
    /// Whether the queue decides when it runs.
    pub auto_managed: bool,
    /// Kept and shown.
    pub completed_dir: Option<String>,
}

/// What adding came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The torrent.
    pub id: TorrentId,
    /// False when it was there already; then only its trackers were merged.
    pub is_new: bool,
}

/// The torrents of this program; a cheap handle.
#[derive(Clone)]
pub struct Torrents {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    store: Store,
    roots: Roots,
    download_dir: String,
    options: DashMap<TorrentId, TorrentOptions>,
    /// Torrents being added or removed now: one change of existence at a time.
    in_change: Mutex<HashSet<TorrentId>>,
    to_load: AtomicUsize,
    loaded: AtomicUsize,
}

impl Torrents {
    /// The service over a running engine and store; `to_load` torrents will come from the store.
    pub fn new(
        engine: Engine,
        store: Store,
        roots: Roots,
        download_dir: &Path,
        to_load: usize,
    ) -> Self {
        let inner = Inner {
            engine,
            store,
            roots,
            download_dir: download_dir.to_string_lossy().into_owned(),
            options: DashMap::new(),
            in_change: Mutex::default(),
            to_load: AtomicUsize::new(to_load),
            loaded: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Every torrent, in the order of adding. Memory only.
    pub fn list(&self) -> Vec<Arc<Torrent>> {
        self.inner.engine.list()
    }

    /// The torrent that somebody means by `hash`. Memory only.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn find(&self, hash: &AnyHash) -> Result<Arc<Torrent>> {
        let found = self.inner.engine.find(hash);
        found.ok_or_else(|| Error::not_found("there is no torrent of this info-hash"))
    }

    /// What the user chose for a torrent. Memory only.
    pub fn options(&self, id: TorrentId) -> Option<TorrentOptions> {
        self.inner.options.get(&id).map(|options| options.clone())
    }

    /// Grows with every change of any torrent.
    pub fn revision(&self) -> u64 {
        self.inner.engine.revision()
    }

    /// Ticks whenever a torrent changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.engine.changes()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.engine.events()
    }

    /// Torrents in the store at start, and how many of them the engine has been given.
    pub fn load_progress(&self) -> (usize, usize) {
        let loaded = self.inner.loaded.load(Ordering::Relaxed);
        (self.inner.to_load.load(Ordering::Relaxed), loaded)
    }

    /// Notes a torrent that came from the store.
    pub(crate) fn note_loaded(&self, id: TorrentId, options: Option<TorrentOptions>) {
        if let Some(options) = options {
            self.inner.options.insert(id, options);
        }
        self.inner.loaded.fetch_add(1, Ordering::Relaxed);
    }

    /// The connected peers. The one read that asks libtorrent; cached for a second.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn peers(&self, id: TorrentId) -> Result<Arc<[Peer]>> {
        self.inner.engine.peers(id).await
    }

    /// Adds a torrent and answers when it is durable and the engine has it. A torrent that is
    /// there already only gets the new trackers, unless it is private (rule F10).
    ///
    /// # Errors
    /// Invalid (source, selection, hops), Forbidden (destination), `StorageFull`, Busy.
    pub async fn add(&self, source: Source, wish: AddWish) -> Result<Added> {
        if wish.anon_hops > 0 {
            return Err(no_hops());
        }
        let prepared = parse(source).await?;
        let id = prepared.hashes.id();
        if let Some(existing) = self.existing(&prepared) {
            self.merge_trackers(&existing, prepared.trackers).await;
            return Ok(Added { id: existing.id, is_new: false });
        }
        let _change = self.begin_change(id)?;
        let prepared = self.decide(prepared, &wish).await?;
        self.insert(prepared, options_of(wish)).await?;
        Ok(Added { id, is_new: true })
    }

    fn existing(&self, prepared: &Prepared) -> Option<Arc<Torrent>> {
        let engine = &self.inner.engine;
        let by_v2 = || prepared.hashes.v2().and_then(|v2| engine.find(&AnyHash::Long(v2)));
        engine.get(prepared.hashes.id()).or_else(by_v2)
    }

    async fn merge_trackers(&self, existing: &Torrent, trackers: Vec<RemoteTracker>) {
        if existing.metadata.as_ref().is_some_and(|metadata| metadata.is_private) {
            return;
        }
        for tracker in &trackers {
            let known = existing.trackers.iter().any(|known| known.url == tracker.url);
            if !known && let Err(error) = self.add_tracker(existing.id, &tracker.url).await {
                tracing::warn!(%error, "cannot merge a tracker");
            }
        }
    }

    /// Applies the wish to the parsed torrent, after checking it against roots and files.
    async fn decide(&self, mut prepared: Prepared, wish: &AddWish) -> Result<Prepared> {
        let priorities = match (&wish.selected_files, &prepared.metadata) {
            (Some(wanted), Some(metadata)) if !wanted.is_empty() => select(metadata, wanted)?,
            (Some(wanted), None) if !wanted.is_empty() => select_blindly(wanted)?,
            _ => Vec::new(),
        };
        let save_path = self.resolve(wish.destination.as_deref()).await?;
        prepared.set_options(&AddOptions {
            save_path,
            file_priorities: priorities,
            is_paused: wish.is_stopped || wish.auto_managed,
            is_auto_managed: wish.auto_managed && !wish.is_stopped,
            trackers_only: false,
            added_at: unix_now(),
        })?;
        Ok(prepared)
    }

    async fn resolve(&self, destination: Option<&str>) -> Result<String> {
        let inner = Arc::clone(&self.inner);
        let wish = destination.filter(|wish| !wish.is_empty()).unwrap_or(&inner.download_dir);
        let wish = wish.to_owned();
        let resolved = tokio::task::spawn_blocking(move || inner.roots.resolve(&wish)).await;
        let path = resolved.map_err(|_| Error::internal("resolving a path panicked"))??;
        path.into_os_string()
            .into_string()
            .map_err(|_| Error::invalid("the destination is not valid UTF-8"))
    }

    /// Durable first, then the engine; a refusal of the engine takes the record back.
    async fn insert(&self, prepared: Prepared, options: TorrentOptions) -> Result<()> {
        let id = prepared.hashes.id();
        let record = NewTorrent {
            id,
            v2: prepared.hashes.v2(),
            name: prepared.name.to_string(),
            save_path: prepared.save_path.to_string(),
            resume: prepared.resume_bytes()?,
            metadata_file: prepared.metadata_bytes(),
            added_at: prepared.added_at,
            options: options.clone(),
        };
        let session = options.session.clone();
        self.inner.store.add_torrent(record).await?;
        self.inner.options.insert(id, options);
        let added = self.inner.engine.add(prepared, &session).await;
        if added.as_ref().is_err_and(|error| error.kind() != ErrorKind::Busy) {
            self.inner.options.remove(&id);
            self.inner.store.begin_removal(id, false).await?;
            self.inner.store.finish_removal(id).await?;
        }
        added
    }

    /// Removes a torrent, and its files if asked to; answers when all of it is done (rule D19).
    ///
    /// # Errors
    /// `NotFound`; Busy; Internal with the files that could not be deleted in the log.
    pub async fn remove(&self, id: TorrentId, remove_data: bool) -> Result<()> {
        let torrent = self.get(id)?;
        let _change = self.begin_change(id)?;
        self.inner.store.begin_removal(id, remove_data).await?;
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

    /// Lets a torrent run; survives a restart.
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`; Busy.
    pub async fn resume(&self, id: TorrentId) -> Result<()> {
        let auto_managed = self.get(id)?.status.is_auto_managed;
        self.set_stopped(id, false).await?;
        self.inner.engine.resume(id, auto_managed).await
    }

    /// Stops a torrent; survives a restart.
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`; Busy.
    pub async fn stop(&self, id: TorrentId) -> Result<()> {
        self.get(id)?;
        self.set_stopped(id, true).await?;
        self.inner.engine.set_auto_managed(id, false).await?;
        self.inner.engine.pause(id).await
    }

    async fn set_stopped(&self, id: TorrentId, is_stopped: bool) -> Result<()> {
        let mut options = self.options(id).unwrap_or_default();
        if options.is_stopped == is_stopped {
            return Ok(());
        }
        options.is_stopped = is_stopped;
        self.inner.store.save_options(id, options.clone()).await?;
        self.inner.options.insert(id, options);
        Ok(())
    }

    /// Hashes every piece again; a stopped torrent stops again after it.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn recheck(&self, id: TorrentId) -> Result<()> {
        let is_stopped = self.get(id)?.status.is_paused;
        self.inner.engine.recheck(id, is_stopped).await
    }

    /// Moves the files under a root (rule F1). A move that takes long goes on by itself.
    ///
    /// # Errors
    /// `NotFound`; Forbidden; Invalid with the system's text.
    pub async fn move_storage(&self, id: TorrentId, destination: &str) -> Result<()> {
        self.get(id)?;
        let path = self.resolve(Some(destination)).await?;
        let moved = self.inner.engine.move_storage(id, path);
        match tokio::time::timeout(MOVE_LIMIT, moved).await {
            Ok(outcome) => outcome?,
            Err(_) => return Ok(()),
        }
        self.inner.engine.save(id).await
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
    /// `NotFound`, also before the metadata is known.
    pub async fn torrent_file(&self, id: TorrentId) -> Result<Vec<u8>> {
        self.get(id)?;
        let file = self.inner.store.metadata_file(id).await?;
        file.ok_or_else(|| Error::not_found("the metadata of this torrent is not known yet"))
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

    fn get(&self, id: TorrentId) -> Result<Arc<Torrent>> {
        let found = self.inner.engine.get(id);
        found.ok_or_else(|| Error::not_found(format!("there is no torrent {id}")))
    }

    fn begin_change(&self, id: TorrentId) -> Result<Change> {
        let mut changing = self.inner.in_change.lock().unwrap_or_else(PoisonError::into_inner);
        if !changing.insert(id) {
            return Err(Error::conflict("this torrent is being added or removed right now"));
        }
        Ok(Change { inner: Arc::clone(&self.inner), id })
    }
}

/// Held while a torrent is being added or removed.
struct Change {
    inner: Arc<Inner>,
    id: TorrentId,
}

impl Drop for Change {
    fn drop(&mut self) {
        let mut changing = self.inner.in_change.lock().unwrap_or_else(PoisonError::into_inner);
        changing.remove(&self.id);
    }
}

/// Everything of a torrent that may lie below its save path: its files and libtorrent's part file.
pub(crate) fn payload_files(id: TorrentId, metadata: Option<&Metadata>) -> Vec<String> {
    let files = metadata.map_or(&[][..], |metadata| &metadata.files);
    let named = files.iter().filter(|file| !file.is_padding).map(|file| file.path.clone());
    named.chain([format!(".{id}.parts")]).collect()
}

async fn parse(source: Source) -> Result<Prepared> {
    let work = move || match source {
        Source::Magnet(uri) => Prepared::from_magnet(&uri),
        Source::File(bytes) => Prepared::from_torrent(&bytes),
    };
    match tokio::time::timeout(PARSE_LIMIT, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(_)) => Err(Error::internal("parsing a torrent panicked")),
        Err(_) => Err(Error::invalid("the torrent takes too long to parse")),
    }
}

fn options_of(wish: AddWish) -> TorrentOptions {
    TorrentOptions {
        is_stopped: wish.is_stopped,
        anon_hops: wish.anon_hops,
        safe_seeding: wish.safe_seeding,
        completed_dir: wish.completed_dir.unwrap_or_default(),
        ..TorrentOptions::default()
    }
}

/// The refusal of anonymous hops until they exist: nothing may pretend (rule F12).
pub fn no_hops() -> Error {
    Error::invalid("anonymous hops are not available yet: add the torrent with anon_hops 0")
}

fn select(metadata: &Metadata, wanted: &[u32]) -> Result<Vec<u8>> {
    let count = metadata.files.len();
    if wanted.is_empty() {
        return Ok(vec![WANTED; count]);
    }
    let mut priorities = vec![0; count];
    for index in wanted {
        let slot = priorities.get_mut(*index as usize);
        *slot.ok_or_else(|| Error::invalid("index out of range"))? = WANTED;
    }
    Ok(priorities)
}

/// A selection before the metadata: what is not named must be refused however many files come,
/// since libtorrent wants every file past the end of the list.
fn select_blindly(wanted: &[u32]) -> Result<Vec<u8>> {
    let mut priorities = vec![0; FILES_MAX];
    for index in wanted {
        let slot = priorities.get_mut(*index as usize);
        *slot.ok_or_else(|| Error::invalid("index out of range"))? = WANTED;
    }
    Ok(priorities)
}

fn check_tracker(url: &str) -> Result<()> {
    let parsed = url::Url::parse(url).ok();
    let is_fine = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https" | "udp"));
    if is_fine {
        return Ok(());
    }
    Err(Error::invalid("a tracker URL begins with http://, https:// or udp://"))
}

fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metadata::File;

    #[test]
    fn a_selection_wants_the_named_files_only() {
        let file = |path: &str| File {
            path: path.into(),
            size_bytes: 1,
            offset_bytes: 0,
            is_padding: false,
        };
        let metadata = Metadata { files: vec![file("a"), file("b")], ..Metadata::default() };
        assert_eq!(select(&metadata, &[1]).unwrap(), [0, 4]);
        assert_eq!(select(&metadata, &[]).unwrap(), [4, 4]);
        assert_eq!(select(&metadata, &[2]).unwrap_err().message(), "index out of range");
        let blind = select_blindly(&[3]).unwrap();
        assert_eq!((blind[2], blind[3], blind.len()), (0, 4, FILES_MAX));
    }

    #[test]
    fn only_announce_urls_become_trackers() {
        assert!(check_tracker("udp://tracker.example:6969/announce").is_ok());
        for bad in ["", "tracker.example", "file:///etc/passwd", "ftp://a/"] {
            assert!(check_tracker(bad).is_err(), "{bad}");
        }
    }
}
