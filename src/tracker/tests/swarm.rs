//! What a swarm keeps and tells (vectors U5 to U31, S1 to S12).

use std::collections::HashMap;

use super::*;
use crate::domain::swarm::AnnounceEvent::Completed;
use crate::domain::swarm::AnnounceEvent::Paused;
use crate::domain::swarm::AnnounceEvent::Started;
use crate::domain::swarm::AnnounceEvent::Stopped;
use crate::tracker::Limits;
use crate::tracker::OwnPeer;

#[test]
fn u5_u6_seeder_and_leecher_meet_and_nobody_meets_itself() {
    let mut rig = Rig::public();
    let (first, peers) = rig.announce(&with(Started, seed("127.0.0.1", 6881, PID1))).unwrap();
    assert_eq!((first.leechers, first.seeders, peers.len()), (0, 1, 0));
    let (second, peers) = rig.announce(&with(Started, leech("127.0.0.1", 6882, PID2))).unwrap();
    assert_eq!((second.leechers, second.seeders), (1, 1));
    assert_eq!(peers, ["127.0.0.1:6881"]);
    assert_eq!(rig.counts(IH), (1, 0, 1));
}

#[test]
fn u9_u28_s9_nothing_but_an_announce_makes_a_swarm() {
    let mut rig = Rig::public();
    assert_eq!(rig.counts(IH), (0, 0, 0));
    rig.peers(&with(Stopped, leech("10.0.0.1", 1, PID1)));
    assert_eq!(rig.announce(&leech("10.0.0.1", 0, PID1)).unwrap_err(), Refusal::InvalidPort);
    assert_eq!(rig.tracker.totals().swarms, 0);
    assert_eq!(rig.tracker.list(), []);
}

#[test]
fn u19_a_paused_peer_stays_and_is_not_complete() {
    let mut rig = Rig::public();
    rig.peers(&with(Paused, seed("10.0.0.1", 1, PID1)));
    assert_eq!(rig.counts(IH), (0, 0, 1));
    assert_eq!(rig.peers(&leech("10.0.0.2", 2, PID2)), ["10.0.0.1:1"]);
    assert_eq!(AnnounceEvent::from_number(4), Paused);
    assert_eq!(AnnounceEvent::from_number(5), AnnounceEvent::None);
    assert_eq!(AnnounceEvent::from_number(u32::MAX), AnnounceEvent::None);
}

#[test]
fn u20_port_0_is_refused_and_never_listed() {
    let mut rig = Rig::public();
    assert_eq!(rig.announce(&seed("10.0.0.1", 0, PID1)).unwrap_err(), Refusal::InvalidPort);
    assert_eq!(rig.peers(&leech("10.0.0.2", 2, PID2)), [""; 0]);
}

#[test]
fn u22_as_many_peers_as_wished_up_to_the_cap() {
    let mut rig = Rig::public();
    for number in 0..200 {
        rig.peers(&leech("10.0.0.1", 1000 + number, peer_id(number.into())));
        rig.peers(&leech("fd00::1", 1000 + number, peer_id(number.into())));
    }
    for (want, v4, v6) in [
        (None, 50, 50),
        (Some(0), 0, 0),
        (Some(1), 1, 1),
        (Some(74), 74, 66),
        (Some(0x7fff_ffff), 74, 66),
        (Some(0x8000_0000), 74, 66),
    ] {
        let ask = |ip| Announce { want, ..leech(ip, 1000, peer_id(0)) };
        assert_eq!(rig.peers(&ask("10.0.0.1")).len(), v4, "{want:?}");
        assert_eq!(rig.peers(&ask("fd00::1")).len(), v6, "{want:?}");
    }
}

#[test]
fn u23_a_huge_number_of_missing_bytes_is_a_leecher() {
    let mut rig = Rig::public();
    for (port, left) in [(1, u64::MAX), (2, 1 << 63)] {
        rig.peers(&Announce { left, ..leech("10.0.0.1", port, peer_id(port.into())) });
    }
    assert_eq!(rig.counts(IH), (0, 0, 2));
    let lefts: Vec<u64> = rig.tracker.peers(&IH).iter().map(|peer| peer.left).collect();
    assert!(lefts.contains(&u64::MAX) && lefts.contains(&(1 << 63)));
}

