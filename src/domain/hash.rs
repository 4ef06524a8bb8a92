//! Info-hashes: 20 bytes of SHA-1 (BEP 3), 32 bytes of SHA-256 (BEP 52), or both (hybrid).

use std::fmt;
use std::str::FromStr;

use crate::domain::error::Error;

/// The SHA-1 info-hash of a v1 or hybrid torrent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha1Hash(pub [u8; 20]);

/// The SHA-256 info-hash of a v2 or hybrid torrent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Hash(pub [u8; 32]);

/// The info-hashes of one torrent; at least one of the two is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InfoHashes {
    v1: Option<Sha1Hash>,
    v2: Option<Sha256Hash>,
}

/// How a torrent is named inside the program: its v1 hash, or for a v2-only torrent the first
/// 20 bytes of its v2 hash.
///
/// libtorrent's own `get_best()` of a hybrid torrent is the truncated v2 hash; ours is v1, which
/// is what users and trackers know a hybrid torrent by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TorrentId(pub [u8; 20]);

/// An info-hash as somebody wrote it: 40 or 64 hex digits, in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyHash {
    /// 40 digits: a v1 hash or a truncated v2 hash.
    Short([u8; 20]),
    /// 64 digits: a v2 hash.
    Long(Sha256Hash),
}

impl InfoHashes {
    /// Both hashes as far as they exist; `None` when neither does.
    pub fn new(v1: Option<Sha1Hash>, v2: Option<Sha256Hash>) -> Option<Self> {
        (v1.is_some() || v2.is_some()).then_some(Self { v1, v2 })
    }

    /// The SHA-1 hash; `None` for a v2-only torrent.
    pub fn v1(&self) -> Option<Sha1Hash> {
        self.v1
    }

    /// The SHA-256 hash; `None` for a v1-only torrent.
    pub fn v2(&self) -> Option<Sha256Hash> {
        self.v2
    }

    /// The name of this torrent inside the program.
    pub fn id(&self) -> TorrentId {
        match (self.v1, self.v2) {
            (Some(v1), _) => TorrentId(v1.0),
            (None, Some(v2)) => v2.truncated(),
            (None, None) => TorrentId([0; 20]),
        }
    }

    /// Whether somebody who wrote `hash` means this torrent.
    pub fn matches(&self, hash: &AnyHash) -> bool {
        match hash {
            AnyHash::Short(bytes) => {
                self.v1.is_some_and(|v1| v1.0 == *bytes)
                    || self.v2.is_some_and(|v2| v2.truncated().0 == *bytes)
            }
            AnyHash::Long(long) => self.v2 == Some(*long),
        }
    }
}

impl Sha256Hash {
    /// The first 20 bytes: how trackers and the DHT know a v2 torrent (BEP 52).
    pub fn truncated(&self) -> TorrentId {
        let mut short = [0; 20];
        short.copy_from_slice(&self.0[..20]);
        TorrentId(short)
    }
}

impl FromStr for AnyHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.len() {
            40 => Ok(Self::Short(decode_hex(text)?)),
            64 => Ok(Self::Long(Sha256Hash(decode_hex(text)?))),
            _ => Err(Error::invalid("an info-hash has 40 or 64 hex digits")),
        }
    }
}

impl FromStr for TorrentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        decode_hex(text).map(Self)
    }
}

/// `N` bytes written as `2 * N` hex digits of either case.
///
/// # Errors
/// Invalid, when the length differs or a character is no hex digit.
pub fn decode_hex<const N: usize>(text: &str) -> Result<[u8; N], Error> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(Error::invalid(format!("expected {} hex digits", 2 * N)));
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return Err(Error::invalid("an info-hash has only hex digits"));
        };
        *byte = u8::try_from(high * 16 + low).unwrap_or_default();
    }
    Ok(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0u8; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    let text = &text[..2 * bytes.len().min(32)];
    f.write_str(std::str::from_utf8(text).unwrap_or_default())
}

macro_rules! hex_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
    )*};
}

hex_text!(Sha1Hash, Sha256Hash, TorrentId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_torrent_is_named_by_v1_and_found_by_either() {
        let (v1, v2) = (Sha1Hash([1; 20]), Sha256Hash([2; 32]));
        let hashes = InfoHashes::new(Some(v1), Some(v2)).unwrap();
        assert_eq!(hashes.id(), TorrentId([1; 20]));
        assert!(hashes.matches(&v1.to_string().parse().unwrap()));
        assert!(hashes.matches(&v2.to_string().to_uppercase().parse().unwrap()));
        assert!(hashes.matches(&AnyHash::Short([2; 20])));
        assert!(!hashes.matches(&AnyHash::Short([3; 20])));
    }

    #[test]
    fn text_that_is_no_hash_is_refused() {
        for text in ["", "12", &"g".repeat(40), &"é".repeat(20), &"0".repeat(41)] {
            assert!(text.parse::<AnyHash>().is_err(), "{text}");
        }
    }
}
