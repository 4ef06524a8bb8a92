//! Our own client in our own tracker's swarms: there with its true state, without an announce.
//!
//! A torrent one of whose announce URLs is ours is a member of its swarm from the moment it runs
//! until it stops. In the other direction the engine hears of a new peer at once, so that a fresh
//! leecher is served before anybody announces again.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Duration;
use tokio::time::Instant;
use url::Host;
use url::Url;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::Engine;
use crate::engine::OpenSession;
use crate::service::members::Members as Shares;
use crate::service::members::swarms_of;
use crate::service::upkeep::told;
use crate::tracker::Newcomer;
use crate::tracker::OwnPeer;
use crate::tracker::Tracker;
use crate::tracker::random::Random;

/// Changes of torrents are looked at at once, and those that follow so soon together.
const GATHER: Duration = Duration::from_millis(100);

/// Which announce URLs are ours, and where our client is reached.
#[derive(Clone, Debug, Default)]
pub struct OwnUrls {
    /// Ports of our own tracker, UDP and HTTP; none when our client is to announce as others do.
    pub ports: Vec<u16>,
    /// Names and addresses under which we are reached, beside this host's own.
    pub names: Vec<String>,
    /// Whether our client listens on IPv6 too.
    pub has_v6: bool,
}

impl OwnUrls {
    /// Whether an announce to `url` comes to our own tracker. `is_own` knows this host's addresses.
    pub fn has(&self, url: &str, is_own: impl Fn(IpAddr) -> bool) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let port = url.port_or_known_default();
        if !matches!(url.scheme(), "udp" | "http" | "https")
            || !port.is_some_and(|port| self.ports.contains(&port))
        {
            return false;
        }
        // Hosts of URLs that are not HTTP are not parsed into addresses.
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let named = self.names.iter().any(|name| name.eq_ignore_ascii_case(bare));
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => bare.parse().ok(),
        };
        named || bare.eq_ignore_ascii_case("localhost") || ip.is_some_and(is_own)
    }
}

/// Whether `ip` is an address of this host: whether a socket can be bound to it.
pub fn is_own_address(ip: IpAddr) -> bool {
    ip.is_loopback()
        || (!ip.is_unspecified() && std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok())
}

/// Keeps the tracker's swarms true to the engine's torrents until `stop` turns true. Our client
/// is in the swarms of its shares whatever their announce URLs are.
pub async fn join(
    engine: Engine,
    (tracker, shares): (Tracker, Shares),
    own: OwnUrls,
    stop: watch::Receiver<bool>,
) {
    let (mut stop, mut changes) = (stop, engine.changes());
    let mut members = Members::new(own, shares);
    loop {
        members.update(&engine.list(), &engine.sessions(), &tracker);
        members.shares.tell_came();
        let next = Instant::now() + GATHER;
        tokio::select! {
            () = told(&mut stop) => break,
            changed = changes.changed() => {
                if changed.is_err() {
                    break;
                }
            }
        }
        tokio::time::sleep_until(next).await;
    }
    members.leave_all(&tracker);
}

/// Which torrents are members, and as what.
struct Members {
    own: OwnUrls,
    shares: Shares,
    peer_id: [u8; 20],
    random: Random,
    /// Where peers reach us in each session.
    sessions: Arc<[OpenSession]>,
    /// What was last told of each swarm.
    told: HashMap<TorrentId, OwnPeer>,
    /// The torrents there are, each with the swarms that it is a member of.
    torrents: HashMap<TorrentId, Vec<TorrentId>>,
    /// The revision up to which torrents have been looked at.
    revision: u64,
    /// Whether a host's addresses are ours, asked of the system once each.
    addresses: HashMap<IpAddr, bool>,
}

impl Members {
    fn new(own: OwnUrls, shares: Shares) -> Self {
        let mut random = Random::from_os();
        let mut peer_id = *b"-CV0100-000000000000";
        for digit in &mut peer_id[8..] {
            *digit = b'0' + random.below(10) as u8;
        }
        let (told, torrents, addresses) = Default::default();
        let sessions = Arc::new([]);
        Self { own, shares, peer_id, random, sessions, told, torrents, revision: 0, addresses }
    }

    /// Looks at the torrents that changed since the last time, and at which are gone: what did not
    /// change costs one comparison, since this comes ten times a second with thousands of them.
    fn update(
        &mut self,
        torrents: &[Arc<Torrent>],
        sessions: &Arc<[OpenSession]>,
        tracker: &Tracker,
    ) {
        if *sessions != self.sessions {
            self.sessions = Arc::clone(sessions);
            self.revision = 0;
        }
        let seen = self.revision;
        for torrent in torrents.iter().filter(|torrent| torrent.revision > seen) {
            self.revision = self.revision.max(torrent.revision);
            let port = port_of(torrent, sessions);
            let is_member = port != 0 && is_running(torrent) && self.reports_here(torrent);
            let swarms = if is_member { swarms_of(&torrent.hashes) } else { Vec::new() };
            for &hash in &swarms {
                self.tell(hash, torrent, port, tracker);
            }
            let before = self.torrents.insert(torrent.id, swarms.clone()).unwrap_or_default();
            self.leave(before.iter().filter(|hash| !swarms.contains(hash)), tracker);
        }
        // Every torrent of the list is known by now, so any more are gone.
        if self.torrents.len() > torrents.len() {
            let present: HashSet<TorrentId> = torrents.iter().map(|torrent| torrent.id).collect();
            let gone = self.torrents.extract_if(|id, _| !present.contains(id));
            let swarms: Vec<TorrentId> = gone.flat_map(|(_, swarms)| swarms).collect();
            self.leave(swarms.iter(), tracker);
        }
    }

