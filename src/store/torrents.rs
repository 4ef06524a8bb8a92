//! Torrents as they are kept: the user's wishes, the engine's resume data, the `.torrent` file.
//!
//! Each of the three has its own table, so that the periodic save of resume data rewrites neither
//! of the others. Reading them back is in `load.rs`.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::error::Error;
use crate::domain::hash::Sha256Hash;
use crate::domain::hash::TorrentId;
use crate::domain::ratio::Ratio;
use crate::store::failure::Failure;
use crate::store::labels;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;
use crate::store::shares;

/// What the user wishes for one torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TorrentOptions {
    /// The engine session it lives in, such as `default`.
    pub session: String,
    /// Stopped by the user; stays so over restarts.
    pub is_stopped: bool,
    /// Proxies between us and its peers; 0 = none.
    pub anon_hops: u32,
    /// Seed through the proxies too.
    pub safe_seeding: bool,
    /// Where its files go once complete; empty = they stay.
    pub completed_dir: String,
    /// Made on this machine, so its web seeds may be private addresses (rule F7).
    pub made_here: bool,
    /// How far it is seeded before it stops by itself, 0 = without end; `None` = as configured.
    pub seed_ratio: Option<Ratio>,
    /// It stopped for that already: whoever resumes it wants more.
    pub seed_ratio_met: bool,
    /// It stops once its metadata is there, and nothing else of it is downloaded until then.
    pub only_metadata: bool,
    /// Where its files were last on their way to; empty = nowhere.
    pub moving_to: String,
}

/// A torrent to be kept from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTorrent {
    /// Its name inside the program.
    pub id: TorrentId,
    /// Its SHA-256 info-hash, when it has one.
    pub v2: Option<Sha256Hash>,
    /// Its display name.
    pub name: String,
    /// Where its files are.
    pub save_path: String,
    /// Bencoded libtorrent resume data without the info dictionary.
    pub resume: Vec<u8>,
    /// The `.torrent` file; `None` until the metadata is known.
    pub metadata_file: Option<Vec<u8>>,
    /// When it was added, in Unix seconds.
    pub added_at: i64,
    /// What the user wishes for it.
    pub options: TorrentOptions,
}

/// The engine's present knowledge of one torrent, to be kept in place of the former.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRecord {
    /// Which torrent.
    pub id: TorrentId,
    /// Bencoded libtorrent resume data without the info dictionary.
    pub resume: Vec<u8>,
    /// The `.torrent` file, once known. The first one is kept; later ones and `None` change
    /// nothing.
    pub metadata_file: Option<Vec<u8>>,
    /// Its display name.
    pub name: String,
    /// Where its files are.
    pub save_path: String,
    /// Every piece that `resume` claims was fsynced before this record was made (rule D3).
    pub payload_synced: bool,
    /// How many pieces `resume` claims.
    pub claimed_pieces: u32,
}

/// Whether a torrent is being removed (rule D19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removal {
    /// It stays.
    #[default]
    Not,
    /// It goes, its files stay.
    KeepData,
    /// It goes with its files.
    WithData,
}

/// What the `torrents` table holds of one torrent, its id aside.
pub(super) struct Entry {
    pub(super) v2: Option<Sha256Hash>,
    pub(super) added_at: i64,
    pub(super) options: TorrentOptions,
    pub(super) removal: Removal,
}

/// The columns of [`Entry`] in the order in which [`Entry::read`] takes them.
pub(super) const ENTRY_COLUMNS: &str = "t.v2, t.added_at, t.session, t.is_stopped, t.anon_hops, \
    t.safe_seeding, t.completed_dir, t.made_here, t.removal, t.seed_ratio, \
    t.seed_ratio_met, t.only_metadata, t.moving_to, t.version, t.checksum";

impl Removal {
    fn from_code(code: i64) -> Option<Self> {
        [Self::Not, Self::KeepData, Self::WithData]
            .into_iter()
            .find(|removal| removal.code() == code)
    }

    fn code(self) -> i64 {
        match self {
            Self::Not => 0,
            Self::KeepData => 1,
            Self::WithData => 2,
        }
    }
}

impl Entry {
    /// Takes [`ENTRY_COLUMNS`] and compares the checksum.
    pub(super) fn read(id: TorrentId, columns: &mut Columns) -> Result<Self, Damage> {
        let v2 = columns.optional_bytes()?.map(<[u8; 32]>::try_from).transpose();
        let entry = Self {
            v2: v2.map_err(|_| Damage("column v2 is no SHA-256".into()))?.map(Sha256Hash),
            added_at: columns.int()?,
            options: TorrentOptions {
                session: columns.text()?.to_owned(),
                is_stopped: columns.flag()?,
                anon_hops: columns.count()?,
                safe_seeding: columns.flag()?,
                completed_dir: columns.text()?.to_owned(),
                made_here: columns.flag()?,
                ..TorrentOptions::default()
            },
            removal: Removal::from_code(columns.int()?)
                .ok_or_else(|| Damage("column removal is out of range".into()))?,
        };
        let options = TorrentOptions {
            seed_ratio: columns.optional_count()?.map(Ratio::of_thousandths),
            seed_ratio_met: columns.flag()?,
            only_metadata: columns.flag()?,
            moving_to: columns.text()?.to_owned(),
            ..entry.options
        };
        let entry = Self { options, ..entry };
        columns.check(entry.seal(id))?;
        Ok(entry)
    }

