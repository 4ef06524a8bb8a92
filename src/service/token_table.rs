//! The tokens in force, in memory and by their digests: what every call is judged by.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use crate::domain::token::Grant;
use crate::domain::token::Holder;
use crate::domain::token::TokenId;
use crate::domain::token::TokenRecord;
use crate::service::secret::Digest;

/// A token that was not used since the start.
const NEVER: i64 = i64::MIN;

/// The table; clones share it.
#[derive(Clone)]
pub struct TokenTable {
    tokens: Arc<watch::Sender<HashMap<Digest, Entry>>>,
}

#[derive(Clone)]
struct Entry {
    record: Arc<TokenRecord>,
    /// Unix seconds. Shared by the copies of an entry, and only in memory: a call that reads must
    /// not wait for a disk.
    used_at: Arc<AtomicI64>,
}

impl TokenTable {
    /// With these tokens.
    pub(crate) fn new(records: impl IntoIterator<Item = TokenRecord>) -> Self {
        let tokens = records.into_iter().map(|record| (record.digest, Entry::new(record)));
        Self { tokens: Arc::new(watch::Sender::new(tokens.collect())) }
    }

    /// What the secret with this digest grants; `None` when it is unknown or expired.
    pub(crate) fn grant(&self, digest: &Digest, now_s: i64) -> Option<Grant> {
        let tokens = self.tokens.borrow();
        let entry = tokens.get(digest).filter(|entry| entry.is_good(now_s))?;
        entry.used_at.store(now_s, Ordering::Relaxed);
        let TokenRecord { id, name, scopes, expires_at, .. } = &*entry.record;
        let holder = Holder::Token { id: *id, name: Arc::clone(name) };
        Some(Grant { scopes: *scopes, holder, expires_at: *expires_at })
    }

    /// All tokens with the second of their last use since the start, in no order.
    pub(crate) fn all(&self) -> Vec<(Arc<TokenRecord>, Option<i64>)> {
        let shown = |entry: &Entry| {
            let used_at = entry.used_at.load(Ordering::Relaxed);
            (Arc::clone(&entry.record), (used_at != NEVER).then_some(used_at))
        };
        self.tokens.borrow().values().map(shown).collect()
    }

    /// From now on `record` is in force.
    pub(crate) fn put(&self, record: TokenRecord) {
        self.tokens.send_modify(|tokens| drop(tokens.insert(record.digest, Entry::new(record))));
    }

    /// From now on the token named so is not.
    pub(crate) fn remove(&self, id: TokenId) {
        self.tokens.send_modify(|tokens| tokens.retain(|_, entry| entry.record.id != id));
    }

    /// Returns when the token named so is no longer in the table, also when it never was.
    pub(crate) async fn gone(&self, id: TokenId) {
        let mut changes = self.tokens.subscribe();
        let is_gone =
            |tokens: &HashMap<Digest, Entry>| !tokens.values().any(|entry| entry.record.id == id);
        // The sender lives as long as this table.
        let _ = changes.wait_for(is_gone).await;
    }
}

impl Entry {
    fn new(record: TokenRecord) -> Self {
        Self { record: Arc::new(record), used_at: Arc::new(AtomicI64::new(NEVER)) }
    }

    fn is_good(&self, now_s: i64) -> bool {
        self.record.expires_at.is_none_or(|end| now_s < end)
    }
}
