-- Sessions that were added while the program ran: what each was given beside the configuration. The
-- number is never given again; 1 is the session of the configuration, which is no record.
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    version INTEGER NOT NULL,
    checksum BLOB NOT NULL
);
INSERT INTO sqlite_sequence VALUES ('sessions', 1);
