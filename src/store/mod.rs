//! What must survive, in one SQLite file: torrents, resume data, settings, counters.
//!
//! One thread writes. Whatever waits is committed together, with `synchronous=FULL`, and answered
//! after the commit: an acknowledged change is durable (rule D2). Reads happen at start; later
//! everybody reads memory.

mod open;
mod record;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::Sha256Hash;
use crate::domain::hash::TorrentId;
use crate::store::writer::Job;
use crate::store::writer::Request;

/// Changes that may wait for the writer; past it callers are told Busy.
const QUEUE_CHANGES_MAX: usize = 4096;

/// The handle everybody clones.
#[derive(Clone)]
pub struct Store {
    queue: SyncSender<Request>,
}

/// A store at the start of the program.
pub struct Opened {
    /// The handle for everything later.
    pub store: Store,
    /// Every torrent, oldest first.
    pub torrents: Vec<LoadedTorrent>,
    /// Records that were damaged, now or at an earlier start; kept aside (rule D4).
    pub bad: Vec<BadRecord>,
    /// Whether the last process closed the store.
    pub was_clean: bool,
    /// Whether the machine has been up since the last start.
    pub same_boot: bool,
}

/// What the user chose for a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorrentOptions {
    /// The engine session it lives in.
    pub session: String,
    /// Whether the user stopped it.
    pub is_stopped: bool,
    /// Relays between us and its peers.
    pub anon_hops: u32,
    /// Whether it is to be seeded through relays.
    pub safe_seeding: bool,
    /// Where it should move when complete; empty = stay.
    pub completed_dir: String,
    /// Whether it was made on this machine.
    pub made_here: bool,
}

/// A torrent that is new to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTorrent {
    /// Its name.
    pub id: TorrentId,
    /// Its v2 hash.
    pub v2: Option<Sha256Hash>,
    /// Display name.
    pub name: String,
    /// Where its files are.
    pub save_path: String,
    /// Bencoded resume data, without the info dictionary.
    pub resume: Vec<u8>,
    /// The .torrent file; `None` until the metadata is known.
    pub metadata_file: Option<Vec<u8>>,
    /// Unix seconds.
    pub added_at: i64,
    /// What the user chose.
    pub options: TorrentOptions,
}

/// A torrent's progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRecord {
    /// Its name.
    pub id: TorrentId,
    /// Bencoded resume data, without the info dictionary.
    pub resume: Vec<u8>,
    /// The .torrent file, once, when the metadata arrived; `None` keeps what is there.
    pub metadata_file: Option<Vec<u8>>,
    /// Display name.
    pub name: String,
    /// Where its files are.
    pub save_path: String,
    /// Whether all pieces that `resume` claims were synced to the disk (rule D3).
    pub payload_synced: bool,
    /// How many pieces `resume` claims.
    pub claimed_pieces: u32,
}

/// Whether a torrent is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It stays.
    Not,
    /// It goes, its files stay.
    KeepData,
    /// It goes with its files.
    WithData,
}

/// A torrent as the store had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedTorrent {
    /// Its name.
    pub id: TorrentId,
    /// Its v2 hash.
    pub v2: Option<Sha256Hash>,
    /// Display name.
    pub name: String,
    /// Where its files are.
    pub save_path: String,
    /// Bencoded resume data, without the info dictionary.
    pub resume: Vec<u8>,
    /// The .torrent file, when the metadata is known.
    pub metadata_file: Option<Vec<u8>>,
    /// Unix seconds.
    pub added_at: i64,
    /// What the user chose.
    pub options: TorrentOptions,
    /// Whether its removal was begun and not finished (rule D19).
    pub removal: Removal,
    /// Whether all claimed pieces were synced (rule D3).
    pub payload_synced: bool,
    /// How many pieces are claimed.
    pub claimed_pieces: u32,
}

/// A record that could not be read; its bytes are in the table `bad_records`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Its torrent, 40 hex digits.
    pub id_text: String,
    /// What is wrong.
    pub reason: String,
    /// Display name, if that part was readable.
    pub name: String,
    /// Where its files are, if that part was readable.
    pub save_path: String,
}

/// Why the store cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// A newer version of this program wrote it; untouched.
    Newer {
        /// Its schema version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// It is no database or damaged as a whole; untouched. Names the file.
    Unreadable(String),
    /// The system refused.
    Io(String),
    /// No space left to open it.
    Full,
}

impl Store {
    /// Opens the file, migrating or creating it, loads everything and starts the writer.
    ///
    /// `boot_id` is what the kernel calls this run of the machine. From here on the store counts
    /// as not cleanly closed, until [`Store::close`].
    ///
    /// # Errors
    /// [`OpenError`]; the file is untouched then.
    pub fn open(path: &Path, boot_id: &str) -> std::result::Result<Opened, OpenError> {
        let loaded = open::open(path, boot_id)?;
        let queue = writer::start(loaded.connection, path, QUEUE_CHANGES_MAX)
            .map_err(|error| OpenError::Io(error.to_string()))?;
        Ok(Opened {
            store: Self { queue },
            torrents: loaded.torrents,
            bad: loaded.bad,
            was_clean: loaded.was_clean,
            same_boot: loaded.same_boot,
        })
    }

