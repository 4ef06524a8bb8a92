//! Torrust's API as its scripts use it, and what the tracker keeps over restarts.

use crate::common::announcer::Announcer;
use crate::common::announcer::IH;
use crate::common::announcer::PID1;
use crate::common::announcer::PID2;
use crate::common::announcer::UdpAnnounce;
use crate::common::announcer::leech;
use crate::common::announcer::seed;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Answer;
use crate::common::http::Request;

const HEX: &str = "1234567890123456789012345678901234567890";

fn home(mode: &str) -> Home {
    Home::new().set("tracker.mode", mode).set("tracker.udp.bind", "127.0.0.1:0")
}

fn call(app: &App<'_>, method: &str, target: &str) -> Answer {
    Request { method, target, ..Request::default() }.send(&app.api.host).unwrap()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, &*answer.text()), (status, text));
    let kind = (!text.is_empty()).then_some("text/plain; charset=utf-8");
    assert_eq!(answer.header("content-type"), kind);
}

/// Section 1, and rule W4: a refused call has no effect.
#[test]
fn w4_without_the_token_nothing_happens() {
    let home = home("private");
    let app = home.start();
    let unauthorized = "Unhandled rejection: Err { reason: \"unauthorized\" }";
    let invalid = "Unhandled rejection: Err { reason: \"token not valid\" }";
    for (method, path) in [
        ("GET", "/api/stats"),
        ("POST", "/api/key/60"),
        ("POST", "/api/v1/key/60"),
        ("DELETE", "/api/v1/key/x"),
    ] {
        assert_refused(&call(&app, method, path), 500, unauthorized);
    }
    for token in ["", "wrong"] {
        let path = format!("/api/v1/whitelist/{HEX}?token={token}");
        assert_refused(&call(&app, "POST", &path), 500, invalid);
    }
    let health = call(&app, "GET", "/api/health_check");
    assert_eq!((health.status, &*health.text()), (200, "{\"status\":\"Ok\"}"));
}

/// Section 2: 2.3's failures.
#[test]
fn the_old_routes_fail_in_their_own_ways() {
    let home = home("listed");
    let app = home.start();
    let reason = |reason: &str| format!("Unhandled rejection: Err {{ reason: \"{reason}\" }}");
    for (method, path) in [
        ("GET", "/api/torrent/xyz"),
        ("PUT", "/api/stats"),
        ("POST", "/api/key/abc"),
        ("POST", "/api/key/-1"),
    ] {
        assert_refused(&app.try_torrust(method, path), 405, "HTTP method not allowed");
    }
    for query in ["offset=x", "limit=-1", "limit=4294967296", "limit="] {
        let answer = app.try_torrust("GET", &format!("/api/torrents?{query}"));
        assert_refused(&answer, 400, "Invalid query string");
    }
    let unknown = app.torrust("GET", &format!("/api/torrent/{HEX}"));
    assert_eq!(unknown.text(), "\"torrent not known\"");
    let path = format!("/api/whitelist/{HEX}");
    assert_eq!(app.torrust("POST", &path).text(), "{\"status\":\"ok\"}");
    assert_refused(&app.try_torrust("POST", &path), 500, &reason("failed to whitelist torrent"));
    app.torrust("DELETE", &path);
    let failed = reason("failed to remove torrent from whitelist");
    assert_refused(&app.try_torrust("DELETE", &path), 500, &failed);
    let answer = app.try_torrust("DELETE", "/api/key/unknown");
    assert_refused(&answer, 500, &reason("failed to delete key"));
    for path in ["/api/whitelist/reload", "/api/keys/reload"] {
        assert_eq!(app.torrust("GET", path).text(), "{\"status\":\"ok\"}");
    }
    let key = app.torrust("POST", "/api/key/60").json();
    assert_eq!(key.as_object().unwrap().len(), 2);
    assert_eq!(key["key"].as_str().unwrap().len(), 32);
}

