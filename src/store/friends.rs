//! Friends, who are keys with names, and the links that invite them.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::access::KeyRecord;
use crate::domain::error::Error;
use crate::domain::hash::TorrentId;
use crate::domain::share::Friend;
use crate::domain::share::FriendName;
use crate::domain::share::Invite;
use crate::domain::share::InviteToken;
use crate::store::access;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;
use crate::store::shares::hash;

/// Keeps a friend, in place of one of the same name. The key lets in unless it is revoked, and
/// then the friend's links are gone too.
pub(super) fn put(conn: &Connection, friend: &Friend) -> Result<(), Failure> {
    conn.prepare_cached("INSERT OR REPLACE INTO friends VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            friend.name.as_str(),
            friend.key.as_str(),
            friend.made_at,
            friend.valid_until,
            friend.revoked_at,
            friend.shares.as_deref().map(joined),
            VERSION,
            seal(friend).finish(),
        ])?;
    if friend.revoked_at.is_none() {
        let (key, valid_until) = (friend.key, friend.valid_until);
        return access::put_key(conn, &KeyRecord { key, valid_until });
    }
    access::remove_key(conn, &friend.key)?;
    forget_invites_of(conn, &friend.name)
}

/// Forgets a friend, the key and the links.
pub(super) fn remove(conn: &Connection, friend: &Friend) -> Result<(), Failure> {
    access::remove_key(conn, &friend.key)?;
    forget_invites_of(conn, &friend.name)?;
    conn.prepare_cached("DELETE FROM friends WHERE name = ?1")?.execute([friend.name.as_str()])?;
    Ok(())
}

/// All friends, by name.
pub(super) fn all(conn: &Connection) -> Result<Vec<Friend>, Failure> {
    let mut query = conn.prepare("SELECT * FROM friends ORDER BY name")?;
    let mut rows = query.query([])?;
    let mut friends = Vec::new();
    while let Some(row) = rows.next()? {
        friends.push(read(row).map_err(|damage| damaged("a friend", &damage))?);
    }
    Ok(friends)
}

/// A row of all columns.
pub(super) fn read(row: &Row) -> Result<Friend, Damage> {
    let mut columns = Columns::from(row, 0);
    let friend = Friend {
        name: name(columns.text()?)?,
        key: columns.text()?.parse().map_err(|_| Damage("column key is no key".into()))?,
        made_at: columns.int()?,
        valid_until: columns.optional_int()?,
        revoked_at: columns.optional_int()?,
        shares: columns.optional_bytes()?.map(parted).transpose()?,
    };
    columns.check(seal(&friend))?;
    Ok(friend)
}

/// Keeps an invite, in place of one with the same token.
pub(super) fn put_invite(conn: &Connection, invite: &Invite) -> Result<(), Failure> {
    conn.prepare_cached("INSERT OR REPLACE INTO invites VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            invite.token.as_str(),
            invite.friend.as_str(),
            invite.share.0,
            invite.made_at,
            invite.valid_until,
            invite.uses_left,
            VERSION,
            invite_seal(invite).finish(),
        ])?;
    Ok(())
}

/// Forgets an invite; tells whether it was there.
pub(super) fn remove_invite(conn: &Connection, token: &InviteToken) -> Result<bool, Failure> {
    let mut query = conn.prepare_cached("DELETE FROM invites WHERE token = ?1")?;
    Ok(query.execute([token.as_str()])? > 0)
}

/// Forgets all invites to a share.
pub(super) fn forget_invites_to(conn: &Connection, share: TorrentId) -> Result<(), Failure> {
    conn.prepare_cached("DELETE FROM invites WHERE share = ?1")?.execute([share.0])?;
    Ok(())
}

/// Has friends and invites mean `new` where they meant `old`.
pub(super) fn move_share(conn: &Connection, old: TorrentId, new: TorrentId) -> Result<(), Failure> {
    for mut invite in invites(conn)?.into_iter().filter(|invite| invite.share == old) {
        invite.share = new;
        put_invite(conn, &invite)?;
    }
    for mut friend in all(conn)? {
        let named = friend.shares.iter_mut().flatten().find(|share| **share == old);
        if let Some(share) = named {
            *share = new;
            put(conn, &friend)?;
        }
    }
    Ok(())
}

fn forget_invites_of(conn: &Connection, friend: &FriendName) -> Result<(), Failure> {
    conn.prepare_cached("DELETE FROM invites WHERE friend = ?1")?.execute([friend.as_str()])?;
    Ok(())
}

/// All invites, the first made first.
pub(super) fn invites(conn: &Connection) -> Result<Vec<Invite>, Failure> {
    let mut query = conn.prepare("SELECT * FROM invites ORDER BY made_at, token")?;
    let mut rows = query.query([])?;
    let mut invites = Vec::new();
    while let Some(row) = rows.next()? {
        invites.push(read_invite(row).map_err(|damage| damaged("an invite", &damage))?);
    }
    Ok(invites)
}

/// A row of all columns.
pub(super) fn read_invite(row: &Row) -> Result<Invite, Damage> {
    let mut columns = Columns::from(row, 0);
    let token = InviteToken::from_bytes(columns.text()?.as_bytes());
    let (friend, share) = (name(columns.text()?)?, hash(columns.bytes()?)?);
    let (made_at, valid_until) = (columns.int()?, columns.optional_int()?);
    let uses_left = columns.optional_int()?.map(u32::try_from).transpose();
    let invite = Invite {
        token: token.ok_or_else(|| Damage("column token is no token".into()))?,
        friend,
        share,
        made_at,
        valid_until,
        uses_left: uses_left.map_err(|_| Damage("column uses_left is out of range".into()))?,
    };
    columns.check(invite_seal(&invite))?;
    Ok(invite)
}

fn name(text: &str) -> Result<FriendName, Damage> {
    text.parse().map_err(|_| Damage("a column is no friend's name".into()))
}

fn joined(shares: &[TorrentId]) -> Vec<u8> {
    shares.iter().flat_map(|share| share.0).collect()
}

fn parted(bytes: &[u8]) -> Result<Vec<TorrentId>, Damage> {
    bytes.chunks(20).map(hash).collect()
}

fn seal(friend: &Friend) -> Seal {
    Seal::of("friends")
        .text(friend.name.as_str())
        .text(friend.key.as_str())
        .int(friend.made_at)
        .int(friend.valid_until.is_some().into())
        .int(friend.valid_until.unwrap_or(0))
        .int(friend.revoked_at.is_some().into())
        .int(friend.revoked_at.unwrap_or(0))
        .int(friend.shares.is_some().into())
        .bytes(&friend.shares.as_deref().map(joined).unwrap_or_default())
}

fn invite_seal(invite: &Invite) -> Seal {
    Seal::of("invites")
        .text(invite.token.as_str())
        .text(invite.friend.as_str())
        .bytes(&invite.share.0)
        .int(invite.made_at)
        .int(invite.valid_until.is_some().into())
        .int(invite.valid_until.unwrap_or(0))
        .int(invite.uses_left.is_some().into())
        .int(invite.uses_left.unwrap_or(0).into())
}

fn damaged(what: &str, Damage(damage): &Damage) -> Failure {
    Error::internal(format!("the record of {what} is damaged: {damage}")).into()
}
