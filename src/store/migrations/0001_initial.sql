-- Every record carries the version of its form and a checksum over its columns (rule D2).

-- What only the user changes. The row number is the order of adding.
CREATE TABLE torrents (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    v2 BLOB,
    added_at INTEGER NOT NULL,
    session TEXT NOT NULL,
    is_stopped INTEGER NOT NULL,
    anon_hops INTEGER NOT NULL,
    safe_seeding INTEGER NOT NULL,
    completed_dir TEXT NOT NULL,
    made_here INTEGER NOT NULL,
    removal INTEGER NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
);

-- What the engine saves again and again; apart, so that a save rewrites nothing else.
CREATE TABLE resumes (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    save_path TEXT NOT NULL,
    payload_synced INTEGER NOT NULL,
    claimed_pieces INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    resume BLOB NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
);

-- The .torrent file: large, and written once.
CREATE TABLE metadata (
    number INTEGER PRIMARY KEY,
    file BLOB NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
);

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;

-- Damaged records, kept as they were found (rule D4). Dismissed means: no longer shown.
CREATE TABLE bad_records (
    number INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    found_at INTEGER NOT NULL DEFAULT (unixepoch()),
    dismissed_at INTEGER,
    id BLOB,
    name BLOB,
    save_path BLOB,
    reason TEXT NOT NULL,
    resume BLOB,
    metadata_file BLOB,
    rest TEXT NOT NULL
);

-- The clean-stop mark and the boot it was written in.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
