//! A swarm: what our tracker sees, the peers that announced one info-hash (BEP 3, BEP 15).

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::ops::Add;
use std::ops::Sub;

use crate::domain::access::AccessKey;
use crate::domain::hash::TorrentId;

/// Most IPv4 peers in one answer: keeps a datagram under 508 bytes, which every path carries.
pub const PEERS_MAX_V4: usize = 74;
/// Most IPv6 peers in one answer: keeps a datagram under 1,232 bytes, which every path carries.
pub const PEERS_MAX_V6: usize = 66;

/// The event of an announce (BEP 3, BEP 21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnnounceEvent {
    /// One of the regular announces.
    #[default]
    None,
    /// The download has just finished.
    Completed,
    /// The peer has just begun.
    Started,
    /// The peer leaves.
    Stopped,
    /// The peer has all it wants, which is not everything (BEP 21).
    Paused,
}

impl AnnounceEvent {
    /// The event of BEP 15's number; unknown ones are none.
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Completed,
            2 => Self::Started,
            3 => Self::Stopped,
            4 => Self::Paused,
            _ => Self::None,
        }
    }
}

/// Who asks: the address the request really came from and the one of ours it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Where the request came from; never what it says of itself (rule T3).
    pub ip: IpAddr,
    /// The address of this host that it was sent to; unspecified when unknown.
    pub local: IpAddr,
}

impl Asker {
    /// IPv4 addresses in IPv6 form become what they are (vector U36).
    pub fn new(ip: IpAddr, local: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), local: local.to_canonical() }
    }

    /// Somebody of whom only the address is known.
    pub fn from_ip(ip: IpAddr) -> Self {
        Self::new(ip, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// One announce, of any protocol.
#[derive(Clone, Copy, Debug)]
pub struct Announce<'a> {
    /// The swarm: a v1 hash, or a v2 hash cut to 20 bytes.
    pub info_hash: TorrentId,
    /// What the peer calls itself.
    pub peer_id: [u8; 20],
    /// Who asks.
    pub asker: Asker,
    /// Where the peer listens.
    pub port: u16,
    /// Bytes sent since `started`, as claimed.
    pub uploaded: u64,
    /// Bytes received since `started`, as claimed.
    pub downloaded: u64,
    /// Bytes missing; 0 makes a seeder.
    pub left: u64,
    /// Why it announces.
    pub event: AnnounceEvent,
    /// How many peers it wants; `None` leaves it to us.
    pub want: Option<u32>,
    /// The key that came with it, if any.
    pub key: Option<&'a [u8]>,
}

/// What an announce is answered with, the peers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Seconds until the next announce, a little different each time (vector S11).
    pub interval_s: u32,
    /// Complete peers of both address families, the asker included.
    pub seeders: u32,
    /// Other peers, likewise.
    pub leechers: u32,
    /// How often it was completed.
    pub completed: u32,
}

/// The part of an answer that grows: peers in the form of the wire.
#[derive(Debug, Default)]
pub struct PeerList {
    /// Addresses and ports without gaps (BEP 23, BEP 7).
    pub compact: Vec<u8>,
    /// The peer id of each, when wished for.
    pub ids: Option<Vec<[u8; 20]>>,
}

/// The numbers of a swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwarmCounts {
    /// Complete peers.
    pub seeders: u32,
    /// Other peers.
    pub leechers: u32,
    /// How often it was completed; outlives restarts (vector S3).
    pub completed: u32,
}

/// Why an announce is refused. The texts are fixed and echo nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The swarm is not one that this tracker serves.
    Unlisted,
    /// No key, or one that does not let in.
    InvalidKey,
    /// As [`Refusal::InvalidKey`], once too often from this address: better no answer (rule T5).
    TooManyInvalidKeys,
    /// The swarm is flagged (UDPT section 8).
    Flagged,
    /// A peer cannot listen on port 0.
    InvalidPort,
    /// A ceiling is reached (vector S8).
    Full,
}

impl Refusal {
    /// Every refusal, for counting.
    pub const ALL: [Self; 6] = [
        Self::Unlisted,
        Self::InvalidKey,
        Self::TooManyInvalidKeys,
        Self::Flagged,
        Self::InvalidPort,
        Self::Full,
    ];

    /// What the peer is told.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unlisted => "Torrent not authorized",
            Self::InvalidKey | Self::TooManyInvalidKeys => "Invalid key",
            Self::Flagged => "Torrent flagged",
            Self::InvalidPort => "Invalid port",
            Self::Full => "Tracker is full",
        }
    }

    /// Its name in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unlisted => "unlisted",
            Self::InvalidKey => "invalid_key",
            Self::TooManyInvalidKeys => "too_many_invalid_keys",
            Self::Flagged => "flagged",
            Self::InvalidPort => "invalid_port",
            Self::Full => "full",
        }
    }
}

/// A peer of a swarm, as the APIs print it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmPeer {
    /// What it calls itself.
    pub peer_id: [u8; 20],
    /// Where it is reached, as this host sees it.
    pub address: SocketAddr,
    /// Bytes, as claimed.
    pub uploaded: u64,
    /// Bytes, as claimed.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
    /// Its last event.
    pub event: AnnounceEvent,
    /// Seconds since its last announce.
    pub age_s: u32,
    /// Counted as complete.
    pub is_seeder: bool,
    /// The client inside this process.
    pub is_own: bool,
    /// The key that it announced with, if that still lets in. A secret (rule W11).
    pub key: Option<AccessKey>,
}

/// A swarm in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwarmSummary {
    /// Its info-hash.
    pub info_hash: TorrentId,
    /// Its numbers.
    pub counts: SwarmCounts,
    /// Announces are refused.
    pub is_flagged: bool,
}

/// All swarms together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwarmTotals {
    /// Swarms with peers, completed downloads, or a flag.
    pub swarms: u64,
    /// Complete peers.
    pub seeders: u64,
    /// Other peers.
    pub leechers: u64,
    /// Completed downloads.
    pub completed: u64,
}

impl Add for SwarmTotals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            swarms: self.swarms + other.swarms,
            seeders: self.seeders + other.seeders,
            leechers: self.leechers + other.leechers,
            completed: self.completed + other.completed,
        }
    }
}

impl Sub for SwarmTotals {
    type Output = Self;

    /// Of a part from the whole.
    fn sub(self, part: Self) -> Self {
        Self {
            swarms: self.swarms - part.swarms,
            seeders: self.seeders - part.seeders,
            leechers: self.leechers - part.leechers,
            completed: self.completed - part.completed,
        }
    }
}
