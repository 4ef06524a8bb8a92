//! The command line against the running program.

use std::process::Output;

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::payload;
use crate::common::peer::Peer;

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn add_ls_and_rm_find_the_server_by_themselves() {
    let app = App::start();
    let mut author = Peer::start();
    let path = app.downloads().join("p.bin");
    std::fs::write(&path, payload(1, 300_000)).unwrap();
    let torrent = app.path("p.torrent");
    let hash = author.author(&path, "v1", &torrent, json!({}));
    let added = app.cove(&["add", "--wait", torrent.to_str().unwrap()]);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added));
    let listed = text(&app.cove(&["ls"]));
    assert!(listed.contains("p.bin") && listed.contains("seeding"), "{listed}");
    let rows: Value = serde_json::from_slice(&app.cove(&["ls", "--json"]).stdout).unwrap();
    assert!(rows.to_string().contains(&hash), "{rows}");
    let removed = app.cove(&["rm", &hash[..12]]);
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed));
    assert!(app.rows("").is_empty() && path.exists());
    let again = app.cove(&["rm", &hash]);
    assert_eq!(again.status.code(), Some(8), "{}", text(&again));
}

#[test]
fn exit_codes_say_what_is_wrong() {
    let mut app = App::start();
    let magnet = "magnet:?xt=urn:btih:zz";
    assert_eq!(app.cove(&["add", magnet]).status.code(), Some(1));
    assert_eq!(app.cove(&["nonsense"]).status.code(), Some(2));
    let wrong = std::process::Command::new(crate::common::app::PROGRAM)
        .args(["--url", &app.url, "ls"])
        .env("COVE_API__TOKEN", "wrong")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(7), "{}", text(&wrong));
    app.stop();
    let gone = app.cove(&["ls"]);
    assert_eq!(gone.status.code(), Some(6), "{}", text(&gone));
}

#[test]
fn completions_and_config_are_printed() {
    let app = App::start();
    let completions = text(&app.cove(&["completions", "bash"]));
    assert!(completions.contains("_cove"), "{completions}");
    let shown = app.cove(&["config", "--set", "client.dht=false"]);
    let shown = text(&shown);
    let line = shown.lines().find(|line| line.starts_with("client.dht ")).unwrap();
    assert!(line.contains("false") && line.contains("--set"), "{line}");
}
