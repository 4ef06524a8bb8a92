//! The only module that knows warp: a [`Call`] in, a [`Reply`] out.
//!
//! One filter turns every request into a [`Call`]; what answers it is a closure that `app` hands
//! in, so nothing here knows a route. The accept loop is ours, since warp's own has no timers and
//! no limits. `Host` and `Origin` are checked here, before anything else is looked at.

mod accept;
mod body;
mod call;
mod connections;
mod guard;
mod reply;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::sync::watch;

pub use crate::http::body::BodyError;
pub use crate::http::call::Call;
pub use crate::http::reply::Reply;

/// Connections the system may hold for us before we take them.
const BACKLOG: u32 = 1024;

/// What answers every call.
pub type Handler = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

/// Where to listen, whom to believe, and what a caller may use up.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Addresses; port 0 takes a free one.
    pub bind: Vec<SocketAddr>,
    /// Host names under which the server may be called, beside loopback and its own (rule W5).
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call (rule W6).
    pub allowed_origins: Vec<String>,
    /// Rule W9.
    pub limits: HttpLimits,
}

/// What a caller may use up (rule W9).
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Bytes of request line and headers together; at least 8,192.
    pub head_bytes: usize,
    /// Headers of one request.
    pub headers: usize,
    /// Until the head of a request must be there.
    pub head_time: Duration,
    /// Until a request must be answered; the body of a stream may take longer.
    pub request_time: Duration,
    /// How long an idle connection is kept.
    pub idle_time: Duration,
    /// How long running requests may take once the server stops (rule D16).
    pub stop_time: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_address: 64,
            head_bytes: 32 << 10,
            headers: 64,
            head_time: Duration::from_secs(5),
            request_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
            stop_time: Duration::from_secs(5),
        }
    }
}

/// A listener that cannot be opened (rule D13).
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

/// A server whose ports are open and that nobody answers yet.
pub struct Server {
    listeners: Vec<TcpListener>,
    config: HttpConfig,
}

impl Server {
    /// Opens every listener; none stays open when one fails.
    ///
    /// # Errors
    /// [`BindError`], naming the listener.
    pub fn bind(config: HttpConfig) -> Result<Self, BindError> {
        let open =
            |&address: &SocketAddr| listen(address).map_err(|error| BindError { address, error });
        let listeners = config.bind.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { listeners, config })
    }

    /// Where it listens, with the ports the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Answers calls until `stop` turns true; then takes no more, gives running requests their
    /// time, and returns.
    pub async fn run(self, handler: Handler, stop: watch::Receiver<bool>) {
        accept::run(self.listeners, self.config, handler, stop).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the last process to time out.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // `[::]` beside `0.0.0.0` is two listeners, not a conflict.
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot listen on {}: {}; free the port or set `api.bind` to another",
            self.address, self.error
        )
    }
}

impl std::error::Error for BindError {}
