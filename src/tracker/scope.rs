//! Which address of a peer is told to whom (vectors S6, S7).
//!
//! Tracker, seeder and leecher of a household often share one NAT. What reaches a peer then
//! depends on who asks: loopback on the same host, its private address on the same network, the
//! router's address from outside.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use crate::domain::swarm::Asker;

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// From nowhere: it is told to nobody.
    Nowhere,
    /// From this host.
    Loopback,
    /// From the local network.
    Private,
    /// From everywhere.
    Global,
}

/// A peer's address and port as an answer carries them, in one of two families.
pub(crate) trait Endpoint: Copy + Eq + AsRef<[u8]> {
    /// From where it can be reached.
    fn scope(&self) -> Scope;
    /// As `view`'s asker is to be told; `None` when it could not reach the peer.
    fn told_to(&self, view: &View) -> Option<Self>;
    /// The household: the address, or the first half of an IPv6 address.
    fn household(&self) -> u64;
    /// The socket address.
    fn socket(&self) -> SocketAddr;
    /// Sixty-four bits of all of it, for hashing.
    fn fold(&self) -> u64;
    /// Neighbouring endpoints as bytes.
    fn flat(endpoints: &[Self]) -> &[u8];
}

/// Four bytes of address, two of port (BEP 23).
pub(crate) type V4 = [u8; 6];

/// Sixteen bytes of address, two of port (BEP 7).
pub(crate) type V6 = [u8; 18];

/// The endpoint of an IPv4 address and a port.
pub(crate) fn endpoint_v4(ip: Ipv4Addr, port: u16) -> V4 {
    let ([a, b, c, d], [high, low]) = (ip.octets(), port.to_be_bytes());
    [a, b, c, d, high, low]
}

/// The endpoint of an IPv6 address and a port.
pub(crate) fn endpoint_v6(ip: Ipv6Addr, port: u16) -> V6 {
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&port.to_be_bytes());
    bytes
}

fn parts_v4(&[a, b, c, d, high, low]: &V4) -> (Ipv4Addr, u16) {
    (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))
}

fn parts_v6(endpoint: &V6) -> (Ipv6Addr, u16) {
    let mut octets = [0; 16];
    octets.copy_from_slice(&endpoint[..16]);
    (Ipv6Addr::from(octets), u16::from_be_bytes([endpoint[16], endpoint[17]]))
}

impl Endpoint for V4 {
    fn scope(&self) -> Scope {
        match parts_v4(self) {
            (_, 0) => Scope::Nowhere,
            (ip, _) => scope_v4(ip),
        }
    }

    fn told_to(&self, view: &View) -> Option<Self> {
        let ip = match self.scope() {
            Scope::Nowhere => return None,
            scope if scope >= view.nearest_verbatim => return Some(*self),
            Scope::Loopback => view.host_v4?,
            _ => view.network_v4?,
        };
        Some(endpoint_v4(ip, parts_v4(self).1))
    }

    fn household(&self) -> u64 {
        u64::from(u32::from(parts_v4(self).0))
    }

    fn socket(&self) -> SocketAddr {
        SocketAddr::from(parts_v4(self))
    }

    fn fold(&self) -> u64 {
        let (ip, port) = parts_v4(self);
        u64::from(u32::from(ip)) << 16 | u64::from(port)
    }

    fn flat(endpoints: &[Self]) -> &[u8] {
        endpoints.as_flattened()
    }
}

impl Endpoint for V6 {
    fn scope(&self) -> Scope {
        match parts_v6(self) {
            (_, 0) => Scope::Nowhere,
            (ip, _) => scope_v6(ip),
        }
    }

    fn told_to(&self, view: &View) -> Option<Self> {
        match self.scope() {
            scope if scope != Scope::Nowhere && scope >= view.nearest_verbatim => Some(*self),
            Scope::Loopback => view.host_v6.map(|ip| endpoint_v6(ip, parts_v6(self).1)),
            // There is no router's address in IPv6: a private one has no other name outside.
            _ => None,
        }
    }

    fn household(&self) -> u64 {
        (u128::from(parts_v6(self).0) >> 64) as u64
    }

    fn socket(&self) -> SocketAddr {
        SocketAddr::from(parts_v6(self))
    }

