//! `/v1/events`: a snapshot, then what changes (rules W13, D16).

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::common::DEADLINE;
use crate::common::announcer::Announcer;
use crate::common::announcer::UdpAnnounce;
use crate::common::announcer::seed;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::events::Event;
use crate::common::events::Events;
use crate::common::http::Request;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;
use crate::common::wait_for;

/// All streams that there may be.
const STREAMS: usize = 64;

fn home() -> Home {
    Home::new().set("tracker.mode", "public").set("tracker.udp.bind", "127.0.0.1:0")
}

fn stop(app: &App<'_>, hash: &str) {
    app.api.patch(hash, &json!({"state": "stop"}));
}

fn resume(app: &App<'_>, hash: &str) {
    app.api.patch(hash, &json!({"state": "resume"}));
}

fn names(object: &Value) -> Vec<&str> {
    object.as_object().map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn a_reader_gets_everything_and_then_what_changed() {
    let home = home();
    let app = home.start();
    let torrent = Recipe::named("a").single(&payload(1, 1000));
    app.api.add(&torrent.file);
    let hash = torrent.hash.as_str();

    let mut events = Events::follow(&app.api, None);
    let (parts, _) = events.snapshot();
    let listed = app.api.get("/v1/torrents").json()["torrents"][0].take();
    let row = parts[0]["torrents"].as_array().unwrap().iter().find(|row| row["info_hash"] == hash);
    let row = row.expect("the snapshot has the torrent");
    let mut expected = names(&listed);
    expected.retain(|name| *name != "swarm");
    assert_eq!(names(row), expected);
    assert_eq!(parts[0]["parts"], 1);

    stop(&app, hash);
    let event =
        events.until("it is stopped", |event| event.data["torrents"][hash]["state"] == "stopped");
    assert_eq!(event.name, "delta");
    let changed = names(&event.data["torrents"][hash]);
    assert!(!changed.contains(&"name") && !changed.contains(&"info_hash"), "{changed:?}");

    app.api.remove(hash, false);
    events.until("it is gone", |event| {
        event.data["torrents_gone"].as_array().is_some_and(|gone| gone.contains(&json!(hash)))
    });
}

#[test]
fn a_reader_hears_of_swarms() {
    let home = home();
    let app = home.start();
    let mut events = Events::follow(&app.api, None);
    events.snapshot();
    let announcer = Announcer::new(app.tracker_udp[0]);
    announcer.announce(&seed(1000, *b"-XX0001-000000000001"));
    let hash = "1234567890123456789012345678901234567890";
    let event = events.until("the swarm is there", |event| event.data["swarms"][hash].is_object());
    assert_eq!(event.data["swarms"][hash]["seeders"], 1);
    assert_eq!(event.data["overview"]["swarms"], 1);

    announcer.announce(&seed(1001, *b"-XX0001-000000000002"));
    let event = events.until("it has grown", |event| event.data["swarms"][hash]["seeders"] == 2);
    assert_eq!(names(&event.data["swarms"][hash]), ["seeders"]);
}

#[test]
fn a_reader_that_comes_back_goes_on_where_it_left_off() {
    let home = home();
    let app = home.start();
    let torrent = Recipe::named("a").single(&payload(1, 1000));
    app.api.add(&torrent.file);
    let hash = torrent.hash.as_str();
    let mut events = Events::follow(&app.api, None);
    let (_, id) = events.snapshot();
    drop(events);

    stop(&app, hash);
    let mut events = Events::follow(&app.api, Some(&id));
    let is_stopped = |event: &Event| event.data["torrents"][hash]["state"] == "stopped";
    let first = events.next().expect("an event");
    assert_eq!(first.name, "delta", "no second snapshot");
    if !is_stopped(&first) {
        events.until("it is stopped", is_stopped);
    }

    for unknown in ["00000000-1", "nonsense", "ffffffff-18446744073709551615"] {
        let mut events = Events::follow(&app.api, Some(unknown));
        assert_eq!(events.next().expect("an event").name, "snapshot", "{unknown}");
    }
}

/// Rule W13.
#[test]
fn w13_the_65th_stream_is_refused_and_one_that_ends_makes_room() {
    let home = home().set("api.limits.max_connections_per_address", 200);
    let app = home.start();
    let mut open: Vec<Events> = (0..STREAMS).map(|_| Events::follow(&app.api, None)).collect();
    let refused = Events::try_follow(&app.api, None).err().expect("one too many");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.header("retry-after").is_some());
    assert!(refused.json()["detail"].as_str().unwrap().contains("64"), "{}", refused.text());
    open.pop();
    wait_for("a place is free", || Events::try_follow(&app.api, None).ok());
}

