//! What is counted: by the tracker, under the names that Torrust gave it (section 3), and by each
//! session of the engine, under libtorrent's own.

use std::sync::Arc;

use crate::domain::swarm::Refusal;

/// Protocol and address family of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP over IPv4.
    Tcp4,
    /// HTTP over IPv6.
    Tcp6,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
}

impl Transport {
    /// Each of them, in Torrust's order.
    pub const ALL: [Self; 4] = [Self::Tcp4, Self::Tcp6, Self::Udp4, Self::Udp6];

    /// Its place in [`Transport::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp4 => "tcp4",
            Self::Tcp6 => "tcp6",
            Self::Udp4 => "udp4",
            Self::Udp6 => "udp6",
        }
    }
}

/// Requests that were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportStats {
    /// UDP: connect requests. HTTP: announces and scrapes.
    pub connections: u64,
    /// Accepted announces.
    pub announces: u64,
    /// Scrapes.
    pub scrapes: u64,
}

/// Everything that is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackerStats {
    /// In the order of [`Transport::ALL`].
    pub transports: [TransportStats; Transport::ALL.len()],
    /// Refused announces, in the order of [`Refusal::ALL`].
    pub refusals: [u64; Refusal::ALL.len()],
    /// What was no request.
    pub malformed: u64,
    /// Connection ids that were wrong or too old.
    pub wrong_ids: u64,
    /// Bytes of requests.
    pub received_bytes: u64,
    /// Bytes of answers.
    pub sent_bytes: u64,
}

/// A statistic that every session of the engine keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatName {
    /// libtorrent's name, such as `net.recv_bytes`.
    pub name: String,
    /// It only grows; else it goes up and down.
    pub is_counter: bool,
}

/// The statistics of one session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStats {
    /// The session's name, such as `default`.
    pub session: Arc<str>,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// One for each name, in the order of the names.
    pub values: Vec<i64>,
}

/// The statistics of every session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// What is counted, in libtorrent's order.
    pub names: Arc<[StatName]>,
    /// The sessions, in the order of the configuration.
    pub sessions: Vec<SessionStats>,
}

impl EngineStats {
    /// The sum over all sessions of the statistic of this name; 0 when there is none.
    pub fn sum(&self, name: &str) -> i64 {
        let place = self.names.iter().position(|known| known.name == name);
        let value = |session: &SessionStats| session.values.get(place?).copied();
        self.sessions.iter().filter_map(value).sum()
    }
}
