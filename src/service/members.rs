//! Who may connect to our shares: whoever announced to our own tracker with a key that is good.
//!
//! The engine asks at every connection, and gets its answer from the tracker's table as it is in
//! that moment. There is no copy that could lag behind: who is told of us by the tracker may
//! connect in the next moment, and whose key is revoked may not.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use tokio::sync::watch;
use tokio::time::Duration;

use crate::domain::access::Admission;
use crate::domain::hash::InfoHashes;
use crate::domain::hash::TorrentId;
use crate::domain::share::Share;
use crate::tracker::Tracker;

/// How long a new share may wait for its seeder.
const OWN_WAIT_MAX: Duration = Duration::from_secs(3);

/// The shares with what concerns their connections; a cheap handle.
#[derive(Clone)]
pub struct Members {
    tracker: Tracker,
    shares: Arc<RwLock<HashMap<TorrentId, Doorway>>>,
    /// Ticks when our own client may have come to a swarm.
    came: watch::Sender<()>,
}

/// One share.
struct Doorway {
    /// Its swarms: two of a hybrid.
    swarms: Vec<TorrentId>,
    is_members_only: bool,
}

/// The swarms of a torrent: one of its v1 hash, one of its v2 hash (vector U38).
pub fn swarms_of(hashes: &InfoHashes) -> Vec<TorrentId> {
    let v1 = hashes.v1().map(|hash| TorrentId(hash.0));
    let v2 = hashes.v2().map(|hash| hash.truncated());
    v1.into_iter().chain(v2).collect()
}

impl Members {
    /// Of no share yet.
    pub fn new(tracker: Tracker) -> Self {
        Self { tracker, shares: Arc::default(), came: watch::Sender::new(()) }
    }

    /// Whether a connection from `remote` to our address `local` may stay. Waits for nothing and
    /// cannot fail: it is asked on the engine's network thread.
    pub fn judge(&self, torrent: TorrentId, remote: IpAddr, local: IpAddr) -> Admission {
        let shares = self.shares.read().unwrap_or_else(PoisonError::into_inner);
        match shares.get(&torrent) {
            Some(share) if share.is_members_only => {
                let now = self.tracker.now();
                let is_member = |swarm| self.tracker.is_member(swarm, remote, local, now);
                match share.swarms.iter().any(is_member) {
                    true => Admission::Member,
                    false => Admission::Stranger,
                }
            }
            Some(_) => Admission::Guest,
            None => Admission::Open,
        }
    }

    /// Takes a share in, or changes whom it is for.
    pub(super) fn put(&self, id: TorrentId, swarms: Vec<TorrentId>, is_members_only: bool) {
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        shares.insert(id, Doorway { swarms, is_members_only });
    }

    /// Takes in a share that was kept; `second` is the other swarm of a hybrid.
    pub fn keep(&self, share: &Share, second: Option<TorrentId>) {
        let second = second.filter(|second| *second != share.id);
        let swarms = [share.id].into_iter().chain(second).collect();
        self.put(share.id, swarms, share.is_members_only);
    }

    /// It is no share any more.
    pub(super) fn remove(&self, id: TorrentId) {
        self.shares.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The swarms of a share; `None` when it is none.
    pub fn swarms(&self, id: TorrentId) -> Option<Vec<TorrentId>> {
        let shares = self.shares.read().unwrap_or_else(PoisonError::into_inner);
        shares.get(&id).map(|share| share.swarms.clone())
    }

    /// Tells those who wait that our own client came to swarms.
    pub(super) fn tell_came(&self) {
        self.came.send_replace(());
    }

    /// Waits until our own client is in all swarms of a share, so that who is told of the share
    /// finds a seeder in it; not longer than a share that cannot run would let others wait.
    pub(super) async fn await_own(&self, id: TorrentId) {
        let mut came = self.came.subscribe();
        let swarms = self.swarms(id).unwrap_or_default();
        let is_there = |_: &()| swarms.iter().all(|swarm| self.tracker.has_own(swarm));
        if tokio::time::timeout(OWN_WAIT_MAX, came.wait_for(is_there)).await.is_err() {
            tracing::warn!(share = %id, "our own client is not in its swarm yet");
        }
    }

    /// Whether a torrent is a share.
    pub fn is_share(&self, id: TorrentId) -> bool {
        self.shares.read().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    /// The shares that are for members only.
    pub(super) fn closed(&self) -> Vec<TorrentId> {
        let shares = self.shares.read().unwrap_or_else(PoisonError::into_inner);
        let closed = shares.iter().filter(|(_, share)| share.is_members_only);
        closed.map(|(id, _)| *id).collect()
    }
}
