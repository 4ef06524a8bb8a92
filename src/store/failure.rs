//! Why a change was not made, sorted by what the writer has to do about it.

use std::io;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_WRITE;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;

/// A change that was not made.
#[derive(Debug)]
pub(super) enum Failure {
    /// The change contradicts what is stored; nothing is wrong with the store.
    Refused(Error),
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// A quota is reached, which SQLite takes for a broken disk.
    Quota,
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
            Self::Quota => Reach::Full,
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
            (_, Reach::Full) => Error::new(
                ErrorKind::StorageFull,
                "no space left for the state store; free some space and try again",
            ),
            (Self::Sqlite(error), _) => {
                Error::internal(format!("the state store did not make the change: {error}"))
            }
            (Self::Quota, _) => Error::internal("the state store did not make the change"),
        }
    }

    /// A failed write for what it is: SQLite knows ENOSPC as a full disk and calls EDQUOT an
    /// input/output error, so `is_full` is asked. A failed sync stays a failed sync (rule D9).
    pub(super) fn explained(self, is_full: impl FnOnce() -> bool) -> Self {
        let code = match &self {
            Self::Sqlite(error) => error.sqlite_error().map(|error| error.extended_code),
            Self::Refused(_) | Self::Quota => None,
        };
        match code {
            Some(SQLITE_IOERR_WRITE) if is_full() => Self::Quota,
            _ => self,
        }
    }
}

/// Whether a write failed because no more may be written: ENOSPC, EDQUOT.
pub(super) fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn failed(code: i32) -> Failure {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn d7_a_reached_quota_is_a_full_disk_and_d9_a_failed_sync_never_is() {
        let quota = failed(ffi::SQLITE_IOERR_WRITE).explained(|| true);
        assert_eq!(quota.reach(), Reach::Full);
        assert_eq!(quota.to_error().kind(), ErrorKind::StorageFull);
        assert_eq!(failed(ffi::SQLITE_IOERR_WRITE).explained(|| false).reach(), Reach::Device);
        assert_eq!(failed(ffi::SQLITE_IOERR_FSYNC).explained(|| true).reach(), Reach::Device);
        assert_eq!(failed(ffi::SQLITE_FULL).explained(|| true).reach(), Reach::Full);
    }

    #[test]
    fn d7_the_systems_words_for_no_room_are_two() {
        let known = |errno: rustix::io::Errno| is_no_room(&errno.into());
        assert!(known(rustix::io::Errno::NOSPC) && known(rustix::io::Errno::DQUOT));
        assert!(!known(rustix::io::Errno::IO) && !known(rustix::io::Errno::ROFS));
    }
}
