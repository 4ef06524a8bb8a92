//! The table against a naive model: whatever is announced, in whatever order, both count the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

/// A peer of the model.
#[derive(Clone, Copy, Debug)]
struct Entry {
    peer_id: [u8; 20],
    left: u64,
    is_paused: bool,
    is_counted: bool,
    seen_s: u32,
}

impl Entry {
    fn is_seeder(&self) -> bool {
        self.left == 0 && !self.is_paused
    }
}

/// Swarms as plain maps.
#[derive(Default)]
struct Model {
    peers: BTreeMap<(TorrentId, IpAddr, u16), Entry>,
    completed: BTreeMap<TorrentId, u32>,
}

impl Model {
    fn announce(&mut self, announce: &Announce<'_>, now_s: u32) {
        let place = (announce.info_hash, announce.asker.ip, announce.port);
        let known = self.peers.get(&place).copied();
        if announce.event == AnnounceEvent::Stopped {
            if known.is_some_and(|known| known.peer_id == announce.peer_id) {
                self.peers.remove(&place);
            }
            return;
        }
        let mut entry = Entry {
            peer_id: announce.peer_id,
            left: announce.left,
            is_paused: announce.event == AnnounceEvent::Paused,
            is_counted: known.is_some_and(|known| known.is_counted),
            seen_s: now_s,
        };
        if announce.event == AnnounceEvent::Completed && entry.is_seeder() && !entry.is_counted {
            entry.is_counted = true;
            *self.completed.entry(announce.info_hash).or_default() += 1;
        }
        self.peers.insert(place, entry);
    }

    fn expire(&mut self, oldest_s: u32) {
        self.peers.retain(|_, entry| entry.seen_s >= oldest_s);
    }

    fn counts(&self, hash: TorrentId) -> (u32, u32, u32) {
        let of_swarm = || self.peers.iter().filter(move |(place, _)| place.0 == hash);
        let seeders = of_swarm().filter(|(_, entry)| entry.is_seeder()).count() as u32;
        let completed = self.completed.get(&hash).copied().unwrap_or(0);
        (seeders, completed, of_swarm().count() as u32 - seeders)
    }

    /// Everybody an asker may be told of.
    fn others(&self, announce: &Announce<'_>) -> Vec<String> {
        let place = (announce.info_hash, announce.asker.ip, announce.port);
        let is_seeder = self.peers.get(&place).is_some_and(Entry::is_seeder);
        let others = self.peers.iter().filter(|(other, entry)| {
            other.0 == place.0
                && other.1.is_ipv4() == place.1.is_ipv4()
                && **other != place
                && !(is_seeder && entry.is_seeder())
        });
        others.map(|((_, ip, port), _)| std::net::SocketAddr::new(*ip, *port).to_string()).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Announce(Announce<'static>),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop_oneof![
        4 => Just(AnnounceEvent::None),
        2 => Just(AnnounceEvent::Started),
        2 => Just(AnnounceEvent::Completed),
        3 => Just(AnnounceEvent::Stopped),
        1 => Just(AnnounceEvent::Paused),
    ];
    let announce = (0..3u32, 0..60u8, 1..3u16, 0..3u32, 0..2u64, event, any::<bool>());
    let announce = announce.prop_map(|(hash, host, port, id, left, event, is_v6)| {
        let ip: IpAddr = match is_v6 {
            true => std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, host.into(), 0, 0, 0, 1).into(),
            false => Ipv4Addr::new(198, 51, 100, host).into(),
        };
        Step::Announce(Announce {
            info_hash: other_hash(hash),
            asker: Asker::from_ip(ip),
            left,
            event,
            want: Some(74),
            ..leech("198.51.100.1", port, peer_id(id))
        })
    });
    prop_oneof![40 => announce, 1 => (1..3000u32).prop_map(Step::Wait)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_table_counts_as_a_naive_model_does(steps in prop::collection::vec(step(), 1..600)) {
        let (mut rig, mut model) = (Rig::public(), Model::default());
        for step in steps {
            match step {
                Step::Announce(announce) => {
                    let Announce { info_hash, asker, port, .. } = announce;
                    // A look ahead, as the UDP workers take it, changes nothing.
                    rig.tracker.warm(&[rig.tracker.coming(info_hash, asker, port); 2]);
                    let told = rig.peers(&announce);
                    model.announce(&announce, rig.now.clock_s);
                    let others = model.others(&announce);
                    prop_assert!(told.iter().all(|peer| others.contains(peer)));
                    if announce.event != AnnounceEvent::Stopped {
                        let cap = if announce.asker.ip.is_ipv4() { 74 } else { 66 };
                        prop_assert_eq!(told.len(), others.len().min(cap));
                    }
                }
                Step::Wait(seconds) => {
                    rig.pass(seconds);
                    model.expire(rig.now.clock_s - 3660);
                }
            }
            for hash in 0..3 {
                prop_assert_eq!(rig.counts(other_hash(hash)), model.counts(other_hash(hash)));
            }
        }
        let totals = rig.tracker.totals();
        let sums = (0..3).map(|hash| model.counts(other_hash(hash)));
        let sum = sums.fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        prop_assert_eq!((totals.seeders, totals.completed, totals.leechers),
            (sum.0.into(), sum.1.into(), sum.2.into()));
    }
}
