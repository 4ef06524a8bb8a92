//! Opening: version check, migrations, the clean mark, and loading every torrent.

use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::hash::TorrentId;
use crate::store::BadRecord;
use crate::store::LoadedTorrent;
use crate::store::OpenError;
use crate::store::record;
use crate::store::rows;
use crate::store::rows::Facts;
use crate::store::rows::RESUME_HEAD_BYTES;

/// The schema, step by step; a step never changes once it was released.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_start.sql")];

/// Page cache in KiB: state is read once and then only written.
const CACHE_KIB: i64 = 1024;
/// The write-ahead log is cut back to this when it was larger.
const JOURNAL_BYTES_MAX: i64 = 4 << 20;

type Opening<T> = std::result::Result<T, OpenError>;

/// Everything that opening found.
pub(crate) struct Loaded {
    pub(crate) connection: Connection,
    pub(crate) torrents: Vec<LoadedTorrent>,
    pub(crate) bad: Vec<BadRecord>,
    pub(crate) was_clean: bool,
    pub(crate) same_boot: bool,
}

pub(crate) fn open(path: &Path, boot_id: &str) -> Opening<Loaded> {
    let refuse = |error: rusqlite::Error| refusal(path, &error);
    check_version(path)?;
    let connection = reopen(path).map_err(refuse)?;
    migrate(&connection, path)?;
    let was_clean = meta(&connection, "closed_cleanly").map_err(refuse)?;
    let last_boot = meta(&connection, "boot_id").map_err(refuse)?;
    let was_clean = was_clean.is_none_or(|mark| mark == "yes");
    if !was_clean {
        check_whole(&connection, path)?;
    }
    let (torrents, broken) = load(&connection).map_err(refuse)?;
    set_aside(&connection, &broken).map_err(refuse)?;
    mark_running(&connection, boot_id).map_err(refuse)?;
    let bad = known_bad(&connection).map_err(refuse)?;
    let same_boot = last_boot.is_none_or(|last| last == boot_id);
    Ok(Loaded { connection, torrents, bad, was_clean, same_boot })
}

/// A connection with the settings that every one of ours has.
pub(crate) fn reopen(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Refuses a newer file or one that is no database, without touching it (rules D4, D5).
fn check_version(path: &Path) -> Opening<()> {
    if !path.exists() {
        return Ok(());
    }
    let refuse = |error: rusqlite::Error| refusal(path, &error);
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(refuse)?;
    let found = version(&connection).map_err(refuse)?;
    let known = known_version();
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(()) }
}

fn known_version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings an older file up to date, after a copy of it was made (rule D5).
fn migrate(connection: &Connection, path: &Path) -> Opening<()> {
    let refuse = |error: rusqlite::Error| refusal(path, &error);
    let found = version(connection).map_err(refuse)?;
    if found == known_version() {
        return Ok(());
    }
    if found > 0 {
        copy(connection, &path.with_extension(format!("v{found}-backup"))).map_err(refuse)?;
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let sql = format!("BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {};\nCOMMIT;", step + 1);
        connection.execute_batch(&sql).map_err(refuse)?;
    }
    Ok(())
}

fn copy(connection: &Connection, to: &PathBuf) -> rusqlite::Result<()> {
    let mut target = Connection::open(to)?;
    let backup = rusqlite::backup::Backup::new(connection, &mut target)?;
    backup.run_to_completion(1024, std::time::Duration::ZERO, None)
}

/// After an unclean end: is the file as a whole in order?
fn check_whole(connection: &Connection, path: &Path) -> Opening<()> {
    let verdict: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(|error| refusal(path, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Unreadable(format!("`{}` is damaged: {verdict}", path.display())))
}

fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    connection.query_row(sql, [key], |row| row.get(0)).optional()
}

fn mark_running(connection: &Connection, boot_id: &str) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO meta VALUES ('closed_cleanly', 'no'), ('boot_id', ?1)",
            [boot_id],
        )
        .map(drop)
}

/// A torrent of which at least one record is damaged.
struct Broken {
    id: Vec<u8>,
    reason: String,
}

