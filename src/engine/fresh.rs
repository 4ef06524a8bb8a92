//! Answers of libtorrent that are good for a moment, by torrent: whoever asks again at once is told
//! what the last one was told.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use dashmap::DashMap;

use crate::domain::hash::TorrentId;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);
/// Answers kept; the stale ones go first.
const ANSWERS_MAX: usize = 1024;

/// Lists of `T`; a cheap handle.
#[derive(Clone)]
pub(crate) struct Fresh<T> {
    lists: Arc<DashMap<TorrentId, (Instant, Arc<[T]>)>>,
}

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self { lists: Arc::default() }
    }
}

impl<T> Fresh<T> {
    /// The last answer, while it is good.
    pub(crate) fn get(&self, id: TorrentId) -> Option<Arc<[T]>> {
        let list = self.lists.get(&id).filter(|list| list.0.elapsed() < FRESH)?;
        Some(Arc::clone(&list.1))
    }

    /// Keeps an answer.
    pub(crate) fn put(&self, id: TorrentId, list: Vec<T>) -> Arc<[T]> {
        if self.lists.len() >= ANSWERS_MAX {
            self.lists.retain(|_, list| list.0.elapsed() < FRESH);
        }
        let list: Arc<[T]> = list.into();
        self.lists.insert(id, (Instant::now(), Arc::clone(&list)));
        list
    }
}
