//! The register of open connections: how many there are, in all and from each caller (rule W9).
//!
//! At a limit the connection that has kept us waiting longest gives way to the new one, so that
//! slow or idle ones cannot keep good ones out, not even from behind the same address. While a
//! request is answered a connection never gives way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::Notify;

use crate::domain::network::caller;
use crate::http::link::Link;
use crate::http::link::Wish;

/// How many connections are looked at for one that gives way, when the limit of all is reached:
/// a new connection must not cost a walk over thousands. The next search goes on behind them.
const LOOKED_AT_MAX: usize = 64;

/// All connections of one role; a cheap handle.
#[derive(Clone)]
pub(crate) struct Connections {
    inner: Arc<Inner>,
}

struct Inner {
    all_max: usize,
    per_caller_max: usize,
    open: Mutex<Open>,
    emptied: Notify,
}

#[derive(Default)]
struct Open {
    slots: Vec<Option<Taken>>,
    free: Vec<usize>,
    by_caller: HashMap<IpAddr, Vec<usize>>,
    /// Where the next search for one that gives way begins.
    hand: usize,
    /// Places that are not given back yet; more than slots are taken, by those that just gave way.
    alive: usize,
}

struct Taken {
    caller: IpAddr,
    link: Arc<Link>,
}

/// A connection's place, given back when this is dropped.
pub(crate) struct Place {
    connections: Connections,
    link: Arc<Link>,
    slot: usize,
}

impl Connections {
    /// Nobody is connected yet.
    pub(crate) fn new(all_max: usize, per_caller_max: usize) -> Self {
        let (open, emptied) = (Mutex::default(), Notify::new());
        Self { inner: Arc::new(Inner { all_max, per_caller_max, open, emptied }) }
    }

    /// A place for one more connection from `address`; `None` when requests are answered on all
    /// those that could give way.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let caller = caller(address);
        let mut open = self.open();
        let from_caller = open.by_caller.get(&caller).map_or(0, Vec::len);
        if from_caller >= self.inner.per_caller_max {
            open.make_room_among(caller)?;
        } else if open.taken() >= self.inner.all_max {
            open.make_room()?;
        }
        let link = Arc::new(Link::new());
        let slot = open.take(Taken { caller, link: Arc::clone(&link) });
        Some(Place { connections: self.clone(), link, slot })
    }

    /// Ends a connection that waits, if there is one: somebody needs its descriptor.
    pub(crate) fn make_room(&self) {
        let _ = self.open().make_room();
    }

    /// Tells every connection.
    pub(crate) fn tell_all(&self, wish: Wish) {
        self.open().slots.iter().flatten().for_each(|taken| taken.link.tell(wish));
    }

    /// Waits until every place was given back.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.inner.emptied.notified();
            if self.open().alive == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn taken(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn take(&mut self, taken: Taken) -> usize {
        let caller = taken.caller;
        let slot = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(taken),
            None => self.slots.push(Some(taken)),
        }
        self.by_caller.entry(caller).or_default().push(slot);
        self.alive += 1;
        slot
    }

    fn make_room_among(&mut self, caller: IpAddr) -> Option<()> {
        let slot = self.longest_waiting(self.by_caller.get(&caller)?.iter().copied())?;
        self.end(slot)
    }

    fn make_room(&mut self) -> Option<()> {
        let (from, count) = (self.hand, self.slots.len());
        let looked_at = (from..from + count.min(LOOKED_AT_MAX)).map(|slot| slot % count);
        let slot = self.longest_waiting(looked_at);
        self.hand = (from + LOOKED_AT_MAX) % count.max(1);
        self.end(slot?)
    }

    fn longest_waiting(&self, slots: impl Iterator<Item = usize>) -> Option<usize> {
        let patience = |slot: usize| Some((self.slots[slot].as_ref()?.link.patience()?, slot));
        slots.filter_map(patience).min().map(|(_, slot)| slot)
    }

    fn end(&mut self, slot: usize) -> Option<()> {
        self.free(slot)?.link.tell(Wish::Leave);
        Some(())
    }

    fn free(&mut self, slot: usize) -> Option<Taken> {
        let taken = self.slots[slot].take()?;
        self.free.push(slot);
        if let Some(slots) = self.by_caller.get_mut(&taken.caller) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_caller.remove(&taken.caller);
            }
        }
        Some(taken)
    }
}

