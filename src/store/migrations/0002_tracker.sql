-- What the tracker keeps of a swarm; its peers are not kept. `mode` is NULL for the tracker's own.
CREATE TABLE swarms (
    info_hash BLOB PRIMARY KEY,
    is_listed INTEGER NOT NULL,
    is_flagged INTEGER NOT NULL,
    mode TEXT,
    completed INTEGER NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;

-- Who may announce to private swarms. `valid_until` is NULL for a key without an end.
CREATE TABLE access_keys (
    key TEXT PRIMARY KEY,
    valid_until INTEGER,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;

-- Statistics over time: a row a minute for a day, a row an hour for a year.
CREATE TABLE history (
    span_s INTEGER NOT NULL,
    begin_at INTEGER NOT NULL,
    figures BLOB NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (span_s, begin_at)
) WITHOUT ROWID;
