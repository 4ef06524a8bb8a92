//! The listeners: which addresses, what is served on each, and opening them.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;

use crate::http::tls::Tls;

/// Connections the system may hold for us before we take them.
const BACKLOG: u32 = 1024;

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The JSON APIs: behind a token, and guarded against foreign web pages.
    Api,
    /// Announces from everybody, under any name: no cookie and no token is ever asked for there,
    /// so there is nothing a foreign page could borrow.
    Tracker,
}

/// One address to listen on.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Port 0 takes a free one. IPv6 addresses take IPv6 only: `[::]` beside `0.0.0.0` is two.
    pub address: SocketAddr,
    /// What is served there.
    pub role: Role,
    /// With a certificate only TLS is spoken there, without one only plain HTTP.
    pub tls: Option<Tls>,
}

/// A listener that cannot be opened (rule D13).
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub listener: Listener,
    /// Why.
    pub error: io::Error,
}

/// An open listener.
pub(crate) struct Opened {
    pub(crate) socket: TcpListener,
    pub(crate) role: Role,
    pub(crate) tls: Option<Tls>,
}

impl Role {
    /// The key of the configuration that holds the addresses of this role.
    fn key(self) -> &'static str {
        match self {
            Self::Api => "api.bind",
            Self::Tracker => "tracker.http.bind",
        }
    }
}

/// Opens all of them, or none when one fails.
///
/// A machine without IPv6 is no failure as long as something is left to listen on for that role:
/// the tracker's default names `[::]`.
pub(crate) fn open_all(listeners: &[Listener]) -> Result<Vec<Opened>, BindError> {
    let mut opened: Vec<Opened> = Vec::new();
    for listener in listeners {
        match open(listener.address) {
            Ok(socket) => {
                let (role, tls) = (listener.role, listener.tls.clone());
                opened.push(Opened { socket, role, tls });
            }
            Err(error) if is_without_ipv6(&error) && has_other(listeners, listener) => {
                tracing::warn!(address = %listener.address, "this machine has no IPv6");
            }
            Err(error) => return Err(BindError { listener: listener.clone(), error }),
        }
    }
    Ok(opened)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the last process to time out.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn is_without_ipv6(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

fn has_other(listeners: &[Listener], one: &Listener) -> bool {
    listeners.iter().any(|other| other.role == one.role && other.address.is_ipv4())
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, error } = self;
        let (address, key) = (listener.address, listener.role.key());
        write!(f, "cannot listen on {address}: {error}; free the port or set `{key}` to another")
    }
}

impl std::error::Error for BindError {}
