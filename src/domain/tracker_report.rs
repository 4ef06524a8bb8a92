//! All that the engine knows of a remote tracker of one torrent, announce by announce.

/// All that the engine knows of one announce URL of a torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerReport {
    /// The announce URL; may hold a passkey, so it is never logged (rule W11).
    pub url: String,
    /// What the tracker wants to be told at the next announce; mostly empty.
    pub tracker_id: String,
    /// Tier of BEP 12.
    pub tier: u8,
    /// Failures in a row after which it is given up, 0 = never.
    pub fail_limit: u8,
    /// Where we learned of it, as bits: torrent file 1, client 2, magnet link 4, exchange 8.
    pub source: u8,
    /// A valid answer came at some time.
    pub is_verified: bool,
    /// One for each listen socket, once an announce was planned.
    pub endpoints: Vec<TrackerEndpoint>,
}

/// Announces to a remote tracker from one listen socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerEndpoint {
    /// The socket's address, without brackets.
    pub ip: String,
    /// The socket's port.
    pub port: u16,
    /// Whether it is announced from here.
    pub is_enabled: bool,
    /// Announces with the v1 hash, and with the v2 hash.
    pub by_version: [AnnounceReport; 2],
}

/// Announces of one info-hash. Times are seconds of the monotonic clock, `i32::MIN` = never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceReport {
    /// What the tracker wrote; lossy UTF-8, at most 256 bytes (rule F13).
    pub message: String,
    /// Why the last announce failed; `None` when it did not.
    pub last_error: Option<String>,
    /// When the next announce is due.
    pub next_announce: i32,
    /// Not before this.
    pub min_announce: i32,
    /// Incomplete peers that the tracker told of; -1 unknown.
    pub scrape_incomplete: i32,
    /// Complete peers that the tracker told of; -1 unknown.
    pub scrape_complete: i32,
    /// Completed downloads that the tracker told of; -1 unknown.
    pub scrape_downloaded: i32,
    /// Failures in a row.
    pub fails: u8,
    /// A request is under way.
    pub is_updating: bool,
    /// The start was acknowledged.
    pub start_sent: bool,
    /// The completion was told.
    pub complete_sent: bool,
}

impl Default for AnnounceReport {
    /// Nothing announced yet.
    fn default() -> Self {
        Self {
            message: String::new(),
            last_error: None,
            next_announce: i32::MIN,
            min_announce: i32::MIN,
            scrape_incomplete: -1,
            scrape_complete: -1,
            scrape_downloaded: -1,
            fails: 0,
            is_updating: false,
            start_sent: false,
            complete_sent: false,
        }
    }
}
