//! Sessions of the engine that were added while the program ran; torrents name theirs.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::store::Store;
use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its number, which no other session had; 2 or more.
    pub number: u32,
    /// Its name, by which its torrents name it.
    pub name: String,
    /// What it was given beside the configuration, in the words of whoever keeps it.
    pub settings: String,
}

impl Store {
    /// Keeps a new session; returns its number.
    ///
    /// # Errors
    /// `Conflict` when another one has its name.
    pub async fn add_session(&self, name: &str, settings: &str) -> Result<u32> {
        let (name, settings) = (name.to_owned(), settings.to_owned());
        let size = settings.len();
        self.change(size, move |conn| add(conn, &name, &settings)).await
    }

    /// Replaces what a session was given.
    ///
    /// # Errors
    /// `NotFound` when it is gone.
    pub async fn set_session(&self, record: SessionRecord) -> Result<()> {
        self.change(record.settings.len(), move |conn| set(conn, &record)).await
    }

    /// Forgets a session; fine when it is forgotten already.
    ///
    /// # Errors
    /// `Conflict` while a torrent names it, be it on its way out.
    pub async fn remove_session(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.change(0, move |conn| remove(conn, &name)).await
    }

    /// All sessions, the first added first.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>> {
        self.change(0, all).await
    }
}

fn add(conn: &Connection, name: &str, settings: &str) -> std::result::Result<u32, Failure> {
    if conn.prepare_cached("SELECT 1 FROM sessions WHERE name = ?1")?.exists([name])? {
        return Err(Error::conflict(format!("there is a session `{name}` already")).into());
    }
    let last = "SELECT seq FROM sqlite_sequence WHERE name = 'sessions'";
    let last: Option<u32> = conn.query_row(last, [], |row| row.get(0)).optional()?;
    let number = last.unwrap_or(1).max(1) + 1;
    let record = SessionRecord { number, name: name.to_owned(), settings: settings.to_owned() };
    conn.prepare_cached("INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        number,
        record.name,
        record.settings,
        VERSION,
        seal(&record).finish(),
    ])?;
    Ok(number)
}

fn set(conn: &Connection, record: &SessionRecord) -> std::result::Result<(), Failure> {
    let changed = conn
        .prepare_cached(
            "UPDATE sessions SET settings = ?1, checksum = ?2 WHERE number = ?3 AND name = ?4",
        )?
        .execute(params![record.settings, seal(record).finish(), record.number, record.name])?;
    match changed {
        0 => Err(Error::not_found(format!("there is no session `{}`", record.name)).into()),
        _ => Ok(()),
    }
}

fn remove(conn: &Connection, name: &str) -> std::result::Result<(), Failure> {
    let count = "SELECT count(*) FROM torrents WHERE session = ?1";
    let torrents: i64 = conn.prepare_cached(count)?.query_row([name], |row| row.get(0))?;
    if torrents > 0 {
        let message = format!(
            "the session `{name}` has torrents ({torrents}): remove them or move them to another one"
        );
        return Err(Error::conflict(message).into());
    }
    conn.prepare_cached("DELETE FROM sessions WHERE name = ?1")?.execute([name])?;
    Ok(())
}

fn all(conn: &Connection) -> std::result::Result<Vec<SessionRecord>, Failure> {
    let mut query = conn.prepare_cached("SELECT * FROM sessions ORDER BY number")?;
    let mut rows = query.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        let damaged = |Damage(damage)| {
            Error::internal(format!("the record of a session is damaged: {damage}"))
        };
        sessions.push(read(row).map_err(damaged)?);
    }
    Ok(sessions)
}

/// A row of all columns of `sessions`.
pub(super) fn read(row: &Row) -> std::result::Result<SessionRecord, Damage> {
    let mut columns = Columns::from(row, 0);
    let record = SessionRecord {
        number: columns.count()?,
        name: columns.text()?.to_owned(),
        settings: columns.text()?.to_owned(),
    };
    columns.check(seal(&record))?;
    Ok(record)
}

fn seal(record: &SessionRecord) -> Seal {
    Seal::of("sessions").int(i64::from(record.number)).text(&record.name).text(&record.settings)
}
