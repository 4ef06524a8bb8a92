//! The only module that knows warp: a [`Call`] in, a [`Reply`] out.
//!
//! A listener has a role. On those of the API one filter turns every request into a [`Call`]; on
//! those of the tracker into a [`TrackerCall`], which is leaner. What answers them are closures
//! that `app` hands in, so nothing here knows a route. The accept loop is ours, since warp's own
//! has no timers and no limits.

mod accept;
mod api;
mod body;
mod call;
mod connection;
mod connections;
pub mod credentials;
mod events;
mod express;
mod forwarded;
mod guard;
mod link;
mod listener;
pub mod range;
mod reply;
mod reserve;
#[cfg(test)]
mod tests;
mod tls;
mod tracker;
pub mod unanswered;
mod watched;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use crate::http::body::BodyError;
pub use crate::http::body::BodyLimits;
pub use crate::http::call::Call;
pub use crate::http::events::Behind;
pub use crate::http::events::End;
pub use crate::http::events::EventPlace;
pub use crate::http::events::EventStreams;
pub use crate::http::events::Feed;
pub use crate::http::events::STREAMS_MAX;
pub use crate::http::forwarded::ForwardedError;
pub use crate::http::listener::BindError;
pub use crate::http::listener::Listener;
pub use crate::http::listener::Role;
pub use crate::http::reply::Reply;
pub use crate::http::tls::Tls;
pub use crate::http::tls::TlsFiles;
pub use crate::http::tracker::TrackerCall;
pub use crate::http::unanswered::Refuse;
pub use crate::http::unanswered::Unanswered;

use crate::domain::network::Network;
use crate::http::listener::Opened;

/// What answers every call on the API's listeners.
pub type Handler = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

/// What answers every call on the tracker's listeners: at once, so no task and no timer is needed.
pub type TrackerHandler = Arc<dyn Fn(&TrackerCall<'_>) -> Reply + Send + Sync>;

/// What answers, for each role.
#[derive(Clone)]
pub struct Handlers {
    /// For [`Role::Api`].
    pub api: Handler,
    /// For [`Role::Tracker`].
    pub tracker: TrackerHandler,
    /// Words what [`Role::Api`] refuses before its handler, or instead of it.
    pub refuse: Refuse,
}

/// Where to listen, whom to believe, and what a caller may use up.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Addresses with what is served there.
    pub listeners: Vec<Listener>,
    /// Host names under which the API may be called, beside loopback and its own (rule W5).
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call the API (rule W6).
    pub allowed_origins: Vec<String>,
    /// What may stand before every path of the API, as behind a proxy; slashes at its ends do not
    /// matter, and an empty one is none.
    pub base_path: String,
    /// How large the bodies of requests to the API may be.
    pub body_limits: BodyLimits,
    /// Proxies whose word about the tracker's callers is believed (rule W12).
    pub tracker_proxies: Vec<Network>,
    /// What callers of the API may use up (rule W9).
    pub api_limits: HttpLimits,
    /// What callers of the tracker may use up; counted apart from the API's.
    pub tracker_limits: HttpLimits,
}

/// What the callers of one role may use up (rule W9).
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one caller: an IPv4 address or an IPv6 /64.
    pub connections_per_address: usize,
    /// Bytes of request line and headers together; at least 8,192.
    pub head_bytes: usize,
    /// Headers of one request; `None` is hyper's own limit of 100, which costs the least.
    pub headers: Option<usize>,
    /// Until the head of a request must be there.
    pub head_time: Duration,
    /// Until a request must be answered; the body of a stream may take longer.
    pub request_time: Duration,
    /// How long an idle connection is kept.
    pub idle_time: Duration,
    /// How long the reader of an event stream may take nothing (rule W13).
    pub stall_time: Duration,
    /// How long running requests may take once the server stops (rule D16).
    pub stop_time: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_address: 64,
            head_bytes: 32 << 10,
            headers: Some(64),
            head_time: Duration::from_secs(5),
            request_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
            stall_time: Duration::from_secs(120),
            stop_time: Duration::from_secs(5),
        }
    }
}

impl HttpLimits {
    /// Those of the tracker: many callers with one small request each, who may come back soon.
    pub fn tracker() -> Self {
        Self { connections: 4096, headers: None, ..Self::default() }
    }
}

/// A server whose ports are open and that nobody answers yet.
pub struct Server {
    listeners: Vec<Opened>,
    config: HttpConfig,
}

impl Server {
    /// Opens every listener; none stays open when one fails.
    ///
    /// # Errors
    /// [`BindError`], naming the listener.
    pub fn bind(config: HttpConfig) -> Result<Self, BindError> {
        Ok(Self { listeners: listener::open_all(&config.listeners)?, config })
    }

    /// Where it listens for `role`, with the ports the system chose.
    pub fn addresses(&self, role: Role) -> Vec<SocketAddr> {
        let of_role = self.listeners.iter().filter(|listener| listener.role == role);
        of_role.filter_map(|listener| listener.socket.local_addr().ok()).collect()
    }

    /// Answers calls until `stop` turns true; then takes no more, gives running requests their
    /// time, and returns.
    pub async fn run(self, handlers: Handlers, stop: watch::Receiver<bool>) {
        accept::run(self, handlers, stop).await;
    }
}
