//! Who may use our own tracker: whitelist, keys, flags. Each change is durable before it is
//! answered, and holds from the next packet on (rule D1, vector S10).

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::domain::access::AccessKey;
use crate::domain::access::KEY_LEN;
use crate::domain::access::KEY_PREFIX_LEN;
use crate::domain::access::KeyRecord;
use crate::domain::access::Mode;
use crate::domain::access::SwarmRecord;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::store::Store;
use crate::store::SwarmChange;
use crate::tracker::Tracker;

/// What keys are made of.
const CHARACTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The last second of the year 9999: no API can print a later one (vector S12).
const YEAR_9999: i64 = 253_402_300_799;

/// Which marks of a swarm are to change, and to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkWish {
    /// On the whitelist.
    pub is_listed: Option<bool>,
    /// Refused to everybody.
    pub is_flagged: Option<bool>,
    /// A mode of its own; `Some(None)` takes it.
    pub mode: Option<Option<Mode>>,
}

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Access {
    store: Store,
    tracker: Tracker,
}

impl Access {
    /// Over a store and the tracker that was made from it.
    pub fn new(store: Store, tracker: Tracker) -> Self {
        Self { store, tracker }
    }

    /// Puts a swarm on the whitelist or takes it off; tells whether that changed anything.
    ///
    /// # Errors
    /// Those of the store; the whitelist is then as it was.
    pub async fn set_listed(&self, info_hash: TorrentId, is_listed: bool) -> Result<bool> {
        let before = self.change(info_hash, SwarmChange::Listed(is_listed)).await?;
        self.tracker.set_listed(&info_hash, is_listed);
        Ok(before.is_listed != is_listed)
    }

    /// The whitelist, in order.
    pub fn listed(&self) -> Vec<TorrentId> {
        self.tracker.listed()
    }

    /// Refuses a swarm to everybody, or no longer; its peers are dropped.
    ///
    /// # Errors
    /// Those of the store; the flag is then as it was.
    pub async fn set_flagged(&self, info_hash: TorrentId, is_flagged: bool) -> Result<()> {
        self.change(info_hash, SwarmChange::Flagged(is_flagged)).await?;
        self.tracker.set_flagged(&info_hash, is_flagged);
        Ok(())
    }

    /// Puts a swarm on the whitelist and flags it, or no longer, in one durable change.
    ///
    /// # Errors
    /// Those of the store; nothing is changed then.
    pub async fn register(&self, info_hash: TorrentId, is_flagged: bool) -> Result<()> {
        let changes = [SwarmChange::Listed(true), SwarmChange::Flagged(is_flagged)];
        self.store.change_swarms(changes.map(|change| (info_hash, change)).to_vec()).await?;
        // The flag first: nobody is let in between the two.
        self.tracker.set_flagged(&info_hash, is_flagged);
        self.tracker.set_listed(&info_hash, true);
        Ok(())
    }

    /// Gives a swarm a mode of its own, before that of the tracker, or takes it.
    ///
    /// # Errors
    /// Those of the store; the mode is then as it was.
    pub async fn set_mode(&self, info_hash: TorrentId, mode: Option<Mode>) -> Result<()> {
        self.change(info_hash, SwarmChange::Mode(mode)).await?;
        self.tracker.set_mode(&info_hash, mode);
        Ok(())
    }

    /// Changes several marks of a swarm at once; `None` leaves one as it is.
    ///
    /// # Errors
    /// Those of the store; the marks are then as they were.
    pub async fn set_marks(&self, info_hash: TorrentId, wish: MarkWish) -> Result<()> {
        let listed = wish.is_listed.map(SwarmChange::Listed);
        let flagged = wish.is_flagged.map(SwarmChange::Flagged);
        let mode = wish.mode.map(SwarmChange::Mode);
        let changes = [listed, flagged, mode].into_iter().flatten();
        let changes: Vec<_> = changes.map(|change| (info_hash, change)).collect();
        if changes.is_empty() {
            return Ok(());
        }
        self.store.change_swarms(changes).await?;
        wish.is_listed.into_iter().for_each(|on| self.tracker.set_listed(&info_hash, on));
        wish.is_flagged.into_iter().for_each(|on| self.tracker.set_flagged(&info_hash, on));
        wish.mode.into_iter().for_each(|mode| self.tracker.set_mode(&info_hash, mode));
        Ok(())
    }

    /// The marks of a swarm, known or not. Memory only.
    pub fn record(&self, info_hash: &TorrentId) -> SwarmRecord {
        self.tracker.record(info_hash)
    }

