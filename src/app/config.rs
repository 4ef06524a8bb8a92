//! The configuration: one struct for each part of the program, with its keys and defaults.
//!
//! The doc comment of a field is the manual of its key. Values come in layers (see
//! `config_sources`): defaults, then TOML, then `COVE_SECTION__KEY`
//! in the environment, then `--set section.key=value`; a later layer wins. What
//! must hold between keys is checked once, here, so that the rest of the program may rely on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::Error as _;

pub use crate::app::config_log::LogConfig;
pub use crate::app::config_log::LogFormat;
pub use crate::app::config_log::LogLevel;
use crate::app::config_paths;
pub use crate::app::config_share::ShareConfig;
use crate::app::config_show::Row;
use crate::app::config_sources;
use crate::app::config_sources::Environment;
use crate::app::config_sources::Layers;
use crate::app::config_sources::Wishes;
pub use crate::app::config_tracker::MetricsConfig;
pub use crate::app::config_tracker::TrackerConfig;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::http::TlsFiles;
use crate::service::presets::Preset;
use crate::service::settings::Changes;

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Directory of the program's own state: its database, token and lock. Always absolute.
    /// Default: the first of `$STATE_DIRECTORY`, else the XDG data directory + `/cove`.
    pub state_dir: PathBuf,
    /// The HTTP server and its APIs.
    pub api: ApiConfig,
    /// The BitTorrent client.
    pub client: ClientConfig,
    /// The tracker.
    pub tracker: TrackerConfig,
    /// Shared folders.
    pub share: ShareConfig,
    /// Figures for Prometheus.
    pub metrics: MetricsConfig,
    /// What is logged to standard error, and how.
    pub log: LogConfig,
    /// What new torrents get when nobody says otherwise, by name. Default: none.
    pub presets: BTreeMap<String, Preset>,
}

/// Section `api`: the HTTP server and its APIs.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiConfig {
    /// Addresses with ports to listen on; port 0 takes a free one. Default `127.0.0.1:7373`.
    #[serde(deserialize_with = "addresses")]
    pub bind: Vec<SocketAddr>,
    /// The token that callers must show. Default: none; one is generated and kept in the file
    /// `api-token` of the state directory. An empty text is the same as none.
    pub token: Option<String>,
    /// Further host names under which the server may be called (rule W5). Default: none.
    pub allowed_hosts: Vec<String>,
    /// Further origins, such as `https://nas.example`, whose pages may call (rule W6).
    /// Default: none.
    pub allowed_origins: Vec<String>,
    /// What stands before every path, such as `/cove`, for a proxy that hands on paths as they
    /// are; slashes at its ends do not matter. Default: none.
    pub base_path: String,
    /// What a caller may use up (rule W9).
    pub limits: ApiLimits,
    /// With a certificate the API speaks TLS only.
    pub tls: TlsConfig,
}

/// Sections `api.tls` and `tracker.http.tls`: a certificate for TLS (rule W12).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsConfig {
    /// File with the certificate and its chain, in PEM. Default: none, and plain HTTP.
    pub certificate: Option<PathBuf>,
    /// File with its private key, in PEM; readable by its owner alone. Default: none.
    pub key: Option<PathBuf>,
}

/// Section `api.limits`: what callers of the HTTP server may use up (rule W9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiLimits {
    /// Connections in all. Default 256.
    pub max_connections: u32,
    /// Connections from one address, or one /64 network of IPv6. Default 64.
    pub max_connections_per_address: u32,
    /// Bytes of request line and headers together. Default 32,768.
    pub max_head_bytes: u32,
    /// Headers of one request. Default 64.
    pub max_headers: u32,
    /// Bytes of a JSON body. Default 1 MiB.
    pub max_json_bytes: u64,
    /// Bytes of a torrent file. Default 10 MiB.
    pub max_torrent_bytes: u64,
    /// Seconds until the headers of a request must be there. Default 5.
    pub head_timeout_s: u32,
    /// Seconds until a request must be there and answered; streams excepted. Default 30.
    pub request_timeout_s: u32,
    /// Seconds an idle connection is kept. Default 60.
    pub idle_timeout_s: u32,
}

