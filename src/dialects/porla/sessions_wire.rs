//! Parameters and results of the methods for sessions (sections 6 and 9). Members stand in
//! alphabetical order, which is the order of the original's answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::dialects::porla::json::HashParam;
use crate::service::sessions::SettingValue;

#[derive(Deserialize)]
pub(super) struct SessionName {
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Settings {
    pub(super) keys: Option<Vec<String>>,
    pub(super) name: Option<String>,
}

/// A session by the name of 0.41 or the number of the later line; the default one without either.
#[derive(Deserialize)]
pub(super) struct OneSession {
    pub(super) id: Option<i64>,
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SetSettings {
    #[serde(flatten)]
    pub(super) session: OneSession,
    pub(super) settings: BTreeMap<String, Setting>,
}

#[derive(Deserialize)]
pub(super) struct AddSession {
    pub(super) name: String,
    pub(super) settings: Option<BTreeMap<String, Setting>>,
    pub(super) settings_base: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct UpdateSession {
    pub(super) is_default: Option<bool>,
    #[serde(flatten)]
    pub(super) session: OneSession,
    pub(super) settings: Option<BTreeMap<String, Setting>>,
}

/// Where a torrent is to live; `session_id`, as everywhere, is where it lives now.
#[derive(Deserialize)]
pub(super) struct Migrate {
    pub(super) info_hash: HashParam,
    pub(super) session: NameOrNumber,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum NameOrNumber {
    Number(i64),
    Name(String),
}

#[derive(Serialize)]
pub(super) struct Sessions {
    pub(super) sessions: Vec<Session>,
}

#[derive(Serialize)]
pub(super) struct Session {
    pub(super) is_dht_running: bool,
    pub(super) is_listening: bool,
    pub(super) is_paused: bool,
    pub(super) name: String,
    pub(super) torrents_total: usize,
}

#[derive(Serialize)]
pub(super) struct SettingsList {
    pub(super) settings: BTreeMap<String, Setting>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Setting {
    Bool(bool),
    Int(i64),
    Text(String),
}

impl From<Setting> for SettingValue {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::Bool(on) => Self::Bool(on),
            Setting::Int(number) => Self::Int(number),
            Setting::Text(text) => Self::Text(text),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SessionGot {
    pub(super) session: WholeSession,
}

#[derive(Serialize)]
pub(super) struct WholeSession {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) settings: BTreeMap<String, Setting>,
}
