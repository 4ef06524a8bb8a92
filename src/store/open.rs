//! Opening the database file: what it is, its settings, its version, the clean-stop mark.
//!
//! Until all of that is known to be right, nothing is written: a file that is refused stays as it
//! is, byte by byte (rules D4, D5).

use std::fmt;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;
use rusqlite::OptionalExtension;
use rusqlite::config::DbConfig;

use crate::store::failure;
use crate::store::load;
use crate::store::load::BadRecord;
use crate::store::load::LoadedTorrent;
use crate::store::migrations;
use crate::store::migrations::MIGRATIONS;

/// The first bytes of every SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// How long a foreign reader (an administrator's `sqlite3`) may keep us from the file.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// Why the store cannot be used. The program ends with this; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The file was written by a newer program; it is untouched (rule D5).
    Newer {
        /// The version in the file.
        found: u32,
        /// The last version this program knows.
        known: u32,
    },
    /// The file is not, or no longer, a store; the text names the file, which is untouched.
    Unreadable(String),
    /// The system refused; the text names the file.
    Io(String),
    /// No space left to mark the store as in use.
    Full,
}

/// What the database held, and the connection to it.
pub(super) struct Contents {
    pub(super) conn: Connection,
    pub(super) torrents: Vec<LoadedTorrent>,
    pub(super) bad: Vec<BadRecord>,
    pub(super) was_clean: bool,
    pub(super) same_boot: bool,
}

/// The state of the clean-stop mark before this start.
struct Mark {
    was_clean: bool,
    same_boot: bool,
}

