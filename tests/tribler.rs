//! Tribler's downloads API, both generations, word for word: `tests/golden/tribler/` holds every
//! request with its whole answer.

use std::fs;

use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::golden::Asked;
use crate::common::golden::Golden;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::many_small;
use crate::common::torrents::payload;

/// Members whose value is another one at each run.
const VOLATILE: [&str; 8] = [
    "time_added",
    "time_finished",
    "last_download",
    "last_upload",
    "total_up",
    "total_down",
    "eta",
    "queue_position",
];

/// One thing that happens in the course of the story.
enum Step {
    /// A call whose answer is compared with the file of this name.
    Call { name: &'static str, method: &'static str, target: String, body: Body },
    /// Until the torrent has this status.
    Wait(&'static str),
}

enum Body {
    None,
    Json(&'static str),
    /// Bytes that are no text, under a content type.
    File(Vec<u8>, &'static str),
}

use Body::Json;
use Step::Wait;

fn call(name: &'static str, method: &'static str, target: impl Into<String>, body: Body) -> Step {
    Step::Call { name, method, target: target.into(), body }
}

#[test]
fn generation_7_answers_as_tribler_7_does() {
    tell("7", "/downloads");
}

#[test]
fn generation_8_answers_as_tribler_8_does() {
    tell("8", "/api/downloads");
}

/// A torrent whose hash is the same at every run.
fn fixture(home: &Home) -> Torrent {
    let files = [("film.mkv", payload(1, 200 * KIB)), ("extra/notes ü.txt", payload(2, 10 * KIB))];
    for (name, content) in &files {
        let path = home.downloads.join("Golden \"demo\"").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    Recipe::named("Golden \"demo\"").folder(&files)
}

fn tell(generation: &str, root: &str) {
    let home = Home::new();
    let torrent = fixture(&home);
    let app = home.start();
    let mut golden = Golden::of(&format!("tribler/{generation}"))
        .volatile(&VOLATILE)
        .hide(home.downloads.display().to_string(), "{downloads}");
    for step in story(root, &torrent) {
        match step {
            Wait(status) => {
                app.api.wait(&torrent.hash, status, |row| row["status"] == status);
            }
            Step::Call { name, method, target, body } => {
                let answer = send(&app, method, &target, &body);
                let asked = Asked { method, target: &target, body: &shown(&body) };
                golden.check(name, &asked, &answer);
            }
        }
    }
    golden.finish();
}

fn shown(body: &Body) -> String {
    match body {
        Body::None => String::new(),
        Json(json) => (*json).to_owned(),
        Body::File(bytes, kind) => format!("{kind}, {} bytes", bytes.len()),
    }
}

/// Everything the contract has an answer for, in an order that makes sense.
fn story(root: &str, torrent: &Torrent) -> Vec<Step> {
    let mut steps = before_there_is_anything(root);
    steps.extend(adding(root, torrent));
    steps.extend(looking(&format!("{root}/{}", torrent.hash), root));
    steps.extend(changing(&format!("{root}/{}", torrent.hash), root));
    steps.extend(streaming_state(&format!("{root}/{}", torrent.hash)));
    steps.extend(removing(&format!("{root}/{}", torrent.hash), root));
    steps
}

fn before_there_is_anything(root: &str) -> Vec<Step> {
    let unknown = format!("{root}/{}", "0".repeat(40));
    vec![
        call("list-empty", "GET", root, Body::None),
        call("trailing-slash", "GET", format!("{root}/"), Body::None),
        call("unknown-path", "GET", format!("{root}/a/b/c/d"), Body::None),
        call("wrong-method", "POST", root, Json("{}")),
        call("wrong-method-files", "PUT", format!("{unknown}/files"), Json("{}")),
        call("unknown-download", "GET", format!("{unknown}/files"), Body::None),
        call("short-hash", "GET", format!("{root}/abcd/files"), Body::None),
        call("no-hash", "GET", format!("{root}/xyz/files"), Body::None),
    ]
}

fn adding(root: &str, torrent: &Torrent) -> Vec<Step> {
    let file = |kind| Body::File(torrent.file.clone(), kind);
    vec![
        call("put-no-body", "PUT", root, Body::None),
        call("put-broken-json", "PUT", root, Json("{\"uri\": ")),
        call("put-no-uri", "PUT", root, Json("{}")),
        call("put-bad-uri", "PUT", root, Json(r#"{"uri": "magnet:?xt=urn:btih:xyz"}"#)),
        call("put-bare-path", "PUT", root, Json(r#"{"uri": "/a/b.torrent"}"#)),
        call("put-file-uri", "PUT", root, Json(r#"{"uri": "file:///a/b.torrent"}"#)),
        call(
            "put-hops-without-safe-seeding",
            "PUT",
            root,
            Json(
                r#"{"uri": "magnet:?xt=urn:btih:0000000000000000000000000000000000000001", "anon_hops": 1}"#,
            ),
        ),
        call(
            "put-hops",
            "PUT",
            root,
            Json(
                r#"{"uri": "magnet:?xt=urn:btih:0000000000000000000000000000000000000001", "anon_hops": 1, "safe_seeding": true}"#,
            ),
        ),
        call(
            "put-destination-outside",
            "PUT",
            root,
            Json(
                r#"{"uri": "magnet:?xt=urn:btih:0000000000000000000000000000000000000001", "destination": "/etc"}"#,
            ),
        ),
        call(
            "put-corrupt-file",
            "PUT",
            root,
            Body::File(b"d4:info".to_vec(), "applications/x-bittorrent"),
        ),
        call("put-file", "PUT", root, file("applications/x-bittorrent")),
        Wait("SEEDING"),
        call("put-file-again", "PUT", root, file("application/x-bittorrent")),
    ]
}

fn looking(one: &str, root: &str) -> Vec<Step> {
    let hash = one.rsplit('/').next().unwrap_or_default();
    vec![
        call("list", "GET", root, Body::None),
        call("list-head", "HEAD", root, Body::None),
        call(
            "list-details",
            "GET",
            format!("{root}?get_peers=1&get_pieces=1&get_files=1"),
            Body::None,
        ),
        call(
            "list-details-of-one",
            "GET",
            format!("{root}?get_pieces=1&infohash={hash}"),
            Body::None,
        ),
        call("list-excluded", "GET", format!("{root}?excluded={hash}"), Body::None),
        call("files", "GET", format!("{one}/files"), Body::None),
        call(
            "files-upper-case",
            "GET",
            format!("{root}/{}/files", hash.to_uppercase()),
            Body::None,
        ),
        call("torrent", "GET", format!("{one}/torrent"), Body::None),
        call("stream-no-number", "GET", format!("{one}/stream/x"), Body::None),
        call("stream-out-of-range", "GET", format!("{one}/stream/9"), Body::None),
        call("stream-head", "HEAD", format!("{one}/stream/0"), Body::None),
    ]
}

fn changing(one: &str, _root: &str) -> Vec<Step> {
    let patch = |name, body| call(name, "PATCH", one, Json(body));
    vec![
        patch("patch-nothing", "{}"),
        call("patch-no-body", "PATCH", one, Body::None),
        patch("patch-unknown-state", r#"{"state": "sleep"}"#),
        patch("patch-hops-and-more", r#"{"anon_hops": 1, "state": "stop"}"#),
        patch("patch-hops", r#"{"anon_hops": 1}"#),
        patch("patch-index-out-of-range", r#"{"selected_files": [7]}"#),
        patch("patch-selected-files", r#"{"selected_files": [0]}"#),
        call("files-selected", "GET", format!("{one}/files"), Body::None),
        patch("patch-all-files", r#"{"selected_files": []}"#),
        patch("patch-limits", r#"{"upload_limit": 1000, "download_limit": 2000}"#),
        patch("patch-bad-queue", r#"{"queue_position": "first"}"#),
        patch("patch-queue", r#"{"queue_position": "queue_top"}"#),
        patch("patch-bad-auto-managed", r#"{"auto_managed": "yes"}"#),
        patch("patch-move-without-target", r#"{"state": "move_storage"}"#),
        patch("patch-move-outside", r#"{"state": "move_storage", "dest_dir": "/etc"}"#),
        patch("patch-stop", r#"{"state": "stop"}"#),
        Wait("STOPPED"),
        patch("patch-recheck", r#"{"state": "recheck"}"#),
        Wait("STOPPED"),
        patch("patch-resume", r#"{"state": "resume"}"#),
        Wait("SEEDING"),
        call("trackers-no-url", "PUT", format!("{one}/trackers"), Json("{}")),
        call("trackers-add", "PUT", format!("{one}/trackers"), Json(TRACKER)),
        call("trackers-force", "PUT", format!("{one}/tracker_force_announce"), Json(TRACKER)),
        call(
            "trackers-force-unknown",
            "PUT",
            format!("{one}/tracker_force_announce"),
            Json(r#"{"url": "http://127.0.0.1:8/announce"}"#),
        ),
        call("trackers-remove", "DELETE", format!("{one}/trackers"), Json(TRACKER)),
    ]
}

/// The port of the discard service: nobody answers.
const TRACKER: &str = r#"{"url": "http://127.0.0.1:9/announce"}"#;

fn streaming_state(one: &str) -> Vec<Step> {
    let patch = |name, body| call(name, "PATCH", one, Json(body));
    vec![
        patch("vod-no-bool", r#"{"vod_mode": 1}"#),
        patch("vod-no-index", r#"{"vod_mode": true}"#),
        patch("vod-never-streamed", r#"{"vod_mode": false}"#),
        patch("vod-on", r#"{"vod_mode": true, "fileindex": 0}"#),
        patch("vod-off", r#"{"vod_mode": false}"#),
    ]
}

fn removing(one: &str, root: &str) -> Vec<Step> {
    let unknown = format!("{root}/{}", "0".repeat(40));
    vec![
        call("delete-no-body", "DELETE", one, Body::None),
        call("delete-no-flag", "DELETE", one, Json("{}")),
        call("delete-no-flag-unknown", "DELETE", &unknown, Json("{}")),
        call("delete-unknown", "DELETE", &unknown, Json(r#"{"remove_data": false}"#)),
        call("delete", "DELETE", one, Json(r#"{"remove_data": true}"#)),
        call("list-after-delete", "GET", root, Body::None),
    ]
}

fn send(app: &App<'_>, method: &str, target: &str, body: &Body) -> Answer {
    let mut headers = vec![("X-Api-Key", app.api.token.clone())];
    let bytes = match body {
        Body::None => None,
        Json(text) => Some((text.as_bytes(), "application/json")),
        Body::File(bytes, kind) => Some((bytes.as_slice(), *kind)),
    };
    headers.extend(bytes.map(|(_, kind)| ("Content-Type", kind.to_owned())));
    let request = Request { method, target, headers, body: bytes.map(|(bytes, _)| bytes) };
    request.send(&app.api.host).unwrap()
}

/// Section 3: while the stored torrents are being loaded 7.x shows none, 8.x those that are there;
/// the members of both generations are there in the order of the contract.
#[test]
fn a_download_has_every_member_of_the_contract_in_its_order() {
    let home = Home::new();
    let torrent = fixture(&home);
    let app = home.start();
    app.api.add(&torrent.file);
    let row = app.api.wait_seeding(&torrent.hash);
    let members: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "name",
        "progress",
        "infohash",
        "speed_down",
        "speed_up",
        "status",
        "status_code",
        "size",
        "eta",
        "num_peers",
        "num_seeds",
        "num_connected_peers",
        "num_connected_seeds",
        "total_up",
        "total_down",
        "ratio",
        "trackers",
        "hops",
        "anon_download",
        "safe_seeding",
        "max_upload_speed",
        "max_download_speed",
        "destination",
        "availability",
        "total_pieces",
        "vod_mode",
    ];
    assert_eq!(members[..expected.len()], expected);
    for later in [
        "error",
        "time_added",
        "channel_download",
        "all_time_upload",
        "all_time_download",
        "all_time_ratio",
        "last_download",
        "last_upload",
        "upload_limit",
        "download_limit",
        "seeding_ratio",
        "completed_dir",
        "time_finished",
        "queue_position",
        "auto_managed",
        "user_stopped",
        "streamable",
    ] {
        assert!(members.contains(&later), "{later}");
    }
    // `docs/api/tribler.md` says why this is not null.
    assert_eq!(row["vod_mode"], json!(false));
}

/// Rule W9: Tribler's bodies may be as large as the configuration says.
#[test]
fn w9_bodies_are_as_large_as_configured() {
    let limits = [("api.limits.max_json_bytes", 400), ("api.limits.max_torrent_bytes", 300)];
    let home = limits.into_iter().fold(Home::new(), |home, (key, bytes)| home.set(key, bytes));
    let app = home.start();
    let small = many_small(home.outer.path(), 1, 92).remove(0);
    assert!(small.file.len() <= 300, "{}", small.file.len());
    app.api.add(&small.file);
    let too_large = |answer: Answer, bytes: usize| {
        let sentence = format!("Request size is larger than {bytes} bytes");
        assert_eq!((answer.status, answer.text().contains(&sentence)), (413, true));
    };
    too_large(app.api.put_file(&vec![b'x'; 301]), 300);
    let info = ("PUT", "/api/torrentinfo/file", "application/x-bittorrent");
    too_large(app.api.try_call(info.0, info.1, info.2, Some(&[b'x'; 301])).unwrap(), 300);
    too_large(app.api.put_uri(&"x".repeat(400), json!({})), 400);
}
