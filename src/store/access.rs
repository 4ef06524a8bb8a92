//! The keys that let in to private swarms.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::error::Error;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;

/// Keeps a key, in place of one with the same characters.
pub(super) fn put_key(conn: &Connection, record: &KeyRecord) -> Result<(), Failure> {
    conn.prepare_cached("INSERT OR REPLACE INTO access_keys VALUES (?1, ?2, ?3, ?4)")?.execute(
        params![record.key.as_str(), record.valid_until, VERSION, seal(record).finish()],
    )?;
    Ok(())
}

/// Forgets a key; tells whether it was there.
pub(super) fn remove_key(conn: &Connection, key: &AccessKey) -> Result<bool, Failure> {
    let mut query = conn.prepare_cached("DELETE FROM access_keys WHERE key = ?1")?;
    Ok(query.execute([key.as_str()])? > 0)
}

/// All keys.
pub(super) fn keys(conn: &Connection) -> Result<Vec<KeyRecord>, Failure> {
    let mut query = conn.prepare("SELECT key, valid_until, version, checksum FROM access_keys")?;
    let mut rows = query.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let record = read(row).map_err(|damage| {
            Error::internal(format!("the record of a key is damaged: {}", damage.0))
        })?;
        records.push(record);
    }
    Ok(records)
}

/// A row of all columns.
pub(super) fn read(row: &Row) -> Result<KeyRecord, Damage> {
    let mut columns = Columns::from(row, 0);
    let key = columns.text()?.parse();
    let key: AccessKey = key.map_err(|_| Damage("column key is no key".into()))?;
    let record = KeyRecord { key, valid_until: columns.optional_int()? };
    columns.check(seal(&record))?;
    Ok(record)
}

fn seal(record: &KeyRecord) -> Seal {
    Seal::of("access_keys")
        .text(record.key.as_str())
        .int(record.valid_until.is_some().into())
        .int(record.valid_until.unwrap_or(0))
}
