//! The tracker inside this program: who announced what, told to whom.
//!
//! [`Tracker::announce`] is a plain function: no socket, no disk, no waiting, time and randomness
//! as arguments. UDP, HTTP and our own client meet in it.

mod access;
pub mod connection_id;
pub mod counters;
mod own;
mod peers;
mod position_index;
mod prefetch;
pub mod random;
mod record;
mod scope;
mod swarm;
mod swarm_table;
mod swarms;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
mod udp_batch;
pub mod udp_server;
#[cfg(any(test, not(target_os = "linux")))]
mod udp_single;
pub mod udp_wire;

use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::sync::Notify;
use tokio::sync::mpsc;

use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::access::Mode;
use crate::domain::access::SwarmRecord;
use crate::domain::hash::TorrentId;
use crate::domain::swarm::Announce;
use crate::domain::swarm::Announced;
use crate::domain::swarm::Asker;
use crate::domain::swarm::PEERS_MAX_V4;
use crate::domain::swarm::PEERS_MAX_V6;
use crate::domain::swarm::PeerList;
use crate::domain::swarm::Refusal;
use crate::domain::swarm::SwarmCounts;
use crate::domain::swarm::SwarmPeer;
use crate::domain::swarm::SwarmSummary;
use crate::domain::swarm::SwarmTotals;
use crate::tracker::access::Access;
use crate::tracker::counters::Counters;
pub use crate::tracker::own::OwnPeer;
use crate::tracker::random::Random;
use crate::tracker::record::KeyNumber;
pub use crate::tracker::scope::External;
use crate::tracker::scope::View;
use crate::tracker::scope::endpoint_v4;
use crate::tracker::scope::endpoint_v6;
use crate::tracker::scope::home;
use crate::tracker::swarm::Place;
use crate::tracker::swarm::Swarm;
use crate::tracker::swarms::Coming;
use crate::tracker::swarms::Keep;
pub use crate::tracker::swarms::Limits;
use crate::tracker::swarms::Swarms;
use crate::tracker::swarms::Wish;

/// Peers told when the asker leaves the number to us.
const PEERS_DEFAULT: usize = 50;
/// The interval grows by up to one part in this many, so that peers do not stay aligned (S11).
const JITTER_PARTS: u32 = 10;
/// How long all shards take to be swept once, in steps.
const SWEEP_STEPS: usize = 120;
/// New peers of held swarms that may wait for the engine; more are left to their next announce.
const NEWCOMERS_MAX: usize = 1024;
/// Peers that left and wait for whoever keeps accounts; more are seen to be gone.
const DEPARTURES_MAX: usize = 4096;
/// How far the clock is ahead at the start: nothing is older than the first moment.
const CLOCK_START_S: u32 = 1 << 24;

/// What is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerConfig {
    /// Which swarms are served, and to whom.
    pub mode: Mode,
    /// Seconds between announces.
    pub interval_s: u32,
    /// Seconds of silence after which a peer is gone.
    pub peer_timeout_s: u32,
    /// Ceilings.
    pub limits: Limits,
    /// Under which addresses the world reaches this household, as far as configured.
    pub external: External,
}

/// A moment, as far as the tracker cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Seconds of a clock that only goes forward; for peers (vector S12).
    pub clock_s: u32,
    /// Unix seconds of wall time; for keys.
    pub unix_s: i64,
}

/// A new peer of a swarm that the engine holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// The swarm.
    pub info_hash: TorrentId,
    /// Where this host reaches the peer.
    pub address: SocketAddr,
}

/// A peer that has left a swarm, with the key it was there with; what it said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The swarm.
    pub info_hash: TorrentId,
    /// The second of the tracker's clock in which it left.
    pub clock_s: u32,
    /// The peer.
    pub peer: SwarmPeer,
}

/// The handle everybody clones.
#[derive(Clone, Debug)]
pub struct Tracker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    swarms: Swarms,
    access: Access,
    interval_s: AtomicU32,
    peer_timeout_s: AtomicU32,
    external: RwLock<External>,
    configured: External,
    counters: Counters,
    started: Instant,
    next_shard: AtomicUsize,
    completed: Mutex<HashSet<TorrentId>>,
    completed_grew: Notify,
    newcomers: OnceLock<mpsc::Sender<Newcomer>>,
    departures: OnceLock<mpsc::Sender<Departure>>,
}

