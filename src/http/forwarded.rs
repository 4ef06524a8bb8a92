//! Whom a request behind a reverse proxy is from (rule W12): plain functions.
//!
//! Each proxy adds the address that it sees to the end of `X-Forwarded-For`. So what our own
//! proxies wrote stands at the right, and what stands left of it anybody may have written.

use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::domain::network::Network;

/// Why a trusted proxy's request has no client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedError {
    /// The proxy sent no `X-Forwarded-For`.
    Missing,
    /// What it sent holds no address where one is needed.
    Broken,
    /// It names trusted proxies only.
    OnlyProxies,
}

/// The client's address, from the lines of `X-Forwarded-For` in their order.
///
/// From anybody but a trusted proxy the header is ignored. From a trusted proxy it is needed:
/// taking the proxy for the client would put everybody behind it under one address.
///
/// # Errors
/// [`ForwardedError`].
pub(crate) fn client_address<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    peer: IpAddr,
    trusted: &[Network],
) -> Result<IpAddr, ForwardedError> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return Ok(peer);
    }
    let mut outcome = Err(ForwardedError::Missing);
    for entry in lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
        let address = parse(entry).ok_or(ForwardedError::Broken)?;
        if !is_trusted(address) {
            return Ok(address);
        }
        outcome = Err(ForwardedError::OnlyProxies);
    }
    outcome
}

/// An address in one of the forms that proxies write: `v4`, `v4:port`, `v6`, `[v6]`, `[v6]:port`.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

impl fmt::Display for ForwardedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the proxy did not say for whom it asks (X-Forwarded-For)",
            Self::Broken => "the proxy's X-Forwarded-For is broken",
            Self::OnlyProxies => "the proxy's X-Forwarded-For names proxies only",
        })
    }
}

impl std::error::Error for ForwardedError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behind proxies at 10.0.0.0/8 and 2001:db8:1::/48.
    fn client(peer: &str, lines: &[&str]) -> Result<String, ForwardedError> {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|text| text.parse().unwrap());
        let lines = lines.iter().map(|line| line.as_bytes());
        let found = client_address(lines, peer.parse().unwrap(), &trusted);
        found.map(|address| address.to_string())
    }

    #[track_caller]
    fn assert_is(found: Result<String, ForwardedError>, address: &str) {
        assert_eq!(found.as_deref(), Ok(address));
    }

    /// Rule W12.
    #[test]
    fn strangers_are_who_they_are() {
        for lines in [&["192.0.2.1"][..], &["nonsense"], &[]] {
            assert_is(client("198.51.100.9", lines), "198.51.100.9");
            assert_is(client("2001:db8:2::9", lines), "2001:db8:2::9");
        }
        assert_is(client("::ffff:198.51.100.9", &["192.0.2.1"]), "198.51.100.9");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_counts() {
        assert_is(client("10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_is(client("::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_is(client("10.0.0.1", &["203.0.113.5, 192.0.2.1 ,10.9.9.9"]), "192.0.2.1");
        assert_is(client("2001:db8:1::1", &["203.0.113.5", "192.0.2.1", "10.9.9.9"]), "192.0.2.1");
        assert_is(client("10.0.0.1", &["not looked at, 192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for (written, address) in [
            ("192.0.2.1:51000", "192.0.2.1"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:51000", "2001:db8::7"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
            ("\t192.0.2.1 ", "192.0.2.1"),
        ] {
            assert_is(client("10.0.0.1", &[written]), address);
        }
    }

    #[test]
    fn a_proxy_that_does_not_say_for_whom_is_refused() {
        assert_eq!(client("10.0.0.1", &[]), Err(ForwardedError::Missing));
        assert_eq!(client("10.0.0.1", &["10.0.0.2"]), Err(ForwardedError::OnlyProxies));
        for broken in
            ["", "unknown", "192.0.2.1,", "192.0.2.1, _hidden", "192.0.2.256", "[::1", "\u{e9}"]
        {
            assert_eq!(client("10.0.0.1", &[broken]), Err(ForwardedError::Broken), "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(bytes: Vec<u8>) {
            let trusted = ["0.0.0.0/0".parse().unwrap()];
            let peer = IpAddr::from([10, 0, 0, 1]);
            let _ = client_address(std::iter::once(bytes.as_slice()), peer, &trusted);
        }
    }
}
