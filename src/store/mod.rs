//! What must survive: torrents, settings and counters, in one SQLite file.
//!
//! A [`Store`] is a cheap handle to the one thread that writes. Every change is awaited until it
//! is durable; changes that come together share one fsync. What was not acknowledged may be lost,
//! what was acknowledged is not (rules D1, D2). No table, column or SQL is known outside.

mod access;
mod accounts;
mod counters;
mod failure;
mod friends;
mod history;
mod integrity;
mod keeping;
mod labels;
mod load;
mod migrations;
mod open;
mod record;
mod sessions;
mod settings;
mod shares;
mod sharing;
mod swarms;
#[cfg(test)]
mod tests;
mod tokens;
mod torrents;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::access::SwarmRecord;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::labels::Labels;
use crate::domain::token::TokenId;
use crate::domain::token::TokenRecord;
use crate::domain::token::UserRecord;
use crate::store::failure::Failure;
pub use crate::store::history::HistoryRow;
pub use crate::store::integrity::AtRest;
pub use crate::store::integrity::Integrity;
pub use crate::store::keeping::NewShare;
pub use crate::store::load::BadRecord;
pub use crate::store::load::LoadedTorrent;
pub use crate::store::open::OpenError;
pub use crate::store::sessions::SessionRecord;
pub use crate::store::swarms::SwarmChange;
pub use crate::store::torrents::NewTorrent;
pub use crate::store::torrents::Removal;
pub use crate::store::torrents::ResumeRecord;
pub use crate::store::torrents::TorrentOptions;
use crate::store::writer::Message;
use crate::store::writer::QUEUE_CHANGES_MAX;
use crate::store::writer::Task;
use crate::store::writer::Writer;

/// How long a change may wait for a place in the queue.
const QUEUE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a change may wait for the disk once it is in the queue.
const COMMIT_DEADLINE: Duration = Duration::from_secs(60);

/// The handle to the open store; clones share the one thread. When the last one is dropped without
/// [`Store::close`], the file is closed without the clean-stop mark.
///
/// Every change returns once it is durable. Besides the errors named at each function, all of
/// them fail with `StorageFull` when the disk is full (rule D7: nothing is half done, and smaller
/// changes may still succeed), `Internal` when the disk failed (rule D9) or the store is closed,
/// and `Busy` when it did not come to the change in time (10 s) or the disk did not answer (60 s;
/// the change may then still be made). They wait with tokio's timer.
#[derive(Clone, Debug)]
pub struct Store {
    queue: mpsc::Sender<Message>,
    boot_id: Arc<str>,
}

/// The open store and all that it held.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// All whole torrents, in the order of adding.
    pub torrents: Vec<LoadedTorrent>,
    /// Damaged records, kept aside. Torrents are told at every start until they are removed or
    /// added again; settings and counters once.
    pub bad: Vec<BadRecord>,
    /// The last process stopped in order (also true when there was none).
    pub was_clean: bool,
    /// The last process ran since the machine was last started.
    pub same_boot: bool,
}

