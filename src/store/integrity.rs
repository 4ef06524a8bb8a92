//! Whether the database is whole: asked by the doctor, of a store that is open and of one that is
//! not.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::OpenFlags;

use crate::domain::error::Result;
use crate::store::Store;
use crate::store::failure::Failure;
use crate::store::migrations;

/// What a look at every page came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrity {
    /// What is wrong with the file; `None` when nothing is.
    pub damage: Option<String>,
    /// Torrents whose records were damaged and are kept aside (rule D4).
    pub records_aside: u64,
    /// How large it is, in bytes.
    pub size_bytes: u64,
}

/// What can be told of a database that no program has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtRest {
    /// There is none.
    Absent,
    /// It was looked at.
    Seen(Integrity),
    /// Its log was not put into it, since the program did not stop in order: only a program that
    /// may write can read both together.
    Unfinished,
    /// It cannot be read, with the reason.
    Unreadable(String),
}

impl Store {
    /// Looks at every page of the database; changes wait for it, about a second for each GiB.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn integrity(&self) -> Result<Integrity> {
        self.change(0, |conn| Ok::<_, Failure>(look(conn)?)).await
    }

    /// Looks at the database at `path`, which no program may have open, without changing anything
    /// beside it. Blocks.
    pub fn integrity_at_rest(path: &Path) -> AtRest {
        match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return AtRest::Absent,
            Err(error) => return AtRest::Unreadable(error.to_string()),
            Ok(_) => {}
        }
        let log = migrations::beside(path, "-wal");
        if fs::metadata(log).is_ok_and(|log| log.len() > 0) {
            return AtRest::Unfinished;
        }
        match at_rest(path) {
            Ok(integrity) => AtRest::Seen(integrity),
            Err(error) => AtRest::Unreadable(error.to_string()),
        }
    }
}

/// SQLite makes no file beside a database that it is told is immutable.
fn at_rest(path: &Path) -> rusqlite::Result<Integrity> {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02x}"),
    };
    let path = path.as_os_str().as_encoded_bytes();
    let path: String = path.iter().copied().map(encoded).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    look(&Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?)
}

fn look(conn: &Connection) -> rusqlite::Result<Integrity> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let aside = "SELECT count(*) FROM bad_records WHERE source = 'torrents' \
                 AND dismissed_at IS NULL";
    let size = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
    Ok(Integrity {
        damage: (verdict != "ok").then_some(verdict),
        records_aside: u64::try_from(number(aside)?).unwrap_or(0),
        size_bytes: u64::try_from(size).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Seek;
    use std::io::SeekFrom;
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_whole_store_and_a_damaged_one_are_told_apart_and_nothing_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("with space?.db");
        assert_eq!(Store::integrity_at_rest(&path), AtRest::Absent);
        assert!(names(directory.path()).is_empty());

        let store = Store::open(&path, "boot").unwrap().store;
        for number in 0..400 {
            store.set_setting(&format!("key-{number}"), Some(&"x".repeat(500))).await.unwrap();
        }
        let open = store.integrity().await.unwrap();
        assert_eq!((open.damage.clone(), open.records_aside), (None, 0));
        assert_eq!(Store::integrity_at_rest(&path), AtRest::Unfinished);
        store.close(true).await.unwrap();

        let before = names(directory.path());
        let AtRest::Seen(seen) = Store::integrity_at_rest(&path) else { panic!("it is there") };
        assert_eq!((seen.damage, seen.records_aside), (None, 0));
        assert_eq!(names(directory.path()), before);

        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        for page in 3..seen.size_bytes / 4096 {
            file.seek(SeekFrom::Start(page * 4096)).unwrap();
            file.write_all(&[0xff; 64]).unwrap();
        }
        drop(file);
        match Store::integrity_at_rest(&path) {
            AtRest::Seen(seen) => assert!(seen.damage.is_some()),
            AtRest::Unreadable(why) => assert!(why.contains("malformed"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
