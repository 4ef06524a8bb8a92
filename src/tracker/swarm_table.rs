//! From an info-hash to its swarm: open addressing over boxed swarms.
//!
//! A table of the standard library would do, but for one thing: it does not say where it is going
//! to look. Here the slot follows from the tag alone, so that it can be fetched into the
//! processor's cache before it is needed (see [`Swarms::warm`](super::swarms::Swarms::warm)).

use crate::domain::hash::TorrentId;
use crate::tracker::prefetch::prefetch;
use crate::tracker::swarm::Swarm;

/// How full the table may be: seven of eight slots.
const LOAD: (usize, usize) = (7, 8);
/// The smallest table that holds anything.
const SLOTS_MIN: usize = 4;

/// Swarms by info-hash. Whoever asks brings the tag: a keyed hash of the info-hash, always the
/// same for one info-hash. Its upper half chooses the slot; who uses several tables may choose
/// among them by the lower.
#[derive(Debug, Default)]
pub(crate) struct SwarmTable {
    /// None, or a power of two.
    slots: Box<[Slot]>,
    len: usize,
}

#[derive(Debug, Default)]
struct Slot {
    tag: u64,
    // Boxed: free slots would cost a swarm each.
    entry: Option<Box<Entry>>,
}

#[derive(Debug)]
struct Entry {
    info_hash: TorrentId,
    swarm: Swarm,
}

impl SwarmTable {
    /// A swarm.
    pub(crate) fn get(&self, info_hash: &TorrentId, tag: u64) -> Option<&Swarm> {
        let slot = self.find(info_hash, tag)?;
        self.slots[slot].entry.as_ref().map(|entry| &entry.swarm)
    }

    /// A swarm, to be changed.
    pub(crate) fn get_mut(&mut self, info_hash: &TorrentId, tag: u64) -> Option<&mut Swarm> {
        let slot = self.find(info_hash, tag)?;
        self.slots[slot].entry.as_mut().map(|entry| &mut entry.swarm)
    }

    /// A swarm, made by `make` if it is not there yet.
    pub(crate) fn get_or_insert_with(
        &mut self,
        info_hash: &TorrentId,
        tag: u64,
        make: impl FnOnce() -> Swarm,
    ) -> &mut Swarm {
        let slot = self.find(info_hash, tag).unwrap_or_else(|| {
            if (self.len + 1) * LOAD.1 > self.slots.len() * LOAD.0 {
                self.resize((self.slots.len() * 2).max(SLOTS_MIN));
            }
            self.len += 1;
            let mut slot = self.first(tag);
            while self.slots[slot].entry.is_some() {
                slot = self.next(slot);
            }
            slot
        });
        let Slot { tag: tag_there, entry } = &mut self.slots[slot];
        *tag_there = tag;
        let info_hash = *info_hash;
        &mut entry.get_or_insert_with(|| Box::new(Entry { info_hash, swarm: make() })).swarm
    }

    /// Takes a swarm out.
    pub(crate) fn remove(&mut self, info_hash: &TorrentId, tag: u64) -> Option<Swarm> {
        let mut gap = self.find(info_hash, tag)?;
        let gone = self.slots[gap].entry.take();
        self.len -= 1;
        let mask = self.slots.len() - 1;
        let mut slot = self.next(gap);
        while self.slots[slot].entry.is_some() {
            let wished = self.first(self.slots[slot].tag);
            // It may move into the gap unless its wished slot lies behind the gap.
            if slot.wrapping_sub(wished) & mask >= slot.wrapping_sub(gap) & mask {
                self.slots.swap(gap, slot);
                gap = slot;
            }
            slot = self.next(slot);
        }
        if self.slots.len() > 64 && self.len < self.slots.len() / 4 {
            self.resize(self.slots.len() / 2);
        }
        gone.map(|entry| entry.swarm)
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TorrentId, &Swarm)> {
        let entries = self.slots.iter().filter_map(|slot| slot.entry.as_deref());
        entries.map(|entry| (&entry.info_hash, &entry.swarm))
    }

