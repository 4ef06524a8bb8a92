//! Tokens of the API: what each grants, and to whom. The secret itself is never a part of this.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::error::Error;

/// A part of what the program can do, as tokens grant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Looking at everything but secrets.
    Read,
    /// Changing torrents and reading their files.
    Client,
    /// Changing swarms, the whitelist and keys.
    Tracker,
    /// Everything: settings, tokens, ending the program.
    Admin,
}

impl Scope {
    /// Each of them, the least first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Client, Self::Tracker, Self::Admin];

    /// Its name in APIs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Client => "client",
            Self::Tracker => "tracker",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| Error::invalid("a scope is read, client, tracker or admin"))
    }
}

/// A set of scopes. Whoever may change may also look, and an administrator may everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// What the first token grants.
    pub const ADMIN: Self = Self(1 << Scope::Admin as u8);

    /// The scopes that were named.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | (1 << *scope as u8)))
    }

    /// Whether it grants nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `needed` is granted, by itself or by a greater one.
    pub fn allow(self, needed: Scope) -> bool {
        let has = |scope: Scope| self.0 & (1 << scope as u8) != 0;
        has(Scope::Admin) || has(needed) || (needed == Scope::Read && self.0 != 0)
    }

    /// The scopes that were named, the least first.
    pub fn named(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & (1 << *scope as u8) != 0)
    }
}

/// What names a token in every list and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenId {
    /// The first token: configured, or generated at the first start.
    First,
    /// One that was made.
    Made([u8; 8]),
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Made(bytes) => write!(f, "{:016x}", u64::from_be_bytes(*bytes)),
        }
    }
}

impl FromStr for TokenId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            _ if text == "first" => Ok(Self::First),
            Ok(number) if is_hex => Ok(Self::Made(number.to_be_bytes())),
            _ => Err(Error::invalid("the id of a token is `first` or 16 hex digits")),
        }
    }
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// What names it.
    pub id: TokenId,
    /// What people call it; no two have the same.
    pub name: Arc<str>,
    /// SHA-256 of the secret: 256 random bits need no slower hash.
    pub digest: [u8; 32],
    /// What it grants.
    pub scopes: Scopes,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// The first second in which it is no longer good, Unix seconds of wall time; `None` = never.
    pub expires_at: Option<i64>,
}

/// A person who logs in with a password, as Porla's clients do.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The name.
    pub name: String,
    /// The password as an Argon2id string.
    pub password: String,
}

/// Without the password's hash: it is a secret too (rule W11).
impl fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRecord").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whom a call is from, as what it showed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it may do.
    pub scopes: Scopes,
    /// Who it is.
    pub holder: Holder,
    /// The first second in which it is no longer good, Unix seconds of wall time; `None` = never.
    pub expires_at: Option<i64>,
}

/// Who is behind a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Whoever has this token.
    Token {
        /// What names it.
        id: TokenId,
        /// What people call it.
        name: Arc<str>,
    },
    /// Somebody who logged in.
    User {
        /// As whom; `None` for a login without a name.
        name: Option<Arc<str>>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greater_scopes_hold_the_lesser_ones() {
        let client = Scopes::of(&[Scope::Client]);
        assert!(client.allow(Scope::Read) && client.allow(Scope::Client));
        assert!(!client.allow(Scope::Tracker) && !client.allow(Scope::Admin));
        assert!(Scope::ALL.into_iter().all(|scope| Scopes::ADMIN.allow(scope)));
        assert!(!Scopes::default().allow(Scope::Read));
        let both = Scopes::of(&[Scope::Tracker, Scope::Read]);
        assert!(both.named().eq([Scope::Read, Scope::Tracker]));
    }

    #[test]
    fn scopes_and_ids_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
        }
        assert!("root".parse::<Scope>().is_err());
        for id in [TokenId::First, TokenId::Made([0; 8]), TokenId::Made([0xa5; 8])] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for wrong in ["", "a5", "+5a5a5a5a5a5a5a5", "First", "a5a5a5a5a5a5a5a5a"] {
            assert!(wrong.parse::<TokenId>().is_err(), "{wrong}");
        }
    }
}
