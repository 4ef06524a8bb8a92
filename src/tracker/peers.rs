//! The peers of one address family in one swarm: leechers first, then seeders.
//!
//! Keys and records lie in arrays of their own, so that an answer is a copy of neighbouring keys.
//! A new peer goes to a random place, and an answer begins at a random one: every peer is told of
//! equally often, at a cost of the number told and not of the size of the swarm.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::domain::access::AccessKey;
use crate::domain::swarm::PeerList;
use crate::domain::swarm::SwarmPeer;
use crate::tracker::position_index::PositionIndex;
use crate::tracker::prefetch::prefetch;
use crate::tracker::random::Random;
use crate::tracker::record::KeyNumber;
use crate::tracker::record::Record;
use crate::tracker::scope::Endpoint;
use crate::tracker::scope::Scope;
use crate::tracker::scope::View;

/// Up to here looking at every key is faster than an index, and takes no memory.
const INDEX_FROM: usize = 17;
/// Keys looked at for each one wanted, when some cannot be told.
const LOOKS_A_PEER: usize = 4;

/// Peers of one family.
#[derive(Debug)]
pub(crate) struct Peers<E> {
    keys: Vec<E>,
    records: Vec<Record>,
    /// The first so many are leechers.
    leechers: u32,
    /// How many are on this host, and how many on the local network.
    near: [u32; 2],
    /// Our own client, if it is here: whether it is complete.
    own: Option<bool>,
    large: Option<Box<Large>>,
}

/// What only a large swarm needs.
#[derive(Debug)]
struct Large {
    index: PositionIndex,
    /// Peers of each household, for the ceiling (vector S8).
    households: HashMap<u64, u32>,
}

impl<E: Endpoint> Default for Peers<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Endpoint> Peers<E> {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            keys: Vec::new(),
            records: Vec::new(),
            leechers: 0,
            near: [0; 2],
            own: None,
            large: None,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many are not complete.
    pub(crate) fn leechers(&self) -> u32 {
        self.leechers
    }

    /// How many are complete.
    pub(crate) fn seeders(&self) -> u32 {
        self.keys.len() as u32 - self.leechers
    }

    /// Our own client, if it is here: whether it is complete.
    pub(crate) fn own(&self) -> Option<bool> {
        self.own
    }

    /// The place of the peer at `key`.
    pub(crate) fn find(&self, key: &E, secret: u64) -> Option<usize> {
        match &self.large {
            None => self.keys.iter().position(|known| known == key),
            Some(large) => large.index.find(mix(key, secret), |place| self.keys[place] == *key),
        }
    }

    /// Has the keys brought near; of a large swarm, what the index over them begins with.
    pub(crate) fn prefetch_keys(&self) {
        match &self.large {
            None => prefetch(self.keys.as_slice()),
            Some(large) => prefetch(&**large),
        }
    }

    /// Has the record at `key` brought near, if it is known; not in a large swarm, where finding
    /// it is half of the work.
    pub(crate) fn prefetch_record(&self, key: &E, secret: u64) {
        match &self.large {
            None => {
                if let Some(place) = self.find(key, secret) {
                    prefetch(&self.records[place]);
                }
            }
            Some(large) => large.index.prefetch(mix(key, secret)),
        }
    }

    /// The record at a place.
    pub(crate) fn record(&self, place: usize) -> &Record {
        &self.records[place]
    }

    /// Peers of the household of `key`.
    pub(crate) fn of_household(&self, key: &E) -> u32 {
        let household = key.household();
        match &self.large {
            None => self.keys.iter().filter(|known| known.household() == household).count() as u32,
            Some(large) => large.households.get(&household).copied().unwrap_or(0),
        }
    }

    /// Adds a peer that is not there yet, at a random place among its kind; returns the place.
    pub(crate) fn insert(
        &mut self,
        key: E,
        record: Record,
        secret: u64,
        random: &mut Random,
    ) -> usize {
        self.grow(secret);
        let last = self.keys.len();
        self.keys.push(key);
        self.records.push(record);
        self.note_own(&record);
        if let Some(near) = self.near_of(&key) {
            *near += 1;
        }
        if let Some(large) = &mut self.large {
            large.index.insert(mix(&key, secret), last);
            *large.households.entry(key.household()).or_default() += 1;
        }
        self.take_place(last, record.is_seeder(), secret, random)
    }

    /// Replaces the record at a place; returns the place it is at afterwards.
    pub(crate) fn update(
        &mut self,
        place: usize,
        record: Record,
        secret: u64,
        random: &mut Random,
    ) -> usize {
        self.records[place] = record;
        self.note_own(&record);
        let was_seeder = place >= self.leechers as usize;
        match (was_seeder, record.is_seeder()) {
            (false, true) => {
                let last = self.leechers as usize - 1;
                self.swap(place, last, secret);
                self.leechers -= 1;
                self.shuffle_seeder(last, secret, random)
            }
            (true, false) => self.take_place(place, false, secret, random),
            _ => place,
        }
    }

