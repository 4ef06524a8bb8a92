//! Our own client as a member of its swarms, put there without an announce.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::domain::hash::TorrentId;
use crate::domain::swarm::Announce;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::Asker;
use crate::tracker::Tracker;
use crate::tracker::random::Random;
use crate::tracker::record::Record;
use crate::tracker::scope::endpoint_v4;
use crate::tracker::scope::endpoint_v6;

/// What our own client does in a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnPeer {
    /// What it calls itself.
    pub peer_id: [u8; 20],
    /// Where it listens.
    pub port: u16,
    /// Whether it listens on IPv6 too.
    pub has_v6: bool,
    /// Payload bytes sent.
    pub uploaded: u64,
    /// Payload bytes received.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
}

/// Most peers of a swarm that our client calls when it comes; the others call it.
const CALLED_MAX: usize = 50;

impl Tracker {
    /// Makes our own client a member of a swarm, or brings its numbers up to date. When it comes,
    /// it hears of those who are there already: they have been told of nobody, and would ask again
    /// in half an hour only.
    pub fn set_own(&self, info_hash: &TorrentId, own: &OwnPeer, random: &mut Random) {
        if self.put_own(info_hash, own, random) {
            let others = self.peers(info_hash).into_iter().filter(|peer| !peer.is_own);
            let wanted = others.filter(|peer| own.left > 0 || !peer.is_seeder);
            wanted.take(CALLED_MAX).for_each(|peer| self.tell_engine(*info_hash, peer.address));
        }
    }

    /// Whether it was no member before.
    fn put_own(&self, info_hash: &TorrentId, own: &OwnPeer, random: &mut Random) -> bool {
        let now_s = self.now().clock_s;
        let secret = self.inner.swarms.secret();
        let announce = Announce {
            info_hash: *info_hash,
            peer_id: own.peer_id,
            asker: Asker::from_ip(Ipv4Addr::LOCALHOST.into()),
            port: own.port,
            uploaded: own.uploaded,
            downloaded: own.downloaded,
            left: own.left,
            event: AnnounceEvent::None,
            want: None,
            key: None,
        };
        let mut has_come = false;
        self.inner.swarms.change(info_hash, |swarm| {
            has_come = !swarm.marks.is_held;
            (swarm.marks.is_own, swarm.marks.is_held) = (true, true);
            let record = Record::new(&announce, now_s).own();
            let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
            let peers = swarm.v4.get_or_insert_default();
            peers.put_own(endpoint_v4(v4, own.port), record, secret, random);
            if own.has_v6 {
                let peers = swarm.v6.get_or_insert_default();
                peers.put_own(endpoint_v6(v6, own.port), record, secret, random);
            }
            self.keep(swarm)
        });
        has_come
    }

    /// Whether our own client is a member of a swarm.
    pub fn has_own(&self, info_hash: &TorrentId) -> bool {
        self.inner.swarms.look(info_hash, |swarm| swarm.marks.is_held).unwrap_or(false)
    }

    /// Our own client has left a swarm.
    pub fn clear_own(&self, info_hash: &TorrentId) {
        let secret = self.inner.swarms.secret();
        self.inner.swarms.change(info_hash, |swarm| {
            (swarm.marks.is_own, swarm.marks.is_held) = (false, false);
            if let Some(peers) = &mut swarm.v4 {
                peers.remove_own(secret);
            }
            if let Some(peers) = &mut swarm.v6 {
                peers.remove_own(secret);
            }
            self.keep(swarm)
        });
    }
}
