//! Under which URLs our own tracker is reached: by the names that are configured first, then by
//! the addresses that the world and the house know this machine by.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::domain::access::AccessKey;
use crate::tracker::Tracker;

/// Addresses of this machine in one list of URLs; a machine with containers has dozens.
const ADDRESSES_MAX: usize = 4;
/// Beginnings of names of interfaces that lead to nobody but this machine's own containers.
const INNER: [&str; 8] = ["docker", "br-", "veth", "virbr", "lxc", "lxd", "podman", "cni"];

/// Where the tracker listens and what it is called.
#[derive(Clone)]
pub struct Reach {
    /// Knows the address of the router.
    tracker: Tracker,
    names: Vec<String>,
    udp: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    http_scheme: &'static str,
    addresses: fn() -> Vec<IpAddr>,
}

impl Reach {
    /// Of a tracker that listens on these sockets; `names` come first of all.
    pub fn new(
        tracker: Tracker,
        names: Vec<String>,
        udp: Vec<SocketAddr>,
        (http, http_scheme): (Vec<SocketAddr>, &'static str),
    ) -> Self {
        Self { tracker, names, udp, http, http_scheme, addresses: own_addresses }
    }

    /// Announce URLs in tiers, one for each way to this machine; `key` makes them somebody's.
    /// Empty when the tracker listens nowhere.
    pub fn announce_urls(&self, key: Option<&AccessKey>) -> Vec<Vec<String>> {
        let path = key.map_or(String::new(), |key| format!("/{}", key.as_str()));
        let tier = |host: Host| {
            let udp = host.port(&self.udp).map(|port| ("udp", port));
            let http = host.port(&self.http).map(|port| (self.http_scheme, port));
            let url = |(scheme, port): (&str, u16)| {
                format!("{scheme}://{}:{port}/announce{path}", host.text())
            };
            udp.into_iter().chain(http).map(url).collect::<Vec<String>>()
        };
        self.hosts().into_iter().map(tier).filter(|tier| !tier.is_empty()).collect()
    }

    /// URLs of a page beside the tracker, the best one first.
    pub fn page_urls(&self, path: &str) -> Vec<String> {
        let url = |host: Host| {
            let port = host.port(&self.http)?;
            Some(format!("{}://{}:{port}{path}", self.http_scheme, host.text()))
        };
        self.hosts().into_iter().filter_map(url).collect()
    }

    /// Names, the router's address, this machine's own; loopback only when there is no other.
    fn hosts(&self) -> Vec<Host> {
        let external = self.tracker.external();
        let outside = external.v4.map(IpAddr::V4).into_iter().chain(external.v6.map(IpAddr::V6));
        let mut hosts: Vec<Host> = self.names.iter().cloned().map(Host::Name).collect();
        let sockets = || self.udp.iter().chain(&self.http);
        let mut ips: Vec<IpAddr> = Vec::new();
        // A router forwards to a socket that is open to everybody, or to the address it is bound to.
        let is_open = |ip: &IpAddr| {
            sockets()
                .any(|socket| !socket.ip().is_loopback() && socket.ip().is_ipv4() == ip.is_ipv4())
        };
        ips.extend(outside.filter(is_open));
        let (inside, local): (Vec<IpAddr>, Vec<IpAddr>) =
            self.listening().into_iter().partition(|ip| !ip.is_loopback());
        ips.extend(inside.into_iter().take(ADDRESSES_MAX));
        if hosts.is_empty() && ips.is_empty() {
            ips.extend(local);
        }
        let mut seen = std::collections::HashSet::new();
        ips.retain(|ip| seen.insert(*ip));
        hosts.extend(ips.into_iter().map(Host::Ip));
        hosts
    }

    /// The addresses that some socket is reached at, in their order.
    fn listening(&self) -> Vec<IpAddr> {
        let mut own = None;
        let mut found: Vec<IpAddr> = Vec::new();
        for socket in self.udp.iter().chain(&self.http) {
            match socket.ip().is_unspecified() {
                false => found.push(socket.ip()),
                true => {
                    let own = own.get_or_insert_with(|| (self.addresses)());
                    let family = own.iter().filter(|ip| ip.is_ipv4() == socket.is_ipv4());
                    found.extend(family);
                }
            }
        }
        found.sort_by_key(IpAddr::is_ipv6);
        let mut seen = std::collections::HashSet::new();
        found.retain(|ip| seen.insert(*ip));
        found
    }
}

enum Host {
    Name(String),
    Ip(IpAddr),
}

impl Host {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        }
    }

    /// The port under which one of `sockets` is reached by this name.
    fn port(&self, sockets: &[SocketAddr]) -> Option<u16> {
        let Self::Ip(ip) = self else { return sockets.first().map(SocketAddr::port) };
        let exact = sockets.iter().find(|socket| socket.ip() == *ip);
        let open = || {
            sockets.iter().find(|socket| {
                let is_own = socket.ip().is_unspecified() || !ip.is_loopback();
                is_own && !socket.ip().is_loopback() && socket.is_ipv4() == ip.is_ipv4()
            })
        };
        exact.or_else(open).map(SocketAddr::port)
    }
}

