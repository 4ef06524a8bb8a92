//! Parameters and results of the methods for presets (sections 6 and 9). Members stand in
//! alphabetical order, which is the order of the original's answers.

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;

use crate::dialects::porla::json::Object;

/// A preset by the number of the later line or the name of 0.41.
#[derive(Deserialize)]
pub(super) struct OnePreset {
    pub(super) id: Option<i64>,
    pub(super) name: Option<String>,
}

/// What a preset is to say; what is absent stays, and `null` says nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PresetWish {
    #[serde(deserialize_with = "present")]
    pub(super) category: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    pub(super) download_limit: Option<Option<u32>>,
    #[serde(deserialize_with = "present")]
    pub(super) max_connections: Option<Option<u32>>,
    #[serde(deserialize_with = "present")]
    pub(super) max_uploads: Option<Option<u32>>,
    #[serde(deserialize_with = "present")]
    pub(super) save_path: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    pub(super) session_id: Option<Option<i64>>,
    #[serde(deserialize_with = "present")]
    pub(super) tags: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    pub(super) upload_limit: Option<Option<u32>>,
}

/// Tells `null` from a member that is not there.
fn present<'de, D, T>(from: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(from).map(Some)
}

#[derive(Deserialize)]
pub(super) struct AddPreset {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) wish: PresetWish,
}

#[derive(Deserialize)]
pub(super) struct UpdatePreset {
    #[serde(flatten)]
    pub(super) preset: OnePreset,
    #[serde(flatten)]
    pub(super) wish: PresetWish,
}

#[derive(Serialize)]
pub(super) struct AddedPreset {
    pub(super) id: i64,
}

#[derive(Serialize)]
pub(super) struct PresetGot<'a> {
    pub(super) preset: WholePreset<'a>,
}

/// A preset as the later line shows it.
#[derive(Serialize)]
pub(super) struct WholePreset<'a> {
    pub(super) category: Option<&'a str>,
    pub(super) download_limit: Option<u32>,
    pub(super) id: i64,
    pub(super) is_default: bool,
    pub(super) max_connections: Option<u32>,
    pub(super) max_uploads: Option<u32>,
    pub(super) metadata: Object,
    pub(super) name: &'a str,
    pub(super) save_path: Option<&'a str>,
    pub(super) session_id: Option<i64>,
    pub(super) tags: &'a [String],
    pub(super) upload_limit: Option<u32>,
}

/// A preset as 0.41 lists it.
#[derive(Serialize)]
pub(super) struct Preset<'a> {
    #[serde(rename = "$hidden")]
    pub(super) hidden: Option<bool>,
    pub(super) category: Option<&'a str>,
    pub(super) download_limit: Option<u32>,
    pub(super) max_connections: Option<u32>,
    pub(super) max_uploads: Option<u32>,
    pub(super) save_path: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) tags: Option<&'a [String]>,
    pub(super) upload_limit: Option<u32>,
}
