//! Disks that are full (rules D6, D7): the change is refused or the torrent says why it stands,
//! everything else goes on, and so does it when there is space again.

use std::fs;
use std::time::Duration;

use crate::common::app::Home;
use crate::common::machine::Mount;
use crate::common::peer::Peer;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::many_small;
use crate::common::torrents::payload;
use crate::common::torrents::sha256;
use crate::common::tracker::Tracker;

/// Rule D7.
#[test]
fn d7_a_change_that_cannot_be_kept_is_507_and_leaves_no_trace() {
    let outer = tempfile::tempdir().unwrap();
    let home = Home::new();
    let test = "full disk, state";
    let Some(mount) = Mount::tmpfs(test, &home.state, 4 << 20) else { return };
    // The program wants its state directory for itself alone.
    fs::set_permissions(&home.state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut app = home.start();
    let torrents = many_small(outer.path(), 40, 70_000);
    let kept = app.api.add(&torrents[0].file);

    let filler = home.state.join("filler");
    fill(&filler);
    let mut refused = Vec::new();
    for torrent in &torrents[1..] {
        let answer = app.api.put_file(&torrent.file);
        match answer.status {
            200 => {}
            507 => refused.push(torrent),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(!refused.is_empty(), "the disk was never full: the test proved nothing");
    app.assert_alive("a full state disk");
    let rows = app.api.downloads();
    assert!(rows.contains_key(&kept));
    assert!(refused.iter().all(|one| !rows.contains_key(&one.hash)), "nothing half-applied");

    fs::remove_file(&filler).unwrap();
    app.api.add(&refused[0].file);
    let before = app.api.downloads().len();
    app.kill();
    let app = home.start();
    let rows = app.api.wait_settled(Duration::from_secs(30));
    assert_eq!(rows.len(), before, "what was acknowledged is there, no more and no less");
    drop(app);
    drop(mount);
}

/// Writes until nothing more fits.
fn fill(path: &std::path::Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(path).unwrap();
    for size in [MIB, 4096, 1] {
        let block = vec![0xaa; size];
        while file.write_all(&block).is_ok() {}
    }
}

/// Rule D6.
#[test]
fn d6_a_full_download_disk_is_shown_and_the_torrent_goes_on_when_there_is_space() {
    let test = "full disk, payload";
    let Some(mut peer) = Peer::start(test) else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    let Some(mount) = Mount::tmpfs(test, &home.downloads, 8 << 20) else { return };
    let tracker = Tracker::start();
    let content = payload(500, 24 * MIB);
    fs::write(there.path().join("big.bin"), &content).unwrap();
    let torrent = Recipe::named("big.bin").announce(&tracker.url).single(&content);
    peer.seed(&torrent, there.path(), 0);
    tracker.give(peer.port);
    let mut app = home.start();

    app.api.add(&torrent.file);

    let row = app.api.wait(&torrent.hash, "in error", |row| {
        row["error"].as_str().is_some_and(|error| error.contains("No space left on device"))
    });
    assert_eq!(row["status"], "STOPPED_ON_ERROR", "{row}");
    app.assert_alive("a full download disk");

    mount.resize(64 << 20);
    // Rule D6: within 60 s, by itself.
    app.api
        .wait_at_most(Duration::from_secs(60), &torrent.hash, "going on", |row| row["error"] == "");
    app.api.wait_seeding(&torrent.hash);
    assert_eq!(sha256(&home.downloads.join("big.bin")), sha256(&there.path().join("big.bin")));
    drop(app);
    drop(mount);
}
