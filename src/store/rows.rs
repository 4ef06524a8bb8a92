//! The statements: one function a change, each inside the writer's transaction.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;
use serde::Deserialize;
use serde::Serialize;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::Sha256Hash;
use crate::domain::hash::TorrentId;
use crate::store::NewTorrent;
use crate::store::Removal;
use crate::store::ResumeRecord;
use crate::store::TorrentOptions;
use crate::store::record;
use crate::store::writer::failed;

/// The part of a torrent's record that is not libtorrent's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) v2: Option<[u8; 32]>,
    pub(crate) name: String,
    pub(crate) save_path: String,
    pub(crate) session: String,
    pub(crate) is_stopped: bool,
    pub(crate) anon_hops: u32,
    pub(crate) safe_seeding: bool,
    pub(crate) completed_dir: String,
    pub(crate) made_here: bool,
}

/// What stands before the resume data in its record: whether the payload is synced, and how many
/// pieces are claimed, as five bytes.
pub(crate) const RESUME_HEAD_BYTES: usize = 5;

impl Facts {
    /// The options among the facts.
    pub(crate) fn options(&self) -> TorrentOptions {
        TorrentOptions {
            session: self.session.clone(),
            is_stopped: self.is_stopped,
            anon_hops: self.anon_hops,
            safe_seeding: self.safe_seeding,
            completed_dir: self.completed_dir.clone(),
            made_here: self.made_here,
        }
    }

    fn set_options(&mut self, options: &TorrentOptions) {
        self.session.clone_from(&options.session);
        self.is_stopped = options.is_stopped;
        self.anon_hops = options.anon_hops;
        self.safe_seeding = options.safe_seeding;
        self.completed_dir.clone_from(&options.completed_dir);
        self.made_here = options.made_here;
    }

    /// The v2 hash among the facts.
    pub(crate) fn v2(&self) -> Option<Sha256Hash> {
        self.v2.map(Sha256Hash)
    }

    fn seal(&self) -> Result<Vec<u8>> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::internal(format!("cannot write a record: {error}")))?;
        Ok(record::seal(&text))
    }

    /// The facts of a sealed record.
    pub(crate) fn open(sealed: &[u8]) -> std::result::Result<Self, String> {
        serde_json::from_slice(record::open(sealed)?).map_err(|error| error.to_string())
    }
}

/// Resume data with what must be known of it, sealed.
fn seal_resume(resume: &[u8], payload_synced: bool, claimed_pieces: u32) -> Vec<u8> {
    let mut payload = Vec::with_capacity(RESUME_HEAD_BYTES + resume.len());
    payload.push(u8::from(payload_synced));
    payload.extend_from_slice(&claimed_pieces.to_le_bytes());
    payload.extend_from_slice(resume);
    record::seal(&payload)
}

pub(crate) fn add_torrent(on: &Connection, torrent: &NewTorrent) -> Result<()> {
    if facts(on, torrent.id)?.is_some() {
        return Err(Error::conflict(format!("torrent {} is in the store already", torrent.id)));
    }
    let mut facts = Facts {
        v2: torrent.v2.map(|v2| v2.0),
        name: torrent.name.clone(),
        save_path: torrent.save_path.clone(),
        session: String::new(),
        is_stopped: false,
        anon_hops: 0,
        safe_seeding: false,
        completed_dir: String::new(),
        made_here: false,
    };
    facts.set_options(&torrent.options);
    run(
        on,
        "INSERT INTO torrents (id, added_at, record) VALUES (?1, ?2, ?3)",
        params![torrent.id.0, torrent.added_at, facts.seal()?],
    )?;
    put(on, "resume", torrent.id, &seal_resume(&torrent.resume, true, 0))?;
    match &torrent.metadata_file {
        Some(file) => put(on, "metadata", torrent.id, &record::seal(file)),
        None => Ok(()),
    }
}

pub(crate) fn save_resume(on: &Connection, saved: &ResumeRecord) -> Result<()> {
    let Some((mut facts, Removal::Not)) = facts(on, saved.id)? else { return Ok(()) };
    if facts.name != saved.name || facts.save_path != saved.save_path {
        facts.name.clone_from(&saved.name);
        facts.save_path.clone_from(&saved.save_path);
        put_facts(on, saved.id, &facts)?;
    }
    let sealed = seal_resume(&saved.resume, saved.payload_synced, saved.claimed_pieces);
    put(on, "resume", saved.id, &sealed)?;
    match &saved.metadata_file {
        Some(file) => put(on, "metadata", saved.id, &record::seal(file)),
        None => Ok(()),
    }
}

