//! What users write on torrents: category, tags, data of their own. Durable before it is answered,
//! gone with the torrent.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::Mutex;
use tokio::sync::MutexGuard;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
pub use crate::domain::labels::Labels as LabelSet;
use crate::store::Store;

/// Bytes of a category or a tag.
const WORD_BYTES_MAX: usize = 256;
/// Tags of one torrent.
const TAGS_MAX: usize = 100;
/// Bytes of a torrent's own data.
const METADATA_BYTES_MAX: usize = 64 << 10;

/// What is to change in the labels of a torrent; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelWish {
    /// `Some(None)` takes it.
    pub category: Option<Option<String>>,
    /// These, and no others.
    pub tags: Option<Vec<String>>,
    /// A JSON object as text; an empty text takes it.
    pub metadata: Option<String>,
    /// Peers that may be connected at once; -1 = any number.
    pub max_connections: Option<i32>,
}

/// The labels of every torrent; a cheap handle.
#[derive(Clone)]
pub struct Labels {
    store: Store,
    /// Held while labels are read, changed and kept: one change at a time.
    changing: Arc<Mutex<()>>,
    rows: Arc<DashMap<TorrentId, Arc<LabelSet>>>,
    none: Arc<LabelSet>,
}

impl Labels {
    /// Over a store; `Labels::load` reads what it holds.
    pub fn new(store: Store) -> Self {
        Self { store, changing: Arc::default(), rows: Arc::default(), none: Arc::default() }
    }

    /// Reads all labels. What was set meanwhile stays.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn load(&self) -> Result<()> {
        for (id, labels) in self.store.labels().await? {
            self.rows.entry(id).or_insert_with(|| Arc::new(labels));
        }
        Ok(())
    }

    /// The labels of a torrent; empty ones when it has none. Memory only.
    pub fn get(&self, id: TorrentId) -> Arc<LabelSet> {
        self.rows.get(&id).map_or_else(|| Arc::clone(&self.none), |labels| Arc::clone(&labels))
    }

    /// Changes the labels of a torrent. What nobody named stays, also when others change that.
    ///
    /// # Errors
    /// `NotFound`; Invalid, when they are too long; `StorageFull`.
    pub async fn change(&self, id: TorrentId, wish: LabelWish) -> Result<()> {
        let _one_at_a_time = self.changing.lock().await;
        let present = (*self.get(id)).clone();
        let labels = checked(LabelSet {
            category: wish.category.unwrap_or(present.category),
            tags: wish.tags.unwrap_or(present.tags),
            metadata: wish.metadata.unwrap_or(present.metadata),
            max_connections: wish.max_connections.or(present.max_connections),
        })?;
        self.store.set_labels(id, labels.clone()).await?;
        self.note(id, labels);
        Ok(())
    }

    /// What the store has by now.
    pub(super) fn note(&self, id: TorrentId, labels: LabelSet) {
        self.rows.insert(id, Arc::new(labels));
    }

    /// From here on no label changes, until what is returned is dropped.
    pub(super) async fn still(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// In the store `new` wears the labels of `old` too.
    pub(super) fn copy(&self, _still: &MutexGuard<'_, ()>, old: TorrentId, new: TorrentId) {
        let labels = self.rows.get(&old).map(|labels| Arc::clone(&labels));
        labels.map(|labels| self.rows.insert(new, labels));
    }

    /// The torrent is gone, and so is its record.
    pub(super) fn forget(&self, id: TorrentId) {
        self.rows.remove(&id);
    }
}

/// Labels as they are kept: tags in order, each once, and nothing too long.
///
/// # Errors
/// Invalid, naming what is wrong.
pub(super) fn checked(mut labels: LabelSet) -> Result<LabelSet> {
    labels.category = labels.category.filter(|category| !category.is_empty());
    labels.tags.sort();
    labels.tags.dedup();
    if labels.tags.len() > TAGS_MAX {
        return Err(Error::invalid(format!("a torrent has at most {TAGS_MAX} tags")));
    }
    let words = labels.tags.iter().chain(&labels.category);
    if words.clone().any(|word| word.len() > WORD_BYTES_MAX || word.contains(char::is_control)) {
        return Err(Error::invalid(format!(
            "a category or tag has at most {WORD_BYTES_MAX} bytes and no control characters"
        )));
    }
    if labels.tags.iter().any(String::is_empty) {
        return Err(Error::invalid("a tag is empty"));
    }
    if labels.metadata.len() > METADATA_BYTES_MAX {
        return Err(Error::invalid(format!(
            "the metadata of a torrent has at most {METADATA_BYTES_MAX} bytes"
        )));
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tags: &[&str]) -> LabelSet {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        LabelSet { tags, ..LabelSet::default() }
    }

    #[test]
    fn tags_are_in_order_and_there_once() {
        assert_eq!(checked(tagged(&["b", "a", "b"])).unwrap(), tagged(&["a", "b"]));
    }

    #[test]
    fn labels_that_could_fill_the_memory_or_a_log_are_refused() {
        let long = "x".repeat(WORD_BYTES_MAX + 1);
        for labels in [
            tagged(&[&long]),
            tagged(&["a\u{1f}b"]),
            tagged(&[""]),
            LabelSet { category: Some("a\nb".into()), ..LabelSet::default() },
            LabelSet { metadata: "x".repeat(METADATA_BYTES_MAX + 1), ..LabelSet::default() },
        ] {
            assert!(checked(labels.clone()).is_err(), "{labels:?}");
        }
        let many: Vec<String> = (0..=TAGS_MAX).map(|number| number.to_string()).collect();
        assert!(checked(LabelSet { tags: many, ..LabelSet::default() }).is_err());
    }
}
