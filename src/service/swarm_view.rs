//! Who is in the swarm of a share: what the tracker was told, joined with what our own client sees.
//!
//! The tracker knows where a peer listens, our client where its connection comes from. Both are the
//! same peer when address and port agree, or the address and the kind of client do.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::domain::client_name::client_name;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::peer::Peer;
use crate::domain::share::FriendName;
use crate::domain::swarm::SwarmPeer;
use crate::service::friends::Friends;
use crate::service::members::swarms_of;
use crate::service::shares::Shares;
use crate::service::swarms::Swarms;
use crate::service::torrents::Torrents;

/// Bytes of a peer id that name the client (BEP 20).
const CLIENT_BYTES: usize = 8;

/// One participant of a swarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Participant {
    /// Where it is.
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
    /// Others that have all of it.
    pub other_seeds: usize,
    /// Whether all of it stays in the swarm when we stop now.
    pub can_stop: bool,
}

/// The swarm of a share. Asks libtorrent, at most once a second.
///
/// # Errors
/// `NotFound`; Busy.
pub async fn of_share(
    (shares, friends): (&Shares, &Friends),
    (torrents, swarms): (&Torrents, &Swarms),
    id: TorrentId,
) -> Result<SwarmView> {
    let view = shares.get(id)?;
    let total = view.torrent.metadata.as_ref().map_or(0, |metadata| metadata.total_bytes);
    let announced = swarms_of(&view.torrent.hashes);
    let mut announced: Vec<SwarmPeer> =
        announced.iter().flat_map(|hash| swarms.peers(hash)).collect();
    // Our own client is listed in both families, a hybrid peer in both swarms.
    announced.sort_by_key(|peer| (!peer.is_own, peer.address));
    announced.dedup_by_key(|peer| (peer.is_own, (!peer.is_own).then_some(peer.address)));
    let connected = torrents.peers(id).await?;
    let friend_of = |peer: &SwarmPeer| peer.key.and_then(|key| friends.by_key(&key));
    Ok(join(&announced, &connected, total, friend_of))
}

/// Puts both together.
fn join(
    announced: &[SwarmPeer],
    connected: &[Peer],
    total: u64,
    friend_of: impl Fn(&SwarmPeer) -> Option<FriendName>,
) -> SwarmView {
    let mut links: Vec<Option<&Peer>> = connected.iter().map(Some).collect();
    let mut take = |peer: &SwarmPeer, is_it: &dyn Fn(&SwarmPeer, &Peer) -> bool| {
        let found = links.iter_mut().find(|link| link.is_some_and(|link| is_it(peer, link)));
        found.and_then(Option::take)
    };
    // What agrees in full is taken before what agrees in part.
    let mut pairs: Vec<(&SwarmPeer, Option<&Peer>)> =
        announced.iter().map(|peer| (peer, take(peer, &has_port))).collect();
    for (peer, link) in pairs.iter_mut().filter(|(peer, link)| !peer.is_own && link.is_none()) {
        *link = take(peer, &has_client);
    }
    let mut participants: Vec<Participant> = pairs
        .into_iter()
        .map(|(peer, link)| of_announced(peer, link, total, friend_of(peer)))
        .collect();
    participants.extend(links.into_iter().flatten().map(of_connected));
    participants.sort_by(|one, other| {
        (other.is_own, other.progress)
            .partial_cmp(&(one.is_own, one.progress))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let is_seed = |one: &&Participant| !one.is_own && one.progress >= 1.0;
    let other_seeds = participants.iter().filter(is_seed).count();
    SwarmView { participants, other_seeds, can_stop: other_seeds > 0 }
}

fn has_port(peer: &SwarmPeer, link: &Peer) -> bool {
    !peer.is_own && link.address.port() == peer.address.port() && same_ip(peer, link)
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
    Participant {
        ip: peer.address.ip(),
        port: Some(peer.address.port()),
        friend,
        client: link.map_or_else(named, |link| link.client.clone()),
        is_inside: is_inside(peer.address.ip()),
        is_own: peer.is_own,
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
            announced("192.168.1.5:6881", ONE, 0),
        ];
        let seen = [
            connected("[::ffff:203.0.113.9]:50000", ONE, 0.25),
            connected("203.0.113.9:6882", OTHER, 0.5),
            connected("198.51.100.1:5", OTHER, 0.75),
        ];
        let view = join(&told, &seen, 100, |_| Some("anna".parse().unwrap()));
        let row = |one: &Participant| {
            (one.ip.to_string(), one.port, one.claim.is_some(), one.link.is_some(), one.is_inside)
        };
        let rows: Vec<_> = view.participants.iter().map(row).collect();
        let wanted = [
            ("127.0.0.1", Some(46881), true, false, true),
            ("192.168.1.5", Some(6881), true, false, true),
            ("198.51.100.1", None, false, true, false),
            ("203.0.113.9", Some(6882), true, true, false),
            ("203.0.113.9", Some(6881), true, true, false),
        ];
        let wanted = wanted.map(|(ip, port, a, b, c)| (ip.to_owned(), port, a, b, c));
        assert_eq!(rows, wanted);
        assert_eq!((view.other_seeds, view.can_stop), (1, true));
        assert!(view.participants[2].friend.is_none(), "it never announced");
        let alone = join(&told[..2], &[], 100, |_| None);
        assert!(!alone.can_stop);
    }
}
