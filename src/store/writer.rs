//! The thread `store`: the only one that talks to SQLite while the program runs.
//!
//! It takes one change, then all others that wait, makes them in one transaction with a savepoint
//! each, commits once and answers everybody (group commit, rule D2). What it does when the disk
//! says no is the larger part of this file (rules D7, D9).

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::store::failure::Failure;
use crate::store::failure::Reach;
use crate::store::failure::is_no_room;
use crate::store::open;

/// Changes that may wait for the thread.
pub(super) const QUEUE_CHANGES_MAX: usize = 1024;

/// Changes in one transaction.
const BATCH_CHANGES_MAX: usize = 256;

/// Bytes of changes after which a transaction takes no further one; keeps the log small.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Pages of 4 KiB in the log after which it is copied into the database.
const CHECKPOINT_PAGES: i64 = 1000;

/// The first and the longest pause after the disk failed repeatedly (rule D8).
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Must change a value: SQLite writes no page for an update that leaves all as it was.
const COUNT_RENEWAL: &str = "INSERT INTO meta VALUES ('renewals', 1)
    ON CONFLICT (key) DO UPDATE SET value = value + 1";

/// One change with its way back to whoever asked for it.
pub(super) trait Task: Send {
    /// Makes the change inside an open transaction; may be called again after a rollback.
    fn make(&mut self, conn: &Connection) -> std::result::Result<(), Failure>;

    /// Tells the outcome: the task's own after a commit, else why nothing was committed.
    fn answer(self: Box<Self>, batch: Result<()>);

    /// Roughly how much the change writes.
    fn size_bytes(&self) -> usize;
}

/// What the handles send.
pub(super) enum Message {
    /// Make this change.
    Change(Box<dyn Task>),
    /// Make what came before, and stop.
    Close {
        /// Leave the clean-stop mark.
        is_clean: bool,
        /// Told when the file is closed.
        reply: oneshot::Sender<Result<()>>,
    },
}

/// The state of the thread.
pub(super) struct Writer {
    path: PathBuf,
    /// `None` after the database could not be opened again.
    conn: Option<Connection>,
    trouble: Option<Trouble>,
}

/// The disk failed, and no commit has succeeded since.
struct Trouble {
    failures: u32,
    retry_at: Instant,
    /// The database was opened again and found whole.
    is_verified: bool,
}

impl Writer {
    /// Takes over the connection to the database at `path`.
    pub(super) fn new(path: PathBuf, conn: Connection) -> Self {
        Self { path, conn: Some(conn), trouble: None }
    }

    /// Works until it is told to stop, or all handles are gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        while let Some(message) = queue.blocking_recv() {
            let (batch, close) = gather(message, &mut queue);
            self.settle(batch);
            if let Some((is_clean, reply)) = close {
                drop(reply.send(self.close(is_clean)));
                return;
            }
            self.checkpoint_if_due();
        }
    }

    /// Commits the batch and answers everybody in it.
    fn settle(&mut self, mut batch: Vec<Box<dyn Task>>) {
        if batch.is_empty() {
            return;
        }
        match self.commit(&mut batch) {
            // One large change must not keep out small ones, such as the removal of a torrent.
            Err(failure) if failure.reach() == Reach::Full && batch.len() > 1 => {
                for task in batch {
                    self.settle(vec![task]);
                }
            }
            outcome => {
                let outcome = outcome.map_err(|failure| failure.to_error());
                for task in batch {
                    task.answer(outcome.clone());
                }
            }
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Task>]) -> std::result::Result<(), Failure> {
        self.overcome_trouble()?;
        let conn = self.conn.as_ref().ok_or_else(|| Error::internal("the store is closed"))?;
        let is_full = || is_full_beside(&self.path);
        let outcome = transact(conn, batch).map_err(|failure| failure.explained(is_full));
        match &outcome {
            Ok(()) => self.trouble = None,
            Err(failure) if failure.reach() == Reach::Device => self.distrust(failure),
            Err(_) => {}
        }
        outcome
    }

    /// After the disk failed, what was written and not confirmed is lost: the database is opened
    /// again and verified at once. From the second failure in a row on that has to wait.
    fn distrust(&mut self, failure: &Failure) {
        tracing::error!(file = %self.path.display(), ?failure, "the state store failed to write");
        self.count_failure();
        if self.trouble.as_ref().is_some_and(|trouble| trouble.failures == 1) {
            drop(self.overcome_trouble());
        }
    }

    fn count_failure(&mut self) {
        let failures = self.trouble.as_ref().map_or(1, |trouble| trouble.failures + 1);
        let retry_at = Instant::now() + back_off(failures);
        self.trouble = Some(Trouble { failures, retry_at, is_verified: false });
    }

    /// Passes when the database may be used.
    fn overcome_trouble(&mut self) -> Result<()> {
        let Some(trouble) = &self.trouble else {
            return Ok(());
        };
        if trouble.is_verified {
            return Ok(());
        }
        let pause = trouble.retry_at.saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            let message = "the disk of the state store failed; the next try is in";
            return Err(Error::internal(format!("{message} {} s", pause.as_secs() + 1)));
        }
        if let Err(error) = self.renew() {
            tracing::error!(file = %self.path.display(), %error, "the state store is unusable");
            self.count_failure();
            return Err(error);
        }
        tracing::warn!(file = %self.path.display(), "the state store is verified again");
        self.trouble = self.trouble.take().map(|trouble| Trouble { is_verified: true, ..trouble });
        Ok(())
    }

    /// Opens the database again and verifies it.
    ///
    /// A commit that failed in its fsync has left frames in the log that a new connection would
    /// take for committed, though their change was reported as failed. The old connection knows
    /// better: its next commit goes over them.
    fn renew(&mut self) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::internal(format!("the state store cannot be used: {error}"))
        };
        if let Some(conn) = &self.conn {
            conn.execute(COUNT_RENEWAL, []).map_err(|error| failed(&error))?;
        }
        self.conn = None;
        self.conn = Some(open::reopen(&self.path).map_err(|error| failed(&error))?);
        Ok(())
    }

    /// Copies a long log into the database, when nobody waits for the answer any more.
    fn checkpoint_if_due(&mut self) {
        let Some(conn) = &self.conn else { return };
        if let Err(error) = checkpoint_if_long(conn) {
            let failure = Failure::from(error).explained(|| is_full_beside(&self.path));
            match failure.reach() {
                Reach::Device => self.distrust(&failure),
                // The log keeps everything until there is space for it in the database.
                _ => tracing::debug!(?failure, "the log of the state store stays long"),
            }
        }
    }

    fn close(&mut self, is_clean: bool) -> Result<()> {
        self.overcome_trouble()?;
        let Some(conn) = self.conn.take() else {
            return Ok(());
        };
        if is_clean {
            open::mark_clean(&conn).map_err(|error| Failure::from(error).to_error())?;
        }
        conn.close().map_err(|(_, error)| Failure::from(error).to_error())
    }
}

