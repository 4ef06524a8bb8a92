//! Torrents and magnets that mean harm (rules F1 to F4): nothing outside the root, nobody dies.

use std::fmt::Write as _;

use serde_json::json;

use crate::common::app::Answer;
use crate::common::app::App;
use crate::common::until;

/// A one-piece torrent whose info dictionary has `inner`, keys in order.
fn torrent(inner: &str) -> Vec<u8> {
    format!("d4:infod{inner}ee").into_bytes()
}

fn text(value: &str) -> String {
    format!("{}:{value}", value.len())
}

/// A multi-file torrent with these paths, each a list of parts, of one byte each.
fn with_paths(name: &str, paths: &[&[&str]]) -> Vec<u8> {
    let mut files = String::new();
    for parts in paths {
        let parts: String = parts.iter().map(|part| text(part)).collect();
        write!(files, "d6:lengthi1e4:pathl{parts}ee").unwrap();
    }
    let pieces = "x".repeat(20);
    torrent(&format!(
        "5:filesl{files}e4:name{}12:piece lengthi16384e6:pieces20:{pieces}",
        text(name)
    ))
}

fn add(app: &App, bytes: Vec<u8>) -> Answer {
    let kind = [("content-type", "application/x-bittorrent")];
    app.call_as("PUT", "/api/downloads", Some(bytes), &kind)
}

