//! The swarms of our own tracker: announces of any protocol, and what is known of them.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::domain::access::Mode;
use crate::domain::hash::TorrentId;
use crate::domain::stats::TrackerStats;
use crate::domain::stats::Transport;
use crate::domain::swarm::Announce;
use crate::domain::swarm::Announced;
use crate::domain::swarm::PeerList;
use crate::domain::swarm::Refusal;
use crate::domain::swarm::SwarmCounts;
use crate::domain::swarm::SwarmPeer;
use crate::domain::swarm::SwarmSummary;
use crate::domain::swarm::SwarmTotals;
use crate::tracker::Tracker;
use crate::tracker::random::Random;

thread_local! {
    /// Each thread's random numbers and its block of counters.
    static OWN: RefCell<Option<(Random, usize)>> = const { RefCell::new(None) };
}

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Swarms {
    tracker: Tracker,
}

impl Swarms {
    /// Over a tracker.
    pub fn new(tracker: Tracker) -> Self {
        Self { tracker }
    }

    /// An announce that came over HTTP. Waits for nothing.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is stored then.
    pub fn announce(
        &self,
        announce: &Announce<'_>,
        list: &mut PeerList,
    ) -> Result<Announced, Refusal> {
        let transport = transport_of(announce);
        OWN.with_borrow_mut(|own| {
            let (random, block) = own
                .get_or_insert_with(|| (Random::from_os(), self.tracker.counters().take_block()));
            let outcome = self.tracker.announce(announce, self.tracker.now(), random, list);
            let counters = self.tracker.counters().block(*block);
            match &outcome {
                Ok(_) => {
                    counters.connection(transport);
                    counters.announce(transport);
                }
                Err(refusal) => counters.refused(*refusal),
            }
            outcome
        })
    }

    /// A scrape that came over HTTP: zeros for what is unknown or not for the asker's eyes.
    pub fn scrape(
        &self,
        hashes: &[TorrentId],
        key: Option<&[u8]>,
        is_v6: bool,
    ) -> Vec<(TorrentId, SwarmCounts)> {
        let transport = if is_v6 { Transport::Tcp6 } else { Transport::Tcp4 };
        let now = self.tracker.now();
        self.count(|counters| {
            counters.connection(transport);
            counters.scrape(transport);
        });
        hashes.iter().map(|hash| (*hash, self.tracker.scrape(hash, key, now))).collect()
    }

    /// Something came over HTTP that is no announce and no scrape.
    pub fn note_malformed(&self) {
        self.count(crate::tracker::counters::Block::malformed);
    }

    /// Bytes of an exchange over HTTP: requests without their headers, answers without theirs.
    pub fn note_traffic(&self, received: usize, sent: usize) {
        self.count(|counters| counters.traffic(received, sent));
    }

    fn count(&self, count: impl FnOnce(&crate::tracker::counters::Block)) {
        OWN.with_borrow_mut(|own| {
            let (_, block) = own
                .get_or_insert_with(|| (Random::from_os(), self.tracker.counters().take_block()));
            count(self.tracker.counters().block(*block));
        });
    }

    /// Seconds that a client has to wait between announces: half of the interval.
    pub fn min_interval_s(&self) -> u32 {
        self.tracker.interval_s() / 2
    }

    /// The mode of swarms without one of their own.
    pub fn mode(&self) -> Mode {
        self.tracker.mode()
    }

    /// Every swarm with something to show, in the order of the info-hashes.
    pub fn list(&self) -> Vec<SwarmSummary> {
        self.tracker.list()
    }

    /// One swarm; `None` when there is nothing to show.
    pub fn get(&self, info_hash: &TorrentId) -> Option<SwarmSummary> {
        self.tracker.swarm(info_hash)
    }

    /// Every swarm with something to show or on the whitelist, in the order of the info-hashes.
    pub fn known(&self) -> Vec<SwarmSummary> {
        let mut all = self.list();
        let shown: HashSet<TorrentId> = all.iter().map(|summary| summary.info_hash).collect();
        let listed = self.tracker.listed().into_iter().filter(|hash| !shown.contains(hash));
        all.extend(listed.map(nothing_yet));
        all.sort_unstable_by_key(|summary| summary.info_hash);
        all
    }

    /// One of [`Swarms::known`].
    pub fn find_known(&self, info_hash: &TorrentId) -> Option<SwarmSummary> {
        let listed = || self.tracker.record(info_hash).is_listed.then(|| nothing_yet(*info_hash));
        self.get(info_hash).or_else(listed)
    }

    /// A swarm's peers, in the order of their peer ids.
    pub fn peers(&self, info_hash: &TorrentId) -> Vec<SwarmPeer> {
        let mut peers = self.tracker.peers(info_hash);
        peers.sort_unstable_by_key(|peer| (peer.peer_id, peer.address));
        peers
    }

    /// Sums over all swarms.
    pub fn totals(&self) -> SwarmTotals {
        self.tracker.totals()
    }

    /// What the tracker has done since the start.
    pub fn stats(&self) -> TrackerStats {
        self.tracker.counters().sum()
    }
}

/// A swarm that nobody announced yet.
fn nothing_yet(info_hash: TorrentId) -> SwarmSummary {
    SwarmSummary { info_hash, counts: SwarmCounts::default(), is_flagged: false }
}

fn transport_of(announce: &Announce<'_>) -> Transport {
    if announce.asker.ip.is_ipv4() { Transport::Tcp4 } else { Transport::Tcp6 }
}
