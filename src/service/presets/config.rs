//! A preset as it is configured: section `presets.NAME`. On this floor, since it is the very same
//! that torrents are added with.

use serde::Deserialize;
use serde::Serialize;

/// Section `presets.NAME`: what a preset says; `None` says nothing.
///
/// The preset `default` holds for every torrent that is added by Porla's API, another one where it
/// is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preset {
    /// A category. Default: none.
    pub category: Option<String>,
    /// Bytes/s received, 0 = no limit. Default: none.
    pub download_limit: Option<u32>,
    /// Peers connected at once. Default: none.
    pub max_connections: Option<u32>,
    /// Peers sent to at once. Default: none.
    pub max_uploads: Option<u32>,
    /// Directory for the files, under one of `client.roots`; judged like one that a caller names
    /// (rule F1). Default: none.
    pub save_path: Option<String>,
    /// The session it lives in. Default: `default`, which is the only one.
    pub session: Option<String>,
    /// Tags. Default: none.
    pub tags: Vec<String>,
    /// Bytes/s sent, 0 = no limit. Default: none.
    pub upload_limit: Option<u32>,
}
