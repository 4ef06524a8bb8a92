//! `completed_dir`: where a download goes when it is complete (sections 3, 5 and 7 of Tribler's
//! contract; rules D1, F1).

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::raw_seeder;
use crate::common::raw_seeder::Manner;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;

const PIECE: usize = 16 * KIB;

/// A download that stands still until its seeder is called.
struct Download {
    content: Vec<u8>,
    torrent: Torrent,
    tracker: Tracker,
}

impl Download {
    fn new(seed: u64) -> Self {
        let tracker = Tracker::start();
        let content = payload(seed, 30 * PIECE);
        let recipe = Recipe::named("film.bin").announce(&tracker.url).pieces_of(PIECE);
        let torrent = recipe.single(&content);
        Self { content, torrent, tracker }
    }

    /// Adds it, stopped: it asks the tracker for peers when it is resumed.
    fn add_stopped(&self, app: &App<'_>, completed_dir: &Path) {
        let query = format!("?only_metadata=1&completed_dir={}", completed_dir.display());
        let added = app.api.try_put_file(&self.torrent.file, &query).unwrap();
        assert_eq!(added.status, 200, "{}", added.text());
        assert_eq!(app.api.download(&self.torrent.hash)["user_stopped"], true);
    }

    fn call_seeder(&self, app: &App<'_>) {
        let (hash, content) = (&self.torrent.hash, self.content.clone());
        self.tracker.give(raw_seeder::serve(hash, content, PIECE, Manner::default()));
        app.api.patch(hash, &json!({ "state": "resume" }));
    }

    /// Waits until it is complete and lies in `directory`.
    #[track_caller]
    fn wait_in(&self, app: &App<'_>, directory: &Path) {
        app.api.wait(&self.torrent.hash, "seeding where it was wished", |row| {
            row["status"] == "SEEDING" && row["destination"] == json!(directory)
        });
        assert_eq!(fs::read(directory.join("film.bin")).unwrap(), self.content);
    }
}

/// The seeder of these tests speaks no encryption.
fn home() -> Home {
    Home::new().set("client.settings.out_enc_policy", 2)
}

#[test]
fn a_download_goes_where_it_was_wished_when_it_is_complete() {
    let (home, download) = (home(), Download::new(31));
    let app = home.start();
    let done = home.downloads.join("done/films");
    download.add_stopped(&app, &done);
    let row = app.api.download(&download.torrent.hash);
    assert_eq!(
        (&row["completed_dir"], &row["destination"]),
        (&json!(done), &json!(home.downloads))
    );
    download.call_seeder(&app);
    download.wait_in(&app, &done);
    assert!(!home.downloads.join("film.bin").exists(), "moved, not copied");
}

/// Rule D1: the wish survives a kill, and the last one counts.
#[test]
fn d1_a_wish_that_was_changed_survives_a_kill() {
    let (home, download) = (home(), Download::new(32));
    let app = home.start();
    let (first, done) = (home.downloads.join("first"), home.downloads.join("done"));
    download.add_stopped(&app, &first);
    let hash = &download.torrent.hash;
    app.api.patch(hash, &json!({ "completed_dir": done }));
    assert_eq!(app.api.download(hash)["completed_dir"], json!(done), "lists show it at once");
    app.kill();

    let app = home.start();
    app.api.wait(hash, "loaded", |row| row["completed_dir"] == json!(done));
    download.call_seeder(&app);
    download.wait_in(&app, &done);
    app.kill();

    // It is there: the next start leaves it.
    let app = home.start();
    download.wait_in(&app, &done);
    assert!(!first.exists());
}

/// Rule F1, and what a complete download says to it.
#[test]
fn f1_a_wish_outside_the_roots_is_refused_and_a_complete_download_is_moved_by_hand() {
    let (home, download) = (home(), Download::new(33));
    let app = home.start();
    let hash = &download.torrent.hash;
    let outside = app.api.try_put_file(&download.torrent.file, "?completed_dir=/etc").unwrap();
    assert_eq!(outside.status, 403, "{}", outside.text());
    assert_eq!(app.api.downloads().len(), 0);

    let done = home.downloads.join("done");
    download.add_stopped(&app, &done);
    let target = format!("/downloads/{hash}");
    let body = json!({ "completed_dir": "/etc", "upload_limit": 5000 });
    let outside = app.api.call("PATCH", &target, &body);
    assert_eq!(outside.status, 403, "{}", outside.text());
    let row = app.api.download(hash);
    assert_eq!((&row["completed_dir"], &row["upload_limit"]), (&json!(done), &json!(0)));

    download.call_seeder(&app);
    download.wait_in(&app, &done);
    let late = app.api.call("PATCH", &target, &json!({ "completed_dir": home.downloads }));
    assert_eq!((late.status, late.json()["error"].is_string()), (409, true), "{}", late.text());
    app.api.patch(hash, &json!({ "completed_dir": done }));

    let by_hand = home.downloads.join("by hand");
    fs::create_dir(&by_hand).unwrap();
    app.api.patch(hash, &json!({ "state": "move_storage", "dest_dir": by_hand }));
    download.wait_in(&app, &by_hand);
    assert_eq!(app.api.download(hash)["completed_dir"], "");
}
