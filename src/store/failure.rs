//! Why a change was not made, sorted by what the writer has to do about it.

use rusqlite::ErrorCode;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;

/// A change that was not made.
#[derive(Debug)]
pub(super) enum Failure {
    /// The change contradicts what is stored; nothing is wrong with the store.
    Refused(Error),
    /// SQLite said no.
    Sqlite(rusqlite::Error),
}

/// What a failure means for the changes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only this change is wrong.
    Change,
    /// There is no space left; smaller changes may still fit (rule D7).
    Full,
    /// The file or the disk is in doubt, and so is all that was not yet committed (rule D9).
    Device,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// How far the failure reaches.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Refused(_) => Reach::Change,
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Reach::Full,
                Some(
                    ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::OutOfMemory
                    | ErrorCode::FileLockingProtocolFailed,
                ) => Reach::Device,
                _ => Reach::Change,
            },
        }
    }

    /// The failure as whoever asked for the change is told.
    pub(super) fn to_error(&self) -> Error {
        match (self, self.reach()) {
            (Self::Refused(error), _) => error.clone(),
            (Self::Sqlite(_), Reach::Full) => Error::new(
                ErrorKind::StorageFull,
                "no space left for the state store; free some space and try again",
            ),
            (Self::Sqlite(error), _) => {
                Error::internal(format!("the state store did not make the change: {error}"))
            }
        }
    }
}
