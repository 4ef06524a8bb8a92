//! Every swarm, in shards by a keyed hash of the info-hash: one table for UDP, HTTP and the APIs.
//!
//! An announce locks one shard once, for as long as it takes to put one peer and copy a few. The
//! sums that the ceilings need change only when a peer comes or goes, so that the announces of
//! known peers share no cache line but their swarm's.

use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use dashmap::DashMap;

use crate::domain::access::AccessKey;
use crate::domain::access::SwarmRecord;
use crate::domain::hash::TorrentId;
use crate::domain::swarm::Announce;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::PeerList;
use crate::domain::swarm::Refusal;
use crate::domain::swarm::SwarmCounts;
use crate::domain::swarm::SwarmPeer;
use crate::domain::swarm::SwarmSummary;
use crate::domain::swarm::SwarmTotals;
use crate::tracker::peers::Peers;
use crate::tracker::random::Random;
use crate::tracker::record::KeyNumber;
use crate::tracker::record::Record;
use crate::tracker::scope::Endpoint;
use crate::tracker::scope::Scope;
use crate::tracker::scope::View;
use crate::tracker::swarm::Family;
use crate::tracker::swarm::Marks;
use crate::tracker::swarm::Place;
use crate::tracker::swarm::Swarm;
use crate::tracker::swarm::Warmth;
use crate::tracker::swarm_table::SwarmTable;

/// Parts of the table with a lock each; many more than there are threads.
const SHARDS: usize = 256;
/// Peers looked at under one lock while old ones are removed.
const EXPIRE_LOOKS: usize = 4096;

/// Ceilings (vector S8, rule T6); 0 = none. At one of them what is known stays and is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Swarms in all.
    pub swarms: usize,
    /// Peers in all.
    pub peers: usize,
    /// Peers of one swarm.
    pub peers_per_swarm: usize,
    /// Swarms that one address (IPv6: one /64) may make. Not for addresses of this host.
    pub swarms_per_address: u32,
    /// Peers of one address (IPv6: one /64) in one swarm. Not for addresses of this host.
    pub peers_per_address: u32,
}

/// Every swarm.
#[derive(Debug)]
pub(crate) struct Swarms {
    shards: Box<[Shard]>,
    hasher: RandomState,
    /// Keys the hashes of endpoints.
    secret: u64,
    limits: RwLock<Limits>,
    swarms: AtomicUsize,
    peers: AtomicUsize,
    /// How many swarms each household made, while there is a ceiling for it.
    makers: DashMap<u64, u32>,
}

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Part>);

#[derive(Debug, Default)]
struct Part {
    swarms: SwarmTable,
    totals: SwarmTotals,
}

/// An announce that is about to come.
#[derive(Clone, Copy)]
pub(crate) struct Coming {
    tag: u64,
    info_hash: TorrentId,
    place: Place,
}

/// The settled parts of an announce.
#[derive(Default)]
pub(crate) struct Settled {
    /// The swarm's numbers, the asker included.
    pub(crate) counts: SwarmCounts,
    /// It was not there before.
    pub(crate) is_new: bool,
    /// The engine wants to hear of it.
    pub(crate) is_held: bool,
    /// The count of completed downloads grew.
    pub(crate) has_completed: bool,
    /// It was there and has left, and showed this key to do so.
    pub(crate) has_left: Option<KeyNumber>,
}

/// What an announce did to its peer.
#[derive(Default)]
struct Change {
    is_new: bool,
    has_completed: bool,
    has_left: bool,
}

/// How an announce is answered.
pub(crate) struct Wish<'a> {
    /// Peers at most.
    pub(crate) want: usize,
    /// What the asker is told of addresses.
    pub(crate) view: &'a View,
    /// The tracker's clock.
    pub(crate) now_s: u32,
}

