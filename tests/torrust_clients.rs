//! Torrust's own clients against our tracker: what they ask they get, as their programs read it.

use std::net::SocketAddr;

use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::torrust_clients::TorrustClients;

/// The info-hash that the checker asks for.
const HASH: &str = "9c38422213e30bff212b30c360d26f9a02136422";
/// Another one.
const OTHER: &str = "1234567890123456789012345678901234567890";

fn home() -> Home {
    Home::new()
        .set("tracker.mode", "public")
        .set("tracker.udp.bind", "127.0.0.1:0")
        .set("tracker.http.bind", "127.0.0.1:0")
}

/// Seeders and leechers of a swarm, as Torrust's API tells them.
fn counts(app: &App<'_>, hash: &str) -> (u64, u64) {
    let torrent = app.torrust("GET", &format!("/api/v1/torrent/{hash}")).json();
    (torrent["seeders"].as_u64().unwrap(), torrent["leechers"].as_u64().unwrap())
}

fn url(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{address}")
}

#[test]
fn torrusts_udp_client_announces_and_scrapes() {
    let Some(clients) = TorrustClients::find("Torrust's UDP client") else { return };
    let home = home();
    let app = home.start();
    let tracker = url("udp", app.tracker_udp[0]);
    let announce = || clients.json("udp_tracker_client", &["announce", &tracker, HASH]);
    let shown = |answer: serde_json::Value| answer.get("AnnounceIpv4").cloned().unwrap_or(answer);
    let first = shown(announce());
    assert_eq!(first["peers"], json!([]), "{first}");
    assert!(first["announce_interval"].as_u64().unwrap() >= 1800, "{first}");
    let swarm = app.torrust("GET", &format!("/api/v1/torrent/{HASH}")).json();
    let met = swarm["peers"][0]["peer_addr"].as_str().unwrap().to_owned();
    let second = shown(announce());
    assert_eq!(second["peers"], json!([met]), "the first one is told to the second");

    let scraped = clients.json("udp_tracker_client", &["scrape", &tracker, HASH, OTHER]);
    let scraped = scraped.get("Scrape").cloned().unwrap_or(scraped);
    let row = &scraped["torrent_stats"][0];
    let (seeders, leechers) = counts(&app, HASH);
    assert_eq!(seeders + leechers, 2);
    assert_eq!((&row["seeders"], &row["leechers"]), (&seeders.into(), &leechers.into()));
    let other = &scraped["torrent_stats"][1];
    assert_eq!((&other["seeders"], &other["leechers"]), (&0.into(), &0.into()));
}

#[test]
fn torrusts_http_client_announces_and_scrapes() {
    let Some(clients) = TorrustClients::find("Torrust's HTTP client") else { return };
    let home = home();
    let app = home.start();
    let tracker = url("http", app.tracker_http[0]);
    let announced = clients.json("http_tracker_client", &["announce", &tracker, HASH]);
    let (seeders, leechers) = counts(&app, HASH);
    assert_eq!(seeders + leechers, 1, "{announced}");
    assert_eq!(announced["complete"], seeders);
    assert_eq!(announced["incomplete"], leechers);
    assert!(announced["interval"].as_u64().unwrap() >= 1800);
    assert!(announced["min interval"].as_u64().unwrap() >= 900);
    assert_eq!(announced["peers"], json!([]));
    let scraped = clients.json("http_tracker_client", &["scrape", &tracker, HASH, OTHER]);
    assert_eq!(scraped[HASH]["complete"], seeders, "{scraped}");
    assert_eq!(scraped[OTHER], json!({"complete": 0, "downloaded": 0, "incomplete": 0}));
}

/// Section 8: announces, scrapes and the health checks of both kinds of listeners.
#[test]
fn torrusts_checker_finds_everything_in_order() {
    let Some(clients) = TorrustClients::find("Torrust's checker") else { return };
    let home = home();
    let app = home.start();
    let (udp, http) = (url("udp", app.tracker_udp[0]), url("http", app.tracker_http[0]));
    let config = json!({
        "udp_trackers": [udp],
        "http_trackers": [http],
        "health_checks": [
            format!("http://{}/api/health_check", app.api.host),
            format!("{http}/health_check"),
        ],
    });
    let path = home.outer.path().join("checker.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let output = clients.run("tracker_checker", &["--config-path", path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("\"Err\"") && !text.contains('\u{2717}'), "{text}");
    // One peer by each protocol: the checks were real announces.
    let (seeders, leechers) = counts(&app, HASH);
    assert!(seeders + leechers >= 1, "{text}");
    let stats = app.torrust("GET", "/api/stats").json();
    for name in ["udp4_announces_handled", "udp4_scrapes_handled"] {
        assert_eq!(stats[name], 1, "{name}");
    }
    for name in ["tcp4_announces_handled", "tcp4_scrapes_handled"] {
        assert_eq!(stats[name], 1, "{name}");
    }
}
