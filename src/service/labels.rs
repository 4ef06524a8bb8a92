//! What users write on torrents: category, tags, data of their own. Durable before it is answered,
//! gone with the torrent.

use std::sync::Arc;

use dashmap::DashMap;

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

/// The labels of every torrent; a cheap handle.
#[derive(Clone)]
pub struct Labels {
    store: Store,
    rows: Arc<DashMap<TorrentId, Arc<LabelSet>>>,
    none: Arc<LabelSet>,
}

impl Labels {
    /// Over a store; [`Labels::load`] reads what it holds.
    pub fn new(store: Store) -> Self {
        Self { store, rows: Arc::default(), none: Arc::default() }
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

    /// Puts other labels on a torrent.
    ///
    /// # Errors
    /// `NotFound`; Invalid, when they are too long; `StorageFull`.
    pub async fn set(&self, id: TorrentId, labels: LabelSet) -> Result<()> {
        let labels = checked(labels)?;
        self.store.set_labels(id, labels.clone()).await?;
        self.note(id, labels);
        Ok(())
    }

    /// What the store has by now.
    pub(super) fn note(&self, id: TorrentId, labels: LabelSet) {
        self.rows.insert(id, Arc::new(labels));
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
