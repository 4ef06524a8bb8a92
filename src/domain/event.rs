//! What happened, told to whoever listens: the API's event streams, the command line's `--wait`.

use std::net::IpAddr;

use crate::domain::hash::TorrentId;

/// One thing that happened to a torrent or to the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A torrent was added and is durable.
    Added(TorrentId),
    /// A torrent is gone for good.
    Removed(TorrentId),
    /// Its metadata arrived from a peer.
    MetadataReceived(TorrentId),
    /// Every wanted piece is there and verified.
    Finished(TorrentId),
    /// The torrent's state, error or pause changed.
    StateChanged(TorrentId),
    /// A tracker said something about one of our torrents.
    TrackerChanged(TorrentId),
    /// Others see this household under this address.
    ExternalAddress(IpAddr),
    /// The engine could not do something; the text is for the log and the user.
    Trouble(String),
}
