-- What users write on torrents. `tags` has U+001F between tags, `metadata` is a JSON object or empty;
-- `category` and `max_connections` are NULL when nothing is said.
CREATE TABLE labels (
    id BLOB PRIMARY KEY,
    category TEXT,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL,
    max_connections INTEGER,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;