    fn fold(&self) -> u64 {
        let (ip, port) = parts_v6(self);
        let address = u128::from(ip);
        (address >> 64) as u64 ^ (address as u64).rotate_left(24) ^ u64::from(port)
    }

    fn flat(endpoints: &[Self]) -> &[u8] {
        endpoints.as_flattened()
    }
}

/// How an asker is to be told of peers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Addresses of this scope or a wider one are told as they are.
    nearest_verbatim: Scope,
    /// What a peer on this host is to be called.
    host_v4: Option<Ipv4Addr>,
    host_v6: Option<Ipv6Addr>,
    /// What a peer of the local network is to be called.
    network_v4: Option<Ipv4Addr>,
}

/// Under which addresses the world reaches this household.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// The router's IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// This host's global IPv6 address.
    pub v6: Option<Ipv6Addr>,
}

impl View {
    /// What `asker` is to be told.
    pub(crate) fn of(asker: Asker, external: External) -> Self {
        match scope(home(asker)) {
            Scope::Loopback => Self {
                nearest_verbatim: Scope::Loopback,
                host_v4: None,
                host_v6: None,
                network_v4: None,
            },
            Scope::Private => Self {
                nearest_verbatim: Scope::Private,
                host_v4: v4(asker.local),
                host_v6: v6(asker.local),
                network_v4: None,
            },
            Scope::Global | Scope::Nowhere => Self {
                nearest_verbatim: Scope::Global,
                host_v4: external.v4,
                // The address the asker reached us at is as good as one that was configured.
                host_v6: external
                    .v6
                    .or(v6(asker.local).filter(|ip| scope_v6(*ip) == Scope::Global)),
                network_v4: external.v4,
            },
        }
    }

    /// Whether all peers are told as they are when the nearest of them has `scope`.
    pub(crate) fn is_verbatim(&self, nearest: Scope) -> bool {
        nearest >= self.nearest_verbatim
    }
}

/// The address under which `asker` is kept: a peer on this host is loopback, by whichever of the
/// host's addresses it came (vector S7).
pub(crate) fn home(asker: Asker) -> IpAddr {
    match asker.ip {
        ip if ip != asker.local => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Whether an address can be reached from everywhere.
pub(crate) fn is_global(ip: IpAddr) -> bool {
    scope(ip.to_canonical()) == Scope::Global
}

fn v4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) if !ip.is_unspecified() => Some(ip),
        _ => None,
    }
}

fn v6(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip {
        IpAddr::V6(ip) if !ip.is_unspecified() => Some(ip),
        _ => None,
    }
}

fn scope(ip: IpAddr) -> Scope {
    match ip {
        IpAddr::V4(ip) => scope_v4(ip),
        IpAddr::V6(ip) => scope_v6(ip),
    }
}

fn scope_v4(ip: Ipv4Addr) -> Scope {
    let [first, second, ..] = ip.octets();
    match first {
        0 | 224.. => Scope::Nowhere,
        127 => Scope::Loopback,
        10 => Scope::Private,
        // Behind a carrier's NAT, or in a private overlay network (RFC 6598).
        100 if second & 0xc0 == 64 => Scope::Private,
        169 if second == 254 => Scope::Private,
        172 if second & 0xf0 == 16 => Scope::Private,
        192 if second == 168 => Scope::Private,
        _ => Scope::Global,
    }
}

