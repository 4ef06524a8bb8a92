//! The accept loops: one for each listener, and one task a connection.

use std::io;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::http::Handlers;
use crate::http::HttpLimits;
use crate::http::Role;
use crate::http::Server;
use crate::http::api::Api;
use crate::http::connection;
use crate::http::connection::Ends;
use crate::http::connections::Connections;
use crate::http::guard::Guard;
use crate::http::link::Wish;
use crate::http::listener::Opened;
use crate::http::reserve;
use crate::http::reserve::Pause;
use crate::http::reserve::Reserve;
use crate::http::tls::Tls;
use crate::http::tracker::Tracker;

/// What a connection past the limits is told. Its request is not read, so that which API it is for
/// is not known: plain text.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
    Content-Type: text/plain\r\nRetry-After: 5\r\nContent-Length: 32\r\n\r\n\
    too many connections; try later\n";

/// What every connection of one role shares.
pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) limits: HttpLimits,
    pub(crate) reserve: Reserve,
    stop: watch::Receiver<bool>,
    connections: Connections,
}

/// What answers the requests of a role.
pub(crate) enum Service {
    Api(Arc<Api>),
    Tracker(Arc<Tracker>),
}

impl Shared {
    fn new(service: Service, limits: HttpLimits, stop: watch::Receiver<bool>) -> Arc<Self> {
        let connections = Connections::new(limits.connections, limits.connections_per_address);
        let kept_back = if matches!(service, Service::Api(_)) { reserve::FOR_API } else { 0 };
        Arc::new(Self { service, limits, reserve: Reserve::new(kept_back), stop, connections })
    }
}

pub(crate) async fn run(server: Server, handlers: Handlers, stop: watch::Receiver<bool>) {
    let bound = server.addresses(Role::Api);
    let Server { listeners, config } = server;
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let guard = Guard::new(bound, &config.allowed_hosts, &config.allowed_origins, &machine);
    let api = Api {
        handler: handlers.api,
        refuse: handlers.refuse,
        guard,
        request_time: config.api_limits.request_time,
        base_path: normal(&config.base_path),
        bodies: config.body_limits,
    };
    let api = Shared::new(Service::Api(Arc::new(api)), config.api_limits, stop.clone());
    let tracker = Service::Tracker(Arc::new(Tracker {
        handler: handlers.tracker,
        proxies: config.tracker_proxies,
    }));
    let tracker = Shared::new(tracker, config.tracker_limits, stop);
    let shared = |role| match role {
        Role::Api => Arc::clone(&api),
        Role::Tracker => Arc::clone(&tracker),
    };
    join_all(listeners.into_iter().map(|one| accept(shared(one.role), one))).await;
    tokio::join!(end(&api), end(&tracker));
}

/// A base path with a slash before it and none behind.
fn normal(base_path: &str) -> String {
    match base_path.trim_matches('/') {
        "" => String::new(),
        words => format!("/{words}"),
    }
}

async fn accept(shared: Arc<Shared>, listener: Opened) {
    let (mut stop, mut pause) = (shared.stop.clone(), Pause::default());
    loop {
        tokio::select! {
            () = told(&mut stop) => break,
            accepted = listener.socket.accept() => match accepted {
                Ok((socket, peer)) => {
                    pause.end();
                    enter(socket, peer, &shared, listener.tls.as_ref());
                }
                Err(error) => recover(&error, &shared, &mut pause).await,
            },
        }
    }
}

/// Makes that the next accept succeeds, if need be by waiting.
async fn recover(error: &io::Error, shared: &Shared, pause: &mut Pause) {
    if reserve::concerns_one_client(error) {
        return;
    }
    if reserve::is_out_of_descriptors(error) {
        if shared.reserve.release() {
            return;
        }
        shared.connections.make_room();
    }
    pause.wait(error).await;
}

/// Gives running requests their time (rule D16).
async fn end(shared: &Shared) {
    shared.connections.tell_all(Wish::Finish);
    if timeout(shared.limits.stop_time, shared.connections.empty()).await.is_err() {
        tracing::info!("ending connections that are still open");
        shared.connections.tell_all(Wish::Leave);
    }
}

/// Ends when the server is to stop, also when whoever would say so is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn enter(socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, tls: Option<&Tls>) {
    let Ok(local) = socket.local_addr() else { return };
    let ends = Ends { peer: canonical(peer), local: canonical(local) };
    match shared.connections.enter(ends.peer.ip()) {
        Some(place) => {
            let (shared, tls) = (Arc::clone(shared), tls.cloned());
            tokio::spawn(connection::serve(socket, tls, ends, shared, place));
        }
        None if tls.is_none() => refuse(socket),
        None => {}
    }
}

/// An IPv4 address that came in IPv6 form as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Says why, if the socket takes the few bytes at once.
fn refuse(socket: TcpStream) {
    let told = socket.into_std().and_then(|mut socket| {
        socket.write_all(TOO_MANY)?;
        socket.shutdown(Shutdown::Write)
    });
    tracing::debug!(is_told = told.is_ok(), "a connection past the limits was refused");
}
