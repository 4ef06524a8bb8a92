//! Sessions by name, as in 0.41, or by number, as in the later line: what they do and their settings.

use std::collections::BTreeMap;

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::json::empty;
use crate::dialects::porla::json::null;
use crate::dialects::porla::json::yes;
use crate::dialects::porla::sessions_wire::AddSession;
use crate::dialects::porla::sessions_wire::Migrate;
use crate::dialects::porla::sessions_wire::NameOrNumber;
use crate::dialects::porla::sessions_wire::OneSession;
use crate::dialects::porla::sessions_wire::Session;
use crate::dialects::porla::sessions_wire::SessionGot;
use crate::dialects::porla::sessions_wire::SessionName;
use crate::dialects::porla::sessions_wire::Sessions;
use crate::dialects::porla::sessions_wire::SetSettings;
use crate::dialects::porla::sessions_wire::Setting;
use crate::dialects::porla::sessions_wire::Settings;
use crate::dialects::porla::sessions_wire::SettingsList;
use crate::dialects::porla::sessions_wire::UpdateSession;
use crate::dialects::porla::sessions_wire::WholeSession;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::setting::Value;
use crate::service::sessions::SettingValue;

/// The one base of settings that there is.
const SETTINGS_BASE: &str = "default";
/// What the configuration calls libtorrent's settings of the default session.
const CONFIGURED: &str = "client.settings.";

impl Porla {
    pub(super) async fn sessions(&self, _: Params) -> Outcome {
        let sessions = self.services.sessions.list().await?;
        let row = |session: crate::service::sessions::Session| Session {
            is_dht_running: session.state.is_dht_running,
            is_listening: session.state.is_listening,
            is_paused: session.state.is_paused,
            name: session.name,
            torrents_total: session.torrents,
        };
        answer(&Sessions { sessions: sessions.into_iter().map(row).collect() })
    }

    pub(super) async fn pause_session(&self, params: Params) -> Outcome {
        let wish: SessionName = params.read()?;
        let name = wish.name.unwrap_or_else(|| self.services.sessions.default_name());
        self.services.sessions.pause(&name).await.map_err(of_session)?;
        null()
    }

    pub(super) async fn resume_session(&self, params: Params) -> Outcome {
        let wish: SessionName = params.read()?;
        let name = wish.name.unwrap_or_else(|| self.services.sessions.default_name());
        self.services.sessions.resume(&name).await.map_err(of_session)?;
        yes()
    }

    pub(super) async fn settings(&self, params: Params) -> Outcome {
        let wish: Settings = params.read()?;
        let name = wish.name.unwrap_or_else(|| self.services.sessions.default_name());
        let settings = self.services.sessions.settings(&name).await.map_err(of_session)?;
        let is_wanted = |name: &String| wish.keys.as_ref().is_none_or(|keys| keys.contains(name));
        answer(&SettingsList { settings: shown(settings, is_wanted) })
    }

    pub(super) async fn get_session(&self, params: Params) -> Outcome {
        let (id, name) = self.session_of(params.read()?)?;
        let settings = self.services.sessions.settings(&name).await.map_err(of_session)?;
        let settings = shown(settings, |_| true);
        answer(&SessionGot { session: WholeSession { id, name, settings } })
    }

    pub(super) async fn get_settings(&self, params: Params) -> Outcome {
        let (_, name) = self.session_of(params.read()?)?;
        let settings = self.services.sessions.settings(&name).await.map_err(of_session)?;
        answer(&SettingsList { settings: shown(settings, |_| true) })
    }

    /// Changes settings as the configuration is changed: in force at once, and kept.
    pub(super) async fn set_settings(&self, params: Params) -> Outcome {
        let wish: SetSettings = params.read()?;
        let (_, name) = self.session_of(wish.session)?;
        self.change_settings(&name, wish.settings).await?;
        null()
    }

    /// Settings as everywhere in the later line: changed, kept, and in force.
    pub(super) async fn add_session(&self, params: Params) -> Outcome {
        let wish: AddSession = params.read()?;
        if wish.settings_base.is_some_and(|base| base != SETTINGS_BASE) {
            let message =
                "a session has the settings of the configuration: leave out 'settings_base'";
            return Err(Failure::of(-1, message));
        }
        if self.services.sessions.has(&wish.name) {
            return Err(Failure::of(-1, "Session with specified name already exists"));
        }
        let settings = wish.settings.unwrap_or_default().into_iter();
        let settings = settings.map(|(name, value)| (name, value.into())).collect();
        let added = self.services.sessions.add(&wish.name, settings).await;
        added.map_err(Failure::of_setting)?;
        empty()
    }

