//! What the holder of an API token may do.

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

/// Whom a call is from, as its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it may do.
    pub scopes: Scopes,
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
}