    fn seal(&self, id: TorrentId) -> Seal {
        let options = &self.options;
        let seal = Seal::of("torrents")
            .bytes(&id.0)
            .bytes(self.v2.as_ref().map_or(&[], |v2| &v2.0))
            .int(self.added_at)
            .text(&options.session)
            .int(i64::from(options.is_stopped))
            .int(i64::from(options.anon_hops))
            .int(i64::from(options.safe_seeding))
            .text(&options.completed_dir)
            .int(i64::from(options.made_here))
            .int(self.removal.code());
        // Records of before these columns have none of it, and a checksum that does not know them.
        let further = (options.seed_ratio, options.seed_ratio_met, options.only_metadata);
        if further == (None, false, false) && options.moving_to.is_empty() {
            return seal;
        }
        let seal = seal
            .int(options.seed_ratio.map_or(-1, |ratio| i64::from(ratio.thousandths())))
            .int(i64::from(options.seed_ratio_met))
            .int(i64::from(options.only_metadata));
        match options.moving_to.is_empty() {
            true => seal,
            false => seal.text(&options.moving_to),
        }
    }

    /// Writes the row of `id`, new or in place, and returns its number.
    fn write(&self, conn: &Connection, id: TorrentId) -> rusqlite::Result<i64> {
        let options = &self.options;
        let mut put = conn.prepare_cached(
            "INSERT INTO torrents (id, v2, added_at, session, is_stopped, anon_hops, safe_seeding,
                 completed_dir, made_here, removal, seed_ratio, seed_ratio_met, only_metadata,
                 moving_to, version, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (id) DO UPDATE SET session = excluded.session,
                 is_stopped = excluded.is_stopped, anon_hops = excluded.anon_hops,
                 safe_seeding = excluded.safe_seeding, completed_dir = excluded.completed_dir,
                 made_here = excluded.made_here, removal = excluded.removal,
                 seed_ratio = excluded.seed_ratio, seed_ratio_met = excluded.seed_ratio_met,
                 only_metadata = excluded.only_metadata, moving_to = excluded.moving_to,
                 version = excluded.version, checksum = excluded.checksum
             RETURNING number",
        )?;
        let values = params![
            id.0,
            self.v2.as_ref().map(|v2| v2.0),
            self.added_at,
            options.session,
            options.is_stopped,
            options.anon_hops,
            options.safe_seeding,
            options.completed_dir,
            options.made_here,
            self.removal.code(),
            options.seed_ratio.map(Ratio::thousandths),
            options.seed_ratio_met,
            options.only_metadata,
            options.moving_to,
            VERSION,
            self.seal(id).finish(),
        ];
        put.query_row(values, |row| row.get(0))
    }
}

impl ResumeRecord {
    /// The checksum of a row of `resumes`, saved in the boot `boot_id`.
    pub(super) fn seal(&self, boot_id: &str) -> Seal {
        Seal::of("resumes")
            .bytes(&self.id.0)
            .text(&self.name)
            .text(&self.save_path)
            .int(i64::from(self.payload_synced))
            .int(i64::from(self.claimed_pieces))
            .text(boot_id)
            .bytes(&self.resume)
    }

    fn write(&self, conn: &Connection, number: i64, boot_id: &str) -> rusqlite::Result<()> {
        let mut put = conn.prepare_cached(
            "INSERT OR REPLACE INTO resumes (number, name, save_path, payload_synced,
                 claimed_pieces, boot_id, resume, version, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        put.execute(params![
            number,
            self.name,
            self.save_path,
            self.payload_synced,
            self.claimed_pieces,
            boot_id,
            self.resume,
            VERSION,
            self.seal(boot_id).finish(),
        ])?;
        match &self.metadata_file {
            Some(file) => write_metadata(conn, number, self.id, file),
            None => Ok(()),
        }
    }
}

/// The `.torrent` file of `id`.
pub(super) fn metadata_file(conn: &Connection, id: TorrentId) -> Result<Option<Vec<u8>>, Failure> {
    let mut query = conn.prepare_cached(
        "SELECT m.file, m.version, m.checksum
         FROM torrents t JOIN metadata m ON m.number = t.number WHERE t.id = ?1",
    )?;
    let read = |row: &Row<'_>| -> Result<Vec<u8>, Damage> {
        let mut columns = Columns::from(row, 0);
        let file = columns.bytes()?;
        columns.check(metadata_seal(id, file))?;
        Ok(file.to_vec())
    };
    match query.query_row([&id.0[..]], |row| Ok(read(row))).optional()? {
        None => Ok(None),
        Some(Ok(file)) => Ok(Some(file)),
        Some(Err(Damage(damage))) => {
            Err(Error::internal(format!("the metadata of {id} is damaged: {damage}")).into())
        }
    }
}

