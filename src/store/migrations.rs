//! The forms the database had and the way from each to the next, by SQLite's `user_version`.

use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::MAIN_DB;
use rusqlite::backup::Progress;

use crate::store::open::OpenError;

/// What turns version N into N + 1; never changed once released, only appended to.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_tracker.sql"),
    include_str!("migrations/0003_tokens.sql"),
    include_str!("migrations/0004_labels.sql"),
    include_str!("migrations/0005_shares.sql"),
    include_str!("migrations/0006_accounts.sql"),
    include_str!("migrations/0007_keep.sql"),
    include_str!("migrations/0008_wishes.sql"),
    include_str!("migrations/0009_sessions.sql"),
    include_str!("migrations/0010_moves.sql"),
];

/// Marks the file as a store of this program: "Cove" in ASCII (rule D5).
const APPLICATION_ID: i32 = 0x436f_7665;

/// The version of the database; 0 for one without tables. Changes nothing.
///
/// # Errors
/// `Newer` than `known`; `Unreadable` for a database of another program.
pub(super) fn version_of(conn: &Connection, path: &Path, known: u32) -> Result<u32, OpenError> {
    let wrong = |error| OpenError::from_sqlite(path, &error);
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(wrong);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let found = number("PRAGMA user_version")?;
    if tables == 0 && found == 0 {
        return Ok(0);
    }
    let is_ours = number("PRAGMA application_id")? == APPLICATION_ID;
    match u32::try_from(found) {
        Ok(found) if is_ours && found > known => Err(OpenError::Newer { found, known }),
        Ok(found) if is_ours && found > 0 && tables > 0 => Ok(found),
        _ => {
            let message = format!("{} is a database but not one of cove", path.display());
            Err(OpenError::Unreadable(message))
        }
    }
}

/// Brings the database from version `found` to the last of `migrations`, all or nothing. A
/// database with something in it is copied first.
///
/// # Errors
/// As of [`OpenError`]; the database is then as it was.
pub(super) fn migrate(
    conn: &Connection,
    path: &Path,
    found: u32,
    migrations: &[&str],
) -> Result<(), OpenError> {
    let steps = migrations.get(found as usize..).unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    if found > 0 {
        back_up(conn, path, found)?;
    }
    let apply = || -> rusqlite::Result<()> {
        let transaction = conn.unchecked_transaction()?;
        for step in steps {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", migrations.len() as u32)?;
        transaction.commit()
    };
    apply().map_err(|error| OpenError::from_sqlite(path, &error))
}

/// Where the copy of version `version` lies: `cove.db.v1-backup` beside `cove.db`.
pub(super) fn backup_path(path: &Path, version: u32) -> PathBuf {
    beside(path, &format!(".v{version}-backup"))
}

/// Copies the database as SQLite sees it, write-ahead log included, and makes the copy durable
/// under its name only when it is whole.
fn back_up(conn: &Connection, path: &Path, version: u32) -> Result<(), OpenError> {
    let target = backup_path(path, version);
    let partial = beside(&target, ".part");
    let io_error = |error: io::Error| OpenError::from_io(&partial, &error);
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
        _ => {}
    }
    conn.backup(MAIN_DB, &partial, None::<fn(Progress)>)
        .map_err(|error| OpenError::from_sqlite(&partial, &error))?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(io_error)?;
    fs::rename(&partial, &target).map_err(io_error)?;
    sync_directory(path).map_err(io_error)
}

/// Makes the names in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// `path` with `suffix` at the end of its file name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