#[test]
fn u25_u26_a_completion_counts_once() {
    let mut rig = Rig::public();
    rig.peers(&leech("10.0.0.1", 1, PID1));
    for _ in 0..2 {
        rig.peers(&with(Completed, seed("10.0.0.1", 1, PID1)));
    }
    assert_eq!(rig.counts(IH), (1, 1, 0));
    rig.peers(&with(Completed, seed("10.0.0.2", 2, PID2)));
    rig.peers(&with(Completed, seed("10.0.0.2", 2, PID2)));
    assert_eq!(rig.counts(IH), (2, 2, 0));
    // One that says it is complete and lacks bytes is not.
    rig.peers(&with(Completed, leech("10.0.0.3", 3, peer_id(3))));
    assert_eq!(rig.counts(IH), (2, 2, 1));
}

#[test]
fn u27_u29_only_who_came_can_leave() {
    let mut rig = Rig::public();
    rig.peers(&leech("10.0.0.1", 1, PID1));
    rig.peers(&with(Stopped, leech("10.0.0.9", 1, PID1)));
    assert_eq!(rig.counts(IH), (0, 0, 1), "from another address");
    rig.peers(&with(Stopped, leech("10.0.0.1", 1, PID2)));
    assert_eq!(rig.counts(IH), (0, 0, 1), "under another name");
    rig.peers(&leech("10.0.0.2", 2, PID2));
    let told = rig.peers(&with(Stopped, leech("10.0.0.1", 1, PID1)));
    assert_eq!(told, [""; 0]);
    assert_eq!(rig.counts(IH), (0, 0, 1));
}

#[test]
fn u30_a_restarted_client_is_one_peer() {
    let mut rig = Rig::public();
    rig.peers(&leech("10.0.0.1", 1, PID1));
    rig.peers(&leech("10.0.0.1", 1, PID2));
    let peers = rig.tracker.peers(&IH);
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].peer_id, PID2);
}

#[test]
fn u31_two_behind_one_address_see_each_other() {
    let mut rig = Rig::public();
    for ip in ["198.51.100.7", "127.0.0.1", "2001:db8::7"] {
        let hash = other_hash(ip.len() as u32);
        let at = |port, id| Announce { info_hash: hash, ..leech(ip, port, id) };
        rig.peers(&at(1, PID1));
        assert_eq!(rig.peers(&at(2, PID2)).len(), 1, "{ip}");
        assert_eq!(rig.peers(&at(1, PID1)).len(), 1, "{ip}");
    }
}

#[test]
fn u36_the_families_are_told_apart_and_counted_together() {
    let mut rig = Rig::public();
    rig.peers(&seed("10.0.0.1", 1, PID1));
    let (announced, peers) = rig.announce(&leech("fd00::1", 2, PID2)).unwrap();
    assert_eq!(peers, [""; 0]);
    assert_eq!((announced.seeders, announced.leechers), (1, 1));
    rig.peers(&seed("::ffff:10.0.0.3", 3, peer_id(3)));
    let mut told = rig.peers(&leech("10.0.0.4", 4, peer_id(4)));
    told.sort();
    assert_eq!(told, ["10.0.0.1:1", "10.0.0.3:3"]);
}

#[test]
fn u38_a_cut_v2_hash_is_a_swarm_like_any_other() {
    let mut rig = Rig::public();
    rig.peers(&seed("10.0.0.1", 1, PID1));
    let other = Announce { info_hash: other_hash(2), ..leech("10.0.0.2", 2, PID2) };
    assert_eq!(rig.peers(&other), [""; 0]);
    assert_eq!(rig.tracker.totals().swarms, 2);
}

#[test]
fn s2_who_is_silent_is_neither_listed_nor_counted() {
    let mut rig = Rig::public();
    rig.peers(&seed("10.0.0.1", 1, PID1));
    rig.pass(3600);
    rig.peers(&leech("10.0.0.2", 2, PID2));
    assert_eq!(rig.counts(IH), (1, 0, 1));
    rig.pass(61);
    assert_eq!(rig.counts(IH), (0, 0, 1));
    assert_eq!(rig.peers(&leech("10.0.0.3", 3, peer_id(3))), ["10.0.0.2:2"]);
    rig.pass(3661);
    assert_eq!(rig.tracker.totals(), Default::default());
    assert_eq!(rig.tracker.inner.swarms.list(), []);
}

#[test]
fn s2_what_was_completed_or_listed_is_not_forgotten() {
    let mut rig = Rig::public();
    rig.peers(&with(Completed, seed("10.0.0.1", 1, PID1)));
    rig.tracker.set_listed(&other_hash(1), true);
    rig.pass(100_000);
    assert_eq!(rig.counts(IH), (0, 1, 0));
    assert_eq!(rig.tracker.listed(), [other_hash(1)]);
}

