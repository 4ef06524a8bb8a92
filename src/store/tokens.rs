//! The tokens of the API, by their digests, and the users who log in with a password.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::error::Error;
use crate::domain::token::Scope;
use crate::domain::token::Scopes;
use crate::domain::token::TokenId;
use crate::domain::token::TokenRecord;
use crate::domain::token::UserRecord;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;
use crate::store::settings;

const COLUMNS: &str = "id, name, digest, scopes, created_at, expires_at, version, checksum";

/// Keeps a new token.
///
/// Refuses with Conflict when another one has its name.
pub(super) fn add(conn: &Connection, record: &TokenRecord) -> Result<(), Failure> {
    let mut named = conn.prepare_cached("SELECT 1 FROM tokens WHERE name = ?1")?;
    if named.exists([&*record.name])? {
        let name = &record.name;
        return Err(Error::conflict(format!("there is a token named `{name}` already")).into());
    }
    conn.prepare_cached("INSERT INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
        params![
            record.id.to_string(),
            &*record.name,
            record.digest,
            scopes_text(record.scopes),
            record.created_at,
            record.expires_at,
            VERSION,
            seal(record).finish(),
        ],
    )?;
    Ok(())
}

/// Forgets a token; tells whether it was there.
pub(super) fn remove(conn: &Connection, id: TokenId) -> Result<bool, Failure> {
    let mut query = conn.prepare_cached("DELETE FROM tokens WHERE id = ?1")?;
    Ok(query.execute([id.to_string()])? > 0)
}

/// All tokens.
pub(super) fn all(conn: &Connection) -> Result<Vec<TokenRecord>, Failure> {
    let mut query = conn.prepare(&format!("SELECT {COLUMNS} FROM tokens"))?;
    let mut rows = query.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read(row).map_err(|damage| damaged("token", &damage))?);
    }
    Ok(records)
}

/// A row of all columns.
pub(super) fn read(row: &Row) -> Result<TokenRecord, Damage> {
    let mut columns = Columns::from(row, 0);
    let id = columns.text()?.parse();
    let id: TokenId = id.map_err(|_| Damage("column id is no id".into()))?;
    let name = columns.text()?.into();
    let digest = <[u8; 32]>::try_from(columns.bytes()?);
    let digest = digest.map_err(|_| Damage("column digest has not 32 bytes".into()))?;
    let scopes: Result<Vec<Scope>, Error> = columns.text()?.split(' ').map(str::parse).collect();
    let scopes = scopes.map_err(|_| Damage("column scopes names an unknown one".into()))?;
    let (created_at, expires_at) = (columns.int()?, columns.optional_int()?);
    let scopes = Scopes::of(&scopes);
    let record = TokenRecord { id, name, digest, scopes, created_at, expires_at };
    columns.check(seal(&record))?;
    Ok(record)
}

fn scopes_text(scopes: Scopes) -> String {
    scopes.named().map(Scope::name).collect::<Vec<_>>().join(" ")
}

fn seal(record: &TokenRecord) -> Seal {
    Seal::of("tokens")
        .text(&record.id.to_string())
        .text(&record.name)
        .bytes(&record.digest)
        .text(&scopes_text(record.scopes))
        .int(record.created_at)
        .int(record.expires_at.is_some().into())
        .int(record.expires_at.unwrap_or(0))
}

/// Keeps the first user, and with it a setting unless that is there already; returns the setting.
///
/// Refuses with Conflict when there is a user.
pub(super) fn add_first_user(
    conn: &Connection,
    user: &UserRecord,
    (key, value): (&str, &str),
) -> Result<String, Failure> {
    if conn.prepare_cached("SELECT 1 FROM users")?.exists([])? {
        return Err(Error::conflict("there is a user already").into());
    }
    conn.prepare_cached("INSERT INTO users VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        user.name,
        user.password,
        VERSION,
        user_seal(user).finish()
    ])?;
    if let Some(kept) = settings::get(conn, key)? {
        return Ok(kept);
    }
    settings::set(conn, key, Some(value))?;
    Ok(value.to_owned())
}

/// All users.
pub(super) fn users(conn: &Connection) -> Result<Vec<UserRecord>, Failure> {
    let mut query = conn.prepare("SELECT name, password, version, checksum FROM users")?;
    let mut rows = query.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read_user(row).map_err(|damage| damaged("user", &damage))?);
    }
    Ok(records)
}

/// A user's row of all columns.
pub(super) fn read_user(row: &Row) -> Result<UserRecord, Damage> {
    let mut columns = Columns::from(row, 0);
    let record = UserRecord { name: columns.text()?.into(), password: columns.text()?.into() };
    columns.check(user_seal(&record))?;
    Ok(record)
}

fn user_seal(user: &UserRecord) -> Seal {
    Seal::of("users").text(&user.name).text(&user.password)
}

fn damaged(what: &str, damage: &Damage) -> Error {
    Error::internal(format!("the record of a {what} is damaged: {}", damage.0))
}
