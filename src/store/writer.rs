//! The writer thread: takes what waits, commits it in one transaction, then answers.
//!
//! Each change has a savepoint of its own, so a refused one leaves its neighbours alone. When the
//! commit fails, all of the batch failed, and the database is opened anew before the next one: a
//! sync that failed is never retried as if it could succeed (rule D9).

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;

use rusqlite::Connection;
use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::store::open;

/// Changes in one commit; more would make the first wait long.
const BATCH_CHANGES_MAX: usize = 256;

/// A change that waits, with the way to answer it.
pub(crate) struct Job {
    run: Box<dyn FnOnce(&Connection) -> Answer + Send>,
}

/// Sends the outcome, given whether the commit succeeded.
type Answer = (bool, Finish);

/// What the thread is told.
pub(crate) enum Request {
    Change(Job),
    Stop(oneshot::Sender<()>),
}

impl Job {
    /// A job that answers with what `change` returns, once that is durable.
    pub(crate) fn new<T: Send + 'static>(
        change: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        let run = move |connection: &Connection| -> Answer {
            let outcome = change(connection);
            let is_fine = outcome.is_ok();
            let finish = move |committed: Result<()>| {
                let _ = reply.send(match committed {
                    Ok(()) => outcome,
                    // A refusal stays what it was; only what would be durable now is not.
                    Err(error) => outcome.and(Err(error)),
                });
            };
            (is_fine, Box::new(finish))
        };
        (Self { run: Box::new(run) }, answer)
    }
}

/// Starts the thread; it ends when told to, or when the last handle is gone.
pub(crate) fn start(
    connection: Connection,
    path: &Path,
    queue_max: usize,
) -> io::Result<SyncSender<Request>> {
    let (queue, inbox) = sync_channel(queue_max);
    let mut writer = Writer { connection: Some(connection), path: path.to_owned() };
    std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&inbox))?;
    Ok(queue)
}

struct Writer {
    /// `None` after a failed commit, until it could be opened anew.
    connection: Option<Connection>,
    path: PathBuf,
}

impl Writer {
    fn run(&mut self, inbox: &Receiver<Request>) {
        while let Ok(first) = inbox.recv() {
            let mut batch = Vec::new();
            let mut stop = None;
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Change(job) => batch.push(job),
                    Request::Stop(ended) => stop = Some(ended),
                }
                let is_full = batch.len() >= BATCH_CHANGES_MAX || stop.is_some();
                next = if is_full { None } else { inbox.try_recv().ok() };
            }
            if !batch.is_empty() {
                self.commit(batch);
            }
            if let Some(ended) = stop {
                self.connection = None;
                let _ = ended.send(());
                return;
            }
        }
    }

    fn commit(&mut self, batch: Vec<Job>) {
        let outcome = self.connection().and_then(|connection| run_all(connection, batch));
        let (answers, committed) = match outcome {
            Ok(done) => done,
            Err(error) => return tracing::error!(%error, "the store cannot be used"),
        };
        if let Err(error) = &committed {
            tracing::error!(%error, "a commit failed; opening the store anew");
            self.connection = None;
        }
        for finish in answers {
            finish(committed.clone());
        }
    }

    fn connection(&mut self) -> Result<&Connection> {
        if self.connection.is_none() {
            let opened = open::reopen(&self.path).map_err(|error| failed(&error))?;
            self.connection = Some(opened);
        }
        self.connection.as_ref().ok_or_else(|| Error::internal("the store is not open"))
    }
}

type Finish = Box<dyn FnOnce(Result<()>) + Send>;
type Done = (Vec<Finish>, Result<()>);

fn run_all(connection: &Connection, batch: Vec<Job>) -> Result<Done> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let mut answers = Vec::with_capacity(batch.len());
    for job in batch {
        if let Some(finish) = run_one(connection, job) {
            answers.push(finish);
        }
        // A full disk makes SQLite roll the whole transaction back by itself: everything before
        // it is undone and says so, what follows gets a transaction of its own.
        if connection.is_autocommit() {
            let undone =
                Error::new(ErrorKind::StorageFull, "no space left for the program's state");
            answers.drain(..).for_each(|finish: Finish| finish(Err(undone.clone())));
            execute(connection, "BEGIN IMMEDIATE")?;
        }
    }
    let committed = execute(connection, "COMMIT");
    if committed.is_err() {
        let _ = execute(connection, "ROLLBACK");
    }
    Ok((answers, committed))
}

/// Runs one change in its savepoint; `None` when it is answered already.
fn run_one(connection: &Connection, job: Job) -> Option<Finish> {
    let begun = execute(connection, "SAVEPOINT job");
    let (is_fine, finish) = (job.run)(connection);
    let end = if is_fine { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    match begun.and_then(|()| execute(connection, end)) {
        Ok(()) => Some(finish),
        Err(error) => {
            finish(Err(error));
            None
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|error| failed(&error))
}

/// SQLite's failure as ours: a full disk has a kind of its own (rule D7).
pub(crate) fn failed(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::new(
            ErrorKind::StorageFull,
            "no space left for the program's state; free some and try again",
        ),
        _ => Error::internal(format!("the store failed: {error}")),
    }
}
