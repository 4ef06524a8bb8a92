//! One swarm: its peers in both address families, its marks, how often it was completed.

use crate::domain::access::Mode;
use crate::domain::swarm::SwarmCounts;
use crate::domain::swarm::SwarmTotals;
use crate::tracker::peers::Peers;
use crate::tracker::prefetch::prefetch;
use crate::tracker::scope::V4;
use crate::tracker::scope::V6;

/// What is known of one info-hash.
#[derive(Debug)]
pub(crate) struct Swarm {
    /// IPv4 peers.
    pub(crate) v4: Family<V4>,
    /// IPv6 peers.
    pub(crate) v6: Family<V6>,
    /// How often it was completed.
    pub(crate) completed: u32,
    /// What is decided about it.
    pub(crate) marks: Marks,
    /// The household that made it, for the ceiling of swarms an address may make (vector S8).
    pub(crate) maker: Option<u64>,
}

/// The peers of a family; apart, since most swarms have peers of one only.
pub(crate) type Family<E> = Option<Box<Peers<E>>>;

/// The peer of an announce, in its family.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// At an IPv4 endpoint.
    V4(V4),
    /// At an IPv6 endpoint.
    V6(V6),
}

/// What is brought near before an announce, in this order: each says where the next one lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warmth {
    /// The peers of the family.
    Peers,
    /// Their keys, or the index over them.
    Keys,
    /// The record of the asker, if it is known.
    Record,
}

/// What is decided about a swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// On the whitelist.
    pub(crate) is_listed: bool,
    /// Refused to everybody (UDPT section 8).
    pub(crate) is_flagged: bool,
    /// One of our own torrents reports here: listed as long as it does.
    pub(crate) is_own: bool,
    /// The engine wants to hear of its peers.
    pub(crate) is_held: bool,
    /// Its own mode, before that of the tracker.
    pub(crate) mode: Option<Mode>,
}

impl Swarm {
    /// One without peers.
    pub(crate) fn new() -> Self {
        Self { v4: None, v6: None, completed: 0, marks: Marks::default(), maker: None }
    }

    /// Has what an announce of the peer at `place` needs brought near.
    pub(crate) fn warm(&self, place: Place, step: Warmth, secret: u64) {
        match (place, step, &self.v4, &self.v6) {
            (Place::V4(_), Warmth::Peers, Some(peers), _) => prefetch(&**peers),
            (Place::V6(_), Warmth::Peers, _, Some(peers)) => prefetch(&**peers),
            (Place::V4(_), Warmth::Keys, Some(peers), _) => peers.prefetch_keys(),
            (Place::V6(_), Warmth::Keys, _, Some(peers)) => peers.prefetch_keys(),
            (Place::V4(key), Warmth::Record, Some(peers), _) => peers.prefetch_record(&key, secret),
            (Place::V6(key), Warmth::Record, _, Some(peers)) => peers.prefetch_record(&key, secret),
            _ => {}
        }
    }

    /// All its peers.
    pub(crate) fn len(&self) -> usize {
        let v4 = self.v4.as_ref().map_or(0, |peers| peers.len());
        v4 + self.v6.as_ref().map_or(0, |peers| peers.len())
    }

    /// Its numbers. Our own client is one peer, though it is listed in both families.
    pub(crate) fn counts(&self) -> SwarmCounts {
        let (mut counts, mut own) = ([0, 0], [None, None]);
        if let Some(peers) = &self.v4 {
            counts = [peers.seeders(), peers.leechers()];
            own[0] = peers.own();
        }
        if let Some(peers) = &self.v6 {
            counts = [counts[0] + peers.seeders(), counts[1] + peers.leechers()];
            own[1] = peers.own();
        }
        if let [Some(_), Some(is_seeder)] = own {
            counts[usize::from(!is_seeder)] -= 1;
        }
        SwarmCounts { seeders: counts[0], leechers: counts[1], completed: self.completed }
    }

    /// What others may be told of its numbers: nothing, when it is flagged, but for the count of
    /// completed downloads.
    pub(crate) fn public_counts(&self) -> SwarmCounts {
        match self.marks.is_flagged {
            true => SwarmCounts { completed: self.completed, ..SwarmCounts::default() },
            false => self.counts(),
        }
    }

    /// Its share in the totals.
    pub(crate) fn share(&self) -> SwarmTotals {
        let SwarmCounts { seeders, leechers, completed } = self.counts();
        SwarmTotals {
            swarms: u64::from(self.is_visible()),
            seeders: seeders.into(),
            leechers: leechers.into(),
            completed: completed.into(),
        }
    }

    /// Whether it is shown in lists: it has something to show.
    pub(crate) fn is_visible(&self) -> bool {
        self.len() > 0 || self.completed > 0 || self.marks.is_flagged
    }

    /// Whether it may be forgotten (vector S2).
    pub(crate) fn is_idle(&self) -> bool {
        self.len() == 0 && self.completed == 0 && self.marks == Marks::default()
    }
}
