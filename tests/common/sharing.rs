//! A film, shared with friends by the command line (issue 5).

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::app::Home;
use crate::common::torrents::payload;
use crate::common::torrents::wait_copied;

/// A home whose tracker listens on loopback.
pub(crate) fn home() -> Home {
    Home::new().set("tracker.udp.bind", "127.0.0.1:0").set("tracker.http.bind", "127.0.0.1:0")
}

/// A folder `film` with two files that are shared and one that is not.
pub(crate) fn make_film(home: &Home, bytes: usize) {
    let folder = home.downloads.join("film");
    fs::create_dir_all(folder.join("extras")).unwrap();
    fs::write(folder.join("film.mkv"), payload(1_500, bytes)).unwrap();
    fs::write(folder.join("extras/notes.txt"), "for friends").unwrap();
    fs::write(folder.join(".DS_Store"), "for nobody").unwrap();
}

#[track_caller]
pub(crate) fn run(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
pub(crate) fn run_json(home: &Home, arguments: &[&str]) -> Value {
    let text = run(home, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Shares the film by the command line.
#[track_caller]
pub(crate) fn share_film(home: &Home) -> Value {
    let path = home.downloads.join("film");
    run_json(home, &["share", path.to_str().unwrap()])
}

/// A friend with an invitation to the film, and the .torrent that comes with it.
#[track_caller]
pub(crate) fn invite(home: &Home, name: &str, more: &[&str]) -> (Value, Vec<u8>) {
    run(home, &["friend", "add", name]);
    let file = home.outer.path().join(format!("{name}.torrent"));
    let file = file.to_str().unwrap();
    let arguments = [&["friend", "invite", name, "film", "--torrent", file][..], more].concat();
    (run_json(home, &arguments), fs::read(file).unwrap())
}

/// The 20 bytes of 40 hex digits.
pub(crate) fn bytes_of(hash: &str) -> [u8; 20] {
    let byte = |at: usize| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

/// The key in a friend's announce URLs.
pub(crate) fn key_of(invitation: &Value) -> String {
    let url = invitation["announce_urls"][0][0].as_str().unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

/// Waits until a foreign client has written all of the film, and nothing else.
#[track_caller]
pub(crate) fn wait_film_copied(original: &Path, copy: &Path) {
    for file in ["film.mkv", "extras/notes.txt"] {
        wait_copied(&original.join("film").join(file), &copy.join("film").join(file));
    }
    assert!(!copy.join("film/.DS_Store").exists());
}
