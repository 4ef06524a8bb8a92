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
use crate::common::golden::Asked;
use crate::common::golden::Golden;
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
        let text = format!("Invalid URL: invalid auth key duration: \"{seconds}\"");
        assert_refused(&answer, 400, &text);
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
    assert_eq!(post("{").status, 400);
}

const JSON: Option<&str> = Some("application/json");
const WISH: &str = r#"{"key":"0123456789abcdefghijABCDEFGHIJ01","seconds_valid":null}"#;

/// Name, method, path, content type and body of each call, in the order of the tables.
const ROUTES: [(&str, &str, &str, Option<&str>, &str); 53] = [
    ("old-stats", "GET", "/api/stats", None, ""),
    ("old-stats-slash", "GET", "/api/stats/", None, ""),
    ("old-stats-head", "HEAD", "/api/stats", None, ""),
    ("old-stats-put", "PUT", "/api/stats", None, ""),
    ("old-stats-deeper", "GET", "/api/stats/x", None, ""),
    ("old-torrents", "GET", "/api/torrents", None, ""),
    ("old-torrents-page", "GET", "/api/torrents?offset=0&limit=10", None, ""),
    ("old-torrents-bad-limit", "GET", "/api/torrents?limit=x", None, ""),
    ("old-torrents-empty-offset", "GET", "/api/torrents?offset=", None, ""),
    ("old-torrent-unknown", "GET", "/api/torrent/{hash}", None, ""),
    ("old-torrent-malformed", "GET", "/api/torrent/xyz", None, ""),
    ("old-whitelist-add", "POST", "/api/whitelist/{hash}", None, ""),
    ("old-whitelist-again", "POST", "/api/whitelist/{hash}", None, ""),
    ("old-whitelist-malformed", "POST", "/api/whitelist/xyz", None, ""),
    ("old-whitelist-reload", "GET", "/api/whitelist/reload", None, ""),
    ("old-whitelist-get", "GET", "/api/whitelist/{hash}", None, ""),
    ("old-whitelist-remove", "DELETE", "/api/whitelist/{hash}", None, ""),
    ("old-whitelist-remove-again", "DELETE", "/api/whitelist/{hash}", None, ""),
    ("old-key", "POST", "/api/key/60", None, ""),
    ("old-key-zero", "POST", "/api/key/0/", None, ""),
    ("old-key-body-ignored", "POST", "/api/key/60", Some("text/plain"), "whatever"),
    ("old-key-negative", "POST", "/api/key/-1", None, ""),
    ("old-key-text", "POST", "/api/key/abc", None, ""),
    ("old-key-overflow", "POST", "/api/key/18446744073709551615", None, ""),
    ("old-key-unknown", "DELETE", "/api/key/nonsense", None, ""),
    ("old-keys-reload", "GET", "/api/keys/reload", None, ""),
    ("old-health", "GET", "/api/health_check", None, ""),
    ("v1-stats", "GET", "/api/v1/stats", None, ""),
    ("v1-stats-post", "POST", "/api/v1/stats", None, ""),
    ("v1-torrents", "GET", "/api/v1/torrents?offset=&limit=", None, ""),
    ("v1-torrents-bad-offset", "GET", "/api/v1/torrents?offset=x", None, ""),
    ("v1-torrents-of-unknown", "GET", "/api/v1/torrents?info_hash={hash}", None, ""),
    ("v1-torrents-of-malformed", "GET", "/api/v1/torrents?info_hash=abc", None, ""),
    ("v1-torrent-unknown", "GET", "/api/v1/torrent/{hash}", None, ""),
    ("v1-torrent-malformed", "GET", "/api/v1/torrent/abc", None, ""),
    ("v1-whitelist-add", "POST", "/api/v1/whitelist/{hash}", None, ""),
    ("v1-whitelist-malformed", "DELETE", "/api/v1/whitelist/abc", None, ""),
    ("v1-whitelist-reload", "GET", "/api/v1/whitelist/reload", None, ""),
    ("v1-whitelist-remove", "DELETE", "/api/v1/whitelist/{hash}", None, ""),
    ("v1-key", "POST", "/api/v1/key/60", None, ""),
    ("v1-key-negative", "POST", "/api/v1/key/-1", None, ""),
    ("v1-keys-given", "POST", "/api/v1/keys", JSON, WISH),
    ("v1-keys-made", "POST", "/api/v1/keys", JSON, "{\"key\":null,\"seconds_valid\":60}"),
    ("v1-keys-short", "POST", "/api/v1/keys", JSON, "{\"key\":\"x\",\"seconds_valid\":60}"),
    ("v1-keys-wrong-type", "POST", "/api/v1/keys", JSON, "{\"key\":1,\"seconds_valid\":60}"),
    ("v1-keys-no-json", "POST", "/api/v1/keys", JSON, "{\"key\":"),
    ("v1-keys-no-type", "POST", "/api/v1/keys", Some("text/plain"), WISH),
    ("v1-keys-reload", "GET", "/api/v1/keys/reload", None, ""),
    ("v1-key-remove", "DELETE", "/api/v1/key/0123456789abcdefghijABCDEFGHIJ01", None, ""),
    ("v1-key-unknown", "DELETE", "/api/v1/key/0123456789abcdefghijABCDEFGHIJ01", None, ""),
    ("v1-key-malformed", "DELETE", "/api/v1/key/short", None, ""),
    ("v1-unknown", "GET", "/api/v1/torrents/more", None, ""),
    ("outside", "GET", "/nothing", None, ""),
];

