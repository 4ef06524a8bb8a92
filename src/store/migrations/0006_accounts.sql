-- What friends' clients did in the swarms of shares. `id` is the share in hex, and a slash and the
-- friend's name, or nothing for everybody with a key who is no friend. `figures` are numbers of
-- eight bytes in an order that only ever grows, `clients` what each client said last.
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    figures BLOB NOT NULL,
    clients BLOB NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID;