#[test]
fn s2_large_swarms_expire_whole() {
    let mut rig = Rig::public();
    for number in 0..10_000u32 {
        let ip = format!("10.{}.{}.1", number / 250, number % 250);
        let one = if number % 3 == 0 { seed } else { leech };
        rig.peers(&Announce { want: Some(0), ..one(&ip, 1, peer_id(number)) });
        if number == 4999 {
            rig.now.clock_s += 3000;
        }
    }
    assert_eq!(rig.counts(IH), (3334, 0, 6666));
    rig.pass(700);
    assert_eq!(rig.tracker.peers(&IH).len(), 5000);
    rig.pass(4000);
    assert_eq!(rig.tracker.totals().swarms, 0);
}

#[test]
fn s4_becoming_a_seeder_silently_is_no_completion() {
    let mut rig = Rig::public();
    rig.peers(&leech("10.0.0.1", 1, PID1));
    rig.peers(&seed("10.0.0.1", 1, PID1));
    assert_eq!(rig.counts(IH), (1, 0, 0));
}

/// Every answer is a fair draw: right in size, without the asker, without doubles; and over many
/// answers every peer is told of about equally often.
#[test]
fn s5_the_choice_is_fair_and_seeders_get_leechers_only() {
    const PEERS: u16 = 300;
    for (seeders, asked) in [(0, 50), (100, 50), (299, 50), (100, 7)] {
        let mut rig = Rig::public();
        let one = |number: u16| {
            let peer = if number < seeders { seed } else { leech };
            let base = peer("10.0.0.1", 10_000 + number, peer_id(number.into()));
            Announce { want: Some(asked), ..base }
        };
        (0..PEERS).for_each(|number| drop(rig.peers(&one(number))));
        let mut seen: HashMap<String, u32> = HashMap::new();
        let mut drawn = 0;
        // About as many draws in each case.
        for round in 0..1200 / (PEERS - seeders) {
            for number in seeders..PEERS {
                let told = rig.peers(&one(number));
                let mut distinct = told.clone();
                distinct.sort();
                distinct.dedup();
                assert_eq!(distinct.len(), asked as usize, "round {round}");
                assert!(!told.contains(&format!("10.0.0.1:{}", 10_000 + number)));
                drawn += told.len();
                told.into_iter().for_each(|peer| *seen.entry(peer).or_default() += 1);
            }
        }
        // A single asker is told of everybody but itself.
        let everybody = PEERS - u16::from(seeders + 1 == PEERS);
        assert_eq!(seen.len(), usize::from(everybody), "everybody is told of");
        let mean = drawn as f64 / f64::from(PEERS);
        let spread = seen.values().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>();
        let variance = spread / f64::from(PEERS);
        assert!(variance < 2.0 * mean, "{seeders} seeders: mean {mean:.0}, variance {variance:.0}");
        for number in 0..seeders.min(20) {
            let told = rig.peers(&one(number));
            assert_eq!(told.len(), usize::from(PEERS - seeders).min(asked as usize));
            let is_leecher = |peer: &String| {
                peer.rsplit(':').next().unwrap().parse::<u16>().unwrap() >= 10_000 + seeders
            };
            assert!(told.iter().all(is_leecher), "{told:?}");
        }
    }
}

#[test]
fn s6_s7_addresses_are_told_by_who_asks() {
    let mut config = config(Mode::Public);
    config.external.v4 = Some("203.0.113.1".parse().unwrap());
    let mut rig = Rig::new(&config);
    let asking = |ip: &str, local: &str, number: u16| Announce {
        asker: Asker::new(ip.parse().unwrap(), local.parse().unwrap()),
        ..leech(ip, number, peer_id(number.into()))
    };
    rig.peers(&asking("127.0.0.1", "127.0.0.1", 1));
    rig.peers(&asking("192.168.1.5", "192.168.1.2", 2));
    rig.peers(&asking("198.51.100.9", "192.168.1.2", 3));
    let mut told = |ip, local, number| {
        let mut told = rig.peers(&asking(ip, local, number));
        told.sort();
        told
    };
    assert_eq!(
        told("127.0.0.1", "127.0.0.1", 1),
        ["192.168.1.5:2", "198.51.100.9:3"],
        "on this host"
    );
    assert_eq!(
        told("192.168.1.5", "192.168.1.2", 2),
        ["192.168.1.2:1", "198.51.100.9:3"],
        "on the local network"
    );
    assert_eq!(
        told("198.51.100.9", "192.168.1.2", 3),
        ["203.0.113.1:1", "203.0.113.1:2"],
        "outside"
    );
}

