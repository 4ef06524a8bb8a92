//! Shares over time: those in the making, their files as they were, and new editions of them.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::share::FileMark;
use crate::domain::share::Format;
use crate::domain::share::Share;
use crate::domain::share::ShareWish;
use crate::store::NewTorrent;
use crate::store::Removal;
use crate::store::Store;
use crate::store::SwarmChange;
use crate::store::accounts;
use crate::store::failure::Failure;
use crate::store::friends;
use crate::store::labels;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;
use crate::store::shares;
use crate::store::swarms;
use crate::store::torrents;

/// A share that was made: everything that is kept of it at once.
#[derive(Clone, Debug)]
pub struct NewShare {
    /// Its torrent.
    pub torrent: NewTorrent,
    /// What was decided about it.
    pub share: Share,
    /// Its files as they were hashed.
    pub files: Vec<FileMark>,
    /// What its swarms are allowed.
    pub swarms: Vec<(TorrentId, SwarmChange)>,
    /// The job that is done with it.
    pub job: Option<u64>,
    /// The share whose place it takes: friends, invites, accounts and labels go over, its torrent is
    /// to go.
    pub replaces: Option<TorrentId>,
}

impl Store {
    /// Keeps a share: all of it or nothing.
    ///
    /// # Errors
    /// `Conflict` when a torrent of this id is there, be it on its way out; `NotFound` when the
    /// share to be replaced is gone.
    pub async fn add_share(&self, new: NewShare) -> Result<()> {
        let file = new.torrent.metadata_file.as_ref().map_or(0, Vec::len);
        let names: usize = new.files.iter().map(|file| file.path.len() + 28).sum();
        let size = new.torrent.resume.len() + file + names;
        let boot_id = self.boot_id.clone();
        self.change(size, move |conn| add(conn, &boot_id, &new)).await
    }

    /// Keeps that a share's files were looked at and are these now, and that the job is done.
    ///
    /// # Errors
    /// `NotFound` when there is no such share.
    pub async fn renew_share(
        &self,
        share: Share,
        files: Vec<FileMark>,
        job: Option<u64>,
    ) -> Result<()> {
        let size = files.iter().map(|file| file.path.len() + 28).sum();
        self.change(size, move |conn| {
            must_exist(conn, share.id)?;
            shares::put(conn, &share)?;
            put_files(conn, share.id, &files)?;
            job.map_or(Ok(()), |job| forget_job(conn, job))
        })
        .await
    }

    /// The files of a share as they were; `None` when that was not kept.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when the record is damaged.
    pub async fn share_files(&self, share: TorrentId) -> Result<Option<Vec<FileMark>>> {
        self.change(0, move |conn| files(conn, share)).await
    }

    /// Keeps the wish for a share; returns the number of the job, which no other one had.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn put_share_job(&self, wish: ShareWish) -> Result<u64> {
        self.change(0, move |conn| put_job(conn, &wish)).await
    }

    /// Forgets a job; fine when it is forgotten already.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn remove_share_job(&self, number: u64) -> Result<()> {
        self.change(0, move |conn| forget_job(conn, number)).await
    }

    /// All jobs, the first begun first.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn share_jobs(&self) -> Result<Vec<(u64, ShareWish)>> {
        self.change(0, jobs).await
    }
}

fn add(conn: &Connection, boot_id: &str, new: &NewShare) -> std::result::Result<(), Failure> {
    let id = new.share.id;
    torrents::add(conn, boot_id, &new.torrent)?;
    shares::put(conn, &new.share)?;
    put_files(conn, id, &new.files)?;
    if let Some(old) = new.replaces {
        must_exist(conn, old)?;
        friends::move_share(conn, old, id)?;
        accounts::move_share(conn, old, id)?;
        labels::copy(conn, old, id)?;
        torrents::begin_removal(conn, old, Removal::KeepData)?;
    }
    // After the removal: a hybrid and its new edition may have a swarm in common.
    for (hash, change) in &new.swarms {
        swarms::change(conn, *hash, *change)?;
    }
    new.job.map_or(Ok(()), |job| forget_job(conn, job))
}

fn must_exist(conn: &Connection, share: TorrentId) -> std::result::Result<(), Failure> {
    match conn.prepare_cached("SELECT 1 FROM shares WHERE id = ?1")?.exists([share.0])? {
        true => Ok(()),
        false => Err(Error::not_found("the share is gone").into()),
    }
}

