//! People who log in with a name and a password, as Porla's clients do. The first one is made once,
//! after that it is Conflict; a login is answered with a token that is good for a day.
//!
//! Passwords are checked on the blocking pool, a few at once, since each check is made to be slow.

mod wire;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Instant;

use argon2::Argon2;
use argon2::PasswordHasher;
use argon2::PasswordVerifier;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::token::Grant;
use crate::domain::token::Holder;
use crate::domain::token::Scope;
use crate::domain::token::Scopes;
use crate::domain::token::UserRecord;
use crate::service::access::unix_now_s;
use crate::service::attempts::Attempts;
use crate::service::secret;
use crate::service::users::wire::Claims;
use crate::store::Store;

/// Password checks under way at once (Porla section 2); each takes 19 MiB.
const CHECKS_MAX: usize = 5;
/// How long a login is good.
const LOGIN_S: i64 = 24 * 3600;
/// Characters of a user's name.
const NAME_CHARS_MAX: usize = 64;
/// Bytes of a password.
const PASSWORD_BYTES_MAX: usize = 1024;
/// The setting with the key that signs logins. It is made with the first user and stays, so it also
/// tells that there once was one.
const KEY_SETTING: &str = "secret.login_key";

/// Who may make the first user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Whoever asks, as Porla has it: for an API that only this machine reaches.
    Open,
    /// The administrator: anybody in the network could be first otherwise (rule W1).
    WithToken,
}

/// Why a login is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginRefused {
    /// No such user, or another password; which of them is not told.
    Wrong,
    /// Five passwords are being checked already.
    TooManyAtOnce,
    /// Too many failures from this address (rule W8).
    TooOften {
        /// Seconds until it may try again.
        retry_after_s: u32,
    },
    /// Our own fault.
    Failed(Error),
}

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Users {
    store: Store,
    attempts: Attempts,
    logins: Logins,
    setup: Setup,
    /// Passwords as Argon2id strings, by user.
    passwords: Arc<RwLock<HashMap<String, String>>>,
    checks: Arc<Semaphore>,
}

