//! Who hears of peers that come and go: the engine of those it may call, the accounts of those that
//! take their leave. Both by queues that an announce never waits for.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::domain::hash::TorrentId;
use crate::domain::swarm::Announce;
use crate::domain::swarm::SwarmPeer;
use crate::tracker::Tracker;
use crate::tracker::record::KeyNumber;
use crate::tracker::scope::home;

/// New peers of held swarms that may wait for the engine; more are left to their next announce.
const NEWCOMERS_MAX: usize = 1024;
/// Peers that left and wait for whoever keeps accounts; more are seen to be gone.
const DEPARTURES_MAX: usize = 4096;

/// A new peer of a swarm that the engine holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// The swarm.
    pub info_hash: TorrentId,
    /// Where this host reaches the peer.
    pub address: SocketAddr,
}

/// A peer that has left a swarm, with the key it was there with; what it said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The swarm.
    pub info_hash: TorrentId,
    /// The second of the tracker's clock in which it left.
    pub clock_s: u32,
    /// The peer.
    pub peer: SwarmPeer,
}

impl Tracker {
    /// The new peers of our own client's swarms from now on; only the first caller gets them.
    pub fn newcomers(&self) -> Option<mpsc::Receiver<Newcomer>> {
        let (sender, receiver) = mpsc::channel(NEWCOMERS_MAX);
        self.inner.newcomers.set(sender).ok().map(|()| receiver)
    }

    /// The peers with a key that leave from now on; only the first caller gets them.
    pub fn departures(&self) -> Option<mpsc::Receiver<Departure>> {
        let (sender, receiver) = mpsc::channel(DEPARTURES_MAX);
        self.inner.departures.set(sender).ok().map(|()| receiver)
    }

    pub(super) fn tell_left(&self, announce: &Announce<'_>, number: KeyNumber, clock_s: u32) {
        let Some(departures) = self.inner.departures.get() else { return };
        let Some(key) = self.inner.access.key_of(number) else { return };
        let peer = SwarmPeer {
            peer_id: announce.peer_id,
            address: SocketAddr::new(home(announce.asker), announce.port),
            uploaded: announce.uploaded,
            downloaded: announce.downloaded,
            left: announce.left,
            event: announce.event,
            age_s: 0,
            is_seeder: announce.left == 0,
            is_own: false,
            key: Some(key),
        };
        // A full queue is no loss: that it is gone is seen, and what it had said before.
        let _ = departures.try_send(Departure { info_hash: announce.info_hash, clock_s, peer });
    }

    pub(super) fn tell_engine(&self, info_hash: TorrentId, address: SocketAddr) {
        if let Some(newcomers) = self.inner.newcomers.get() {
            // A full queue is no loss: the engine meets the peer at its own next announce.
            let _ = newcomers.try_send(Newcomer { info_hash, address });
        }
    }
}
