//! `/v1/settings`: what is configured, and changes that are in force at once and stay.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;

use serde_json::Value;
use serde_json::json;

use crate::common::announcer::Announcer;
use crate::common::announcer::PID1;
use crate::common::announcer::seed;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;

const UPLOAD: &str = "client.limits.upload_bytes_per_s";

fn setting(app: &App<'_>, key: &str) -> Value {
    let answer = app.api.get(&format!("/v1/settings/{key}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn change(app: &App<'_>, body: &Value) -> u16 {
    app.api.call("PATCH", "/v1/settings", body).status
}

/// Rule D1.
#[test]
fn d1_a_change_is_there_after_a_kill_and_gone_after_a_reset() {
    let home = Home::new();
    let app = home.start();
    let before = setting(&app, UPLOAD);
    assert_eq!((&before["value"], &before["source"]), (&json!(0), &json!("default")));
    let answer = app.api.call("PATCH", "/v1/settings", &json!({UPLOAD: 123_456}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["settings"][0]["value"], 123_456);
    app.kill();

    let app = home.start();
    let kept = setting(&app, UPLOAD);
    assert_eq!((&kept["value"], &kept["source"]), (&json!(123_456), &json!("changed")));
    let path = format!("/v1/settings/{UPLOAD}");
    assert_eq!(app.api.try_call("DELETE", &path, "", None).unwrap().status, 204);
    assert_eq!(setting(&app, UPLOAD), before);
    app.kill();

    let app = home.start();
    assert_eq!(setting(&app, UPLOAD), before);
}

#[test]
fn what_is_refused_changes_nothing() {
    let home = Home::new().set("client.limits.uploads", 3);
    let app = home.start();
    let before = app.api.get("/v1/settings").json();
    for (body, status) in [
        // The command line wins, so a change would not be in force.
        (json!({"client.limits.uploads": 5}), 409),
        // Read at the start only.
        (json!({"api.bind": "127.0.0.1:1"}), 409),
        (json!({"client.limits.uplods": 5}), 400),
        (json!({"client.settings.no_such_setting": 5}), 400),
        (json!({"client.settings.alert_mask": 5}), 400),
        (json!({UPLOAD: "many"}), 400),
        (json!({UPLOAD: -1}), 400),
        (json!({UPLOAD: 1.5}), 400),
        (json!({UPLOAD: [1]}), 400),
        (json!({"tracker.interval_s": 1}), 400),
        (json!({"tracker.mode": "open"}), 400),
        // All or none.
        (json!({UPLOAD: 5, "tracker.mode": "open"}), 400),
        (json!([]), 400),
    ] {
        assert_eq!(change(&app, &body), status, "{body}");
    }
    assert_eq!(app.api.get("/v1/settings").json(), before);
    assert_eq!(app.api.get("/v1/settings/no.such.key").status, 404);
    let pinned = app.api.try_call("DELETE", "/v1/settings/client.limits.uploads", "", None);
    assert_eq!(pinned.unwrap().status, 409);
    let known = setting(&app, "client.limits.uploads");
    assert_eq!((&known["source"], &known["can_change"]), (&json!("command_line"), &json!(false)));
}

/// The file stands below a change, which stands below the environment.
#[test]
fn a_change_wins_over_the_file() {
    let home = Home::new();
    std::fs::create_dir_all(&home.state).unwrap();
    let text = "[client.limits]\nupload_bytes_per_s = 1\ndownload_bytes_per_s = 2\n";
    std::fs::write(home.state.join("cove.toml"), text).unwrap();
    let app = home.start();
    assert_eq!(setting(&app, UPLOAD)["source"], "file");
    assert_eq!(change(&app, &json!({UPLOAD: 7})), 200);
    let now = setting(&app, UPLOAD);
    assert_eq!((&now["value"], &now["source"]), (&json!(7), &json!("changed")));
    assert_eq!(change(&app, &json!({UPLOAD: null})), 200);
    let now = setting(&app, UPLOAD);
    assert_eq!((&now["value"], &now["source"]), (&json!(1), &json!("file")));
}

#[test]
fn the_tracker_obeys_at_once() {
    let home = Home::new().set("tracker.udp.bind", "127.0.0.1:0");
    let app = home.start();
    let announcer = Announcer::new(app.tracker_udp[0]);
    assert!(announcer.try_announce(&seed(1000, PID1)).is_err(), "it is listed by default");
    assert_eq!(change(&app, &json!({"tracker.mode": "public", "tracker.interval_s": 120})), 200);
    let answered = announcer.announce(&seed(1000, PID1));
    assert!((120..=132).contains(&answered.interval), "{}", answered.interval);
    assert_eq!(change(&app, &json!({"tracker.limits.peers_per_swarm": 1})), 200);
    assert!(announcer.try_announce(&seed(1001, PID1)).is_err(), "it is full");

    // Vector S10: peers of what is no longer served are dropped.
    assert_eq!(change(&app, &json!({"tracker.mode": null})), 200);
    assert_eq!(app.api.get("/v1/stats").json()["tracker"]["seeders"], 0);
}

/// libtorrent's settings by name; a secret is not told again (rule W11).
#[test]
fn libtorrent_obeys_at_once_and_w11_a_secret_is_masked() {
    let home = Home::new();
    let app = home.start();
    let body = json!({
        "client.settings.user_agent": "somebody else",
        "client.settings.proxy_password": "12345",
    });
    let answer = app.api.call("PATCH", "/v1/settings", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("12345"));
    assert!(!app.api.get("/v1/settings").text().contains("12345"));
    assert_eq!(setting(&app, "client.settings.proxy_password")["value"], "***");

    let tracker = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", tracker.local_addr().unwrap());
    app.api.add(&Recipe::named("a").announce(&url).single(&payload(1, 1000)).file);
    let (mut socket, _) = tracker.accept().unwrap();
    let lines = BufReader::new(socket.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(head.iter().any(|line| line == "User-Agent: somebody else"), "{head:?}");
    let _ = socket
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nd8:intervali1800e5:peers0:e");
    assert!(!app.log().contains("12345"));
}
