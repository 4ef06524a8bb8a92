-- What must survive: see docs/ARCHITECTURE.md, "The store".
-- A `record` column is sealed: version, checksum, payload (record.rs).
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE torrents (
    id       BLOB PRIMARY KEY,          -- 20 bytes: v1, else truncated v2
    added_at INTEGER NOT NULL,          -- Unix seconds; the order of loading
    removal  INTEGER NOT NULL DEFAULT 0, -- 0 not, 1 keep the data, 2 with the data
    record   BLOB NOT NULL              -- name, save path, options
);

-- Rewritten every few seconds while a torrent moves, so it stands apart from the .torrent file.
CREATE TABLE resume (
    id     BLOB PRIMARY KEY,
    record BLOB NOT NULL
);

CREATE TABLE metadata (
    id     BLOB PRIMARY KEY,
    record BLOB NOT NULL
);

CREATE TABLE bad_records (
    id       TEXT NOT NULL,
    kept_at  INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    torrent  BLOB,
    resume   BLOB,
    metadata BLOB
);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