    /// Removes the peer at a place.
    pub(crate) fn remove(&mut self, mut place: usize, secret: u64) -> Record {
        let last = self.keys.len() - 1;
        if place < self.leechers as usize {
            let last_leecher = self.leechers as usize - 1;
            self.swap(place, last_leecher, secret);
            self.leechers -= 1;
            place = last_leecher;
        }
        self.swap(place, last, secret);
        let key = self.keys[last];
        if let Some(near) = self.near_of(&key) {
            *near -= 1;
        }
        if let Some(large) = &mut self.large {
            let keys = &self.keys;
            large.index.remove(mix(&key, secret), last, |place| mix(&keys[place], secret));
            if let Some(count) = large.households.get_mut(&key.household()) {
                *count -= 1;
                if *count == 0 {
                    large.households.remove(&key.household());
                }
            }
        }
        self.keys.pop();
        let record = self.records[last];
        self.records.pop();
        if record.is_own() {
            self.own = None;
        }
        self.shrink(secret);
        record
    }

    /// Appends up to `want` peers for the asker, who is at place `own` if it is one itself.
    /// Seeders are told of leechers only (vector S5).
    pub(crate) fn choose(
        &self,
        own: Option<usize>,
        asker_is_seeder: bool,
        want: usize,
        view: &View,
        random: &mut Random,
        list: &mut PeerList,
    ) {
        let end = if asker_is_seeder { self.leechers as usize } else { self.keys.len() };
        let own = own.filter(|own| *own < end);
        let others = end - usize::from(own.is_some());
        if others == 0 || want == 0 {
            return;
        }
        let start = random.below(others);
        let own = own.unwrap_or(usize::MAX);
        if list.ids.is_none() && view.is_verbatim(self.nearest()) {
            let end = (start + want).min(others);
            self.copy(start, end, own, list);
            self.copy(0, (want - (end - start)).min(start), own, list);
            return;
        }
        let mut left = want;
        for number in 0..others.min(want.saturating_mul(LOOKS_A_PEER)) {
            let at = (start + number) % others;
            let place = at + usize::from(at >= own);
            let Some(told) = self.keys[place].told_to(view) else { continue };
            list.compact.extend_from_slice(told.as_ref());
            if let Some(ids) = &mut list.ids {
                ids.push(self.records[place].peer_id);
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }

    /// Appends the keys with the numbers `from..to`, counted without the place `own`.
    fn copy(&self, from: usize, to: usize, own: usize, list: &mut PeerList) {
        let split = own.clamp(from, to);
        list.compact.extend_from_slice(E::flat(&self.keys[from..split]));
        if split < to {
            list.compact.extend_from_slice(E::flat(&self.keys[split + 1..to + 1]));
        }
    }

    /// Removes up to `looks` places downwards from `cursor` that are older than `oldest_s`, and
    /// returns where to go on. Going down, what a removal moves has been looked at already.
    pub(crate) fn expire(
        &mut self,
        cursor: usize,
        looks: usize,
        oldest_s: u32,
        secret: u64,
    ) -> usize {
        let mut place = cursor.min(self.keys.len());
        let stop = place.saturating_sub(looks);
        while place > stop {
            place -= 1;
            let Some(record) = self.records.get(place) else { continue };
            if !record.is_own() && record.seen_s < oldest_s {
                self.remove(place, secret);
            }
        }
        stop
    }

    /// The keys that peers at `ip`, our own client aside, last announced with.
    pub(crate) fn keys_at(&self, ip: IpAddr) -> impl Iterator<Item = KeyNumber> {
        let both = self.keys.iter().zip(&self.records);
        let there = both.filter(move |(key, record)| key.socket().ip() == ip && !record.is_own());
        there.map(|(_, record)| record.key)
    }

    /// Removes the peers that last announced with a key; tells whether there were any.
    pub(crate) fn remove_of_key(&mut self, key: KeyNumber, secret: u64) -> bool {
        let before = self.keys.len();
        // Going down, what a removal moves has been looked at already.
        for place in (0..before).rev() {
            if self.records.get(place).is_some_and(|record| record.key == key) {
                self.remove(place, secret);
            }
        }
        self.keys.len() < before
    }

    /// All of them, as the APIs print them; `key_of` knows the keys by their numbers.
    pub(crate) fn list(
        &self,
        now_s: u32,
        key_of: impl Fn(KeyNumber) -> Option<AccessKey>,
    ) -> impl Iterator<Item = SwarmPeer> {
        self.keys.iter().zip(&self.records).map(move |(key, record)| SwarmPeer {
            peer_id: record.peer_id,
            address: key.socket(),
            uploaded: record.uploaded,
            downloaded: record.downloaded,
            left: record.left,
            event: record.event(),
            age_s: now_s.saturating_sub(record.seen_s),
            is_seeder: record.is_seeder(),
            is_own: record.is_own(),
            key: key_of(record.key),
        })
    }

    /// Puts our own client, in place of an entry under another port.
    pub(crate) fn put_own(&mut self, key: E, record: Record, secret: u64, random: &mut Random) {
        match self.find(&key, secret) {
            Some(place) => {
                self.update(place, record, secret, random);
            }
            None => {
                self.remove_own(secret);
                self.insert(key, record, secret, random);
            }
        }
    }

    /// Removes our own client.
    pub(crate) fn remove_own(&mut self, secret: u64) {
        if let Some(place) = self.records.iter().position(Record::is_own) {
            self.remove(place, secret);
        }
    }

    fn note_own(&mut self, record: &Record) {
        if record.is_own() {
            self.own = Some(record.is_seeder());
        }
    }

    /// The nearest scope among the keys.
    fn nearest(&self) -> Scope {
        match self.near {
            [0, 0] => Scope::Global,
            [0, _] => Scope::Private,
            _ => Scope::Loopback,
        }
    }

    fn near_of(&mut self, key: &E) -> Option<&mut u32> {
        match key.scope() {
            Scope::Loopback => Some(&mut self.near[0]),
            Scope::Private => Some(&mut self.near[1]),
            Scope::Global | Scope::Nowhere => None,
        }
    }

    /// Brings the seeder or leecher at `place`, which is among the seeders, to a random place.
    fn take_place(
        &mut self,
        place: usize,
        is_seeder: bool,
        secret: u64,
        random: &mut Random,
    ) -> usize {
        if is_seeder {
            return self.shuffle_seeder(place, secret, random);
        }
        let last = self.leechers as usize;
        self.swap(place, last, secret);
        self.leechers += 1;
        let chosen = random.below(last + 1);
        self.swap(last, chosen, secret);
        chosen
    }

    fn shuffle_seeder(&mut self, place: usize, secret: u64, random: &mut Random) -> usize {
        let first = self.leechers as usize;
        let chosen = first + random.below(self.keys.len() - first);
        self.swap(place, chosen, secret);
        chosen
    }

    fn swap(&mut self, one: usize, other: usize, secret: u64) {
        if one == other {
            return;
        }
        self.keys.swap(one, other);
        self.records.swap(one, other);
        if let Some(large) = &mut self.large {
            let (to_one, to_other) = (mix(&self.keys[one], secret), mix(&self.keys[other], secret));
            // Both are marked before one of them is found at the other's old place.
            large.index.relocate(to_one, other, usize::MAX >> 33);
            large.index.relocate(to_other, one, other);
            large.index.relocate(to_one, usize::MAX >> 33, one);
        }
    }

    /// Makes room for one more, in small steps: doubling would leave a quarter of it unused.
    fn grow(&mut self, secret: u64) {
        let len = self.keys.len();
        if len == self.keys.capacity() {
            self.keys.reserve_exact(len / 16 + 1);
        }
        if len == self.records.capacity() {
            self.records.reserve_exact(len / 16 + 1);
        }
        let fits = self.large.as_ref().is_some_and(|large| large.index.has_room(len + 1));
        if len + 1 >= INDEX_FROM && !fits {
            self.index_anew(secret, (len + 1) * 3 / 2);
        }
    }

    fn shrink(&mut self, secret: u64) {
        let len = self.keys.len();
        if len + 16 < self.keys.capacity() / 2 || len == 0 {
            self.keys.shrink_to(len + len / 8);
            self.records.shrink_to(len + len / 8);
        }
        match &self.large {
            Some(_) if len < INDEX_FROM / 2 => self.large = None,
            Some(large) if large.index.is_wasteful(len) => self.index_anew(secret, len * 3 / 2),
            _ => {}
        }
    }

    fn index_anew(&mut self, secret: u64, room: usize) {
        let mut index = PositionIndex::with_room(room);
        let mut households = HashMap::new();
        for (place, key) in self.keys.iter().enumerate() {
            index.insert(mix(key, secret), place);
            *households.entry(key.household()).or_default() += 1;
        }
        self.large = Some(Box::new(Large { index, households }));
    }
}

/// A keyed hash: who chooses ports cannot choose slots.
fn mix<E: Endpoint>(key: &E, secret: u64) -> u64 {
    let wide = u128::from(key.fold() ^ secret) * u128::from(secret | 1);
    let folded = (wide >> 64) as u64 ^ wide as u64;
    let wide = u128::from(folded ^ 0x9e37_79b9_7f4a_7c15) * u128::from(secret.rotate_left(32) | 1);
    (wide >> 64) as u64 ^ wide as u64
}
