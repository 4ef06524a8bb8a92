//! What is kept of the tracker's swarms: whitelist, flags, modes, completed counts.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::access::Mode;
use crate::domain::access::SwarmRecord;
use crate::domain::error::Error;
use crate::domain::hash::TorrentId;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;

const COLUMNS: &str = "info_hash, is_listed, is_flagged, mode, completed, version, checksum";

/// One change of what is kept of a swarm; the rest of it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwarmChange {
    /// On the whitelist or not.
    Listed(bool),
    /// Flagged or not.
    Flagged(bool),
    /// Its own mode.
    Mode(Option<Mode>),
    /// How often it was completed, when that is more than was known.
    Completed(u32),
    /// All of it is forgotten.
    Forgotten,
}

/// Makes the change, and returns what was kept before it.
pub(super) fn change(
    conn: &Connection,
    info_hash: TorrentId,
    change: SwarmChange,
) -> Result<SwarmRecord, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM swarms WHERE info_hash = ?1");
    let mut query = conn.prepare_cached(&sql)?;
    let found = query.query_row([&info_hash.0], |row| Ok(read(row))).optional()?;
    let before = found.transpose().map_err(|damage| damaged(info_hash, &damage))?;
    let before = before.unwrap_or(nothing(info_hash));
    let mut after = before;
    match change {
        SwarmChange::Listed(is_listed) => after.is_listed = is_listed,
        SwarmChange::Flagged(is_flagged) => after.is_flagged = is_flagged,
        SwarmChange::Mode(mode) => after.mode = mode,
        SwarmChange::Completed(completed) => after.completed = before.completed.max(completed),
        SwarmChange::Forgotten => after = nothing(info_hash),
    }
    if after == nothing(info_hash) {
        conn.prepare_cached("DELETE FROM swarms WHERE info_hash = ?1")?.execute([&info_hash.0])?;
    } else if after != before {
        conn.prepare_cached("INSERT OR REPLACE INTO swarms VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
            after.info_hash.0,
            after.is_listed,
            after.is_flagged,
            after.mode.map(Mode::name),
            after.completed,
            VERSION,
            seal(&after).finish(),
        ])?;
    }
    Ok(before)
}

/// All of them; a damaged one is an error of the read, since it cannot be told what it allowed.
pub(super) fn all(conn: &Connection) -> Result<Vec<SwarmRecord>, Failure> {
    let mut query = conn.prepare(&format!("SELECT {COLUMNS} FROM swarms"))?;
    let mut rows = query.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read(row).map_err(|damage| damaged_row(&damage))?);
    }
    Ok(records)
}

/// A row of all columns.
pub(super) fn read(row: &Row) -> Result<SwarmRecord, Damage> {
    let mut columns = Columns::from(row, 0);
    let hash = <[u8; 20]>::try_from(columns.bytes()?);
    let info_hash = hash.map_err(|_| Damage("column info_hash has not 20 bytes".into()))?;
    let (is_listed, is_flagged) = (columns.flag()?, columns.flag()?);
    let mode = match columns.optional_text()? {
        Some(name) => Some(name.parse().map_err(|_| Damage(format!("mode {name} is unknown")))?),
        None => None,
    };
    let completed = columns.count()?;
    let record =
        SwarmRecord { info_hash: TorrentId(info_hash), is_listed, is_flagged, mode, completed };
    columns.check(seal(&record))?;
    Ok(record)
}

fn seal(record: &SwarmRecord) -> Seal {
    Seal::of("swarms")
        .bytes(&record.info_hash.0)
        .int(record.is_listed.into())
        .int(record.is_flagged.into())
        .text(record.mode.map_or("", Mode::name))
        .int(record.completed.into())
}

fn nothing(info_hash: TorrentId) -> SwarmRecord {
    SwarmRecord { info_hash, is_listed: false, is_flagged: false, mode: None, completed: 0 }
}

fn damaged(info_hash: TorrentId, damage: &Damage) -> Error {
    Error::internal(format!("the record of swarm {info_hash} is damaged: {}", damage.0))
}

fn damaged_row(damage: &Damage) -> Error {
    Error::internal(format!("the record of a swarm is damaged: {}", damage.0))
}