/// Section `client`: the BitTorrent client.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientConfig {
    /// Addresses with ports to listen on for peers. Default `0.0.0.0:46881` and `[::]:46881`;
    /// an empty list listens nowhere.
    #[serde(deserialize_with = "addresses")]
    pub listen: Vec<SocketAddr>,
    /// Where downloads go that name no place. Absolute; under one of `client.roots`.
    /// Default: `$XDG_DOWNLOAD_DIR`, else `Downloads` in the home directory, else, for an account
    /// without a home, the state directory's path with `-downloads` added.
    pub download_dir: PathBuf,
    /// Directories under which torrents may write, absolute (rule F1). Default: only
    /// `client.download_dir`.
    pub roots: Vec<PathBuf>,
    /// Directories from which `file:` URIs may be read, absolute (rule F5). Default: none, so
    /// `file:` is refused.
    pub import_dirs: Vec<PathBuf>,
    /// Whether torrents may be fetched over HTTP from loopback, private and link-local addresses
    /// (rule F6): `false` (the default), `true`, or a list of addresses and networks.
    pub fetch_private: FetchPrivate,
    /// Find peers by the DHT. Default true; never for private torrents.
    pub dht: bool,
    /// Find peers on the local network (BEP 14). Default true; never for private torrents.
    pub lsd: bool,
    /// Ask the router for a port by UPnP. Default true.
    pub upnp: bool,
    /// Ask the router for a port by NAT-PMP and PCP. Default true.
    pub natpmp: bool,
    /// Exchange peers with peers (BEP 11). Default true; never for private torrents.
    pub pex: bool,
    /// With whom to speak uTP: `off`, `wan` (the default: not towards the local network or
    /// loopback, where it costs speed), or `on`.
    pub utp: Utp,
    /// Who reads and writes the payload: `cove` (the default, our own) or `libtorrent`.
    pub disk: DiskBackend,
    /// Settings for libtorrent by their own names, such as `proxy_hostname`; they win over
    /// what Cove sets. Values are texts, whole numbers or true/false. Default: none.
    pub settings: BTreeMap<String, Setting>,
    /// How much the client may use.
    pub limits: ClientLimits,
    /// Seconds between two saves of a running torrent's progress, at least 1. Default 30.
    pub resume_interval_s: u32,
    /// Seconds for which a swarm is asked what a magnet link holds that is only looked at, at least
    /// 1. Default 20.
    pub metadata_timeout_s: u32,
    /// Permissions that payload files do not get, in octal: `022` (the default) lets others read,
    /// `077` only the account that runs Cove. The state is closed to others in any case.
    pub umask: String,
}

/// Section `client.limits`: how much the client may use; 0 means no limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientLimits {
    /// Bytes/s received, over all torrents. Default 0: none.
    pub download_bytes_per_s: u32,
    /// Bytes/s sent, over all torrents. Default 0: none.
    pub upload_bytes_per_s: u32,
    /// Connections to peers, over all torrents. Default 500.
    pub connections: u32,
    /// Connections to peers of one torrent. Default 100.
    pub connections_per_torrent: u32,
    /// Peers that are sent to at one time. Default 0: none.
    pub uploads: u32,
    /// Torrents of the queue that download at one time. Default 0: none.
    pub active_downloads: u32,
    /// Torrents of the queue that seed at one time. Default 0: none.
    pub active_seeds: u32,
    /// Torrents of the queue that run at one time. Default 0: none.
    pub active: u32,
    /// Percent of what is there of a torrent that is sent before it stops by itself: 200 for twice
    /// its size. A torrent may have a limit of its own; shares have none unless they do. Default 0:
    /// none.
    pub seed_ratio_percent: u32,
}

