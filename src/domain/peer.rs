//! A connection: the engine's link to one peer of a torrent.

use std::net::SocketAddr;

use crate::domain::hash::TorrentId;

/// A connection of a share that has ended, with what passed over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedLink {
    /// The share's torrent.
    pub torrent: TorrentId,
    /// Where the other side was.
    pub address: SocketAddr,
    /// The 20 bytes it called itself.
    pub peer_id: [u8; 20],
    /// Payload bytes sent to it.
    pub sent: u64,
    /// Payload bytes received from it.
    pub received: u64,
}

/// One connected peer as the engine sees it now. Rates are payload bytes/s.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// The 20 bytes it calls itself (BEP 20).
    pub id: [u8; 20],
    /// Its client's name, lossy UTF-8, at most 256 bytes (rule F13).
    pub client: String,
    /// Its share of the torrent, 0 to 1.
    pub progress: f32,
    /// Bytes/s we receive from it.
    pub download_rate: u32,
    /// Bytes/s we send to it.
    pub upload_rate: u32,
    /// Bytes received from it over this connection.
    pub downloaded_bytes: u64,
    /// Bytes sent to it over this connection.
    pub uploaded_bytes: u64,
    /// Where we learned of it: libtorrent's bits tracker 1, dht 2, pex 4, lsd 8, resume 16,
    /// incoming 32.
    pub source: u32,
    /// libtorrent's peer flags as they are.
    pub flags: u32,
    /// 0 BitTorrent over TCP or uTP, 1 web seed, 2 http seed.
    pub connection_kind: u32,
    /// What the flags say, in words.
    pub state: PeerState,
    /// What only few ask for.
    pub details: PeerDetails,
}

/// More of a connection. Rates are bytes/s with the protocol's share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerDetails {
    /// Bytes/s we receive from it.
    pub download_rate: u32,
    /// Bytes/s we send to it.
    pub upload_rate: u32,
    /// Requested blocks that others were asked for too.
    pub busy_requests: i32,
    /// Requests it has not answered yet.
    pub queue_length: i32,
    /// Seconds it would take to answer them.
    pub queue_s: i64,
    /// Seconds since anything was received or sent.
    pub last_active_s: i64,
    /// Seconds since we last asked for a block.
    pub last_request_s: i64,
    /// Round trip, in milliseconds.
    pub rtt_ms: i32,
    /// Our side of it; `None` when it has none (a web seed).
    pub local: Option<SocketAddr>,
}

/// The choke protocol's state and roles of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerState {
    /// We want pieces it has.
    pub we_are_interested: bool,
    /// We do not serve it now.
    pub we_choke: bool,
    /// It wants pieces we have.
    pub is_interested: bool,
    /// It does not serve us now.
    pub chokes_us: bool,
    /// We opened the connection.
    pub is_outgoing: bool,
    /// It has every piece.
    pub is_seed: bool,
    /// It told that it wants nothing (BEP 21).
    pub is_upload_only: bool,
    /// It has not answered requests for a while.
    pub is_snubbed: bool,
    /// Unchoked to try it out.
    pub is_optimistic: bool,
    /// Over uTP.
    pub is_utp: bool,
}
