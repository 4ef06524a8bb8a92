//! Start and stop as they should be: what ran goes on, nothing is hashed again (rules D1, D16).

use std::fs;
use std::time::Duration;
use std::time::SystemTime;

use rustix::process::Signal;
use serde_json::json;

use crate::common::api::claimed_pieces;
use crate::common::app::Home;
use crate::common::peer::Peer;
use crate::common::torrents::KIB;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::many_small;
use crate::common::torrents::payload;
use crate::common::torrents::sha256;
use crate::common::tracker::Tracker;
use crate::common::wait_for;

/// Changes one byte of a file, size and time as before: only hashing it would tell.
pub(crate) fn falsify(path: &std::path::Path) {
    let modified =
        fs::metadata(path).and_then(|found| found.modified()).unwrap_or(SystemTime::now());
    let mut content = fs::read(path).unwrap();
    content[0] ^= 0xff;
    fs::write(path, content).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[test]
fn d16_a_stop_under_load_is_clean_and_quick() {
    let Some(mut peer) = Peer::start("stop under load") else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    let tracker = Tracker::start();
    let content = payload(100, 32 * MIB);
    fs::write(there.path().join("big.bin"), &content).unwrap();
    let torrent = Recipe::named("big.bin").announce(&tracker.url).single(&content);
    peer.seed(&torrent, there.path(), 2 * MIB as u64);
    tracker.give(peer.port);
    let app = home.start();
    let small = many_small(&home.downloads, 50, 1_000);
    app.api.add_many(&small);
    app.api.add(&torrent.file);
    app.api.wait(&torrent.hash, "under way", |row| row["progress"].as_f64() > Some(0.05));
    let before = app.api.downloads_with_pieces()[&torrent.hash].clone();

    app.stop();

    assert!(!home.state.join("api.json").exists(), "nobody is told of a server that is gone");
    assert!(tracker.saw_stopped(&torrent.hash), "the tracker heard goodbye");
    peer.kill();
    let app = home.start();
    let rows = app.api.wait_settled(Duration::from_secs(60));
    assert_eq!(rows.len(), 51);
    let after = &app.api.downloads_with_pieces()[&torrent.hash];
    let (before, after) = (claimed_pieces(&before), claimed_pieces(after));
    assert!(!before.is_empty() && before.iter().all(|piece| after.contains(piece)));
    assert!(small.iter().all(|one| rows[&one.hash]["status"] == "SEEDING"));
}

/// Rule D1: resume data is believed. A byte changed while the program was away goes unnoticed
/// until somebody asks for a check.
#[test]
fn d1_a_restart_hashes_nothing_and_a_recheck_everything() {
    let home = Home::new();
    let content = payload(101, MIB);
    fs::write(home.downloads.join("film.bin"), &content).unwrap();
    let torrent = Recipe::named("film.bin").single(&content);
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);
    app.stop();
    falsify(&home.downloads.join("film.bin"));

    let app = home.start();

    let row = app.api.wait_settled(Duration::from_secs(30))[&torrent.hash].clone();
    assert_eq!((row["status"].as_str(), row["progress"].as_f64()), (Some("SEEDING"), Some(1.0)));
    app.api.patch(&torrent.hash, &json!({ "state": "recheck" }));
    app.api.wait(&torrent.hash, "found damaged", |row| {
        row["status"] == "DOWNLOADING" && row["progress"].as_f64() < Some(1.0)
    });
}

/// Rule D1: what the user stopped stays stopped, with its limits and its selection.
#[test]
fn d1_options_survive_a_restart() {
    let home = Home::new();
    let files = [("a.bin", payload(102, 64 * KIB)), ("b.bin", payload(103, 64 * KIB))];
    let torrent = Recipe::named("pair").folder(&files);
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.patch(&torrent.hash, &json!({ "selected_files": [1], "upload_limit": 12_345 }));
    app.api.patch(&torrent.hash, &json!({ "state": "stop" }));
    app.api.wait(&torrent.hash, "stopped", |row| row["status"] == "STOPPED");
    app.stop();

    let app = home.start();

    let row = app.api.wait_settled(Duration::from_secs(30))[&torrent.hash].clone();
    assert_eq!(
        (row["status"].as_str(), row["user_stopped"].as_bool()),
        (Some("STOPPED"), Some(true))
    );
    assert_eq!(row["upload_limit"], 12_345);
    let listed = app.api.get(&format!("/downloads/{}/files", torrent.hash)).json();
    let included: Vec<_> = [0, 1].map(|at| listed["files"][at]["included"].clone()).into();
    assert_eq!(included, [json!(false), json!(true)]);
}

/// Section 7 of the contract: a stopped torrent stops again after its check.
#[test]
fn a_recheck_of_a_stopped_torrent_finds_the_damage_and_stops() {
    let home = Home::new();
    let content = payload(106, MIB);
    fs::write(home.downloads.join("film.bin"), &content).unwrap();
    let torrent = Recipe::named("film.bin").single(&content);
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);
    app.api.patch(&torrent.hash, &json!({ "state": "stop" }));
    falsify(&home.downloads.join("film.bin"));

    app.api.patch(&torrent.hash, &json!({ "state": "recheck" }));

    app.api.wait(&torrent.hash, "damaged and stopped", |row| {
        let progress = row["progress"].as_f64().unwrap_or(0.0);
        row["status"] == "STOPPED" && progress < 1.0 && progress > 0.9
    });
}

