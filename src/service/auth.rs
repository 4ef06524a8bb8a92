//! Who may: judges the tokens that dialects read (rules W3, W8).
//!
//! The token itself is never kept, only its digest.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::network::caller;
use crate::domain::token::Grant;
use crate::domain::token::Scope;
use crate::domain::token::Scopes;

/// Failed attempts that an address has in each window.
const FAILURES_MAX: usize = 5;
/// How long a failed attempt counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered; past it the oldest is forgotten.
const ADDRESSES_MAX: usize = 4096;

/// Judges tokens; a cheap handle.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    digest: [u8; 32],
    failures: Mutex<Failures>,
}

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No token, a wrong one, or two that differ.
    Unauthorized,
    /// Too many failures from this address.
    TooMany {
        /// Seconds until it may try again.
        retry_after_s: u32,
    },
    /// The token is right, and grants less than this.
    Forbidden {
        /// What it would have to grant.
        needed: Scope,
    },
}

impl Auth {
    /// Lets in who shows `token`; an empty one lets nobody in.
    pub fn new(token: &str) -> Self {
        let inner = Inner { digest: digest(token), failures: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Judges everything a call showed: all forms must agree (rule W3). A right token in a header
    /// passes even while its address is locked out, so that a neighbour behind the same address
    /// cannot lock anybody out (rule W8).
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check(
        &self,
        from: IpAddr,
        in_headers: &[&str],
        others: &[&str],
        needed: Scope,
    ) -> Result<Grant, Denied> {
        self.check_at(caller(from), in_headers, others, Instant::now())?;
        let grant = Grant { scopes: Scopes::ADMIN };
        if grant.scopes.allow(needed) { Ok(grant) } else { Err(Denied::Forbidden { needed }) }
    }

    fn check_at(
        &self,
        from: IpAddr,
        in_headers: &[&str],
        others: &[&str],
        now: Instant,
    ) -> Result<(), Denied> {
        let mut shown = in_headers.iter().chain(others).peekable();
        let is_shown = shown.peek().is_some();
        let is_right = shown.fold(is_shown, |right, token| right & self.is_right(token));
        let mut failures = self.inner.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = failures.locked_s(from, now);
        match (is_right, locked) {
            (true, None) => Ok(()),
            (true, Some(_)) if !in_headers.is_empty() => Ok(()),
            (_, Some(retry_after_s)) => Err(Denied::TooMany { retry_after_s }),
            (false, None) => {
                // A call without any token guesses nothing.
                if is_shown {
                    failures.note(from, now);
                }
                Err(Denied::Unauthorized)
            }
        }
    }

    fn is_right(&self, token: &str) -> bool {
        let same = digest(token).ct_eq(&self.inner.digest);
        bool::from(same) & !token.is_empty()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
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

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Rule W3.
    #[test]
    fn every_form_must_be_right_and_none_is_not_enough() {
        let auth = Auth::new("secret");
        let fine: [(&[&str], &[&str]); 3] =
            [(&["secret"], &[]), (&[], &["secret"]), (&["secret"], &["secret", "secret"])];
        for (headers, others) in fine {
            assert_eq!(auth.check_at(HERE, headers, others, Instant::now()), Ok(()));
        }
        let wrong: [(&[&str], &[&str]); 4] =
            [(&[], &[]), (&[""], &[]), (&["secret"], &["other"]), (&["Secret"], &[])];
        for (headers, others) in wrong {
            assert_eq!(
                auth.check_at(HERE, headers, others, Instant::now()),
                Err(Denied::Unauthorized)
            );
        }
    }

    /// Rule W3: an empty token never matches, whatever is configured.
    #[test]
    fn an_empty_token_lets_nobody_in() {
        assert_eq!(Auth::new("").check(HERE, &[""], &[], Scope::Read), Err(Denied::Unauthorized));
    }

    /// Rule W8.
    #[test]
    fn guessing_is_stopped_and_the_right_header_still_passes() {
        let auth = Auth::new("secret");
        let begin = Instant::now();
        for _ in 0..5 {
            let denied = auth.check_at(HERE, &["guess"], &[], begin);
            assert_eq!(denied, Err(Denied::Unauthorized));
        }
        let locked = auth.check_at(HERE, &["guess"], &[], begin + Duration::from_secs(10));
        assert_eq!(locked, Err(Denied::TooMany { retry_after_s: 51 }));
        assert!(auth.check_at(HERE, &[], &["secret"], begin).is_err());
        assert_eq!(auth.check_at(HERE, &["secret"], &[], begin), Ok(()));
        let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(auth.check_at(elsewhere, &[], &["secret"], begin), Ok(()));
        assert_eq!(auth.check_at(HERE, &[], &["secret"], begin + WINDOW), Ok(()));
    }

    /// Rule W8: whoever has an IPv6 network has no more guesses than one address.
    #[test]
    fn the_addresses_of_an_ipv6_network_share_their_guesses() {
        let auth = Auth::new("secret");
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        for number in 0..5 {
            let denied =
                auth.check(from(&format!("2001:db8::{number}")), &["guess"], &[], Scope::Read);
            assert_eq!(denied, Err(Denied::Unauthorized));
        }
        let locked = |text| {
            matches!(auth.check(from(text), &["x"], &[], Scope::Read), Err(Denied::TooMany { .. }))
        };
        assert!(locked("2001:db8::99") && !locked("2001:db8:0:1::99"));
    }

    /// Rule W8: the table is bounded.
    #[test]
    fn the_table_of_addresses_is_bounded() {
        let auth = Auth::new("secret");
        let begin = Instant::now();
        for number in 0..6000u32 {
            let from = IpAddr::V4(Ipv4Addr::from(number));
            let _ = auth.check_at(from, &["x"], &[], begin + Duration::from_millis(number.into()));
        }
        let table = auth.inner.failures.lock().unwrap();
        assert_eq!(table.by_address.len(), ADDRESSES_MAX);
        assert!(!table.by_address.contains_key(&IpAddr::V4(Ipv4Addr::from(0))));
    }
}