    fn leave<'a>(&mut self, swarms: impl Iterator<Item = &'a TorrentId>, tracker: &Tracker) {
        for hash in swarms {
            tracker.clear_own(hash);
            self.told.remove(hash);
        }
    }

    fn tell(&mut self, hash: TorrentId, torrent: &Torrent, port: u16, tracker: &Tracker) {
        let status = &torrent.status;
        let total = torrent.metadata.as_ref().map(|metadata| metadata.total_bytes);
        let left = match total {
            Some(total) => total.saturating_sub(status.done_bytes),
            // A magnet without metadata lacks everything, however much that is.
            None => i64::MAX as u64,
        };
        let own = OwnPeer {
            peer_id: self.peer_id,
            port,
            has_v6: self.own.has_v6,
            uploaded: status.all_time_upload_bytes,
            downloaded: status.all_time_download_bytes,
            left,
        };
        if self.told.insert(hash, own) != Some(own) {
            tracker.set_own(&hash, &own, &mut self.random);
        }
    }

    fn reports_here(&mut self, torrent: &Torrent) -> bool {
        if self.shares.is_share(torrent.id) {
            return true;
        }
        let addresses = &mut self.addresses;
        torrent.trackers.iter().any(|remote| {
            let known = std::cell::RefCell::new(&mut *addresses);
            self.own.has(&remote.url, |ip| {
                *known.borrow_mut().entry(ip).or_insert_with(|| is_own_address(ip))
            })
        })
    }

    fn leave_all(&mut self, tracker: &Tracker) {
        for (hash, _) in self.told.drain() {
            tracker.clear_own(&hash);
        }
    }
}

/// Where peers reach a torrent; 0 while they cannot.
fn port_of(torrent: &Torrent, sessions: &[OpenSession]) -> u16 {
    let own = sessions.iter().find(|session| session.name == torrent.session);
    own.and_then(|session| session.port).unwrap_or(0)
}

fn is_running(torrent: &Torrent) -> bool {
    let status = &torrent.status;
    let is_busy = matches!(status.stage, Stage::Loading | Stage::CheckingResume | Stage::Checking);
    !status.is_paused && !is_busy && status.error.is_empty()
}

/// Tells the tracker under which addresses others see this household, until the engine is gone.
pub async fn learn_external(engine: Engine, tracker: Tracker) {
    let mut events = engine.events();
    loop {
        match events.recv().await {
            Ok(Event::ExternalAddress(ip)) => tracker.learn_external(ip),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Hands new peers of our own swarms to the engine until the tracker is gone.
pub async fn introduce(engine: Engine, tracker: Tracker) {
    let Some(mut newcomers) = tracker.newcomers() else { return };
    while let Some(Newcomer { info_hash, address }) = newcomers.recv().await {
        if let Err(error) = connect(&engine, info_hash, address).await {
            tracing::debug!(%error, torrent = %info_hash, "a new peer was not passed on");
        }
    }
}

async fn connect(engine: &Engine, info_hash: TorrentId, address: SocketAddr) -> Result<()> {
    let hash = crate::domain::hash::AnyHash::Short(info_hash.0);
    let torrent = engine.find(&hash).ok_or_else(|| Error::not_found("the torrent is gone"))?;
    let own_port = port_of(&torrent, &engine.sessions());
    if address.ip().is_loopback() && address.port() == own_port {
        return Ok(());
    }
    engine.connect_peer(torrent.id, address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announce_url_is_ours_by_its_port_and_its_host() {
        let own = OwnUrls { ports: vec![6969], names: vec!["nas.example".into()], has_v6: true };
        let is_own = |ip: IpAddr| ip.is_loopback() || ip == IpAddr::from([192, 168, 1, 2]);
        for url in [
            "http://127.0.0.1:6969/announce",
            "udp://127.0.0.1:6969",
            "udp://192.168.1.2:6969/announce",
            "http://[::1]:6969/announce/KEY",
            "udp://[::1]:6969/announce",
            "https://NAS.example:6969/announce",
            "udp://nas.example:6969/announce",
            "http://localhost:6969/announce",
        ] {
            assert!(own.has(url, is_own), "{url}");
        }
        for url in [
            "http://127.0.0.1:6968/announce",
            "udp://127.0.0.1",
            "http://192.168.1.3:6969/announce",
            "http://tracker.example:6969/announce",
            "ws://127.0.0.1:6969/announce",
            "nonsense",
        ] {
            assert!(!own.has(url, is_own), "{url}");
        }
    }
}
