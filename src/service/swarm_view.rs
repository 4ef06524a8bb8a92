//! Who is in the swarm of a torrent: what our tracker was told, joined with what our client sees.
//!
//! The tracker knows where a peer listens, our client where its connection comes from. Both are the
//! same peer when address and port agree, or the peer id does, or the address and the kind of client.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::domain::account::ShareBalance;
use crate::domain::client_name::client_name;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::peer::Peer;
use crate::domain::share::FriendName;
use crate::domain::swarm::SwarmCounts;
use crate::domain::swarm::SwarmPeer;
use crate::domain::torrent::Torrent;
use crate::service::access::unix_now_s;
use crate::service::accounts::Accounts;
use crate::service::friends::Friends;
use crate::service::members::swarms_of;
use crate::service::swarms::Swarms;
use crate::service::torrents::Torrents;

/// Bytes of a peer id that name the client (BEP 20).
const CLIENT_BYTES: usize = 8;
/// A connection of BitTorrent, rather than to a web seed.
const BITTORRENT: u32 = 0;

/// One participant of a swarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Participant {
    /// Where it is: where it is connected from, or else where it announced from last.
    pub ip: IpAddr,
    /// Where it listens, if it has announced.
    pub port: Option<u16>,
    /// Whose key it announced with.
    pub friend: Option<FriendName>,
    /// Its client's name, as far as it can be told.
    pub client: String,
    /// In the house: on this machine or the local network.
    pub is_inside: bool,
    /// Our own client.
    pub is_own: bool,
    /// It has all of it, as it says or as our client sees.
    pub is_seed: bool,
    /// Its share of the torrent, 0 to 1.
    pub progress: f64,
    /// What it says of itself; `None` when it has not announced.
    pub claim: Option<Claim>,
    /// What our client sees of it; `None` when it is not connected.
    pub link: Option<Link>,
}

/// What a peer told the tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Bytes sent to anybody.
    pub uploaded: u64,
    /// Bytes received from anybody.
    pub downloaded: u64,
    /// Seconds since it announced.
    pub age_s: u32,
}

/// What our client sees of a connected peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Bytes we sent to it over this connection.
    pub sent: u64,
    /// Bytes we received from it over this connection.
    pub received: u64,
    /// Bytes/s to it.
    pub upload_rate: u32,
    /// Bytes/s from it.
    pub download_rate: u32,
}

/// A swarm at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SwarmView {
    /// Ourselves first, then by progress.
    pub participants: Vec<Participant>,
    /// The tracker's numbers: complete peers, others, completed downloads.
    pub counts: SwarmCounts,
    /// Whole copies that are known of, ours included.
    pub copies: f64,
    /// Others that have all of it.
    pub other_seeds: usize,
    /// When one of them was last heard of, also one that has left since; Unix seconds.
    pub other_seed_seen_at: Option<i64>,
    /// Whether all of it stays in the swarm when we stop now.
    pub can_stop: bool,
    /// Every friend who was ever in it, in the order of their names.
    pub friends: Vec<(FriendName, ShareBalance)>,
}

impl Participant {
    /// Seconds since it was heard of.
    pub fn age_s(&self) -> u32 {
        match (&self.link, &self.claim) {
            (None, Some(claim)) if !self.is_own => claim.age_s,
            _ => 0,
        }
    }
}

/// The swarm of a torrent. Asks libtorrent, at most once a second.
///
/// # Errors
/// Busy; `NotFound`, when it has just gone.
pub async fn of_torrent(
    torrent: &Torrent,
    (torrents, swarms): (&Torrents, &Swarms),
    (friends, accounts): (&Friends, &Accounts),
) -> Result<SwarmView> {
    let total = torrent.metadata.as_ref().map_or(0, |metadata| metadata.total_bytes);
    let hashes = swarms_of(&torrent.hashes);
    let announced: Vec<SwarmPeer> = hashes.iter().flat_map(|hash| swarms.peers(hash)).collect();
    let connected = torrents.peers(torrent.id).await?;
    let friend_of = |peer: &SwarmPeer| peer.key.and_then(|key| friends.by_key(&key));
    let participants = join(&tell_apart(announced), &connected, total, friend_of);
    let counts = swarms.get(&torrent.id).map(|summary| summary.counts).unwrap_or_default();
    let friends = known_friends(accounts, torrent.id).await;
    Ok(sum_up(participants, counts, friends, torrent.status.availability))
}