/// The answer to `client.fetch_private`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FetchPrivate {
    /// All such addresses, or none.
    All(bool),
    /// Only these: addresses, or networks such as `192.168.1.0/24`.
    Only(Vec<String>),
}

/// The value of one libtorrent setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

/// With whom the client speaks uTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Utp {
    /// With nobody.
    Off,
    /// With peers outside the local network.
    #[default]
    Wan,
    /// With everybody.
    On,
}

/// Who reads and writes the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskBackend {
    /// Our own back end.
    #[default]
    Cove,
    /// libtorrent's, which maps files into memory.
    Libtorrent,
}

/// A checked configuration together with where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file that was read: `--config`, or `cove.toml` of the state directory.
    pub file: Option<PathBuf>,
    /// Every key with its value and source, secrets masked, in the order of the keys.
    pub rows: Vec<Row>,
    layers: Arc<Layers>,
}

impl Loaded {
    /// Reads all layers and checks the result. Makes nothing: directories need not exist.
    ///
    /// # Errors
    /// Invalid, naming the key, where its value came from and what was expected, or the file
    /// that cannot be read.
    pub fn load(wishes: &Wishes, environment: &Environment) -> Result<Self> {
        let layers = config_sources::read(wishes, environment)?;
        Self::of(Arc::new(layers), &Changes::new())
    }

    /// The same layers with `changes` made while the program ran; nothing is read again.
    ///
    /// # Errors
    /// Invalid, when a change breaks a rule of the configuration.
    pub(crate) fn changed(&self, changes: &Changes) -> Result<Self> {
        Self::of(Arc::clone(&self.layers), changes)
    }

    fn of(layers: Arc<Layers>, changes: &Changes) -> Result<Self> {
        let merged = layers.merge(changes)?;
        let mut config: Config = merged.extract()?;
        config.fill();
        config.check(layers.file())?;
        let (rows, file) = (merged.rows(&config)?, layers.file().map(Path::to_path_buf));
        Ok(Self { config, file, rows, layers })
    }

    /// What torrents may never touch (rule F1): the state directory and the configuration.
    ///
    /// That is the whole directory of the configuration file, unless a root lies inside it; then
    /// the file alone.
    pub fn forbidden_paths(&self) -> Vec<PathBuf> {
        config_paths::forbidden(&self.config, self.file.as_deref())
    }
}

impl Config {
    /// The defaults, for a state directory and a download directory found elsewhere.
    pub fn defaults(state_dir: PathBuf, download_dir: PathBuf) -> Self {
        Self {
            state_dir,
            api: ApiConfig::default(),
            client: ClientConfig { download_dir, ..ClientConfig::default() },
            tracker: TrackerConfig::default(),
            share: ShareConfig::default(),
            metrics: MetricsConfig::default(),
            log: LogConfig::default(),
            presets: BTreeMap::new(),
        }
    }

    /// Gives the keys their value whose default depends on another key.
    fn fill(&mut self) {
        self.api.token = self.api.token.take().filter(|token| !token.is_empty());
        if self.client.roots.is_empty() {
            self.client.roots = vec![self.client.download_dir.clone()];
        }
    }

    fn check(&self, file: Option<&Path>) -> Result<()> {
        if self.api.bind.is_empty() {
            return Err(Error::invalid("`api.bind` is empty: give at least one address:port"));
        }
        if let Some(token) = &self.api.token
            && !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(Error::invalid(
                "`api.token` has blanks or other characters that a header cannot carry",
            ));
        }
        if self.client.resume_interval_s == 0 {
            return Err(Error::invalid("`client.resume_interval_s` is 0: give at least 1 second"));
        }
        if self.client.metadata_timeout_s == 0 {
            return Err(Error::invalid("`client.metadata_timeout_s` is 0: give at least 1 second"));
        }
        if self.client.umask_bits().is_none() {
            return Err(Error::invalid("`client.umask` is three octal digits, such as 022"));
        }
        self.api.limits.check()?;
        self.api.tls.files("api.tls")?;
        self.tracker.check()?;
        config_paths::check(self, file)
    }
}

