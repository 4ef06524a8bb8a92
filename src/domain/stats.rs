//! What the tracker has done since the start, under the names that Torrust gave it (section 3).

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