/// Sections 2 and 8, row by row: each route and each failure of both generations.
#[test]
fn each_route_answers_as_its_table_says() {
    let home = home("public");
    let app = home.start();
    let mut golden = Golden::of("torrust/routes")
        .hide(app.api.token.clone(), "{token}")
        .volatile(&["key", "valid_until", "expiry_time"]);
    for (name, method, path, kind, body) in ROUTES {
        let path = path.replace("{hash}", HEX);
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{mark}token={}", app.api.token);
        let headers = kind.map(|kind| ("Content-Type", kind.to_owned())).into_iter().collect();
        let sent = kind.map(|_| body.as_bytes());
        let request = Request { method, target: &target, headers, body: sent };
        let answer = request.send(&app.api.host).unwrap();
        golden.check(name, &Asked { method, target: &target, body }, &answer);
        let is_v1 = name.starts_with("v1-");
        assert_eq!(answer.header("x-request-id").is_some(), is_v1, "section 8: {name}");
    }
    golden.finish();
}

/// Section 8: a request is known by the id that its sender gave it, or by a new one each.
#[test]
fn a_request_has_an_id() {
    let home = home("public");
    let app = home.start();
    let target = format!("/api/v1/stats?token={}", app.api.token);
    let id = |given: Option<&str>| {
        let headers = given.map(|id| ("x-request-id", id.to_owned())).into_iter().collect();
        let request = Request { method: "GET", target: &target, headers, body: None };
        let answer = request.send(&app.api.host).unwrap();
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id(Some("mine-1")), "mine-1");
    let (first, second) = (id(None), id(None));
    assert_ne!(first, second);
    assert_eq!((first.len(), first.as_bytes()[14]), (36, b'4'));
}

/// Section 8: beside the announces, without a token.
#[test]
fn the_tracker_tells_its_health() {
    let home = home("public").set("tracker.http.bind", "127.0.0.1:0");
    let app = home.start();
    let request = Request { method: "GET", target: "/health_check", ..Request::default() };
    let answer = request.send(&app.tracker_http[0].to_string()).unwrap();
    assert_eq!((answer.status, &*answer.text()), (200, "{\"status\":\"Ok\"}"));
}

/// Section 4, its setting: scripts of 2.1 to 2.3 find peers as objects at the older route too.
#[test]
fn the_older_route_lists_objects_when_told_to() {
    let home = home("public").set("tracker.torrust_peers", "objects");
    let app = home.start();
    Announcer::new(app.tracker_udp[0]).announce(&seed(6881, *b"-qB4630-mnopqrstuvwx"));
    let torrent = app.torrust("GET", &format!("/api/torrent/{HEX}")).text();
    let start = format!(
        "{{\"info_hash\":\"{HEX}\",\"seeders\":1,\"completed\":0,\"leechers\":0,\"peers\":[{{\
         \"peer_id\":{{\"id\":\"2d7142343633302d6d6e6f707172737475767778\",\
         \"client\":\"qBittorrent\"}},\"peer_addr\":\"127.0.0.1:6881\",\"updated\":"
    );
    let rest = torrent.strip_prefix(&start).unwrap_or_else(|| panic!("{torrent}"));
    let end = ",\"uploaded\":0,\"downloaded\":0,\"left\":0,\"event\":\"Started\"}]}";
    let age_ms: u64 = rest.strip_suffix(end).unwrap_or_else(|| panic!("{rest}")).parse().unwrap();
    assert!(age_ms < 60_000, "an age, not a moment");
}

/// Section 4: at most 74 peers, in the order of their ids.
#[test]
fn a_torrent_lists_74_peers() {
    let home = home("public");
    let app = home.start();
    let asker = Announcer::new(app.tracker_udp[0]);
    for number in (0..80u8).rev() {
        let mut id = PID1;
        id[19] = number;
        asker.announce(&leech(7000 + u16::from(number), id));
    }
    for path in [format!("/api/torrent/{HEX}"), format!("/api/v1/torrent/{HEX}")] {
        let torrent = app.torrust("GET", &path).json();
        assert_eq!(torrent["leechers"], 80);
        let peers = torrent["peers"].as_array().unwrap();
        let id = |peer: &serde_json::Value| peer.to_string();
        assert_eq!(peers.len(), 74);
        assert!(peers.windows(2).all(|pair| id(&pair[0]) < id(&pair[1])), "{path}");
    }
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