/// How long to leave the disk alone after that many failures in a row.
fn back_off(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        _ => BACK_OFF.1.min(BACK_OFF.0 * 2u32.pow((failures - 2).min(6))),
    }
}

type Closing = Option<(bool, oneshot::Sender<Result<()>>)>;

/// `first` and what waits behind it, up to the limits of one transaction.
fn gather(first: Message, queue: &mut mpsc::Receiver<Message>) -> (Vec<Box<dyn Task>>, Closing) {
    let (mut batch, mut size_bytes) = (Vec::new(), 0);
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Close { is_clean, reply } => return (batch, Some((is_clean, reply))),
            Message::Change(task) => {
                size_bytes += task.size_bytes();
                batch.push(task);
            }
        }
        let has_room = batch.len() < BATCH_CHANGES_MAX && size_bytes < BATCH_BYTES_MAX;
        next = if has_room { queue.try_recv().ok() } else { None };
    }
    (batch, None)
}

/// Makes all changes in one transaction; a refused one leaves no trace and spares the others.
fn transact(conn: &Connection, batch: &mut [Box<dyn Task>]) -> std::result::Result<(), Failure> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let made = batch.iter_mut().try_for_each(|task| make_one(conn, task.as_mut()));
    let outcome = made.and_then(|()| Ok(conn.execute_batch("COMMIT")?));
    if outcome.is_err() && !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    outcome
}

fn make_one(conn: &Connection, task: &mut dyn Task) -> std::result::Result<(), Failure> {
    conn.execute_batch("SAVEPOINT change")?;
    match task.make(conn) {
        Ok(()) => Ok(conn.execute_batch("RELEASE change")?),
        // SQLite may answer a full disk by ending the whole transaction.
        Err(failure) if failure.reach() == Reach::Device || conn.is_autocommit() => Err(failure),
        Err(_) => Ok(conn.execute_batch("ROLLBACK TO change; RELEASE change")?),
    }
}

/// Whether nothing more may be written where `path` is: tried, since a quota cannot be asked for.
fn is_full_beside(path: &Path) -> bool {
    let probe = path.with_extension("probe");
    let outcome = fs::write(&probe, [0; 4096]);
    // Left behind it would only be written over by the next one.
    let _ = fs::remove_file(&probe);
    outcome.is_err_and(|error| is_no_room(&error))
}

fn checkpoint_if_long(conn: &Connection) -> rusqlite::Result<()> {
    let pages = |row: &rusqlite::Row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
    let waiting = conn.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], pages)?;
    if waiting > CHECKPOINT_PAGES {
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], pages)?;
    }
    Ok(())
}