/// Section 8: 3.0's routes and failures.
#[test]
fn the_versioned_routes_answer_as_3_0_does() {
    let home = home("public");
    let app = home.start();
    let path = format!("/api/v1/whitelist/{HEX}");
    for method in ["POST", "POST", "DELETE", "DELETE"] {
        assert_eq!(app.torrust(method, &path).text(), "{\"status\":\"ok\"}");
    }
    let wrong = app.try_torrust("POST", "/api/v1/whitelist/abc");
    let text = "Invalid URL: invalid infohash param: string \"abc\", \
                expected a 40 character long string";
    assert_refused(&wrong, 400, text);
    assert_refused(&app.try_torrust("GET", "/api/v1/stats/x"), 404, "");
    let wrong = app.try_torrust("DELETE", "/api/v1/key/short");
    assert_refused(&wrong, 400, "Invalid auth key id param \"short\"");
    for seconds in ["18446744073709551615", "9223372036854775807"] {
        let answer = app.try_torrust("POST", &format!("/api/v1/key/{seconds}"));
        assert_eq!(answer.status, 400, "S12: {}", answer.text());
    }
    let post = |body: &str| {
        let target = format!("/api/v1/keys?token={}", app.api.token);
        let headers = vec![("Content-Type", "application/json".to_owned())];
        let body = Some(body.as_bytes());
        Request { method: "POST", target: &target, headers, body }.send(&app.api.host).unwrap()
    };
    let forever = post(r#"{"key":null,"seconds_valid":null}"#).json();
    assert!(forever["valid_until"].is_null() && forever["expiry_time"].is_null());
    let own = "0123456789abcdefghijABCDEFGHIJ01";
    let made = post(&format!(r#"{{"key":"{own}","seconds_valid":60}}"#));
    assert_eq!(made.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(made.json()["key"], own);
    assert!(made.json()["expiry_time"].as_str().unwrap().ends_with(" UTC"));
    assert_eq!(post(r#"{"key":"short","seconds_valid":60}"#).status, 400);
    assert_eq!(post(r#"{"key":7}"#).status, 422);
}

/// Sections 3 and 4, and vector S1: what was announced is shown at once.
#[test]
fn statistics_and_swarms_show_what_was_announced() {
    let home = home("public");
    let app = home.start();
    let asker = Announcer::new(app.tracker_udp[0]);
    asker.announce(&seed(6881, *b"-qB4630-mnopqrstuvwx"));
    asker.announce(&leech(6882, PID2));
    asker.scrape(IH);
    let stats = app.torrust("GET", "/api/stats").text();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats.as_object().unwrap().len(), 16);
    for (name, count) in [
        ("torrents", 1),
        ("seeders", 1),
        ("leechers", 1),
        ("completed", 0),
        // One to begin with, and one behind each of the four requests.
        ("udp4_connections_handled", 5),
        ("udp4_announces_handled", 2),
        ("udp4_scrapes_handled", 1),
        ("tcp4_announces_handled", 0),
    ] {
        assert_eq!(stats[name], count, "{name}");
    }
    let rows = app.torrust("GET", "/api/torrents").text();
    let row = format!("{{\"info_hash\":\"{HEX}\",\"seeders\":1,\"completed\":0,\"leechers\":1}}");
    assert_eq!(rows, format!("[{row}]"));
    assert_eq!(app.torrust("GET", "/api/torrents?offset=1").text(), "[]");
    assert_eq!(app.torrust("GET", "/api/torrents?limit=0").text(), "[]");

    let pairs = app.torrust("GET", &format!("/api/torrent/{HEX}")).json();
    let [identity, state] = &pairs["peers"][1].as_array().unwrap()[..] else { panic!("a pair") };
    assert_eq!(identity["client"], "qBittorrent");
    assert_eq!(identity["id"], "2d7142343633302d6d6e6f707172737475767778");
    assert_eq!((&state["ip"], &state["left"]), (&"127.0.0.1:6881".into(), &0.into()));
    assert_eq!(state["event"], "Started");
    let objects = app.torrust("GET", &format!("/api/v1/torrent/{HEX}")).json();
    let peer = &objects["peers"][0];
    assert_eq!(peer["peer_addr"], "127.0.0.1:6882");
    assert!(peer["peer_id"]["id"].as_str().unwrap().starts_with("0x2d58"));
    assert_eq!(peer["updated"], peer["updated_milliseconds_ago"]);
}

/// Vectors S3 and S10, rule D1: kill -9 loses no key, no whitelist entry and no completed count.
#[test]
fn s3_s10_d1_what_was_acknowledged_survives_a_kill() {
    let home = home("private_listed");
    let app = home.start();
    let key = app.make_key(3600);
    app.whitelist(HEX);
    let announce = |app: &App<'_>, left| {
        let options = crate::common::announcer::path_option(&format!("/announce/{key}"));
        let event = if left == 0 { 1 } else { 2 };
        let asker = Announcer::new(app.tracker_udp[0]);
        asker.try_announce(&UdpAnnounce { event, left, options, ..seed(6881, PID1) })
    };
    announce(&app, 10).unwrap();
    // An announce waits for no disk: the count is durable when the store's log has grown by it.
    let log = home.state.join("state.db-wal");
    let length = || std::fs::metadata(&log).unwrap().len();
    let before = length();
    announce(&app, 0).unwrap();
    crate::common::wait_for("the count is kept", || (length() > before).then_some(()));
    let completed = |app: &App<'_>| {
        let row = app.torrust("GET", &format!("/api/v1/torrents?info_hash={HEX}")).json();
        row[0]["completed"].clone()
    };
    assert_eq!(completed(&app), 1);
    let second = app.make_key(3600);
    app.kill();
    let app = home.start();
    assert_eq!(completed(&app), 1);
    assert_eq!(announce(&app, 10).unwrap().leechers, 1);
    app.remove_key(&key);
    app.torrust("DELETE", &format!("/api/v1/whitelist/{HEX}"));
    app.kill();
    let app = home.start();
    assert_eq!(announce(&app, 10), Err("Invalid key".into()));
    let path = crate::common::announcer::path_option(&format!("/{second}"));
    let asker = Announcer::new(app.tracker_udp[0]);
    let refused = asker.try_announce(&UdpAnnounce { options: path, ..seed(6881, PID1) });
    assert_eq!(refused, Err("Torrent not authorized".into()));
}