    /// All of them, to be changed, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&TorrentId, &mut Swarm)> {
        let entries = self.slots.iter_mut().filter_map(|slot| slot.entry.as_deref_mut());
        entries.map(|entry| (&entry.info_hash, &mut entry.swarm))
    }

    /// Has the slot of a tag brought near.
    pub(crate) fn prefetch_slot(&self, tag: u64) {
        if !self.slots.is_empty() {
            prefetch(&self.slots[self.first(tag)]);
        }
    }

    /// Has the swarm of a tag brought near, once its slot is.
    pub(crate) fn prefetch_swarm(&self, tag: u64) {
        if let Some(entry) = self.probe(tag).find_map(|slot| self.slots[slot].entry.as_deref()) {
            prefetch(entry);
        }
    }

    /// The slots whose tag is this one.
    fn probe(&self, tag: u64) -> impl Iterator<Item = usize> {
        let first = (!self.slots.is_empty()).then(|| self.first(tag));
        let run = std::iter::successors(first, |slot| Some(self.next(*slot)));
        let taken = run.take_while(|slot| self.slots[*slot].entry.is_some());
        taken.filter(move |slot| self.slots[*slot].tag == tag)
    }

    fn find(&self, info_hash: &TorrentId, tag: u64) -> Option<usize> {
        let is_it = |slot: &usize| {
            self.slots[*slot].entry.as_ref().is_some_and(|entry| entry.info_hash == *info_hash)
        };
        self.probe(tag).find(is_it)
    }

    fn resize(&mut self, slots: usize) {
        let slots = (0..slots).map(|_| Slot::default()).collect();
        for old in std::mem::replace(&mut self.slots, slots) {
            if old.entry.is_some() {
                let mut slot = self.first(old.tag);
                while self.slots[slot].entry.is_some() {
                    slot = self.next(slot);
                }
                self.slots[slot] = old;
            }
        }
    }

    fn first(&self, tag: u64) -> usize {
        (tag >> 32) as usize & (self.slots.len() - 1)
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::tracker::random::Random;

    fn id(number: u64) -> TorrentId {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        TorrentId(bytes)
    }

    /// Against a table that is known to be right. Tags of few values make long runs, and info-hashes
    /// that share a tag.
    #[test]
    fn it_does_what_the_standard_library_does() {
        let mut random = Random::from_seed(7);
        let (mut table, mut model) = (SwarmTable::default(), HashMap::new());
        for round in 0..40_000 {
            // Grows to hundreds, shrinks to few, and again.
            let number = random.below(if round % 20_000 < 10_000 { 600 } else { 40 }) as u64;
            let (key, tag) = (id(number), (number % 48) << 32);
            if random.below(100) < 55 {
                let completed = random.below(1000) as u32;
                let swarm = table.get_or_insert_with(&key, tag, Swarm::new);
                swarm.completed = completed;
                model.insert(number, completed);
            } else {
                let gone = table.remove(&key, tag).map(|swarm| swarm.completed);
                assert_eq!(gone, model.remove(&number));
            }
            if round % 20_000 >= 10_000 {
                let number = 40 + random.below(560) as u64;
                let gone = table.remove(&id(number), (number % 48) << 32);
                assert_eq!(gone.map(|swarm| swarm.completed), model.remove(&number));
            }
            assert_eq!(table.len, model.len());
            let asked = random.below(600) as u64;
            let found = table.get(&id(asked), (asked % 48) << 32).map(|swarm| swarm.completed);
            assert_eq!(found, model.get(&asked).copied());
        }
        let mut all: Vec<_> = table.iter().map(|(key, swarm)| (*key, swarm.completed)).collect();
        let mut wanted: Vec<_> = model.into_iter().map(|(key, value)| (id(key), value)).collect();
        all.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(all, wanted);
    }
}
