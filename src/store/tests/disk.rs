//! Disks that are full or fail (rules D7, D9).

use std::env;
use std::fs;
use std::process::Command;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::ffi;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::setrlimit;

use super::*;

/// Has the database allow no page beyond what it has and `spare`.
async fn limit_pages(store: &Store, spare: i64) {
    let limit = move |conn: &Connection| {
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let sql = format!("PRAGMA max_page_count = {}", pages + spare);
        Ok(conn.query_row(&sql, [], |_| Ok(()))?)
    };
    store.change(0, limit).await.unwrap();
}

/// What SQLite says when the disk does.
async fn fail_with(store: &Store, code: i32) -> Result<()> {
    let fail = move |_: &Connection| -> std::result::Result<(), Failure> {
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into())
    };
    store.change(0, fail).await
}

fn large(number: u32) -> NewTorrent {
    NewTorrent { metadata_file: Some(vec![1; 1 << 20]), ..torrent(number) }
}

/// Rule D7: what does not fit is refused as a whole and says so; what fits is made; when space
/// returns everything works.
#[test]
fn a_full_disk_refuses_what_does_not_fit() {
    let room = Room::new();
    let store = room.open().store;
    room.wait(async {
        store.add_torrent(torrent(1)).await.unwrap();
        limit_pages(&store, 8).await;
        let refused = store.add_torrent(large(2)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        store.save_resume(resume(1, "small")).await.unwrap();

        let both: Vec<_> = [large(3), torrent(4)]
            .into_iter()
            .map(|new| {
                let store = store.clone();
                async move { store.add_torrent(new).await }
            })
            .collect();
        let outcomes = together(&store, both).await;
        assert_eq!(outcomes[0].as_ref().unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(outcomes[1], Ok(()));

        limit_pages(&store, 10_000).await;
        store.add_torrent(large(2)).await.unwrap();
    });
    drop(store);

    let torrents = room.open().torrents;
    let names: Vec<_> = torrents.iter().map(|torrent| torrent.name.as_str()).collect();
    assert_eq!(names, ["name-1", "name-4", "name-2"]);
    assert_eq!(torrents[0].resume, b"small");
}

/// Rule D9: after a failed fsync every change of the batch is reported as failed and none is
/// there; the store is opened again and goes on; the next failure in a row is not followed by
/// another try at once.
#[test]
fn a_failed_sync_fails_the_whole_batch() {
    let room = Room::new();
    let store = room.open().store;
    room.wait(async {
        store.add_torrent(torrent(1)).await.unwrap();
        let handle = || store.clone();
        let add = |store: Store, number| async move { store.add_torrent(torrent(number)).await };
        let fail = |store: Store| async move { fail_with(&store, ffi::SQLITE_IOERR_FSYNC).await };
        let changes: Vec<BoxFuture<'static, Result<()>>> =
            vec![add(handle(), 2).boxed(), fail(handle()).boxed(), add(handle(), 3).boxed()];
        for outcome in together(&store, changes).await {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Internal);
        }
        store.add_torrent(torrent(4)).await.unwrap();
        assert!(fail_with(&store, ffi::SQLITE_IOERR_FSYNC).await.is_err());
        assert!(fail_with(&store, ffi::SQLITE_IOERR_FSYNC).await.is_err());
        let refused = store.add_torrent(torrent(5)).await.unwrap_err();
        assert!(refused.message().contains("next try"), "{refused}");
        assert!(store.close(true).await.is_err());
    });

    let opened = room.open();
    assert!(!opened.was_clean);
    let names: Vec<_> = opened.torrents.iter().map(|torrent| torrent.name.as_str()).collect();
    assert_eq!(names, ["name-1", "name-4"]);
}

/// Runs `test` of this program alone in a process of its own, which `wrap` prepares, on `dir`.
fn in_child(wrap: &str, test: &str, dir: &Path) {
    let name = format!("{}::{test}", module_path!().trim_start_matches("cove::"));
    let output = Command::new("sh")
        .args(["-c", &format!("{wrap} exec \"$0\" --exact --nocapture \"$1\"")])
        .arg(env::current_exe().unwrap())
        .arg(name)
        .env("COVE_TEST_DIR", dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

/// Opens what a child left behind and says which torrents are there.
fn names_in(dir: &Path) -> Vec<String> {
    let opened = Store::open(&dir.join("cove.db"), "boot-1").unwrap();
    opened.torrents.into_iter().map(|torrent| torrent.name).collect()
}

/// A library that lets a sync of the process fail for each of the files `fail-1` and `fail-2`.
const FAILING_SYNC: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>
static int run(const char *name, int fd) {
    if (unlink("fail-1") == 0 || unlink("fail-2") == 0) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return run("fsync", fd); }
int fdatasync(int fd) { return run("fdatasync", fd); }
"#;

/// Rule D9, with a sync that fails after the commit was written: the change that was reported as
/// failed does not come back when the log is read again, by this process or the next.
#[test]
fn a_change_whose_sync_failed_does_not_come_back() {
    for (fails, names) in [("1", &["name-1", "name-3"][..]), ("2", &["name-1"])] {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("sync.c"), FAILING_SYNC).unwrap();
        let build = "cd \"$COVE_TEST_DIR\" && cc -shared -fPIC -o sync.so sync.c -ldl && \
            export LD_PRELOAD=$PWD/sync.so &&";
        let build = format!("export COVE_TEST_FAILS={fails}; {build}");
        in_child(&build, "child_with_a_failing_sync", dir.path());
        assert_eq!(names_in(dir.path()), names, "{fails} failures");
    }
}

#[test]
fn child_with_a_failing_sync() {
    let Some(dir) = env::var_os("COVE_TEST_DIR") else {
        return;
    };
    let fails: u32 = env::var("COVE_TEST_FAILS").unwrap().parse().unwrap();
    let room = Room::new();
    let path = PathBuf::from(dir).join("cove.db");
    let store = Store::open(&path, "boot-1").unwrap().store;
    room.wait(async {
        store.add_torrent(torrent(1)).await.unwrap();
        for fail in 1..=fails {
            fs::write(format!("fail-{fail}"), "").unwrap();
        }
        let failed = store.add_torrent(torrent(2)).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Internal);
        // After one failure the store is verified at once, after two it leaves the disk alone.
        assert_eq!(store.add_torrent(torrent(3)).await.is_ok(), fails == 1);
        assert!(!Path::new("fail-2").exists());
    });
}

/// Rule D9, with a real error of the system: writes beyond a limit fail in the middle of a commit.
#[test]
fn a_write_error_of_the_system_is_survived() {
    let dir = TempDir::new().unwrap();
    in_child("trap '' XFSZ;", "child_with_a_file_size_limit", dir.path());
    assert_eq!(names_in(dir.path()), ["name-1", "name-3", "name-2"]);
}

#[test]
fn child_with_a_file_size_limit() {
    let Some(dir) = env::var_os("COVE_TEST_DIR") else {
        return;
    };
    let room = Room::new();
    let store = Store::open(&PathBuf::from(dir).join("cove.db"), "boot-1").unwrap().store;
    let limit = |bytes| {
        let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
    };
    room.wait(async {
        store.add_torrent(torrent(1)).await.unwrap();
        limit(Some(400 << 10));
        let failed = store.add_torrent(large(2)).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Internal);
        store.add_torrent(torrent(3)).await.unwrap();
        limit(None);
        store.add_torrent(large(2)).await.unwrap();
        store.close(true).await.unwrap();
    });
}