    /// Forgets whatever is known of a swarm; tells whether anything was.
    ///
    /// # Errors
    /// Those of the store; nothing is forgotten then.
    pub async fn forget(&self, info_hash: TorrentId) -> Result<bool> {
        let before = self.change(info_hash, SwarmChange::Forgotten).await?;
        let was_there = self.tracker.forget(&info_hash);
        Ok(was_there || before.is_listed)
    }

    /// Makes a key that is good for so many seconds; `None` = for ever.
    ///
    /// # Errors
    /// Invalid, when it would end after the year 9999; those of the store.
    pub async fn make_key(&self, seconds: Option<u64>) -> Result<KeyRecord> {
        self.add_key(random_key()?, seconds).await
    }

    /// Lets in who has this key, for so many seconds from now on; `None` = for ever.
    ///
    /// # Errors
    /// Invalid, when it would end after the year 9999; those of the store.
    pub async fn add_key(&self, key: AccessKey, seconds: Option<u64>) -> Result<KeyRecord> {
        let valid_until = seconds.map(|seconds| end_of(self.tracker.now().unix_s, seconds));
        let record = KeyRecord { key, valid_until: valid_until.transpose()? };
        self.store.put_key(record).await?;
        self.tracker.add_key(record);
        Ok(record)
    }

    /// Forgets a key; tells whether it was there.
    ///
    /// # Errors
    /// Those of the store; the key is then as it was.
    pub async fn remove_key(&self, key: AccessKey) -> Result<bool> {
        let was_kept = self.store.remove_key(key).await?;
        Ok(self.tracker.remove_key(&key) || was_kept)
    }

    /// The key that somebody means by all of its characters, or by the first ones as lists show
    /// them (rule F11).
    ///
    /// # Errors
    /// `NotFound`; Conflict, when several keys begin so; Invalid, when too few are given.
    pub fn find_key(&self, text: &str) -> Result<AccessKey> {
        if text.len() < KEY_PREFIX_LEN {
            let message = format!("name a key by at least its first {KEY_PREFIX_LEN} characters");
            return Err(Error::invalid(message));
        }
        let keys = self.keys();
        let mut fitting = keys.iter().filter(|record| record.key.as_str().starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only.key),
            (None, _) => Err(Error::not_found("there is no such key")),
            (Some(_), Some(_)) => Err(Error::conflict("several keys begin so; give more of it")),
        }
    }

    /// All keys, expired ones too.
    pub fn keys(&self) -> Vec<KeyRecord> {
        self.tracker.keys()
    }

    async fn change(&self, info_hash: TorrentId, change: SwarmChange) -> Result<SwarmRecord> {
        let before = self.store.change_swarms(vec![(info_hash, change)]).await?;
        before.first().copied().ok_or_else(|| Error::internal("the store answered nothing"))
    }
}

fn end_of(now_s: i64, seconds: u64) -> Result<i64> {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| now_s.checked_add(seconds))
        .filter(|end| *end <= YEAR_9999)
        .ok_or_else(|| Error::invalid("a key cannot be valid past the year 9999"))
}

/// 32 letters and digits, each as likely as any other: 190 bits (rule T5).
fn random_key() -> Result<AccessKey> {
    let mut key = Vec::with_capacity(KEY_LEN);
    while key.len() < KEY_LEN {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::internal(format!("no random bytes: {error}")))?;
        // 248 is the last multiple of 62 below 256: bytes past it would favour some characters.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let left = KEY_LEN - key.len();
        key.extend(fair.map(|byte| CHARACTERS[usize::from(byte % 62)]).take(left));
    }
    AccessKey::from_bytes(&key).ok_or_else(|| Error::internal("a random key is no key"))
}

/// The present wall time in Unix seconds; 0 before 1970.
pub fn unix_now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Vector S12.
    #[test]
    fn s12_a_key_past_the_year_9999_is_refused() {
        assert_eq!(end_of(1_700_000_000, 60), Ok(1_700_000_060));
        assert_eq!(end_of(YEAR_9999, 0), Ok(YEAR_9999));
        for seconds in [YEAR_9999 as u64, i64::MAX as u64, u64::MAX] {
            assert!(end_of(1_700_000_000, seconds).is_err(), "{seconds}");
        }
    }

    /// Rule T5.
    #[test]
    fn t5_keys_use_every_character_and_never_repeat() {
        let keys: Vec<AccessKey> = (0..200).map(|_| random_key().unwrap()).collect();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 200);
        let used: HashSet<u8> = keys.iter().flat_map(|key| key.as_str().bytes()).collect();
        assert_eq!(used.len(), CHARACTERS.len());
    }
}
