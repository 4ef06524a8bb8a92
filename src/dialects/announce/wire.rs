//! The HTTP tracker protocol: queries to values, values to bencode (BEP 3, 7, 23, 24, 31, 48).
//!
//! Parameters are percent-decoded to raw bytes and never pass through text. Every answer is one
//! bencoded dictionary with sorted keys.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::domain::hash::TorrentId;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::Announced;
use crate::domain::swarm::PeerList;
use crate::domain::swarm::Refusal;
use crate::domain::swarm::SwarmCounts;

/// Hashes of one scrape that are answered; more are ignored (vector H24).
pub const SCRAPE_MAX: usize = 64;
/// What is left when a peer does not say: not nothing.
const LEFT_UNKNOWN: u64 = i64::MAX as u64;
/// Minutes after which a refusal for lack of room is worth another try (BEP 31).
const RETRY_MIN: u32 = 15;

/// An announce's query. The address and the key come from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// The swarm.
    pub info_hash: TorrentId,
    /// What the peer calls itself.
    pub peer_id: [u8; 20],
    /// Where it listens.
    pub port: u16,
    /// Bytes, as claimed.
    pub uploaded: u64,
    /// Bytes, as claimed.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
    /// Why it announces.
    pub event: AnnounceEvent,
    /// How many peers it wants; `None` leaves it to us.
    pub want: Option<u32>,
    /// Whether peers come as strings (BEP 23), as they do unless `compact=0` asks otherwise.
    pub is_compact: bool,
    /// Whether peer ids are left out of the long form.
    pub no_peer_id: bool,
}

/// What is wrong with a query. The texts are fixed and echo nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryError(pub &'static str);

/// The announce that a query asks for.
///
/// # Errors
/// The first parameter that is missing or wrong.
pub fn parse_announce(query: &[u8]) -> Result<AnnounceQuery, QueryError> {
    let mut info_hash = None;
    let mut peer_id = None;
    let mut port = None;
    let mut event = AnnounceEvent::None;
    let (mut uploaded, mut downloaded, mut left) = (0, 0, LEFT_UNKNOWN);
    let (mut want, mut is_compact, mut no_peer_id) = (None, true, false);
    for (name, value) in parameters(query) {
        match name {
            b"info_hash" => once(&mut info_hash, value, QueryError("Invalid info_hash"))?,
            b"peer_id" => once(&mut peer_id, value, QueryError("Invalid peer_id"))?,
            b"port" => port = Some(number(value).ok_or(QueryError("Invalid port"))?),
            b"uploaded" => uploaded = number(value).ok_or(QueryError("Invalid uploaded"))?,
            b"downloaded" => downloaded = number(value).ok_or(QueryError("Invalid downloaded"))?,
            b"left" => left = number(value).ok_or(QueryError("Invalid left"))?,
            b"event" => event = event_of(value),
            b"numwant" => want = number(value).map(|want| u32::try_from(want).unwrap_or(u32::MAX)),
            b"compact" => is_compact = value != b"0",
            b"no_peer_id" => no_peer_id = value == b"1",
            _ => {}
        }
    }
    let port = port.ok_or(QueryError("Missing port"))?;
    Ok(AnnounceQuery {
        info_hash: TorrentId(info_hash.ok_or(QueryError("Missing info_hash"))?),
        peer_id: peer_id.ok_or(QueryError("Missing peer_id"))?,
        port: u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .ok_or(QueryError("Invalid port"))?,
        uploaded,
        downloaded,
        left,
        event,
        want,
        is_compact,
        no_peer_id,
    })
}

/// The hashes that a query asks about: sorted, each once, up to the limit.
///
/// # Errors
/// None is there, or one is not a hash.
pub fn parse_scrape(query: &[u8]) -> Result<Vec<TorrentId>, QueryError> {
    let mut hashes = Vec::new();
    let asked = parameters(query).filter(|(name, _)| *name == b"info_hash");
    for (_, value) in asked.take(SCRAPE_MAX) {
        let hash = exactly(value).ok_or(QueryError("Invalid info_hash"))?;
        hashes.push(TorrentId(hash));
    }
    if hashes.is_empty() {
        return Err(QueryError("Missing info_hash"));
    }
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes)
}

/// Names and values as they were sent, percent escapes and all.
fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|byte| *byte == b'&').map(|pair| match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &[][..]),
    })
}

fn once(slot: &mut Option<[u8; 20]>, value: &[u8], error: QueryError) -> Result<(), QueryError> {
    if slot.is_some() {
        return Err(error);
    }
    *slot = Some(exactly(value).ok_or(error)?);
    Ok(())
}