impl Place {
    /// The state of the connection that holds this place.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        // A connection that gave way has no slot any more; another one may have it.
        let holder = open.slots[self.slot].as_ref();
        if holder.is_some_and(|taken| Arc::ptr_eq(&taken.link, &self.link)) {
            open.free(self.slot);
        }
        open.alive -= 1;
        if open.alive == 0 {
            self.connections.inner.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    fn busy(connections: &Connections, address: &str) -> Option<Place> {
        let place = connections.enter(from(address))?;
        place.link().request_began();
        Some(place)
    }

    fn holds(place: &Place) -> bool {
        let open = place.connections.open();
        open.slots.iter().flatten().any(|taken| Arc::ptr_eq(&taken.link, &place.link))
    }

    /// Rule W9: both limits hold for running requests, and what ends makes room.
    #[test]
    fn both_limits_hold() {
        let connections = Connections::new(3, 2);
        let first = busy(&connections, "192.0.2.1");
        let _second = busy(&connections, "192.0.2.1");
        assert!(busy(&connections, "192.0.2.1").is_none());
        let _third = busy(&connections, "192.0.2.2");
        assert!(busy(&connections, "192.0.2.3").is_none());
        drop(first);
        let last = busy(&connections, "192.0.2.1");
        assert!(last.is_some());
        assert_eq!(connections.open().taken(), 3);
        drop(last);
        let open = connections.open();
        assert_eq!((open.taken(), open.by_caller.len()), (2, 2));
    }

    /// Rule W9: all addresses of an IPv6 network are one caller's.
    #[test]
    fn an_ipv6_network_is_one_caller() {
        let connections = Connections::new(9, 2);
        let _held: Vec<_> =
            ["2001:db8::1", "2001:db8::2"].map(|one| busy(&connections, one)).into();
        assert!(busy(&connections, "2001:db8::3").is_none());
        assert!(busy(&connections, "2001:db8:0:1::3").is_some());
    }

    #[test]
    fn the_longest_waiting_gives_way_and_who_was_served_last() {
        let connections = Connections::new(9, 3);
        let enter = || connections.enter(from("192.0.2.1")).unwrap();
        let served = enter();
        served.link().request_began();
        served.link().answer_ended();
        served.link().all_sent();
        let pause = || std::thread::sleep(std::time::Duration::from_millis(2));
        pause();
        let older = enter();
        pause();
        let newer = enter();
        let next = enter();
        assert!(!holds(&older) && holds(&newer) && holds(&served) && holds(&next));
        assert_eq!(connections.open().alive, 4, "it still has its descriptor");
        drop(older);
        assert!(holds(&next), "its slot is another one's");
        assert_eq!(connections.open().alive, 3);
    }

    #[test]
    fn room_in_all_is_found_in_bounded_steps_wherever_it_is() {
        let count = LOOKED_AT_MAX * 3;
        let connections = Connections::new(count, count);
        let places: Vec<_> = (0..count).map(|_| connections.enter(from("192.0.2.1"))).collect();
        let places: Vec<_> = places.into_iter().flatten().collect();
        places[..count - 1].iter().for_each(|place| place.link().request_began());
        let last = &places[count - 1];
        let searches = (0..3).take_while(|_| holds(last)).map(|_| connections.make_room()).count();
        assert!(!holds(last) && searches == 3, "{searches}");
        assert_eq!(connections.open().taken(), count - 1);
    }
}
