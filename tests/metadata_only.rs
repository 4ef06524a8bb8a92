//! `only_metadata` of a magnet link (section 5 of Tribler's contract; rule D1): it gets its metadata
//! and stops, and until it is resumed nothing else of it is asked for or made.

use std::fs;

use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::events::Events;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;

/// A folder that one client has, and the tracker by which others find it.
struct Source {
    home: Home,
    files: [(&'static str, Vec<u8>); 3],
    torrent: Torrent,
    tracker: Tracker,
}

impl Source {
    fn new() -> Self {
        let (home, tracker) = (Home::new(), Tracker::start());
        let files =
            [("film.mkv", payload(71, 200 * KIB)), ("notes", payload(72, 100)), ("empty", vec![])];
        let folder = home.downloads.join("Rest");
        fs::create_dir(&folder).unwrap();
        for (name, content) in &files {
            fs::write(folder.join(name), content).unwrap();
        }
        let torrent = Recipe::named("Rest").announce(&tracker.url).folder(&files);
        Self { home, files, torrent, tracker }
    }

    fn start(&self) -> App<'_> {
        let app = self.home.start();
        app.api.add(&self.torrent.file);
        app.api.wait_seeding(&self.torrent.hash);
        self.tracker.give(app.peer_port);
        app
    }

    fn add_to(&self, app: &App<'_>) {
        let link = self.torrent.magnet_by(&self.tracker.url);
        assert_eq!(app.api.add_uri(&link, json!({ "only_metadata": true })), self.torrent.hash);
    }

    /// Waits until the metadata is there, and sees that nothing else is.
    #[track_caller]
    fn wait_stopped(&self, app: &App<'_>) {
        let hash = &self.torrent.hash;
        let row = app.api.wait(hash, "stopped with its metadata", |row| {
            row["status"] == "STOPPED" && row["size"].as_u64() > Some(0)
        });
        assert_eq!(row["user_stopped"], true, "{row}");
        assert_eq!(row["progress"], 0.0, "{row}");
        let files = app.api.get(&format!("/downloads/{hash}/files")).json()["files"].take();
        assert_eq!(files.as_array().map(Vec::len), Some(self.files.len()));
        assert_nothing(app);
    }

    /// Downloads the rest.
    #[track_caller]
    fn resume(&self, app: &App<'_>) {
        app.api.patch(&self.torrent.hash, &json!({ "state": "resume" }));
        app.api.wait_seeding(&self.torrent.hash);
        for (name, content) in &self.files {
            assert_eq!(&fs::read(app.home.downloads.join("Rest").join(name)).unwrap(), content);
        }
    }
}

#[track_caller]
fn assert_nothing(app: &App<'_>) {
    let made: Vec<_> = fs::read_dir(&app.home.downloads).unwrap().flatten().collect();
    assert!(made.is_empty(), "{made:?}");
}

#[test]
fn a_magnet_link_gets_its_metadata_and_stops() {
    let source = Source::new();
    let _seeder = source.start();
    let home = Home::new();
    let app = home.start();
    let headers = vec![("X-Api-Key", app.api.token.clone())];
    let mut events = Events::try_open(&app.api, "/api/events", headers).unwrap();
    source.add_to(&app);
    source.wait_stopped(&app);
    // Nothing was finished by that; the event of another download comes after all there is to say.
    let marker = Recipe::named("marker").single(&payload(73, 100));
    assert_eq!(app.api.try_put_file(&marker.file, "?only_metadata=1").unwrap().status, 200);
    let frames: Vec<String> = std::iter::from_fn(|| events.next_frame())
        .take_while(|frame| !frame.contains(&marker.hash))
        .collect();
    assert!(!frames.iter().any(|frame| frame.contains("torrent_finished")), "{frames:?}");
    source.resume(&app);
}

/// Rule D1: the wish survives a kill before the metadata comes, and the stop one after it.
#[test]
fn d1_the_wish_survives_a_kill() {
    let source = Source::new();
    let home = Home::new();
    let app = home.start();
    source.add_to(&app);
    app.api.wait(&source.torrent.hash, "looking", |row| row["status"] == "METADATA");
    app.kill();

    let _seeder = source.start();
    let app = home.start();
    source.wait_stopped(&app);
    app.kill();

    let app = home.start();
    source.wait_stopped(&app);
    source.resume(&app);
}

#[test]
fn files_are_selected_when_the_metadata_is_there_and_not_before() {
    let source = Source::new();
    let home = Home::new();
    let app = home.start();
    let link = source.torrent.magnet_by(&source.tracker.url);
    let answer = app.api.put_uri(&link, json!({ "only_metadata": true, "selected_files": [0] }));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(app.api.downloads().is_empty());
}

/// The same wish at our own API.
#[test]
fn our_own_api_takes_the_wish_too() {
    let source = Source::new();
    let _seeder = source.start();
    let home = Home::new();
    let app = home.start();
    let link = source.torrent.magnet_by(&source.tracker.url);
    let added =
        app.api.call("POST", "/v1/torrents", &json!({ "uri": link, "only_metadata": true }));
    assert_eq!(added.status, 201, "{}", added.text());
    source.wait_stopped(&app);
    let at = format!("/v1/torrents/{}/start", source.torrent.hash);
    assert_eq!(app.api.call("POST", &at, &json!({})).status, 204);
    app.api.wait_seeding(&source.torrent.hash);

    // A torrent file has its metadata: it is added stopped.
    let file = Recipe::named("other").single(&payload(74, 100));
    let target = "/v1/torrents?only_metadata=true";
    let kind = "application/x-bittorrent";
    let added = app.api.try_call("POST", target, kind, Some(&file.file)).unwrap();
    assert_eq!((added.status, &added.json()["paused"]), (201, &json!(true)));
    let selecting = json!({ "uri": file.magnet(), "only_metadata": true, "files": [0] });
    app.api.remove(&file.hash, false);
    assert_eq!(app.api.call("POST", "/v1/torrents", &selecting).status, 400);
}
