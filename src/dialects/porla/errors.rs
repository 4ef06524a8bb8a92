//! Why a method fails, in the two forms of the contract (section 3).

use crate::dialects::porla::json;
use crate::dialects::porla::json::Id;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;

/// A failure of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// One of the method's own errors, told with the request's id.
    Method { code: i32, message: String, more: More },
    /// A parameter is missing or of the wrong type, or something went wrong inside; told without
    /// the id.
    Internal(String),
}

/// The member `data` of a method's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// `null`.
    Nothing,
    /// Where a query is wrong, in characters.
    Position(i64),
    /// What lies behind a message whose words are fixed.
    Reason(String),
}

impl Failure {
    /// An error with these words.
    pub(super) fn of(code: i32, message: impl Into<String>) -> Self {
        Self::Method { code, message: message.into(), more: More::Nothing }
    }

    /// An error with fixed words, and what lies behind it.
    pub(super) fn because(code: i32, message: &str, error: &Error) -> Self {
        let more = More::Reason(logged(error).public_message().to_owned());
        Self::Method { code, message: message.into(), more }
    }

    /// What a change of the configuration is refused with.
    pub(super) fn of_setting(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Conflict => Self::of(-1, error.public_message()),
            _ => Self::from(error),
        }
    }

    /// The whole answer.
    pub(super) fn text(&self, id: &Id) -> Vec<u8> {
        match self {
            Self::Method { code, message, more } => json::failure(id, *code, message, more),
            Self::Internal(why) => json::internal_error(why),
        }
    }
}

/// What the services say, where a method has no words of its own for it.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::of(-1, "Torrent not found"),
            ErrorKind::Conflict => Self::of(-2, "Torrent not valid"),
            ErrorKind::Invalid | ErrorKind::Forbidden | ErrorKind::Unauthorized => {
                Self::of(-1, error.public_message())
            }
            ErrorKind::Busy | ErrorKind::StorageFull | ErrorKind::Internal => {
                Self::Internal(logged(&error).public_message().to_owned())
            }
        }
    }
}

/// Our own faults are told in the log.
pub(super) fn logged(error: &Error) -> &Error {
    if error.kind() == ErrorKind::Internal {
        tracing::error!(%error, "a request failed");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule W14: what went wrong inside stays inside.
    #[test]
    fn w14_internal_causes_are_withheld() {
        let failure = Failure::from(Error::internal("/secret/path broke"));
        assert_eq!(failure, Failure::Internal("internal error".into()));
        let failure = Failure::because(-5, "Failed", &Error::internal("/secret/path broke"));
        let more = More::Reason("internal error".into());
        assert_eq!(failure, Failure::Method { code: -5, message: "Failed".into(), more });
    }
}
