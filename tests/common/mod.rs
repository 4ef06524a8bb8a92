//! What the tests stand on: the program itself, torrents, foreign clients, a tracker.
//!
//! Nothing here waits for a length of time: everything waits for a condition, with a deadline
//! that only a hanging program reaches.

pub(crate) mod announcer;
pub(crate) mod api;
pub(crate) mod app;
pub(crate) mod aria2;
pub(crate) mod bencode;
pub(crate) mod events;
pub(crate) mod golden;
pub(crate) mod held_thread;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod metadata_seeder;
pub(crate) mod netns;
pub(crate) mod npm_client;
pub(crate) mod observer;
pub(crate) mod own_tracker;
pub(crate) mod peer;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod qbittorrent;
pub(crate) mod random;
pub(crate) mod raw_seeder;
pub(crate) mod raw_udp;
pub(crate) mod sharing;
pub(crate) mod torrents;
pub(crate) mod torrust;
pub(crate) mod torrust_clients;
pub(crate) mod tracker;
pub(crate) mod transmission;

use std::time::Duration;
use std::time::Instant;

/// How long anything may take before a test calls it hanging: generous, for slow and busy
/// machines. Rules with a time of their own are checked against that time instead.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` gives something; `what` names it when it never does.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, condition)
}

/// As [`wait_for`], with the time that a rule allows.
#[track_caller]
pub(crate) fn wait_at_most<T>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
