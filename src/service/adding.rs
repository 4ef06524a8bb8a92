//! Adding a torrent: parse, decide, keep, hand to the engine; in this order, so that an
//! acknowledged torrent is durable and a refused one leaves nothing behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::hash::AnyHash;
use crate::domain::hash::InfoHashes;
use crate::domain::hash::TorrentId;
use crate::domain::labels::Labels;
use crate::domain::metadata::Metadata;
use crate::domain::ratio::Ratio;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::torrent::Torrent;
use crate::engine::AddOptions;
use crate::engine::Prepared;
pub use crate::engine::Tuning;
use crate::service::labels;
use crate::service::metadata_only;
use crate::service::torrents::Torrents;
use crate::service::torrents::check_tracker;
use crate::store::NewTorrent;
use crate::store::TorrentOptions;

/// How long a torrent file may take to parse (rule F4).
const PARSE_LIMIT: Duration = Duration::from_secs(5);
/// A torrent file up to this is parsed in microseconds, faster than a thread is woken.
const PARSED_AT_ONCE_BYTES: usize = 16 << 10;
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
    /// Whether only its metadata is wished: a magnet link gets it and stops, and what has it is
    /// stopped at once.
    pub only_metadata: bool,
    /// Directory for its files once it is complete; `None` or empty = they stay.
    pub completed_dir: Option<String>,
    /// How far it is seeded before it stops by itself, 0 = without end; `None` = as configured.
    pub seed_ratio: Option<Ratio>,
    /// What is written on it.
    pub labels: Labels,
    /// The session it is to live in; `None` = the first.
    pub session: Option<String>,
    /// What else is wished of it.
    pub tuning: Tuning,
}

/// A torrent that is parsed and not yet added.
pub struct Parsed(Prepared);

impl Parsed {
    /// Parses aside what may take long, and at once what cannot.
    ///
    /// # Errors
    /// Invalid, naming what is wrong with the source; Busy is never one.
    pub async fn of(source: Source) -> Result<Self> {
        parse(source).await.map(Self)
    }

    /// Its info-hashes; a magnet link may name only one of two.
    pub fn hashes(&self) -> InfoHashes {
        self.0.hashes
    }
}

/// What adding came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The torrent.
    pub id: TorrentId,
    /// False when it was there already; then only its trackers were merged.
    pub is_new: bool,
}

impl Torrents {
    /// Adds a torrent and answers when it is durable and the engine has it. A torrent that is
    /// there already only gets the new trackers, unless it is private (rule F10).
    ///
    /// # Errors
    /// Invalid (source, selection, hops), Forbidden (destination), `StorageFull`, Busy.
    pub async fn add(&self, source: Source, wish: AddWish) -> Result<Added> {
        if wish.anon_hops > 0 {
            return Err(no_hops());
        }
        let parsed = Parsed::of(source).await?;
        self.inner.look_ups.end(parsed.hashes().id());
        // Whoever adds the same torrent at the same time is told that it is there.
        let _change = self.wait_to_change(parsed.hashes().id()).await?;
        if let Some(existing) = self.existing(&parsed.hashes()) {
            self.merge_trackers(&existing, parsed.0.trackers).await;
            return Ok(Added { id: existing.id, is_new: false });
        }
        let id = self.add_absent(parsed, wish).await?;
        Ok(Added { id, is_new: true })
    }

    /// Adds a torrent that is not there yet, as [`Torrents::add`] does. Whoever adds or removes the
    /// same one at the moment is waited for.
    ///
    /// # Errors
    /// Conflict, when it is there; else as [`Torrents::add`].
    pub async fn add_new(&self, parsed: Parsed, wish: AddWish) -> Result<TorrentId> {
        let id = parsed.hashes().id();
        self.inner.look_ups.end(id);
        let _change = self.wait_to_change(id).await?;
        if self.existing(&parsed.hashes()).is_some() {
            return Err(Error::conflict(format!("torrent {id} is there already")));
        }
        self.add_absent(parsed, wish).await
    }

    /// Adds a torrent that is not there, while nobody else changes it.
    async fn add_absent(&self, parsed: Parsed, mut wish: AddWish) -> Result<TorrentId> {
        let prepared = parsed.0;
        let id = prepared.hashes.id();
        let _stay = self.sessions().enter(wish.session.as_deref()).await?;
        wish.labels = labels::checked(wish.labels)?;
        wish.labels.max_connections = wish.tuning.max_connections;
        check_sources(&prepared, &wish.tuning)?;
        metadata_only::settle_wish(&mut wish, prepared.metadata.is_some())?;
        let completed_dir = wish.completed_dir.take().unwrap_or_default();
        wish.completed_dir = Some(self.resolve_aside(&completed_dir).await?);
        let prepared = self.decide_aside(prepared, wish.clone()).await?;
        self.insert(prepared, wish).await?;
        Ok(id)
    }

