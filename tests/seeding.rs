//! How far torrents are seeded: `seeding_ratio` of Tribler's contract (sections 3 and 7),
//! `seed_ratio_limit` at `/v1`, and what is configured (rule D1).

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;

const BYTES: usize = 256 * KIB;

/// Makes a file below the downloads of `home`, and its torrent.
fn made(home: &Home, tracker: &Tracker, name: &str, seed: u64) -> Torrent {
    let content = payload(seed, BYTES);
    fs::write(home.downloads.join(name), &content).unwrap();
    Recipe::named(name).announce(&tracker.url).single(&content)
}

/// Adds what is there already and waits until it is served.
#[track_caller]
fn seed(app: &App<'_>, torrent: &Torrent) {
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);
}

/// A fresh client downloads all of these.
#[track_caller]
fn fetched_by_another(torrents: &[&Torrent]) {
    let home = Home::new();
    let app = home.start();
    for torrent in torrents {
        app.api.add(&torrent.file);
    }
    for torrent in torrents {
        app.api.wait_seeding(&torrent.hash);
    }
}

#[track_caller]
fn wait_stopped(app: &App<'_>, torrent: &Torrent) {
    let row = app.api.wait(&torrent.hash, "seeded far enough", |row| row["status"] == "STOPPED");
    assert_eq!(row["user_stopped"], true);
}

#[track_caller]
fn limit_at_v1(app: &App<'_>, torrent: &Torrent) -> Value {
    app.api.get(&format!("/v1/torrents/{}", torrent.hash)).json()["seed_ratio_limit"].take()
}

#[track_caller]
fn patch_at_v1(app: &App<'_>, torrent: &Torrent, body: &Value) -> u16 {
    app.api.call("PATCH", &format!("/v1/torrents/{}", torrent.hash), body).status
}

/// Rule D1: the stop is as the user's, and so is the word of who resumes it.
#[test]
fn d1_a_torrent_stops_at_its_ratio_and_goes_on_when_it_is_resumed() {
    let (home, tracker) = (Home::new(), Tracker::start());
    let (first, second) = (made(&home, &tracker, "a", 61), made(&home, &tracker, "b", 62));
    let app = home.start();
    tracker.give(app.peer_port);
    seed(&app, &first);
    app.api.patch(&first.hash, &json!({ "seeding_ratio": 0.5 }));
    assert_eq!(app.api.download(&first.hash)["seeding_ratio"], 0.5, "lists show it at once");
    fetched_by_another(&[&first]);
    wait_stopped(&app, &first);
    app.kill();

    let app = home.start();
    app.api.wait(&first.hash, "stopped", |row| row["status"] == "STOPPED");
    assert_eq!(app.api.download(&first.hash)["seeding_ratio"], 0.5);
    app.api.patch(&first.hash, &json!({ "state": "resume" }));
    app.api.wait_seeding(&first.hash);
    app.kill();

    let app = home.start();
    tracker.give(app.peer_port);
    app.api.wait_seeding(&first.hash);
    seed(&app, &second);
    assert_eq!(patch_at_v1(&app, &second, &json!({ "seed_ratio_limit": 0.5 })), 204);
    fetched_by_another(&[&first, &second]);
    wait_stopped(&app, &second);
    assert_eq!(app.api.download(&first.hash)["status"], "SEEDING", "it was resumed past its ratio");
    // Another limit, or the same one, counts anew.
    app.api.patch(&first.hash, &json!({ "seeding_ratio": 0.5 }));
    wait_stopped(&app, &first);
}

/// What is configured holds for every torrent that has no limit of its own.
#[test]
fn what_is_configured_is_for_torrents_without_a_limit_of_their_own() {
    let (home, tracker) = (Home::new(), Tracker::start());
    let (endless, usual) = (made(&home, &tracker, "a", 63), made(&home, &tracker, "b", 64));
    let app = home.start();
    tracker.give(app.peer_port);
    seed(&app, &endless);
    seed(&app, &usual);
    app.api.patch(&endless.hash, &json!({ "seeding_ratio": 0 }));
    let shown = |torrent: &Torrent| app.api.download(&torrent.hash)["seeding_ratio"].take();
    let defaults = |target: &str| {
        let settings = app.api.get(target).json()["settings"].take();
        let found = match target {
            "/settings" => &settings["download_defaults"],
            _ => &settings["libtorrent"]["download_defaults"],
        };
        (found["seeding_mode"].clone(), found["seeding_ratio"].clone())
    };
    assert_eq!(defaults("/settings"), (json!("forever"), json!(0.0)));
    assert_eq!(shown(&usual), 0.0);

    fetched_by_another(&[&endless, &usual]);
    let wish = json!({"libtorrent": {"download_defaults": {
        "seeding_mode": "ratio", "seeding_ratio": 0.5}}});
    let answer = app.api.call("POST", "/api/settings", &wish);
    assert_eq!(answer.status, 200, "{}", answer.text());
    for target in ["/settings", "/api/settings"] {
        assert_eq!(defaults(target), (json!("ratio"), json!(0.5)));
    }
    assert_eq!((shown(&usual), shown(&endless)), (json!(0.5), json!(0.0)));
    assert_eq!(limit_at_v1(&app, &usual), Value::Null);
    assert_eq!(limit_at_v1(&app, &endless), json!(0.0));
    wait_stopped(&app, &usual);
    assert_eq!(app.api.download(&endless.hash)["status"], "SEEDING");
    app.api.patch(&endless.hash, &json!({ "seeding_ratio_default": true }));
    assert_eq!(limit_at_v1(&app, &endless), Value::Null);
    wait_stopped(&app, &endless);
}

#[test]
fn a_limit_is_given_when_a_torrent_is_added_and_a_wrong_one_is_refused() {
    let (home, tracker) = (Home::new(), Tracker::start());
    let torrent = made(&home, &tracker, "a", 65);
    let app = home.start();
    let kind = "application/x-bittorrent";
    let add = |query: &str| {
        let target = format!("/v1/torrents{query}");
        app.api.try_call("POST", &target, kind, Some(&torrent.file)).unwrap()
    };
    for wrong in ["?seed_ratio_limit=-1", "?seed_ratio_limit=NaN", "?seed_ratio_limit=much"] {
        assert_eq!(add(wrong).status, 400, "{wrong}");
    }
    assert!(app.api.downloads().is_empty());
    assert_eq!(add("?seed_ratio_limit=1.25").json()["seed_ratio_limit"], 1.25);
    for (wish, status) in [
        (json!({ "seed_ratio_limit": -0.5 }), 400),
        (json!({ "seed_ratio_limit": "2" }), 400),
        (json!({ "seed_ratio_limit": 1_000_001 }), 400),
        (json!({ "upload_limit": 5 }), 204),
    ] {
        assert_eq!(patch_at_v1(&app, &torrent, &wish), status, "{wish}");
        assert_eq!(limit_at_v1(&app, &torrent), 1.25, "{wish}");
    }
    assert_eq!(patch_at_v1(&app, &torrent, &json!({ "seed_ratio_limit": 2 })), 204);
    assert_eq!(limit_at_v1(&app, &torrent), 2.0);
    assert_eq!(patch_at_v1(&app, &torrent, &json!({ "seed_ratio_limit": null })), 204);
    assert_eq!(limit_at_v1(&app, &torrent), Value::Null);
}
