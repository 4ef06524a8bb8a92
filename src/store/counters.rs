//! Totals that outlive the process: whole numbers by name.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::error::Error;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;

/// Adds `delta` to the counter `name`, which starts at 0 and stays at the ends of its range.
pub(super) fn add(conn: &Connection, name: &str, delta: i64) -> Result<(), Failure> {
    let mut query =
        conn.prepare_cached("SELECT name, value, version, checksum FROM counters WHERE name = ?1")?;
    let found = query.query_row([name], |row| Ok(read(row).map(|(_, value)| value))).optional()?;
    let total = found.transpose().map_err(|damage| damaged(name, &damage))?.unwrap_or(0);
    let total = total.saturating_add(delta);
    conn.prepare_cached("INSERT OR REPLACE INTO counters VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![name, total, VERSION, seal(name, total).finish()])?;
    Ok(())
}

/// All counters, by name.
pub(super) fn all(conn: &Connection) -> Result<Vec<(String, i64)>, Failure> {
    let mut query =
        conn.prepare_cached("SELECT name, value, version, checksum FROM counters ORDER BY name")?;
    let mut rows = query.query([])?;
    let mut counters = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, value) = read(row).map_err(|damage| damaged("?", &damage))?;
        counters.push((name.to_owned(), value));
    }
    Ok(counters)
}

/// Name and value of a row of all columns.
pub(super) fn read<'row>(row: &'row Row<'row>) -> Result<(&'row str, i64), Damage> {
    let mut columns = Columns::from(row, 0);
    let (name, value) = (columns.text()?, columns.int()?);
    columns.check(seal(name, value))?;
    Ok((name, value))
}

fn seal(name: &str, value: i64) -> Seal {
    Seal::of("counters").text(name).int(value)
}

fn damaged(name: &str, damage: &Damage) -> Error {
    Error::internal(format!("counter `{name}` is damaged: {}", damage.0))
}

/// How large the database is, in bytes: its pages, with those that are free.
pub(super) fn size_bytes(conn: &Connection) -> Result<u64, Failure> {
    let of = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let bytes = of("page_count")?.saturating_mul(of("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}
