//! Reading everything back at the start: whole records load, damaged ones are kept aside.
//!
//! One scan over the three tables of torrents in the order of adding; nothing of it stays here.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;
use rusqlite::types::ValueRef;

use crate::domain::hash::Sha256Hash;
use crate::domain::hash::TorrentId;
use crate::store::access;
use crate::store::accounts;
use crate::store::counters;
use crate::store::friends;
use crate::store::keeping;
use crate::store::labels;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::sessions;
use crate::store::settings;
use crate::store::shares;
use crate::store::swarms;
use crate::store::tokens;
use crate::store::torrents::ENTRY_COLUMNS;
use crate::store::torrents::Entry;
use crate::store::torrents::Removal;
use crate::store::torrents::ResumeRecord;
use crate::store::torrents::TorrentOptions;
use crate::store::torrents::metadata_seal;

/// A torrent as it was last kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedTorrent {
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
    /// The `.torrent` file; `None` when the metadata was not known.
    pub metadata_file: Option<Vec<u8>>,
    /// When it was added, in Unix seconds.
    pub added_at: i64,
    /// What the user wishes for it.
    pub options: TorrentOptions,
    /// Whether its removal was begun and has to be finished (rule D19).
    pub removal: Removal,
    /// Every piece that `resume` claims was fsynced before this record was made (rule D3).
    pub payload_synced: bool,
    /// How many pieces `resume` claims.
    pub claimed_pieces: u32,
    /// The claims were made without an fsync and under an earlier boot: pieces may be missing
    /// from the disk until a check (rule D3). Stays so over restarts until resume data is saved.
    pub claims_in_doubt: bool,
}

/// A record that is damaged; it is kept in the table `bad_records` (rule D4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The info-hash of the torrent, in hex as far as it is readable; else what the record was,
    /// such as "setting `x`".
    pub id_text: String,
    /// What is wrong with it.
    pub reason: String,
    /// The display name, as far as readable; may be empty.
    pub name: String,
    /// Where its files are, as far as readable; may be empty.
    pub save_path: String,
}

/// Tables of small records: their key, what one is called, and how the rest of one is written down.
const SMALL_TABLES: [(&str, &str, &str, &str); 14] = [
    ("settings", "key", "setting", "format('value=%s', quote(value))"),
    ("counters", "name", "counter", "format('value=%s', quote(value))"),
    (
        "swarms",
        "info_hash",
        "swarm",
        "format('is_listed=%s is_flagged=%s mode=%s completed=%s', quote(is_listed),
             quote(is_flagged), quote(mode), quote(completed))",
    ),
    ("access_keys", "key", "key", "format('valid_until=%s', quote(valid_until))"),
    (
        "labels",
        "id",
        "labels of torrent",
        "format('category=%s tags=%s metadata=%s max_connections=%s', quote(category),
             quote(tags), quote(metadata), quote(max_connections))",
    ),
    (
        "tokens",
        "id",
        "token",
        "format('name=%s digest=%s scopes=%s created_at=%s expires_at=%s', quote(name),
             quote(digest), quote(scopes), quote(created_at), quote(expires_at))",
    ),
    ("users", "name", "user", "format('password=%s', quote(password))"),
    (
        "shares",
        "id",
        "share",
        "format('path=%s made_at=%s is_private=%s is_members_only=%s skip=%s digest=%s',
             quote(path), quote(made_at), quote(is_private), quote(is_members_only), quote(skip),
             quote(digest))",
    ),
    (
        "share_jobs",
        "number",
        "share in the making",
        "format('path=%s name=%s format=%s piece_bytes=%s is_public=%s is_members_only=%s
             comment=%s skip=%s replaces=%s', quote(path), quote(name), quote(format),
             quote(piece_bytes), quote(is_public), quote(is_members_only), quote(comment),
             quote(skip), quote(replaces))",
    ),
    ("share_files", "share", "files of share", "format('files=%s', quote(files))"),
    (
        "friends",
        "name",
        "friend",
        "format('key=%s made_at=%s valid_until=%s revoked_at=%s shares=%s', quote(key),
             quote(made_at), quote(valid_until), quote(revoked_at), quote(shares))",
    ),
    (
        "invites",
        "token",
        "invite",
        "format('friend=%s share=%s made_at=%s valid_until=%s uses_left=%s', quote(friend),
             quote(share), quote(made_at), quote(valid_until), quote(uses_left))",
    ),
    (
        "accounts",
        "id",
        "account",
        "format('figures=%s clients=%s', quote(figures), quote(clients))",
    ),
    (
        "sessions",
        "number",
        "session",
        "format('name=%s settings=%s', quote(name), quote(settings))",
    ),
];