async fn known_friends(accounts: &Accounts, share: TorrentId) -> Vec<(FriendName, ShareBalance)> {
    let in_it = |(name, balance): (FriendName, crate::domain::account::Balance)| {
        let found = balance.shares.into_iter().find(|one| one.share == share)?;
        Some((name, found))
    };
    accounts.balances().await.into_iter().filter_map(in_it).collect()
}

fn sum_up(
    participants: Vec<Participant>,
    counts: SwarmCounts,
    friends: Vec<(FriendName, ShareBalance)>,
    availability: f32,
) -> SwarmView {
    let seeds = participants.iter().filter(|one| one.is_seed).count();
    let others = || participants.iter().filter(|one| one.is_seed && !one.is_own);
    let now = unix_now_s();
    let seen = others().map(|one| now - i64::from(one.age_s()));
    let told = friends.iter().filter(|(_, balance)| balance.is_complete && balance.seen_at > 0);
    let other_seed_seen_at = seen.chain(told.map(|(_, balance)| balance.seen_at)).max();
    let other_seeds = others().count();
    SwarmView {
        counts,
        // libtorrent knows it only while our own client has not everything.
        copies: f64::from(availability).max(seeds as f64),
        other_seeds,
        other_seed_seen_at,
        can_stop: other_seeds > 0,
        participants,
        friends,
    }
}

/// A peer of the tracker: one record, or several of the same client in both address families or in
/// both swarms of a hybrid, the latest first.
type Told = Vec<SwarmPeer>;

fn tell_apart(mut announced: Vec<SwarmPeer>) -> Vec<Told> {
    let name = |peer: &SwarmPeer| (!peer.is_own, peer.key, peer.peer_id);
    announced.sort_by_key(|peer| (name(peer), peer.age_s, Reverse(peer.uploaded), peer.address));
    announced.chunk_by(|one, other| name(one) == name(other)).map(<[_]>::to_vec).collect()
}

