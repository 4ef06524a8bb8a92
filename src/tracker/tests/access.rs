//! Who is let in (vectors U32 to U35, H13, H14, S3, S10; Torrust section 6, UDPT section 8).

use super::*;
use crate::domain::access::KeyRecord;
use crate::domain::swarm::AnnounceEvent::Completed;

fn key(valid_until: Option<i64>) -> KeyRecord {
    KeyRecord { key: KEY.parse().unwrap(), valid_until }
}

fn keyed(key: Option<&'static str>) -> Announce<'static> {
    Announce { key: key.map(str::as_bytes), ..leech("10.0.0.1", 1, PID1) }
}

#[test]
fn each_mode_lets_in_whom_it_should() {
    use Refusal::InvalidKey;
    use Refusal::Unlisted;
    // Mode; then nothing, listed, with key, listed and with key.
    for (mode, outcomes) in [
        (Mode::Public, [None, None, None, None]),
        (Mode::Listed, [Some(Unlisted), None, Some(Unlisted), None]),
        (Mode::Private, [Some(InvalidKey), Some(InvalidKey), None, None]),
        (Mode::PrivateListed, [Some(InvalidKey), Some(InvalidKey), Some(Unlisted), None]),
    ] {
        for (case, outcome) in outcomes.into_iter().enumerate() {
            let mut rig = Rig::new(&config(mode));
            rig.tracker.add_key(key(None));
            rig.tracker.set_listed(&IH, case % 2 == 1);
            let announce = keyed((case >= 2).then_some(KEY));
            assert_eq!(rig.announce(&announce).err(), outcome, "{mode:?}, case {case}");
            let is_stored = !rig.tracker.peers(&IH).is_empty();
            assert_eq!(is_stored, outcome.is_none(), "{mode:?}, case {case}");
        }
    }
}

#[test]
fn a_swarm_may_have_a_mode_of_its_own() {
    let mut rig = Rig::new(&config(Mode::Listed));
    rig.tracker.set_mode(&IH, Some(Mode::Private));
    assert_eq!(rig.announce(&keyed(None)).unwrap_err(), Refusal::InvalidKey);
    rig.tracker.add_key(key(None));
    rig.peers(&keyed(Some(KEY)));
    assert_eq!(rig.counts(IH), (0, 0, 0), "its numbers are for those with a key");
    let told = rig.tracker.scrape(&IH, Some(KEY.as_bytes()), rig.now);
    assert_eq!(told.leechers, 1);
    rig.tracker.set_mode(&IH, None);
    assert_eq!(rig.announce(&keyed(Some(KEY))).unwrap_err(), Refusal::Unlisted);
}

#[test]
fn u35_h13_wrong_missing_and_expired_keys_are_one_refusal() {
    let mut rig = Rig::new(&config(Mode::Private));
    rig.tracker.add_key(key(Some(BEGIN.unix_s + 10)));
    rig.peers(&keyed(Some(KEY)));
    rig.now.unix_s += 10;
    rig.peers(&keyed(Some(KEY)));
    rig.now.unix_s += 1;
    let wrong = ["3cjvmxYTzG1ESiJBSAn5dxNornXB5CeD", "short", ""];
    for shown in [Some(KEY), None].into_iter().chain(wrong.map(Some)) {
        assert_eq!(rig.announce(&keyed(shown)).unwrap_err(), Refusal::InvalidKey, "{shown:?}");
    }
}

/// Rule T5.
#[test]
fn t5_guessing_keys_ends_in_silence_and_the_right_one_still_passes() {
    let mut rig = Rig::new(&config(Mode::Private));
    rig.tracker.add_key(key(None));
    for _ in 0..10 {
        assert_eq!(rig.announce(&keyed(None)).unwrap_err(), Refusal::InvalidKey);
    }
    assert_eq!(rig.announce(&keyed(None)).unwrap_err(), Refusal::TooManyInvalidKeys);
    rig.peers(&keyed(Some(KEY)));
    let elsewhere = Announce { key: None, ..leech("10.0.0.2", 1, PID2) };
    assert_eq!(rig.announce(&elsewhere).unwrap_err(), Refusal::InvalidKey);
    rig.now.clock_s += 60;
    assert_eq!(rig.announce(&keyed(None)).unwrap_err(), Refusal::InvalidKey);
}

#[test]
fn s10_a_change_holds_from_the_next_announce_on() {
    let mut rig = Rig::new(&config(Mode::PrivateListed));
    rig.tracker.set_listed(&IH, true);
    rig.tracker.add_key(key(None));
    rig.peers(&keyed(Some(KEY)));
    assert!(rig.tracker.remove_key(&key(None).key));
    assert!(!rig.tracker.remove_key(&key(None).key));
    assert_eq!(rig.announce(&keyed(Some(KEY))).unwrap_err(), Refusal::InvalidKey);
    rig.tracker.add_key(key(None));
    rig.tracker.set_listed(&IH, false);
    assert!(rig.tracker.peers(&IH).is_empty(), "a running swarm is dropped");
    assert_eq!(rig.announce(&keyed(Some(KEY))).unwrap_err(), Refusal::Unlisted);
    assert_eq!(rig.tracker.totals(), Default::default());
}

#[test]
fn a_flagged_swarm_is_refused_emptied_and_shows_nothing() {
    let mut rig = Rig::public();
    rig.peers(&with(Completed, seed("10.0.0.1", 1, PID1)));
    rig.tracker.set_flagged(&IH, true);
    assert!(rig.tracker.peers(&IH).is_empty());
    assert_eq!(rig.announce(&seed("10.0.0.1", 1, PID1)).unwrap_err(), Refusal::Flagged);
    assert_eq!(rig.counts(IH), (0, 1, 0));
    assert!(rig.tracker.swarm(&IH).unwrap().is_flagged);
    rig.tracker.set_flagged(&IH, false);
    rig.peers(&seed("10.0.0.1", 1, PID1));
    assert!(rig.tracker.forget(&IH));
    assert!(!rig.tracker.forget(&IH));
    assert_eq!(rig.counts(IH), (0, 0, 0));
}

#[test]
fn s3_what_was_kept_is_there_from_the_start_and_growth_is_told() {
    let record = SwarmRecord {
        info_hash: IH,
        is_listed: true,
        is_flagged: false,
        mode: None,
        completed: 41,
    };
    let mut rig = Rig::knowing(&config(Mode::Listed), &[record]);
    assert_eq!(rig.counts(IH), (0, 41, 0));
    assert_eq!(rig.tracker.completed_now(), []);
    rig.peers(&with(Completed, seed("10.0.0.1", 1, PID1)));
    assert_eq!(rig.tracker.completed_now(), [SwarmRecord { completed: 42, ..record }]);
    assert_eq!(rig.tracker.completed_now(), []);
}
