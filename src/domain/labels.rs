//! What a user writes on a torrent for their own use.

/// The labels of one torrent; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// One word for its kind.
    pub category: Option<String>,
    /// Any number of words, in order, each once.
    pub tags: Vec<String>,
    /// A JSON object of the user's own; empty = none.
    pub metadata: String,
    /// Peers that may be connected at once, in place of the configured number; -1 = any number.
    pub max_connections: Option<i32>,
}
