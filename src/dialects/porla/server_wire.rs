//! Parameters and results of the methods for the program as a whole (section 6). Members stand in
//! alphabetical order, which is the order of the original's answers.

use serde::Deserialize;
use serde::Serialize;

use crate::dialects::porla::json::AnyValue;

#[derive(Deserialize)]
pub(super) struct Space {
    pub(super) path: String,
}

#[derive(Deserialize)]
pub(super) struct PluginName {
    #[serde(rename = "name")]
    pub(super) _name: String,
}

#[derive(Deserialize)]
pub(super) struct AddPlugin {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Deserialize)]
pub(super) struct PluginId {
    #[serde(rename = "id")]
    pub(super) _id: i64,
}

#[derive(Deserialize)]
pub(super) struct Lookup {
    #[serde(rename = "values")]
    pub(super) _values: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct InstallPlugin {
    #[serde(rename = "path")]
    pub(super) _path: String,
    pub(super) source: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct InstallWebUi {
    #[serde(rename = "data")]
    pub(super) _data: String,
}

#[derive(Deserialize)]
pub(super) struct KvGet {
    pub(super) key: String,
}

#[derive(Deserialize)]
pub(super) struct KvSet {
    pub(super) key: String,
    pub(super) value: AnyValue,
}

#[derive(Serialize)]
pub(super) struct SpaceLeft {
    pub(super) available: u64,
    pub(super) capacity: u64,
    pub(super) free: u64,
    /// Quotas are not looked at.
    pub(super) quota: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Versions {
    pub(super) boost: Version,
    pub(super) libtorrent: Libtorrent,
    pub(super) nlohmann_json: Version,
    pub(super) openssl: OpenSsl,
    pub(super) porla: PorlaVersion,
    pub(super) sqlite: Sqlite,
    pub(super) tomlplusplus: Version,
}

#[derive(Default, Serialize)]
pub(super) struct Version {
    pub(super) version: String,
}

#[derive(Serialize)]
pub(super) struct Libtorrent {
    pub(super) revision: String,
    pub(super) version: String,
}

#[derive(Default, Serialize)]
pub(super) struct OpenSsl {
    pub(super) release_date: String,
    pub(super) version: String,
    pub(super) version_text: String,
}

#[derive(Serialize)]
pub(super) struct PorlaVersion {
    pub(super) branch: &'static str,
    pub(super) commitish: &'static str,
    pub(super) version: &'static str,
}

#[derive(Serialize)]
pub(super) struct Sqlite {
    pub(super) source_id: String,
    pub(super) version: String,
}

#[derive(Serialize)]
pub(super) struct Plugins {
    pub(super) plugins: [(); 0],
}

#[derive(Serialize)]
pub(super) struct KvValue {
    pub(super) value: Option<AnyValue>,
}
