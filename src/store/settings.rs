//! Settings that are changed while the program runs: texts by key.

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

/// Sets `key`, or forgets it when `value` is `None`.
pub(super) fn set(conn: &Connection, key: &str, value: Option<&str>) -> Result<(), Failure> {
    match value {
        Some(value) => conn
            .prepare_cached("INSERT OR REPLACE INTO settings VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![key, value, VERSION, seal(key, value).finish()])?,
        None => conn.prepare_cached("DELETE FROM settings WHERE key = ?1")?.execute([key])?,
    };
    Ok(())
}

/// All settings that are whole, in the order of their keys.
pub(super) fn all(conn: &Connection) -> Result<Vec<(String, String)>, Failure> {
    let mut query =
        conn.prepare_cached("SELECT key, value, version, checksum FROM settings ORDER BY key")?;
    let mut rows = query.query([])?;
    let mut whole = Vec::new();
    while let Some(row) = rows.next()? {
        whole.extend(read(row).ok().map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    Ok(whole)
}

/// The value of `key`; `None` when it was never set.
pub(super) fn get(conn: &Connection, key: &str) -> Result<Option<String>, Failure> {
    let mut query =
        conn.prepare_cached("SELECT key, value, version, checksum FROM settings WHERE key = ?1")?;
    let found = query.query_row([key], |row| Ok(read(row).map(|(_, value)| value.to_owned())));
    match found.optional()? {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(Damage(damage))) => {
            Err(Error::internal(format!("setting `{key}` is damaged: {damage}")).into())
        }
    }
}

/// SQLite's version, and the sources it was made of.
pub(super) fn library_versions(conn: &Connection) -> Result<[String; 2], Failure> {
    let mut query = conn.prepare("SELECT sqlite_version(), sqlite_source_id()")?;
    Ok(query.query_row([], |row| Ok([row.get(0)?, row.get(1)?]))?)
}

/// Key and value of a row of all columns.
pub(super) fn read<'row>(row: &'row Row<'row>) -> Result<(&'row str, &'row str), Damage> {
    let mut columns = Columns::from(row, 0);
    let (key, value) = (columns.text()?, columns.text()?);
    columns.check(seal(key, value))?;
    Ok((key, value))
}

fn seal(key: &str, value: &str) -> Seal {
    Seal::of("settings").text(key).text(value)
}