    /// The torrent that has one of these hashes. Memory only.
    pub fn existing(&self, hashes: &InfoHashes) -> Option<Arc<Torrent>> {
        let engine = &self.inner.engine;
        let by_v2 = || hashes.v2().and_then(|v2| engine.find(&AnyHash::Long(v2)));
        engine.get(hashes.id()).or_else(by_v2)
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

    async fn decide_aside(&self, prepared: Prepared, wish: AddWish) -> Result<Prepared> {
        let torrents = self.clone();
        let decided = tokio::task::spawn_blocking(move || torrents.decide(prepared, &wish)).await;
        decided.map_err(|_| Error::internal("adding a torrent panicked"))?
    }

    /// Applies the wish to the parsed torrent, after checking it against roots and files. Looks at
    /// the file system, so it is not for the runtime.
    fn decide(&self, mut prepared: Prepared, wish: &AddWish) -> Result<Prepared> {
        let priorities = match (&wish.selected_files, &prepared.metadata) {
            (Some(wanted), Some(metadata)) if !wanted.is_empty() => select(metadata, wanted)?,
            (Some(wanted), None) if !wanted.is_empty() => select_blindly(wanted)?,
            (_, None) if wish.only_metadata => select_blindly(&[])?,
            _ => Vec::new(),
        };
        let save_path = self.resolve(wish.destination.as_deref())?;
        if let Some(metadata) = &prepared.metadata {
            self.check_files(&save_path, metadata)?;
        }
        prepared.set_options(&AddOptions {
            save_path,
            file_priorities: priorities,
            is_paused: wish.is_stopped || wish.auto_managed,
            is_auto_managed: wish.auto_managed && !wish.is_stopped,
            trackers_only: false,
            added_at: unix_now(),
            tuning: wish.tuning.clone(),
        })?;
        Ok(prepared)
    }

    /// The torrent's own folders may not lead out of the roots or into the state (rules F1, F3).
    pub(super) fn check_files(&self, save_path: &str, metadata: &Metadata) -> Result<()> {
        let files = metadata.files.iter().filter(|file| !file.is_padding);
        let paths = files.map(|file| file.path.as_str());
        self.inner.roots.check_files(Path::new(save_path), paths)
    }

    /// Durable first, then the engine; a refusal of the engine takes the record back.
    async fn insert(&self, prepared: Prepared, wish: AddWish) -> Result<()> {
        let id = prepared.hashes.id();
        let labels = wish.labels.clone();
        let options = options_of(wish);
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
        self.inner.store.add_labelled(record, labels.clone()).await?;
        self.labels().note(id, labels);
        self.inner.options.insert(id, options);
        let added = self.inner.engine.add(prepared, &session).await;
        if added.as_ref().is_err_and(|error| error.kind() != ErrorKind::Busy) {
            self.inner.options.remove(&id);
            self.labels().forget(id);
            self.inner.store.begin_removal(id, false).await?;
            self.inner.store.finish_removal(id).await?;
        }
        added
    }
}

/// Trackers and web seeds that a caller names: of a kind that exists, and none for private torrents
/// (rule F10).
fn check_sources(prepared: &Prepared, tuning: &Tuning) -> Result<()> {
    let is_private = prepared.metadata.as_ref().is_some_and(|metadata| metadata.is_private);
    if is_private && tuning.trackers.is_some() {
        return Err(Error::forbidden("a private torrent keeps the trackers it came with"));
    }
    tuning.trackers.iter().flatten().try_for_each(|url| check_tracker(url))?;
    let seeds = tuning.web_seeds.iter().chain(&tuning.http_seeds).flatten();
    for seed in seeds {
        let parsed = url::Url::parse(seed).ok();
        if !parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(Error::invalid("a web seed begins with http:// or https://"));
        }
    }
    Ok(())
}

/// Parses aside what may take long, and at once what cannot.
pub(super) async fn parse(source: Source) -> Result<Prepared> {
    let is_small = matches!(&source, Source::File(bytes) if bytes.len() <= PARSED_AT_ONCE_BYTES);
    let work = move || match source {
        Source::Magnet(uri) => Prepared::from_magnet(&uri),
        Source::File(bytes) => Prepared::from_torrent(&bytes),
    };
    if is_small {
        return work();
    }
    match tokio::time::timeout(PARSE_LIMIT, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(_)) => Err(Error::internal("parsing a torrent panicked")),
        Err(_) => Err(Error::invalid("the torrent takes too long to parse")),
    }
}

fn options_of(wish: AddWish) -> TorrentOptions {
    TorrentOptions {
        session: wish.session.unwrap_or_default(),
        is_stopped: wish.is_stopped,
        anon_hops: wish.anon_hops,
        safe_seeding: wish.safe_seeding,
        completed_dir: wish.completed_dir.unwrap_or_default(),
        seed_ratio: wish.seed_ratio,
        only_metadata: wish.only_metadata,
        ..TorrentOptions::default()
    }
}

/// The refusal of anonymous hops until they exist: nothing may pretend (rule F12).
pub fn no_hops() -> Error {
    Error::invalid("anonymous hops are not available yet: add the torrent with anon_hops 0")
}

/// The priority of every file when only those of `wanted` are; an empty list wants all.
pub(super) fn select(metadata: &Metadata, wanted: &[u32]) -> Result<Vec<u8>> {
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
pub(super) fn select_blindly(wanted: &[u32]) -> Result<Vec<u8>> {
    let mut priorities = vec![0; FILES_MAX];
    for index in wanted {
        let slot = priorities.get_mut(*index as usize);
        *slot.ok_or_else(|| Error::invalid("index out of range"))? = WANTED;
    }
    Ok(priorities)
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
}
