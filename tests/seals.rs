//! Never served corrupt: of a shared file that is changed while a friend downloads it, no changed byte
//! goes out, however seldom shared folders are looked at.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::peer::Peer;
use crate::common::sharing::home;
use crate::common::sharing::invite;
use crate::common::sharing::make_film;
use crate::common::sharing::share_film;
use crate::common::sharing::wait_film_copied;
use crate::common::torrents::MIB;
use crate::common::wait_for;

const FILM_BYTES: usize = 8 * MIB;
/// Slow enough to change the film in the middle.
const SLOW_BYTES_PER_S: u64 = MIB as u64;
/// libtorrent's category of alerts that tells of pieces with a wrong hash.
const STATUS_ALERTS: u32 = 1 << 6;

/// A friend's client, to which every byte counts.
struct Friend {
    peer: Peer,
    there: TempDir,
    file: Vec<u8>,
}

/// What the friend has of the film.
struct Had {
    pieces: Vec<usize>,
    count: usize,
    piece_bytes: usize,
}

impl Friend {
    fn start(test: &str) -> Option<Self> {
        let peer = Peer::with(test, json!({ "alert_mask": STATUS_ALERTS }))?;
        Some(Self { peer, there: tempfile::tempdir().unwrap(), file: Vec::new() })
    }

    /// Downloads the film until some of it is there.
    #[track_caller]
    fn begin(&mut self, home: &Home) {
        self.file = invite(home, "Anna", &[]).1;
        self.peer.add_slowly("film", &self.file, self.there.path(), SLOW_BYTES_PER_S);
        wait_for("the friend has a part", || (!self.had().pieces.is_empty()).then_some(()));
    }

    /// The pieces that passed their hash; that any did not is a failure.
    #[track_caller]
    fn had(&mut self) -> Had {
        let told = self.peer.ask("pieces", json!({ "id": "film" }));
        assert_eq!(told["bad"], 0, "a piece came with a wrong hash");
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let pieces = told["have"].as_array().unwrap().iter().map(number).collect();
        Had { pieces, count: number(&told["count"]), piece_bytes: number(&told["piece_bytes"]) }
    }

    /// Waits until nobody is connected, and has a part of the film, as it was.
    #[track_caller]
    fn assert_has_a_part_of(&mut self, original: &[u8]) {
        wait_for("the friend is alone", || (self.peer.status("film")["peers"] == 0).then_some(()));
        let had = self.had();
        assert!(!had.pieces.is_empty() && had.pieces.len() < had.count, "not in the middle");
        // The foreign client counts a piece before it is written.
        wait_for("the pieces are as they were shared", || {
            let found = content(self.there.path());
            let is_same = |piece: &usize| {
                let end = ((piece + 1) * had.piece_bytes).min(original.len());
                found[piece * had.piece_bytes..end] == original[piece * had.piece_bytes..end]
            };
            had.pieces.iter().all(is_same).then_some(())
        });
    }
}

/// The film's files in the order of the torrent, what is missing filled with zeros.
fn content(parent: &Path) -> Vec<u8> {
    let files = [("extras/notes.txt", "for friends".len()), ("film.mkv", FILM_BYTES)];
    let read = |(name, size): (&str, usize)| {
        let mut bytes = std::fs::read(parent.join("film").join(name)).unwrap_or_default();
        bytes.resize(size, 0);
        bytes
    };
    files.into_iter().flat_map(read).collect()
}

/// The film, and how it is changed and brought back without another name or size.
struct Film {
    path: PathBuf,
    original: Vec<u8>,
    time: SystemTime,
}

impl Film {
    fn of(home: &Home) -> Self {
        let path = home.downloads.join("film/film.mkv");
        let original = std::fs::read(&path).unwrap();
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        Self { path, original, time }
    }