fn put_files(
    conn: &Connection,
    share: TorrentId,
    files: &[FileMark],
) -> std::result::Result<(), Failure> {
    let bytes = written(files);
    conn.prepare_cached("INSERT OR REPLACE INTO share_files VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![share.0, bytes, VERSION, files_seal(share, &bytes).finish()])?;
    Ok(())
}

/// Forgets the files of a share that goes.
pub(super) fn forget_files(
    conn: &Connection,
    share: TorrentId,
) -> std::result::Result<(), Failure> {
    conn.prepare_cached("DELETE FROM share_files WHERE share = ?1")?.execute([share.0])?;
    Ok(())
}

fn files(
    conn: &Connection,
    share: TorrentId,
) -> std::result::Result<Option<Vec<FileMark>>, Failure> {
    let mut query = conn.prepare_cached("SELECT * FROM share_files WHERE share = ?1")?;
    let found = query.query_row([share.0], |row| Ok(read_files(row))).optional()?;
    let damaged = |Damage(damage)| {
        Error::internal(format!("the record of a share's files is damaged: {damage}"))
    };
    Ok(found.transpose().map_err(damaged)?)
}

/// A row of all columns of `share_files`.
pub(super) fn read_files(row: &Row) -> std::result::Result<Vec<FileMark>, Damage> {
    let mut columns = Columns::from(row, 0);
    let share = shares::hash(columns.bytes()?)?;
    let bytes = columns.bytes()?;
    columns.check(files_seal(share, bytes))?;
    read_back(bytes).ok_or_else(|| Damage("column files is cut off".into()))
}

fn files_seal(share: TorrentId, bytes: &[u8]) -> Seal {
    Seal::of("share_files").bytes(&share.0).bytes(bytes)
}

/// For each file the length of its name, the name, its size, and its time in two parts.
fn written(files: &[FileMark]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in files {
        bytes.extend((file.path.len() as u32).to_le_bytes());
        bytes.extend(file.path.as_bytes());
        bytes.extend(file.size_bytes.to_le_bytes());
        bytes.extend(file.modified.0.to_le_bytes());
        bytes.extend(file.modified.1.to_le_bytes());
    }
    bytes
}

fn read_back(mut bytes: &[u8]) -> Option<Vec<FileMark>> {
    let mut files = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?);
        let path = bytes.split_off(..length as usize)?;
        let mut number = || bytes.split_off(..8)?.first_chunk::<8>().copied();
        files.push(FileMark {
            path: str::from_utf8(path).ok()?.to_owned(),
            size_bytes: u64::from_le_bytes(number()?),
            modified: (i64::from_le_bytes(number()?), i64::from_le_bytes(number()?)),
        });
    }
    Some(files)
}

fn put_job(conn: &Connection, wish: &ShareWish) -> std::result::Result<u64, Failure> {
    conn.prepare_cached(
        "INSERT INTO share_jobs (path, name, format, piece_bytes, is_public, is_members_only,
             comment, skip, replaces, version, checksum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, x'')",
    )?
    .execute(params![
        wish.path,
        wish.name,
        code(wish.format),
        wish.piece_bytes,
        wish.is_public,
        wish.is_members_only,
        wish.comment,
        skip_text(wish),
        wish.replaces.map(|share| share.0),
        VERSION,
    ])?;
    // The checksum covers the number, which is known only now.
    let number = conn.last_insert_rowid();
    conn.prepare_cached("UPDATE share_jobs SET checksum = ?2 WHERE number = ?1")?
        .execute(params![number, job_seal(number, wish).finish()])?;
    Ok(number.cast_unsigned())
}

fn forget_job(conn: &Connection, number: u64) -> std::result::Result<(), Failure> {
    conn.prepare_cached("DELETE FROM share_jobs WHERE number = ?1")?
        .execute([number.cast_signed()])?;
    Ok(())
}

fn jobs(conn: &Connection) -> std::result::Result<Vec<(u64, ShareWish)>, Failure> {
    let mut query = conn.prepare("SELECT * FROM share_jobs ORDER BY number")?;
    let mut rows = query.query([])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(read_job(row).map_err(|Damage(damage)| {
            Error::internal(format!("the record of a share in the making is damaged: {damage}"))
        })?);
    }
    Ok(jobs)
}

/// A row of all columns of `share_jobs`.
pub(super) fn read_job(row: &Row) -> std::result::Result<(u64, ShareWish), Damage> {
    let mut columns = Columns::from(row, 0);
    let number = columns.int()?;
    let wish = ShareWish {
        path: columns.text()?.to_owned(),
        name: columns.optional_text()?.map(str::to_owned),
        format: format_of(columns.int()?)?,
        piece_bytes: columns
            .optional_int()?
            .map(u32::try_from)
            .transpose()
            .map_err(|_| Damage("column piece_bytes is out of range".into()))?,
        is_public: columns.flag()?,
        is_members_only: columns.optional_int()?.map(|on| on != 0),
        comment: columns.text()?.to_owned(),
        skip: columns.optional_text()?.map(|text| text.lines().map(str::to_owned).collect()),
        replaces: columns.optional_bytes()?.map(shares::hash).transpose()?,
    };
    columns.check(job_seal(number, &wish))?;
    Ok((number.cast_unsigned(), wish))
}

fn job_seal(number: i64, wish: &ShareWish) -> Seal {
    let skip = skip_text(wish);
    Seal::of("share_jobs")
        .int(number)
        .text(&wish.path)
        .int(wish.name.is_some().into())
        .text(wish.name.as_deref().unwrap_or_default())
        .int(code(wish.format))
        .int(wish.piece_bytes.unwrap_or(0).into())
        .int(wish.is_public.into())
        .int(wish.is_members_only.map_or(-1, i64::from))
        .text(&wish.comment)
        .int(skip.is_some().into())
        .text(skip.as_deref().unwrap_or_default())
        .bytes(wish.replaces.as_ref().map_or(&[], |share| &share.0))
}

fn skip_text(wish: &ShareWish) -> Option<String> {
    wish.skip.as_ref().map(|patterns| patterns.join("\n"))
}

fn code(format: Format) -> i64 {
    match format {
        Format::V1 => 1,
        Format::V2 => 2,
        Format::Hybrid => 3,
    }
}

fn format_of(number: i64) -> std::result::Result<Format, Damage> {
    let all = [Format::V1, Format::V2, Format::Hybrid];
    let found = all.into_iter().find(|format| code(*format) == number);
    found.ok_or_else(|| Damage("column format is out of range".into()))
}
