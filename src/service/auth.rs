//! Who may: judges what dialects read from a call (rules W3, W8).
//!
//! It is either a token's secret or the token of a login; both let in by every door.

use std::future::Future;
use std::future::pending;
use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use subtle::ConstantTimeEq;

use crate::domain::token::Grant;
use crate::domain::token::Holder;
use crate::domain::token::Scope;
use crate::service::access::unix_now_s;
use crate::service::attempts::Attempts;
use crate::service::secret::digest;
use crate::service::token_table::TokenTable;
use crate::service::users::Logins;

/// How often the wall clock is looked at: it may jump (rule D14), and a stream ends within a minute
/// of its token (rule W13).
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Judges calls; a cheap handle.
#[derive(Clone)]
pub struct Auth {
    tokens: TokenTable,
    logins: Logins,
    attempts: Attempts,
}

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No token, a wrong or expired one, or two that differ.
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

/// One moment on both clocks.
#[derive(Clone, Copy)]
struct Now {
    instant: Instant,
    unix_s: i64,
}

impl Auth {
    /// Lets in who shows one of `tokens` or a token of `logins`. Failures are counted in `attempts`.
    pub fn new(tokens: TokenTable, logins: Logins, attempts: Attempts) -> Self {
        Self { tokens, logins, attempts }
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
        let now = Now { instant: Instant::now(), unix_s: unix_now_s() };
        let grant = self.check_at(from, in_headers, others, now)?;
        if grant.scopes.allow(needed) { Ok(grant) } else { Err(Denied::Forbidden { needed }) }
    }

    /// Returns when `grant` is over: its token was revoked, or it expired. Streams end with it
    /// (rule W13).
    pub fn ended(&self, grant: &Grant) -> impl Future<Output = ()> + Send + use<> {
        let (tokens, holder) = (self.tokens.clone(), grant.holder.clone());
        let expires_at = grant.expires_at;
        let revoked = async move {
            match holder {
                Holder::Token { id, .. } => tokens.gone(id).await,
                Holder::User { .. } => pending().await,
            }
        };
        async move {
            tokio::select! {
                () = revoked => {}
                () = expired(expires_at) => {}
            }
        }
    }

    fn check_at(
        &self,
        from: IpAddr,
        in_headers: &[&str],
        others: &[&str],
        now: Now,
    ) -> Result<Grant, Denied> {
        let granted = self.judge(in_headers, others, now.unix_s);
        let locked = self.attempts.locked_s(from, now.instant);
        match (granted, locked) {
            (Some(grant), None) => Ok(grant),
            (Some(grant), Some(_)) if !in_headers.is_empty() => Ok(grant),
            (_, Some(retry_after_s)) => Err(Denied::TooMany { retry_after_s }),
            (None, None) => {
                // A call without any token guesses nothing.
                if !in_headers.is_empty() || !others.is_empty() {
                    self.attempts.note(from, now.instant);
                }
                Err(Denied::Unauthorized)
            }
        }
    }

    fn judge(&self, in_headers: &[&str], others: &[&str], now_s: i64) -> Option<Grant> {
        let mut shown = in_headers.iter().chain(others);
        let first = *shown.next()?;
        let known_by = digest(first);
        let is_same = |other: &str| bool::from(digest(other).ct_eq(&known_by));
        let agree = shown.fold(true, |agree, other| agree & is_same(other));
        if first.is_empty() || !agree {
            return None;
        }
        self.tokens.grant(&known_by, now_s).or_else(|| self.logins.grant(first, now_s))
    }
}

