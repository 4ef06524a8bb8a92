//! The accept loops: one for each listener, and one task a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::http::Handlers;
use crate::http::HttpLimits;
use crate::http::Role;
use crate::http::Server;
use crate::http::api::Api;
use crate::http::connection;
use crate::http::connection::Ends;
use crate::http::connections::Connections;
use crate::http::guard::Guard;
use crate::http::tracker::Tracker;

/// How long to wait after an accept that failed, such as for want of descriptors (rule D18).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a refused connection may take to hear why.
const REFUSE_TIME: Duration = Duration::from_secs(1);
/// What a connection past the limits is told.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
    Content-Type: application/json\r\nRetry-After: 5\r\nContent-Length: 74\r\n\r\n\
    {\"error\": {\"handled\": true, \"message\": \"too many connections; try later\"}}";

/// What every connection of one role shares.
pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) limits: HttpLimits,
    pub(crate) stop: watch::Receiver<bool>,
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
        Arc::new(Self { service, limits, stop, connections })
    }
}

pub(crate) async fn run(server: Server, handlers: Handlers, stop: watch::Receiver<bool>) {
    let bound = server.addresses(Role::Api);
    let Server { listeners, config } = server;
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let guard = Guard::new(bound, &config.allowed_hosts, &config.allowed_origins, &machine);
    let api = Api { handler: handlers.api, guard, request_time: config.api_limits.request_time };
    let api = Shared::new(Service::Api(Arc::new(api)), config.api_limits, stop.clone());
    let tracker = Service::Tracker(Arc::new(Tracker { handler: handlers.tracker }));
    let tracker = Shared::new(tracker, config.tracker_limits, stop);
    let shared = |role| match role {
        Role::Api => Arc::clone(&api),
        Role::Tracker => Arc::clone(&tracker),
    };
    join_all(listeners.into_iter().map(|one| accept(one.socket, shared(one.role)))).await;
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    let mut stop = shared.stop.clone();
    loop {
        tokio::select! {
            () = told(&mut stop) => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => enter(&mut tasks, socket, peer, &shared),
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.limits.stop_time, all_ended).await.is_err() {
        tracing::info!("ending connections that are still open");
    }
}

/// Ends when the server is to stop, also when whoever would say so is gone.
pub(crate) async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn enter(tasks: &mut JoinSet<()>, socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    let Ok(local) = socket.local_addr() else { return };
    let ends = Ends { peer: canonical(peer), local: canonical(local) };
    match shared.connections.enter(ends.peer.ip()) {
        Some(counted) => {
            tasks.spawn(connection::serve(socket, ends, Arc::clone(shared), counted));
        }
        None => drop(tasks.spawn(refuse(socket))),
    }
}

/// An IPv4 address that came in IPv6 form as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn refuse(mut socket: TcpStream) {
    let told = async {
        socket.write_all(TOO_MANY).await?;
        socket.shutdown().await
    };
    let _ = tokio::time::timeout(REFUSE_TIME, told).await;
}
