//! Figures: `/v1/stats`, `/metrics`, `/health` (rule T9, Porla section 8).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::common::announcer::Announcer;
use crate::common::announcer::PID1;
use crate::common::announcer::seed;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::held_thread::HeldThread;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;
use crate::common::wait_for;

fn home() -> Home {
    Home::new().set("tracker.mode", "public").set("tracker.udp.bind", "127.0.0.1:0")
}

fn without_token(app: &App<'_>, target: &str) -> Answer {
    Request { method: "GET", target, ..Request::default() }.send(&app.api.host).unwrap()
}

#[test]
fn figures_are_those_of_what_happened() {
    let home = home();
    let app = home.start();
    app.api.add(&Recipe::named("a").single(&payload(1, 1000)).file);
    let announcer = Announcer::new(app.tracker_udp[0]);
    announcer.announce(&seed(1000, PID1));
    let stats = app.api.get("/v1/stats").json();
    assert_eq!(stats["client"]["torrents"], 1);
    assert_eq!(stats["tracker"]["requests"]["udp4"]["announces"], 1);
    assert_eq!(stats["tracker"]["seeders"], 1);
    assert!(stats["process"]["resident"].as_u64().unwrap() > 1 << 20);
    assert!(stats["process"]["descriptors"].as_u64().unwrap() > 3);

    let engine = app.api.get("/v1/stats/engine").json();
    let session = &engine["sessions"][0];
    assert_eq!(session["session"], "default");
    assert!(session["counters"]["net.recv_bytes"].is_i64(), "{session}");
    assert!(session["gauges"]["ses.num_downloading_torrents"].is_i64(), "{session}");

    assert_eq!(app.api.get("/v1/stats/history?span=year").status, 400);
    assert_eq!(app.api.get("/v1/stats/history?since=x").status, 400);
    assert!(app.api.get("/v1/stats/history?span=hour").json()["rows"].is_array());
    let row = wait_for("the minute is over", || {
        let rows = app.api.get("/v1/stats/history?span=minute&since=1").json()["rows"].take();
        rows.as_array()?.iter().find(|row| row["announces"] == 1).cloned()
    });
    assert_eq!((&row["seeders"], &row["swarms"]), (&1.into(), &1.into()));
    let later = row["begin_at"].as_i64().unwrap() + 60;
    let rows = app.api.get(&format!("/v1/stats/history?since={later}")).json();
    let is_later = |row: &serde_json::Value| row["begin_at"].as_i64().unwrap() >= later;
    assert!(rows["rows"].as_array().unwrap().iter().all(is_later));
}

/// Rule T9.
#[test]
fn t9_health_needs_no_token_and_tells_nothing_else() {
    let home = home();
    let app = home.start();
    let answer = without_token(&app, "/health");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
}

/// Rule T9: 503 while a part stands still, and only then.
#[test]
fn t9_health_says_so_when_the_store_or_the_engine_is_stuck() {
    let home = home();
    let app = home.start();
    let is = |status: u16| {
        wait_for(&format!("health is {status}"), || {
            let answer = without_token(&app, "/health");
            (answer.status == status).then_some(answer)
        })
    };
    for part in ["store", "engine"] {
        is(200);
        let Some(held) = HeldThread::of(&app, part) else { return };
        assert_eq!(is(503).text(), "not ok\n", "{part}");
        // What needs neither is served in the meantime.
        assert_eq!(app.api.get("/v1/torrents").status, 200, "{part}");
        held.release();
    }
    is(200);
}