/// Section 7 of the contract: what counts is what was asked for, not what is shown a moment later.
#[test]
fn a_recheck_at_once_after_a_resume_leaves_the_torrent_running() {
    let home = Home::new();
    let content = payload(108, MIB);
    fs::write(home.downloads.join("film.bin"), &content).unwrap();
    let torrent = Recipe::named("film.bin").single(&content);
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);
    falsify(&home.downloads.join("film.bin"));

    for state in ["stop", "resume", "recheck"] {
        app.api.patch(&torrent.hash, &json!({ "state": state }));
    }

    let row = app.api.wait(&torrent.hash, "checked", |row| {
        let progress = row["progress"].as_f64().unwrap_or(0.0);
        row["status"] != "HASHCHECKING" && progress < 1.0 && progress > 0.9
    });
    assert_eq!((&row["status"], &row["user_stopped"]), (&json!("DOWNLOADING"), &json!(false)));
}

/// Rule D4: one damaged record is shown as an error, the others load, and it can be removed.
#[test]
fn d4_a_damaged_record_is_shown_and_the_others_load() {
    let home = Home::new();
    let torrents = many_small(&home.downloads, 2, 2_000);
    let app = home.start();
    app.api.add_many(&torrents);
    app.api.wait_seeding(&torrents[0].hash);
    app.stop();
    let file = rusqlite::Connection::open(home.state.join("state.db")).unwrap();
    let damage = "UPDATE resumes SET resume = zeroblob(30) WHERE number =
        (SELECT number FROM torrents WHERE hex(id) = upper(?1))";
    assert_eq!(file.execute(damage, [&torrents[0].hash]).unwrap(), 1);
    drop(file);

    let app = home.start();

    let row = app.api.wait(&torrents[0].hash, "shown in error", |row| row["error"] != "");
    assert_eq!(row["status"], "STOPPED_ON_ERROR", "{row}");
    assert!(row["error"].as_str().unwrap().contains("damaged"), "{row}");
    app.api.wait_seeding(&torrents[1].hash);
    let counted = app.api.listing("")["checkpoints"].clone();
    assert_eq!(counted, json!({ "total": 2, "loaded": 2, "all_loaded": true }));
    assert!(home.downloads.join(&torrents[0].name).exists(), "its data is untouched");
    app.api.remove(&torrents[0].hash, false);
    app.kill();
    let rows = home.start().api.wait_settled(Duration::from_secs(30));
    assert!(!rows.contains_key(&torrents[0].hash) && rows.len() == 1);
}

/// Rule D1: where the files went is known after a kill.
#[test]
fn d1_moved_files_are_found_after_a_kill() {
    let home = Home::new();
    let content = payload(107, MIB);
    fs::write(home.downloads.join("film.bin"), &content).unwrap();
    let torrent = Recipe::named("film.bin").single(&content);
    let target = home.downloads.join("elsewhere");
    fs::create_dir(&target).unwrap();
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);

    app.api.patch(&torrent.hash, &json!({ "state": "move_storage", "dest_dir": target }));

    assert!(target.join("film.bin").exists() && !home.downloads.join("film.bin").exists());
    app.kill();
    let app = home.start();
    assert_eq!(app.api.wait_seeding(&torrent.hash)["destination"], json!(target));
}

#[test]
fn a_download_goes_on_after_a_restart() {
    let Some(mut peer) = Peer::start("resumed download") else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    let tracker = Tracker::start();
    let content = payload(104, 16 * MIB);
    fs::write(there.path().join("big.bin"), &content).unwrap();
    let torrent = Recipe::named("big.bin").announce(&tracker.url).single(&content);
    peer.seed(&torrent, there.path(), 4 * MIB as u64);
    tracker.give(peer.port);
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.wait(&torrent.hash, "half done", |row| row["progress"].as_f64() > Some(0.3));
    app.stop();
    peer.ask("limit", json!({ "id": torrent.hash, "upload_limit": 0 }));

    let app = home.start();

    app.api.wait_seeding(&torrent.hash);
    assert_eq!(sha256(&home.downloads.join("big.bin")), sha256(&there.path().join("big.bin")));
    let sent = peer.status(&torrent.hash)["up"].as_u64().unwrap();
    assert!(sent < 18 * MIB as u64, "{sent} bytes for {} wanted", content.len());
}

/// Rule D16: whoever asks twice does not want to wait, and D1 holds all the same.
#[test]
fn d16_a_second_signal_ends_it_at_once() {
    let home = Home::new();
    let torrent = Recipe::named("a.bin").single(&payload(105, 64 * KIB));
    let mut app = home.start();
    app.api.add(&torrent.file);

    app.terminate();
    app.terminate();

    let status = app.wait(Duration::from_secs(15));
    assert!(status.code().is_some(), "it ended by itself: {status}");
    let rows = home.start().api.wait_settled(Duration::from_secs(30));
    assert!(rows.contains_key(&torrent.hash));
}

/// Rule D16: Ctrl-C is as good as SIGTERM.
#[test]
fn d16_an_interrupt_is_a_clean_stop() {
    let home = Home::new();
    let mut child = crate::common::process::Process(home.serve_command().spawn().unwrap());
    wait_for("it is ready", || home.state.join("api.json").exists().then_some(()));

    child.signal(Signal::INT);

    assert!(child.wait(Duration::from_secs(15), "it stops").success());
}

/// What ran only for the start is not held afterwards, and an idle process stays small.
#[cfg(target_os = "linux")]
#[test]
fn the_code_of_the_start_is_let_go() {
    let home = Home::new();
    let app = home.start();
    wait_for("code was let go", || {
        let (now, most) = (app.memory_kib("VmRSS"), app.memory_kib("VmHWM"));
        (now > 0 && now + 4 * 1024 < most).then_some(())
    });
    assert_eq!(app.api.get("/downloads").status, 200);
    app.stop();
}
