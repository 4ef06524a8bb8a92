//! Who may announce: modes and keys in memory, judged for every packet (vector S10).

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::access::Mode;
use crate::domain::hash::TorrentId;
use crate::domain::swarm::Refusal;
use crate::tracker::Now;
use crate::tracker::record::KeyNumber;
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
    keys: RwLock<Keys>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

/// Keys by their characters and by their numbers.
#[derive(Debug, Default)]
struct Keys {
    by_key: HashMap<AccessKey, Held>,
    /// At `number - 1`; free numbers are used again.
    by_number: Vec<Option<AccessKey>>,
    free: Vec<KeyNumber>,
}

/// What is known of a key.
#[derive(Debug)]
struct Held {
    valid_until: Option<i64>,
    number: KeyNumber,
    /// The only swarms it lets in to; `None` = all.
    only: Option<HashSet<TorrentId>>,
}

/// The number that keys share when there are no more. They let in as others do; when one of them
/// is taken away, the peers of all of them have to announce again.
const SHARED: KeyNumber = KeyNumber::MAX;

impl Held {
    fn lets_in(&self, swarm: &TorrentId, now: Now) -> bool {
        self.valid_until.is_none_or(|last| last >= now.unix_s)
            && self.only.as_ref().is_none_or(|only| only.contains(swarm))
    }
}

impl Keys {
    /// Keeps the number, and what a known key is limited to.
    fn put(&mut self, record: &KeyRecord) {
        if let Some(held) = self.by_key.get_mut(&record.key) {
            held.valid_until = record.valid_until;
            return;
        }
        let number = self.take_number(record.key);
        let held = Held { valid_until: record.valid_until, number, only: None };
        self.by_key.insert(record.key, held);
    }

    fn take_number(&mut self, key: AccessKey) -> KeyNumber {
        if let Some(number) = self.free.pop() {
            self.by_number[usize::from(number) - 1] = Some(key);
            return number;
        }
        match KeyNumber::try_from(self.by_number.len() + 1) {
            Ok(number) if number != SHARED => {
                self.by_number.push(Some(key));
                number
            }
            _ => SHARED,
        }
    }

    fn held_by_number(&self, number: KeyNumber) -> Option<(&AccessKey, &Held)> {
        let key = self.by_number.get(usize::from(number).checked_sub(1)?)?.as_ref()?;
        self.by_key.get_key_value(key)
    }
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since_s: u32,
    count: u32,
}

impl Access {
    /// Serves by `mode` those who have one of `keys`.
    pub(crate) fn new(mode: Mode, keys: &[KeyRecord]) -> Self {
        let mut held = Keys::default();
        keys.iter().for_each(|record| held.put(record));
        let mode = AtomicU8::new(mode as u8);
        Self { mode, keys: RwLock::new(held), failures: Mutex::default() }
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

    /// Whether who shows `key` may announce for a swarm with these marks, and the key's number. The
    /// key is looked at first: who has none learns nothing of what is listed.
    pub(crate) fn judge(
        &self,
        (swarm, marks): (&TorrentId, Marks),
        key: Option<&[u8]>,
        from: IpAddr,
        now: Now,
    ) -> Result<KeyNumber, Refusal> {
        let mode = marks.mode.unwrap_or_else(|| self.mode());
        let number = self.number_of(swarm, key, now);
        if mode.needs_key() && number.is_none() {
            return Err(self.refuse_key(from, now));
        }
        if mode.needs_listing() && !marks.is_listed && !marks.is_own {
            return Err(Refusal::Unlisted);
        }
        if marks.is_flagged { Err(Refusal::Flagged) } else { Ok(number.unwrap_or(0)) }
    }

    /// Whether the swarm's numbers may be told.
    pub(crate) fn shows(
        &self,
        swarm: &TorrentId,
        marks: Marks,
        key: Option<&[u8]>,
        now: Now,
    ) -> bool {
        let mode = marks.mode.unwrap_or_else(|| self.mode());
        !mode.needs_key() || self.number_of(swarm, key, now).is_some()
    }

    /// Whether a swarm with these marks is served at all.
    pub(crate) fn serves(&self, marks: Marks) -> bool {
        let mode = marks.mode.unwrap_or_else(|| self.mode());
        !mode.needs_listing() || marks.is_listed || marks.is_own
    }

    /// The number of a key that lets in to `swarm`.
    fn number_of(&self, swarm: &TorrentId, key: Option<&[u8]>, now: Now) -> Option<KeyNumber> {
        let key = key.and_then(AccessKey::from_bytes)?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let held = keys.by_key.get(&key).filter(|held| held.lets_in(swarm, now))?;
        Some(held.number)
    }

    /// Whether a key that a peer announced with lets in to `swarm` still.
    pub(crate) fn is_good(&self, swarm: &TorrentId, number: KeyNumber, now: Now) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let held = keys.held_by_number(number);
        number == SHARED || held.is_some_and(|(_, held)| held.lets_in(swarm, now))
    }

    /// The key of this number; `None` for one that is not held any more, or shares its number.
    pub(crate) fn key_of(&self, number: KeyNumber) -> Option<AccessKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.held_by_number(number).map(|(key, _)| *key)
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
    pub(crate) fn add_key(&self, record: &KeyRecord) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).put(record);
    }

    /// From now on lets a key in to these swarms only, or to all.
    pub(crate) fn limit_key(&self, key: &AccessKey, only: Option<HashSet<TorrentId>>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = keys.by_key.get_mut(key) {
            held.only = only;
        }
    }

    /// From now on lets in nobody with `key`; its number, if it was there. The number is free when
    /// it is handed to [`Access::free_number`].
    pub(crate) fn remove_key(&self, key: &AccessKey) -> Option<KeyNumber> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let number = keys.by_key.remove(key)?.number;
        if number != SHARED {
            keys.by_number[usize::from(number) - 1] = None;
        }
        Some(number)
    }

    /// No peer has this number any more.
    pub(crate) fn free_number(&self, number: KeyNumber) {
        if number != SHARED {
            self.keys.write().unwrap_or_else(PoisonError::into_inner).free.push(number);
        }
    }

    /// All keys, expired ones too, in order.
    pub(crate) fn keys(&self) -> Vec<KeyRecord> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let held = keys.by_key.iter();
        let mut all: Vec<KeyRecord> = held
            .map(|(key, held)| KeyRecord { key: *key, valid_until: held.valid_until })
            .collect();
        all.sort_unstable_by_key(|record| record.key);
        all
    }
}
