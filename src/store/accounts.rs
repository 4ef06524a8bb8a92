//! What friends' clients did in the swarms of shares.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::account::Account;
use crate::domain::account::AccountId;
use crate::domain::account::ClientClaim;
use crate::domain::error::Error;
use crate::domain::hash::TorrentId;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;

/// Hex digits of a share.
const SHARE_DIGITS: usize = 40;
/// Bytes of a client: its id, three numbers, and whether it has left.
const CLIENT_BYTES: usize = 20 + 3 * 8 + 1;
/// Bits of the last figure.
const COMPLETE: u64 = 1;
const SEVERAL: u64 = 2;

/// Keeps an account, in place of one of the same id, or forgets it.
pub(super) fn put(
    conn: &Connection,
    id: &AccountId,
    account: Option<&Account>,
) -> Result<(), Failure> {
    let id = text(id);
    let Some(account) = account else {
        conn.prepare_cached("DELETE FROM accounts WHERE id = ?1")?.execute([id])?;
        return Ok(());
    };
    let (figures, clients) = (figures(account), clients(account));
    let seal = seal(&id, &figures, &clients).finish();
    conn.prepare_cached("INSERT OR REPLACE INTO accounts VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id, figures, clients, VERSION, seal])?;
    Ok(())
}

/// All accounts.
pub(super) fn all(conn: &Connection) -> Result<Vec<(AccountId, Account)>, Failure> {
    let mut query = conn.prepare("SELECT * FROM accounts ORDER BY id")?;
    let mut rows = query.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let account = read(row).map_err(|Damage(damage)| {
            Error::internal(format!("the record of an account is damaged: {damage}"))
        })?;
        accounts.push(account);
    }
    Ok(accounts)
}

/// A row of all columns.
pub(super) fn read(row: &Row) -> Result<(AccountId, Account), Damage> {
    let mut columns = Columns::from(row, 0);
    let (text, figures, clients) = (columns.text()?, columns.bytes()?, columns.bytes()?);
    columns.check(seal(text, figures, clients))?;
    let id = parse(text).ok_or_else(|| Damage("column id names no account".into()))?;
    Ok((id, decode(figures, clients)))
}

/// Has the accounts of the share `old` go on under its new edition.
pub(super) fn move_share(conn: &Connection, old: TorrentId, new: TorrentId) -> Result<(), Failure> {
    let accounts = all(conn)?;
    for (id, account) in accounts.iter().filter(|(id, _)| id.0 == old) {
        let moved = (new, id.1.clone());
        let there = accounts.iter().find(|(id, _)| *id == moved);
        let mut sum = there.map(|(_, account)| account.clone()).unwrap_or_default();
        sum.take_in(account.clone().carried_over());
        put(conn, id, None)?;
        put(conn, &moved, Some(&sum))?;
    }
    Ok(())
}

/// Roughly what keeping it writes.
pub(super) fn size_bytes(account: Option<&Account>) -> usize {
    account.map_or(64, |account| 192 + account.clients.len() * CLIENT_BYTES)
}

fn text((share, friend): &AccountId) -> String {
    match friend {
        Some(name) => format!("{share}/{name}"),
        None => share.to_string(),
    }
}

fn parse(text: &str) -> Option<AccountId> {
    let (share, rest) = text.split_at_checked(SHARE_DIGITS)?;
    let friend = match rest {
        "" => None,
        rest => Some(rest.strip_prefix('/')?.parse().ok()?),
    };
    Some((share.parse().ok()?, friend))
}

fn figures(account: &Account) -> Vec<u8> {
    let flags = if account.is_complete { COMPLETE } else { 0 }
        | if account.has_several { SEVERAL } else { 0 };
    let figures = [
        account.claimed_up,
        account.claimed_down,
        account.sent,
        account.received,
        account.up_before,
        account.unsaid_down,
        account.seen_at.cast_unsigned(),
        flags,
    ];
    figures.iter().flat_map(|figure| figure.to_le_bytes()).collect()
}

fn clients(account: &Account) -> Vec<u8> {
    let bytes = |client: &ClientClaim| {
        let numbers = [client.uploaded, client.downloaded, client.left];
        let numbers = numbers.into_iter().flat_map(u64::to_le_bytes);
        client.peer_id.into_iter().chain(numbers).chain([u8::from(client.has_left)])
    };
    account.clients.iter().flat_map(bytes).collect()
}

fn decode(figures: &[u8], clients: &[u8]) -> Account {
    let numbers: Vec<u64> = figures.as_chunks().0.iter().map(|f| u64::from_le_bytes(*f)).collect();
    let figure = |at: usize| numbers.get(at).copied().unwrap_or(0);
    Account {
        claimed_up: figure(0),
        claimed_down: figure(1),
        sent: figure(2),
        received: figure(3),
        up_before: figure(4),
        unsaid_down: figure(5),
        seen_at: figure(6).cast_signed(),
        is_complete: figure(7) & COMPLETE != 0,
        has_several: figure(7) & SEVERAL != 0,
        clients: clients.as_chunks::<CLIENT_BYTES>().0.iter().map(client).collect(),
    }
}

fn client(bytes: &[u8; CLIENT_BYTES]) -> ClientClaim {
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(number)
    };
    let mut peer_id = [0; 20];
    peer_id.copy_from_slice(&bytes[..20]);
    let (uploaded, downloaded, left) = (number(20), number(28), number(36));
    ClientClaim { peer_id, uploaded, downloaded, left, has_left: bytes[44] != 0 }
}

fn seal(id: &str, figures: &[u8], clients: &[u8]) -> Seal {
    Seal::of("accounts").text(id).bytes(figures).bytes(clients)
}