/// All whole torrents in the order of adding, and the damaged records that have to be shown.
///
/// Runs inside the transaction of its caller, as it moves damaged records aside.
pub(super) fn load(
    conn: &Connection,
    boot_id: &str,
) -> rusqlite::Result<(Vec<LoadedTorrent>, Vec<BadRecord>)> {
    let mut bad = damaged_pairs(conn)?;
    let (torrents, damaged) = scan(conn, boot_id)?;
    for (number, damage) in damaged {
        set_torrent_aside(conn, number, &damage)?;
    }
    bad.extend(shown(conn)?);
    Ok((torrents, bad))
}

/// Row numbers of damaged torrents, with what is wrong.
type Damaged = Vec<(i64, Damage)>;

fn scan(conn: &Connection, boot_id: &str) -> rusqlite::Result<(Vec<LoadedTorrent>, Damaged)> {
    let mut query = conn.prepare(&format!(
        "SELECT t.number, t.id, {ENTRY_COLUMNS}, r.name, r.save_path, r.payload_synced,
             r.claimed_pieces, r.boot_id, r.resume, r.version, r.checksum,
             m.file, m.version, m.checksum
         FROM torrents t LEFT JOIN resumes r ON r.number = t.number
             LEFT JOIN metadata m ON m.number = t.number
         ORDER BY t.number"
    ))?;
    let mut rows = query.query([])?;
    let (mut torrents, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match read(row, boot_id) {
            Ok(torrent) => torrents.push(torrent),
            Err(damage) => damaged.push((row.get(0)?, damage)),
        }
    }
    Ok((torrents, damaged))
}

fn read(row: &Row, boot_id: &str) -> Result<LoadedTorrent, Damage> {
    let mut columns = Columns::from(row, 1);
    let id = <[u8; 20]>::try_from(columns.bytes()?).map(TorrentId);
    let id = id.map_err(|_| Damage("column id has not 20 bytes".into()))?;
    let entry = Entry::read(id, &mut columns)?;
    let (resume, saved_in_boot) = read_resume(id, &mut columns)?;
    let metadata_file = columns.optional_bytes()?;
    if let Some(file) = metadata_file {
        columns.check(metadata_seal(id, file))?;
    }
    Ok(LoadedTorrent {
        id,
        v2: entry.v2,
        name: resume.name,
        save_path: resume.save_path,
        resume: resume.resume,
        metadata_file: metadata_file.map(<[u8]>::to_vec),
        added_at: entry.added_at,
        options: entry.options,
        removal: entry.removal,
        claims_in_doubt: !resume.payload_synced && saved_in_boot != boot_id,
        payload_synced: resume.payload_synced,
        claimed_pieces: resume.claimed_pieces,
    })
}

fn read_resume<'row>(
    id: TorrentId,
    columns: &mut Columns<'row>,
) -> Result<(ResumeRecord, &'row str), Damage> {
    let (name, save_path) = (columns.text()?.to_owned(), columns.text()?.to_owned());
    let (payload_synced, claimed_pieces) = (columns.flag()?, columns.count()?);
    let boot_id = columns.text()?;
    let resume = columns.bytes()?.to_vec();
    let record = ResumeRecord {
        id,
        resume,
        metadata_file: None,
        name,
        save_path,
        payload_synced,
        claimed_pieces,
    };
    columns.check(record.seal(boot_id))?;
    Ok((record, boot_id))
}

