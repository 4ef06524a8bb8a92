//! The one error that crosses floors: a kind for programs and a sentence for people.

use std::fmt;

/// What sort of failure this is; each dialect maps it to its own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// The request itself is wrong; repeating it unchanged cannot succeed.
    Invalid,
    /// The request is fine but contradicts the present state.
    Conflict,
    /// No valid token came with the request.
    Unauthorized,
    /// The token is valid but this is not allowed (a path outside the roots, say).
    Forbidden,
    /// A bounded queue is full or a deadline passed; trying again later may succeed.
    Busy,
    /// The state cannot be made durable: no space left (rule D7).
    StorageFull,
    /// Our own fault; the cause is in the log and not in the answer.
    Internal,
}

/// A failure: its kind, and a lower-case sentence without a full stop that names the thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The result of everything that may fail above the lowest level.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `message` names the thing and the wish.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The named thing does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The request contradicts the present state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Not allowed, whoever asks.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    /// Cannot be done now; may be tried again.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, message)
    }

    /// Our own fault. `message` goes to the log; dialects show only "internal error".
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for people; for [`ErrorKind::Internal`] meant for the log only.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The sentence that may leave the process: internal causes are withheld (rule W14).
    pub fn public_message(&self) -> &str {
        match self.kind {
            ErrorKind::Internal => "internal error",
            _ => &self.message,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
