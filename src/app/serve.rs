//! `cove serve`: start and stop of the whole program, one below the other.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::Exit;
use crate::app::client_settings;
use crate::app::config::Config;
use crate::app::config::Loaded;
use crate::app::doctor;
use crate::app::services;
use crate::app::services::Doors;
use crate::app::settings;
use crate::app::sharing;
use crate::app::sharing::Sharing;
#[cfg(target_os = "linux")]
use crate::app::start_code;
use crate::app::state_dir;
use crate::app::state_dir::Addresses;
use crate::app::state_dir::StateDir;
use crate::app::state_dir::StateDirError;
use crate::app::tracker;
use crate::dialects;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::engine::Engine;
use crate::engine::EngineConfig;
use crate::engine::Farewell;
use crate::engine::SessionConfig;
use crate::http::EventStreams;
use crate::http::Role;
use crate::http::Server;
use crate::service::Services;
use crate::service::access::Access;
use crate::service::accounts;
use crate::service::accounts::Accounts;
use crate::service::accounts::EndedLinks;
use crate::service::authoring::Authoring;
use crate::service::completing;
use crate::service::doctor::Plan;
use crate::service::events;
use crate::service::health::Health;
use crate::service::keeper;
use crate::service::kept_sessions;
use crate::service::kept_sessions::KeptSession;
use crate::service::lifecycle::Lifecycle;
use crate::service::loading::Loader;
use crate::service::members::Members;
use crate::service::mending;
use crate::service::metadata_only;
use crate::service::paths::Roots;
use crate::service::reach::Reach;
use crate::service::seeding;
use crate::service::sessions::Sessions;
use crate::service::settings::Changes;
use crate::service::settings::Settings;
use crate::service::settings::kept;
use crate::service::share_watch;
use crate::service::stats::Stats;
use crate::service::swarms::Swarms;
use crate::service::torrents::Torrents;
use crate::service::watching;
use crate::store::BadRecord;
use crate::store::LoadedTorrent;
use crate::store::OpenError;
use crate::store::Opened;
use crate::store::Removal;
use crate::store::Store;
use crate::tracker::Tracker;
use crate::tracker::udp_server::UdpSockets;

/// Threads for HTTP and timers; the heavy work has threads of its own.
const RUNTIME_THREADS: usize = 2;
/// How long the engine may take to save and to leave its swarms (rule D16).
const ENGINE_STOP_LIMIT: Duration = Duration::from_secs(9);
/// How long the last records may take to reach the store.
const KEEPER_STOP_LIMIT: Duration = Duration::from_secs(3);
/// How long the start waits to learn whether the peer port is open.
const LISTEN_LIMIT: Duration = Duration::from_secs(2);

/// Signals within this time are one wish to stop.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// A failure with the number the process ends with.
struct Failure(Exit, String);

/// Runs until told to stop.
pub fn run(loaded: Loaded) -> ExitCode {
    state_dir::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("runtime")
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(serve(loaded));
            runtime.shutdown_timeout(Duration::from_secs(1));
            outcome
        }
        Err(error) => Err(Failure(Exit::Error, format!("cannot start the runtime: {error}"))),
    };
    match outcome {
        Ok(()) => Exit::Fine.into(),
        Err(Failure(exit, sentence)) => {
            tracing::error!("{sentence}");
            exit.into()
        }
    }
}

/// Everything that runs, in the order it is stopped.
struct Running {
    stop_http: watch::Sender<bool>,
    http: JoinHandle<()>,
    events: JoinHandle<()>,
    accounts: (Accounts, JoinHandle<()>),
    tracker: tracker::Running,
    engine: Engine,
    /// What writes records, and where to.
    stored: (JoinHandle<()>, Store),
    state: StateDir,
    lifecycle: Lifecycle,
}

async fn serve(loaded: Loaded) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let running = start(&loaded).await?;
    tokio::select! {
        () = signals.wait() => {}
        () = running.lifecycle.stop_asked() => {}
    }
    tracing::info!("stopping");
    tokio::select! {
        outcome = stop(running) => outcome,
        () = signals.wait_again() => {
            tracing::warn!("told twice to stop: leaving at once");
            std::process::exit(i32::from(Exit::Error as u8));
        }
    }
}