    pub(super) async fn remove_session(&self, params: Params) -> Outcome {
        let wish: OneSession = params.read()?;
        if wish.id.is_none() && wish.name.is_none() {
            return Err(Failure::of(-1, "name the session by 'id' or 'name'"));
        }
        let (_, name) = self.session_of(wish)?;
        self.services.sessions.remove(&name).await.map_err(Failure::of_setting)?;
        empty()
    }

    /// What else the later line has here does not exist: another default session, and data of a
    /// client's own.
    pub(super) async fn update_session(&self, params: Params) -> Outcome {
        let wish: UpdateSession = params.read()?;
        let new_name = wish.session.id.and(wish.session.name.clone());
        let (id, name) = self.session_of(wish.session)?;
        if new_name.is_some_and(|wish| wish != name) {
            return Err(Failure::of(-1, "a session keeps its name: its torrents name it"));
        }
        if wish.is_default.is_some_and(|wish| wish && id != 1) {
            return Err(Failure::of(-1, "the default session is the configuration's"));
        }
        self.change_settings(&name, wish.settings.unwrap_or_default()).await?;
        empty()
    }

    /// Has a torrent live in another session.
    pub(super) async fn migrate(&self, params: Params) -> Outcome {
        let wish: Migrate = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let session = match wish.session {
            NameOrNumber::Number(id) => OneSession { id: Some(id), name: None },
            NameOrNumber::Name(name) => OneSession { id: None, name: Some(name) },
        };
        let (_, name) = self.session_of(session)?;
        let migrated = self.services.torrents.migrate(id, &name).await;
        migrated.map_err(|error| match error.kind() {
            ErrorKind::Conflict => Failure::because(-2, "Torrent not valid", &error),
            _ => error.into(),
        })?;
        null()
    }

    /// The default session is the one that the configuration speaks of.
    async fn change_settings(
        &self,
        session: &str,
        settings: BTreeMap<String, Setting>,
    ) -> Result<(), Failure> {
        if session != self.services.sessions.default_name() {
            let wishes = settings.into_iter().map(|(name, value)| (name, Some(value.into())));
            let changed = self.services.sessions.change(session, wishes.collect()).await;
            return changed.map_err(Failure::of_setting);
        }
        let changes = settings.into_iter().map(|(name, value)| {
            let value = match value {
                Setting::Bool(on) => Value::Bool(on),
                Setting::Int(number) => Value::Number(number),
                Setting::Text(text) => Value::Text(text),
            };
            (format!("{CONFIGURED}{name}"), Some(value))
        });
        let changed = self.services.settings.change(changes.collect()).await;
        changed.map_err(Failure::of_setting)
    }

    /// The number and the name of the session that somebody means.
    fn session_of(&self, wish: OneSession) -> Result<(i64, String), Failure> {
        let named = self.services.sessions.names().into_iter();
        let mut named = named.map(|(id, name)| (i64::from(id), name));
        let found = named.find(|(id, name)| match (wish.id, &wish.name) {
            (Some(wish), _) => *id == wish,
            (None, Some(wish)) => name == wish,
            (None, None) => true,
        });
        found.ok_or_else(|| Failure::of(-1, "Session not found"))
    }
}

/// The settings that are wanted, by name.
fn shown(
    settings: Vec<(String, SettingValue)>,
    is_wanted: impl Fn(&String) -> bool,
) -> BTreeMap<String, Setting> {
    let wanted = settings.into_iter().filter(|(name, _)| is_wanted(name));
    let shown = wanted.map(|(name, value)| {
        let value = match value {
            SettingValue::Bool(on) => Setting::Bool(on),
            SettingValue::Int(number) => Setting::Int(number),
            SettingValue::Text(text) => Setting::Text(text),
        };
        (name, value)
    });
    shown.collect()
}

fn of_session(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::of(-1, "Session not found"),
        _ => Failure::from(error),
    }
}
