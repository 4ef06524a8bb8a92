//! Who may call from a browser, and under which name (rules W5, W6): plain functions.

use std::net::IpAddr;
use std::net::SocketAddr;

use warp::http::HeaderMap;

/// Why a call is refused before anything else is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

/// What is believed of `Host` and `Origin`.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    bound: Vec<SocketAddr>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    /// `machine` is the host name of this machine, also believed when bound to every address.
    pub(crate) fn new(
        bound: Vec<SocketAddr>,
        allowed_hosts: &[String],
        allowed_origins: &[String],
        machine: &str,
    ) -> Self {
        let mut hosts: Vec<String> = allowed_hosts.iter().map(|host| host.to_lowercase()).collect();
        let is_wild = bound.iter().any(|address| address.ip().is_unspecified());
        if is_wild && !machine.is_empty() {
            let machine = machine.to_lowercase();
            hosts.push(format!("{machine}.local"));
            hosts.push(machine);
        }
        Self { bound, hosts, origins: allowed_origins.to_vec() }
    }

    /// Checks a request's headers.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let host = self.check_host(headers)?;
        if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            return Err(Refused("requests from other sites are refused".into()));
        }
        match headers.get("origin") {
            None => Ok(()),
            Some(origin) => self.check_origin(origin.to_str().unwrap_or_default(), &host),
        }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<String, Refused> {
        let mut given = headers.get_all("host").iter();
        let (Some(host), None) = (given.next(), given.next()) else {
            return Err(Refused("a request needs exactly one Host header".into()));
        };
        let host = host.to_str().unwrap_or_default().to_lowercase();
        if self.knows(name_of(&host)) {
            return Ok(host);
        }
        Err(Refused(
            "this host name is not allowed here; add it to `api.allowed_hosts` to allow it".into(),
        ))
    }

    fn knows(&self, name: &str) -> bool {
        if name == "localhost" || self.hosts.iter().any(|host| host == name) {
            return true;
        }
        let Ok(ip) = name.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
        // Rebinding needs a name, so an address is safe when we listen on all of them.
        ip.is_loopback() || self.bound.iter().any(|at| at.ip() == ip || at.ip().is_unspecified())
    }

    fn check_origin(&self, origin: &str, host: &str) -> Result<(), Refused> {
        let same = ["http://", "https://"]
            .iter()
            .any(|scheme| origin.to_lowercase().strip_prefix(scheme) == Some(host));
        if same || self.origins.iter().any(|allowed| allowed == origin) {
            return Ok(());
        }
        Err(Refused(
            "this origin is not allowed here; add it to `api.allowed_origins` to allow it".into(),
        ))
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    fn guard(bind: &str) -> Guard {
        let bound = vec![bind.parse().unwrap()];
        let hosts = ["NAS.example".to_owned()];
        Guard::new(bound, &hosts, &["https://ui.example".to_owned()], "box")
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    /// Rule W5.
    #[test]
    fn only_names_of_ours_are_answered() {
        let local = guard("127.0.0.1:7373");
        let wild = guard("0.0.0.0:7373");
        let fine = ["localhost:7373", "127.0.0.1:7373", "127.0.0.2", "[::1]:7373", "nas.example"];
        for host in fine {
            assert!(local.check(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["evil.example", "192.168.1.5:7373", "", "box", "localhost.evil.example"] {
            assert!(local.check(&headers(&[("host", host)])).is_err(), "{host}");
        }
        for host in ["192.168.1.5:7373", "BOX", "box.local:7373", "[2001:db8::1]:7373"] {
            assert!(wild.check(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        assert!(wild.check(&headers(&[("host", "evil.example")])).is_err());
    }

    /// Rule W5: none, or two, is refused.
    #[test]
    fn exactly_one_host_header() {
        let guard = guard("127.0.0.1:1");
        assert!(guard.check(&headers(&[])).is_err());
        assert!(guard.check(&headers(&[("host", "localhost"), ("host", "localhost")])).is_err());
    }

    /// Rule W6.
    #[test]
    fn pages_of_other_origins_are_refused() {
        let guard = guard("127.0.0.1:7373");
        let with = |origin| headers(&[("host", "localhost:7373"), ("origin", origin)]);
        for origin in ["http://localhost:7373", "https://localhost:7373", "https://ui.example"] {
            assert!(guard.check(&with(origin)).is_ok(), "{origin}");
        }
        for origin in ["http://localhost:7374", "http://evil.example", "null", "http://localhost"] {
            assert!(guard.check(&with(origin)).is_err(), "{origin}");
        }
        let cross = headers(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]);
        assert!(guard.check(&cross).is_err());
    }
}
