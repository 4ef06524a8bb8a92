//! Tribler's event stream in both generations, read over a real socket (section 11 of the contract;
//! rules W3, W13, D16).

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::common::DEADLINE;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::events::Events;
use crate::common::raw_seeder;
use crate::common::raw_seeder::Manner;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;

const SEVEN: &str = "/events";
const EIGHT: &str = "/api/events";

fn open(app: &App<'_>, target: &str) -> Events {
    let headers = vec![("X-Api-Key", app.api.token.clone())];
    let opened = Events::try_open(&app.api, target, headers);
    opened.unwrap_or_else(|refused| panic!("{}: {}", refused.status, refused.text()))
}

/// The topic, the arguments, and the members beside them, of an event in the form of its generation.
#[track_caller]
fn read(frame: &str, target: &str) -> (String, Value) {
    let data = |text: &str| -> Value { serde_json::from_str(text).expect("data is JSON") };
    if target == EIGHT {
        let (event, text) = frame.split_once('\n').expect("an event has two lines");
        let topic = event.strip_prefix("event: ").expect("first its name");
        return (topic.to_owned(), data(text.strip_prefix("data: ").expect("then its data")));
    }
    let whole = data(frame.strip_prefix("data: ").expect("one line of data"));
    let mut members: Vec<&str> = whole.as_object().unwrap().keys().map(String::as_str).collect();
    members.retain(|name| !["topic", "kwargs"].contains(name));
    let topic = whole["topic"].as_str().unwrap();
    let expected: &[&str] = if topic == "events_start" { &[] } else { &["args"] };
    assert_eq!(members, expected, "{frame}");
    (topic.to_owned(), whole["kwargs"].clone())
}

/// The next event of this topic.
#[track_caller]
fn until(events: &mut Events, target: &str, topic: &str) -> Value {
    loop {
        let frame = events.next_frame().unwrap_or_else(|| panic!("it ended before {topic}"));
        let (found, kwargs) = read(&frame, target);
        if found == topic {
            return kwargs;
        }
    }
}

#[test]
fn a_stream_begins_with_who_speaks() {
    let home = Home::new();
    let app = home.start();
    let version = env!("CARGO_PKG_VERSION");
    let kwargs = format!("{{\"public_key\": \"\", \"version\": \"{version}\"}}");
    let seven = format!("data: {{\"topic\": \"events_start\", \"kwargs\": {kwargs}}}");
    assert_eq!(open(&app, SEVEN).next_frame(), Some(seven));
    let eight = format!("event: events_start\ndata: {kwargs}");
    assert_eq!(open(&app, EIGHT).next_frame(), Some(eight));
}

/// A download from a real seeder is told once it is complete; 8.x also hears what it does on the
/// way there.
#[test]
fn a_download_is_told_when_it_is_complete() {
    const PIECE: usize = 16 * KIB;
    // The seeder of this test speaks no encryption.
    let home = Home::new().set("client.settings.out_enc_policy", 2);
    let app = home.start();
    let tracker = Tracker::start();
    let content = payload(7, 20 * PIECE);
    let torrent = Recipe::named("Fil\u{fc}m").announce(&tracker.url).pieces_of(PIECE);
    let torrent = torrent.single(&content);
    let mut streams = [(SEVEN, open(&app, SEVEN)), (EIGHT, open(&app, EIGHT))];

    // Of nothing but its metadata, that is stopped: it asks the tracker when it is resumed.
    let added = app.api.try_put_file(&torrent.file, "?only_metadata=1").unwrap();
    assert_eq!(added.status, 200, "{}", added.text());
    let stopped = until(&mut streams[1].1, EIGHT, "torrent_status_changed");
    assert_eq!(stopped, json!({ "infohash": torrent.hash, "status": "STOPPED" }));
    let port = raw_seeder::serve(&torrent.hash, content, PIECE, Manner::default());
    tracker.give(port);
    app.api.patch(&torrent.hash, &json!({ "state": "resume" }));

    let finished = json!({ "infohash": torrent.hash, "name": "Fil\u{fc}m", "hidden": false });
    for (target, events) in &mut streams {
        assert_eq!(until(events, target, "torrent_finished"), finished);
    }
    app.api.patch(&torrent.hash, &json!({ "state": "stop" }));
    let (_, events) = &mut streams[1];
    while until(events, EIGHT, "torrent_status_changed")["status"] != "STOPPED" {}
}

