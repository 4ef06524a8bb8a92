//! Tribler's `/settings` in both generations (section 11 of the contract; rules D1, W11).

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;

const ROUTES: [&str; 2] = ["/settings", "/api/settings"];

fn settings(app: &App<'_>, target: &str) -> Value {
    let answer = app.api.get(target);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

#[test]
fn settings_are_sections_with_the_ports_beside_them() {
    let home = Home::new().set("client.settings.proxy_password", "very-secret");
    let app = home.start();
    for target in ROUTES {
        let answer = app.api.get(target);
        assert!(!answer.text().contains("very-secret"), "rule W11");
        let answer = answer.json();
        assert_eq!(answer["ports"], json!([app.peer_port]));
        let settings = &answer["settings"];
        assert_eq!(settings["client"]["limits"]["upload_bytes_per_s"], 0);
        assert_eq!(settings["libtorrent"]["max_upload_rate"], 0);
        assert_eq!(settings["libtorrent"]["dht"], false);
        let downloads = json!(home.downloads);
        assert_eq!(settings["download_defaults"]["saveas"], downloads);
        assert_eq!(settings["libtorrent"]["download_defaults"]["saveas"], downloads);
        assert_eq!(settings["download_defaults"]["number_hops"], 0);
    }
}

/// Rule D1, with what scripts do: read all, change a member, send all back.
#[test]
fn d1_what_is_sent_back_changed_is_in_force_and_survives_a_kill() {
    for target in ROUTES {
        let home = Home::new();
        let app = home.start();
        app.api.add(&Recipe::named("a").single(&payload(1, 1000)).file);
        assert_eq!(app.api.listing("")["downloads"][0]["max_upload_speed"], 0);
        let mut all = settings(&app, target)["settings"].take();
        all["libtorrent"]["max_upload_rate"] = json!(20);
        all["tracker"]["interval_s"] = json!(600);
        let answer = app.api.call("POST", target, &all);
        assert_eq!((answer.status, &*answer.text()), (200, "{\"modified\": true}"));
        let row = app.api.listing("")["downloads"][0].take();
        assert_eq!(row["max_upload_speed"], 20, "lists repeat it at once");
        let engine = app.api.get("/libtorrent/settings").json();
        assert_eq!(engine["settings"]["upload_rate_limit"], 20 << 10);
        app.kill();

        let app = home.start();
        let kept = settings(&app, target);
        assert_eq!(kept["settings"]["libtorrent"]["max_upload_rate"], 20);
        assert_eq!(kept["settings"]["client"]["limits"]["upload_bytes_per_s"], 20 << 10);
        assert_eq!(kept["settings"]["tracker"]["interval_s"], 600);
        let back = json!({"client": {"limits": {"upload_bytes_per_s": null}}});
        assert_eq!(app.api.call("POST", target, &back).status, 200);
        assert_eq!(settings(&app, target)["settings"]["libtorrent"]["max_upload_rate"], 0);
    }
}

/// Section 2: refusals have the form of their generation, and nothing is changed by them.
#[test]
fn what_is_refused_changes_nothing() {
    let home = Home::new().set("client.limits.uploads", 3);
    let app = home.start();
    let before = settings(&app, ROUTES[0]);
    for (body, status) in [
        (json!({"no": {"such": {"key": 1}}}), 400),
        (json!({"libtorrent": {"max_upload_rate": "fast"}}), 400),
        (json!({"client": {"dht": 1.5}}), 400),
        (json!({"client": {"limits": {"upload_bytes_per_s": -5}}}), 400),
        (json!({"download_defaults": {"number_hops": 3}}), 400),
        // The command line wins.
        (json!({"client": {"limits": {"uploads": 4}}}), 409),
        // Read at the start only.
        (json!({"download_defaults": {"saveas": "/etc"}}), 409),
        // All or none.
        (json!({"libtorrent": {"max_upload_rate": 9}, "client": {"limits": {"uploads": 4}}}), 409),
        (json!([]), 400),
    ] {
        for target in ROUTES {
            let answer = app.api.call("POST", target, &body);
            assert_eq!(answer.status, status, "{body}: {}", answer.text());
            let error = &answer.json()["error"];
            let is_of_7 = error.is_string();
            let is_of_8 = error["handled"] == true && error["message"].is_string();
            assert!(if target == "/settings" { is_of_7 } else { is_of_8 }, "{error}");
        }
    }
    let broken = app.api.try_call("POST", "/settings", "application/json", Some(b"{")).unwrap();
    assert_eq!((broken.status, &broken.json()["error"]["code"]), (500, &json!("JSONDecodeError")));
    assert_eq!(settings(&app, ROUTES[0]), before);
}
