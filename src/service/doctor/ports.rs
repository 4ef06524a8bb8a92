//! Ports: without a server whether they are free, with one whether they answer.

use std::io;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::time::Duration;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

use crate::engine::Engine;
use crate::service::doctor::Finding;
use crate::service::doctor::Plan;

/// How long our own listeners may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// The first bytes of every UDP tracker's conversation (BEP 15).
const UDP_MAGIC: u64 = 0x0417_2710_1980;

/// Which kind of port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// The kinds of listeners with their settings, peers aside.
fn servers(plan: &Plan) -> [(&'static str, &'static str, Kind, &[SocketAddr]); 3] {
    [
        ("api-port", "api.bind", Kind::Tcp, &plan.api),
        ("tracker-http-port", "tracker.http.bind", Kind::Tcp, &plan.tracker_http),
        ("tracker-udp-port", "tracker.udp.bind", Kind::Udp, &plan.tracker_udp),
    ]
}

/// While no server runs: whether every port could be taken.
pub(super) fn free(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, key, kind, addresses) in servers(plan) {
        findings.extend(addresses.iter().map(|address| free_one(name, key, kind, *address)));
    }
    for address in &plan.peers {
        let tcp = free_one("peer-port", "client.listen", Kind::Tcp, *address);
        let udp = || free_one("peer-port", "client.listen", Kind::Udp, *address);
        findings.push(if tcp.mend.is_some() { tcp } else { udp() });
    }
    findings
}

fn free_one(name: &'static str, key: &str, kind: Kind, address: SocketAddr) -> Finding {
    let (port, shown) = (address.port(), kind.name());
    let Err(error) = try_to_bind(kind, address) else {
        let sentence = match port {
            0 => format!("any free port of {} is taken at the start", address.ip()),
            _ => format!("{address} is free ({shown})"),
        };
        return Finding::fine(name, sentence);
    };
    let (sentence, mend) = match error.kind() {
        ErrorKind::AddrInUse => {
            let option = if kind == Kind::Tcp { 't' } else { 'u' };
            let look = format!("ss -ln{option}p 'sport = :{port}'");
            (format!("another program has {address} ({shown})"), format!("`{look}` shows which"))
        }
        ErrorKind::AddrNotAvailable => {
            (format!("this machine has no address {}", address.ip()), "take another".to_owned())
        }
        ErrorKind::PermissionDenied => (
            format!("ports below 1024, such as {port}, are not for this account"),
            "take a higher one, or grant CAP_NET_BIND_SERVICE".to_owned(),
        ),
        // No IPv6 here: the server says so, and goes on without.
        _ => (format!("{address} ({shown}) cannot be taken: {error}"), "take another".to_owned()),
    };
    Finding::fault(name, sentence).mend(format!("{mend}; the setting is `{key}`"))
}