/// The checksum of a row of `metadata`.
pub(super) fn metadata_seal(id: TorrentId, file: &[u8]) -> Seal {
    Seal::of("metadata").bytes(&id.0).bytes(file)
}

fn write_metadata(
    conn: &Connection,
    number: i64,
    id: TorrentId,
    file: &[u8],
) -> rusqlite::Result<()> {
    let has_one =
        conn.prepare_cached("SELECT 1 FROM metadata WHERE number = ?1")?.exists([number])?;
    if !has_one {
        conn.prepare_cached("INSERT INTO metadata VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            number,
            file,
            VERSION,
            metadata_seal(id, file).finish()
        ])?;
    }
    Ok(())
}

/// Keeps a new torrent. Conflict when there is one with this id, be it on its way out.
pub(super) fn add(conn: &Connection, boot_id: &str, new: &NewTorrent) -> Result<(), Failure> {
    if conn.prepare_cached("SELECT 1 FROM torrents WHERE id = ?1")?.exists([new.id.0])? {
        return Err(Error::conflict(format!("torrent {} is there already", new.id)).into());
    }
    let entry = Entry {
        v2: new.v2,
        added_at: new.added_at,
        options: new.options.clone(),
        removal: Removal::Not,
    };
    let number = entry.write(conn, new.id)?;
    let resume = ResumeRecord {
        id: new.id,
        resume: new.resume.clone(),
        metadata_file: None,
        name: new.name.clone(),
        save_path: new.save_path.clone(),
        payload_synced: true,
        claimed_pieces: 0,
    };
    resume.write(conn, number, boot_id)?;
    if let Some(file) = &new.metadata_file {
        write_metadata(conn, number, new.id, file)?;
    }
    dismiss_bad(conn, new.id)
}

/// Replaces the resume data; does nothing for a torrent that is gone or going.
pub(super) fn save_resume(
    conn: &Connection,
    boot_id: &str,
    record: &ResumeRecord,
) -> Result<(), Failure> {
    let number: Option<i64> = conn
        .prepare_cached("SELECT number FROM torrents WHERE id = ?1 AND removal = 0")?
        .query_row([record.id.0], |row| row.get(0))
        .optional()?;
    if let Some(number) = number {
        record.write(conn, number, boot_id)?;
    }
    Ok(())
}

/// Changes the user's wishes. `NotFound` when the torrent is gone.
pub(super) fn change_options(
    conn: &Connection,
    id: TorrentId,
    change: impl Fn(&mut TorrentOptions),
) -> Result<(), Failure> {
    let Some(mut entry) = find(conn, id)? else {
        return Err(unknown(id));
    };
    change(&mut entry.options);
    entry.write(conn, id)?;
    Ok(())
}

/// Notes that the torrent has to go, and ends its share. `NotFound` when it is gone.
pub(super) fn begin_removal(
    conn: &Connection,
    id: TorrentId,
    removal: Removal,
) -> Result<(), Failure> {
    if let Some(mut entry) = find(conn, id)? {
        entry.removal = removal;
        entry.write(conn, id)?;
        shares::forget(conn, id, entry.v2)?;
        return Ok(());
    }
    let is_kept_aside = conn
        .prepare_cached("SELECT 1 FROM bad_records WHERE id = ?1 AND dismissed_at IS NULL")?
        .exists([id.0])?;
    if is_kept_aside { Ok(()) } else { Err(unknown(id)) }
}

/// Forgets the torrent; fine when it is forgotten already.
pub(super) fn finish_removal(conn: &Connection, id: TorrentId) -> Result<(), Failure> {
    let number: Option<i64> = conn
        .prepare_cached("DELETE FROM torrents WHERE id = ?1 RETURNING number")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    if let Some(number) = number {
        conn.prepare_cached("DELETE FROM resumes WHERE number = ?1")?.execute([number])?;
        conn.prepare_cached("DELETE FROM metadata WHERE number = ?1")?.execute([number])?;
    }
    labels::forget(conn, id)?;
    dismiss_bad(conn, id)
}

fn find(conn: &Connection, id: TorrentId) -> Result<Option<Entry>, Failure> {
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM torrents t WHERE id = ?1");
    let mut query = conn.prepare_cached(&sql)?;
    let found = query
        .query_row([id.0], |row| Ok(Entry::read(id, &mut Columns::from(row, 0))))
        .optional()?;
    let damaged = |Damage(damage)| Error::internal(format!("record of {id} is damaged: {damage}"));
    Ok(found.transpose().map_err(damaged)?)
}

/// A damaged record of this torrent is kept, and no longer shown.
fn dismiss_bad(conn: &Connection, id: TorrentId) -> Result<(), Failure> {
    conn.prepare_cached(
        "UPDATE bad_records SET dismissed_at = unixepoch() WHERE id = ?1 AND dismissed_at IS NULL",
    )?
    .execute([id.0])?;
    Ok(())
}

fn unknown(id: TorrentId) -> Failure {
    Error::not_found(format!("torrent {id} is not known")).into()
}
