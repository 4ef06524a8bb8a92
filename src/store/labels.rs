//! What users write on torrents: category, tags, data of their own.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::error::Error;
use crate::domain::hash::TorrentId;
use crate::domain::labels::Labels;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;

/// Between two tags; no tag holds it, since control characters are refused.
const SEPARATOR: char = '\u{1f}';

/// Keeps the labels of a torrent, in place of those it had. `NotFound` when the torrent is gone.
pub(super) fn put(conn: &Connection, id: TorrentId, labels: &Labels) -> Result<(), Failure> {
    if !conn.prepare_cached("SELECT 1 FROM torrents WHERE id = ?1")?.exists([id.0])? {
        return Err(Error::not_found(format!("torrent {id} is not known")).into());
    }
    if *labels == Labels::default() {
        return forget(conn, id);
    }
    conn.prepare_cached("INSERT OR REPLACE INTO labels VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            id.0,
            labels.category,
            joined(&labels.tags),
            labels.metadata,
            labels.max_connections,
            VERSION,
            seal(id, labels).finish(),
        ])?;
    Ok(())
}

/// Forgets the labels of a torrent; fine when it has none.
pub(super) fn forget(conn: &Connection, id: TorrentId) -> Result<(), Failure> {
    conn.prepare_cached("DELETE FROM labels WHERE id = ?1")?.execute([id.0])?;
    Ok(())
}

/// Has `new` wear the labels of `old` too.
pub(super) fn copy(conn: &Connection, old: TorrentId, new: TorrentId) -> Result<(), Failure> {
    match all(conn)?.into_iter().find(|(id, _)| *id == old) {
        Some((_, labels)) => put(conn, new, &labels),
        None => Ok(()),
    }
}

/// The labels of all torrents that have some.
pub(super) fn all(conn: &Connection) -> Result<Vec<(TorrentId, Labels)>, Failure> {
    let mut query = conn.prepare(
        "SELECT id, category, tags, metadata, max_connections, version, checksum FROM labels",
    )?;
    let mut rows = query.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let record = read(row).map_err(|damage| {
            Error::internal(format!("the labels of a torrent are damaged: {}", damage.0))
        })?;
        records.push(record);
    }
    Ok(records)
}

/// A row of all columns.
pub(super) fn read(row: &Row) -> Result<(TorrentId, Labels), Damage> {
    let mut columns = Columns::from(row, 0);
    let id = <[u8; 20]>::try_from(columns.bytes()?).map(TorrentId);
    let id = id.map_err(|_| Damage("column id has not 20 bytes".into()))?;
    let category = columns.optional_text()?.map(str::to_owned);
    let tags = columns.text()?;
    let metadata = columns.text()?.to_owned();
    let most = columns.optional_int()?.map(i32::try_from).transpose();
    let max_connections =
        most.map_err(|_| Damage("column max_connections is out of range".into()))?;
    let tags = tags.split(SEPARATOR).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let labels = Labels { category, tags, metadata, max_connections };
    columns.check(seal(id, &labels))?;
    Ok((id, labels))
}

fn joined(tags: &[String]) -> String {
    tags.join(SEPARATOR.encode_utf8(&mut [0; 4]))
}

fn seal(id: TorrentId, labels: &Labels) -> Seal {
    Seal::of("labels")
        .bytes(&id.0)
        .int(labels.category.is_some().into())
        .text(labels.category.as_deref().unwrap_or(""))
        .text(&joined(&labels.tags))
        .text(&labels.metadata)
        .int(labels.max_connections.is_some().into())
        .int(labels.max_connections.unwrap_or(0).into())
}
