//! Issue 5, never served corrupt: no stream of an API hands out a byte of a shared file that was
//! changed, however seldom shared folders are looked at.

use std::fs;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Answer;
use crate::common::http::Incoming;
use crate::common::http::Request;
use crate::common::sharing::home;
use crate::common::sharing::make_film;
use crate::common::sharing::share_film;
use crate::common::torrents::KIB;
use crate::common::torrents::MIB;
use crate::common::wait_for;

/// Places of the files in the torrent.
const NOTES: usize = 0;
const FILM: usize = 1;

/// More than the buffers between the disk and a client that does not read can hold.
const LONG_BYTES: usize = 64 * MIB;

/// Both APIs that hand out files.
const APIS: [&str; 2] =
    ["/v1/torrents/HASH/files/INDEX/content", "/api/downloads/HASH/stream/INDEX"];

/// A shared film at which nobody looks by themselves.
struct Cinema {
    home: Home,
    path: PathBuf,
    original: Vec<u8>,
    time: SystemTime,
}

impl Cinema {
    fn open(bytes: usize) -> Self {
        let home = home().set("share.look_interval_s", "0");
        make_film(&home, bytes);
        let path = home.downloads.join("film/film.mkv");
        let (original, found) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap());
        Self { home, path, original, time: found.modified().unwrap() }
    }

    #[track_caller]
    fn share(&self, app: &App<'_>) -> String {
        let hash = share_film(&self.home)["info_hash"].as_str().unwrap().to_owned();
        app.api.wait_seeding(&hash);
        hash
    }

    /// Every byte becomes another one; neither name nor size does.
    fn change(&self) {
        let changed: Vec<u8> = self.original.iter().map(|byte| !byte).collect();
        self.overwrite(&changed);
    }

    fn overwrite(&self, bytes: &[u8]) -> File {
        use std::os::unix::fs::FileExt;
        let file = File::options().write(true).open(&self.path).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    fn bring_back(&self) {
        self.overwrite(&self.original).set_modified(self.time).unwrap();
    }
}

fn open(app: &App<'_>, api: &str, (hash, index): (&str, usize), range: Option<&str>) -> Incoming {
    let target = api.replace("HASH", hash).replace("INDEX", &index.to_string());
    let mut headers = vec![("X-Api-Key", app.api.token.clone())];
    headers.extend(range.map(|range| ("Range", range.to_owned())));
    let request = Request { method: "GET", target: &target, headers, body: None };
    request.open(&app.api.host).unwrap()
}

#[track_caller]
fn read(app: &App<'_>, api: &str, file: (&str, usize), range: Option<&str>) -> Answer {
    open(app, api, file, range).finish().unwrap()
}

#[track_caller]
fn wait_state(app: &App<'_>, hash: &str, state: &str) {
    wait_for(&format!("the share is {state}"), || {
        (app.api.json(&format!("/v1/shares/{hash}"))["state"] == state).then_some(())
    });
}

/// Of each API: all of the film is refused, and a part of it; the notes are not.
#[track_caller]
fn assert_refused(app: &App<'_>, hash: &str) {
    for api in APIS {
        for range in [None, Some("bytes=100-199")] {
            let answer = read(app, api, (hash, FILM), range);
            assert_eq!(answer.status, 409, "{api}: {}", answer.text());
            let said = answer.text();
            for word in ["film.mkv", "was changed after it was shared", "cove share republish"] {
                assert!(said.contains(word), "{api}: no {word} in {said}");
            }
        }
        let answer = read(app, api, (hash, NOTES), None);
        assert_eq!((answer.status, answer.text().as_str()), (200, "for friends"), "{api}");
    }
}

#[test]
fn a_changed_file_is_refused_and_the_others_are_not() {
    let cinema = Cinema::open(2 * MIB);
    let app = cinema.home.start();
    let hash = cinema.share(&app);
    for api in APIS {
        let part = read(&app, api, (&hash, FILM), Some("bytes=100-199"));
        assert_eq!(part.status, 206);
        assert!(part.body == cinema.original[100..200], "{api}");
    }

    cinema.change();
    assert_refused(&app, &hash);
    // Whoever came upon it has had the share looked at, and nothing lets it run again.
    wait_state(&app, &hash, "changed");
    app.api.wait(&hash, "stopped", |row| row["status"] == "STOPPED");
    assert_refused(&app, &hash);
    assert_eq!(app.api.download(&hash)["status"], "STOPPED");

    cinema.bring_back();
    let checked = app.api.call("POST", &format!("/v1/shares/{hash}/check"), &json!({}));
    assert_eq!(checked.json()["state"], "current", "{}", checked.text());
    app.api.wait_seeding(&hash);
    for api in APIS {
        let whole = read(&app, api, (&hash, FILM), None);
        assert!(whole.status == 200 && whole.body == cinema.original, "{api}");
    }

    // One that is gone is no 404: the torrent has it.
    fs::remove_file(&cinema.path).unwrap();
    for api in APIS {
        let answer = read(&app, api, (&hash, FILM), None);
        assert!(answer.status == 409 && answer.text().contains("is not there any more"), "{api}");
    }
    app.stop();
}

#[test]
fn a_file_changed_before_the_start_is_refused_too() {
    let cinema = Cinema::open(2 * MIB);
    let app = cinema.home.start();
    let hash = cinema.share(&app);
    app.stop();
    cinema.change();

    let app = cinema.home.start();
    wait_for("it is loaded", || app.api.downloads().contains_key(&hash).then_some(()));
    assert_refused(&app, &hash);
    app.stop();
}

/// What was sent by then is right, and the client sees that it is not all.
#[test]
fn a_stream_of_a_file_that_is_changed_meanwhile_is_cut_off() {
    let cinema = Cinema::open(LONG_BYTES);
    let app = cinema.home.start();
    let hash = cinema.share(&app);
    for api in APIS {
        let mut stream = open(&app, api, (&hash, FILM), None);
        assert_eq!(stream.header("content-length"), Some(LONG_BYTES.to_string().as_str()));
        let mut had = stream.take(256 * KIB).unwrap();

        cinema.change();

        had.extend(stream.rest());
        assert!(had.len() < LONG_BYTES, "{api}: all of it came");
        assert!(had == cinema.original[..had.len()], "{api}: a changed byte came");
        wait_state(&app, &hash, "changed");
        cinema.bring_back();
        let checked = app.api.call("POST", &format!("/v1/shares/{hash}/check"), &json!({}));
        assert_eq!(checked.json()["change"], Value::Null, "{}", checked.text());
        app.api.wait_seeding(&hash);
    }
    app.stop();
}

/// A file that only looks changed is good again once the share was published anew.
#[test]
fn the_same_content_published_anew_is_streamed_again() {
    let cinema = Cinema::open(2 * MIB);
    let app = cinema.home.start();
    let hash = cinema.share(&app);
    let film = File::options().write(true).open(&cinema.path).unwrap();
    film.set_modified(cinema.time + Duration::from_nanos(1)).unwrap();
    assert_refused(&app, &hash);
    wait_state(&app, &hash, "changed");

    let output = cinema.home.run(&["share", "republish", "film", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for api in APIS {
        let whole = read(&app, api, (&hash, FILM), None);
        assert!(whole.status == 200 && whole.body == cinema.original, "{api}");
    }
    app.stop();
}