async fn start(loaded: &Loaded) -> Result<Running, Failure> {
    let config = &loaded.config;
    let state = StateDir::open(&config.state_dir)?;
    let first_token = services::first_token(config, &state)?;
    let http = services::http(config).map_err(|error| Failure(Exit::Usage, error.to_string()))?;
    let server = Server::bind(http).map_err(in_use)?;
    let udp = bind_udp(config)?;
    let opened = open_store(&state)?;
    let (loaded, changes) = &with_changes(loaded, &opened.store).await?;
    let config = &loaded.config;
    state_dir::set_payload_umask(config.client.umask_bits().unwrap_or(0o022));
    services::make_download_dir(config)?;
    let (records, waiting) = mpsc::channel(keeper::RECORDS_WAITING_MAX);
    let store = opened.store.clone();
    let doors = services::doors(config, &store, &first_token).await?;
    let swarms = tracker::load(&config.tracker, &store).await?;
    let sharing = sharing::load(&swarms, &opened).await?;
    let (farewell, ended) = accounts::farewells();
    let base = client_settings::default_session(&config.client);
    let added = kept_sessions::kept(&store, &base).await?;
    let run = all_sessions(&base, &added);
    let engine = start_engine(config, run, records, (sharing.members.clone(), farewell))?;
    let sessions = Sessions::new(engine.clone(), store.clone(), base, added);
    let keeper = tokio::spawn(keeper::run(store.clone(), waiting));
    let addresses = Addresses {
        url: state_dir::local_url(config.api.tls.scheme(), &server.addresses(Role::Api))
            .unwrap_or_default(),
        peer_port: peer_port(&engine).await,
        tracker_http: server.addresses(Role::Tracker),
        tracker_udp: udp.addresses().to_vec(),
    };
    let configured = (&config.tracker, &config.client.listen[..]);
    let parts = tracker::Parts {
        tracker: swarms.clone(),
        members: sharing.members.clone(),
        engine: engine.clone(),
        store: store.clone(),
    };
    let tracker = tracker::start(configured, udp, &addresses.tracker_http, parts)?;
    let reach = sharing::reach(&config.tracker, &addresses, swarms.clone());
    let plan = doctor::running(config, server.addresses(Role::Api), &addresses);
    let known = (swarms, sharing, (reach, ended), plan);
    let handle = load(loaded, changes, doors, (&engine, sessions), opened, known)?;
    let lifecycle = handle.lifecycle.clone();
    let (stop_http, stop) = watch::channel(false);
    let events = tokio::spawn(events::run(handle.events.clone(), stop.clone()));
    let looking = tokio::spawn(handle.accounts.clone().run(stop.clone()));
    let accounts = (handle.accounts.clone(), looking);
    let streams = EventStreams::new(stop.clone());
    let handlers = dialects::handlers(handle, streams);
    let http = tokio::spawn(server.run(handlers, stop));
    announce(&state, &addresses, config)?;
    let stored = (keeper, store);
    Ok(Running { stop_http, http, events, accounts, tracker, engine, stored, state, lifecycle })
}

async fn stop(running: Running) -> Result<(), Failure> {
    let Running { stop_http, http, events, tracker, engine, state, .. } = running;
    let ((accounts, looking), (keeper, store)) = (running.accounts, running.stored);
    let _ = state.retract_api();
    stop_http.send_replace(true);
    let _ = http.await;
    let _ = events.await;
    let _ = looking.await;
    tracker.stop().await;
    let saved = engine.stop(ENGINE_STOP_LIMIT).await;
    accounts.settle().await;
    let kept = tokio::time::timeout(KEEPER_STOP_LIMIT, keeper).await.is_ok();
    let is_clean = saved.is_ok() && kept;
    if let Err(error) = saved {
        tracing::warn!(%error, "some progress was not saved");
    }
    store.close(is_clean).await?;
    tracing::info!("stopped");
    Ok(())
}

fn open_store(state: &StateDir) -> Result<Opened, Failure> {
    let boot_id = state_dir::boot_id()?;
    Store::open(&state.database_path(), &boot_id).map_err(|error| {
        let exit = match error {
            OpenError::Newer { .. } | OpenError::Unreadable(_) => Exit::Store,
            OpenError::Io(_) | OpenError::Full => Exit::Error,
        };
        Failure(exit, error.to_string())
    })
}

fn start_engine(
    config: &Config,
    sessions: Vec<SessionConfig>,
    records: mpsc::Sender<crate::engine::Saved>,
    (members, farewell): (Members, Farewell),
) -> Result<Engine, Failure> {
    let engine = EngineConfig {
        sessions,
        resume_interval: Duration::from_secs(u64::from(config.client.resume_interval_s)),
        judge: Arc::new(move |torrent, remote, local| members.judge(torrent, remote, local)),
        farewell,
    };
    Engine::start(engine, records).map_err(|error| match error.kind() {
        ErrorKind::Invalid => Failure(Exit::Usage, error.to_string()),
        _ => Failure(Exit::Error, error.to_string()),
    })
}

/// The session of the configuration, and those that were added in earlier runs.
fn all_sessions(base: &SessionConfig, added: &[KeptSession]) -> Vec<SessionConfig> {
    let added = added.iter().map(|kept| kept_sessions::config_of(base, kept));
    std::iter::once(base.clone()).chain(added).collect()
}

/// The configuration with what was changed in earlier runs, while the program ran.
async fn with_changes(loaded: &Loaded, store: &Store) -> Result<(Loaded, Changes), Failure> {
    let changes = kept(store, &settings::judge(loaded)).await?;
    Ok((loaded.changed(&changes)?, changes))
}

