//! What a household shares, and with whom: shares, friends, invites.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::domain::access::AccessKey;
use crate::domain::error::Error;
use crate::domain::hash::InfoHashes;
use crate::domain::hash::TorrentId;

/// Bytes of a friend's name.
const NAME_MAX: usize = 64;

/// A torrent that was made here of the user's own files, beside what the torrent itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The torrent.
    pub id: TorrentId,
    /// The file or folder, links resolved.
    pub path: String,
    /// When it was made, Unix seconds.
    pub made_at: i64,
    /// Announces need a key.
    pub is_private: bool,
    /// The engine itself refuses whoever is no member.
    pub is_members_only: bool,
    /// Names that were left out; `None` = the usual ones.
    pub skip: Option<Vec<String>>,
    /// Of names, sizes and times of the files when it was made.
    pub digest: [u8; 32],
}

impl Share {
    /// Its files are in `save_path` now, wherever they were: a torrent may be moved.
    pub fn follow(&mut self, save_path: &str) {
        let path = Path::new(&self.path);
        if let Some(name) = path.file_name().filter(|_| path.parent() != Some(save_path.as_ref())) {
            self.path = Path::new(save_path).join(name).to_string_lossy().into_owned();
        }
    }
}

/// Which BitTorrent a torrent speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// BEP 3: every client.
    #[default]
    V1,
    /// Both: old clients and new ones, each in a swarm of its own.
    Hybrid,
    /// BEP 52 alone.
    V2,
}

impl Format {
    /// Of a torrent with these hashes.
    pub fn of(hashes: &InfoHashes) -> Self {
        match (hashes.v1(), hashes.v2()) {
            (Some(_), Some(_)) => Self::Hybrid,
            (None, Some(_)) => Self::V2,
            _ => Self::V1,
        }
    }
}

/// What to share, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareWish {
    /// The file or folder; relative to the first root, or absolute.
    pub path: String,
    /// Another name than that of the file or folder.
    pub name: Option<String>,
    /// Which BitTorrent it speaks.
    pub format: Format,
    /// Bytes of a piece; `None` = by size.
    pub piece_bytes: Option<u32>,
    /// Whether everybody may have it who knows of it, without a key.
    pub is_public: bool,
    /// Whether the engine refuses whoever is no member; `None` = as long as it is private.
    pub is_members_only: Option<bool>,
    /// For people.
    pub comment: String,
    /// Names left out; `None` = the usual ones.
    pub skip: Option<Vec<String>>,
    /// The share of which it is to be a new edition.
    pub replaces: Option<TorrentId>,
}

/// A file of a share as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMark {
    /// Below the folder, `/` between parts; empty when the share is one file.
    pub path: String,
    /// Bytes.
    pub size_bytes: u64,
    /// When it was changed last: Unix seconds and nanoseconds.
    pub modified: (i64, i64),
}

/// Somebody with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    /// What the user calls them.
    pub name: FriendName,
    /// What they announce with.
    pub key: AccessKey,
    /// Since when, Unix seconds.
    pub made_at: i64,
    /// The last second in which the key lets in; `None` = for ever.
    pub valid_until: Option<i64>,
    /// When the key was taken away, if it was.
    pub revoked_at: Option<i64>,
    /// The shares they are let in to; `None` = all.
    pub shares: Option<Vec<TorrentId>>,
}

impl Friend {
    /// Whether the friend may have `share`, as far as is decided for good.
    pub fn may_have(&self, share: TorrentId) -> bool {
        let is_named = self.shares.as_ref().is_none_or(|shares| shares.contains(&share));
        self.revoked_at.is_none() && is_named
    }
}

/// A friend's name: 1 to 64 bytes of printable text, without a slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FriendName(String);

impl FriendName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FriendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FriendName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_fine = |c: char| !c.is_control() && c != '/';
        let is_trimmed = text.trim() == text;
        if text.is_empty() || text.len() > NAME_MAX || !is_trimmed || !text.chars().all(is_fine) {
            let message = "a friend's name is 1 to 64 bytes of text without a slash";
            return Err(Error::invalid(message));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The secret part of an invite's link: 32 letters and digits, as a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InviteToken(AccessKey);

impl InviteToken {
    /// Of characters as good as those of a key.
    pub fn new(secret: AccessKey) -> Self {
        Self(secret)
    }

    /// The token of these characters; `None` unless there are 32 letters and digits.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        AccessKey::from_bytes(bytes).map(Self)
    }

    /// How it begins: enough to tell it from others.
    pub fn prefix(&self) -> &str {
        self.0.prefix()
    }

    /// The whole token, for whoever is invited.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Only its beginning: it is a secret (rule W11).
impl fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A link that shows a friend one share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// What the link holds.
    pub token: InviteToken,
    /// For whom.
    pub friend: FriendName,
    /// To what.
    pub share: TorrentId,
    /// When it was made, Unix seconds.
    pub made_at: i64,
    /// The last second in which it is good; `None` = as long as the friend's key is.
    pub valid_until: Option<i64>,
    /// How often the torrent may still be taken; `None` = any number of times.
    pub uses_left: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_friends_name_is_text_that_fits_a_path_and_a_line() {
        for name in ["anna", "Tante Ünal", "a b", &"x".repeat(64)] {
            assert_eq!(name.parse::<FriendName>().unwrap().as_str(), name);
        }
        for name in ["", " anna", "an/na", "an\nna", "an\x1bna", &"x".repeat(65)] {
            assert!(name.parse::<FriendName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_share_is_where_its_torrent_is() {
        let mut share = Share {
            id: TorrentId([1; 20]),
            path: "/a/film".into(),
            made_at: 0,
            is_private: true,
            is_members_only: true,
            skip: None,
            digest: [0; 32],
        };
        for (save_path, path) in [("/a", "/a/film"), ("/b/c", "/b/c/film"), ("/a", "/a/film")] {
            share.follow(save_path);
            assert_eq!(share.path, path);
        }
    }

    #[test]
    fn w11_a_token_is_not_shown_whole() {
        let token = InviteToken::from_bytes(b"2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD").unwrap();
        assert_eq!(format!("{token:?}"), "2cjv...");
        assert_eq!(InviteToken::from_bytes(b"short"), None);
    }
}