/// What lay on the disk already was not downloaded, so there is no news of it.
#[test]
fn what_was_only_found_is_not_told_as_finished() {
    let home = Home::new();
    let app = home.start();
    let content = payload(8, 40 * KIB);
    let torrent = Recipe::named("there.bin").single(&content);
    std::fs::write(home.downloads.join("there.bin"), &content).unwrap();
    let mut events = open(&app, EIGHT);
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);
    app.api.patch(&torrent.hash, &json!({ "state": "stop" }));
    loop {
        let (topic, kwargs) = read(&events.next_frame().expect("it goes on"), EIGHT);
        assert_ne!(topic, "torrent_finished");
        if kwargs["status"] == "STOPPED" {
            return;
        }
    }
}

/// Rule D16, and the topic of the contract for it.
#[test]
fn d16_a_stream_ends_with_the_program_and_says_so() {
    let home = Home::new();
    let app = home.start();
    let mut streams = [(SEVEN, open(&app, SEVEN)), (EIGHT, open(&app, EIGHT))];
    for (target, events) in &mut streams {
        until(events, target, "events_start");
    }
    app.terminate();
    for (target, events) in &mut streams {
        let told = until(events, target, "tribler_shutdown_state");
        assert!(told["state"].is_string(), "{told}");
        assert_eq!(events.next_frame(), None);
    }
    app.stop();
}

/// Rules W3, W13: a stream ends soon after its token is revoked.
#[test]
fn w13_a_stream_ends_when_its_key_is_revoked() {
    let home = Home::new();
    let app = home.start();
    let made = app.api.call("POST", "/v1/tokens", &json!({ "name": "gui", "scopes": ["read"] }));
    let made = made.json();
    for target in [EIGHT, SEVEN] {
        let headers = vec![("X-Api-Key", made["token"].as_str().unwrap().to_owned())];
        let opened = Events::try_open(&app.api, target, headers);
        if target == SEVEN {
            assert_eq!(opened.err().expect("the key is gone").status, 401);
            continue;
        }
        let mut events = opened.ok().expect("the key is good");
        until(&mut events, target, "events_start");
        let id = made["id"].as_str().unwrap();
        let revoked = app.api.try_call("DELETE", &format!("/v1/tokens/{id}"), "", None).unwrap();
        assert_eq!(revoked.status, 204);
        let told = until(&mut events, target, "tribler_exception");
        assert!(told["error"].as_str().unwrap().contains("key"), "{told}");
        assert_eq!(events.next_frame(), None);
    }
}

/// Rule W13: all APIs share the places, and each refuses in its own form.
#[test]
fn w13_the_65th_stream_is_refused_in_the_form_of_its_generation() {
    const STREAMS: usize = 64;
    let home = Home::new().set("api.limits.max_connections_per_address", 200);
    let app = home.start();
    let of = |place: usize| if place % 2 == 0 { SEVEN } else { EIGHT };
    let open_all: Vec<Events> = (0..STREAMS).map(|place| open(&app, of(place))).collect();
    let text = "64 event streams are open";
    for (target, body) in [
        (SEVEN, format!("{{\"error\": \"{text}\"}}")),
        (EIGHT, format!("{{\"error\": {{\"handled\": true, \"message\": \"{text}\"}}}}")),
    ] {
        let refused = app.api.get(target);
        assert_eq!((refused.status, refused.text()), (503, body));
        assert!(refused.header("retry-after").is_some());
    }
    let info = app.api.get("/api/events/info").json();
    assert_eq!((&info["sessions"], &info["public_key"]), (&json!(STREAMS), &json!("")));
    drop(open_all);
    let begin = Instant::now();
    while app.api.get("/api/events/info").json()["sessions"] != 0 {
        assert!(begin.elapsed() < DEADLINE, "places are not given back");
        std::thread::sleep(Duration::from_millis(20));
    }
}