impl ClientConfig {
    /// `umask` as a number; `None` when it is none.
    pub fn umask_bits(&self) -> Option<u32> {
        u32::from_str_radix(&self.umask, 8).ok().filter(|bits| *bits <= 0o777)
    }
}

impl TlsConfig {
    /// What URLs of these addresses begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }

    /// Both files, or none; `section` is for the message.
    pub(crate) fn files(&self, section: &str) -> Result<Option<TlsFiles>> {
        match (self.certificate.clone(), self.key.clone()) {
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
            (None, None) => Ok(None),
            _ => Err(Error::invalid(format!(
                "`{section}` needs both: `{section}.certificate` and `{section}.key`"
            ))),
        }
    }
}

impl ApiLimits {
    /// Unlike the client's limits these have no "none": 0 would lock everybody out.
    fn check(&self) -> Result<()> {
        let limits = [
            ("max_connections", u64::from(self.max_connections)),
            ("max_connections_per_address", u64::from(self.max_connections_per_address)),
            ("max_head_bytes", u64::from(self.max_head_bytes)),
            ("max_headers", u64::from(self.max_headers)),
            ("max_json_bytes", self.max_json_bytes),
            ("max_torrent_bytes", self.max_torrent_bytes),
            ("head_timeout_s", u64::from(self.head_timeout_s)),
            ("request_timeout_s", u64::from(self.request_timeout_s)),
            ("idle_timeout_s", u64::from(self.idle_timeout_s)),
        ];
        match limits.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => {
                Err(Error::invalid(format!("`api.limits.{name}` is 0: give at least 1")))
            }
            None => Ok(()),
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            bind: vec![SocketAddr::from(([127, 0, 0, 1], 7373))],
            token: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            base_path: String::new(),
            limits: ApiLimits::default(),
            tls: TlsConfig::default(),
        }
    }
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            max_connections_per_address: 64,
            max_head_bytes: 32 << 10,
            max_headers: 64,
            max_json_bytes: 1 << 20,
            max_torrent_bytes: 10 << 20,
            head_timeout_s: 5,
            request_timeout_s: 30,
            idle_timeout_s: 60,
        }
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        const PORT: u16 = 46881;
        Self {
            listen: vec![
                SocketAddr::from(([0, 0, 0, 0], PORT)),
                SocketAddr::from(([0u16; 8], PORT)),
            ],
            download_dir: PathBuf::new(),
            roots: Vec::new(),
            import_dirs: Vec::new(),
            fetch_private: FetchPrivate::All(false),
            dht: true,
            lsd: true,
            upnp: true,
            natpmp: true,
            pex: true,
            utp: Utp::default(),
            disk: DiskBackend::default(),
            settings: BTreeMap::new(),
            limits: ClientLimits::default(),
            resume_interval_s: 30,
            metadata_timeout_s: 20,
            umask: "022".into(),
        }
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            download_bytes_per_s: 0,
            upload_bytes_per_s: 0,
            connections: 500,
            connections_per_torrent: 100,
            uploads: 0,
            active_downloads: 0,
            active_seeds: 0,
            active: 0,
            seed_ratio_percent: 0,
        }
    }
}

/// Leaves the token out: a configuration in a log must not show it (rule W11).
impl std::fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiConfig")
            .field("bind", &self.bind)
            .field("has_token", &self.token.is_some())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Leaves the values of settings out, some of which are passwords (rule W11).
impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("listen", &self.listen)
            .field("download_dir", &self.download_dir)
            .field("roots", &self.roots)
            .field("settings", &self.settings.keys())
            .finish_non_exhaustive()
    }
}

