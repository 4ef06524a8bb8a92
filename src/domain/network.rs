//! Whom an address stands for, and lists of networks.

use std::net::IpAddr;
use std::net::Ipv6Addr;

/// What one caller has: an IPv4 address, or all 2^64 addresses of an IPv6 network, any of which he
/// may take. What is counted by caller is counted by this.
pub fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_an_ipv4_address_or_an_ipv6_network() {
        let caller = |text: &str| caller(text.parse().unwrap()).to_string();
        assert_eq!(caller("192.0.2.7"), "192.0.2.7");
        assert_eq!(caller("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(caller("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(caller("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
        assert_ne!(caller("2001:db8:1:3::1"), caller("2001:db8:1:2::1"));
    }
}
