//! A remote tracker: a URL that one of our torrents reports to.

/// One announce URL of a torrent with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTracker {
    /// The announce URL; may hold a passkey, so it is never logged (rule W11).
    pub url: String,
    /// Tier of BEP 12; lower is asked first.
    pub tier: u8,
    /// What the last announce came to.
    pub state: TrackerState,
    /// Peers in the last answer; -1 before one came.
    pub peers: i32,
    /// Complete peers the tracker told of; -1 unknown.
    pub seeds: i32,
    /// Incomplete peers the tracker told of; -1 unknown.
    pub leeches: i32,
}

/// What the last announce to a remote tracker came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrackerState {
    /// Nothing sent yet.
    #[default]
    NotContacted,
    /// A request is under way.
    Updating,
    /// The last announce was answered.
    Working,
    /// Answered, with a warning.
    Warning(String),
    /// Refused by the tracker, or unreachable: the text says why.
    Error(String),
    /// No answer in time.
    Timeout,
    /// An HTTP status other than 200.
    HttpStatus(u16),
}