/// Moves all that is stored of a torrent to `bad_records`, as it is.
fn set_torrent_aside(conn: &Connection, number: i64, damage: &Damage) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO bad_records (source, id, name, save_path, reason, resume, metadata_file, rest)
         SELECT 'torrents', t.id, r.name, r.save_path, ?2, r.resume, m.file,
             format('v2=%s added_at=%s session=%s is_stopped=%s anon_hops=%s safe_seeding=%s '
                 || 'completed_dir=%s made_here=%s removal=%s seed_ratio=%s seed_ratio_met=%s '
                 || 'only_metadata=%s moving_to=%s version=%s checksum=%s ',
                 quote(v2), quote(added_at), quote(session), quote(is_stopped), quote(anon_hops),
                 quote(safe_seeding), quote(completed_dir), quote(made_here), quote(removal),
                 quote(seed_ratio), quote(seed_ratio_met), quote(only_metadata),
                 quote(moving_to), quote(t.version), quote(t.checksum))
             || format('payload_synced=%s claimed_pieces=%s boot_id=%s resume_version=%s '
                 || 'resume_checksum=%s metadata_version=%s metadata_checksum=%s',
                 quote(payload_synced), quote(claimed_pieces), quote(boot_id), quote(r.version),
                 quote(r.checksum), quote(m.version), quote(m.checksum))
         FROM torrents t LEFT JOIN resumes r ON r.number = t.number
             LEFT JOIN metadata m ON m.number = t.number
         WHERE t.number = ?1",
        params![number, damage.0],
    )?;
    for table in ["metadata", "resumes", "torrents"] {
        conn.execute(&format!("DELETE FROM {table} WHERE number = ?1"), [number])?;
    }
    Ok(())
}

/// The damaged torrents that were neither removed nor added again since they were found.
fn shown(conn: &Connection) -> rusqlite::Result<Vec<BadRecord>> {
    let mut query = conn.prepare(
        "SELECT id, reason, name, save_path FROM bad_records
         WHERE source = 'torrents' AND dismissed_at IS NULL ORDER BY number",
    )?;
    let rows = query.query_map([], |row| {
        Ok(BadRecord {
            id_text: hex(row.get_ref(0)?),
            reason: row.get(1)?,
            name: readable(row.get_ref(2)?),
            save_path: readable(row.get_ref(3)?),
        })
    })?;
    rows.collect()
}

/// Moves damaged small records aside; they are shown once, at the start that finds them.
fn damaged_pairs(conn: &Connection) -> rusqlite::Result<Vec<BadRecord>> {
    let mut bad = Vec::new();
    for (table, key, kind, rest) in SMALL_TABLES {
        let mut query = conn.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = query.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let whole = match table {
                "settings" => settings::read(row).map(drop),
                "swarms" => swarms::read(row).map(drop),
                "access_keys" => access::read(row).map(drop),
                "labels" => labels::read(row).map(drop),
                "tokens" => tokens::read(row).map(drop),
                "users" => tokens::read_user(row).map(drop),
                "shares" => shares::read(row).map(drop),
                "share_jobs" => keeping::read_job(row).map(drop),
                "share_files" => keeping::read_files(row).map(drop),
                "friends" => friends::read(row).map(drop),
                "invites" => friends::read_invite(row).map(drop),
                "accounts" => accounts::read(row).map(drop),
                "sessions" => sessions::read(row).map(drop),
                _ => counters::read(row).map(drop),
            };
            let Err(Damage(reason)) = whole else { continue };
            let name = match table {
                "swarms" | "labels" | "shares" | "share_files" => hex(row.get_ref(0)?),
                // A key is a secret (rule W11).
                "access_keys" | "invites" => readable(row.get_ref(0)?).chars().take(4).collect(),
                _ => readable(row.get_ref(0)?),
            };
            let id_text = format!("{kind} `{name}`");
            keys.push((row.get::<_, rusqlite::types::Value>(0)?, reason.clone()));
            bad.push(BadRecord { id_text, reason, name: String::new(), save_path: String::new() });
        }
        for (value, reason) in keys {
            conn.execute(
                &format!(
                    "INSERT INTO bad_records (source, dismissed_at, id, reason, rest)
                     SELECT '{table}', unixepoch(), {key}, ?2,
                         {rest} || format(' version=%s checksum=%s', quote(version), quote(checksum))
                     FROM {table} WHERE {key} IS ?1"
                ),
                params![value, reason],
            )?;
            conn.execute(&format!("DELETE FROM {table} WHERE {key} IS ?1"), [value])?;
        }
    }
    Ok(bad)
}

fn hex(value: ValueRef) -> String {
    match value {
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        other => readable(other),
    }
}

fn readable(value: ValueRef) -> String {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Null => String::new(),
    }
}