fn load(connection: &Connection) -> rusqlite::Result<(Vec<LoadedTorrent>, Vec<Broken>)> {
    let mut query = connection.prepare(
        "SELECT t.id, t.added_at, t.removal, t.record, r.record, m.record
         FROM torrents t LEFT JOIN resume r ON r.id = t.id LEFT JOIN metadata m ON m.id = t.id
         ORDER BY t.added_at, t.rowid",
    )?;
    let (mut torrents, mut broken) = (Vec::new(), Vec::new());
    let mut found = query.query([])?;
    while let Some(row) = found.next()? {
        match read(row)? {
            Ok(torrent) => torrents.push(torrent),
            Err(reason) => broken.push(Broken { id: row.get(0)?, reason }),
        }
    }
    Ok((torrents, broken))
}

/// One row; the inner error says what is damaged.
fn read(row: &Row<'_>) -> rusqlite::Result<Result<LoadedTorrent, String>> {
    let id = row.get_ref(0)?.as_blob().ok().and_then(|id| id.try_into().ok());
    let (added_at, removal): (i64, i64) = (row.get(1)?, row.get(2)?);
    let facts = row.get_ref(3)?.as_blob_or_null().ok().flatten().unwrap_or_default();
    let resume = row.get_ref(4)?.as_blob_or_null().ok().flatten().unwrap_or_default();
    let metadata = row.get_ref(5)?.as_blob_or_null().ok().flatten();
    let read = || {
        let id: [u8; 20] = id.ok_or("its id is no info-hash")?;
        let facts = Facts::open(facts).map_err(|why| format!("torrent record: {why}"))?;
        let resume = record::open(resume).map_err(|why| format!("resume record: {why}"))?;
        let (head, resume) =
            resume.split_at_checked(RESUME_HEAD_BYTES).ok_or("the resume record is cut off")?;
        let metadata = metadata.map(record::open).transpose();
        let metadata = metadata.map_err(|why| format!("metadata record: {why}"))?;
        Ok(LoadedTorrent {
            id: TorrentId(id),
            v2: facts.v2(),
            name: facts.name.clone(),
            save_path: facts.save_path.clone(),
            resume: resume.to_vec(),
            metadata_file: metadata.map(<[u8]>::to_vec),
            added_at,
            options: facts.options(),
            removal: rows::removal_of(removal),
            payload_synced: head[0] == 1,
            claimed_pieces: u32::from_le_bytes([head[1], head[2], head[3], head[4]]),
        })
    };
    Ok(read())
}

/// Keeps a damaged torrent's bytes apart from the good ones (rule D4).
fn set_aside(connection: &Connection, broken: &[Broken]) -> rusqlite::Result<()> {
    for Broken { id, reason } in broken {
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let transaction = connection.unchecked_transaction()?;
        transaction.execute(
            "INSERT INTO bad_records
             SELECT ?2, ?3, ?4, t.record, r.record, m.record
             FROM torrents t LEFT JOIN resume r ON r.id = t.id LEFT JOIN metadata m ON m.id = t.id
             WHERE t.id = ?1",
            params![id, hex, unix_now(), reason],
        )?;
        for table in ["torrents", "resume", "metadata"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE id = ?1"), [id])?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Everything that was ever set aside and is not removed since.
fn known_bad(connection: &Connection) -> rusqlite::Result<Vec<BadRecord>> {
    let mut query = connection.prepare("SELECT id, reason, torrent FROM bad_records")?;
    let rows = query.query_map([], |row| {
        let sealed: Option<Vec<u8>> = row.get(2)?;
        let facts = sealed.and_then(|sealed| Facts::open(&sealed).ok());
        let (name, save_path) =
            facts.map_or_else(Default::default, |facts| (facts.name, facts.save_path));
        Ok(BadRecord { id_text: row.get(0)?, reason: row.get(1)?, name, save_path })
    })?;
    rows.collect()
}

fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

fn refusal(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::Unreadable(format!("`{}`: {error}", path.display()))
        }
        Some(ErrorCode::DiskFull) => OpenError::Full,
        _ => OpenError::Io(format!("`{}`: {error}", path.display())),
    }
}