/// Exactly 20 bytes once the percent escapes are resolved; a `+` is a plus (vector H6).
fn exactly(value: &[u8]) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    let mut len = 0;
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        let byte = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                hex(*high)? << 4 | hex(*low)?
            }
            (b'%', _) => return None,
            (plain, after) => {
                rest = after;
                *plain
            }
        };
        *bytes.get_mut(len)? = byte;
        len += 1;
    }
    (len == bytes.len()).then_some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A number without sign, blank or leading plus.
fn number(value: &[u8]) -> Option<u64> {
    let is_plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_plain)?.parse().ok()
}

fn event_of(value: &[u8]) -> AnnounceEvent {
    match value {
        b"started" => AnnounceEvent::Started,
        b"completed" => AnnounceEvent::Completed,
        b"stopped" => AnnounceEvent::Stopped,
        b"paused" => AnnounceEvent::Paused,
        _ => AnnounceEvent::None,
    }
}

/// The answer to an announce. `asker` is told its own address (BEP 24).
pub fn announced(
    announced: &Announced,
    min_interval_s: u32,
    asker: IpAddr,
    peers: &PeerList,
    out: &mut Vec<u8>,
) {
    out.push(b'd');
    put_number(out, b"8:completei", announced.seeders.into());
    put_number(out, b"10:downloadedi", announced.completed.into());
    out.extend_from_slice(b"11:external ip");
    match asker {
        IpAddr::V4(ip) => put_bytes(out, &ip.octets()),
        IpAddr::V6(ip) => put_bytes(out, &ip.octets()),
    }
    put_number(out, b"10:incompletei", announced.leechers.into());
    put_number(out, b"8:intervali", announced.interval_s.into());
    put_number(out, b"12:min intervali", min_interval_s.into());
    let is_v6 = asker.is_ipv6();
    match &peers.ids {
        None => {
            let (v4, v6) =
                if is_v6 { (&[][..], &*peers.compact) } else { (&*peers.compact, &[][..]) };
            out.extend_from_slice(b"5:peers");
            put_bytes(out, v4);
            if is_v6 {
                out.extend_from_slice(b"6:peers6");
                put_bytes(out, v6);
            }
        }
        Some(ids) => put_long_peers(out, &peers.compact, ids, is_v6),
    }
    out.push(b'e');
}

/// Peers as dictionaries (BEP 3). Without ids when there are none.
fn put_long_peers(out: &mut Vec<u8>, compact: &[u8], ids: &[[u8; 20]], is_v6: bool) {
    out.extend_from_slice(b"5:peers");
    out.push(b'l');
    for (number, endpoint) in compact.chunks_exact(if is_v6 { 18 } else { 6 }).enumerate() {
        let Some(address) = socket_address(endpoint) else { continue };
        out.push(b'd');
        out.extend_from_slice(b"2:ip");
        put_bytes(out, address.ip().to_string().as_bytes());
        if let Some(id) = ids.get(number) {
            out.extend_from_slice(b"7:peer id");
            put_bytes(out, id);
        }
        put_number(out, b"4:porti", address.port().into());
        out.push(b'e');
    }
    out.push(b'e');
}

fn socket_address(endpoint: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = endpoint.split_last_chunk::<2>()?;
    let ip: IpAddr = match ip.len() {
        4 => <[u8; 4]>::try_from(ip).ok()?.into(),
        _ => <[u8; 16]>::try_from(ip).ok()?.into(),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// The answer to a scrape of sorted hashes.
pub fn scraped(counts: &[(TorrentId, SwarmCounts)], out: &mut Vec<u8>) {
    out.extend_from_slice(b"d5:filesd");
    for (hash, counts) in counts {
        put_bytes(out, &hash.0);
        out.push(b'd');
        put_number(out, b"8:completei", counts.seeders.into());
        put_number(out, b"10:downloadedi", counts.completed.into());
        put_number(out, b"10:incompletei", counts.leechers.into());
        out.push(b'e');
    }
    out.extend_from_slice(b"ee");
}

/// The answer to a request that is wrong.
pub fn failed(error: QueryError, out: &mut Vec<u8>) {
    failure(error.0, out);
}

/// An answer that says why there is no other.
pub fn failure(reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"d14:failure reason");
    put_bytes(out, reason.as_bytes());
    out.push(b'e');
}

/// The answer to a refused announce, with when to try again (BEP 31) where that is known.
pub fn refused(refusal: Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"d14:failure reason");
    put_bytes(out, refusal.text().as_bytes());
    match refusal {
        Refusal::Full => put_number(out, b"8:retry ini", RETRY_MIN.into()),
        Refusal::Flagged => out.extend_from_slice(b"8:retry in5:never"),
        _ => {}
    }
    out.push(b'e');
}

/// A number behind its key; `key` is the whole text up to the digits, such as `8:completei`.
fn put_number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    put_digits(out, value);
    out.push(b'e');
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_digits(out, bytes.len() as u64);
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// `write!` costs more than the rest of an answer together.
fn put_digits(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}
