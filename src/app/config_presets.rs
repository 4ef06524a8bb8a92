//! Sections `presets.NAME` of the configuration: what new torrents get when nobody says otherwise.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::service::presets::Preset;

/// Section `presets.NAME`; the preset `default` holds for every torrent that is added by Porla's
/// API, another one where it is named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PresetConfig {
    /// A category. Default: none.
    pub category: Option<String>,
    /// Bytes/s received, 0 = no limit. Default: none.
    pub download_limit: Option<u32>,
    /// Peers connected at once. Default: none.
    pub max_connections: Option<u32>,
    /// Peers sent to at once. Default: none.
    pub max_uploads: Option<u32>,
    /// Directory for the files, under one of `client.roots`. Default: `client.download_dir`.
    pub save_path: Option<String>,
    /// The session it lives in. Default: `default`, which is the only one.
    pub session: Option<String>,
    /// Tags. Default: none.
    pub tags: Vec<String>,
    /// Bytes/s sent, 0 = no limit. Default: none.
    pub upload_limit: Option<u32>,
}

/// What the key of a preset holds, by an example; `None` for an unknown key.
pub(crate) fn example(name: &str) -> Option<figment::value::Value> {
    use figment::value::Value;
    match name {
        "category" | "save_path" | "session" => Some(Value::from("")),
        "download_limit" | "max_connections" | "max_uploads" | "upload_limit" => {
            Some(Value::from(0_u32))
        }
        "tags" => Some(Value::from(Vec::<String>::new())),
        _ => None,
    }
}

/// The presets for the service.
pub(crate) fn presets(from: &BTreeMap<String, PresetConfig>) -> BTreeMap<String, Preset> {
    let preset = |from: &PresetConfig| Preset {
        category: from.category.clone(),
        download_limit: from.download_limit,
        max_connections: from.max_connections,
        max_uploads: from.max_uploads,
        save_path: from.save_path.clone(),
        session: from.session.clone(),
        tags: from.tags.clone(),
        upload_limit: from.upload_limit,
    };
    from.iter().map(|(name, from)| (name.clone(), preset(from))).collect()
}
