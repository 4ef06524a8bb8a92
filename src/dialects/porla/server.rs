//! What concerns the program as a whole: sessions, presets, disk space, versions, plugins.

use std::collections::BTreeMap;

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::AnyValue;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::json::null;
use crate::dialects::porla::json::yes;
use crate::dialects::porla::server_wire::InstallPlugin;
use crate::dialects::porla::server_wire::InstallWebUi;
use crate::dialects::porla::server_wire::KvGet;
use crate::dialects::porla::server_wire::KvSet;
use crate::dialects::porla::server_wire::KvValue;
use crate::dialects::porla::server_wire::Libtorrent;
use crate::dialects::porla::server_wire::OpenSsl;
use crate::dialects::porla::server_wire::PluginName;
use crate::dialects::porla::server_wire::Plugins;
use crate::dialects::porla::server_wire::PorlaVersion;
use crate::dialects::porla::server_wire::Preset;
use crate::dialects::porla::server_wire::Session;
use crate::dialects::porla::server_wire::SessionName;
use crate::dialects::porla::server_wire::Sessions;
use crate::dialects::porla::server_wire::Setting;
use crate::dialects::porla::server_wire::Settings;
use crate::dialects::porla::server_wire::SettingsList;
use crate::dialects::porla::server_wire::Space;
use crate::dialects::porla::server_wire::SpaceLeft;
use crate::dialects::porla::server_wire::Sqlite;
use crate::dialects::porla::server_wire::Version;
use crate::dialects::porla::server_wire::Versions;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::service::presets;
use crate::service::sessions::SettingValue;

/// The generation of Porla that this API is like, which clients look at.
const GENERATION: &str = "0.41.0";

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
        let shown = settings.into_iter().filter(|(name, _)| is_wanted(name));
        let shown = shown.map(|(name, value)| {
            let value = match value {
                SettingValue::Bool(on) => Setting::Bool(on),
                SettingValue::Int(number) => Setting::Int(number),
                SettingValue::Text(text) => Setting::Text(text),
            };
            (name, value)
        });
        answer(&SettingsList { settings: shown.collect() })
    }

    pub(super) async fn presets(&self, _: Params) -> Outcome {
        let presets = self.services.presets.all().iter();
        let shown: BTreeMap<&str, Preset<'_>> =
            presets.map(|(name, preset)| (name.as_str(), shown(preset))).collect();
        answer(&shown)
    }

    pub(super) async fn space(&self, params: Params) -> Outcome {
        let wish: Space = params.read()?;
        let space =
            self.services.torrents.space(&wish.path).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => Failure::of(-1, error.public_message()),
                _ => Failure::from(error),
            })?;
        answer(&SpaceLeft {
            available: space.available,
            capacity: space.capacity,
            free: space.free,
            quota: None,
        })
    }

    pub(super) async fn versions(&self, _: Params) -> Outcome {
        let [version, revision, boost] = self.services.sessions.versions();
        let [sqlite, source_id] = self.services.kv.store_versions().await?;
        answer(&Versions {
            boost: Version { version: boost },
            libtorrent: Libtorrent { revision, version },
            nlohmann_json: Version::default(),
            openssl: OpenSsl::default(),
            porla: PorlaVersion {
                branch: "cove",
                commitish: env!("CARGO_PKG_VERSION"),
                version: GENERATION,
            },
            sqlite: Sqlite { source_id, version: sqlite },
            tomlplusplus: Version::default(),
        })
    }

    pub(super) async fn kv_get(&self, params: Params) -> Outcome {
        let wish: KvGet = params.read()?;
        let value = self.services.kv.get(&wish.key).await?;
        answer(&KvValue { value: value.map(AnyValue) })
    }

    pub(super) async fn kv_set(&self, params: Params) -> Outcome {
        let wish: KvSet = params.read()?;
        self.services.kv.set(&wish.key, &wish.value.0).await?;
        null()
    }

    pub(super) async fn plugins(&self, _: Params) -> Outcome {
        answer(&Plugins { plugins: [] })
    }

    /// There are none, so none is found.
    pub(super) async fn no_plugin(&self, params: Params) -> Outcome {
        let _: PluginName = params.read()?;
        Err(Failure::of(-1, "Plugin not found"))
    }

    pub(super) async fn install_plugin(&self, params: Params) -> Outcome {
        let wish: InstallPlugin = params.read()?;
        if wish.source.as_deref() == Some("git") {
            return Err(Failure::of(-1, "Installing from Git has been removed"));
        }
        Err(Failure::of(-1, "Plugin not found"))
    }

    pub(super) async fn update_plugin(&self, params: Params) -> Outcome {
        let _: PluginName = params.read()?;
        Err(Failure::of(-2, "Updating plugins has been removed"))
    }

    pub(super) async fn install_webui(&self, params: Params) -> Outcome {
        let _: InstallWebUi = params.read()?;
        Err(Failure::of(-1, "Web UI not enabled"))
    }
}

fn of_session(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::of(-1, "Session not found"),
        _ => Failure::from(error),
    }
}

fn shown(preset: &presets::Preset) -> Preset<'_> {
    Preset {
        hidden: None,
        category: preset.category.as_deref(),
        download_limit: preset.download_limit,
        max_connections: preset.max_connections,
        max_uploads: preset.max_uploads,
        save_path: preset.save_path.as_deref(),
        session: preset.session.as_deref(),
        tags: (!preset.tags.is_empty()).then_some(&*preset.tags),
        upload_limit: preset.upload_limit,
    }
}
