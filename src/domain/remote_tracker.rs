//! A remote tracker: a URL that one of our torrents reports to.

/// One announce URL of a torrent with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTracker {
    /// The announce URL; may hold a passkey, so it is never logged (rule W11).
    pub url: String,
    /// Tier of BEP 12; lower is asked first.
    pub tier: u8,
    /// What the last announce came to.
    pub state: TrackerState,
    /// Peers in the last answer; -1 before one came.
    pub peers: i32,
    /// Complete peers the tracker told of; -1 unknown.
    pub seeds: i32,
    /// Incomplete peers the tracker told of; -1 unknown.
    pub leeches: i32,
}

impl RemoteTracker {
    /// Scheme, host and port of the URL, without what may be a secret.
    pub fn host(&self) -> &str {
        let begin = self.url.find("://").map_or(0, |at| at + 3);
        let rest = &self.url[begin..];
        let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // What stands before an @ is a user with a password.
        match rest[..length].rfind('@') {
            Some(at) => &rest[at + 1..length],
            None => &self.url[..begin + length],
        }
    }
}

/// What the last announce to a remote tracker came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrackerState {
    /// Nothing sent yet.
    #[default]
    NotContacted,
    /// A request is under way.
    Updating,
    /// The last announce was answered.
    Working,
    /// Answered, with a warning.
    Warning(String),
    /// Refused by the tracker, or unreachable: the text says why.
    Error(String),
    /// No answer in time.
    Timeout,
    /// An HTTP status other than 200.
    HttpStatus(u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule W11.
    #[test]
    fn w11_a_host_shows_no_passkey() {
        for (url, host) in [
            ("http://t.example:80/announce/SECRET?passkey=SECRET", "http://t.example:80"),
            ("udp://t.example:6969", "udp://t.example:6969"),
            ("https://user:SECRET@t.example/a", "t.example"),
            ("https://t.example?SECRET", "https://t.example"),
            ("nonsense", "nonsense"),
        ] {
            let tracker = RemoteTracker {
                url: url.into(),
                tier: 0,
                state: TrackerState::default(),
                peers: -1,
                seeds: -1,
                leeches: -1,
            };
            assert_eq!(tracker.host(), host);
        }
    }
}
