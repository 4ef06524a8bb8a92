//! Parameters and results of the methods for sessions (sections 6 and 9). Members stand in
//! alphabetical order, which is the order of the original's answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

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
