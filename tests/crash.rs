//! kill -9 at random instants under load (rules D1, D2, D19): what was acknowledged is there, what
//! was deleted stays away, nothing is hashed again, and 1,000 torrents are back within 5 s.
//!
//! 20 cycles, or `CRASH_CYCLES`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::common::api::Api;
use crate::common::api::claimed_pieces;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::peer::Peer;
use crate::common::process::Process;
use crate::common::random::Random;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::many_small;
use crate::common::torrents::payload;
use crate::common::torrents::sha256;
use crate::common::tracker::Tracker;
use crate::common::wait_at_most;
use crate::restart::falsify;

/// Torrents that are there from the beginning to the end.
const STANDING: usize = 1_000;
/// Torrents that each of the workers adds and removes.
const CHURNED: usize = 20;
const WORKERS: usize = 3;
/// Rule D1.
const READY_LIMIT: Duration = Duration::from_secs(5);
/// Progress older than this must not be fetched again: the resume interval of 1 s, the time a
/// busy machine takes to make it durable, and slack.
const PROGRESS_AGE: Duration = Duration::from_secs(6);

fn cycles(default: u32) -> u32 {
    let given = std::env::var("CRASH_CYCLES").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What is known of a torrent that workers change.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Absent,
    Running,
    Stopped,
    /// A change was sent and no answer came; removals with or without data.
    Unknown {
        removing_data: bool,
    },
}

/// What was acknowledged so far.
type Model = BTreeMap<String, Known>;

#[test]
fn d1_nothing_acknowledged_is_lost_when_killed() {
    let Some(mut peer) = Peer::start("kill -9 cycles") else { return };
    let mut random = Random::announced("crash");
    let home = Home::new();
    let (download, there, _tracker) = slow_download(&mut peer);
    let (standing, churned) = (standing(&home), churned(&home));
    let mut model: Model =
        churned.iter().flatten().map(|t| (t.hash.clone(), Known::Absent)).collect();
    {
        let app = home.start();
        app.api.add_many(&standing);
        app.api.add(&download.file);
        app.api.wait_settled(Duration::from_secs(120));
        app.kill();
    }
    // Whoever hashed it again would notice.
    falsify(&home.downloads.join(&standing[0].name));
    let mut progress = Progress::default();
    for cycle in 0..cycles(20) {
        if random.below(4) == 0 {
            die_while_starting(&home, random.below(400));
        }
        let app = start_in_time(&home, cycle);
        let rows = app.api.wait_settled(Duration::from_secs(60));
        check_standing(&rows, &standing, cycle);
        check_churned(&rows, &mut model, &churned, &home, cycle);
        progress.check(&app, &download.hash, cycle);
        load_and_kill(app, &mut model, &churned, &mut random, &mut progress, &download.hash);
    }
    let app = start_in_time(&home, u32::MAX);
    peer.ask("limit", json!({ "id": download.hash, "upload_limit": 0 }));
    app.api.wait_seeding(&download.hash);
    assert_eq!(sha256(&home.downloads.join("big.bin")), sha256(&there.path().join("big.bin")));
}

/// A download that lasts as long as the test.
fn slow_download(peer: &mut Peer) -> (Torrent, tempfile::TempDir, Tracker) {
    let (there, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let content = payload(300, 64 * MIB);
    fs::write(there.path().join("big.bin"), &content).unwrap();
    let torrent = Recipe::named("big.bin").announce(&tracker.url).single(&content);
    peer.seed(&torrent, there.path(), MIB as u64);
    tracker.give(peer.port);
    (torrent, there, tracker)
}

fn standing(home: &Home) -> Vec<Torrent> {
    many_small(&home.downloads, STANDING, 10_000)
}

fn churned(home: &Home) -> Vec<Vec<Torrent>> {
    let make = |worker: usize| {
        let folder = home.downloads.join(format!("worker-{worker}"));
        fs::create_dir(&folder).unwrap();
        many_small(&folder, CHURNED, 50_000 + 100 * worker as u64)
    };
    (0..WORKERS).map(make).collect()
}

/// Starts, and holds the start to the limit of rule D1.
#[track_caller]
fn start_in_time(home: &Home, cycle: u32) -> App<'_> {
    let begin = Instant::now();
    let app = home.start();
    wait_at_most(READY_LIMIT.saturating_sub(begin.elapsed()), "ready in time (D1)", || {
        (app.api.listing("")["checkpoints"]["all_loaded"] == true).then_some(())
    });
    eprintln!("cycle {cycle}: ready in {:?}", begin.elapsed());
    app
}

/// Kills a process that has not yet come up.
fn die_while_starting(home: &Home, after_ms: u64) {
    let mut child = Process(home.serve_command().spawn().unwrap());
    std::thread::sleep(Duration::from_millis(after_ms));
    child.kill();
}

#[track_caller]
fn check_standing(rows: &BTreeMap<String, Value>, standing: &[Torrent], cycle: u32) {
    for torrent in standing {
        let row = rows.get(&torrent.hash);
        let row = row.unwrap_or_else(|| panic!("cycle {cycle}: {} is lost", torrent.name));
        let is_whole = row["status"] == "SEEDING" && row["progress"] == 1.0;
        assert!(is_whole, "cycle {cycle}: {} was hashed again or worse: {row}", torrent.name);
    }
}