pub(crate) fn save_options(on: &Connection, id: TorrentId, options: &TorrentOptions) -> Result<()> {
    let Some((mut facts, _)) = facts(on, id)? else {
        return Err(Error::not_found(format!("there is no torrent {id}")));
    };
    facts.set_options(options);
    put_facts(on, id, &facts)
}

pub(crate) fn begin_removal(on: &Connection, id: TorrentId, removal: Removal) -> Result<()> {
    let mark = match removal {
        Removal::Not => 0,
        Removal::KeepData => 1,
        Removal::WithData => 2,
    };
    run(on, "UPDATE torrents SET removal = ?2 WHERE id = ?1", params![id.0, mark])
}

pub(crate) fn finish_removal(on: &Connection, id: TorrentId) -> Result<()> {
    for table in ["torrents", "resume", "metadata"] {
        run(on, &format!("DELETE FROM {table} WHERE id = ?1"), params![id.0])?;
    }
    run(on, "DELETE FROM bad_records WHERE id = ?1", params![id.to_string()])
}

pub(crate) fn metadata_file(on: &Connection, id: TorrentId) -> Result<Option<Vec<u8>>> {
    let sealed: Option<Vec<u8>> = on
        .prepare_cached("SELECT record FROM metadata WHERE id = ?1")
        .and_then(|mut query| query.query_row([id.0], |row| row.get(0)).optional())
        .map_err(|error| failed(&error))?;
    let Some(sealed) = sealed else { return Ok(None) };
    let damaged = |why| Error::internal(format!("the metadata record of {id} is damaged: {why}"));
    record::open(&sealed).map(|file| Some(file.to_vec())).map_err(damaged)
}

pub(crate) fn set_setting(on: &Connection, key: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) => run(on, "INSERT OR REPLACE INTO settings VALUES (?1, ?2)", [key, value]),
        None => run(on, "DELETE FROM settings WHERE key = ?1", [key]),
    }
}

pub(crate) fn setting(on: &Connection, key: &str) -> Result<Option<String>> {
    on.prepare_cached("SELECT value FROM settings WHERE key = ?1")
        .and_then(|mut query| query.query_row([key], |row| row.get(0)).optional())
        .map_err(|error| failed(&error))
}

pub(crate) fn add_counter(on: &Connection, name: &str, delta: i64) -> Result<()> {
    run(
        on,
        "INSERT INTO counters VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        params![name, delta],
    )
}

pub(crate) fn counters(on: &Connection) -> Result<Vec<(String, i64)>> {
    on.prepare_cached("SELECT name, value FROM counters ORDER BY name")
        .and_then(|mut query| {
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(|error| failed(&error))
}

pub(crate) fn mark_closed(on: &Connection, clean: bool) -> Result<()> {
    let value = if clean { "yes" } else { "no" };
    run(on, "INSERT OR REPLACE INTO meta VALUES ('closed_cleanly', ?1)", [value])
}

fn facts(on: &Connection, id: TorrentId) -> Result<Option<(Facts, Removal)>> {
    let row: Option<(Vec<u8>, i64)> = on
        .prepare_cached("SELECT record, removal FROM torrents WHERE id = ?1")
        .and_then(|mut query| {
            query.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(|error| failed(&error))?;
    let Some((sealed, removal)) = row else { return Ok(None) };
    let damaged = |why| Error::internal(format!("the record of {id} is damaged: {why}"));
    Ok(Some((Facts::open(&sealed).map_err(damaged)?, removal_of(removal))))
}

/// The removal that a number in the table means.
pub(crate) fn removal_of(mark: i64) -> Removal {
    match mark {
        0 => Removal::Not,
        1 => Removal::KeepData,
        _ => Removal::WithData,
    }
}

fn put_facts(on: &Connection, id: TorrentId, facts: &Facts) -> Result<()> {
    let sealed = facts.seal()?;
    run(on, "UPDATE torrents SET record = ?2 WHERE id = ?1", params![id.0, sealed])
}

/// Puts a sealed record; `table` is one of ours, never foreign text.
fn put(on: &Connection, table: &str, id: TorrentId, sealed: &[u8]) -> Result<()> {
    let sql = format!("INSERT OR REPLACE INTO {table} (id, record) VALUES (?1, ?2)");
    run(on, &sql, params![id.0, sealed])
}

fn run(on: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<()> {
    on.prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values))
        .map(drop)
        .map_err(|error| failed(&error))
}
