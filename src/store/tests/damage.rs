//! Files that are not what they should be (rules D4, D5).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::store::migrations::MIGRATIONS;

/// All files of a directory with their bytes; empty logs do not count.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .filter(|(_, b)| !b.is_empty())
        .collect()
}

fn three(room: &Room) {
    room.fill(async |store| {
        for number in 1..=3 {
            let metadata_file = Some(format!("metadata-{number}").into_bytes());
            store.add_torrent(NewTorrent { metadata_file, ..torrent(number) }).await.unwrap();
        }
        store.set_setting("theme", Some("dark")).await.unwrap();
        store.add_counter("completed", 2).await.unwrap();
    });
}

/// Flips one bit of the first `marker` in the database file.
fn flip_bit(path: &Path, marker: &str) {
    let mut bytes = fs::read(path).unwrap();
    let found = bytes.windows(marker.len()).position(|window| window == marker.as_bytes());
    bytes[found.unwrap() + marker.len() - 1] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Rule D4: a flipped bit in resume data or metadata puts one torrent aside and no other.
#[test]
fn a_flipped_bit_costs_one_torrent() {
    for marker in ["resume-2", "metadata-2", "/downloads/2", "default"] {
        let room = Room::new();
        three(&room);
        flip_bit(&room.path(), marker);

        let opened = room.open();
        assert_eq!(opened.torrents.len(), 2, "{marker}");
        assert_eq!(opened.bad.len(), 1, "{marker}");
        assert!(opened.bad[0].reason.contains("checksum"), "{:?}", opened.bad);
        assert!(opened.bad[0].name.starts_with("name-"));
        assert_eq!(opened.bad[0].id_text.len(), 40);
    }
}

/// Rule D4: whatever a column holds, the others load, and the row is kept as it was.
#[test]
fn every_column_may_be_damaged() {
    let room = Room::new();
    drop(room.open());
    let columns = columns(&room);
    let values = ["x'ff'", "77", "CAST(x'ff' AS TEXT)", "'odd'", "-1.5"];
    let damaged = (columns.len() * values.len()) as u32;
    room.fill(async |store| {
        for number in 0..=damaged {
            let metadata_file = Some(b"metadata".to_vec());
            store.add_torrent(NewTorrent { metadata_file, ..torrent(number) }).await.unwrap();
        }
    });
    let sql = room.sql();
    let places = columns.iter().flat_map(|column| values.map(|value| (column, value)));
    for (number, ((table, column), value)) in (1..).zip(places) {
        // No two torrents may share an id, so every damaged id is its own.
        let value = if column == "id" { format!("{value} || {number}") } else { value.into() };
        let change = format!("UPDATE {table} SET {column} = {value} WHERE number = {number}");
        assert_eq!(sql.execute(&change, []), Ok(1), "{change}");
    }
    drop(sql);

    for _ in 0..2 {
        let opened = room.open();
        let names: Vec<_> = opened.torrents.iter().map(|torrent| torrent.name.as_str()).collect();
        assert_eq!(names, [format!("name-{damaged}")]);
        assert_eq!(opened.bad.len() as u32, damaged);
    }
}

/// Every column that holds something of a torrent, as (table, column).
fn columns(room: &Room) -> Vec<(String, String)> {
    let sql = room.sql();
    let mut query = sql
        .prepare(
            "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.name IN ('torrents', 'resumes', 'metadata') AND c.name <> 'number'",
        )
        .unwrap();
    let columns = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    columns.map(std::result::Result::unwrap).collect()
}

/// Rule D4: a torrent without its resume record is damaged too.
#[test]
fn half_a_torrent_is_kept_aside() {
    let room = Room::new();
    three(&room);
    room.sql().execute("DELETE FROM resumes WHERE number = 1", []).unwrap();
    let opened = room.open();
    assert_eq!((opened.torrents.len(), opened.bad.len()), (2, 1));
    assert_eq!(opened.bad[0].id_text, id(1).to_string());
}

/// Rule D4: a damaged torrent is told at every start until it is removed or added again; the
/// record is kept even then.
#[test]
fn a_damaged_torrent_is_told_until_it_is_dealt_with() {
    let room = Room::new();
    three(&room);
    room.sql().execute("UPDATE resumes SET resume = x'00' WHERE number < 3", []).unwrap();
    assert_eq!(room.open().bad.len(), 2);
    let opened = room.open();
    assert_eq!((opened.torrents.len(), opened.bad.len()), (1, 2));
    room.wait(async {
        opened.store.add_torrent(torrent(1)).await.unwrap();
        opened.store.begin_removal(id(2), false).await.unwrap();
        opened.store.finish_removal(id(2)).await.unwrap();
        opened.store.close(true).await.unwrap();
    });

    let opened = room.open();
    assert_eq!((opened.torrents.len(), opened.bad.len()), (2, 0));
    room.wait(opened.store.close(true)).unwrap();
    let kept =
        "SELECT count(*) FROM bad_records WHERE resume = x'00' AND found_at > 0 AND rest LIKE
        '%session=''default''%' AND metadata_file LIKE 'metadata-%'";
    assert_eq!(room.sql().query_row(kept, [], |row| row.get::<_, i64>(0)).unwrap(), 2);
}

/// Rule D4: a damaged setting or counter is put aside, told once, and can be set again.
#[test]
fn damaged_settings_and_counters_are_kept_aside() {
    let room = Room::new();
    three(&room);
    room.sql().execute("UPDATE settings SET value = 'light'", []).unwrap();
    room.sql().execute("UPDATE counters SET value = 'many'", []).unwrap();

    let opened = room.open();
    let told: Vec<_> = opened.bad.iter().map(|bad| bad.id_text.as_str()).collect();
    assert_eq!(told, ["setting `theme`", "counter `completed`"]);
    assert_eq!(room.wait(opened.store.setting("theme")).unwrap(), None);
    room.wait(opened.store.add_counter("completed", 1)).unwrap();
    drop(opened);
    let opened = room.open();
    assert_eq!((opened.torrents.len(), opened.bad.len()), (3, 0));
    room.wait(opened.store.close(true)).unwrap();
    let kept = "SELECT count(*) FROM bad_records WHERE rest LIKE 'value=''%'";
    assert_eq!(room.sql().query_row(kept, [], |row| row.get::<_, i64>(0)).unwrap(), 2);
}

/// What was done to a file, and how.
type Spoil = (&'static str, fn(&Room));

/// Rule D4: a file that is no store is refused by name and stays as it is.
#[test]
fn an_unreadable_file_is_named_and_left_alone() {
    let spoils: [Spoil; 6] = [
        ("text", |room| fs::write(room.path(), "not a database, but a letter").unwrap()),
        ("short", |room| fs::write(room.path(), "SQL").unwrap()),
        ("truncated", |room| {
            three(room);
            let bytes = fs::read(room.path()).unwrap();
            fs::write(room.path(), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("overwritten", |room| {
            three(room);
            let mut bytes = fs::read(room.path()).unwrap();
            bytes[100..9000].fill(0x5a);
            fs::write(room.path(), bytes).unwrap();
        }),
        ("foreign", |room| room.sql().execute_batch("CREATE TABLE t (x)").unwrap()),
        ("emptied", |room| {
            let store = room.open().store;
            room.wait(store.add_torrent(torrent(1))).unwrap();
            let log = migrations::beside(&room.path(), "-wal");
            let bytes = fs::read(&log).unwrap();
            room.wait(store.close(true)).unwrap();
            fs::write(log, bytes).unwrap();
            fs::write(room.path(), "").unwrap();
        }),
    ];
    for (name, spoil) in spoils {
        let room = Room::new();
        spoil(&room);
        let before = files(room.dir.path());
        match Store::open(&room.path(), "boot-1") {
            Err(OpenError::Unreadable(message)) => {
                assert!(message.contains("cove.db"), "{message}")
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(files(room.dir.path()), before, "{name}");
    }
}

/// Rule D4: after a power loss every page is looked at before anything is written.
#[test]
fn a_torn_page_is_found_after_a_power_loss() {
    let room = Room::new();
    three(&room);
    drop(room.open());
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_torrents_1'";
    let sql = room.sql();
    let page: usize = sql.query_row(root, [], |row| row.get::<_, i64>(0)).unwrap() as usize;
    drop(sql);
    let mut bytes = fs::read(room.path()).unwrap();
    bytes[(page - 1) * 4096..page * 4096].fill(0);
    fs::write(room.path(), &bytes).unwrap();

    let refused = Store::open(&room.path(), "boot-2").unwrap_err();
    assert!(matches!(refused, OpenError::Unreadable(_)), "{refused}");
    assert_eq!(fs::read(room.path()).unwrap(), bytes);
}

/// A directory, or a place that does not exist, is the system's no.
#[test]
fn a_place_without_a_file_is_an_io_error() {
    let room = Room::new();
    for path in [room.dir.path().to_owned(), room.dir.path().join("missing/cove.db")] {
        let refused = Store::open(&path, "boot-1").unwrap_err();
        assert!(matches!(refused, OpenError::Io(_)), "{refused:?}");
    }
}

/// Rule D5: a newer store is refused and stays as it is, also when the log tells its version.
#[test]
fn a_newer_store_is_left_alone() {
    let room = Room::new();
    three(&room);
    let sql = room.sql();
    let known = MIGRATIONS.len() as u32;
    sql.pragma_update(None, "user_version", known + 1).unwrap();
    sql.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    drop(sql);
    fs::remove_file(migrations::beside(&room.path(), "-shm")).ok();
    let before = files(room.dir.path());
    assert_eq!(before.len(), 2);

    let refused = Store::open(&room.path(), "boot-1").unwrap_err();
    assert_eq!(refused, OpenError::Newer { found: known + 1, known });
    assert_eq!(files(room.dir.path()), before);
}

/// Rule D5: an older store is copied, then migrated; a migration that fails changes nothing.
#[test]
fn an_older_store_is_copied_before_it_is_migrated() {
    let room = Room::new();
    three(&room);
    let found = MIGRATIONS.len() as u32;
    let (good, broken) = ("CREATE TABLE later (x)", "CREATE TABLE half (x); nonsense");
    let mut steps = MIGRATIONS.to_vec();
    steps.extend([good, broken]);
    let sql = room.sql();
    let known = found + 1;
    let version = |sql: &Connection| migrations::version_of(sql, &room.path(), known).unwrap();

    assert!(migrations::migrate(&sql, &room.path(), found, &steps).is_err());
    assert_eq!(version(&sql), found);
    assert!(sql.execute("INSERT INTO later VALUES (1)", []).is_err());

    steps.pop();
    migrations::migrate(&sql, &room.path(), found, &steps).unwrap();
    assert_eq!(version(&sql), found + 1);
    sql.execute("INSERT INTO later VALUES (1)", []).unwrap();
    drop(sql);

    let backup = migrations::backup_path(&room.path(), found);
    assert_eq!(backup, room.dir.path().join(format!("cove.db.v{found}-backup")));
    assert_eq!(Store::open(&backup, "boot-1").unwrap().torrents.len(), 3);
    assert!(matches!(Store::open(&room.path(), "boot-1"), Err(OpenError::Newer { .. })));
}