/// A list of `address:port`; std's own error does not show the text that is wrong.
pub(crate) fn addresses<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Vec<SocketAddr>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            D::Error::custom(format!("`{text}` is no address:port such as 127.0.0.1:80 or [::]:80"))
        })
    };
    texts.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use figment::value::Value;
    use tempfile::TempDir;

    use super::*;
    use crate::app::config_show::MASK;
    use crate::app::config_sources::Override;

    /// A home of its own; nothing of the real environment gets in.
    struct Home {
        dir: TempDir,
        wishes: Wishes,
        environment: Environment,
    }

    impl Home {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let environment = Environment {
                variables: [("HOME".into(), dir.path().into())].into(),
                working_dir: dir.path().into(),
            };
            Self { dir, wishes: Wishes::default(), environment }
        }

        fn with(mut self, name: &str, value: &str) -> Self {
            self.environment.variables.insert(name.into(), value.into());
            self
        }

        fn set(mut self, argument: &str) -> Self {
            self.wishes.overrides.push(Override::parse(argument).unwrap());
            self
        }

        fn file(mut self, name: &str, text: &str) -> Self {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            self.wishes.config_file = Some(path);
            self
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn load(&self) -> Loaded {
            Loaded::load(&self.wishes, &self.environment).unwrap()
        }

        fn refusal(&self) -> String {
            Loaded::load(&self.wishes, &self.environment).unwrap_err().message().to_owned()
        }
    }

    fn row<'a>(loaded: &'a Loaded, key: &str) -> &'a Row {
        loaded.rows.iter().find(|row| row.key == key).unwrap()
    }

    fn source<'a>(loaded: &'a Loaded, key: &str) -> &'a str {
        &row(loaded, key).source
    }

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn without_any_source_the_defaults_hold() {
        let home = Home::new();
        let loaded = home.load();
        let config = &loaded.config;
        assert_eq!(config.state_dir, home.path(".local/share/cove"));
        assert_eq!(config.api.bind, sockets(&["127.0.0.1:7373"]));
        assert_eq!(config.client.listen, sockets(&["0.0.0.0:46881", "[::]:46881"]));
        assert_eq!(config.tracker.http.bind, sockets(&["0.0.0.0:6969", "[::]:6969"]));
        assert_eq!(config.client.download_dir, home.path("Downloads"));
        assert_eq!(config.client.roots, [home.path("Downloads")]);
        assert_eq!(config.api.token, None);
        assert_eq!(config.client.utp, Utp::Wan);
        assert!(loaded.rows.iter().all(|row| row.source == "default"), "{:?}", loaded.rows);
        assert_eq!(loaded.file, None);
    }

    /// The order of the issue: defaults, TOML, environment, `--set`.
    #[test]
    fn each_layer_wins_over_those_before_it_and_is_named() {
        let toml = "[client.limits]\nactive = 1\nuploads = 1\nconnections = 1\n[api]\nallowed_hosts = ['a']";
        let home = Home::new()
            .file("etc/my.toml", toml)
            .with("COVE_CLIENT__LIMITS__UPLOADS", "2")
            .with("COVE_CLIENT__LIMITS__CONNECTIONS", "2")
            .with("COVE_LOG", "debug")
            .set("client.limits.connections=3")
            .set("client.limits.connections=4");
        let loaded = home.load();
        let limits = &loaded.config.client.limits;
        assert_eq!((limits.active, limits.uploads, limits.connections), (1, 2, 4));
        assert_eq!(limits.connections_per_torrent, 100);
        let source = |name: &str| source(&loaded, &format!("client.limits.{name}"));
        assert_eq!(source("connections_per_torrent"), "default");
        assert_eq!(source("active"), home.path("etc/my.toml").to_str().unwrap());
        assert_eq!(source("uploads"), "environment variable COVE_CLIENT__LIMITS__UPLOADS");
        assert_eq!(source("connections"), "--set");
        assert_eq!(row(&loaded, "api.allowed_hosts").source, source("active"));
    }

    #[test]
    fn lists_are_lists_or_one_text_with_commas_in_every_layer() {
        let both = sockets(&["[::]:1", "127.0.0.1:2"]);
        for toml in ["bind = ['[::]:1', '127.0.0.1:2']", "bind = '[::]:1, 127.0.0.1:2'"] {
            let loaded = Home::new().file("a.toml", &format!("[api]\n{toml}")).load();
            assert_eq!(loaded.config.api.bind, both, "{toml}");
        }
        for text in
            ["[::]:1,127.0.0.1:2", " [::]:1 , 127.0.0.1:2,", "[\"[::]:1\", \"127.0.0.1:2\"]"]
        {
            assert_eq!(Home::new().with("COVE_API__BIND", text).load().config.api.bind, both);
            assert_eq!(Home::new().set(&format!("api.bind={text}")).load().config.api.bind, both);
        }
        for empty in ["", "[]", " , "] {
            let loaded = Home::new().set(&format!("client.listen={empty}")).load();
            assert_eq!(loaded.config.client.listen, []);
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_source_and_the_nearest_one() {
        let cases = [
            (Home::new().set("api.bnid=x"), "`api.bnid` from --set; did you mean `api.bind`?"),
            (Home::new().set("bind=x"), "did you mean `api.bind`?"),
            (Home::new().set("zzzzzzzzzzzz=x"), "unknown key `zzzzzzzzzzzz` from --set"),
            (Home::new().set("client.settings.=x"), "unknown key `client.settings.`"),
            (
                Home::new().with("COVE_API_BIND", "x"),
                "from environment variable COVE_API_BIND; did you mean `api.bind`?",
            ),
            (Home::new().file("c.toml", "[clint]\ndht = true"), "did you mean `client`?"),
            (
                Home::new().file("c.toml", "[client.limits]\nuplods = 1"),
                "c.toml; did you mean `client.limits.uploads`?",
            ),
        ];
        for (home, expected) in cases {
            assert!(home.refusal().contains(expected), "{} lacks {expected}", home.refusal());
        }
    }

    #[test]
    fn a_wrong_type_is_named_with_its_source_and_what_was_expected() {
        let file = |text: &str| Home::new().file("c.toml", text);
        let cases = [
            (Home::new().set("client.dht=maybe"), "`client.dht` from --set: expected true or"),
            (file("[client]\ndht = 'true'"), "c.toml: expected true or false"),
            (file("[api]\ntoken = 5"), "`api.token` from"),
            (file("[api]\nbind = [5]"), "expected a list of texts"),
            (file("api = 5"), "expected a section"),
            (Home::new().set("client=5"), "expected a section"),
            (file("[client.settings]\na = [1]"), "expected a text, a whole number"),
            (Home::new().with("COVE_CLIENT__LIMITS__ACTIVE", "-1"), "0 or more"),
            (Home::new().set("client.limits.active=4294967296"), "client.limits.active"),
            (Home::new().set("client.utp=sometimes"), "client.utp"),
            (Home::new().set("api.bind=localhost"), "`localhost` is no address:port"),
            (Home::new().set("api.bind="), "`api.bind` is empty"),
            (Home::new().set("api.limits.max_headers=0"), "`api.limits.max_headers` is 0"),
            (Home::new().set("api.tls.key=k.pem"), "`api.tls` needs both"),
            (Home::new().set("tracker.http.tls.certificate=c"), "`tracker.http.tls` needs both"),
            (Home::new().set("tracker.proxies=10.0.0.1/8"), "`10.0.0.1/8` is no address or"),
            (Home::new().set("tracker.http.bind=6969"), "`6969` is no address:port"),
            (
                Home::new().set("tracker.http.max_connections=0"),
                "`tracker.http.max_connections` is 0",
            ),
            (Home::new().set("api.token=a b"), "`api.token` has blanks"),
            (file("[api\n"), "line 1 is no valid TOML"),
        ];
        for (home, expected) in cases {
            assert!(home.refusal().contains(expected), "{} lacks {expected}", home.refusal());
        }
    }

    /// Rule W11: secrets are masked where they are shown, and no refusal quotes one.
    #[test]
    fn w11_secrets_are_masked_and_never_quoted() {
        let secret = "s3cr3t-value";
        let home = Home::new()
            .with("COVE_API__TOKEN", secret)
            .set(&format!("client.settings.proxy_password={secret}"))
            .set("client.settings.proxy_hostname=proxy");
        let loaded = home.load();
        assert_eq!(loaded.config.api.token.as_deref(), Some(secret));
        let password = Setting::Text(secret.into());
        assert_eq!(loaded.config.client.settings["proxy_password"], password);
        for key in ["api.token", "client.settings.proxy_password"] {
            assert_eq!(row(&loaded, key).value, Value::from(MASK));
        }
        assert_eq!(row(&loaded, "client.settings.proxy_hostname").value, Value::from("proxy"));
        let shown = format!("{loaded:?} {:?} {:?}", home.wishes, row(&loaded, "api.token"));
        assert!(!shown.contains(secret), "{shown}");

        let broken = [
            format!("[api]\ntoken = '{secret}"),
            format!("[api]\ntoken = ['{secret}']"),
            format!("[api]\ntoken = '{secret} x'"),
            format!("[client.settings]\nproxy_password = ['{secret}']"),
            format!("token = '{secret}'"),
        ];
        for text in broken {
            let refusal = Home::new().file("c.toml", &text).refusal();
            assert!(!refusal.contains(secret), "{refusal}");
        }
    }

    #[test]
    fn an_empty_token_is_none_and_a_number_is_text() {
        let token = |text: &str| Home::new().with("COVE_API__TOKEN", text).load().config.api.token;
        assert_eq!(token(""), None);
        assert_eq!(token("0123").as_deref(), Some("0123"));
        assert_eq!(Home::new().file("c.toml", "[api]\ntoken = ''").load().config.api.token, None);
    }

    #[test]
    fn free_settings_keep_their_types() {
        let home = Home::new()
            .file(
                "c.toml",
                "[client.settings]\nactive_limit = -1\nuser_agent = '7'\nenable_x = true",
            )
            .with("COVE_CLIENT__SETTINGS__PROXY_PORT", "8080")
            .set("client.settings.enable_y=false");
        let settings = home.load().config.client.settings;
        assert_eq!(settings["active_limit"], Setting::Int(-1));
        assert_eq!(settings["user_agent"], Setting::Text("7".into()));
        assert_eq!(settings["proxy_port"], Setting::Int(8080));
        assert_eq!(
            (&settings["enable_x"], &settings["enable_y"]),
            (&Setting::Bool(true), &Setting::Bool(false))
        );
    }

    /// Rule F6: private addresses are all refused, all allowed, or listed.
    #[test]
    fn f6_exceptions_are_a_switch_or_a_list() {
        let only =
            |texts: &[&str]| FetchPrivate::Only(texts.iter().map(ToString::to_string).collect());
        let set =
            |text: &str| Home::new().set(&format!("client.fetch_private={text}")).load().config;
        assert_eq!(set("true").client.fetch_private, FetchPrivate::All(true));
        assert_eq!(
            set("10.0.0.1, 10.1.0.0/16").client.fetch_private,
            only(&["10.0.0.1", "10.1.0.0/16"])
        );
        let listed = Home::new().file("c.toml", "[client]\nfetch_private = ['::1']").load();
        assert_eq!(listed.config.client.fetch_private, only(&["::1"]));
    }

    #[test]
    fn the_state_directory_comes_from_the_flag_else_the_service_else_xdg() {
        let home = Home::new().with("XDG_DATA_HOME", "/xdg");
        assert_eq!(home.load().config.state_dir, Path::new("/xdg/cove"));
        let home = home.with("STATE_DIRECTORY", "/var/lib/cove:/var/lib/other");
        let loaded = home.load();
        assert_eq!(loaded.config.state_dir, Path::new("/var/lib/cove"));
        assert_eq!(source(&loaded, "state_dir"), "environment variable STATE_DIRECTORY");
        let home = home.with("COVE_STATE_DIR", "/from/variable");
        assert_eq!(home.load().config.state_dir, Path::new("/from/variable"));
        let home = home.set("state_dir=relative");
        assert_eq!(home.load().config.state_dir, home.path("relative"));

        let relative = Home::new().with("XDG_DATA_HOME", "data").with("STATE_DIRECTORY", "state");
        assert_eq!(relative.load().config.state_dir, relative.path(".local/share/cove"));
        let nowhere = Home::new().with("HOME", "");
        assert!(nowhere.refusal().contains("--state-dir"));
        let placed = nowhere.set("state_dir=/srv/state").load();
        assert_eq!(placed.config.client.download_dir, Path::new("/var/lib/cove-downloads"));
    }

    #[test]
    fn the_file_beside_the_state_is_read_unless_another_is_named() {
        let mut home =
            Home::new().file("state/cove.toml", "[log]\nlevel = 'debug'").set("state_dir=state");
        home.wishes.config_file = None;
        let loaded = home.load();
        assert_eq!(loaded.config.log.level, LogLevel::Debug);
        assert_eq!(loaded.file, Some(home.path("state/cove.toml")));

        fs::write(home.path("state/cove.toml"), "state_dir = '/elsewhere'").unwrap();
        assert!(home.refusal().contains("`state_dir` cannot be set"));

        home.wishes.config_file = Some("missing.toml".into());
        assert!(home.refusal().contains("missing.toml"));
    }

    #[test]
    fn relative_paths_start_from_the_file_or_the_working_directory() {
        let toml = "[client]\nroots = '../data'\ndownload_dir = '../data/new'";
        let home = Home::new().file("etc/c.toml", toml).set("client.import_dirs=in,/abs");
        let client = home.load().config.client;
        assert_eq!(client.roots, [home.path("etc/../data")]);
        assert_eq!(client.import_dirs, [home.path("in"), "/abs".into()]);
        let home = Home::new().file("etc/c.toml", "[api.tls]\ncertificate = 'c'\nkey = '/k'");
        let tls = home.load().config.api.tls;
        assert_eq!((tls.certificate, tls.key), (Some(home.path("etc/c")), Some("/k".into())));
        assert!(Home::new().set("client.roots=~/x").refusal().contains("`~` is not expanded"));
    }

    /// Rule F1: torrents get neither the state nor the configuration, and downloads have a root.
    #[test]
    fn f1_roots_do_not_hold_the_state_or_the_configuration() {
        let home = || Home::new().set("state_dir=state");
        let refused = [
            (home().set("client.roots=state"), "lies in the state directory"),
            (home().set("client.download_dir=state/downloads"), "lies in the state directory"),
            (home().set("client.roots=/"), "cannot be a root"),
            (home().set("client.roots=other"), "not under one of `client.roots`"),
            (home().set("client.download_dir=new/../../x"), "without `..`"),
            (
                home().file("etc/c.toml", "").set("client.download_dir=etc"),
                "holds the configuration file",
            ),
        ];
        for (home, expected) in refused {
            assert!(home.refusal().contains(expected), "{} lacks {expected}", home.refusal());
        }

        let linked = home().set("client.download_dir=link/inside");
        fs::create_dir(linked.path("state")).unwrap();
        std::os::unix::fs::symlink(linked.path("state"), linked.path("link")).unwrap();
        assert!(linked.refusal().contains("lies in the state directory"));

        let apart = home().file("etc/c.toml", "").set("client.download_dir=dl");
        assert_eq!(apart.load().forbidden_paths(), [apart.path("state"), apart.path("etc")]);
        let shared = home().file("c.toml", "").set("client.download_dir=dl");
        assert_eq!(shared.load().forbidden_paths(), [shared.path("state"), shared.path("c.toml")]);
    }
}
