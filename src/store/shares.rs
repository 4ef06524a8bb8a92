//! Shares: torrents made here of the user's own files.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::error::Error;
use crate::domain::hash::Sha256Hash;
use crate::domain::hash::TorrentId;
use crate::domain::share::Share;
use crate::store::failure::Failure;
use crate::store::friends;
use crate::store::keeping;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;
use crate::store::swarms;
use crate::store::swarms::SwarmChange;

/// Keeps a share, in place of one of the same torrent.
pub(super) fn put(conn: &Connection, share: &Share) -> Result<(), Failure> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO shares VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        share.id.0,
        share.path,
        share.made_at,
        share.is_private,
        share.is_members_only,
        skip_text(share),
        share.digest,
        VERSION,
        seal(share).finish(),
    ])?;
    Ok(())
}

/// Forgets the share of a torrent that goes, if it is one: its invites, and what its swarms were
/// allowed. `v2` names the second swarm of a hybrid.
pub(super) fn forget(
    conn: &Connection,
    id: TorrentId,
    v2: Option<Sha256Hash>,
) -> Result<(), Failure> {
    if conn.prepare_cached("DELETE FROM shares WHERE id = ?1")?.execute([id.0])? == 0 {
        return Ok(());
    }
    friends::forget_invites_to(conn, id)?;
    keeping::forget_files(conn, id)?;
    let second = v2.map(|v2| v2.truncated()).filter(|second| *second != id);
    for hash in [id].into_iter().chain(second) {
        swarms::change(conn, hash, SwarmChange::Listed(false))?;
        swarms::change(conn, hash, SwarmChange::Mode(None))?;
    }
    Ok(())
}

/// All of them, the first made first.
pub(super) fn all(conn: &Connection) -> Result<Vec<Share>, Failure> {
    let mut query = conn.prepare("SELECT * FROM shares ORDER BY made_at, id")?;
    let mut rows = query.query([])?;
    let mut shares = Vec::new();
    while let Some(row) = rows.next()? {
        let share = read(row).map_err(|Damage(damage)| {
            Error::internal(format!("the record of a share is damaged: {damage}"))
        })?;
        shares.push(share);
    }
    Ok(shares)
}

/// A row of all columns.
pub(super) fn read(row: &Row) -> Result<Share, Damage> {
    let mut columns = Columns::from(row, 0);
    let share = Share {
        id: hash(columns.bytes()?)?,
        path: columns.text()?.to_owned(),
        made_at: columns.int()?,
        is_private: columns.flag()?,
        is_members_only: columns.flag()?,
        skip: columns.optional_text()?.map(|text| text.lines().map(str::to_owned).collect()),
        digest: columns
            .bytes()?
            .try_into()
            .map_err(|_| Damage("column digest has not 32 bytes".into()))?,
    };
    columns.check(seal(&share))?;
    Ok(share)
}

/// An info-hash from a column.
pub(super) fn hash(bytes: &[u8]) -> Result<TorrentId, Damage> {
    let hash = bytes.try_into().map(TorrentId);
    hash.map_err(|_| Damage("an info-hash has not 20 bytes".into()))
}

fn skip_text(share: &Share) -> Option<String> {
    share.skip.as_ref().map(|patterns| patterns.join("\n"))
}

fn seal(share: &Share) -> Seal {
    let skip = skip_text(share);
    Seal::of("shares")
        .bytes(&share.id.0)
        .text(&share.path)
        .int(share.made_at)
        .int(share.is_private.into())
        .int(share.is_members_only.into())
        .int(skip.is_some().into())
        .text(skip.as_deref().unwrap_or_default())
        .bytes(&share.digest)
}