/// Compares what is there with what was acknowledged; what was under way may be either.
#[track_caller]
fn check_churned(
    rows: &BTreeMap<String, Value>,
    model: &mut Model,
    churned: &[Vec<Torrent>],
    home: &Home,
    cycle: u32,
) {
    for (worker, torrents) in churned.iter().enumerate() {
        for torrent in torrents {
            let file = home.downloads.join(format!("worker-{worker}")).join(&torrent.name);
            let known = model.get_mut(&torrent.hash).unwrap();
            let found = seen(rows.get(&torrent.hash));
            match *known {
                Known::Unknown { removing_data } => {
                    let is_half = removing_data && found == Known::Absent && file.exists();
                    assert!(!is_half, "cycle {cycle}: removed, but its data is there (D19)");
                    *known = found;
                }
                known => assert_eq!(found, known, "cycle {cycle}: {}", torrent.name),
            }
        }
    }
}

fn seen(row: Option<&Value>) -> Known {
    match row.map(|row| row["user_stopped"] == true) {
        None => Known::Absent,
        Some(true) => Known::Stopped,
        Some(false) => Known::Running,
    }
}

/// Changes torrents from several threads until the process is killed under them.
fn load_and_kill(
    app: App<'_>,
    model: &mut Model,
    churned: &[Vec<Torrent>],
    random: &mut Random,
    progress: &mut Progress,
    download: &str,
) {
    let api = app.api.clone();
    let downloads = app.home.downloads.clone();
    let shared = Mutex::new(std::mem::take(model));
    let live_ms = 200 + random.below(2_500);
    std::thread::scope(|scope| {
        for (worker, torrents) in churned.iter().enumerate() {
            let (api, shared, mut random) = (&api, &shared, Random::from_seed(random.next()));
            let folder = downloads.join(format!("worker-{worker}"));
            scope.spawn(
                move || while change(api, torrents, &folder, shared, &mut random).is_some() {},
            );
        }
        let (api, download) = (&api, download);
        let samples = scope.spawn(move || {
            let mut samples = Vec::new();
            while let Some(pieces) = pieces_of(api, download) {
                samples.push((Instant::now(), pieces));
                std::thread::sleep(Duration::from_millis(100));
            }
            samples
        });
        std::thread::sleep(Duration::from_millis(live_ms));
        app.kill();
        progress.note(samples.join().unwrap(), Instant::now());
    });
    *model = shared.into_inner().unwrap();
}

/// One change of one torrent; `None` when the server no longer answers.
fn change(
    api: &Api,
    torrents: &[Torrent],
    folder: &Path,
    model: &Mutex<Model>,
    random: &mut Random,
) -> Option<()> {
    let torrent = &torrents[random.below(torrents.len() as u64) as usize];
    let known = model.lock().unwrap()[&torrent.hash];
    let removing_data = random.below(2) == 0;
    let path = format!("/downloads/{}", torrent.hash);
    let json = |method: &str, body: Value| {
        api.try_call(method, &path, "application/json", Some(body.to_string().as_bytes()))
    };
    let note = |known| {
        model.lock().unwrap().insert(torrent.hash.clone(), known);
    };
    let (answer, after) = match (known, random.below(3)) {
        (Known::Unknown { .. }, _) => return Some(()),
        (Known::Absent, _) => {
            note(Known::Unknown { removing_data: false });
            let query = format!("?destination={}", folder.display());
            (api.try_put_file(&torrent.file, &query), Known::Running)
        }
        (_, 0) => {
            note(Known::Unknown { removing_data });
            (json("DELETE", json!({ "remove_data": removing_data })), Known::Absent)
        }
        (Known::Running, _) => {
            note(Known::Unknown { removing_data: false });
            (json("PATCH", json!({ "state": "stop" })), Known::Stopped)
        }
        (Known::Stopped, _) => {
            note(Known::Unknown { removing_data: false });
            (json("PATCH", json!({ "state": "resume" })), Known::Running)
        }
    };
    let answer = answer.ok()?;
    assert_eq!(answer.status, 200, "{known:?} to {after:?}: {}", answer.text());
    note(after);
    Some(())
}

/// How far the big download is seen to be, from one process to the next.
#[derive(Default)]
struct Progress {
    /// Pieces that were there long enough before the last death.
    durable: Vec<usize>,
}

impl Progress {
    fn note(&mut self, samples: Vec<(Instant, Vec<usize>)>, death: Instant) {
        let old =
            samples.into_iter().rev().find(|(at, _)| death.duration_since(*at) > PROGRESS_AGE);
        if let Some((_, pieces)) = old {
            self.durable = pieces;
        }
    }

    /// At most one resume interval of progress is fetched again.
    #[track_caller]
    fn check(&self, app: &App<'_>, hash: &str, cycle: u32) {
        let pieces = pieces_of(&app.api, hash).unwrap();
        let lost: Vec<_> = self.durable.iter().filter(|piece| !pieces.contains(piece)).collect();
        assert!(lost.is_empty(), "cycle {cycle}: pieces {lost:?} were durable and are gone");
    }
}

fn pieces_of(api: &Api, hash: &str) -> Option<Vec<usize>> {
    let target = format!("/api/downloads?get_pieces=1&infohash={hash}");
    let answer = api.try_call("GET", &target, "", None).ok()?;
    let list: Value = serde_json::from_slice(&answer.body).ok()?;
    let row = list["downloads"].as_array()?.iter().find(|row| row["infohash"] == hash)?;
    Some(claimed_pieces(row))
}
