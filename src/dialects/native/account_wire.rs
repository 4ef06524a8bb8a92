//! The JSON of a friend's account in one share: their word beside what was seen of it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::account::ShareBalance;

/// What a friend said and did in one share, over all their clients and connections.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountFigures {
    /// Bytes they say they sent to anybody.
    claimed_uploaded: u64,
    /// Bytes they say they received from anybody.
    claimed_downloaded: u64,
    /// Bytes that our own client sent to them.
    sent: u64,
    /// Bytes that our own client received from them.
    received: u64,
    /// They say that they have all of it.
    is_complete: bool,
    /// When they were last heard of in it, Unix seconds.
    last_seen_at: i64,
    /// Bytes they say they sent and that nobody can have received.
    excess: u64,
}

impl AccountFigures {
    pub(super) fn of(one: &ShareBalance) -> Self {
        Self {
            claimed_uploaded: one.claimed_up,
            claimed_downloaded: one.claimed_down,
            sent: one.sent,
            received: one.received,
            is_complete: one.is_complete,
            last_seen_at: one.seen_at,
            excess: one.excess,
        }
    }
}
