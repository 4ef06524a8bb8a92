//! What concerns the program as a whole: disk space, versions, values of clients, plugins.

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::AnyValue;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::json::null;
use crate::dialects::porla::server_wire::AddPlugin;
use crate::dialects::porla::server_wire::InstallPlugin;
use crate::dialects::porla::server_wire::InstallWebUi;
use crate::dialects::porla::server_wire::KvGet;
use crate::dialects::porla::server_wire::KvSet;
use crate::dialects::porla::server_wire::KvValue;
use crate::dialects::porla::server_wire::Libtorrent;
use crate::dialects::porla::server_wire::Lookup;
use crate::dialects::porla::server_wire::OpenSsl;
use crate::dialects::porla::server_wire::PluginId;
use crate::dialects::porla::server_wire::PluginName;
use crate::dialects::porla::server_wire::Plugins;
use crate::dialects::porla::server_wire::PorlaVersion;
use crate::dialects::porla::server_wire::Space;
use crate::dialects::porla::server_wire::SpaceLeft;
use crate::dialects::porla::server_wire::Sqlite;
use crate::dialects::porla::server_wire::Version;
use crate::dialects::porla::server_wire::Versions;
use crate::domain::error::ErrorKind;

/// The generation of Porla that this API is like, which clients look at.
const GENERATION: &str = "0.41.0";

impl Porla {
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

    /// There is no database of addresses.
    pub(super) async fn lookup(&self, params: Params) -> Outcome {
        let _: Lookup = params.read()?;
        Err(Failure::of(-1, "MMDB file not loaded."))
    }

    pub(super) async fn add_plugin(&self, params: Params) -> Outcome {
        let wish: AddPlugin = params.read()?;
        if !matches!(wish.kind.as_str(), "archive" | "path") {
            let message =
                "Invalid plugin type. The `type` field must be either `archive` or `path`.";
            return Err(Failure::of(-1, message));
        }
        Err(Failure::of(-1, "Plugins are not supported"))
    }

    pub(super) async fn remove_plugin(&self, params: Params) -> Outcome {
        let _: PluginId = params.read()?;
        Err(Failure::of(-1, "Plugin not found"))
    }

    pub(super) async fn install_webui(&self, params: Params) -> Outcome {
        let _: InstallWebUi = params.read()?;
        Err(Failure::of(-1, "Web UI not enabled"))
    }
}