/// Rule D7, with a real full disk, where this user may mount one; else skipped.
#[test]
fn a_full_file_system_is_survived() {
    let dir = TempDir::new().unwrap();
    let mount = "mount -t tmpfs -o size=1m none \"$COVE_TEST_DIR\"";
    let may_mount = Command::new("unshare")
        .args(["-rm", "sh", "-c", mount])
        .env("COVE_TEST_DIR", dir.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !may_mount {
        println!("skipped: this user may not mount a tmpfs");
        return;
    }
    let inside = format!("{mount} && exec \"$0\" --exact --nocapture \"$1\"");
    let wrap = format!("exec unshare -rm sh -c '{inside}' \"$0\" \"$1\";");
    in_child(&wrap, "child_on_a_small_disk", dir.path());
}

#[test]
fn child_on_a_small_disk() {
    let Some(dir) = env::var_os("COVE_TEST_DIR") else {
        return;
    };
    let (room, dir) = (Room::new(), PathBuf::from(dir));
    let store = Store::open(&dir.join("cove.db"), "boot-1").unwrap().store;
    room.wait(async {
        store.add_torrent(torrent(1)).await.unwrap();
        assert!(fs::write(dir.join("filler"), vec![0; 2 << 20]).is_err());
        let refused = store.save_resume(resume(1, &"x".repeat(100_000))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        fs::remove_file(dir.join("filler")).unwrap();
        store.save_resume(resume(1, "space again")).await.unwrap();
        let refused = store.add_torrent(large(2)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        store.add_torrent(torrent(3)).await.unwrap();
    });
    drop(store);
    let opened = Store::open(&dir.join("cove.db"), "boot-1").unwrap();
    assert_eq!(opened.torrents[0].resume, b"space again");
    drop(opened);
    assert_eq!(names_in(&dir), ["name-1", "name-3"]);
}
