//! How many connections there are, in all and from each address (rule W9).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use dashmap::DashMap;

/// Counts connections; a cheap handle.
#[derive(Clone)]
pub(crate) struct Connections {
    inner: Arc<Inner>,
}

struct Inner {
    all: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    all_max: usize,
    per_address_max: usize,
}

/// A connection that is counted until this is dropped.
pub(crate) struct Counted {
    inner: Arc<Inner>,
    address: IpAddr,
}

impl Connections {
    pub(crate) fn new(all_max: usize, per_address_max: usize) -> Self {
        let inner = Inner {
            all: AtomicUsize::new(0),
            by_address: DashMap::new(),
            all_max,
            per_address_max,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Counts one more from `address`; `None` when a limit is reached.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Counted> {
        let inner = &self.inner;
        if inner.all.fetch_add(1, Ordering::AcqRel) >= inner.all_max {
            inner.all.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        // From here on dropping the value uncounts both.
        let counted = Counted { inner: Arc::clone(inner), address };
        let mut here = inner.by_address.entry(address).or_insert(0);
        *here += 1;
        let is_over = *here > inner.per_address_max;
        drop(here);
        (!is_over).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.inner.all.fetch_sub(1, Ordering::AcqRel);
        let removed = self.inner.by_address.get_mut(&self.address).map(|mut here| {
            *here -= 1;
        });
        if removed.is_some() {
            self.inner.by_address.remove_if(&self.address, |_, here| *here == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule W9: both limits hold, and what ends makes room.
    #[test]
    fn both_limits_hold() {
        let [one, two, three]: [IpAddr; 3] =
            ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|text| text.parse().unwrap());
        let connections = Connections::new(3, 2);
        let first = connections.enter(one);
        let _second = connections.enter(one);
        assert!(connections.enter(one).is_none());
        let _third = connections.enter(two);
        assert!(connections.enter(three).is_none());
        assert_eq!(connections.inner.all.load(Ordering::Acquire), 3);
        drop(first);
        assert!(connections.enter(one).is_some());
        assert_eq!(connections.inner.all.load(Ordering::Acquire), 2);
        assert_eq!(connections.inner.by_address.len(), 2);
    }
}
