-- Torrents made here of the user's own files. `skip` holds a pattern a line, NULL the usual ones.
CREATE TABLE shares (
    id BLOB PRIMARY KEY,
    path TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    is_private INTEGER NOT NULL,
    is_members_only INTEGER NOT NULL,
    skip TEXT,
    digest BLOB NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;

-- Keys with names. `shares` holds info-hashes one behind the other, NULL stands for all; the key
-- itself is in `access_keys` as long as it lets in.
CREATE TABLE friends (
    name TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    made_at INTEGER NOT NULL,
    valid_until INTEGER,
    revoked_at INTEGER,
    shares BLOB,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;

-- Links for friends. NULL stands for no end and for any number of uses.
CREATE TABLE invites (
    token TEXT PRIMARY KEY,
    friend TEXT NOT NULL,
    share BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    valid_until INTEGER,
    uses_left INTEGER,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;