    fn overwrite(&self, bytes: &[u8]) -> File {
        let file = File::options().write(true).open(&self.path).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    /// Every byte becomes another one.
    fn change(&self) {
        let changed: Vec<u8> = self.original.iter().map(|byte| !byte).collect();
        self.overwrite(&changed);
    }

    fn bring_back(&self) {
        self.overwrite(&self.original).set_modified(self.time).unwrap();
    }
}

#[track_caller]
fn share_row(app: &App<'_>, hash: &str) -> Value {
    let answer = app.api.get(&format!("/v1/shares/{hash}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The API quotes it, as the original does.
fn error(row: &Value) -> &str {
    row["error"].as_str().unwrap_or_default().trim_matches('\'')
}

/// Nobody looks at folders by themselves here.
fn blind_home() -> Home {
    let home = home().set("share.look_interval_s", "0");
    make_film(&home, FILM_BYTES);
    home
}

/// Changes the film while the friend downloads it; the share says so, by itself.
#[track_caller]
fn change_in_the_middle(home: &Home, app: &App<'_>, hash: &str, friend: &mut Friend) -> Film {
    let (film, original) = (Film::of(home), content(&home.downloads));
    friend.begin(home);
    film.change();
    wait_for("the share is shown as changed", || {
        friend.had();
        (share_row(app, hash)["state"] == "changed").then_some(())
    });
    assert_eq!(share_row(app, hash)["change"], "`film.mkv` was changed");
    friend.assert_has_a_part_of(&original);
    let changed = json!([{ "path": "film.mkv", "change": "changed" }]);
    assert_eq!(share_row(app, hash)["changed_files"], changed);
    film
}

#[test]
fn a_file_changed_during_a_download_is_not_sent_and_goes_on_as_it_was() {
    let Some(mut friend) = Friend::start("a share that changes in the middle") else { return };
    let home = blind_home();
    let app = home.start();
    let hash = share_film(&home)["info_hash"].as_str().unwrap().to_owned();
    let film = change_in_the_middle(&home, &app, &hash, &mut friend);
    let row = app.api.download(&hash);
    assert_eq!(error(&row), "the file was changed after it was shared: `film/film.mkv`");

    film.bring_back();
    let checked = app.api.call("POST", &format!("/v1/shares/{hash}/check"), &json!({}));
    assert_eq!(checked.json()["state"], "current", "{}", checked.text());
    let row = app.api.wait_seeding(&hash);
    assert_eq!(error(&row), "");
    friend.peer.connect_until("film", app.peer_address(), "the friend has it", |peer| {
        peer.status("film")["is_seeding"] == true
    });
    friend.had();
    wait_film_copied(&home.downloads, friend.there.path());
    app.stop();
}

#[test]
fn a_file_changed_after_a_restart_is_not_sent_either() {
    let Some(mut friend) = Friend::start("a share that changes after a restart") else { return };
    let home = blind_home();
    let app = home.start();
    let hash = share_film(&home)["info_hash"].as_str().unwrap().to_owned();
    app.kill();
    let app = home.start();
    app.api.wait_seeding(&hash);
    change_in_the_middle(&home, &app, &hash, &mut friend);
    app.kill();

    // And what was changed is still known when it is loaded.
    let app = home.start();
    wait_for("it is loaded", || app.api.downloads().contains_key(&hash).then_some(()));
    assert_eq!(share_row(&app, &hash)["state"], "changed");
    friend.had();
    app.stop();
}

#[test]
fn a_file_changed_in_an_added_session_is_not_sent_either() {
    let Some(mut friend) = Friend::start("a share that changes in its new session") else { return };
    let home = blind_home();
    let app = home.start();
    let hash = share_film(&home)["info_hash"].as_str().unwrap().to_owned();
    app.api.wait_seeding(&hash);
    let added = app.api.call("POST", "/v1/sessions", &json!({ "name": "other" }));
    assert_eq!(added.status, 201, "{}", added.text());
    let wish = json!({ "session": "other" });
    let moved = app.api.call("PATCH", &format!("/v1/torrents/{hash}"), &wish);
    assert_eq!(moved.status, 204, "{}", moved.text());
    change_in_the_middle(&home, &app, &hash, &mut friend);
    app.stop();
}