#[test]
fn s6_without_an_external_address_nothing_private_leaves() {
    let mut rig = Rig::public();
    for ip in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.31.0.1", "169.254.0.1"] {
        rig.peers(&seed(ip, 1, PID1));
    }
    rig.peers(&seed("198.51.100.1", 1, PID1));
    assert_eq!(rig.peers(&leech("198.51.100.2", 2, PID2)), ["198.51.100.1:1"]);
}

#[test]
fn s7_the_external_address_is_learned_unless_it_is_configured() {
    let outside = leech("198.51.100.2", 2, PID2);
    let mut rig = Rig::public();
    rig.peers(&seed("127.0.0.1", 1, PID1));
    rig.tracker.learn_external("192.168.1.1".parse().unwrap());
    assert_eq!(rig.peers(&outside), [""; 0]);
    rig.tracker.learn_external("::ffff:203.0.113.5".parse().unwrap());
    assert_eq!(rig.peers(&outside), ["203.0.113.5:1"]);

    let mut config = config(Mode::Public);
    config.external.v4 = Some("203.0.113.1".parse().unwrap());
    let mut rig = Rig::new(&config);
    rig.peers(&seed("127.0.0.1", 1, PID1));
    rig.tracker.learn_external("203.0.113.5".parse().unwrap());
    assert_eq!(rig.peers(&outside), ["203.0.113.1:1"]);
}

fn limited(limits: Limits) -> Rig {
    Rig::new(&TrackerConfig { limits, ..config(Mode::Public) })
}

#[test]
fn s8_peers_of_a_swarm_have_a_ceiling() {
    let mut rig = limited(Limits { peers_per_swarm: 3, ..Limits::default() });
    for port in 1..=3 {
        rig.peers(&leech("10.0.0.1", port, peer_id(port.into())));
    }
    assert_eq!(rig.announce(&leech("10.0.0.1", 4, PID1)).unwrap_err(), Refusal::Full);
    assert_eq!(rig.peers(&leech("10.0.0.1", 2, peer_id(2))).len(), 2, "the known are served");
    rig.peers(&with(Stopped, leech("10.0.0.1", 2, peer_id(2))));
    rig.peers(&leech("10.0.0.1", 4, PID1));
}

#[test]
fn s8_swarms_and_peers_have_a_ceiling_in_all() {
    for limits in
        [Limits { swarms: 2, ..Limits::default() }, Limits { peers: 2, ..Limits::default() }]
    {
        let mut rig = limited(limits);
        let in_swarm =
            |number| Announce { info_hash: other_hash(number), ..leech("10.0.0.1", 1, PID1) };
        rig.peers(&in_swarm(1));
        rig.peers(&in_swarm(2));
        assert_eq!(rig.announce(&in_swarm(3)).unwrap_err(), Refusal::Full);
        rig.peers(&in_swarm(1));
        rig.peers(&with(Stopped, in_swarm(1)));
        rig.peers(&in_swarm(3));
        assert_eq!(rig.tracker.totals().swarms, 2);
        rig.pass(4000);
        rig.peers(&in_swarm(4));
        rig.peers(&in_swarm(5));
        assert_eq!(rig.announce(&in_swarm(6)).unwrap_err(), Refusal::Full);
    }
}

#[test]
fn s8_an_address_makes_only_so_many_swarms() {
    let mut rig = limited(Limits { swarms_per_address: 2, ..Limits::default() });
    let from = |ip, number| Announce { info_hash: other_hash(number), ..leech(ip, 1, PID1) };
    for number in 1..=2 {
        rig.peers(&from("10.0.0.1", number));
        rig.peers(&from("2001:db8::1", 10 + number));
    }
    assert_eq!(rig.announce(&from("10.0.0.1", 3)).unwrap_err(), Refusal::Full);
    let neighbour = from("2001:db8::2", 13);
    assert_eq!(rig.announce(&neighbour).unwrap_err(), Refusal::Full, "of the same /64");
    rig.peers(&from("10.0.0.2", 3));
    rig.peers(&from("10.0.0.1", 3));
    rig.peers(&with(Stopped, from("10.0.0.1", 1)));
    rig.peers(&from("10.0.0.1", 4));
    (20..25).for_each(|number| drop(rig.peers(&from("127.0.0.1", number))));
}

