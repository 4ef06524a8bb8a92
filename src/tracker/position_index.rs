//! From an endpoint to its place in a large swarm: open addressing over places, without keys.

use crate::tracker::prefetch::prefetch;

/// How full the table may be: three of four slots.
const LOAD: (usize, usize) = (3, 4);
/// Marks a free slot.
const FREE: u32 = 0;

/// A hash table of places. It holds no endpoints: whoever asks compares them.
#[derive(Debug)]
pub(crate) struct PositionIndex {
    /// Place + 1 in the slot of its hash or the next free one; a power of two.
    slots: Box<[u32]>,
}

impl PositionIndex {
    /// A table with room for `len` places.
    pub(crate) fn with_room(len: usize) -> Self {
        let slots = (len * LOAD.1 / LOAD.0 + 1).next_power_of_two();
        Self { slots: vec![FREE; slots].into_boxed_slice() }
    }

    /// Whether `len` places fit.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        len * LOAD.1 <= self.slots.len() * LOAD.0
    }

    /// Whether `len` places leave most of it empty.
    pub(crate) fn is_wasteful(&self, len: usize) -> bool {
        len * 8 < self.slots.len()
    }

    /// The place with `hash` that `is_it` recognises.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        self.slot(hash, is_it).map(|slot| self.place(slot))
    }

    /// Has the slot of a hash brought near.
    pub(crate) fn prefetch(&self, hash: u64) {
        prefetch(&self.slots[self.first(hash)]);
    }

    /// Adds a place that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, place: usize) {
        let mut slot = self.first(hash);
        while self.slots[slot] != FREE {
            slot = self.next(slot);
        }
        self.slots[slot] = as_entry(place);
    }

    /// What was at place `from` is now at `to`.
    pub(crate) fn relocate(&mut self, hash: u64, from: usize, to: usize) {
        if let Some(slot) = self.slot(hash, |place| place == from) {
            self.slots[slot] = as_entry(to);
        }
    }

    /// Forgets a place. `hash_of` is the hash of what is at a place: those behind it move up.
    pub(crate) fn remove(&mut self, hash: u64, place: usize, hash_of: impl Fn(usize) -> u64) {
        let Some(mut gap) = self.slot(hash, |found| found == place) else { return };
        let mut slot = self.next(gap);
        while self.slots[slot] != FREE {
            let wished = self.first(hash_of(self.place(slot)));
            let mask = self.slots.len() - 1;
            // It may move into the gap unless its wished slot lies behind the gap.
            if slot.wrapping_sub(wished) & mask >= slot.wrapping_sub(gap) & mask {
                self.slots[gap] = self.slots[slot];
                gap = slot;
            }
            slot = self.next(slot);
        }
        self.slots[gap] = FREE;
    }

    fn slot(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut slot = self.first(hash);
        while self.slots[slot] != FREE {
            if is_it(self.place(slot)) {
                return Some(slot);
            }
            slot = self.next(slot);
        }
        None
    }

    fn place(&self, slot: usize) -> usize {
        self.slots[slot] as usize - 1
    }

    fn first(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.slots.len() - 1)
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

fn as_entry(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(FREE)
}
