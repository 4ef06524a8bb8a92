//! Stopping, killing and starting again.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::common::app::App;
use crate::common::payload;
use crate::common::peer::Peer;
use crate::common::until;

fn seeding(app: &App) -> String {
    let mut author = Peer::start();
    let path = app.downloads().join("p.bin");
    std::fs::write(&path, payload(3, 5 << 20)).unwrap();
    let torrent = app.path("p.torrent");
    let hash = author.author(&path, "v1", &torrent, json!({}));
    app.add_file(&torrent, "");
    app.until_status(&hash, "SEEDING");
    hash
}

/// Rule D16: a clean end in time, and afterwards everything as it was, without a check.
#[test]
fn a_clean_stop_keeps_everything() {
    let mut app = App::start();
    let hash = seeding(&app);
    let begin = Instant::now();
    assert_eq!(app.stop(), Some(0), "{}", app.log());
    assert!(begin.elapsed() < Duration::from_secs(15));
    assert!(!app.path("state/api.json").exists());
    let home = std::sync::Arc::clone(&app.home);
    // A file that changed its bytes but not its length passes unless it is hashed again.
    let path = app.downloads().join("p.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let app = App::start_in(home, Vec::new());
    let row = app.until_status(&hash, "SEEDING");
    assert_eq!(row["progress"], 1.0, "it was checked again: {row}");
}

/// Rule D1: progress that was saved before a kill is not checked again.
#[test]
fn a_kill_needs_no_recheck() {
    let app = App::start_with(&["client.resume_interval_s=1"]);
    let hash = seeding(&app);
    app.set_state(&hash, "stop");
    app.set_state(&hash, "resume");
    let app = app.kill_and_restart();
    app.until_status(&hash, "SEEDING");
    app.set_state(&hash, "stop");
    let app = app.kill_and_restart();
    let row = app.until_status(&hash, "STOPPED");
    assert_eq!(row["user_stopped"], true);
    app.set_state(&hash, "resume");
    app.until_status(&hash, "SEEDING");
}

/// A recheck finds what changed, and a stopped torrent stops again after it.
#[test]
fn a_recheck_of_a_stopped_torrent_finds_the_damage_and_stops() {
    let app = App::start();
    let hash = seeding(&app);
    app.set_state(&hash, "stop");
    let path = app.downloads().join("p.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    app.set_state(&hash, "recheck");
    until("the damage is found", || {
        let row = app.row(&hash)?;
        let damaged = row["progress"].as_f64()? < 1.0 && row["progress"].as_f64()? > 0.9;
        (damaged && row["status"] == "STOPPED").then_some(())
    });
}

/// Rule D19: an acknowledged deletion stays, with its files gone.
#[test]
fn a_deleted_torrent_does_not_come_back() {
    let app = App::start();
    let hash = seeding(&app);
    let answer = app.delete(&format!("/api/downloads/{hash}"), &json!({"remove_data": true}));
    assert_eq!(answer.json(), json!({"removed": true, "infohash": hash}));
    assert!(!app.downloads().join("p.bin").exists());
    let app = app.kill_and_restart();
    assert!(app.rows("").is_empty());
}

/// Rule D4: one damaged record is shown as an error, the others load, and it can be removed.
#[test]
fn a_damaged_record_is_shown_and_the_others_load() {
    let app = App::start();
    let hash = seeding(&app);
    let other = "0123456789012345678901234567890123456789";
    app.put("/api/downloads", &json!({"uri": format!("magnet:?xt=urn:btih:{other}")}));
    let mut app = app;
    assert_eq!(app.stop(), Some(0));
    let file = rusqlite::Connection::open(app.path("state/state.db")).unwrap();
    let damage = "UPDATE resumes SET resume = zeroblob(30) WHERE number =
        (SELECT number FROM torrents WHERE hex(id) = upper(?1))";
    assert_eq!(file.execute(damage, [&hash]).unwrap(), 1);
    drop(file);
    let app = App::start_in(std::sync::Arc::clone(&app.home), Vec::new());
    until("both rows", || (app.rows("").len() == 2).then_some(()));
    let row = app.row(&hash).unwrap();
    assert_eq!(row["status"], "STOPPED_ON_ERROR", "{row}");
    assert!(row["error"].as_str().unwrap().contains("damaged"), "{row}");
    assert!(app.row(other).is_some());
    assert!(app.downloads().join("p.bin").exists());
    let removed = app.delete(&format!("/api/downloads/{hash}"), &json!({"remove_data": false}));
    assert_eq!(removed.status, 200, "{}", removed.text());
    let app = app.kill_and_restart();
    assert!(app.row(&hash).is_none());
}

/// Files are moved under a root only, and stay found after a kill.
#[test]
fn moved_files_are_found_after_a_kill() {
    let app = App::start();
    let hash = seeding(&app);
    let target = app.downloads().join("elsewhere");
    std::fs::create_dir(&target).unwrap();
    let path = format!("/api/downloads/{hash}");
    let wish = |to: &std::path::Path| json!({"state": "move_storage", "dest_dir": to});
    assert_eq!(app.patch(&path, &wish(&target)).status, 200);
    assert!(target.join("p.bin").exists() && !app.downloads().join("p.bin").exists());
    let refused = app.patch(&path, &wish(std::path::Path::new("/etc")));
    assert!(refused.status >= 400, "{}", refused.text());
    let app = app.kill_and_restart();
    let row = app.until_status(&hash, "SEEDING");
    assert_eq!(row["destination"], target.display().to_string());
}
