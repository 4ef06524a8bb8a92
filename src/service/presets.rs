//! Presets: what new torrents get when nobody says otherwise, by name. They come from the
//! configuration, and change with it while the program runs.

mod config;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

pub use crate::service::presets::config::Preset;

/// The name of the preset that every new torrent gets first.
pub const DEFAULT: &str = "default";

/// The presets by name; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Presets {
    by_name: Arc<RwLock<Arc<BTreeMap<String, Preset>>>>,
}

impl Presets {
    /// These presets.
    pub fn new(by_name: BTreeMap<String, Preset>) -> Self {
        Self { by_name: Arc::new(RwLock::new(Arc::new(by_name))) }
    }

    /// All presets by name.
    pub fn all(&self) -> Arc<BTreeMap<String, Preset>> {
        Arc::clone(&self.by_name.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other presets than before.
    pub(super) fn replace(&self, by_name: BTreeMap<String, Preset>) {
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(by_name);
    }

    /// The default preset with what the named one says over it; an unknown name says nothing.
    pub fn of(&self, name: Option<&str>) -> Preset {
        let all = self.all();
        let default = all.get(DEFAULT).cloned().unwrap_or_default();
        let Some(name) = name else { return default };
        match all.get(name) {
            Some(named) => default.under(named),
            None => {
                tracing::warn!(preset = name, "there is no such preset; adding without it");
                default
            }
        }
    }
}

impl Preset {
    fn under(self, over: &Self) -> Self {
        let tags = if over.tags.is_empty() { self.tags } else { over.tags.clone() };
        Self {
            category: over.category.clone().or(self.category),
            download_limit: over.download_limit.or(self.download_limit),
            max_connections: over.max_connections.or(self.max_connections),
            max_uploads: over.max_uploads.or(self.max_uploads),
            save_path: over.save_path.clone().or(self.save_path),
            session: over.session.clone().or(self.session),
            tags,
            upload_limit: over.upload_limit.or(self.upload_limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_preset_stands_over_the_default_one() {
        let default = Preset {
            category: Some("any".into()),
            download_limit: Some(1),
            tags: vec!["a".into()],
            ..Preset::default()
        };
        let films = Preset { category: Some("film".into()), ..Preset::default() };
        let both = [(DEFAULT.to_owned(), default.clone()), ("films".to_owned(), films)];
        let presets = Presets::new(both.into());
        assert_eq!(presets.of(None), default);
        assert_eq!(presets.of(Some("unknown")), default);
        let named = presets.of(Some("films"));
        assert_eq!(named, Preset { category: Some("film".into()), ..default });
        assert_eq!(Presets::default().of(Some("films")), Preset::default());
    }
}
