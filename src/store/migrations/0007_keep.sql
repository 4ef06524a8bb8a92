-- Shares in the making: a wish stays here until it is a share, refused or cancelled. `replaces` is
-- the share of which it is to be a new edition. NULL elsewhere stands for what is decided by itself.
CREATE TABLE share_jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    name TEXT,
    format INTEGER NOT NULL,
    piece_bytes INTEGER,
    is_public INTEGER NOT NULL,
    is_members_only INTEGER,
    comment TEXT NOT NULL,
    skip TEXT,
    replaces BLOB,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
);

-- The files of a share as they were when it was made: names, sizes and times.
CREATE TABLE share_files (
    share BLOB PRIMARY KEY,
    files BLOB NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;
