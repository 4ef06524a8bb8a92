//! From the configuration to the configuration of each floor.

use std::net::SocketAddr;
use std::time::Duration;

use crate::app::config::ApiLimits;
use crate::app::config::Config;
use crate::app::config::FetchPrivate;
use crate::app::config::TlsConfig;
use crate::app::sharing::SharingServices;
use crate::app::state_dir::StateDir;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::Engine;
use crate::http::BodyLimits;
use crate::http::HttpConfig;
use crate::http::HttpLimits;
use crate::http::Listener;
use crate::http::Role;
use crate::http::Tls;
use crate::service::Services;
use crate::service::access::Access;
use crate::service::attempts::Attempts;
use crate::service::auth::Auth;
use crate::service::browse::Browse;
use crate::service::doctor::Doctor;
use crate::service::doctor::Plan;
use crate::service::events::Events;
use crate::service::fetch::Fetch;
use crate::service::fetch::FetchConfig;
use crate::service::fetch::PrivateAccess;
use crate::service::files::Files;
use crate::service::health::Health;
use crate::service::kv::Kv;
use crate::service::lifecycle::Lifecycle;
use crate::service::paths::Roots;
use crate::service::sessions::Sessions;
use crate::service::settings::Settings;
use crate::service::stats::Stats;
use crate::service::swarms::Swarms;
use crate::service::token_file;
use crate::service::tokens::FirstToken;
use crate::service::tokens::Source;
use crate::service::tokens::Tokens;
use crate::service::torrents::Torrents;
use crate::service::users::Setup;
use crate::service::users::Users;
use crate::store::Store;
use crate::tracker::Tracker;

/// How long fetching a torrent may take (rule F6).
const FETCH_LIMIT: Duration = Duration::from_secs(10);

/// Torrents and where they live, our tracker, and shares.
pub(crate) type Own = ((Torrents, Sessions), (Swarms, Access), SharingServices);

/// Every service, over a running engine.
pub(crate) fn services(
    config: &Config,
    doors: Doors,
    (engine, store): (&Engine, &Store),
    roots: &Roots,
    ((torrents, sessions), (swarms, access), sharing): Own,
    (stats, settings, health): (Stats, Settings, Health),
    (plan, tracker): (Plan, Tracker),
) -> Services {
    let SharingServices { authoring, shares, share_jobs, friends, accounts } = sharing;
    let fetch = fetch(config);
    let floors = (engine.clone(), tracker, store.clone());
    let asked = (torrents.clone(), settings.clone(), fetch.clone());
    let doctor = Doctor::new(plan, floors, asked);
    let files = Files::new(engine.clone(), torrents.clone(), roots.clone(), shares.clone());
    let events =
        Events::new(torrents.clone(), swarms.clone(), (shares.clone(), share_jobs.clone()));
    let (kv, labels) = (Kv::new(store.clone()), torrents.labels().clone());
    let presets = settings.presets();
    let (browse, lifecycle) = (Browse::new(roots.clone()), Lifecycle::new());
    let Doors { auth, tokens, users } = doors;
    Services {
        torrents,
        files,
        fetch,
        browse,
        swarms,
        access,
        events,
        stats,
        settings,
        health,
        doctor,
        kv,
        labels,
        presets,
        sessions,
        auth,
        tokens,
        users,
        lifecycle,
        authoring,
        shares,
        share_jobs,
        friends,
        accounts,
    }
}

fn fetch(config: &Config) -> Fetch {
    Fetch::new(FetchConfig {
        private: private_access(&config.client.fetch_private),
        import_dirs: config.client.import_dirs.clone(),
        bytes_max: config.api.limits.max_torrent_bytes,
        timeout: FETCH_LIMIT,
    })
}

/// The configured token, or the one in the state directory (rule W2).
pub(crate) fn first_token(config: &Config, state: &StateDir) -> Result<FirstToken> {
    match &config.api.token {
        Some(token) => Ok(FirstToken { secret: token.clone(), source: Source::Configuration }),
        None => {
            let secret = token_file::read_or_make(&state.token_path())?;
            Ok(FirstToken { secret, source: Source::File })
        }
    }
}