#[test]
fn s8_an_address_has_only_so_many_peers_in_a_swarm() {
    let mut rig = limited(Limits { peers_per_address: 3, ..Limits::default() });
    // Enough others for the swarm to have its index.
    (0..40u16).for_each(|n| drop(rig.peers(&leech(&format!("10.1.0.{n}"), 1, peer_id(n.into())))));
    for port in 1..=3 {
        rig.peers(&leech("10.0.0.1", port, peer_id(port.into())));
    }
    assert_eq!(rig.announce(&leech("10.0.0.1", 4, PID1)).unwrap_err(), Refusal::Full);
    rig.peers(&with(Stopped, leech("10.0.0.1", 1, peer_id(1))));
    rig.peers(&leech("10.0.0.1", 4, PID1));
    (1..9).for_each(|port| drop(rig.peers(&leech("127.0.0.1", port, peer_id(port.into())))));
}

#[test]
fn s11_intervals_differ_by_up_to_a_tenth() {
    let mut rig = Rig::public();
    let mut seen: Vec<u32> =
        (0..200).map(|_| rig.announce(&leech("10.0.0.1", 1, PID1)).unwrap().0.interval_s).collect();
    seen.sort_unstable();
    assert!(seen[0] >= 1800 && seen[199] <= 1980, "{} to {}", seen[0], seen[199]);
    seen.dedup();
    assert!(seen.len() > 60, "{} different ones", seen.len());
}

#[test]
fn s12_wall_time_moves_no_peer() {
    let mut rig = Rig::public();
    rig.peers(&seed("10.0.0.1", 1, PID1));
    for years in [10, -20] {
        rig.now.unix_s += years * 365 * 86_400;
        rig.pass(1);
        assert_eq!(rig.counts(IH), (1, 0, 0));
    }
}

fn own(left: u64) -> OwnPeer {
    OwnPeer { peer_id: PID1, port: 46881, has_v6: true, uploaded: 5, downloaded: 6, left }
}

#[test]
fn our_own_client_is_a_member_until_it_leaves() {
    let mut rig = Rig::new(&config(Mode::Listed));
    let mut random = Random::from_seed(1);
    assert_eq!(rig.announce(&leech("127.0.0.1", 2, PID2)).unwrap_err(), Refusal::Unlisted);
    rig.tracker.set_own(&IH, &own(1000), &mut random);
    assert_eq!(rig.peers(&leech("127.0.0.1", 2, PID2)), ["127.0.0.1:46881"]);
    assert_eq!(rig.peers(&leech("::1", 2, PID2)), ["[::1]:46881"]);
    rig.tracker.set_own(&IH, &own(0), &mut random);
    assert_eq!(rig.counts(IH), (1, 0, 2), "one peer, in both families");
    rig.pass(100_000);
    assert_eq!(rig.counts(IH), (1, 0, 0), "it does not expire");
    rig.peers(&seed("127.0.0.1", 46881, PID2));
    assert_eq!(rig.counts(IH), (1, 0, 0), "its own announce is no second peer");
    rig.tracker.clear_own(&IH);
    assert_eq!(rig.counts(IH), (0, 0, 0));
    assert_eq!(rig.announce(&leech("127.0.0.1", 2, PID2)).unwrap_err(), Refusal::Unlisted);
}

#[test]
fn the_engine_hears_of_new_peers_of_its_swarms_once() {
    let mut rig = Rig::public();
    let mut newcomers = rig.tracker.newcomers().unwrap();
    assert!(rig.tracker.newcomers().is_none());
    rig.tracker.set_own(&IH, &own(0), &mut Random::from_seed(1));
    for _ in 0..2 {
        rig.peers(&leech("10.0.0.2", 2, peer_id(2)));
    }
    let newcomer = newcomers.try_recv().unwrap();
    assert_eq!((newcomer.info_hash, newcomer.address.to_string()), (IH, "10.0.0.2:2".into()));
    assert!(newcomers.try_recv().is_err());
}

#[test]
fn the_engine_hears_of_who_was_there_before_it() {
    let mut rig = Rig::public();
    let mut newcomers = rig.tracker.newcomers().unwrap();
    let mut random = Random::from_seed(1);
    rig.peers(&leech("10.0.0.1", 1, peer_id(1)));
    rig.peers(&leech("2001:db8::2", 2, peer_id(2)));
    rig.peers(&seed("10.0.0.3", 3, peer_id(3)));
    rig.tracker.set_own(&IH, &own(0), &mut random);
    rig.tracker.set_own(&IH, &own(0), &mut random);
    let mut heard = Vec::new();
    while let Ok(newcomer) = newcomers.try_recv() {
        heard.push(newcomer.address.to_string());
    }
    heard.sort_unstable();
    assert_eq!(heard, ["10.0.0.1:1", "[2001:db8::2]:2"], "once, and no seeder for a seeder");
}
