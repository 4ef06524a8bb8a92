//! Failed attempts to be let in, counted by address, so that nobody guesses for long (rule W8).

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crate::domain::network::caller;

/// Failed attempts that an address has in each window.
pub(crate) const FAILURES_MAX: usize = 5;
/// How long a failed attempt counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered; past it the oldest is forgotten.
const ADDRESSES_MAX: usize = 4096;

/// The table; clones share it. An IPv6 network counts as one address.
#[derive(Clone, Default)]
pub struct Attempts(Arc<Mutex<Failures>>);

impl Attempts {
    /// Seconds until `from` may try again, when it may not now.
    pub(crate) fn locked_s(&self, from: IpAddr, now: Instant) -> Option<u32> {
        self.lock().locked_s(caller(from), now)
    }

    /// One more failed attempt.
    pub(crate) fn note(&self, from: IpAddr, now: Instant) {
        self.lock().note(caller(from), now);
    }

    /// The last attempt noted was none that failed.
    pub(crate) fn forgive(&self, from: IpAddr) {
        self.lock().forgive(caller(from));
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When each address failed, oldest first.
#[derive(Default)]
struct Failures {
    by_address: HashMap<IpAddr, VecDeque<Instant>>,
}

impl Failures {
    /// Seconds until `from` may try again, when it may not now.
    fn locked_s(&mut self, from: IpAddr, now: Instant) -> Option<u32> {
        let times = self.by_address.get_mut(&from)?;
        times.retain(|at| now.duration_since(*at) < WINDOW);
        if times.is_empty() {
            self.by_address.remove(&from);
            return None;
        }
        let first = times.front().filter(|_| times.len() >= FAILURES_MAX)?;
        let left = WINDOW.saturating_sub(now.duration_since(*first));
        Some(u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
    }

    fn forgive(&mut self, from: IpAddr) {
        let Some(times) = self.by_address.get_mut(&from) else { return };
        times.pop_back();
        if times.is_empty() {
            self.by_address.remove(&from);
        }
    }

    fn note(&mut self, from: IpAddr, now: Instant) {
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&from) {
            let oldest = self.by_address.iter().min_by_key(|(_, times)| times.back().copied());
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.by_address.remove(&oldest);
            }
        }
        self.by_address.entry(from).or_default().push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// Rule W8: whoever has an IPv6 network has no more guesses than one address.
    #[test]
    fn w8_the_addresses_of_an_ipv6_network_share_their_guesses() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        for number in 0..FAILURES_MAX {
            assert_eq!(attempts.locked_s(from("2001:db8::99"), now), None);
            attempts.note(from(&format!("2001:db8::{number}")), now);
        }
        assert_eq!(attempts.locked_s(from("2001:db8::99"), now), Some(61));
        assert_eq!(attempts.locked_s(from("2001:db8:0:1::99"), now), None);
        assert_eq!(attempts.locked_s(from("2001:db8::99"), now + WINDOW), None);
    }

    /// Rule W8: the table is bounded.
    #[test]
    fn w8_the_table_of_addresses_is_bounded() {
        let (attempts, begin) = (Attempts::default(), Instant::now());
        for number in 0..6000u32 {
            let from = IpAddr::V4(Ipv4Addr::from(number));
            attempts.note(from, begin + Duration::from_millis(number.into()));
        }
        let table = attempts.lock();
        assert_eq!(table.by_address.len(), ADDRESSES_MAX);
        assert!(!table.by_address.contains_key(&IpAddr::V4(Ipv4Addr::from(0))));
    }
}
