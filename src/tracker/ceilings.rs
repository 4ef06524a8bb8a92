//! How many swarms and peers there may be, in all and of one address.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use crate::domain::swarm::Refusal;
use crate::tracker::peers::Peers;
use crate::tracker::scope::Endpoint;
use crate::tracker::scope::Scope;
use crate::tracker::swarm::Place;
use crate::tracker::swarms::Swarms;

/// Ceilings (vector S8, rule T6); 0 = none. At one of them what is known stays and is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Swarms in all.
    pub swarms: usize,
    /// Peers in all.
    pub peers: usize,
    /// Peers of one swarm.
    pub peers_per_swarm: usize,
    /// Swarms that one address (IPv6: one /64) may make. Not for addresses of this host.
    pub swarms_per_address: u32,
    /// Peers of one address (IPv6: one /64) in one swarm. Not for addresses of this host.
    pub peers_per_address: u32,
}

impl Swarms {
    /// Other ceilings, from now on; that of the swarms an address may make stays, since it is
    /// counted from the start or not at all.
    pub(crate) fn set_limits(&self, limits: Limits) {
        let mut present = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        let swarms_per_address = present.swarms_per_address;
        *present = Limits { swarms_per_address, ..limits };
    }

    fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more swarm may be made, and by whom it counts as made.
    pub(crate) fn admit_swarm(&self, place: Place) -> Result<Option<u64>, Refusal> {
        let limits = self.limits();
        let is_past = |limit: usize, count: usize| limit > 0 && count >= limit;
        if is_past(limits.swarms, self.swarms.load(Relaxed))
            || is_past(limits.peers, self.peers.load(Relaxed))
        {
            return Err(Refusal::Full);
        }
        let (household, scope) = match place {
            Place::V4(key) => (key.household(), key.scope()),
            Place::V6(key) => (key.household(), key.scope()),
        };
        let limit = limits.swarms_per_address;
        let maker = (limit > 0 && scope != Scope::Loopback).then_some(household);
        if let Some(maker) = maker {
            let mut made = self.makers.entry(maker).or_default();
            if *made >= limit {
                return Err(Refusal::Full);
            }
            *made += 1;
        }
        self.swarms.fetch_add(1, Relaxed);
        Ok(maker)
    }

    /// Whether a peer may be added to a family of a swarm with `others` in all.
    pub(crate) fn admit_peer<E: Endpoint>(
        &self,
        peers: &Peers<E>,
        key: &E,
        others: usize,
    ) -> Result<(), Refusal> {
        let Limits { peers: in_all, peers_per_swarm, peers_per_address, .. } = self.limits();
        let is_past = |limit: usize, count: usize| limit > 0 && count >= limit;
        let is_crowded = peers_per_address > 0
            && key.scope() != Scope::Loopback
            && peers.of_household(key) >= peers_per_address;
        match is_crowded
            || is_past(in_all, self.peers.load(Relaxed))
            || is_past(peers_per_swarm, others)
        {
            true => Err(Refusal::Full),
            false => Ok(()),
        }
    }
}