/// The addresses of this machine that others can reach, and loopback at the end.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let is_inner = |name: &str| INNER.iter().any(|beginning| name.starts_with(beginning));
    let outer = interfaces.iter().filter(|interface| !is_inner(&interface.name));
    let mut addresses: Vec<IpAddr> =
        outer.map(if_addrs::Interface::ip).filter(|ip| !is_link_local(*ip)).collect();
    addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    addresses
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::External;
    use crate::tracker::TrackerConfig;

    fn reach(names: &[&str], udp: &[&str], http: &[&str], external: External) -> Reach {
        let config = TrackerConfig { external, ..TrackerConfig::default() };
        let parse = |all: &[&str]| all.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let names = names.iter().map(ToString::to_string).collect();
        let tracker = Tracker::new(&config, &[], &[]);
        let reach = Reach::new(tracker, names, parse(udp), (parse(http), "http"));
        let addresses = || {
            ["192.168.1.2", "fd00::2", "127.0.0.1", "::1"].map(|ip| ip.parse().unwrap()).to_vec()
        };
        Reach { addresses, ..reach }
    }

    #[test]
    fn names_come_first_then_the_router_then_the_house() {
        let external = External { v4: Some([203, 0, 113, 1].into()), v6: None };
        let everywhere = ["0.0.0.0:6969", "[::]:6969"];
        let reach = reach(&["nas.example"], &everywhere, &everywhere, external);
        let tiers = reach.announce_urls(None);
        let hosts = ["nas.example", "203.0.113.1", "192.168.1.2", "[fd00::2]"];
        let wanted = hosts.map(|host| {
            ["udp", "http"].map(|scheme| format!("{scheme}://{host}:6969/announce")).to_vec()
        });
        assert_eq!(tiers, wanted);
        assert_eq!(reach.page_urls("/i/x")[0], "http://nas.example:6969/i/x");
    }

    #[test]
    fn a_key_makes_the_urls_somebodys() {
        let key = "2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD".parse().unwrap();
        let reach = reach(&[], &["127.0.0.1:7"], &["127.0.0.1:8"], External::default());
        let path = "announce/2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD";
        let wanted = [format!("udp://127.0.0.1:7/{path}"), format!("http://127.0.0.1:8/{path}")];
        assert_eq!(reach.announce_urls(Some(&key)), [wanted]);
    }

    #[test]
    fn what_listens_nowhere_or_on_loopback_alone_is_not_reached_from_outside() {
        let external = External { v4: Some([203, 0, 113, 1].into()), v6: None };
        let here = reach(&[], &[], &["127.0.0.1:8"], external);
        assert_eq!(here.announce_urls(None), [["http://127.0.0.1:8/announce"]]);
        let nowhere = reach(&["nas.example"], &[], &[], external);
        assert_eq!(nowhere.announce_urls(None), [[""; 0]; 0]);
        let bound = reach(&[], &["192.168.1.2:7"], &[], external);
        let wanted = [["udp://203.0.113.1:7/announce"], ["udp://192.168.1.2:7/announce"]];
        assert_eq!(bound.announce_urls(None), wanted);
    }

    #[test]
    fn this_machine_has_addresses() {
        assert!(own_addresses().iter().any(IpAddr::is_loopback));
    }
}