async fn expired(expires_at: Option<i64>) {
    let Some(end) = expires_at else { return pending().await };
    loop {
        let left_s = u64::try_from(end.saturating_sub(unix_now_s())).unwrap_or(0);
        if left_s == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(left_s).min(LOOK_EVERY)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token::Scopes;
    use crate::domain::token::TokenId;
    use crate::domain::token::TokenRecord;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn record(number: u8, secret: &str, scope: Scope, expires_at: Option<i64>) -> TokenRecord {
        TokenRecord {
            id: TokenId::Made([number; 8]),
            name: format!("token {number}").into(),
            digest: digest(secret),
            scopes: Scopes::of(&[scope]),
            created_at: 0,
            expires_at,
        }
    }

    fn auth(records: impl IntoIterator<Item = TokenRecord>) -> Auth {
        Auth::new(TokenTable::new(records), Logins::default(), Attempts::default())
    }

    fn with_secret() -> Auth {
        auth([record(1, "secret", Scope::Admin, None)])
    }

    fn at(instant: Instant) -> Now {
        Now { instant, unix_s: 100 }
    }

    /// Rule W3.
    #[test]
    fn w3_every_form_must_be_right_and_none_is_not_enough() {
        let auth =
            auth([record(1, "secret", Scope::Admin, None), record(2, "other", Scope::Admin, None)]);
        let fine: [(&[&str], &[&str]); 3] =
            [(&["secret"], &[]), (&[], &["secret"]), (&["secret"], &["secret", "secret"])];
        for (headers, others) in fine {
            assert!(auth.check(HERE, headers, others, Scope::Admin).is_ok());
        }
        // Two that are both right still are two.
        let wrong: [(&[&str], &[&str]); 5] = [
            (&[], &[]),
            (&[""], &[]),
            (&["secret"], &["other"]),
            (&["secret"], &["wrong"]),
            (&["Secret"], &[]),
        ];
        for (headers, others) in wrong {
            let denied = auth.check(HERE, headers, others, Scope::Read);
            assert_eq!(denied, Err(Denied::Unauthorized));
        }
    }

    /// Rule W3: an empty token never matches, whatever is configured.
    #[test]
    fn w3_an_empty_token_lets_nobody_in() {
        let auth = auth([record(1, "", Scope::Admin, None)]);
        assert_eq!(auth.check(HERE, &[""], &[], Scope::Read), Err(Denied::Unauthorized));
    }

    #[test]
    fn a_token_grants_its_scopes_until_it_expires() {
        let auth = auth([
            record(1, "looks", Scope::Read, None),
            record(2, "ends", Scope::Tracker, Some(101)),
        ]);
        let needs = |secret: &str, needed| auth.check(HERE, &[secret], &[], needed).map(drop);
        assert_eq!(needs("looks", Scope::Read), Ok(()));
        let forbidden = Denied::Forbidden { needed: Scope::Client };
        assert_eq!(needs("looks", Scope::Client), Err(forbidden));
        let ends =
            |unix_s| auth.check_at(HERE, &["ends"], &[], Now { unix_s, ..at(Instant::now()) });
        let grant = ends(100).unwrap();
        assert_eq!(
            grant.holder,
            Holder::Token { id: TokenId::Made([2; 8]), name: "token 2".into() }
        );
        assert_eq!(ends(101), Err(Denied::Unauthorized));
        assert_eq!(ends(i64::MAX), Err(Denied::Unauthorized));
    }

    /// Rule W13.
    #[tokio::test]
    async fn w13_a_grant_ends_with_its_token() {
        let auth = auth([
            record(1, "ends", Scope::Read, Some(unix_now_s() + 1)),
            record(2, "stays", Scope::Read, None),
        ]);
        let grant = |secret: &str| auth.check(HERE, &[secret], &[], Scope::Read).unwrap();
        let (ends, stays) = (auth.ended(&grant("ends")), auth.ended(&grant("stays")));
        ends.await;
        let mut stays = tokio::spawn(stays);
        auth.tokens.remove(TokenId::Made([1; 8]));
        tokio::select! {
            _ = &mut stays => panic!("its token is there"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        auth.tokens.remove(TokenId::Made([2; 8]));
        stays.await.unwrap();
        assert_eq!(auth.check(HERE, &["stays"], &[], Scope::Read), Err(Denied::Unauthorized));
    }

    /// Rule W8.
    #[test]
    fn w8_guessing_is_stopped_and_the_right_header_still_passes() {
        let auth = with_secret();
        let begin = Instant::now();
        for _ in 0..5 {
            let denied = auth.check_at(HERE, &["guess"], &[], at(begin));
            assert_eq!(denied, Err(Denied::Unauthorized));
        }
        let later = at(begin + Duration::from_secs(10));
        let locked = auth.check_at(HERE, &["guess"], &[], later);
        assert_eq!(locked, Err(Denied::TooMany { retry_after_s: 51 }));
        assert!(auth.check_at(HERE, &[], &["secret"], at(begin)).is_err());
        assert!(auth.check_at(HERE, &["secret"], &[], at(begin)).is_ok());
        let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert!(auth.check_at(elsewhere, &[], &["secret"], at(begin)).is_ok());
        let over = at(begin + Duration::from_secs(60));
        assert!(auth.check_at(HERE, &[], &["secret"], over).is_ok());
    }
}
