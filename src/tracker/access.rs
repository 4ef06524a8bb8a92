//! Who may announce: modes and keys in memory, judged for every packet (vector S10).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::access::Mode;
use crate::domain::swarm::Refusal;
use crate::tracker::Now;
use crate::tracker::swarm::Marks;

/// Wrong keys an address may show in a minute before it gets no answer (rule T5).
const FAILURES_MAX: u32 = 10;
/// Seconds over which they count.
const WINDOW_S: u32 = 60;
/// Addresses whose failures are remembered; then all are forgotten.
const ADDRESSES_MAX: usize = 4096;

/// Modes and keys.
#[derive(Debug)]
pub(crate) struct Access {
    mode: AtomicU8,
    keys: RwLock<HashMap<AccessKey, Option<i64>>>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since_s: u32,
    count: u32,
}

impl Access {
    /// Serves by `mode` those who have one of `keys`.
    pub(crate) fn new(mode: Mode, keys: &[KeyRecord]) -> Self {
        let keys = keys.iter().map(|record| (record.key, record.valid_until)).collect();
        let mode = AtomicU8::new(mode as u8);
        Self { mode, keys: RwLock::new(keys), failures: Mutex::default() }
    }

    /// The mode of swarms without one of their own.
    pub(crate) fn mode(&self) -> Mode {
        let number = self.mode.load(Relaxed);
        Mode::ALL.into_iter().find(|mode| *mode as u8 == number).unwrap_or_default()
    }

    /// Another mode for them, from the next packet on.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u8, Relaxed);
    }

    /// Whether who shows `key` may announce for a swarm with these marks. The key is looked at
    /// first: who has none learns nothing of what is listed.
    pub(crate) fn judge(
        &self,
        marks: Marks,
        key: Option<&[u8]>,
        from: IpAddr,
        now: Now,
    ) -> Result<(), Refusal> {
        let mode = marks.mode.unwrap_or_else(|| self.mode());
        if mode.needs_key() && !self.lets_in(key, now) {
            return Err(self.refuse_key(from, now));
        }
        if mode.needs_listing() && !marks.is_listed && !marks.is_own {
            return Err(Refusal::Unlisted);
        }
        if marks.is_flagged { Err(Refusal::Flagged) } else { Ok(()) }
    }

    /// Whether the swarm's numbers may be told.
    pub(crate) fn shows(&self, marks: Marks, key: Option<&[u8]>, now: Now) -> bool {
        let mode = marks.mode.unwrap_or_else(|| self.mode());
        !mode.needs_key() || self.lets_in(key, now)
    }

    /// Whether a swarm with these marks is served at all.
    pub(crate) fn serves(&self, marks: Marks) -> bool {
        let mode = marks.mode.unwrap_or_else(|| self.mode());
        !mode.needs_listing() || marks.is_listed || marks.is_own
    }

    fn lets_in(&self, key: Option<&[u8]>, now: Now) -> bool {
        let Some(key) = key.and_then(AccessKey::from_bytes) else { return false };
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let end = keys.get(&key).copied();
        end.is_some_and(|end| end.is_none_or(|last| last >= now.unix_s))
    }

    fn refuse_key(&self, from: IpAddr, now: Now) -> Refusal {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&from) {
            failures.retain(|_, known| now.clock_s.saturating_sub(known.since_s) < WINDOW_S);
            if failures.len() >= ADDRESSES_MAX {
                failures.clear();
            }
        }
        let known = failures.entry(from).or_insert(Failures { since_s: now.clock_s, count: 0 });
        if now.clock_s.saturating_sub(known.since_s) >= WINDOW_S {
            *known = Failures { since_s: now.clock_s, count: 0 };
        }
        known.count = known.count.saturating_add(1);
        match known.count > FAILURES_MAX {
            true => Refusal::TooManyInvalidKeys,
            false => Refusal::InvalidKey,
        }
    }

    /// From now on lets in who has `record`'s key.
    pub(crate) fn add_key(&self, record: KeyRecord) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(record.key, record.valid_until);
    }

    /// From now on lets in nobody with `key`; tells whether it was there.
    pub(crate) fn remove_key(&self, key: &AccessKey) -> bool {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.remove(key).is_some()
    }

    /// All keys, expired ones too, in order.
    pub(crate) fn keys(&self) -> Vec<KeyRecord> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<KeyRecord> = keys
            .iter()
            .map(|(key, valid_until)| KeyRecord { key: *key, valid_until: *valid_until })
            .collect();
        all.sort_unstable_by_key(|record| record.key);
        all
    }
}
