//! Which addresses a link may lead to (rule F6).
//!
//! The guard is the resolver of the HTTP client: the addresses that it returns are the ones the
//! client connects to, so there is no second look-up that could answer differently.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::resolver::ResolvedSocketAddrs;
use ureq::unversioned::resolver::Resolver;
use ureq::unversioned::transport::NextTimeout;
use url::Url;

use crate::service::fetch::PrivateAccess;

/// Resolves the host of one link and lets only allowed addresses through. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    allows_private: bool,
    refused: Arc<Mutex<Option<IpAddr>>>,
}

impl Guard {
    /// A guard for a request to `url`.
    pub(crate) fn new(url: &Url, private: &PrivateAccess) -> Self {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let allows_private = match private {
            PrivateAccess::Refused => false,
            PrivateAccess::Allowed => true,
            PrivateAccess::Hosts(hosts) => hosts.iter().any(|one| one.eq_ignore_ascii_case(host)),
        };
        Self { allows_private, refused: Arc::default() }
    }

    /// An address that was refused, when none was left to connect to.
    pub(crate) fn refused(&self) -> Option<IpAddr> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        for address in found.iter() {
            if self.allows_private || (is_public(address.ip()) && !is_ours(address.ip())) {
                allowed.push(*address);
            }
        }
        if allowed.is_empty() {
            let refused = found.iter().next().map(|address| address.ip());
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
            return Err(ureq::Error::HostNotFound);
        }
        Ok(allowed)
    }
}

/// Whether `address` belongs to this machine: our own listeners may be on it, and only own
/// addresses can be bound.
fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Whether `address` is one of the public Internet, also when it wraps an IPv4 address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match wrapped_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_this_network = a == 0;
    let is_carrier_nat = a == 100 && (64..128).contains(&b);
    let is_protocol_assignment = (a, b, c) == (192, 0, 0);
    let is_old_relay = (a, b, c) == (192, 88, 99);
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    let is_reserved = a >= 240;
    !(is_this_network
        || is_carrier_nat
        || is_protocol_assignment
        || is_old_relay
        || is_benchmark
        || is_reserved
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

/// Global unicast is 2000::/3; inside it documentation (2001:db8::/32, 3fff::/20), protocol
/// assignments with Teredo (2001::/23) are not hosts one fetches from.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let is_global = parts[0] & 0xe000 == 0x2000;
    let is_assignment = parts[0] == 0x2001 && parts[1] < 0x200;
    let is_documentation =
        (parts[0] == 0x2001 && parts[1] == 0xdb8) || (parts[0] == 0x3fff && parts[1] < 0x1000);
    is_global && !is_assignment && !is_documentation
}

/// The IPv4 address inside a mapped or compatible (`::/96`, `::ffff:0:0/96`, `::ffff:0:0:0/96`),
/// NAT64 (`64:ff9b::/96`) or 6to4 (`2002::/16`) address.
fn wrapped_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let p = address.segments();
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match p {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(from(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(from(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    #[test]
    fn f6_private_addresses_are_known_in_every_dress() {
        for address in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "198.51.100.1",
            "192.0.2.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:0:192.168.0.1",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn f6_public_addresses_are_let_through() {
        for address in [
            "1.1.1.1",
            "9.9.9.9",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(public(address), "{address}");
        }
        assert!(is_ours("127.0.0.1".parse().unwrap()) && !is_ours("9.9.9.9".parse().unwrap()));
    }

    #[test]
    fn f6_an_exception_counts_only_for_the_host_it_names() {
        let allows = |url: &str, hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
            Guard::new(&Url::parse(url).unwrap(), &PrivateAccess::Hosts(hosts)).allows_private
        };
        assert!(allows("http://NAS.lan/x", &["nas.lan"]));
        assert!(allows("http://[::1]:80/x", &["::1"]));
        assert!(!allows("http://nas.lan.example/x", &["nas.lan"]));
        assert!(!allows("http://127.0.0.2/x", &["127.0.0.1"]));
    }
}
