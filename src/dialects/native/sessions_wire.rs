//! The JSON of sessions.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::sessions::Session;
use crate::service::sessions::SettingValue;

/// What libtorrent calls the places where a session listens.
const LISTEN: &str = "listen_interfaces";

/// Sessions.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionList {
    sessions: Vec<SessionRow>,
}

/// One session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionRow {
    /// No other session has or had it; 1 is the default one.
    number: u32,
    /// What torrents and routes name it by.
    name: String,
    /// Whether torrents go there when nobody says otherwise.
    is_default: bool,
    /// The TCP port that peers reach; null while there is none.
    peer_port: Option<u16>,
    is_listening: bool,
    is_dht_running: bool,
    /// No torrent of it runs.
    paused: bool,
    /// How many torrents live in it.
    torrents: usize,
    /// libtorrent settings that it has beside the configuration's, by name; secrets are `***`.
    settings: BTreeMap<String, SettingBody>,
}

/// A session to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSessionBody {
    /// 1 to 64 characters without `/`.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Addresses with ports; absent = those of the default session, at ports that the system
    /// chooses at each start.
    #[schema(value_type = Option<Vec<String>>, example = json!(["0.0.0.0:46882"]))]
    listen: Option<Vec<SocketAddr>>,
    /// libtorrent settings by name, over those of the configuration.
    #[serde(default)]
    settings: BTreeMap<String, SettingBody>,
}

/// What may change in a session; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionPatch {
    /// libtorrent settings by name; null takes one back.
    #[schema(value_type = Option<Object>)]
    settings: Option<BTreeMap<String, Option<SettingBody>>>,
    /// Whether all its torrents stand still, until the next start at most.
    pub(super) paused: Option<bool>,
}

/// What a setting of libtorrent can be.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = LibtorrentSetting)]
enum SettingBody {
    Bool(bool),
    Number(i64),
    Text(String),
}

impl From<SettingBody> for SettingValue {
    fn from(body: SettingBody) -> Self {
        match body {
            SettingBody::Bool(on) => Self::Bool(on),
            SettingBody::Number(number) => Self::Int(number),
            SettingBody::Text(text) => Self::Text(text),
        }
    }
}

impl From<SettingValue> for SettingBody {
    fn from(value: SettingValue) -> Self {
        match value {
            SettingValue::Bool(on) => Self::Bool(on),
            SettingValue::Int(number) => Self::Number(number),
            SettingValue::Text(text) => Self::Text(text),
        }
    }
}

impl SessionList {
    pub(super) fn of(sessions: Vec<Session>) -> Self {
        Self { sessions: sessions.into_iter().map(SessionRow::of).collect() }
    }
}

impl SessionRow {
    pub(super) fn of(session: Session) -> Self {
        Self {
            number: session.number,
            name: session.name,
            is_default: session.number == 1,
            peer_port: session.port,
            is_listening: session.state.is_listening,
            is_dht_running: session.state.is_dht_running,
            paused: session.state.is_paused,
            torrents: session.torrents,
            settings: session.own.into_iter().map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

impl NewSessionBody {
    /// Its name and its settings.
    ///
    /// # Errors
    /// What is wrong when it says twice where to listen.
    pub(super) fn into_wish(self) -> Result<(String, BTreeMap<String, SettingValue>), String> {
        let settings = self.settings.into_iter().map(|(name, value)| (name, value.into()));
        let mut settings: BTreeMap<String, SettingValue> = settings.collect();
        if let Some(listen) = self.listen {
            let text: Vec<String> = listen.iter().map(ToString::to_string).collect();
            if settings.insert(LISTEN.to_owned(), SettingValue::Text(text.join(","))).is_some() {
                return Err(format!("say where to listen once: `listen` or `settings.{LISTEN}`"));
            }
        }
        Ok((self.name, settings))
    }
}

impl SessionPatch {
    /// The settings that are to change, if it names any.
    pub(super) fn into_wishes(self) -> Option<BTreeMap<String, Option<SettingValue>>> {
        let wishes = self.settings?.into_iter();
        Some(wishes.map(|(name, value)| (name, value.map(SettingValue::from))).collect())
    }
}
