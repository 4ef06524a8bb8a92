//! Rule D1 for the tracker: kill -9 in the middle of changes loses no key and no whitelist entry
//! that was acknowledged, and brings back none that was removed. 5 cycles, or `CRASH_CYCLES`.

use std::collections::BTreeMap;
use std::sync::mpsc;

use crate::common::announcer::Announcer;
use crate::common::announcer::PID1;
use crate::common::announcer::UdpAnnounce;
use crate::common::announcer::seed;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Request;
use crate::common::random::Random;

/// Swarms that are put on the whitelist and taken off it.
const SWARMS: u64 = 8;

/// One change: what is asked for, and what it comes to.
#[derive(Clone, Debug)]
enum Change {
    Listed(String, bool),
    Key(String, bool),
}

/// What the server acknowledged.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    listed: BTreeMap<String, bool>,
    keys: BTreeMap<String, bool>,
}

impl Kept {
    /// What was never acknowledged is not there.
    fn name(&mut self, change: &Change) {
        match change {
            Change::Listed(hash, _) => self.listed.entry(hash.clone()).or_default(),
            Change::Key(key, _) => self.keys.entry(key.clone()).or_default(),
        };
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Listed(hash, is_listed) => self.listed.insert(hash.clone(), *is_listed),
            Change::Key(key, is_valid) => self.keys.insert(key.clone(), *is_valid),
        };
    }
}

fn hash(number: u64) -> String {
    format!("{number:040x}")
}

fn key(number: u64) -> String {
    format!("{number:032}")
}

/// What came of a change that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Acknowledged,
    /// A key that is not there cannot be removed: nothing changes.
    Moot,
    /// The server was killed before, meanwhile or after.
    Unanswered,
}

fn ask(host: &str, token: &str, change: &Change) -> Outcome {
    let (method, path, body) = match change {
        Change::Listed(hash, true) => ("POST", format!("/api/v1/whitelist/{hash}"), None),
        Change::Listed(hash, false) => ("DELETE", format!("/api/v1/whitelist/{hash}"), None),
        Change::Key(key, true) => {
            let body = format!("{{\"key\":\"{key}\",\"seconds_valid\":null}}");
            ("POST", "/api/v1/keys".to_owned(), Some(body))
        }
        Change::Key(key, false) => ("DELETE", format!("/api/v1/key/{key}"), None),
    };
    let target = format!("{path}?token={token}");
    let body = body.as_ref().map(String::as_bytes);
    let headers = vec![("Content-Type", "application/json".to_owned())];
    let request = Request { method, target: &target, headers, body };
    match request.send(host) {
        Ok(answer) if answer.status == 200 => Outcome::Acknowledged,
        Ok(_) if matches!(change, Change::Key(_, false)) => Outcome::Moot,
        Ok(answer) => panic!("{change:?} was answered with {}", answer.status),
        Err(_) => Outcome::Unanswered,
    }
}

/// What the tracker does after a start: who is let in tells what was kept.
fn observe(app: &App<'_>, known: &Kept) -> Kept {
    let asker = Announcer::new(app.tracker_udp[0]);
    let announce = |hash: &str, key: &str| {
        let mut info_hash = [0; 20];
        for (byte, pair) in info_hash.iter_mut().zip(hash.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
        let options = crate::common::announcer::path_option(&format!("/{key}"));
        // Leaves at once, so that what is asked changes nothing.
        asker.try_announce(&UdpAnnounce { info_hash, options, event: 3, ..seed(1, PID1) })
    };
    let good = app.make_key(600);
    let is_listed = |hash: &String| announce(hash, &good).is_ok();
    let listed = known.listed.keys().map(|hash| (hash.clone(), is_listed(hash))).collect();
    // A key is judged before the whitelist.
    let lets_in = |key: &String| announce(&hash(999), key) == Err("Torrent not authorized".into());
    // There are fewer keys than wrong ones may be shown (rule T5).
    let keys = known.keys.keys().map(|key| (key.clone(), lets_in(key))).collect();
    Kept { listed, keys }
}

#[test]
fn d1_kills_lose_no_key_and_no_whitelist_entry() {
    let cycles: u32 = std::env::var("CRASH_CYCLES").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let home =
        Home::new().set("tracker.mode", "private_listed").set("tracker.udp.bind", "127.0.0.1:0");
    let mut random = Random::announced("tracker crash");
    let mut known = Kept::default();
    for cycle in 0..cycles {
        let app = home.start();
        let (host, token) = (app.api.host.clone(), app.api.token.clone());
        let (acknowledged, told) = mpsc::channel();
        let mut seeded = Random::from_seed(random.next());
        let changes = std::thread::spawn(move || {
            loop {
                let number = seeded.below(SWARMS);
                let is_on = seeded.below(2) == 0;
                let change = match seeded.below(4) {
                    // Few keys: each that is wrong costs one of ten tries.
                    0 => Change::Key(key(number % 3), is_on),
                    _ => Change::Listed(hash(number), is_on),
                };
                let outcome = ask(&host, &token, &change);
                if acknowledged.send((change, outcome)).is_err() {
                    return;
                }
            }
        });
        // At a random one of the acknowledgements, while the next change is under way.
        for _ in 0..3 + random.below(40) {
            let (change, outcome) = told.recv().unwrap();
            assert!(outcome != Outcome::Unanswered, "{change:?}");
            if outcome == Outcome::Acknowledged {
                known.apply(&change);
            }
        }
        app.kill();
        // What was acknowledged up to the kill counts; the one under way may be either. Those that
        // were asked for after it came to nothing.
        let mut open = None;
        for (change, outcome) in told.try_iter() {
            match outcome {
                Outcome::Acknowledged => known.apply(&change),
                Outcome::Unanswered if open.is_none() => open = Some(change),
                _ => {}
            }
        }
        drop(told);
        changes.join().unwrap();

        let app = home.start();
        if let Some(change) = &open {
            known.name(change);
        }
        let mut other = known.clone();
        open.iter().for_each(|change| other.apply(change));
        let seen = observe(&app, &known);
        assert!(
            seen == known || seen == other,
            "cycle {cycle}: {seen:?}, not {known:?} or {other:?}"
        );
        known = seen;
        app.stop();
    }
}
