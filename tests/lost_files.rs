//! Files that go away, shrink or cannot be written (rules D8, D10, D11): the torrent says which and
//! waits, nothing is downloaded over what the user has, and it goes on when all is well again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::machine::Mount;
use crate::common::peer::Peer;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::torrents::sha256;
use crate::common::tracker::Tracker;
use crate::restart::falsify;

/// A torrent that the program seeds from `downloads/disk`.
fn seeded(home: &Home, app: &App<'_>, seed: u64) -> Torrent {
    let disk = home.downloads.join("disk");
    fs::create_dir(&disk).unwrap();
    let content = payload(seed, MIB);
    fs::write(disk.join("film.bin"), &content).unwrap();
    let torrent = Recipe::named("film.bin").single(&content);
    app.api.add_to(&torrent.file, &disk);
    app.api.wait_seeding(&torrent.hash);
    torrent
}

/// The API quotes it, as the original does.
fn error(row: &Value) -> &str {
    row["error"].as_str().unwrap_or_default().trim_matches('\'')
}

fn cut(path: &Path, bytes: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Rule D10, while the program was away.
#[test]
fn d10_a_file_cut_meanwhile_is_named_and_only_a_resume_goes_on() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, &app, 1_200);
    app.stop();
    let film = home.downloads.join("disk/film.bin");
    cut(&film, 500_000);

    let app = home.start();

    let row = app.api.wait(&torrent.hash, "in error", |row| !error(row).is_empty());
    assert_eq!(error(&row), "the file `film.bin` was cut to 500000 of 1048576 bytes");
    assert_eq!(row["status"], "STOPPED_ON_ERROR");
    // A stop and a restart change nothing about it.
    app.api.patch(&torrent.hash, &json!({ "state": "stop" }));
    app.kill();
    let app = home.start();
    app.api.wait(&torrent.hash, "in error", |row| error(row).contains("film.bin"));
    assert_eq!(fs::metadata(&film).unwrap().len(), 500_000);
    app.api.patch(&torrent.hash, &json!({ "state": "resume" }));
    let row = app.api.wait(&torrent.hash, "downloading the rest", |row| {
        row["status"] == "DOWNLOADING" && row["progress"].as_f64() > Some(0.3)
    });
    assert!(error(&row).is_empty() && row["progress"].as_f64() < Some(0.6), "{row}");
}

/// Rule D10, while it runs: found when a peer asks for the bytes.
#[test]
fn d10_a_file_cut_under_a_seed_is_named_and_only_a_resume_goes_on() {
    let Some(mut peer) = Peer::start("cut file") else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    let mut app = home.start();
    let torrent = seeded(&home, &app, 1_201);
    let film = home.downloads.join("disk/film.bin");
    cut(&film, 0);

    peer.add(&torrent.hash, &torrent.file, there.path(), 0);
    peer.connect(&torrent.hash, app.peer_address());

    let row = app.api.wait(&torrent.hash, "in error", |row| error(row).contains("`film.bin`"));
    assert_eq!(row["status"], "STOPPED_ON_ERROR");
    app.assert_alive("a file was cut");
    let log = app.log();
    let about_it = log.lines().filter(|line| line.contains("film.bin")).count();
    assert!((1..=10).contains(&about_it), "{log}");
    assert_eq!(fs::metadata(&film).unwrap().len(), 0, "nothing was written over it");
    peer.kill();
    app.api.patch(&torrent.hash, &json!({ "state": "resume" }));
    app.api.wait(&torrent.hash, "found empty", |row| {
        row["status"] == "DOWNLOADING" && row["progress"].as_f64() == Some(0.0)
    });
}

/// Rule D11: `disk` stands for a disk that is not mounted at the start; in the second round its
/// empty mount point is there.
#[test]
fn d11_torrents_of_a_disk_that_is_away_wait_for_it_and_go_on_unchecked() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, &app, 1_202);
    app.stop();
    let (disk, away) = (home.downloads.join("disk"), home.outer.path().join("away"));
    // Only a check would tell.
    falsify(&disk.join("film.bin"));
    for has_mount_point in [false, true] {
        fs::rename(&disk, &away).unwrap();
        if has_mount_point {
            fs::create_dir(&disk).unwrap();
        }

        let app = home.start();

        let row = app.api.wait(&torrent.hash, "in error", |row| !error(row).is_empty());
        let wanted = if has_mount_point { "`film.bin` is missing" } else { "disk mounted?" };
        assert!(error(&row).contains(wanted), "{row}");
        assert_eq!(disk.exists(), has_mount_point, "nothing was made in its place");
        if has_mount_point {
            assert_eq!(fs::read_dir(&disk).unwrap().count(), 0, "nothing was written into it");
            fs::remove_dir(&disk).unwrap();
        }
        fs::rename(&away, &disk).unwrap();
        app.api.wait_seeding(&torrent.hash);
        app.stop();
    }
}

/// Rule D8: the text is the system's, and it goes on by itself when the disk can be written again.
#[test]
fn d8_a_read_only_disk_is_shown_and_the_torrent_goes_on_when_it_is_not() {
    let test = "read-only disk";
    let Some(mut peer) = Peer::start(test) else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    let Some(mount) = Mount::tmpfs(test, &home.downloads, 64 << 20) else { return };
    let tracker = Tracker::start();
    let content = payload(1_203, 4 * MIB);
    fs::write(there.path().join("big.bin"), &content).unwrap();
    let torrent = Recipe::named("big.bin").announce(&tracker.url).single(&content);
    peer.seed(&torrent, there.path(), 0);
    tracker.give(peer.port);
    let mut app = home.start();
    mount.remount("ro");

    app.api.add(&torrent.file);

    let row = app.api.wait(&torrent.hash, "in error", |row| {
        error(row).contains("Read-only file system") && error(row).contains("big.bin")
    });
    assert_eq!(row["status"], "STOPPED_ON_ERROR", "{row}");
    app.assert_alive("a read-only disk");
    mount.remount("rw");
    app.api.wait_at_most(Duration::from_secs(60), &torrent.hash, "going on", |row| {
        error(row).is_empty()
    });
    app.api.wait_seeding(&torrent.hash);
    assert_eq!(sha256(&home.downloads.join("big.bin")), sha256(&there.path().join("big.bin")));
    drop(app);
    drop(mount);
}