/// Rules F1, F2: names are cleaned, files stay below the download directory.
#[test]
fn names_that_climb_out_stay_inside() {
    let app = App::start();
    let long = "n".repeat(250);
    let cases: &[(&str, &[&[&str]])] = &[
        ("../../evil", &[&["a"], &["..", "..", "..", "etc", "passwd"]]),
        ("/etc", &[&["/etc/passwd"], &["b"]]),
        ("name", &[&["..", "state", "state.db"], &["c"]]),
        ("..", &[&["api-token"], &["d"]]),
        ("rtl", &[&["safe\u{202e}cod.exe"], &["bell\u{7}"]]),
        ("same", &[&["a"], &["a"]]),
        (&long, &[&[&long], &["e"]]),
    ];
    for (name, paths) in cases {
        let answer = add(&app, with_paths(name, paths));
        if answer.status == 200 {
            let hash = answer.json()["infohash"].as_str().unwrap().to_owned();
            let files = app.get(&format!("/api/downloads/{hash}/files")).json();
            let names: Vec<String> = files["files"]
                .as_array()
                .unwrap()
                .iter()
                .map(|file| file["name"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(names.len(), paths.len());
            assert_ne!(names[0], names[1], "two files, one path");
            for name in &names {
                let bad = |part: &str| part == ".." || part.len() > 255;
                assert!(!name.starts_with('/') && !name.split('/').any(bad), "{name}");
                assert!(!name.contains(['\u{202e}', '\u{7}']), "{name:?}");
            }
        } else {
            assert!(answer.json()["error"]["message"].is_string(), "{name}: {}", answer.text());
        }
    }
    let token = std::fs::read_to_string(app.path("state/api-token")).unwrap();
    assert_eq!(token.trim(), app.token);
    let outside: Vec<_> = std::fs::read_dir(app.home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["state", "downloads", "log"].contains(&name.as_str()))
        .collect();
    assert!(outside.is_empty(), "written outside the root: {outside:?}");
}

/// Rule F4, and whatever else is no torrent: a clear refusal, and the process goes on.
#[test]
fn what_is_no_torrent_is_refused() {
    let app = App::start();
    let pieces = "x".repeat(20);
    let single = |length: &str, piece: &str| {
        torrent(&format!("6:lengthi{length}e4:name1:a12:piece lengthi{piece}e6:pieces20:{pieces}"))
    };
    let deep = [b"d4:info".to_vec(), b"l".repeat(200), b"e".repeat(200), b"e".to_vec()].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("text", b"hello".to_vec()),
        ("cut off", single("1", "16384")[..40].to_vec()),
        ("negative length", single("-1", "16384")),
        ("huge length", single("9223372036854775807", "16384")),
        ("no piece length", single("1", "0")),
        ("negative piece length", single("1", "-16384")),
        ("too deep", deep),
        ("endless digits", b"d4:infod6:lengthi99999999999999999999999999eee".to_vec()),
        ("string past the end", b"d4:info99999:ae".to_vec()),
        ("pieces do not fit", single("100000", "16384")),
    ];
    for (what, bytes) in cases {
        let answer = add(&app, bytes);
        assert!((400..=599).contains(&answer.status), "{what}: {}", answer.text());
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(!message.is_empty(), "{what}: {}", answer.text());
    }
    assert!(app.rows("").is_empty());
}

/// Rule F4: more files than allowed.
#[test]
fn a_torrent_with_too_many_files_is_refused() {
    let app = App::start();
    let mut files = String::new();
    for number in 0..150_000 {
        write!(files, "d6:lengthi0e4:pathl{}ee", text(&number.to_string())).unwrap();
    }
    let body = torrent(&format!("5:filesl{files}e4:name1:a12:piece lengthi16384e6:pieces0:"));
    let answer = add(&app, body);
    assert!(answer.status >= 400, "{}", answer.text());
    assert!(app.rows("").is_empty());
}

#[test]
fn magnets_that_are_none_are_refused() {
    let app = App::start();
    let long = format!("magnet:?xt=urn:btih:{}", "a".repeat(100_000));
    let cases = [
        "magnet:",
        "magnet:?dn=x",
        "magnet:?xt=urn:btih:zz",
        "magnet:?xt=urn:btih:%00%00",
        &long,
        "ftp://example/a.torrent",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://127.0.0.1:1/a.torrent",
        "http://169.254.169.254/latest",
        "http://[::1]/a",
        "",
    ];
    for uri in cases {
        let answer = app.put("/api/downloads", &json!({"uri": uri}));
        assert!((400..=599).contains(&answer.status), "{uri}: {}", answer.text());
        let text = answer.text();
        assert!(!text.contains("root:"), "rule F8: {text}");
    }
    assert!(app.rows("").is_empty());
}

/// Rule F1: the destination is under a root, whatever it looks like.
#[test]
fn a_destination_outside_the_roots_is_refused() {
    let app = App::start();
    let link = app.downloads().join("link");
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    let state = app.path("state").display().to_string();
    let climbing = format!("{}/../state", app.downloads().display());
    let link = link.display().to_string();
    let hash = "0123456789012345678901234567890123456789";
    for destination in ["/etc", "/proc/self", "../up", &state, &climbing, &link, "/a\0b"] {
        let body =
            json!({"uri": format!("magnet:?xt=urn:btih:{hash}"), "destination": destination});
        let answer = app.put("/api/downloads", &body);
        assert!((400..=599).contains(&answer.status), "{destination}: {}", answer.text());
    }
    let inside = app.downloads().join("inside").display().to_string();
    let body = json!({"uri": format!("magnet:?xt=urn:btih:{hash}"), "destination": inside});
    assert_eq!(app.put("/api/downloads", &body).status, 200);
    assert_eq!(until("the row", || app.row(hash))["destination"], inside);
}

/// Rules F3, D19: removing data takes the torrent's files and nothing else.
#[test]
fn removing_data_follows_no_link() {
    let app = App::start();
    let keep = app.path("keep");
    std::fs::create_dir_all(&keep).unwrap();
    std::fs::write(keep.join("a"), "mine").unwrap();
    let answer = add(&app, with_paths("top", &[&["sub", "a"], &["b"]]));
    let hash = answer.json()["infohash"].as_str().unwrap().to_owned();
    let top = app.downloads().join("top");
    std::fs::create_dir_all(&top).unwrap();
    std::os::unix::fs::symlink(&keep, top.join("sub")).unwrap();
    std::fs::write(top.join("b"), "x").unwrap();
    std::fs::write(top.join("stranger"), "not of this torrent").unwrap();
    app.delete(&format!("/api/downloads/{hash}"), &json!({"remove_data": true}));
    assert!(keep.join("a").exists() && top.join("stranger").exists());
    assert!(!top.join("b").exists());
}
