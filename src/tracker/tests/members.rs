//! Which peer came with which key, and whom a swarm knows (issue 5).

use super::*;
use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::tracker::Departure;
use crate::tracker::OwnPeer;

const OTHER: &str = "3cjvmxYTzG1ESiJBSAn5dxNornXB5CeD";

fn key(text: &str) -> AccessKey {
    text.parse().unwrap()
}

/// A private swarm and two keys.
fn rig() -> Rig {
    let rig = Rig::new(&config(Mode::Listed));
    rig.tracker.set_listed(&IH, true);
    rig.tracker.set_mode(&IH, Some(Mode::PrivateListed));
    for text in [KEY, OTHER] {
        rig.tracker.add_key(KeyRecord { key: key(text), valid_until: None });
    }
    rig
}

fn keyed(ip: &str, key: &'static str) -> Announce<'static> {
    Announce { key: Some(key.as_bytes()), ..leech(ip, 1, PID1) }
}

fn is_member(rig: &Rig, ip: &str) -> bool {
    let local = "192.168.1.2".parse().unwrap();
    rig.tracker.is_member(&IH, ip.parse().unwrap(), local, rig.now)
}

#[test]
fn a_member_is_who_announced_from_there_with_a_good_key() {
    let mut rig = rig();
    rig.peers(&keyed("203.0.113.9", KEY));
    rig.peers(&keyed("2001:db8::9", KEY));
    assert!(is_member(&rig, "203.0.113.9") && is_member(&rig, "2001:db8::9"));
    assert!(is_member(&rig, "::ffff:203.0.113.9"), "the same address in IPv6 form");
    for stranger in ["203.0.113.8", "2001:db8::8", "127.0.0.1", "192.168.1.3"] {
        assert!(!is_member(&rig, stranger), "{stranger}");
    }
    assert!(!rig.tracker.is_member(
        &other_hash(1),
        "203.0.113.9".parse().unwrap(),
        "192.168.1.2".parse().unwrap(),
        rig.now
    ));
    rig.peers(&with(AnnounceEvent::Stopped, keyed("203.0.113.9", KEY)));
    assert!(!is_member(&rig, "203.0.113.9"), "it left");
}

/// Vector S7: a peer on this host is loopback, by whichever of the host's addresses it came.
#[test]
fn members_on_this_host_are_known_by_all_its_addresses() {
    let mut rig = rig();
    let local: IpAddr = "192.168.1.2".parse().unwrap();
    let here = Announce { asker: Asker::new(local, local), ..keyed("192.168.1.2", KEY) };
    rig.peers(&here);
    assert!(is_member(&rig, "192.168.1.2") && is_member(&rig, "127.0.0.1"));
    assert!(!is_member(&rig, "192.168.1.3"));
}

#[test]
fn our_own_client_vouches_for_nobody() {
    let rig = rig();
    let own =
        OwnPeer { peer_id: PID2, port: 46881, has_v6: true, uploaded: 0, downloaded: 0, left: 0 };
    rig.tracker.set_own(&IH, &own, &mut Random::from_seed(1));
    assert!(!is_member(&rig, "127.0.0.1") && !is_member(&rig, "192.168.1.2"));
}

/// Issue 5: the key dies with the next packet, its peers leave at once, the others stay.
#[test]
fn a_key_that_is_taken_away_takes_its_peers_with_it() {
    let mut rig = rig();
    for number in 0..40 {
        let which = if number % 2 == 0 { KEY } else { OTHER };
        rig.peers(&keyed(&format!("203.0.113.{number}"), which));
        rig.peers(&keyed(&format!("2001:db8::{number}"), which));
    }
    let before = rig.tracker.totals().leechers;
    assert!(rig.tracker.remove_key(&key(KEY)));
    assert_eq!((before, rig.tracker.totals().leechers), (80, 40));
    for number in 0..40 {
        assert_eq!(is_member(&rig, &format!("203.0.113.{number}")), number % 2 == 1);
    }
    let refused = rig.announce(&keyed("203.0.113.0", KEY)).unwrap_err();
    assert_eq!(refused, Refusal::InvalidKey);
    assert!(!rig.tracker.remove_key(&key(KEY)));
    // A key that gets the free number is not taken for the old one.
    rig.tracker.add_key(KeyRecord { key: key(KEY), valid_until: None });
    assert!(!is_member(&rig, "203.0.113.0"));
}

#[test]
fn a_swarm_that_loses_its_only_peer_is_forgotten() {
    let mut rig = Rig::new(&config(Mode::Private));
    rig.tracker.add_key(KeyRecord { key: key(KEY), valid_until: None });
    rig.peers(&keyed("203.0.113.9", KEY));
    assert_eq!(rig.tracker.list().len(), 1);
    rig.tracker.remove_key(&key(KEY));
    assert_eq!((rig.tracker.list().len(), rig.tracker.totals()), (0, Default::default()));
}

#[test]
fn a_key_that_has_expired_makes_no_member() {
    let mut rig = rig();
    let valid_until = Some(BEGIN.unix_s + 10);
    rig.tracker.add_key(KeyRecord { key: key(KEY), valid_until });
    rig.peers(&keyed("203.0.113.9", KEY));
    rig.now.unix_s += 10;
    assert!(is_member(&rig, "203.0.113.9"));
    rig.now.unix_s += 1;
    assert!(!is_member(&rig, "203.0.113.9"));
}

#[test]
fn a_key_may_be_for_some_swarms_only() {
    let mut rig = rig();
    rig.peers(&keyed("203.0.113.9", KEY));
    let only = |hash| Some(std::collections::HashSet::from([hash]));
    rig.tracker.limit_key(&key(KEY), only(other_hash(1)));
    assert!(!is_member(&rig, "203.0.113.9"));
    let refused = rig.announce(&keyed("203.0.113.9", KEY)).unwrap_err();
    assert_eq!(refused, Refusal::InvalidKey);
    let shown = |rig: &Rig| rig.tracker.scrape(&IH, Some(KEY.as_bytes()), rig.now).leechers;
    assert_eq!(shown(&rig), 0, "neither are its numbers shown");
    rig.tracker.limit_key(&key(KEY), only(IH));
    rig.peers(&keyed("203.0.113.9", KEY));
    assert_eq!(shown(&rig), 1);
}

/// Issue 5, accounting: whoever leaves says last how much it was, and that is passed on.
#[test]
fn who_leaves_is_told_of_with_the_last_words_and_the_key() {
    let mut rig = rig();
    let mut left = rig.tracker.departures().unwrap();
    assert!(rig.tracker.departures().is_none(), "one listener");
    let last = Announce { uploaded: 7, downloaded: 8, ..keyed("203.0.113.9", KEY) };
    rig.announce(&with(AnnounceEvent::Stopped, last)).unwrap();
    rig.peers(&keyed("203.0.113.9", KEY));
    rig.announce(&with(AnnounceEvent::Stopped, Announce { peer_id: PID2, ..last })).unwrap();
    assert!(left.try_recv().is_err(), "who was not there cannot leave, nor another in its place");
    rig.announce(&with(AnnounceEvent::Stopped, last)).unwrap();
    let Departure { info_hash, peer, .. } = left.try_recv().unwrap();
    assert_eq!((info_hash, peer.key, peer.peer_id), (IH, Some(key(KEY)), PID1));
    assert_eq!((peer.uploaded, peer.downloaded, peer.event), (7, 8, AnnounceEvent::Stopped));
}

#[test]
fn the_list_of_peers_names_their_keys() {
    let mut rig = rig();
    rig.peers(&keyed("203.0.113.9", KEY));
    rig.peers(&keyed("203.0.113.8", OTHER));
    let mut keys: Vec<_> = rig.tracker.peers(&IH).into_iter().map(|peer| peer.key).collect();
    keys.sort();
    assert_eq!(keys, [Some(key(KEY)), Some(key(OTHER))]);
}