/// Takes a port as the server would, and gives it back at once.
fn try_to_bind(kind: Kind, address: SocketAddr) -> io::Result<()> {
    let (sort, protocol) = match kind {
        Kind::Tcp => (Type::STREAM, Protocol::TCP),
        Kind::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(address), sort, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Kind::Tcp {
        // Connections that were closed a moment ago are in nobody's way.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    // Two may be bound to one address as long as neither listens.
    if kind == Kind::Tcp { socket.listen(1) } else { Ok(()) }
}

/// While the server runs: whether every listener answers.
pub(super) fn bound(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, key, kind, addresses) in servers(plan) {
        if addresses.is_empty() {
            findings.push(Finding::fine(name, format!("switched off: `{key}` is empty")));
        }
        findings.extend(addresses.iter().map(|address| bound_one(name, kind, *address)));
    }
    findings
}

fn bound_one(name: &'static str, kind: Kind, address: SocketAddr) -> Finding {
    let near = local(address);
    let answered = match kind {
        Kind::Tcp => TcpStream::connect_timeout(&near, ANSWER_LIMIT).map(drop),
        Kind::Udp => udp_answers(near),
    };
    let shown = kind.name();
    match answered {
        Ok(()) => Finding::fine(name, format!("answers at {address} ({shown})")),
        Err(error) => {
            let sentence = format!("does not answer at {address} ({shown}): {error}");
            let mend = "look for a firewall on this machine, and at the log; else start it anew";
            Finding::fault(name, sentence).mend(mend)
        }
    }
}

/// Whether a UDP tracker answers there, as anybody's first datagram asks it (BEP 15).
pub(super) fn udp_answers(address: SocketAddr) -> io::Result<()> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut transaction = [0; 4];
    getrandom::fill(&mut transaction).map_err(|_| ErrorKind::Other)?;
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    let request = [&UDP_MAGIC.to_be_bytes()[..], &[0; 4], &transaction].concat();
    socket.send(&request)?;
    let mut answer = [0; 64];
    let length = socket.recv(&mut answer)?;
    match length >= 16 && answer[..4] == [0; 4] && answer[4..8] == transaction {
        true => Ok(()),
        false => Err(ErrorKind::InvalidData.into()),
    }
}

/// Where this machine reaches a listener of its own.
fn local(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// While the server runs: where it listens for peers.
pub(super) fn of_peers(engine: &Engine) -> Finding {
    let port = *engine.listening().borrow();
    let failures = engine.outside().listen_failures;
    let mend = "free the port, or change `client.listen`";
    match port.filter(|port| *port != 0) {
        Some(port) if failures.is_empty() => {
            Finding::fine("peer-port", format!("listens on port {port}"))
        }
        Some(port) => {
            let sentence = format!("listens on port {port}, but not on {}", failures.join("; "));
            Finding::warning("peer-port", sentence).mend(mend)
        }
        None if failures.is_empty() => {
            Finding::warning("peer-port", "listens nowhere, so no peer can come to us")
                .mend("name an address and port in `client.listen`")
        }
        None => {
            let sentence = format!("listens nowhere: {}", failures.join("; "));
            Finding::fault("peer-port", sentence).mend(mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::service::doctor::Verdict;

    fn judged(kind: Kind, address: SocketAddr) -> Verdict {
        free_one("x", "key", kind, address).verdict
    }

    #[test]
    fn a_port_is_free_or_taken_and_looking_does_not_keep_it() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let tcp = TcpListener::bind(any).unwrap();
        let udp = UdpSocket::bind(any).unwrap();
        let (tcp_at, udp_at) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
        assert_eq!(judged(Kind::Tcp, tcp_at), Verdict::Fault);
        assert_eq!(judged(Kind::Udp, udp_at), Verdict::Fault);
        assert_eq!(bound_one("x", Kind::Tcp, tcp_at).verdict, Verdict::Fine);
        drop(tcp);
        assert_eq!(judged(Kind::Tcp, tcp_at), Verdict::Fine);
        assert_eq!(judged(Kind::Tcp, tcp_at), Verdict::Fine);
        assert_eq!(bound_one("x", Kind::Tcp, tcp_at).verdict, Verdict::Fault);
        assert_eq!(judged(Kind::Tcp, any), Verdict::Fine);
        let foreign = free_one("x", "key", Kind::Tcp, "192.0.2.1:80".parse().unwrap());
        assert!(foreign.sentence.contains("no address 192.0.2.1"), "{}", foreign.sentence);
    }

    #[test]
    fn only_a_trackers_answer_counts() {
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = other.local_addr().unwrap();
        let echo = std::thread::spawn(move || {
            let mut bytes = [0; 16];
            let (_, from) = other.recv_from(&mut bytes).unwrap();
            other.send_to(&bytes, from).unwrap();
        });
        assert_eq!(udp_answers(at).unwrap_err().kind(), ErrorKind::InvalidData);
        echo.join().unwrap();
    }
}
