//! Who may use the tracker: modes, keys, and what is kept of a swarm (Torrust sections 5 and 6).

use std::fmt;
use std::str::FromStr;

use crate::domain::error::Error;
use crate::domain::hash::TorrentId;

/// Which swarms are served, and to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every swarm to everybody.
    Public,
    /// Our own swarms and those on the whitelist, to everybody.
    #[default]
    Listed,
    /// Every swarm, to those with a key.
    Private,
    /// Our own swarms and those on the whitelist, to those with a key.
    PrivateListed,
}

impl Mode {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Public, Self::Listed, Self::Private, Self::PrivateListed];

    /// Whether a key is needed.
    pub fn needs_key(self) -> bool {
        matches!(self, Self::Private | Self::PrivateListed)
    }

    /// Whether a swarm must be known before it is announced.
    pub fn needs_listing(self) -> bool {
        matches!(self, Self::Listed | Self::PrivateListed)
    }

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Listed => "listed",
            Self::Private => "private",
            Self::PrivateListed => "private_listed",
        }
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|mode| mode.name() == text).ok_or_else(|| {
            Error::invalid("a mode is public, listed, private or private_listed".to_owned())
        })
    }
}

/// Characters of a key.
pub const KEY_LEN: usize = 32;
/// Characters of a key that lists and logs show.
pub const KEY_PREFIX_LEN: usize = 4;

/// A key that lets its holder announce: 32 letters and digits (rule T5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKey([u8; KEY_LEN]);

impl AccessKey {
    /// The key of these characters; `None` unless there are 32 letters and digits.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key: [u8; KEY_LEN] = bytes.try_into().ok()?;
        key.iter().all(u8::is_ascii_alphanumeric).then_some(Self(key))
    }

    /// The whole key, for its holder alone.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its first characters, for lists and logs (rules F11, T5).
    pub fn prefix(&self) -> &str {
        &self.as_str()[..KEY_PREFIX_LEN]
    }
}

/// Only the first four characters: a key is a secret (rules T5, W11).
impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}...", self.prefix())
    }
}

impl FromStr for AccessKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_bytes(text.as_bytes())
            .ok_or_else(|| Error::invalid("a key has 32 letters and digits"))
    }
}

/// Whether a connection to one of our torrents may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The torrent is for everybody.
    Open,
    /// Whoever comes may stay, and what passes is counted.
    Guest,
    /// It is for members, and this is one.
    Member,
    /// It is for members, and this is none.
    Stranger,
}

/// A key with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: AccessKey,
    /// The last second in which it lets in, Unix seconds of wall time; `None` = for ever.
    pub valid_until: Option<i64>,
}

/// What is kept of a swarm over restarts; its peers are not (vector S3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwarmRecord {
    /// Its info-hash.
    pub info_hash: TorrentId,
    /// On the whitelist.
    pub is_listed: bool,
    /// Refused to everybody.
    pub is_flagged: bool,
    /// Its own mode, before that of the tracker.
    pub mode: Option<Mode>,
    /// How often it was completed.
    pub completed: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_letters_and_digits_and_not_shown_whole() {
        let text = "2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD";
        let key: AccessKey = text.parse().unwrap();
        assert_eq!(key.as_str(), text);
        assert_eq!(format!("{key:?}"), "2cjv...");
        for wrong in ["", &text[1..], "2cjvmxYTzG1ESiJBSAn5dxNornXB5Ce/"] {
            assert!(wrong.parse::<AccessKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn modes_have_the_names_of_the_configuration() {
        for mode in [Mode::Public, Mode::Listed, Mode::Private, Mode::PrivateListed] {
            assert_eq!(mode.name().parse::<Mode>().unwrap(), mode);
        }
        assert!("open".parse::<Mode>().is_err());
    }
}