impl OpenError {
    /// Sorts what SQLite said about the file at `path`.
    pub(super) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.display();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Io(format!("{path} is in use by another program"))
            }
            // `Unknown` is what SQLite says to a missing table or column.
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
            | None => Self::Unreadable(format!("{path} is damaged: {error}")),
            Some(_) => Self::Io(format!("cannot use {path}: {error}")),
        }
    }

    /// What the system said about the file at `path`.
    pub(super) fn from_io(path: &Path, error: &io::Error) -> Self {
        match failure::is_no_room(error) {
            true => Self::Full,
            false => Self::Io(format!("cannot use {}: {error}", path.display())),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => write!(
                f,
                "the state store has version {found}, this program knows up to {known}; \
                 use the newer program, or the backup it made"
            ),
            Self::Unreadable(message) | Self::Io(message) => f.write_str(message),
            Self::Full => f.write_str("no space left for the state store; free some and try again"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Opens or makes the database at `path`, reads all of it and marks it as in use.
///
/// # Errors
/// Every [`OpenError`].
pub(super) fn open(path: &Path, boot_id: &str) -> Result<Contents, OpenError> {
    let wrong = |error| OpenError::from_sqlite(path, &error);
    let is_new = inspect(path)?;
    let conn = connect(path)?;
    let found = migrations::version_of(&conn, path, MIGRATIONS.len() as u32)?;
    configure(&conn).map_err(wrong)?;
    if is_new {
        migrations::sync_directory(path).map_err(|error| OpenError::from_io(path, &error))?;
    }
    migrations::migrate(&conn, path, found, MIGRATIONS)?;
    let mark = read_mark(&conn, boot_id).map_err(wrong)?;
    // A killed process leaves whole pages behind; only a lost kernel or a disk can tear them.
    if !mark.was_clean && !mark.same_boot {
        verify(&conn, path)?;
    }
    let (torrents, bad) = load_and_mark(&conn, boot_id, &mark).map_err(wrong)?;
    settle(&conn).map_err(wrong)?;
    Ok(Contents { conn, torrents, bad, was_clean: mark.was_clean, same_boot: mark.same_boot })
}

/// Opens a database again that was open before, and trusts it only after a look at every page
/// (rule D9).
///
/// # Errors
/// As of [`open`].
pub(super) fn reopen(path: &Path) -> Result<Connection, OpenError> {
    let wrong = |error| OpenError::from_sqlite(path, &error);
    if inspect(path)? {
        return Err(OpenError::Unreadable(format!("{} is gone", path.display())));
    }
    let conn = connect(path)?;
    migrations::version_of(&conn, path, MIGRATIONS.len() as u32)?;
    configure(&conn).map_err(wrong)?;
    verify(&conn, path)?;
    settle(&conn).map_err(wrong)?;
    Ok(conn)
}

/// Writes the clean-stop mark; durable when it returns.
pub(super) fn mark_clean(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute("UPDATE meta SET value = 'clean' WHERE key = 'state'", []).map(drop)
}

/// Looks at the file without SQLite, which would take an empty file for an empty database and
/// throw away the log beside it. True when there is no database yet.
fn inspect(path: &Path) -> Result<bool, OpenError> {
    let io_error = |error: io::Error| OpenError::from_io(path, &error);
    let mut start = Vec::with_capacity(MAGIC.len());
    match File::open(path) {
        Ok(file) => file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(io_error)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(io_error(error)),
    };
    if start == MAGIC {
        return Ok(false);
    }
    if !start.is_empty() {
        return Err(OpenError::Unreadable(format!("{} is not a database", path.display())));
    }
    let log = migrations::beside(path, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let (path, log) = (path.display(), log.display());
        let message = format!("{path} is missing or empty while its log {log} is there");
        return Err(OpenError::Unreadable(message));
    }
    Ok(true)
}

/// A connection that changes nothing by itself, not even when it is closed.
fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let attempt = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.busy_timeout(LOCK_WAIT)?;
        // One process only, so the index of the log may live in our memory: no `-shm` file,
        // no memory map that a full disk could turn into a SIGBUS.
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        Ok(conn)
    };
    attempt().map_err(|error| OpenError::from_sqlite(path, &error))
}

/// The settings of a connection that may write.
fn configure(conn: &Connection) -> rusqlite::Result<()> {
    // The first two make a commit durable before it is acknowledged (rule D2). Checkpoints are
    // the writer's, after the answers. Temporary files would need space where there may be none.
    for (name, value) in [
        ("synchronous", "FULL"),
        ("journal_mode", "WAL"),
        ("wal_autocheckpoint", "0"),
        ("journal_size_limit", "8388608"),
        ("cache_size", "-1024"),
        ("temp_store", "MEMORY"),
    ] {
        conn.pragma_update(None, name, value)?;
    }
    conn.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Gives back the memory of a long read, and lets a close tidy up the log.
fn settle(conn: &Connection) -> rusqlite::Result<()> {
    conn.flush_prepared_statement_cache();
    conn.execute_batch("PRAGMA shrink_memory")?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

/// Looks at the structure of every page.
fn verify(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let verdict: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| OpenError::from_sqlite(path, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Unreadable(format!("{} is damaged: {verdict}", path.display())))
}

/// Anything but the exact mark counts as unclean; a new database has nothing to be in doubt of.
fn read_mark(conn: &Connection, boot_id: &str) -> rusqlite::Result<Mark> {
    let mut query = conn.prepare("SELECT value FROM meta WHERE key = ?1")?;
    let mut value = |key| query.query_row([key], |row| row.get::<_, String>(0)).optional();
    let (state, boot) = (value("state")?, value("boot_id")?);
    if state.is_none() && boot.is_none() {
        return Ok(Mark { was_clean: true, same_boot: true });
    }
    Ok(Mark {
        was_clean: state.as_deref() == Some("clean"),
        same_boot: boot.as_deref() == Some(boot_id),
    })
}

/// Reads all, moves damaged records aside and marks the store as in use, in one transaction.
fn load_and_mark(
    conn: &Connection,
    boot_id: &str,
    mark: &Mark,
) -> rusqlite::Result<(Vec<LoadedTorrent>, Vec<BadRecord>)> {
    let transaction = conn.unchecked_transaction()?;
    let loaded = load::load(&transaction, boot_id)?;
    if mark.was_clean || !mark.same_boot {
        let mut put = transaction.prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
        put.execute(["state", "running"])?;
        put.execute(["boot_id", boot_id])?;
    }
    transaction.commit()?;
    Ok(loaded)
}