    /// Adds a torrent.
    ///
    /// # Errors
    /// Conflict, when it is there; `StorageFull`; Internal.
    pub async fn add_torrent(&self, torrent: NewTorrent) -> Result<()> {
        self.change(move |work| rows::add_torrent(work, &torrent)).await
    }

    /// Keeps a torrent's progress; nothing happens when the torrent is gone or going.
    ///
    /// # Errors
    /// `StorageFull`; Internal.
    pub async fn save_resume(&self, record: ResumeRecord) -> Result<()> {
        self.change(move |work| rows::save_resume(work, &record)).await
    }

    /// Keeps what the user chose for a torrent.
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`; Internal.
    pub async fn save_options(&self, id: TorrentId, options: TorrentOptions) -> Result<()> {
        self.change(move |work| rows::save_options(work, id, &options)).await
    }

    /// Notes that a torrent is to go, before anything of it is touched (rule D19). Fine for a
    /// torrent of which only a damaged record is kept.
    ///
    /// # Errors
    /// `StorageFull`; Internal.
    pub async fn begin_removal(&self, id: TorrentId, remove_data: bool) -> Result<()> {
        let removal = if remove_data { Removal::WithData } else { Removal::KeepData };
        self.change(move |work| rows::begin_removal(work, id, removal)).await
    }

    /// Forgets a torrent; nothing happens when it is gone.
    ///
    /// # Errors
    /// `StorageFull`; Internal.
    pub async fn finish_removal(&self, id: TorrentId) -> Result<()> {
        self.change(move |work| rows::finish_removal(work, id)).await
    }

    /// The .torrent file; `None` while the metadata is unknown, or for an unknown torrent.
    ///
    /// # Errors
    /// Internal, also when the record is damaged.
    pub async fn metadata_file(&self, id: TorrentId) -> Result<Option<Vec<u8>>> {
        self.change(move |work| rows::metadata_file(work, id)).await
    }

    /// Keeps a setting; `None` forgets it.
    ///
    /// # Errors
    /// `StorageFull`; Internal.
    pub async fn set_setting(&self, key: &str, value: Option<&str>) -> Result<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.change(move |work| rows::set_setting(work, &key, value.as_deref())).await
    }

    /// A setting that was kept.
    ///
    /// # Errors
    /// Internal.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.change(move |work| rows::setting(work, &key)).await
    }

    /// Adds `delta` to a counter, which begins at 0.
    ///
    /// # Errors
    /// `StorageFull`; Internal.
    pub async fn add_counter(&self, name: &str, delta: i64) -> Result<()> {
        let name = name.to_owned();
        self.change(move |work| rows::add_counter(work, &name, delta)).await
    }

    /// Every counter, by name.
    ///
    /// # Errors
    /// Internal.
    pub async fn counters(&self) -> Result<Vec<(String, i64)>> {
        self.change(rows::counters).await
    }

    /// Commits what waits, notes whether the end was clean, and stops the writer.
    ///
    /// # Errors
    /// `StorageFull`; Internal.
    pub async fn close(&self, clean: bool) -> Result<()> {
        self.change(move |work| rows::mark_closed(work, clean)).await?;
        let (ended, end) = oneshot::channel();
        self.queue.try_send(Request::Stop(ended)).map_err(refused)?;
        end.await.map_err(|_| closed())
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (job, answer) = Job::new(change);
        self.queue.try_send(Request::Change(job)).map_err(refused)?;
        answer.await.map_err(|_| closed())?
    }
}

fn refused(error: TrySendError<Request>) -> Error {
    match error {
        TrySendError::Full(_) => Error::busy("the store is behind; try again"),
        TrySendError::Disconnected(_) => closed(),
    }
}

fn closed() -> Error {
    Error::busy("the store is closed")
}

impl Default for TorrentOptions {
    fn default() -> Self {
        Self {
            session: "default".into(),
            is_stopped: false,
            anon_hops: 0,
            safe_seeding: false,
            completed_dir: String::new(),
            made_here: false,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => write!(
                f,
                "the store has schema version {found} and this program knows up to {known}: \
                 use the newer program that wrote it"
            ),
            Self::Unreadable(why) => write!(f, "the store cannot be read: {why}"),
            Self::Io(why) => write!(f, "the store cannot be opened: {why}"),
            Self::Full => f.write_str("the store cannot be opened: no space left on the device"),
        }
    }
}

impl std::error::Error for OpenError {}
