//! Every refusal of UDPT's API with its status and text (contract sections 2 and 3).

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::http::Reply;
use crate::http::Unanswered;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    text: String,
    retry_after_s: Option<u32>,
}

impl Refusal {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after_s: None }
    }

    /// A token that is missing, wrong, or grants too little: scripts compare these 52 bytes.
    pub(super) fn access_denied() -> Self {
        Self::unhandled("Access Denied")
    }

    /// Too many wrong tokens from this address (rule W8).
    pub(super) fn too_many(retry_after_s: u32) -> Self {
        let text = format!("too many wrong tokens; try again in {retry_after_s} s");
        Self { retry_after_s: Some(retry_after_s), ..Self::new(429, text) }
    }

    /// A method or a hash that is none, and a torrent that is not known: an accident of the
    /// original that its scripts read as "no such torrent".
    pub(super) fn not_allowed() -> Self {
        Self::new(405, "HTTP method not allowed")
    }

    pub(super) fn bad_query() -> Self {
        Self::new(400, "Invalid query string")
    }

    pub(super) fn bad_body(parser: &str) -> Self {
        Self::new(400, format!("Request body deserialize error: {parser}"))
    }

    pub(super) fn late_body() -> Self {
        Self::new(408, "The request body did not come in time")
    }

    pub(super) fn no_length() -> Self {
        Self::new(411, "A content-length header is required")
    }

    pub(super) fn too_large() -> Self {
        Self::new(413, "The request payload is too large")
    }

    pub(super) fn wrong_type() -> Self {
        Self::new(415, "The request's content-type is not supported")
    }

    /// A change that failed; a full disk has a status of its own (rule D7).
    pub(super) fn failed(reason: &str, error: &Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull => {
                Self::new(507, format!("{reason}: {}", error.public_message()))
            }
            _ => {
                tracing::error!(%error, "{reason}");
                Self::unhandled(reason)
            }
        }
    }

    /// What was refused before it came here: plain words, and the pattern for a fault of ours.
    pub(super) fn of_unanswered(why: &Unanswered) -> Self {
        match why.status {
            500 => Self::unhandled(&why.message),
            status => Self::new(status, why.message.clone()),
        }
    }

    fn unhandled(reason: &str) -> Self {
        Self::new(500, format!("Unhandled rejection: Err {{ reason: \"{reason}\" }}"))
    }

    pub(super) fn reply(self) -> Reply {
        let reply = Reply::new(self.status)
            .header("content-type", "text/plain; charset=utf-8")
            .bytes(self.text);
        match self.retry_after_s {
            Some(seconds) => reply.header("retry-after", &seconds.to_string()),
            None => reply,
        }
    }
}
