//! Our own tracker's start and stop: what was kept, the sockets, the tasks beside it.

use std::net::IpAddr;
use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::config_tracker::Mode as ConfiguredMode;
use crate::app::config_tracker::TrackerConfig;
use crate::domain::access::Mode;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::Engine;
use crate::service::friends;
use crate::service::history;
use crate::service::members::Members;
use crate::service::membership;
use crate::service::membership::OwnUrls;
use crate::service::upkeep;
use crate::store::Store;
use crate::tracker::External;
use crate::tracker::Limits;
use crate::tracker::Tracker;
use crate::tracker::udp_server::UdpServer;
use crate::tracker::udp_server::UdpSockets;

/// How long a peer may be silent: it may miss one announce and be late with the next (vector S2).
fn peer_timeout_s(interval_s: u32) -> u32 {
    2 * interval_s + 60
}

/// The tracker with everything that was kept of it.
pub(crate) async fn load(config: &TrackerConfig, store: &Store) -> Result<Tracker> {
    Ok(Tracker::new(&self::config(config), &store.swarms().await?, &store.keys().await?))
}

/// The configuration in the tracker's own form.
pub(crate) fn config(config: &TrackerConfig) -> crate::tracker::TrackerConfig {
    let limits = &config.limits;
    crate::tracker::TrackerConfig {
        mode: mode(config.mode),
        interval_s: config.interval_s,
        peer_timeout_s: peer_timeout_s(config.interval_s),
        limits: Limits {
            swarms: limits.swarms as usize,
            peers: limits.peers as usize,
            peers_per_swarm: limits.peers_per_swarm as usize,
            swarms_per_address: limits.swarms_per_address,
            peers_per_address: limits.peers_per_address,
        },
        external: external(&config.external_ip),
    }
}

fn mode(mode: ConfiguredMode) -> Mode {
    match mode {
        ConfiguredMode::Public => Mode::Public,
        ConfiguredMode::Listed => Mode::Listed,
        ConfiguredMode::Private => Mode::Private,
        ConfiguredMode::PrivateListed => Mode::PrivateListed,
    }
}

fn external(addresses: &[IpAddr]) -> External {
    let mut external = External::default();
    for address in addresses {
        match address {
            IpAddr::V4(ip) => external.v4 = Some(*ip),
            IpAddr::V6(ip) => external.v6 = Some(*ip),
        }
    }
    external
}

/// What runs beside the HTTP server.
pub(crate) struct Running {
    udp: UdpServer,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// What ends by itself only when the engine does.
    listening: Vec<JoinHandle<()>>,
}

/// What the tracker works with.
pub(crate) struct Parts {
    pub(crate) tracker: Tracker,
    pub(crate) members: Members,
    pub(crate) engine: Engine,
    pub(crate) store: Store,
}

/// Starts answering over UDP, and the tasks.
pub(crate) fn start(
    (config, listen): (&TrackerConfig, &[SocketAddr]),
    udp: UdpSockets,
    http: &[SocketAddr],
    parts: Parts,
) -> Result<Running> {
    let Parts { tracker, members, engine, store } = parts;
    let ports = match config.own_client {
        true => udp.addresses().iter().chain(http).map(SocketAddr::port).collect(),
        false => Vec::new(),
    };
    let names = config.names.iter().cloned();
    let external = config.external_ip.iter().map(ToString::to_string);
    let has_v6 = listen.iter().any(SocketAddr::is_ipv6);
    let own = OwnUrls { ports, names: names.chain(external).collect(), has_v6 };
    let udp = udp
        .serve(&tracker)
        .map_err(|error| Error::internal(format!("cannot start the UDP tracker: {error}")))?;
    let (stop, told) = watch::channel(false);
    let mut tasks = vec![
        tokio::spawn(upkeep::sweep(tracker.clone(), told.clone())),
        tokio::spawn(upkeep::keep_completed(tracker.clone(), store.clone(), told.clone())),
        tokio::spawn(history::record(tracker.clone(), store, told.clone())),
    ];
    let closed = (engine.clone(), members.clone());
    tasks.push(tokio::spawn(friends::keep_out(closed.0, closed.1, told.clone())));
    let both = (tracker.clone(), members);
    tasks.push(tokio::spawn(membership::join(engine.clone(), both, own, told)));
    let listening = vec![
        tokio::spawn(membership::learn_external(engine.clone(), tracker.clone())),
        tokio::spawn(membership::introduce(engine, tracker)),
    ];
    Ok(Running { udp, stop, tasks, listening })
}

impl Running {
    /// Answers nobody any more, and makes durable what is left.
    pub(crate) async fn stop(self) {
        let Self { udp, stop, tasks, listening } = self;
        let _ = tokio::task::spawn_blocking(move || udp.stop()).await;
        stop.send_replace(true);
        for task in tasks {
            let _ = task.await;
        }
        listening.iter().for_each(JoinHandle::abort);
    }
}
