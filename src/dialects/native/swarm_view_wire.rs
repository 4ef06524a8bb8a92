//! The JSON of a swarm with its participants.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::native::account_wire::AccountFigures;
use crate::domain::account::ShareBalance;
use crate::domain::share::FriendName;
use crate::domain::torrent::Torrent;
use crate::service::swarm_view::Participant;
use crate::service::swarm_view::SwarmView;

/// The swarm of a torrent.
#[derive(Serialize, ToSchema)]
pub(super) struct SwarmBody {
    /// 40 hex digits.
    info_hash: String,
    name: String,
    /// Ourselves first, then by progress.
    participants: Vec<ParticipantRow>,
    /// Every friend who was ever in the swarm of a private share, with all that was counted.
    friends: Vec<FriendInSwarm>,
    /// Complete peers at the tracker, ourselves included.
    seeders: u32,
    /// Other peers at the tracker.
    leechers: u32,
    /// How often it was completed.
    completed: u32,
    /// Whole copies that are known of, ours included: complete participants, or what libtorrent
    /// finds among its connections. Parts that incomplete ones have are more.
    copies: f64,
    /// Others that have all of it.
    other_seeds: usize,
    /// When one of them was last heard of, Unix seconds, also one that has left since; null = never.
    other_seed_seen_at: Option<i64>,
    /// Whether all of it stays in the swarm when we stop now.
    can_stop: bool,
}

/// One participant.
#[derive(Serialize, ToSchema)]
struct ParticipantRow {
    ip: String,
    /// Where it listens; null when it has not announced.
    port: Option<u16>,
    /// `ipv4` or `ipv6`.
    family: &'static str,
    /// Whose key it announced with.
    friend: Option<String>,
    client: String,
    /// In the house: on this machine or the local network.
    inside: bool,
    /// Our own client.
    own: bool,
    /// It has all of it.
    seed: bool,
    /// 0 to 1.
    progress: f64,
    /// `connected`; `announced`, and not connected; or `unannounced`: connected, and the tracker
    /// does not know it.
    state: &'static str,
    /// Bytes it says it sent to anybody.
    claimed_uploaded: Option<u64>,
    /// Bytes it says it received from anybody.
    claimed_downloaded: Option<u64>,
    /// Seconds since it announced.
    announced_ago_s: Option<u32>,
    /// Seconds since it was heard of; 0 while it is connected.
    seen_ago_s: u32,
    /// Bytes we sent to it over this connection.
    sent: Option<u64>,
    /// Bytes we received from it over this connection.
    received: Option<u64>,
    /// Bytes/s to it.
    upload_rate: Option<u32>,
    /// Bytes/s from it.
    download_rate: Option<u32>,
}

/// A friend's account in this swarm, over all their clients and connections.
#[derive(Serialize, ToSchema)]
struct FriendInSwarm {
    name: String,
    #[serde(flatten)]
    figures: AccountFigures,
}

impl SwarmBody {
    pub(super) fn of(torrent: &Torrent, view: &SwarmView) -> Self {
        Self {
            info_hash: torrent.id.to_string(),
            name: torrent.name.to_string(),
            participants: view.participants.iter().map(ParticipantRow::of).collect(),
            friends: view.friends.iter().map(FriendInSwarm::of).collect(),
            seeders: view.counts.seeders,
            leechers: view.counts.leechers,
            completed: view.counts.completed,
            copies: view.copies,
            other_seeds: view.other_seeds,
            other_seed_seen_at: view.other_seed_seen_at,
            can_stop: view.can_stop,
        }
    }
}

impl ParticipantRow {
    fn of(one: &Participant) -> Self {
        Self {
            ip: one.ip.to_string(),
            port: one.port,
            family: if one.ip.is_ipv4() { "ipv4" } else { "ipv6" },
            friend: one.friend.as_ref().map(ToString::to_string),
            client: one.client.clone(),
            inside: one.is_inside,
            own: one.is_own,
            seed: one.is_seed,
            progress: one.progress,
            state: match (one.claim, one.link) {
                (Some(_), None) => "announced",
                (Some(_), Some(_)) => "connected",
                (None, _) => "unannounced",
            },
            claimed_uploaded: one.claim.map(|claim| claim.uploaded),
            claimed_downloaded: one.claim.map(|claim| claim.downloaded),
            announced_ago_s: one.claim.map(|claim| claim.age_s),
            seen_ago_s: one.age_s(),
            sent: one.link.map(|link| link.sent),
            received: one.link.map(|link| link.received),
            upload_rate: one.link.map(|link| link.upload_rate),
            download_rate: one.link.map(|link| link.download_rate),
        }
    }
}

impl FriendInSwarm {
    fn of((name, one): &(FriendName, ShareBalance)) -> Self {
        Self { name: name.to_string(), figures: AccountFigures::of(one) }
    }
}
