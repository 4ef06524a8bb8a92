//! `torrentinfo` of a magnet link that is not ours (section 11 of Tribler's contract): the swarm is
//! asked, and nothing of that stays.

use std::fs;

use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::bencode::Value;
use crate::common::bencode::dict;
use crate::common::bencode::text;
use crate::common::metadata_seeder;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::info_hash;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;
use crate::common::wait_for;

const BYTES: usize = 100 * KIB;

fn target(link: &str) -> String {
    format!("/torrentinfo?uri={}", utf8_percent_encode(link, NON_ALPHANUMERIC))
}

/// Has a file and seeds it.
fn seeder<'a>(home: &'a Home, tracker: &Tracker, seed: u64) -> (App<'a>, Torrent) {
    let content = payload(seed, BYTES);
    fs::write(home.downloads.join("film.bin"), &content).unwrap();
    let torrent = Recipe::named("film.bin").announce(&tracker.url).single(&content);
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);
    (app, torrent)
}

#[track_caller]
fn assert_nothing(app: &App<'_>) {
    assert!(app.api.downloads().is_empty());
    let made: Vec<_> = fs::read_dir(&app.home.downloads).unwrap().flatten().collect();
    assert!(made.is_empty(), "{made:?}");
}

#[test]
fn a_swarm_tells_what_a_magnet_link_holds_and_nothing_of_it_stays() {
    let (home, other, tracker) = (Home::new(), Home::new(), Tracker::start());
    let (source, torrent) = seeder(&other, &tracker, 81);
    tracker.give(source.peer_port);
    let app = home.start();
    let answer = app.api.get(&target(&torrent.magnet_by(&tracker.url)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let info = answer.json();
    assert_eq!((&info["infohash"], &info["name"]), (&torrent.hash.into(), &"film.bin".into()));
    assert_eq!((&info["files"][0]["size"], &info["download_exists"]), (&BYTES.into(), &().into()));
    assert!(info["metainfo"].as_str().is_some_and(|hex| hex.len() > 100));
    assert_nothing(&app);
    app.stop();
    assert_nothing(&home.start());
}

/// Whoever wants to have it comes first.
#[test]
fn a_torrent_that_is_being_looked_at_can_be_added() {
    let (home, other, tracker) = (Home::new(), Home::new(), Tracker::start());
    let home = home.set("client.metadata_timeout_s", 25);
    let (source, torrent) = seeder(&other, &tracker, 82);
    let app = home.start();
    let link = torrent.magnet_by(&tracker.url);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| app.api.get(&target(&link)));
        tracker.wait_announced(&torrent.hash, app.peer_port);
        assert!(app.api.downloads().is_empty(), "it is not listed");
        assert_eq!(app.api.add_uri(&link, serde_json::json!({})), torrent.hash);
        let answer = asked.join().unwrap();
        assert_eq!((answer.status, answer.text().contains("metainfo error")), (500, true));
    });
    tracker.give(source.peer_port);
    let hash = &torrent.hash;
    let announce = format!("/downloads/{hash}/tracker_force_announce");
    wait_for("it is downloaded", || {
        app.api.call("PUT", &announce, &serde_json::json!({ "url": tracker.url }));
        (app.api.download(hash)["status"] == "SEEDING").then_some(())
    });
    let found = app.api.get(&target(&link)).json();
    assert_eq!(found["download_exists"], true);
}

/// Rules F2-F4: what is told is judged as a torrent file is; and who tells nothing is not waited for.
#[test]
fn metadata_that_is_not_allowed_is_refused_and_a_silent_swarm_is_left() {
    let tracker = Tracker::start();
    let home = Home::new().set("client.settings.out_enc_policy", 2);
    let home = home.set("client.metadata_timeout_s", 5);
    let app = home.start();
    let silent = Recipe::named("silent").single(&payload(83, 100));
    let answer = app.api.get(&target(&silent.magnet_by(&tracker.url)));
    assert_eq!((answer.status, answer.text().contains("metainfo error")), (500, true));

    let file = |path: &[&str]| {
        let parts = path.iter().map(text).collect();
        dict([("length", Value::Int(5)), ("path", Value::List(parts))])
    };
    let info = dict([
        ("files", Value::List(vec![file(&["d"; 150]), file(&["some.bin"])])),
        ("name", text("bad")),
        ("piece length", Value::Int(16 * KIB as i64)),
        ("pieces", text([7; 20])),
    ]);
    tracker.give(metadata_seeder::serve(&info));
    let link = format!("magnet:?xt=urn:btih:{}&tr={}", info_hash(&info), tracker.url);
    let answer = app.api.get(&target(&link));
    assert!(answer.status >= 400, "{}", answer.text());
    assert_nothing(&app);
}