/// Puts both together.
fn join(
    announced: &[Told],
    connected: &[Peer],
    total: u64,
    friend_of: impl Fn(&SwarmPeer) -> Option<FriendName>,
) -> Vec<Participant> {
    let is_peer = |peer: &&Peer| peer.connection_kind == BITTORRENT;
    let mut links: Vec<Option<&Peer>> = connected.iter().filter(is_peer).map(Some).collect();
    let mut pairs: Vec<(&Told, Option<&Peer>)> =
        announced.iter().map(|told| (told, None)).collect();
    // What agrees in full is taken before what agrees in part.
    for is_same in [has_port, has_id_there, has_id, has_client] {
        for (told, link) in pairs.iter_mut().filter(|(_, link)| link.is_none()) {
            let is_it = |link: &Option<&Peer>| {
                let agrees =
                    |link: &Peer| told.iter().any(|peer| !peer.is_own && is_same(peer, link));
                link.is_some_and(agrees)
            };
            *link = links.iter_mut().find(|link| is_it(link)).and_then(Option::take);
        }
    }
    let told = |(told, link): (&Told, Option<&Peer>)| {
        let last = told.first()?;
        Some(of_announced(last, link, total, friend_of(last)))
    };
    let mut participants: Vec<Participant> = pairs.into_iter().filter_map(told).collect();
    participants.extend(links.into_iter().flatten().map(of_connected));
    participants.sort_by(|one, other| {
        (other.is_own, other.progress)
            .partial_cmp(&(one.is_own, one.progress))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    participants
}

fn has_port(peer: &SwarmPeer, link: &Peer) -> bool {
    link.address.port() == peer.address.port() && same_ip(peer, link)
}

fn has_id_there(peer: &SwarmPeer, link: &Peer) -> bool {
    has_id(peer, link) && same_ip(peer, link)
}

/// Whoever announces over one address family may be connected over the other.
fn has_id(peer: &SwarmPeer, link: &Peer) -> bool {
    link.id == peer.peer_id
}

fn has_client(peer: &SwarmPeer, link: &Peer) -> bool {
    same_ip(peer, link) && link.id[..CLIENT_BYTES] == peer.peer_id[..CLIENT_BYTES]
}

fn same_ip(peer: &SwarmPeer, link: &Peer) -> bool {
    peer.address.ip() == link.address.ip().to_canonical()
}

fn of_announced(
    peer: &SwarmPeer,
    link: Option<&Peer>,
    total: u64,
    friend: Option<FriendName>,
) -> Participant {
    let claimed = match total {
        0 => 0.0,
        total => total.saturating_sub(peer.left) as f64 / total as f64,
    };
    let named = || client_name(&peer.peer_id).unwrap_or_default().to_owned();
    let ip = link.map_or(peer.address.ip(), |link| link.address.ip().to_canonical());
    Participant {
        ip,
        port: Some(peer.address.port()),
        friend,
        client: link.map_or_else(named, |link| link.client.clone()),
        is_inside: is_inside(ip),
        is_own: peer.is_own,
        is_seed: link.map_or(peer.is_seeder, |link| link.state.is_seed),
        progress: link.map_or(claimed, |link| f64::from(link.progress)),
        claim: Some(Claim {
            uploaded: peer.uploaded,
            downloaded: peer.downloaded,
            age_s: peer.age_s,
        }),
        link: link.map(link_of),
    }
}

fn of_connected(link: &Peer) -> Participant {
    let ip = link.address.ip().to_canonical();
    Participant {
        ip,
        port: None,
        friend: None,
        client: link.client.clone(),
        is_inside: is_inside(ip),
        is_own: false,
        is_seed: link.state.is_seed,
        progress: f64::from(link.progress),
        claim: None,
        link: Some(link_of(link)),
    }
}

fn link_of(link: &Peer) -> Link {
    Link {
        sent: link.uploaded_bytes,
        received: link.downloaded_bytes,
        upload_rate: link.upload_rate,
        download_rate: link.download_rate,
    }
}

fn is_inside(ip: IpAddr) -> bool {
    let inside_v4 = |ip: Ipv4Addr| ip.is_loopback() || ip.is_private() || ip.is_link_local();
    let inside_v6 =
        |ip: Ipv6Addr| ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
    match ip {
        IpAddr::V4(ip) => inside_v4(ip),
        IpAddr::V6(ip) => inside_v6(ip),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::domain::peer::PeerDetails;
    use crate::domain::peer::PeerState;
    use crate::domain::swarm::AnnounceEvent;

    fn announced(address: &str, id: &[u8; 20], left: u64) -> SwarmPeer {
        SwarmPeer {
            peer_id: *id,
            address: address.parse().unwrap(),
            uploaded: 5,
            downloaded: 6,
            left,
            event: AnnounceEvent::None,
            age_s: 7,
            is_seeder: left == 0,
            is_own: false,
            key: None,
        }
    }

    fn connected(address: &str, id: &[u8; 20], progress: f32) -> Peer {
        Peer {
            address: address.parse::<SocketAddr>().unwrap(),
            id: *id,
            client: "seen".into(),
            progress,
            download_rate: 1,
            upload_rate: 2,
            downloaded_bytes: 3,
            uploaded_bytes: 4,
            source: 0,
            flags: 0,
            connection_kind: 0,
            state: PeerState::default(),
            details: PeerDetails::default(),
        }
    }

    const ONE: &[u8; 20] = b"-qB4520-aaaaaaaaaaaa";
    const OTHER: &[u8; 20] = b"-TR4000-bbbbbbbbbbbb";

    #[test]
    fn a_peer_is_known_by_its_port_or_by_its_client() {
        let told = [
            SwarmPeer { is_own: true, ..announced("127.0.0.1:46881", b"-CV0100-cccccccccccc", 0) },
            announced("203.0.113.9:6881", ONE, 100),
            announced("203.0.113.9:6882", OTHER, 50),
            announced("192.168.1.5:6881", b"-DE2110-dddddddddddd", 0),
        ];
        let seen = [
            connected("[::ffff:203.0.113.9]:50000", ONE, 0.25),
            connected("203.0.113.9:6882", OTHER, 0.5),
            connected("198.51.100.1:5", OTHER, 0.75),
        ];
        let announced = tell_apart(told.to_vec());
        let join = |seen: &[Peer]| join(&announced, seen, 100, |_| Some("anna".parse().unwrap()));
        let participants = join(&seen);
        let row = |one: &Participant| {
            (one.ip.to_string(), one.port, one.claim.is_some(), one.link.is_some(), one.is_inside)
        };
        let rows: Vec<_> = participants.iter().map(row).collect();
        let wanted = [
            ("127.0.0.1", Some(46881), true, false, true),
            ("192.168.1.5", Some(6881), true, false, true),
            ("198.51.100.1", None, false, true, false),
            ("203.0.113.9", Some(6882), true, true, false),
            ("203.0.113.9", Some(6881), true, true, false),
        ];
        let wanted = wanted.map(|(ip, port, a, b, c)| (ip.to_owned(), port, a, b, c));
        assert_eq!(rows, wanted);
        assert!(participants[2].friend.is_none(), "it never announced");
    }

    #[test]
    fn a_client_in_both_families_is_one_and_its_id_tells() {
        let old = SwarmPeer { age_s: 900, ..announced("203.0.113.9:6881", ONE, 100) };
        let new = SwarmPeer { uploaded: 9, ..announced("[2001:db8::9]:6881", ONE, 40) };
        let seen = [connected("[2001:db8::77]:50000", ONE, 0.5)];
        let participants = join(&tell_apart(vec![old, new]), &seen, 100, |_| None);
        assert_eq!(participants.len(), 1);
        let one = &participants[0];
        assert_eq!((one.ip.to_string().as_str(), one.progress), ("2001:db8::77", 0.5));
        assert_eq!(one.claim.unwrap().uploaded, 9);
        // Two people behind one address, by the ids that their clients announced.
        let told = [ONE, b"-qB4520-bbbbbbbbbbbb"].map(|id| announced("203.0.113.9:6881", id, 9));
        let seen = [told[1].peer_id, told[0].peer_id]
            .map(|id| connected("203.0.113.9:50000", &id, f32::from(id[8] - b'a') + 0.25));
        let participants = join(&tell_apart(told.to_vec()), &seen, 100, |_| None);
        assert!(participants.iter().all(|one| one.claim.is_some() && one.link.is_some()));
    }

    #[test]
    fn who_has_all_of_it_lets_us_stop_and_is_remembered() {
        let own = SwarmPeer { is_own: true, ..announced("127.0.0.1:46881", ONE, 0) };
        let view = |told: Vec<SwarmPeer>, friends: Vec<(FriendName, ShareBalance)>| {
            let participants = join(&tell_apart(told), &[], 100, |_| None);
            sum_up(participants, SwarmCounts::default(), friends, -1.0)
        };
        let other = announced("203.0.113.9:6881", OTHER, 0);
        let both = view(vec![own.clone(), other], Vec::new());
        assert_eq!((both.other_seeds, both.copies, both.can_stop), (1, 2.0, true));
        assert!(both.other_seed_seen_at.is_some());
        let had_it = ShareBalance {
            share: TorrentId([1; 20]),
            claimed_up: 0,
            claimed_down: 0,
            sent: 0,
            received: 0,
            is_complete: true,
            seen_at: 77,
            excess: 0,
        };
        let alone = view(vec![own], vec![("anna".parse().unwrap(), had_it)]);
        assert_eq!((alone.other_seeds, alone.copies, alone.can_stop), (0, 1.0, false));
        assert_eq!(alone.other_seed_seen_at, Some(77));
    }
}