impl Tracker {
    /// A tracker that knows what was kept.
    pub fn new(config: &TrackerConfig, swarms: &[SwarmRecord], keys: &[KeyRecord]) -> Self {
        let table = Swarms::new(config.limits, &mut Random::from_os());
        for record in swarms {
            table.change(&record.info_hash, |swarm| {
                swarm.completed = record.completed;
                swarm.marks.is_listed = record.is_listed;
                swarm.marks.is_flagged = record.is_flagged;
                swarm.marks.mode = record.mode;
                Keep::Peers
            });
        }
        let inner = Inner {
            swarms: table,
            access: Access::new(config.mode, keys),
            interval_s: AtomicU32::new(config.interval_s),
            peer_timeout_s: AtomicU32::new(config.peer_timeout_s),
            external: RwLock::new(config.external),
            configured: config.external,
            counters: Counters::new(),
            started: Instant::now(),
            next_shard: AtomicUsize::new(0),
            completed: Mutex::default(),
            completed_grew: Notify::new(),
            newcomers: OnceLock::new(),
            departures: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let clock_s = CLOCK_START_S.saturating_add(
            u32::try_from(self.inner.started.elapsed().as_secs()).unwrap_or(u32::MAX),
        );
        let unix_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        Now { clock_s, unix_s }
    }

    /// Where an announce will be looked up, for [`Tracker::warm`].
    pub(crate) fn coming(&self, info_hash: TorrentId, asker: Asker, port: u16) -> Coming {
        self.inner.swarms.coming(info_hash, place_of(asker, port))
    }

    /// Has the memory that announces will touch brought near, before they come one by one.
    pub(crate) fn warm(&self, coming: &[Coming]) {
        self.inner.swarms.warm(coming);
    }

    /// Takes note of a peer and tells it of others, appended to `list`.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is stored then.
    pub fn announce(
        &self,
        announce: &Announce<'_>,
        now: Now,
        random: &mut Random,
        list: &mut PeerList,
    ) -> Result<Announced, Refusal> {
        let inner = &*self.inner;
        if announce.port == 0 {
            return Err(Refusal::InvalidPort);
        }
        let asker = announce.asker;
        let place = place_of(asker, announce.port);
        let want_max = match place {
            Place::V4(_) => PEERS_MAX_V4,
            Place::V6(_) => PEERS_MAX_V6,
        };
        let view = View::of(asker, self.external());
        let want = announce.want.map_or(PEERS_DEFAULT, |want| want as usize).min(want_max);
        let wish = Wish { want, view: &view, now_s: now.clock_s };
        let hash = &announce.info_hash;
        let judge = |marks| inner.access.judge((hash, marks), announce.key, asker.ip, now);
        let settled = inner.swarms.announce(announce, place, &wish, judge, random, list)?;
        if settled.has_completed {
            self.note_completed(announce.info_hash);
        }
        if settled.is_new && settled.is_held {
            self.tell_engine(announce.info_hash, SocketAddr::new(home(asker), announce.port));
        }
        if let Some(number) = settled.has_left {
            self.tell_left(announce, number, now.clock_s);
        }
        let SwarmCounts { seeders, leechers, completed } = settled.counts;
        let interval_s = self.interval_s();
        let jitter = random.below((interval_s / JITTER_PARTS) as usize + 1) as u32;
        Ok(Announced { interval_s: interval_s + jitter, seeders, leechers, completed })
    }

    /// The numbers of a swarm; zeros for one that is unknown or not for the asker's eyes.
    pub fn scrape(&self, info_hash: &TorrentId, key: Option<&[u8]>, now: Now) -> SwarmCounts {
        let inner = &*self.inner;
        let shown = |swarm: &Swarm| {
            let is_shown = inner.access.shows(info_hash, swarm.marks, key, now);
            is_shown.then(|| swarm.public_counts())
        };
        inner.swarms.look(info_hash, shown).flatten().unwrap_or_default()
    }

    /// Seconds between announces, without jitter.
    pub fn interval_s(&self) -> u32 {
        self.inner.interval_s.load(Relaxed)
    }

    /// Changes mode, interval and ceilings, from the next packet on. Peers of swarms that are no
    /// longer served are dropped (vector S10). What is beyond a lower ceiling stays; how many
    /// swarms an address may make and the addresses of the household are as they were.
    pub fn configure(&self, config: &TrackerConfig) {
        let inner = &*self.inner;
        inner.interval_s.store(config.interval_s, Relaxed);
        inner.peer_timeout_s.store(config.peer_timeout_s, Relaxed);
        inner.swarms.set_limits(config.limits);
        if inner.access.mode() != config.mode {
            inner.access.set_mode(config.mode);
            for summary in self.list() {
                inner.swarms.change(&summary.info_hash, |swarm| self.keep(swarm));
            }
        }
    }

    /// Seconds of silence after which a peer is gone.
    pub fn peer_timeout_s(&self) -> u32 {
        self.inner.peer_timeout_s.load(Relaxed)
    }

    /// The mode of swarms without one of their own.
    pub fn mode(&self) -> Mode {
        self.inner.access.mode()
    }

    /// What is counted.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// A swarm's numbers, for our own APIs; `None` when there is nothing to show.
    pub fn swarm(&self, info_hash: &TorrentId) -> Option<SwarmSummary> {
        let summary = |swarm: &Swarm| {
            let (counts, is_flagged) = (swarm.counts(), swarm.marks.is_flagged);
            swarm.is_visible().then_some(SwarmSummary { info_hash: *info_hash, counts, is_flagged })
        };
        self.inner.swarms.look(info_hash, summary).flatten()
    }

    /// A swarm's peers.
    pub fn peers(&self, info_hash: &TorrentId) -> Vec<SwarmPeer> {
        let access = &self.inner.access;
        self.inner.swarms.peers(info_hash, self.now().clock_s, |number| access.key_of(number))
    }

    /// Whether somebody at `remote`, who reached this host at `local`, has a place in a swarm that
    /// was announced with a key which is good now. Our own client is nobody's proof.
    pub fn is_member(
        &self,
        info_hash: &TorrentId,
        remote: IpAddr,
        local: IpAddr,
        now: Now,
    ) -> bool {
        let (ip, access) = (home(Asker::new(remote, local)), &self.inner.access);
        let has_good = |swarm: &Swarm| {
            let v4 = swarm.v4.iter().flat_map(|peers| peers.keys_at(ip));
            let v6 = swarm.v6.iter().flat_map(|peers| peers.keys_at(ip));
            v4.chain(v6).any(|number| access.is_good(info_hash, number, now))
        };
        self.inner.swarms.look(info_hash, has_good).unwrap_or(false)
    }

    /// All swarms with something to show, in the order of their info-hashes.
    pub fn list(&self) -> Vec<SwarmSummary> {
        self.inner.swarms.list()
    }

    /// Sums over all swarms.
    pub fn totals(&self) -> SwarmTotals {
        self.inner.swarms.totals()
    }

    /// What is to be kept of a swarm.
    pub fn record(&self, info_hash: &TorrentId) -> SwarmRecord {
        self.inner.swarms.record(info_hash)
    }

    /// The whitelist, in order.
    pub fn listed(&self) -> Vec<TorrentId> {
        self.inner.swarms.listed()
    }

    /// Puts a swarm on the whitelist or takes it off; then its peers go, unless it is still
    /// served (vector S10).
    pub fn set_listed(&self, info_hash: &TorrentId, is_listed: bool) {
        self.inner.swarms.change(info_hash, |swarm| {
            swarm.marks.is_listed = is_listed;
            self.keep(swarm)
        });
    }

    /// Refuses a swarm to everybody, or no longer.
    pub fn set_flagged(&self, info_hash: &TorrentId, is_flagged: bool) {
        self.inner.swarms.change(info_hash, |swarm| {
            swarm.marks.is_flagged = is_flagged;
            self.keep(swarm)
        });
    }

    /// Gives a swarm a mode of its own, or takes it.
    pub fn set_mode(&self, info_hash: &TorrentId, mode: Option<Mode>) {
        self.inner.swarms.change(info_hash, |swarm| {
            swarm.marks.mode = mode;
            self.keep(swarm)
        });
    }

    /// Forgets a swarm altogether, whatever is known of it; tells whether anything was.
    pub fn forget(&self, info_hash: &TorrentId) -> bool {
        let was_there = self.swarm(info_hash).is_some();
        self.inner.swarms.change(info_hash, |swarm| {
            let own = (swarm.marks.is_own, swarm.marks.is_held);
            *swarm = Swarm::new();
            (swarm.marks.is_own, swarm.marks.is_held) = own;
            Keep::Nobody
        });
        was_there
    }

    fn keep(&self, swarm: &Swarm) -> Keep {
        let is_served = self.inner.access.serves(swarm.marks) && !swarm.marks.is_flagged;
        if is_served { Keep::Peers } else { Keep::Nobody }
    }

    /// Lets in who has the key, from the next packet on.
    pub fn add_key(&self, record: KeyRecord) {
        self.inner.access.add_key(&record);
    }

    /// Lets a key in to these swarms and no others, or to all, from the next packet on.
    pub fn limit_key(&self, key: &AccessKey, only: Option<HashSet<TorrentId>>) {
        self.inner.access.limit_key(key, only);
    }

    /// Lets in nobody with the key, from the next packet on, and drops the peers that came with
    /// it; tells whether it was there.
    pub fn remove_key(&self, key: &AccessKey) -> bool {
        let Some(number) = self.inner.access.remove_key(key) else { return false };
        self.inner.swarms.remove_of_key(number);
        self.inner.access.free_number(number);
        true
    }

    /// All keys, expired ones too.
    pub fn keys(&self) -> Vec<KeyRecord> {
        self.inner.access.keys()
    }

    /// The new peers of our own client's swarms from now on; only the first caller gets them.
    pub fn newcomers(&self) -> Option<mpsc::Receiver<Newcomer>> {
        let (sender, receiver) = mpsc::channel(NEWCOMERS_MAX);
        self.inner.newcomers.set(sender).ok().map(|()| receiver)
    }

    /// The peers with a key that leave from now on; only the first caller gets them.
    pub fn departures(&self) -> Option<mpsc::Receiver<Departure>> {
        let (sender, receiver) = mpsc::channel(DEPARTURES_MAX);
        self.inner.departures.set(sender).ok().map(|()| receiver)
    }

    fn tell_left(&self, announce: &Announce<'_>, number: KeyNumber, clock_s: u32) {
        let Some(departures) = self.inner.departures.get() else { return };
        let Some(key) = self.inner.access.key_of(number) else { return };
        let peer = SwarmPeer {
            peer_id: announce.peer_id,
            address: SocketAddr::new(home(announce.asker), announce.port),
            uploaded: announce.uploaded,
            downloaded: announce.downloaded,
            left: announce.left,
            event: announce.event,
            age_s: 0,
            is_seeder: announce.left == 0,
            is_own: false,
            key: Some(key),
        };
        // A full queue is no loss: that it is gone is seen, and what it had said before.
        let _ = departures.try_send(Departure { info_hash: announce.info_hash, clock_s, peer });
    }

    fn tell_engine(&self, info_hash: TorrentId, address: SocketAddr) {
        if let Some(newcomers) = self.inner.newcomers.get() {
            // A full queue is no loss: the engine meets the peer at its own next announce.
            let _ = newcomers.try_send(Newcomer { info_hash, address });
        }
    }

    /// Under which addresses the world reaches this household.
    pub fn external(&self) -> External {
        *self.inner.external.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others see this household as `ip`. A configured address of its family counts for more, and
    /// one that is not of the outside for nothing.
    pub fn learn_external(&self, ip: IpAddr) {
        if !scope::is_global(ip) {
            return;
        }
        let mut external = self.inner.external.write().unwrap_or_else(PoisonError::into_inner);
        match ip.to_canonical() {
            IpAddr::V4(ip) if self.inner.configured.v4.is_none() => external.v4 = Some(ip),
            IpAddr::V6(ip) if self.inner.configured.v6.is_none() => external.v6 = Some(ip),
            _ => {}
        }
    }

    /// Removes silent peers in a part of the table; `SWEEP_STEPS` calls see all of it.
    pub fn sweep(&self, now: Now) {
        let swarms = &self.inner.swarms;
        let oldest_s = now.clock_s.saturating_sub(self.inner.peer_timeout_s.load(Relaxed));
        for _ in 0..swarms.shards().div_ceil(SWEEP_STEPS) {
            let shard = self.inner.next_shard.fetch_add(1, Relaxed) % swarms.shards();
            swarms.sweep(shard, oldest_s);
        }
    }

    /// Waits until a completed count grew, and takes the swarms whose counts did.
    pub async fn completed(&self) -> Vec<SwarmRecord> {
        loop {
            let grown = self.completed_now();
            if !grown.is_empty() {
                return grown;
            }
            self.inner.completed_grew.notified().await;
        }
    }

    /// Takes the swarms whose completed counts have grown, if any.
    pub fn completed_now(&self) -> Vec<SwarmRecord> {
        let mut grown = self.inner.completed.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = std::mem::take(&mut *grown);
        grown.iter().map(|hash| self.record(hash)).collect()
    }

    /// The completed count of a swarm grew, or could not be kept and has to be tried again.
    pub fn note_completed(&self, info_hash: TorrentId) {
        let mut grown = self.inner.completed.lock().unwrap_or_else(PoisonError::into_inner);
        grown.insert(info_hash);
        drop(grown);
        self.inner.completed_grew.notify_one();
    }
}

/// Which peer an announce is of.
fn place_of(asker: Asker, port: u16) -> Place {
    match home(asker) {
        IpAddr::V4(ip) => Place::V4(endpoint_v4(ip, port)),
        IpAddr::V6(ip) => Place::V6(endpoint_v6(ip, port)),
    }
}