impl Users {
    /// The users of the store. Failed logins are counted in `attempts`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(store: Store, attempts: Attempts, setup: Setup) -> Result<Self> {
        let logins = Logins::default();
        if let Some(key) = store.setting(KEY_SETTING).await? {
            logins.set_key(&key);
        }
        let users = store.users().await?;
        let passwords = users.into_iter().map(|user| (user.name, user.password)).collect();
        Ok(Self {
            store,
            attempts,
            logins,
            setup,
            passwords: Arc::new(RwLock::new(passwords)),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
        })
    }

    /// What judges the tokens of logins.
    pub fn logins(&self) -> Logins {
        self.logins.clone()
    }

    /// Whether there is a user.
    pub fn any(&self) -> bool {
        !self.passwords.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Makes the first user. `by` is what the caller showed, if it was good: unless the setup is
    /// open it must be an administrator's, and also when there once was a user whose record is lost.
    ///
    /// # Errors
    /// Conflict, when there is a user; Forbidden; Invalid, for a name or password that cannot be;
    /// Busy, when too many passwords are being hashed; those of the store.
    pub async fn create_first(&self, by: Option<&Grant>, name: &str, password: &str) -> Result<()> {
        let exists = || Error::conflict("there is a user already");
        if self.any() {
            return Err(exists());
        }
        let is_open = self.setup == Setup::Open && !self.logins.has_key();
        if !is_open && !by.is_some_and(|grant| grant.scopes.allow(Scope::Admin)) {
            return Err(Error::forbidden("making the first user needs an administrator's token"));
        }
        check(name, password)?;
        let permit = Arc::clone(&self.checks).try_acquire_owned();
        let permit = permit.map_err(|_| Error::busy("too many passwords are being checked"))?;
        let hash = on_blocking_pool(permit, password, hash).await??;
        let user = UserRecord { name: name.to_owned(), password: hash.clone() };
        let key = secret::new_token()?;
        let kept = self.store.add_first_user(user, (KEY_SETTING, &key)).await?;
        self.logins.set_key(&kept);
        let mut passwords = self.passwords.write().unwrap_or_else(PoisonError::into_inner);
        passwords.insert(name.to_owned(), hash);
        Ok(())
    }

    /// Checks a password and returns the token of the login.
    ///
    /// # Errors
    /// [`LoginRefused`].
    pub async fn login(
        &self,
        from: IpAddr,
        name: &str,
        password: &str,
    ) -> std::result::Result<String, LoginRefused> {
        let permit = Arc::clone(&self.checks).try_acquire_owned();
        let permit = permit.map_err(|_| LoginRefused::TooManyAtOnce)?;
        let now = Instant::now();
        if let Some(retry_after_s) = self.attempts.locked_s(from, now) {
            return Err(LoginRefused::TooOften { retry_after_s });
        }
        // Counted before it is known, so that many at once are no more guesses than one by one.
        self.attempts.note(from, now);
        let kept = self.password_of(name);
        let is_right = on_blocking_pool(permit, password, move |password| {
            kept.map_or_else(|| spend(password), |kept| is_password(password, &kept))
        });
        match is_right.await {
            Ok(true) => {
                self.attempts.forgive(from);
                let failed = || LoginRefused::Failed(Error::internal("there is no key for logins"));
                self.logins.sign(name, unix_now_s()).ok_or_else(failed)
            }
            Ok(false) => Err(LoginRefused::Wrong),
            Err(error) => Err(LoginRefused::Failed(error)),
        }
    }

    fn password_of(&self, name: &str) -> Option<String> {
        self.passwords.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Does `work`, and keeps its place until it is done, also when nobody waits any more.
async fn on_blocking_pool<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    password: &str,
    work: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T> {
    let password = password.as_bytes().to_vec();
    let task = tokio::task::spawn_blocking(move || {
        let _place = permit;
        work(&password)
    });
    task.await.map_err(|error| Error::internal(format!("a password check broke off: {error}")))
}

fn hash(password: &[u8]) -> Result<String> {
    let hash = Argon2::default().hash_password(password);
    let hash = hash.map_err(|error| Error::internal(format!("cannot hash a password: {error}")))?;
    Ok(hash.to_string())
}

fn is_password(password: &[u8], kept: &str) -> bool {
    Argon2::default().verify_password(password, kept).is_ok()
}

/// Takes as long for an unknown user as for a known one, so that names cannot be tried out.
fn spend(password: &[u8]) -> bool {
    let _ = hash(password);
    false
}

fn check(name: &str, password: &str) -> Result<()> {
    let length = name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&length) || name.chars().any(char::is_control) {
        let message =
            format!("a user's name has 1 to {NAME_CHARS_MAX} characters, no control characters");
        return Err(Error::invalid(message));
    }
    if !(1..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        return Err(Error::invalid(format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Signs and judges the tokens of logins; clones share the key. Without a key, which comes with the
/// first user, nothing is good.
#[derive(Clone, Default)]
pub struct Logins(Arc<RwLock<Option<String>>>);

impl Logins {
    /// What a login's token grants; `None` when it is none of ours, or expired. A user may
    /// everything: Porla has no scopes, and its tokens cannot carry any. One without an end or a
    /// name is good too, as third-party programs use them with Porla.
    pub(crate) fn grant(&self, token: &str, now_s: i64) -> Option<Grant> {
        let claims = wire::verified(self.key().as_deref()?.as_bytes(), token)?;
        let is_good = claims.exp.is_none_or(|end| now_s < end);
        let holder = Holder::User { name: claims.sub.map(Into::into) };
        is_good.then_some(Grant { scopes: Scopes::ADMIN, holder, expires_at: claims.exp })
    }

    fn sign(&self, name: &str, now_s: i64) -> Option<String> {
        let (sub, exp) = (Some(name.to_owned()), Some(now_s + LOGIN_S));
        let claims = Claims { iat: now_s, sub, exp, ..Claims::default() };
        Some(wire::signed(self.key()?.as_bytes(), &claims))
    }

    fn has_key(&self) -> bool {
        self.key().is_some()
    }

    fn key(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_key(&self, key: &str) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(key.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::ErrorKind;
    use std::net::Ipv4Addr;
    use tempfile::TempDir;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn users(dir: &TempDir, setup: Setup) -> Users {
        let store = Store::open(&dir.path().join("state.db"), "boot").unwrap().store;
        Users::load(store, Attempts::default(), setup).await.unwrap()
    }

    /// Porla section 2: the first user is made once, and its logins are good over a restart.
    #[tokio::test]
    async fn a_user_is_made_once_and_logs_in() {
        let dir = TempDir::new().unwrap();
        let token = {
            let users = users(&dir, Setup::Open).await;
            assert!(!users.any());
            users.create_first(None, "ann", "p-w").await.unwrap();
            assert!(users.any());
            let again = users.create_first(None, "bob", "p-w").await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::Conflict);
            let kept = users.password_of("ann").unwrap();
            // Salt and hash are base64: only a character that it does not have tells.
            assert!(kept.starts_with("$argon2id$v=19$") && !kept.contains("p-w"), "{kept}");
            users.login(HERE, "ann", "p-w").await.unwrap()
        };
        let users = users(&dir, Setup::Open).await;
        let now_s = unix_now_s();
        let grant = users.logins().grant(&token, now_s).unwrap();
        assert!(grant.scopes.allow(Scope::Admin));
        assert_eq!(grant.holder, Holder::User { name: Some("ann".into()) });
        assert!(users.logins().grant(&token, now_s + LOGIN_S).is_none(), "it is good for a day");
        assert!(Logins::default().grant(&token, now_s).is_none());
        assert_eq!(users.login(HERE, "ann", "p-W").await, Err(LoginRefused::Wrong));
        assert_eq!(users.login(HERE, "bob", "p-w").await, Err(LoginRefused::Wrong));
        assert!(users.login(HERE, "ann", "p-w").await.is_ok());
    }

    /// Rules W1 and D4: without a token nobody makes himself the first user in a network, nor
    /// where the record of the first user was lost.
    #[tokio::test]
    async fn w1_the_first_user_is_made_by_the_administrator() {
        let dir = TempDir::new().unwrap();
        let grant = |scope| Grant {
            scopes: Scopes::of(&[scope]),
            holder: Holder::User { name: None },
            expires_at: None,
        };
        {
            let users = users(&dir, Setup::WithToken).await;
            for by in [None, Some(&grant(Scope::Client))] {
                let refused = users.create_first(by, "ann", "pw").await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Forbidden);
            }
            for (name, password) in [("", "pw"), ("ann", ""), ("a\n", "pw")] {
                let admin = grant(Scope::Admin);
                let refused = users.create_first(Some(&admin), name, password).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Invalid);
            }
            users.store.set_setting(KEY_SETTING, Some("key")).await.unwrap();
        }
        let users = users(&dir, Setup::Open).await;
        let refused = users.create_first(None, "ann", "pw").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
        users.create_first(Some(&grant(Scope::Admin)), "ann", "pw").await.unwrap();
    }

    /// Rule W8, and Porla section 2: five at once, and five wrong ones a minute.
    #[tokio::test]
    async fn w8_passwords_are_not_guessed() {
        let dir = TempDir::new().unwrap();
        let users = users(&dir, Setup::Open).await;
        users.create_first(None, "ann", "pw").await.unwrap();
        let held: Vec<_> = (0..CHECKS_MAX).map(|_| users.checks.try_acquire().unwrap()).collect();
        let busy = users.login(HERE, "ann", "pw").await;
        assert_eq!(busy, Err(LoginRefused::TooManyAtOnce));
        drop(held);
        for _ in 0..5 {
            users.login(HERE, "ann", "pw").await.unwrap();
        }
        for _ in 0..5 {
            assert_eq!(users.login(HERE, "ann", "guess").await, Err(LoginRefused::Wrong));
        }
        let locked = users.login(HERE, "ann", "pw").await;
        assert!(matches!(locked, Err(LoginRefused::TooOften { .. })), "{locked:?}");
        let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        users.login(elsewhere, "ann", "pw").await.unwrap();
    }
}