/// What judges callers, and what it judges them by.
pub(crate) struct Doors {
    pub(crate) auth: Auth,
    pub(crate) tokens: Tokens,
    pub(crate) users: Users,
}

/// Reads back who may.
///
/// # Errors
/// Those of the store.
pub(crate) async fn doors(config: &Config, store: &Store, first: &FirstToken) -> Result<Doors> {
    let is_local = config.api.bind.iter().all(|address| address.ip().is_loopback());
    let setup = if is_local { Setup::Open } else { Setup::WithToken };
    let attempts = Attempts::default();
    let tokens = Tokens::load(store.clone(), first).await?;
    let users = Users::load(store.clone(), attempts.clone(), setup).await?;
    Ok(Doors { auth: Auth::new(tokens.table(), users.logins(), attempts), tokens, users })
}

/// The server's part of the configuration.
///
/// # Errors
/// Invalid, when a certificate or its key cannot be used (rule W12).
pub(crate) fn http(config: &Config) -> Result<HttpConfig> {
    let (api, tracker) = (&config.api, &config.tracker.http);
    let load = |tls: &TlsConfig, section| tls.files(section)?.map(|f| Tls::load(&f)).transpose();
    let (api_tls, tracker_tls) =
        (load(&api.tls, "api.tls")?, load(&tracker.tls, "tracker.http.tls")?);
    let for_api =
        |&address: &SocketAddr| Listener { address, role: Role::Api, tls: api_tls.clone() };
    let for_tracker =
        |&address: &SocketAddr| Listener { address, role: Role::Tracker, tls: tracker_tls.clone() };
    let listeners = api.bind.iter().map(for_api);
    let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(HttpConfig {
        listeners: listeners.chain(tracker.bind.iter().map(for_tracker)).collect(),
        allowed_hosts: api.allowed_hosts.clone(),
        allowed_origins: api.allowed_origins.clone(),
        base_path: api.base_path.clone(),
        body_limits: BodyLimits {
            json: bytes(api.limits.max_json_bytes),
            torrent: bytes(api.limits.max_torrent_bytes),
        },
        tracker_proxies: config.tracker.proxies.clone(),
        api_limits: api_limits(&api.limits),
        tracker_limits: HttpLimits {
            connections: tracker.max_connections as usize,
            connections_per_address: tracker.max_connections_per_address as usize,
            ..HttpLimits::tracker()
        },
    })
}

fn api_limits(limits: &ApiLimits) -> HttpLimits {
    let seconds = |value: u32| Duration::from_secs(u64::from(value));
    HttpLimits {
        connections: limits.max_connections as usize,
        connections_per_address: limits.max_connections_per_address as usize,
        head_bytes: limits.max_head_bytes as usize,
        headers: Some(limits.max_headers as usize),
        head_time: seconds(limits.head_timeout_s),
        request_time: seconds(limits.request_timeout_s),
        idle_time: seconds(limits.idle_timeout_s),
        ..HttpLimits::default()
    }
}

/// Makes the default download directory at the first start. Other roots are the user's: one that
/// is missing may be a disk that is not mounted, and nothing may be written in its place (D11).
pub(crate) fn make_download_dir(config: &Config) -> Result<()> {
    let path = &config.client.download_dir;
    std::fs::create_dir_all(path).map_err(|error| {
        let shown = path.display();
        Error::invalid(format!("cannot make the download directory `{shown}`: {error}"))
    })
}

fn private_access(wish: &FetchPrivate) -> PrivateAccess {
    match wish {
        FetchPrivate::All(true) => PrivateAccess::Allowed,
        FetchPrivate::All(false) => PrivateAccess::Refused,
        FetchPrivate::Only(hosts) => PrivateAccess::Hosts(hosts.clone()),
    }
}