/// Makes the services and begins to give the engine its torrents.
fn load(
    loaded: &Loaded,
    changes: &Changes,
    doors: Doors,
    (engine, sessions): (&Engine, Sessions),
    opened: Opened,
    (tracker, sharing, reach, plan): (Tracker, Sharing, (Reach, EndedLinks), Plan),
) -> Result<Services, Failure> {
    let config = &loaded.config;
    let roots = Roots::new(config.client.roots.clone(), loaded.forbidden_paths());
    let Opened { store, torrents: stored, bad, .. } = opened;
    let torrents = Torrents::new(
        (engine.clone(), sessions.clone()),
        store.clone(),
        roots.clone(),
        &config.client.download_dir,
        torrents_in(&stored, &bad),
        Duration::from_secs(u64::from(config.client.metadata_timeout_s)),
    );
    let (authoring, known) = (Authoring::new(roots.clone()), (store.clone(), tracker.clone()));
    let sharing = sharing.start(authoring, torrents.clone(), engine, known, reach);
    let (judge, changes) = (settings::judge(loaded), changes.clone());
    let watched = (
        Stats::new(engine.clone(), tracker.clone(), store.clone()),
        Settings::new(store.clone(), sessions.clone(), tracker.clone(), judge, changes)?,
        Health::new(engine.clone(), store.clone()),
    );
    let swarms = (Swarms::new(tracker.clone()), Access::new(store.clone(), tracker.clone()));
    let own = ((torrents.clone(), sessions), swarms, sharing);
    let looked_at = (plan, tracker);
    let floors = (engine, &store);
    let services = services::services(config, doors, floors, &roots, own, watched, looked_at);
    tokio::spawn(watching::run(torrents.clone(), engine.events()));
    tokio::spawn(mending::run(torrents.clone(), engine.events()));
    tokio::spawn(completing::run(torrents.clone(), engine.events()));
    tokio::spawn(metadata_only::run(torrents.clone(), engine.events()));
    let settings = services.settings.clone();
    tokio::spawn(seeding::run(torrents.clone(), settings, engine.events()));
    let (shares, jobs) = (services.shares.clone(), services.share_jobs.clone());
    let every = Duration::from_secs(u64::from(config.share.look_interval_s));
    tokio::spawn(share_watch::run(shares.clone(), engine.events(), every));
    let loader = Loader { engine: engine.clone(), store, roots, torrents, shares };
    let loading = tokio::task::spawn_blocking(move || {
        loader.run(stored, &bad);
        jobs.begin_kept();
    });
    tokio::spawn(async move {
        let _ = loading.await;
        #[cfg(target_os = "linux")]
        start_code::let_go().await;
    });
    Ok(services)
}

/// How many torrents will be shown; removals that a crash interrupted are none.
fn torrents_in(stored: &[LoadedTorrent], bad: &[BadRecord]) -> usize {
    let staying = stored.iter().filter(|torrent| matches!(torrent.removal, Removal::Not));
    staying.count() + bad.len()
}

/// The port for peers, 0 while there is none.
async fn peer_port(engine: &Engine) -> u16 {
    let mut listening = engine.listening();
    let known = tokio::time::timeout(LISTEN_LIMIT, listening.wait_for(Option::is_some)).await;
    known.ok().and_then(Result::ok).and_then(|port| *port).unwrap_or(0)
}

/// Tells the command line and the user where everything is; in this order, so that whoever read it on
/// standard output finds the server by the command line too.
fn announce(state: &StateDir, addresses: &Addresses, config: &Config) -> Result<(), Failure> {
    state.announce(addresses)?;
    let token = if config.api.token.is_some() {
        "as configured (api.token)".to_owned()
    } else {
        format!("in {}", state.token_path().display())
    };
    let peers = match addresses.peer_port {
        0 => "not listening (see the log)".to_owned(),
        port => format!("port {port}"),
    };
    let mut out = std::io::stdout().lock();
    // Nobody reading standard output is no reason to stop.
    let _ = writeln!(out, "API      {}\ntoken    {token}\npeers    {peers}", addresses.url);
    for address in &addresses.tracker_http {
        let scheme = config.tracker.http.tls.scheme();
        let _ = writeln!(out, "tracker  {scheme}://{address}/announce");
    }
    for address in &addresses.tracker_udp {
        let _ = writeln!(out, "tracker  udp://{address}/announce");
    }
    let _ = out.flush();
    Ok(())
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure(Exit::Error, format!("no signals: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// A second wish. One that follows at once is the same one: some programs signal a process and
    /// then its group.
    async fn wait_again(&mut self) {
        let first = tokio::time::Instant::now();
        loop {
            self.wait().await;
            if first.elapsed() > SAME_SIGNAL {
                return;
            }
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn bind_udp(config: &Config) -> Result<UdpSockets, Failure> {
    let udp = &config.tracker.udp;
    UdpSockets::bind(&udp.bind, udp.workers as usize).map_err(|(address, error)| {
        let key = "tracker.udp.bind";
        let sentence = format!("cannot listen on {address} over UDP (`{key}`): {error}");
        Failure(Exit::PortInUse, sentence)
    })
}

fn in_use(error: crate::http::BindError) -> Failure {
    Failure(Exit::PortInUse, error.to_string())
}

impl From<StateDirError> for Failure {
    fn from(error: StateDirError) -> Self {
        let exit = match error {
            StateDirError::Held { .. } => Exit::Held,
            StateDirError::Unusable(_) => Exit::Error,
        };
        Self(exit, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(Exit::Error, error.to_string())
    }
}
