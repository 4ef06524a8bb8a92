//! Sessions by name, as in 0.41, or by number, as in the later line: what they do and their settings.

use std::collections::BTreeMap;

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::json::null;
use crate::dialects::porla::json::yes;
use crate::dialects::porla::sessions_wire::OneSession;
use crate::dialects::porla::sessions_wire::Session;
use crate::dialects::porla::sessions_wire::SessionGot;
use crate::dialects::porla::sessions_wire::SessionName;
use crate::dialects::porla::sessions_wire::Sessions;
use crate::dialects::porla::sessions_wire::SetSettings;
use crate::dialects::porla::sessions_wire::Setting;
use crate::dialects::porla::sessions_wire::Settings;
use crate::dialects::porla::sessions_wire::SettingsList;
use crate::dialects::porla::sessions_wire::WholeSession;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::setting::Value;
use crate::service::sessions::SettingValue;

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
        // The default session is the one that the configuration speaks of.
        self.session_of(wish.session)?;
        let changes = wish.settings.into_iter().map(|(name, value)| {
            let value = match value {
                Setting::Bool(on) => Value::Bool(on),
                Setting::Int(number) => Value::Number(number),
                Setting::Text(text) => Value::Text(text),
            };
            (format!("{CONFIGURED}{name}"), Some(value))
        });
        let changed = self.services.settings.change(changes.collect()).await;
        changed.map_err(Failure::of_setting)?;
        null()
    }

    /// The number and the name of the session that somebody means.
    fn session_of(&self, wish: OneSession) -> Result<(i64, String), Failure> {
        let named = (1..).zip(self.services.sessions.names());
        let found = named.into_iter().find(|(id, name)| match (wish.id, &wish.name) {
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