impl Swarms {
    /// None yet.
    pub(crate) fn new(limits: Limits, random: &mut Random) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            secret: random.bits(),
            limits: RwLock::new(limits),
            swarms: AtomicUsize::new(0),
            peers: AtomicUsize::new(0),
            makers: DashMap::new(),
        }
    }

    /// Other ceilings, from now on; that of the swarms an address may make stays, since it is
    /// counted from the start or not at all.
    pub(crate) fn set_limits(&self, limits: Limits) {
        let mut present = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        let swarms_per_address = present.swarms_per_address;
        *present = Limits { swarms_per_address, ..limits };
    }

    fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keyed hash of an info-hash: it chooses the shard and the place in it.
    fn tag(&self, hash: &TorrentId) -> u64 {
        self.hasher.hash_one(hash)
    }

    /// The shard of a tag, locked.
    fn lock(&self, tag: u64) -> MutexGuard<'_, Part> {
        self.lock_shard(tag as usize % SHARDS)
    }

    fn lock_shard(&self, shard: usize) -> MutexGuard<'_, Part> {
        self.shards[shard].0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`Swarms::warm`] has to know of an announce.
    pub(crate) fn coming(&self, info_hash: TorrentId, place: Place) -> Coming {
        Coming { tag: self.tag(&info_hash), info_hash, place }
    }

    /// Has the memory that announces will touch brought near. Each of them follows four pointers
    /// into memory that no cache holds when there are many swarms; step by step for all of them,
    /// the waits lie side by side instead of one behind another.
    pub(crate) fn warm(&self, coming: &[Coming]) {
        let parts = || coming.iter().map(|one| (one, self.lock(one.tag)));
        parts().for_each(|(one, part)| part.swarms.prefetch_slot(one.tag));
        parts().for_each(|(one, part)| part.swarms.prefetch_swarm(one.tag));
        for step in [Warmth::Peers, Warmth::Keys, Warmth::Record] {
            for (one, part) in parts() {
                if let Some(swarm) = part.swarms.get(&one.info_hash, one.tag) {
                    swarm.warm(one.place, step, self.secret);
                }
            }
        }
    }

    /// Puts the peer and chooses others for it. `judge` decides by the swarm's marks, before
    /// anything is changed, and tells the number of the key that was shown.
    pub(crate) fn announce(
        &self,
        announce: &Announce<'_>,
        place: Place,
        wish: &Wish<'_>,
        judge: impl FnOnce(Marks) -> Result<KeyNumber, Refusal>,
        random: &mut Random,
        list: &mut PeerList,
    ) -> Result<Settled, Refusal> {
        let tag = self.tag(&announce.info_hash);
        let mut guard = self.lock(tag);
        let part = &mut *guard;
        let hash = &announce.info_hash;
        let (swarm, key_shown) = match part.swarms.get_mut(hash, tag) {
            Some(swarm) => {
                let key_shown = judge(swarm.marks)?;
                (swarm, key_shown)
            }
            None => {
                let key_shown = judge(Marks::default())?;
                if announce.event == AnnounceEvent::Stopped {
                    // Nobody leaves a swarm that is not there (vector U28).
                    return Ok(Settled::default());
                }
                let maker = self.admit_swarm(place)?;
                let make = || Swarm { maker, ..Swarm::new() };
                (part.swarms.get_or_insert_with(hash, tag, make), key_shown)
            }
        };
        let record = Record::new(announce, wish.now_s).with_key(key_shown);
        let others = swarm.len();
        let before = swarm.share();
        let outcome = match place {
            Place::V4(key) => {
                let peers = swarm.v4.get_or_insert_default();
                self.put(peers, key, (announce, record), wish, others, random, list)
            }
            Place::V6(key) => {
                let peers = swarm.v6.get_or_insert_default();
                self.put(peers, key, (announce, record), wish, others, random, list)
            }
        };
        let Change { is_new, has_completed, has_left } = match outcome {
            Ok(outcome) => outcome,
            Err(refusal) => {
                if swarm.is_idle() {
                    self.forget(part, hash, tag);
                }
                return Err(refusal);
            }
        };
        swarm.completed = swarm.completed.saturating_add(u32::from(has_completed));
        part.totals = part.totals + swarm.share() - before;
        let (counts, is_held) = (swarm.counts(), swarm.marks.is_held);
        if swarm.is_idle() {
            self.forget(part, hash, tag);
        }
        let has_left = has_left.then_some(key_shown);
        Ok(Settled { counts, is_new, is_held, has_completed, has_left })
    }

    /// Puts or removes one peer.
    #[allow(clippy::too_many_arguments, reason = "the parts of one announce, borrowed apart")]
    fn put<E: Endpoint>(
        &self,
        peers: &mut Peers<E>,
        key: E,
        (announce, mut record): (&Announce<'_>, Record),
        wish: &Wish<'_>,
        others: usize,
        random: &mut Random,
        list: &mut PeerList,
    ) -> Result<Change, Refusal> {
        let found = peers.find(&key, self.secret);
        let known = found.map(|place| *peers.record(place));
        if announce.event == AnnounceEvent::Stopped {
            // Only who came may go: another peer behind the same address cannot send it away.
            if let (Some(place), Some(record)) = (found, known)
                && record.peer_id == announce.peer_id
            {
                peers.remove(place, self.secret);
                self.peers.fetch_sub(1, Relaxed);
                return Ok(Change { has_left: true, ..Change::default() });
            }
            return Ok(Change::default());
        }
        known.iter().for_each(|known| record.inherit(known));
        let has_completed = announce.event == AnnounceEvent::Completed
            && record.is_seeder()
            && !record.is_counted();
        if has_completed {
            record.count();
        }
        let place = match found {
            Some(place) => peers.update(place, record, self.secret, random),
            None => {
                self.admit_peer(peers, &key, others)?;
                self.peers.fetch_add(1, Relaxed);
                peers.insert(key, record, self.secret, random)
            }
        };
        peers.choose(Some(place), record.is_seeder(), wish.want, wish.view, random, list);
        Ok(Change { is_new: found.is_none(), has_completed, has_left: false })
    }

    /// Whether one more swarm may be made, and by whom it counts as made.
    fn admit_swarm(&self, place: Place) -> Result<Option<u64>, Refusal> {
        let limits = self.limits();
        let is_past = |limit: usize, count: usize| limit > 0 && count >= limit;
        if is_past(limits.swarms, self.swarms.load(Relaxed))
            || is_past(limits.peers, self.peers.load(Relaxed))
        {
            return Err(Refusal::Full);
        }
        let (household, scope) = match place {
            Place::V4(key) => (key.household(), key.scope()),
            Place::V6(key) => (key.household(), key.scope()),
        };
        let limit = limits.swarms_per_address;
        let maker = (limit > 0 && scope != Scope::Loopback).then_some(household);
        if let Some(maker) = maker {
            let mut made = self.makers.entry(maker).or_default();
            if *made >= limit {
                return Err(Refusal::Full);
            }
            *made += 1;
        }
        self.swarms.fetch_add(1, Relaxed);
        Ok(maker)
    }

    fn admit_peer<E: Endpoint>(
        &self,
        peers: &Peers<E>,
        key: &E,
        others: usize,
    ) -> Result<(), Refusal> {
        let Limits { peers: in_all, peers_per_swarm, peers_per_address, .. } = self.limits();
        let is_past = |limit: usize, count: usize| limit > 0 && count >= limit;
        let is_crowded = peers_per_address > 0
            && key.scope() != Scope::Loopback
            && peers.of_household(key) >= peers_per_address;
        match is_crowded
            || is_past(in_all, self.peers.load(Relaxed))
            || is_past(peers_per_swarm, others)
        {
            true => Err(Refusal::Full),
            false => Ok(()),
        }
    }

    /// The swarm is no longer there.
    fn forget(&self, part: &mut Part, hash: &TorrentId, tag: u64) {
        let Some(swarm) = part.swarms.remove(hash, tag) else { return };
        self.swarms.fetch_sub(1, Relaxed);
        self.peers.fetch_sub(swarm.len(), Relaxed);
        if let Some(maker) = swarm.maker {
            self.makers.remove_if_mut(&maker, |_, made| {
                *made -= 1;
                *made == 0
            });
        }
    }

    /// Looks at a swarm; makes none.
    pub(crate) fn look<T>(&self, hash: &TorrentId, look: impl FnOnce(&Swarm) -> T) -> Option<T> {
        let tag = self.tag(hash);
        self.lock(tag).swarms.get(hash, tag).map(look)
    }

    /// Changes a swarm's marks or counts, making it first if it is not there; its peers are
    /// dropped when `change` says so. Not held by ceilings: what is decided here comes from us.
    pub(crate) fn change(&self, hash: &TorrentId, change: impl FnOnce(&mut Swarm) -> Keep) {
        let tag = self.tag(hash);
        let mut guard = self.lock(tag);
        let part = &mut *guard;
        let swarm = part.swarms.get_or_insert_with(hash, tag, || {
            self.swarms.fetch_add(1, Relaxed);
            Swarm::new()
        });
        let (before, share) = (swarm.len(), swarm.share());
        if change(swarm) == Keep::Nobody {
            (swarm.v4, swarm.v6) = (None, None);
        }
        part.totals = part.totals + swarm.share() - share;
        // Wraps to a subtraction when peers have gone.
        self.peers.fetch_add(swarm.len().wrapping_sub(before), Relaxed);
        if swarm.is_idle() {
            self.forget(part, hash, tag);
        }
    }

    /// The key of the endpoints' hashes, for [`Swarms::change`].
    pub(crate) fn secret(&self) -> u64 {
        self.secret
    }

    /// Removes what is older than `oldest_s` in one shard, a few peers under each lock.
    pub(crate) fn sweep(&self, shard: usize, oldest_s: u32) {
        let hashes: Vec<_> = self.lock_shard(shard).swarms.iter().map(|(hash, _)| *hash).collect();
        for hash in hashes {
            let tag = self.tag(&hash);
            let mut cursors = (usize::MAX, usize::MAX);
            while cursors != (0, 0) {
                let mut guard = self.lock_shard(shard);
                let part = &mut *guard;
                let Some(swarm) = part.swarms.get_mut(&hash, tag) else { break };
                let (before, share) = (swarm.len(), swarm.share());
                cursors.0 = self.expire(&mut swarm.v4, cursors.0, oldest_s);
                cursors.1 = self.expire(&mut swarm.v6, cursors.1, oldest_s);
                part.totals = part.totals + swarm.share() - share;
                self.peers.fetch_sub(before - swarm.len(), Relaxed);
                if swarm.is_idle() {
                    self.forget(part, &hash, tag);
                }
            }
        }
    }

    /// Removes what is older from a part of a family; returns where to go on.
    fn expire<E: Endpoint>(&self, family: &mut Family<E>, cursor: usize, oldest_s: u32) -> usize {
        let Some(peers) = family else { return 0 };
        let next = peers.expire(cursor, EXPIRE_LOOKS, oldest_s, self.secret);
        if peers.len() == 0 {
            *family = None;
        }
        next
    }

    /// How many shards there are to sweep.
    pub(crate) fn shards(&self) -> usize {
        SHARDS
    }

    /// Removes the peers that last announced with a key, from every swarm.
    pub(crate) fn remove_of_key(&self, key: KeyNumber) {
        for shard in 0..SHARDS {
            let mut guard = self.lock_shard(shard);
            let part = &mut *guard;
            let mut idle = Vec::new();
            for (hash, swarm) in part.swarms.iter_mut() {
                let (before, share) = (swarm.len(), swarm.share());
                let in_v4 = remove_of_key(&mut swarm.v4, key, self.secret);
                if in_v4 | remove_of_key(&mut swarm.v6, key, self.secret) {
                    part.totals = part.totals + swarm.share() - share;
                    self.peers.fetch_sub(before - swarm.len(), Relaxed);
                    idle.extend(swarm.is_idle().then_some(*hash));
                }
            }
            idle.iter().for_each(|hash| self.forget(part, hash, self.tag(hash)));
        }
    }

    /// All peers of a swarm.
    pub(crate) fn peers(
        &self,
        hash: &TorrentId,
        now_s: u32,
        key_of: impl Fn(KeyNumber) -> Option<AccessKey>,
    ) -> Vec<SwarmPeer> {
        let all = |swarm: &Swarm| {
            let v4 = swarm.v4.iter().flat_map(|peers| peers.list(now_s, &key_of));
            v4.chain(swarm.v6.iter().flat_map(|peers| peers.list(now_s, &key_of))).collect()
        };
        self.look(hash, all).unwrap_or_default()
    }

    /// All visible swarms, in the order of their info-hashes.
    pub(crate) fn list(&self) -> Vec<SwarmSummary> {
        let mut all = Vec::with_capacity(self.swarms.load(Relaxed));
        for shard in 0..SHARDS {
            let part = self.lock_shard(shard);
            let visible = part.swarms.iter().filter(|(_, swarm)| swarm.is_visible());
            all.extend(visible.map(|(hash, swarm)| summary(hash, swarm)));
        }
        all.sort_unstable_by_key(|summary| summary.info_hash);
        all
    }

    /// What is kept of a swarm.
    pub(crate) fn record(&self, hash: &TorrentId) -> SwarmRecord {
        let record = |swarm: &Swarm| record(hash, swarm);
        self.look(hash, record).unwrap_or_else(|| self::record(hash, &Swarm::new()))
    }

    /// The info-hashes on the whitelist, in order.
    pub(crate) fn listed(&self) -> Vec<TorrentId> {
        let mut all = Vec::new();
        for shard in 0..SHARDS {
            let part = self.lock_shard(shard);
            let listed = part.swarms.iter().filter(|(_, swarm)| swarm.marks.is_listed);
            all.extend(listed.map(|(hash, _)| *hash));
        }
        all.sort_unstable();
        all
    }

    /// Sums over all swarms.
    pub(crate) fn totals(&self) -> SwarmTotals {
        let parts = (0..SHARDS).map(|shard| self.lock_shard(shard).totals);
        parts.fold(SwarmTotals::default(), |sum, part| sum + part)
    }
}

/// Whether a change of marks spares the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// They stay.
    Peers,
    /// They are dropped.
    Nobody,
}

/// Tells whether any was there; a family without peers goes.
fn remove_of_key<E: Endpoint>(family: &mut Family<E>, key: KeyNumber, secret: u64) -> bool {
    let Some(peers) = family else { return false };
    let any = peers.remove_of_key(key, secret);
    if peers.len() == 0 {
        *family = None;
    }
    any
}

fn summary(hash: &TorrentId, swarm: &Swarm) -> SwarmSummary {
    SwarmSummary { info_hash: *hash, counts: swarm.counts(), is_flagged: swarm.marks.is_flagged }
}

fn record(hash: &TorrentId, swarm: &Swarm) -> SwarmRecord {
    let Marks { is_listed, is_flagged, mode, .. } = swarm.marks;
    SwarmRecord { info_hash: *hash, is_listed, is_flagged, mode, completed: swarm.completed }
}