fn scope_v6(ip: Ipv6Addr) -> Scope {
    let first = ip.segments()[0];
    if ip.is_loopback() {
        Scope::Loopback
    } else if ip.is_unspecified() || ip.is_multicast() {
        Scope::Nowhere
    } else if first & 0xffc0 == 0xfe80 || first & 0xfe00 == 0xfc00 {
        Scope::Private
    } else {
        Scope::Global
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> V4 {
        match text.parse().unwrap() {
            SocketAddr::V4(address) => endpoint_v4(*address.ip(), address.port()),
            SocketAddr::V6(_) => unreachable!("IPv4 only"),
        }
    }

    fn endpoint6(text: &str) -> V6 {
        match text.parse().unwrap() {
            SocketAddr::V6(address) => endpoint_v6(*address.ip(), address.port()),
            SocketAddr::V4(_) => unreachable!("IPv6 only"),
        }
    }

    fn view(ip: &str, local: &str) -> View {
        let external = External {
            v4: Some(Ipv4Addr::new(203, 0, 113, 1)),
            v6: Some("2001:db8::1".parse().unwrap()),
        };
        View::of(Asker::new(ip.parse().unwrap(), local.parse().unwrap()), external)
    }

    fn told(peer: &str, view: &View) -> Option<String> {
        endpoint(peer).told_to(view).map(|told| told.socket().to_string())
    }

    fn told6(peer: &str, view: &View) -> Option<String> {
        endpoint6(peer).told_to(view).map(|told| told.socket().to_string())
    }

    #[test]
    fn s6_what_reaches_nobody_is_told_to_nobody() {
        let here = view("127.0.0.1", "127.0.0.1");
        for peer in ["0.0.0.0:1", "0.1.2.3:1", "255.255.255.255:1", "224.0.0.1:1", "8.8.8.8:0"] {
            assert_eq!(told(peer, &here), None, "{peer}");
        }
        for peer in ["[::]:1", "[ff02::1]:1", "[2001:db8::2]:0"] {
            assert_eq!(told6(peer, &view("::1", "::1")), None, "{peer}");
        }
    }

    #[test]
    fn s6_private_addresses_stay_inside() {
        let outside = View::of(Asker::from_ip("8.8.8.8".parse().unwrap()), External::default());
        let lan = view("192.168.1.5", "192.168.1.2");
        for peer in ["10.0.0.9:7", "172.16.0.9:7", "192.168.1.9:7", "169.254.1.9:7", "100.64.0.9:7"]
        {
            assert_eq!(told(peer, &outside), None, "{peer}");
            assert_eq!(told(peer, &lan).as_deref(), Some(peer));
        }
        assert_eq!(told("127.0.0.1:7", &outside), None);
        assert_eq!(told("9.9.9.9:7", &outside).as_deref(), Some("9.9.9.9:7"));
        let lan6 = view("fd00::5", "fd00::2");
        let outside6 = view("2001:db8:9::9", "::");
        for peer in ["[fe80::9]:7", "[fd00::9]:7"] {
            assert_eq!(told6(peer, &lan6).as_deref(), Some(peer));
            assert_eq!(told6(peer, &outside6), None);
        }
    }

    #[test]
    fn s7_a_peer_on_this_host_has_an_address_for_everybody() {
        let peer = "127.0.0.1:6881";
        let tell = |asker, local| told(peer, &view(asker, local));
        assert_eq!(tell("127.0.0.1", "127.0.0.1").as_deref(), Some(peer));
        assert_eq!(tell("192.168.1.2", "192.168.1.2").as_deref(), Some(peer));
        assert_eq!(tell("192.168.1.5", "192.168.1.2").as_deref(), Some("192.168.1.2:6881"));
        assert_eq!(tell("8.8.8.8", "192.168.1.2").as_deref(), Some("203.0.113.1:6881"));
        assert_eq!(
            told("192.168.1.9:7", &view("8.8.8.8", "192.168.1.2")).as_deref(),
            Some("203.0.113.1:7")
        );
        let tell6 = |asker, local| told6("[::1]:6881", &view(asker, local));
        assert_eq!(tell6("fd00::5", "fd00::2").as_deref(), Some("[fd00::2]:6881"));
        assert_eq!(tell6("2001:db8:9::9", "fd00::2").as_deref(), Some("[2001:db8::1]:6881"));
    }

    #[test]
    fn s7_a_peer_that_came_by_the_hosts_own_address_is_on_this_host() {
        let home = |ip: &str, local: &str| {
            home(Asker::new(ip.parse().unwrap(), local.parse().unwrap())).to_string()
        };
        assert_eq!(home("192.168.1.2", "192.168.1.2"), "127.0.0.1");
        assert_eq!(home("2001:db8::1", "2001:db8::1"), "::1");
        assert_eq!(home("192.168.1.5", "192.168.1.2"), "192.168.1.5");
        assert_eq!(home("::ffff:10.0.0.1", "10.0.0.2"), "10.0.0.1");
    }
}
