//! The UDP tracker protocol: bytes to values and back (BEP 15, BEP 41). No sockets, no state.

use crate::domain::hash::TorrentId;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::SwarmCounts;

/// What the first eight bytes of a connect request say.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
/// Bytes of a connect request, and of the head of the others.
const HEAD_BYTES: usize = 16;
/// Bytes of an announce without options.
const ANNOUNCE_BYTES: usize = 98;
/// Bytes of an announce's answer before its peers.
pub const ANNOUNCED_BYTES: usize = 20;
/// Hashes of one scrape that are answered; more are ignored (vector U8).
pub const SCRAPE_MAX: usize = 74;
/// Bytes of a URL path that are kept: longer than any path with a key.
const PATH_MAX: usize = 96;

/// A datagram that is a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A wish for a connection id.
    Connect {
        /// Comes back in the answer.
        transaction: u32,
    },
    /// An announce.
    Announce(AnnounceRequest<'a>),
    /// A scrape.
    Scrape {
        /// To be checked first.
        connection: u64,
        /// Comes back in the answer.
        transaction: u32,
        /// Whole hashes, without gaps.
        hashes: &'a [[u8; 20]],
    },
}

/// An announce as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct AnnounceRequest<'a> {
    /// To be checked first.
    pub connection: u64,
    /// Comes back in the answer.
    pub transaction: u32,
    /// The swarm.
    pub info_hash: TorrentId,
    /// What the peer calls itself.
    pub peer_id: [u8; 20],
    /// Bytes, as claimed.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
    /// Bytes, as claimed.
    pub uploaded: u64,
    /// Why it announces.
    pub event: AnnounceEvent,
    /// How many peers it wants; `None` leaves it to us.
    pub want: Option<u32>,
    /// Where it listens.
    pub port: u16,
    /// What follows: BEP 41.
    pub options: &'a [u8],
}

impl<'a> Request<'a> {
    /// What a datagram says; `None` when it is no request, which is best not answered.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (head, rest) = datagram.split_first_chunk::<HEAD_BYTES>()?;
        let connection = number::<8>(head, 0);
        let transaction = number::<4>(head, 12) as u32;
        match number::<4>(head, 8) {
            0 if connection == PROTOCOL_ID => Some(Self::Connect { transaction }),
            1 => Self::parse_announce(datagram),
            2 => Some(Self::Scrape { connection, transaction, hashes: rest.as_chunks().0 }),
            _ => None,
        }
    }

    fn parse_announce(datagram: &'a [u8]) -> Option<Self> {
        let (fixed, options) = datagram.split_first_chunk::<ANNOUNCE_BYTES>()?;
        let want = number::<4>(fixed, 92) as u32;
        Some(Self::Announce(AnnounceRequest {
            connection: number::<8>(fixed, 0),
            transaction: number::<4>(fixed, 12) as u32,
            info_hash: TorrentId(bytes(fixed, 16)),
            peer_id: bytes(fixed, 36),
            downloaded: number::<8>(fixed, 56),
            left: number::<8>(fixed, 64),
            uploaded: number::<8>(fixed, 72),
            event: AnnounceEvent::from_number(number::<4>(fixed, 80) as u32),
            // Bytes 84 to 87 are an address of the sender's choice, which is not believed (U24).
            want: (want != u32::MAX).then_some(want),
            port: number::<2>(fixed, 96) as u16,
            options,
        }))
    }

    /// The connection id that has to be checked; `None` for a connect request.
    pub fn connection(&self) -> Option<u64> {
        match self {
            Self::Connect { .. } => None,
            Self::Announce(announce) => Some(announce.connection),
            Self::Scrape { connection, .. } => Some(*connection),
        }
    }
}

/// The path of the announce URL, as its client sent it behind an announce (BEP 41).
#[derive(Debug, PartialEq, Eq)]
pub struct UrlPath {
    bytes: [u8; PATH_MAX],
    len: usize,
}

impl UrlPath {
    /// The path and query so far as they are kept.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The last segment of the path, if that is as long as a key: `/KEY` or `/announce/KEY`.
    pub fn key(&self) -> Option<&[u8]> {
        let path = self.as_bytes();
        let path = path.split(|byte| *byte == b'?').next()?;
        path.rsplit(|byte| *byte == b'/').find(|segment| !segment.is_empty())
    }
}

/// The joined URL data of BEP 41 options. Broken options end it (vector U34).
pub fn url_data(mut options: &[u8]) -> UrlPath {
    let mut path = UrlPath { bytes: [0; PATH_MAX], len: 0 };
    loop {
        options = match options {
            [1, rest @ ..] => rest,
            [kind, length, rest @ ..] if *kind != 0 => {
                let Some((data, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
                if *kind == 2 {
                    let kept = data.len().min(PATH_MAX - path.len);
                    path.bytes[path.len..path.len + kept].copy_from_slice(&data[..kept]);
                    path.len += kept;
                }
                rest
            }
            _ => break,
        };
    }
    path
}

/// The answer to a connect request: as long as the request (rule T1).
pub fn connected(out: &mut Vec<u8>, transaction: u32, connection: u64) {
    head(out, 0, transaction);
    out.extend_from_slice(&connection.to_be_bytes());
}

/// Makes room for the numbers of an announce's answer; the peers come behind it.
pub fn begin_announced(out: &mut Vec<u8>, transaction: u32) {
    head(out, 1, transaction);
    out.extend_from_slice(&[0; ANNOUNCED_BYTES - 8]);
}

/// Fills in the numbers.
pub fn finish_announced(out: &mut [u8], interval_s: u32, leechers: u32, seeders: u32) {
    for (at, value) in [(8, interval_s), (12, leechers), (16, seeders)] {
        out[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
}

/// The beginning of a scrape's answer.
pub fn begin_scraped(out: &mut Vec<u8>, transaction: u32) {
    head(out, 2, transaction);
}

/// The numbers of one more hash.
pub fn add_scraped(out: &mut Vec<u8>, counts: SwarmCounts) {
    for value in [counts.seeders, counts.completed, counts.leechers] {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// An error: a fixed text.
pub fn error(out: &mut Vec<u8>, transaction: u32, text: &str) {
    head(out, 3, transaction);
    out.extend_from_slice(text.as_bytes());
}

fn head(out: &mut Vec<u8>, action: u32, transaction: u32) {
    out.clear();
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.to_be_bytes());
}

fn number<const N: usize>(from: &[u8], at: usize) -> u64 {
    bytes::<N>(from, at).iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&from[at..at + N]);
    bytes
}
