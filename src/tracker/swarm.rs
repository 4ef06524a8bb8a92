//! One swarm: its peers in both address families, its marks, how often it was completed.

use crate::domain::access::Mode;
use crate::domain::swarm::SwarmCounts;
use crate::domain::swarm::SwarmTotals;
use crate::tracker::peers::Peers;
use crate::tracker::scope::V4;
use crate::tracker::scope::V6;

/// What is known of one info-hash.
#[derive(Debug)]
pub(crate) struct Swarm {
    /// IPv4 peers.
    pub(crate) v4: Peers<V4>,
    /// IPv6 peers; apart, since most swarms have none.
    pub(crate) v6: Option<Box<Peers<V6>>>,
    /// How often it was completed.
    pub(crate) completed: u32,
    /// What is decided about it.
    pub(crate) marks: Marks,
    /// The household that made it, for the ceiling of swarms an address may make (vector S8).
    pub(crate) maker: Option<u64>,
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
        Self { v4: Peers::new(), v6: None, completed: 0, marks: Marks::default(), maker: None }
    }

    /// All its peers.
    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.as_ref().map_or(0, |peers| peers.len())
    }

    /// Its numbers. Our own client is one peer, though it is listed in both families.
    pub(crate) fn counts(&self) -> SwarmCounts {
        let v6 = self.v6.as_ref();
        let twice = v6.and_then(|peers| peers.own()).filter(|_| self.v4.own().is_some());
        let of_v6 = |count: fn(&Peers<V6>) -> u32, own: bool| {
            v6.map_or(0, |peers| count(peers) - u32::from(twice == Some(own)))
        };
        SwarmCounts {
            seeders: self.v4.seeders() + of_v6(Peers::seeders, true),
            leechers: self.v4.leechers() + of_v6(Peers::leechers, false),
            completed: self.completed,
        }
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
