//! The tracker as a plain function: the rules of swarms, without a socket or a clock.

mod access;
mod members;
mod model;
mod swarm;
mod wire;

use std::net::IpAddr;

use crate::domain::access::Mode;
use crate::domain::access::SwarmRecord;
use crate::domain::hash::TorrentId;
use crate::domain::swarm::Announce;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::Announced;
use crate::domain::swarm::Asker;
use crate::domain::swarm::PeerList;
use crate::domain::swarm::Refusal;
use crate::domain::swarm::SwarmCounts;
use crate::tracker::Now;
use crate::tracker::Tracker;
use crate::tracker::TrackerConfig;
use crate::tracker::random::Random;

/// The info-hash of the vectors.
const IH: TorrentId = TorrentId(*b"\x124Vx\x90\x124Vx\x90\x124Vx\x90\x124Vx\x90");
/// The first peer of the vectors.
const PID1: [u8; 20] = *b"-XX0001-abcdefghijkl";
/// The second peer of the vectors.
const PID2: [u8; 20] = *b"-XX0001-000000000002";
/// The key of the vectors.
const KEY: &str = "2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD";
/// A moment to begin at.
const BEGIN: Now = Now { clock_s: 1 << 24, unix_s: 1_700_000_000 };

fn config(mode: Mode) -> TrackerConfig {
    TrackerConfig { mode, interval_s: 1800, peer_timeout_s: 3660, ..TrackerConfig::default() }
}

/// A tracker with a moment and random numbers of its own.
struct Rig {
    tracker: Tracker,
    now: Now,
    random: Random,
}

impl Rig {
    fn new(config: &TrackerConfig) -> Self {
        Self::knowing(config, &[])
    }

    fn knowing(config: &TrackerConfig, swarms: &[SwarmRecord]) -> Self {
        let tracker = Tracker::new(config, swarms, &[]);
        Self { tracker, now: BEGIN, random: Random::from_seed(7) }
    }

    fn public() -> Self {
        Self::new(&config(Mode::Public))
    }

    /// Announces, and returns the peers as text.
    fn announce(&mut self, announce: &Announce<'_>) -> Result<(Announced, Vec<String>), Refusal> {
        let mut list = PeerList::default();
        let announced = self.tracker.announce(announce, self.now, &mut self.random, &mut list)?;
        let texts = match announce.asker.ip {
            IpAddr::V4(_) => list.compact.chunks(6).map(text).collect(),
            IpAddr::V6(_) => list.compact.chunks(18).map(text).collect(),
        };
        Ok((announced, texts))
    }

    /// Announces what must be accepted, and returns the peers as text.
    #[track_caller]
    fn peers(&mut self, announce: &Announce<'_>) -> Vec<String> {
        self.announce(announce).unwrap().1
    }

    fn counts(&self, info_hash: TorrentId) -> (u32, u32, u32) {
        let SwarmCounts { seeders, completed, leechers } =
            self.tracker.scrape(&info_hash, None, self.now);
        (seeders, completed, leechers)
    }

    /// Lets time pass, and sweeps the whole table.
    fn pass(&mut self, seconds: u32) {
        self.now.clock_s += seconds;
        for _ in 0..crate::tracker::SWEEP_STEPS {
            self.tracker.sweep(self.now);
        }
    }
}

fn text(endpoint: &[u8]) -> String {
    let (ip, port) = endpoint.split_last_chunk::<2>().unwrap();
    let ip: IpAddr = match <[u8; 4]>::try_from(ip) {
        Ok(ip) => ip.into(),
        Err(_) => <[u8; 16]>::try_from(ip).unwrap().into(),
    };
    std::net::SocketAddr::new(ip, u16::from_be_bytes(*port)).to_string()
}

/// A leecher's regular announce from `ip`.
fn leech(ip: &str, port: u16, peer_id: [u8; 20]) -> Announce<'static> {
    Announce {
        info_hash: IH,
        peer_id,
        asker: Asker::from_ip(ip.parse().unwrap()),
        port,
        uploaded: 0,
        downloaded: 0,
        left: 1000,
        event: AnnounceEvent::None,
        want: None,
        key: None,
    }
}

/// A seeder's.
fn seed(ip: &str, port: u16, peer_id: [u8; 20]) -> Announce<'static> {
    Announce { left: 0, ..leech(ip, port, peer_id) }
}

fn with(event: AnnounceEvent, announce: Announce<'static>) -> Announce<'static> {
    Announce { event, ..announce }
}

/// Another swarm than that of the vectors.
fn other_hash(number: u32) -> TorrentId {
    let mut hash = [0xee; 20];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    TorrentId(hash)
}

/// Another peer than those of the vectors.
fn peer_id(number: u32) -> [u8; 20] {
    let mut id = *b"-XX0001-............";
    id[16..].copy_from_slice(&number.to_be_bytes());
    id
}
