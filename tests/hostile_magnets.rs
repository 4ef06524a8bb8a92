//! Metadata from peers that nobody should have made (rules F2-F4): a magnet's files are judged before
//! the first of them is made, as strictly as those of a torrent file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::bencode::Value;
use crate::common::bencode::dict;
use crate::common::bencode::text;
use crate::common::metadata_seeder;
use crate::common::torrents::KIB;
use crate::common::torrents::info_hash;
use crate::common::tracker::Tracker;

/// A home whose program takes unencrypted connections, and a tracker to find the peer by.
fn cage() -> (Home, Tracker) {
    (Home::new().set("client.settings.out_enc_policy", 2), Tracker::start())
}

fn file(path: &[&str], bytes: i64) -> Value {
    let parts = path.iter().map(text).collect();
    dict([("length", Value::Int(bytes)), ("path", Value::List(parts))])
}

fn link(path: &[&str], target: &[&str]) -> Value {
    let mut entry = file(path, 0);
    entry.set("attr", text("l"));
    entry.set("symlink path", Value::List(target.iter().map(text).collect()));
    entry
}

/// The info dictionary of a torrent of one piece whose hash nobody can meet.
fn folder(name: &str, files: Vec<Value>) -> Value {
    dict([
        ("files", Value::List(files)),
        ("name", text(name)),
        ("piece length", Value::Int(16 * KIB as i64)),
        ("pieces", text([7; 20])),
    ])
}

/// Adds the magnet link of `info` and gives the tracker a peer that has the metadata.
fn add(app: &App<'_>, tracker: &Tracker, info: &Value) -> String {
    tracker.give(metadata_seeder::serve(info));
    let hash = info_hash(info);
    let link = format!("magnet:?xt=urn:btih:{hash}&tr={}", tracker.url);
    app.api.add_uri(&link, json!({}))
}

/// Everything below `root`, with the mark `@` for a link.
fn tree(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let mark = if kind.is_symlink() { "@" } else { "" };
            let shown = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            found.insert(shown + mark);
            if kind.is_dir() {
                left.push(path);
            }
        }
    }
    found
}

/// Waits until the torrent is refused with `reason`, and sees that it left nothing and stays so.
#[track_caller]
fn assert_refused(home: &Home, tracker: &Tracker, info: &Value, reason: &str) {
    let mut app = home.start();
    let hash = add(&app, tracker, info);

    let is_refused = |row: &Json| row["error"].as_str().is_some_and(|e| e.contains(reason));
    let row = app.api.wait(&hash, "refused", is_refused);

    assert_eq!(row["status"], "STOPPED_ON_ERROR", "{row}");
    assert_eq!(tree(&home.downloads), BTreeSet::new(), "nothing was made");
    let resumed =
        app.api.call("PATCH", &format!("/downloads/{hash}"), &json!({ "state": "resume" }));
    assert!(resumed.status >= 400 && resumed.text().contains(reason), "{}", resumed.text());
    app.assert_alive("a refused magnet");
    app.stop();
    let app = home.start();
    app.api.wait(&hash, "refused again", is_refused);
    app.api.remove(&hash, true);
    assert_eq!(app.api.downloads().len(), 0);
    assert_eq!(tree(&home.downloads), BTreeSet::new());
}

#[test]
fn f4_metadata_of_too_many_files_is_refused_and_none_is_made() {
    let (home, tracker) = cage();
    let mut files: Vec<Value> = (0..100_001).map(|n| file(&[&n.to_string()], 0)).collect();
    files.push(file(&["some.bin"], 99));
    assert_refused(&home, &tracker, &folder("crowd", files), "more than 100000 files");
}

#[test]
fn f2_metadata_of_a_path_without_end_is_refused_and_nothing_is_made() {
    let (home, tracker) = cage();
    let deep: Vec<&str> = vec!["d"; 150];
    let info = folder("deep", vec![file(&deep, 0), file(&["some.bin"], 99)]);
    assert_refused(&home, &tracker, &info, "deeper than 100 folders");
}

/// Rule F1 at the moment of creation: a link that lay in the download folder before the metadata
/// came leads nobody out of the roots. The empty file would be made at once.
#[test]
fn f1_a_link_that_was_there_first_leads_nobody_outside() {
    let (home, tracker) = cage();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), home.downloads.join("film")).unwrap();
    let info = folder("film", vec![file(&["new", "empty"], 0), file(&["some.bin"], 99)]);
    let mut app = home.start();
    let hash = add(&app, &tracker, &info);

    let row = app.api.wait(&hash, "refused", |row| row["error"] != "");

    assert_eq!(row["status"], "STOPPED_ON_ERROR", "{row}");
    assert_eq!(tree(outside.path()), BTreeSet::new(), "nothing was made outside");
    assert_eq!(tree(&home.downloads), BTreeSet::from(["film@".to_owned()]));
    app.assert_alive("a link in the way");
}

/// Rules F2 and F3: no link, no way up, no two files of one name, and the names shown are the names
/// on the disk. The empty files are made at once, so they show what the others would be called.
#[test]
fn f2_f3_names_in_metadata_are_cleaned_before_a_file_is_made() {
    let (home, tracker) = cage();
    let info = folder(
        "na\u{202e}me",
        vec![
            file(&["..", "..", "cove-escape"], 0),
            file(&["/etc/cove-escape"], 0),
            link(&["link"], &["..", "..", "state", "api-token"]),
            file(&["same"], 0),
            file(&["same"], 0),
            file(&["SAME"], 0),
            file(&["gpj.\u{2066}exe"], 0),
            file(&["line\nfeed\u{1b}[2J"], 0),
            file(&["some.bin"], 99),
        ],
    );
    let app = home.start();
    let hash = add(&app, &tracker, &info);

    let row = app.api.wait(&hash, "downloading", |row| row["status"] == "DOWNLOADING");

    assert_eq!((&row["name"], &row["error"]), (&json!("name"), &json!("")));
    let on_disk = tree(&home.downloads);
    assert!(!on_disk.iter().any(|path| path.ends_with('@')), "no link: {on_disk:?}");
    let listed = app.api.get(&format!("/downloads/{hash}/files")).json();
    let files = listed["files"].as_array().unwrap();
    let names: BTreeSet<&str> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    let folded: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!((names.len(), folded.len()), (9, 9), "no name twice: {names:?}");
    for name in &names {
        assert!(!name.contains(|c: char| c.is_control() || c == '\u{2066}'), "{name:?}");
        let is_there = on_disk.contains(&format!("name/{name}"));
        assert_eq!(is_there, *name != "some.bin", "{name:?} {on_disk:?}");
    }
    let above = home.outer.path().ancestors().take(3);
    let escaped = above.map(|directory| directory.join("cove-escape")).find(|path| path.exists());
    assert_eq!(escaped, None);
    // They keep their names.
    app.stop();
    let app = home.start();
    app.api.wait(&hash, "downloading", |row| row["status"] == "DOWNLOADING");
    assert_eq!(app.api.get(&format!("/downloads/{hash}/files")).json(), listed);
    assert_eq!(tree(&home.downloads), on_disk);
}