impl Store {
    /// Opens the database at `path`, or makes it, reads it all and marks it as in use. Blocks.
    ///
    /// `boot_id` names the present run of the machine's kernel.
    ///
    /// # Errors
    /// Every [`OpenError`].
    pub fn open(path: &Path, boot_id: &str) -> std::result::Result<Opened, OpenError> {
        let contents = open::open(path, boot_id)?;
        let (queue, receiver) = mpsc::channel(QUEUE_CHANGES_MAX);
        let writer = Writer::new(path.to_owned(), contents.conn);
        thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run(receiver))
            .map_err(|error| OpenError::Io(format!("cannot start a thread: {error}")))?;
        Ok(Opened {
            store: Self { queue, boot_id: boot_id.into() },
            torrents: contents.torrents,
            bad: contents.bad,
            was_clean: contents.was_clean,
            same_boot: contents.same_boot,
        })
    }

    /// Keeps a new torrent.
    ///
    /// # Errors
    /// `Conflict` when a torrent of this id is there, be it on its way out.
    pub async fn add_torrent(&self, torrent: NewTorrent) -> Result<()> {
        let size = torrent.resume.len() + torrent.metadata_file.as_ref().map_or(0, Vec::len);
        let boot_id = self.boot_id.clone();
        self.change(size, move |conn| torrents::add(conn, &boot_id, &torrent)).await
    }

    /// As [`Store::add_torrent`], with labels; both or neither.
    ///
    /// # Errors
    /// `Conflict` when a torrent of this id is there, be it on its way out.
    pub async fn add_labelled(&self, torrent: NewTorrent, labels: Labels) -> Result<()> {
        let file_bytes = torrent.metadata_file.as_ref().map_or(0, Vec::len);
        let size = torrent.resume.len() + file_bytes + labels.metadata.len();
        let boot_id = self.boot_id.clone();
        let make = move |conn: &Connection| {
            torrents::add(conn, &boot_id, &torrent)?;
            labels::put(conn, torrent.id, &labels)
        };
        self.change(size, make).await
    }

    /// Replaces the labels of a torrent.
    ///
    /// # Errors
    /// `NotFound` when the torrent is gone.
    pub async fn set_labels(&self, id: TorrentId, labels: Labels) -> Result<()> {
        self.change(labels.metadata.len(), move |conn| labels::put(conn, id, &labels)).await
    }

    /// The labels of all torrents that have some.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn labels(&self) -> Result<Vec<(TorrentId, Labels)>> {
        self.change(0, labels::all).await
    }

    /// Replaces a torrent's resume data, name and save path; the metadata is added once. Does
    /// nothing when the torrent is gone or being removed.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn save_resume(&self, record: ResumeRecord) -> Result<()> {
        let size = record.resume.len() + record.metadata_file.as_ref().map_or(0, Vec::len);
        let boot_id = self.boot_id.clone();
        self.change(size, move |conn| torrents::save_resume(conn, &boot_id, &record)).await
    }

    /// Changes what the user wishes for a torrent. `change` finds it as the changes before left it,
    /// and may be called again.
    ///
    /// # Errors
    /// `NotFound` when the torrent is gone.
    pub async fn change_options(
        &self,
        id: TorrentId,
        change: impl Fn(&mut TorrentOptions) + Send + 'static,
    ) -> Result<()> {
        self.change(0, move |conn| torrents::change_options(conn, id, &change)).await
    }

    /// Notes that a torrent has to go, with its files if `remove_data`; from here on it comes
    /// back only to be removed (rule D19). May be repeated, the last wish counts.
    ///
    /// # Errors
    /// `NotFound` when the torrent is gone.
    pub async fn begin_removal(&self, id: TorrentId, remove_data: bool) -> Result<()> {
        let removal = if remove_data { Removal::WithData } else { Removal::KeepData };
        self.change(0, move |conn| torrents::begin_removal(conn, id, removal)).await
    }

    /// Forgets a torrent; succeeds as well when it is forgotten already.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn finish_removal(&self, id: TorrentId) -> Result<()> {
        self.change(0, move |conn| torrents::finish_removal(conn, id)).await
    }

    /// The `.torrent` file of a torrent; `None` while the metadata is unknown, or when it is gone.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when the record is damaged.
    pub async fn metadata_file(&self, id: TorrentId) -> Result<Option<Vec<u8>>> {
        self.change(0, move |conn| torrents::metadata_file(conn, id)).await
    }

    /// Sets a setting, or forgets it when `value` is `None`.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn set_setting(&self, key: &str, value: Option<&str>) -> Result<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.change(0, move |conn| settings::set(conn, &key, value.as_deref())).await
    }

    /// Sets settings, or forgets those whose value is `None`: all of them or none.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn set_settings(&self, values: Vec<(String, Option<String>)>) -> Result<()> {
        let size =
            values.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, String::len));
        let size = size.sum();
        self.change(size, move |conn| {
            values.iter().try_for_each(|(key, value)| settings::set(conn, key, value.as_deref()))
        })
        .await
    }

    /// All settings, in the order of their keys.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn settings(&self) -> Result<Vec<(String, String)>> {
        self.change(0, settings::all).await
    }

    /// Whether the thread that writes is there and comes to its work within `limit` (rule T9). A
    /// full disk is no reason to say no.
    pub async fn is_alive(&self, limit: Duration) -> bool {
        let looked = timeout(limit, self.change(0, |conn| settings::get(conn, ""))).await;
        looked.is_ok_and(|looked| match looked {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::StorageFull,
        })
    }

    /// The value of a setting; `None` when it was never set.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.change(0, move |conn| settings::get(conn, &key)).await
    }

    /// SQLite's version, and the sources it was made of.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn library_versions(&self) -> Result<[String; 2]> {
        self.change(0, settings::library_versions).await
    }

    /// Adds to a counter, which starts at 0.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn add_counter(&self, name: &str, delta: i64) -> Result<()> {
        let name = name.to_owned();
        self.change(0, move |conn| counters::add(conn, &name, delta)).await
    }

    /// All counters, by name.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn counters(&self) -> Result<Vec<(String, i64)>> {
        self.change(0, counters::all).await
    }

    /// Changes what is kept of swarms, all of it or none; returns what was kept of each before.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn change_swarms(
        &self,
        changes: Vec<(TorrentId, SwarmChange)>,
    ) -> Result<Vec<SwarmRecord>> {
        self.change(changes.len() * 64, move |conn| {
            changes.iter().map(|(hash, change)| swarms::change(conn, *hash, *change)).collect()
        })
        .await
    }

    /// How large the database is, in bytes.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn size_bytes(&self) -> Result<u64> {
        self.change(0, counters::size_bytes).await
    }

    /// Everything that is kept of swarms.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn swarms(&self) -> Result<Vec<SwarmRecord>> {
        self.change(0, swarms::all).await
    }

    /// Keeps a key.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn put_key(&self, record: KeyRecord) -> Result<()> {
        self.change(0, move |conn| access::put_key(conn, &record)).await
    }

    /// Forgets a key; tells whether it was there.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn remove_key(&self, key: AccessKey) -> Result<bool> {
        self.change(0, move |conn| access::remove_key(conn, &key)).await
    }

    /// All keys.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>> {
        self.change(0, access::keys).await
    }

    /// Keeps a new token of the API.
    ///
    /// # Errors
    /// `Conflict` when another one has its name.
    pub async fn add_token(&self, record: TokenRecord) -> Result<()> {
        self.change(0, move |conn| tokens::add(conn, &record)).await
    }

    /// Forgets a token of the API; tells whether it was there.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn remove_token(&self, id: TokenId) -> Result<bool> {
        self.change(0, move |conn| tokens::remove(conn, id)).await
    }

    /// All tokens of the API.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        self.change(0, tokens::all).await
    }

    /// Keeps the first user, and with it `setting` unless that has a value already; returns the
    /// value it has from here on.
    ///
    /// # Errors
    /// `Conflict` when there is a user.
    pub async fn add_first_user(&self, user: UserRecord, setting: (&str, &str)) -> Result<String> {
        let (key, value) = (setting.0.to_owned(), setting.1.to_owned());
        self.change(0, move |conn| tokens::add_first_user(conn, &user, (&key, &value))).await
    }

    /// All users.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn users(&self) -> Result<Vec<UserRecord>> {
        self.change(0, tokens::users).await
    }

    /// Keeps a row of statistics, and forgets those of its span that began before `oldest_at`.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn put_history(&self, row: HistoryRow, oldest_at: i64) -> Result<()> {
        self.change(0, move |conn| history::put(conn, &row, oldest_at)).await
    }

    /// The statistics of a span that began at `since` or later, oldest first.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn history(&self, span_s: u32, since: i64) -> Result<Vec<HistoryRow>> {
        self.change(0, move |conn| history::since(conn, span_s, since)).await
    }

    /// Makes all changes that were asked for before, then closes the file. With `clean` it leaves
    /// the mark that lets the next start trust every record; save resume data of fsynced payload
    /// first. Changes that come later fail.
    ///
    /// # Errors
    /// Those of every change; the mark is then not there.
    pub async fn close(&self, clean: bool) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Close { is_clean: clean, reply }).await?;
        wait(answer).await
    }

    /// Has the thread run `make` in a transaction, and waits until that is durable.
    async fn change<T, F>(&self, size_bytes: usize, make: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> std::result::Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Change(Box::new(Change { make, made: None, reply, size_bytes })))
            .await?;
        wait(answer).await
    }

    async fn send(&self, message: Message) -> Result<()> {
        match timeout(QUEUE_DEADLINE, self.queue.send(message)).await {
            Ok(sent) => sent.map_err(|_| closed()),
            Err(_) => Err(Error::busy("the state store has too much to do; try again later")),
        }
    }
}

async fn wait<T>(answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    match timeout(COMMIT_DEADLINE, answer).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err(closed())),
        Err(_) => Err(Error::busy("the disk of the state store does not answer")),
    }
}

fn closed() -> Error {
    Error::internal("the state store is closed")
}

/// A change on its way: what to do, what came of it, and who waits.
struct Change<T, F> {
    make: F,
    made: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    size_bytes: usize,
}

impl<T, F> Task for Change<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> std::result::Result<T, Failure> + Send,
{
    fn make(&mut self, conn: &Connection) -> std::result::Result<(), Failure> {
        let made = (self.make)(conn);
        let (made, verdict) = match made {
            Ok(value) => (Ok(value), Ok(())),
            Err(failure) => (Err(failure.to_error()), Err(failure)),
        };
        self.made = Some(made);
        verdict
    }

    fn answer(self: Box<Self>, batch: Result<()>) {
        let made = self.made.unwrap_or_else(|| Err(closed()));
        // Whoever asked may have gone; the change is made all the same.
        drop(self.reply.send(batch.and(made)));
    }

    fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}
