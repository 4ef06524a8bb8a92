//! The JSON of our own tracker's swarms.

use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;

use crate::dialects::native::wire::present;
use crate::domain::access::Mode;
use crate::domain::access::SwarmRecord;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::SwarmPeer;
use crate::domain::swarm::SwarmSummary;

/// Names the swarm.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only describes a part of paths")]
pub(super) struct OfSwarm {
    /// The info-hash, 40 hex digits.
    #[param(pattern = "^[0-9a-fA-F]{40}$")]
    hash: String,
}

/// Who is served.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModeName {
    /// Every swarm to everybody.
    Public,
    /// Our own swarms and those on the whitelist, to everybody.
    Listed,
    /// Every swarm, to those with a key.
    Private,
    /// Our own swarms and those on the whitelist, to those with a key.
    PrivateListed,
}

impl From<Mode> for ModeName {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Public => Self::Public,
            Mode::Listed => Self::Listed,
            Mode::Private => Self::Private,
            Mode::PrivateListed => Self::PrivateListed,
        }
    }
}

impl From<ModeName> for Mode {
    fn from(mode: ModeName) -> Self {
        match mode {
            ModeName::Public => Self::Public,
            ModeName::Listed => Self::Listed,
            ModeName::Private => Self::Private,
            ModeName::PrivateListed => Self::PrivateListed,
        }
    }
}

/// A page of the swarms, in the order of their info-hashes.
#[derive(Serialize, ToSchema)]
pub(super) struct SwarmList {
    /// Swarms on all pages.
    pub(super) total: usize,
    /// How many were passed over.
    pub(super) offset: usize,
    pub(super) swarms: Vec<SwarmRow>,
}

/// A swarm of our own tracker.
#[derive(Serialize, ToSchema)]
#[schema(as = Swarm)]
pub(super) struct SwarmRow {
    info_hash: String,
    /// The name of our torrent of this info-hash; null when there is none.
    name: Option<String>,
    /// Complete peers.
    seeders: u32,
    /// Other peers.
    leechers: u32,
    /// How often it was completed.
    completed: u32,
    /// On the whitelist.
    is_listed: bool,
    /// Refused to everybody.
    is_flagged: bool,
    /// Its own mode, before that of the tracker; null when it has none.
    mode: Option<ModeName>,
}

/// The peers of a swarm, in the order of their peer ids.
#[derive(Serialize, ToSchema)]
pub(super) struct SwarmPeers {
    pub(super) total: usize,
    pub(super) peers: Vec<SwarmPeerRow>,
}

/// A peer that announced.
#[derive(Serialize, ToSchema)]
pub(super) struct SwarmPeerRow {
    /// The 20 bytes it calls itself, in hex.
    peer_id: String,
    /// Address and port.
    address: String,
    /// Bytes, as it claims.
    uploaded: u64,
    /// Bytes, as it claims.
    downloaded: u64,
    /// Bytes that it misses.
    left: u64,
    event: EventName,
    /// Seconds since its last announce.
    age: u32,
    is_seeder: bool,
    /// The client inside this process.
    is_own: bool,
}

/// The last event of a peer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventName {
    None,
    Completed,
    Started,
    Stopped,
    Paused,
}

/// What may change in a swarm; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SwarmPatch {
    /// On the whitelist.
    pub(super) is_listed: Option<bool>,
    /// Refused to everybody.
    pub(super) is_flagged: Option<bool>,
    /// A mode of its own, before that of the tracker; null takes it.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<ModeName>)]
    pub(super) mode: Option<Option<ModeName>>,
}

impl SwarmRow {
    pub(super) fn of(swarm: &SwarmSummary, record: &SwarmRecord, name: Option<String>) -> Self {
        Self {
            info_hash: swarm.info_hash.to_string(),
            name,
            seeders: swarm.counts.seeders,
            leechers: swarm.counts.leechers,
            completed: swarm.counts.completed,
            is_listed: record.is_listed,
            is_flagged: swarm.is_flagged,
            mode: record.mode.map(ModeName::from),
        }
    }
}

impl SwarmPeerRow {
    pub(super) fn of(peer: &SwarmPeer) -> Self {
        Self {
            peer_id: peer.peer_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            address: peer.address.to_string(),
            uploaded: peer.uploaded,
            downloaded: peer.downloaded,
            left: peer.left,
            event: match peer.event {
                AnnounceEvent::None => EventName::None,
                AnnounceEvent::Completed => EventName::Completed,
                AnnounceEvent::Started => EventName::Started,
                AnnounceEvent::Stopped => EventName::Stopped,
                AnnounceEvent::Paused => EventName::Paused,
            },
            age: peer.age_s,
            is_seeder: peer.is_seeder,
            is_own: peer.is_own,
        }
    }
}