/// Rule W13: a slow reader is told that it was, and others hear everything in the meantime.
#[test]
fn w13_a_slow_reader_is_dropped_and_others_are_not() {
    const SWARMS: u32 = 9000;
    let home = home();
    let app = home.start();
    let mut slow = slow_reader(&app);
    let mut quick = Events::follow(&app.api, None);
    quick.snapshot();

    // More than all buffers on the way hold, and more than is kept of the past.
    let announcer = Announcer::new(app.tracker_udp[0]);
    let mut bytes = 0;
    for round in 0.. {
        for swarm in 0..SWARMS {
            announcer.announce(&in_swarm(swarm, round));
        }
        let last = hash_of(SWARMS - 1);
        let told = quick.until("the last swarm changed", |event| {
            bytes += event.data.to_string().len();
            event.data["swarms"][&last]["seeders"] == round + 1
        });
        assert_eq!(told.name, "delta");
        if bytes > 12 << 20 {
            break;
        }
    }

    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("the stream ends");
    let text = String::from_utf8_lossy(&rest);
    let last = text.rfind("event: end").unwrap_or_else(|| panic!("no last event"));
    assert!(text[last..].contains("{\"reason\":\"slow\"}"), "{}", &text[last..]);
}

/// Asks for events and takes as little of them as the system allows.
fn slow_reader(app: &App<'_>) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address: SocketAddr = app.api.host.parse().unwrap();
    socket.connect(&address.into()).unwrap();
    let mut socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let (host, token) = (&app.api.host, &app.api.token);
    let head = format!(
        "GET /v1/events HTTP/1.1\r\nHost: {host}\r\nX-Api-Key: {token}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 64];
    socket.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200"));
    socket
}

fn in_swarm(swarm: u32, round: u16) -> UdpAnnounce {
    let mut announce = seed(1000 + round, *b"-XX0001-000000000001");
    announce.info_hash = [0; 20];
    announce.info_hash[..4].copy_from_slice(&swarm.to_be_bytes());
    announce.want = 0;
    announce
}

fn hash_of(swarm: u32) -> String {
    format!("{swarm:08x}{}", "0".repeat(32))
}

/// Rule D16.
#[test]
fn d16_streams_end_with_the_program() {
    let home = home();
    let app = home.start();
    let mut events = Events::follow(&app.api, None);
    events.snapshot();
    app.terminate();
    let last = events.until("the end", |event| event.name == "end");
    assert_eq!(last.data["reason"], "stopping");
    assert!(events.next().is_none());
    app.stop();
}

/// A stream of somebody with a token of their own; its id beside it.
fn follow_as(app: &App<'_>, wish: &Value) -> (Events, String) {
    let made = app.api.call("POST", "/v1/tokens", wish);
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let headers = vec![("X-Api-Key", made["token"].as_str().unwrap().to_owned())];
    let request = Request { method: "GET", target: "/v1/events", headers, body: None };
    let incoming = request.open(&app.api.host).unwrap();
    assert_eq!(incoming.status, 200);
    let mut events = Events::of(incoming);
    events.snapshot();
    (events, made["id"].as_str().unwrap().to_owned())
}

#[track_caller]
fn assert_revoked(mut events: Events) {
    let last = events.until("the end", |event| event.name == "end");
    assert_eq!(last.data, json!({"reason": "revoked"}));
    assert!(events.next().is_none());
}

/// Rule W13: a stream ends with its token, and no other does.
#[test]
fn w13_a_stream_ends_at_once_when_its_token_is_revoked() {
    let home = home();
    let app = home.start();
    let (first, id) = follow_as(&app, &json!({"name": "one", "scopes": ["read"]}));
    let (mut other, _) = follow_as(&app, &json!({"name": "two", "scopes": ["read"]}));
    let begin = Instant::now();
    let revoked = app.api.try_call("DELETE", &format!("/v1/tokens/{id}"), "", None);
    assert_eq!(revoked.unwrap().status, 204);
    assert_revoked(first);
    // Nothing comes by itself for 15 s: it was not the heartbeat that told it.
    assert!(begin.elapsed() < Duration::from_secs(14), "{:?}", begin.elapsed());
    let announcer = Announcer::new(app.tracker_udp[0]);
    announcer.announce(&seed(1000, *b"-XX0001-000000000001"));
    other.until("the other one goes on", |event| event.name == "delta");
}

/// Rule W13: so it does when the token expires.
#[test]
fn w13_a_stream_ends_when_its_token_expires() {
    let home = home();
    let app = home.start();
    let begin = Instant::now();
    let wish = json!({"name": "brief", "scopes": ["read"], "valid_s": 2});
    let (events, _) = follow_as(&app, &wish);
    assert_revoked(events);
    let after = begin.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(14)).contains(&after), "{after:?}");
}

/// A change of state does not wait for the second to end, and one of figures does.
#[test]
fn changes_of_state_are_told_at_once() {
    let home = home();
    let app = home.start();
    let torrent = Recipe::named("a").single(&payload(1, 1000));
    app.api.add(&torrent.file);
    let hash = torrent.hash.as_str();
    let mut events = Events::follow(&app.api, None);
    events.snapshot();
    let begin = std::time::Instant::now();
    for _ in 0..5 {
        stop(&app, hash);
        events.until("stopped", |event| event.data["torrents"][hash]["state"] == "stopped");
        resume(&app, hash);
        events.until("running", |event| {
            let state = &event.data["torrents"][hash]["state"];
            state.is_string() && state != "stopped"
        });
    }
    // Ten changes, told once a second at the most, would take nine seconds.
    assert!(begin.elapsed() < std::time::Duration::from_secs(9), "{:?}", begin.elapsed());
}