#[test]
fn metrics_need_a_token_unless_they_are_open() {
    let home_closed = home();
    let app = home_closed.start();
    let refused = without_token(&app, "/metrics");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert!(!refused.text().contains("cove_"), "{}", refused.text());
    let by_query = format!("/metrics?token={}", app.api.token);
    assert_eq!(without_token(&app, &by_query).status, 200);
    assert_eq!(app.api.get("/metrics?torrents=2").status, 400);

    let home_open = home().set("metrics.open", true);
    let app = home_open.start();
    let open = without_token(&app, "/metrics");
    assert_eq!(open.status, 200);
    assert!(open.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    assert_eq!(without_token(&app, "/metrics?torrents=1").status, 401, "names are told to nobody");
}

/// Porla section 8: the names; and that a strict reader takes all of it.
#[test]
fn metrics_are_what_a_strict_reader_takes() {
    let home = home();
    let app = home.start();
    let torrent = Recipe::named("a \"quoted\" name").single(&payload(1, 1000));
    app.api.add(&torrent.file);
    Announcer::new(app.tracker_udp[0]).announce(&seed(1000, PID1));

    let plain = Metrics::read(&app.api.get("/metrics").text());
    assert_eq!(plain.kinds["process_cpu_seconds_total"], "counter");
    assert_eq!(plain.value("cove_tracker_announces_total", "transport=\"udp4\""), 1.0);
    assert_eq!(plain.kinds["cove_tracker_announces_total"], "counter");
    assert_eq!(plain.value("cove_tracker_swarms", ""), 1.0);
    assert_eq!(plain.kinds["libtorrent_net_recv_bytes"], "counter");
    assert_eq!(plain.kinds["libtorrent_peer_num_peers_connected"], "gauge");
    assert!(plain.samples.keys().any(|(name, labels)| {
        name == "libtorrent_net_recv_bytes" && labels == "session=\"default\""
    }));
    assert!(!plain.kinds.keys().any(|name| name.starts_with("porla_torrent_status_")));

    let with_torrents = Metrics::read(&app.api.get("/metrics?torrents=1").text());
    let of_torrents = with_torrents.kinds.keys();
    let fields = of_torrents.filter(|name| name.starts_with("porla_torrent_status_")).count();
    assert_eq!(fields, 40);
    let labels = format!(
        "session=\"default\", name=\"a \\\"quoted\\\" name\", info_hash=\"{}\"",
        torrent.hash
    );
    let total = wait_for("libtorrent has told of it", || {
        let read = Metrics::read(&app.api.get("/metrics?torrents=1").text());
        let total = read.value("porla_torrent_status_total", &labels);
        (total > 0.0).then_some(total)
    });
    assert_eq!(total, 1000.0);
}

/// Metrics in text format 0.0.4.
#[derive(Default)]
struct Metrics {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, String), f64>,
}

impl Metrics {
    /// Reads it all; panics at the first thing that a strict reader would not take.
    #[track_caller]
    fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let (mut metrics, mut helped, mut present) =
            (Self::default(), BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, _) = rest.split_once(' ').expect("a help text");
                assert!(helped.insert(name.to_owned()), "help for {name} twice");
                continue;
            }
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                let before = metrics.kinds.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none(), "the type of {name} twice");
                name.clone_into(&mut present);
                continue;
            }
            metrics.sample(line, &present);
        }
        metrics
    }

    #[track_caller]
    fn sample(&mut self, line: &str, present: &str) {
        let is_name = |name: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(fits)
        };
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
        let (name, rest) = line.split_at(end);
        assert!(is_name(name), "{line}");
        assert_eq!(name, present, "a sample stands below its type");
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once('}').expect("labels end"),
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let value: f64 = words.next().and_then(|word| word.parse().ok()).expect(line);
        if let Some(time) = words.next() {
            assert!(time.parse::<i64>().is_ok_and(|time| time > 1_600_000_000_000), "{line}");
        }
        assert_eq!(words.next(), None, "{line}");
        let before = self.samples.insert((name.to_owned(), labels.to_owned()), value);
        assert!(before.is_none(), "{line} is there twice");
    }

    #[track_caller]
    fn value(&self, name: &str, labels: &str) -> f64 {
        let key = (name.to_owned(), labels.to_owned());
        *self.samples.get(&key).unwrap_or_else(|| panic!("no {name}{{{labels}}}"))
    }
}
