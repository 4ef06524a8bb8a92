-- Tokens of the API. `id` is 16 hex digits, `digest` SHA-256 of the secret, `scopes` names with a blank
-- between them; `expires_at` is NULL for a token without an end.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;

-- Who logs in with a password, which is kept as an Argon2id string.
CREATE TABLE users (
    name TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;
