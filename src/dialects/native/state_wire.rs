//! What a torrent is doing, as JSON says it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::torrent::State;

/// What a torrent is doing, in one word.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StateName {
    /// It stopped by itself; `error` says why.
    Error,
    /// Its files are being moved.
    Moving,
    /// It waits for its turn in the queue.
    Queued,
    /// Somebody stopped it.
    Stopped,
    /// The engine has not seen it yet.
    Loading,
    /// Its files are being looked at or hashed.
    Checking,
    /// Its metadata is being asked for.
    Metadata,
    /// It fetches pieces.
    Downloading,
    /// All wanted files are there.
    Finished,
    /// All files are there.
    Seeding,
}

impl From<State> for StateName {
    fn from(state: State) -> Self {
        match state {
            State::Error => Self::Error,
            State::Moving => Self::Moving,
            State::Queued => Self::Queued,
            State::Stopped => Self::Stopped,
            State::Loading => Self::Loading,
            State::Checking => Self::Checking,
            State::Metadata => Self::Metadata,
            State::Downloading => Self::Downloading,
            State::Finished => Self::Finished,
            State::Seeding => Self::Seeding,
        }
    }
}
