//! Every refusal of Torrust's API with its status and text (contract sections 1, 2 and 8).

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::http::Reply;
use crate::http::Unanswered;

/// A refusal.
pub(super) struct Refusal {
    status: u16,
    text: String,
    retry_after_s: Option<u32>,
}

impl Refusal {
    /// A status with a text.
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after_s: None }
    }

    /// Too many wrong tokens from this address (rule W8).
    pub(super) fn too_many(retry_after_s: u32) -> Self {
        let text = format!("too many wrong tokens; try again in {retry_after_s} s");
        Self { status: 429, text, retry_after_s: Some(retry_after_s) }
    }

    /// What 2.3 answers to every path it does not like.
    pub(super) fn not_allowed() -> Self {
        Self::new(405, "HTTP method not allowed")
    }

    /// The pattern of every failure (section 2).
    pub(super) fn unhandled(reason: &str) -> Self {
        Self::new(500, format!("Unhandled rejection: Err {{ reason: \"{reason}\" }}"))
    }

    /// What was refused before it came here: plain words, and the pattern for a fault of ours.
    pub(super) fn of_unanswered(why: &Unanswered) -> Self {
        match why.status {
            500 => Self::unhandled(&why.message),
            status => Self::new(status, why.message.clone()),
        }
    }

    /// A failure of ours in that pattern; a full disk has a status of its own (rule D7).
    pub(super) fn failed(reason: &str, error: &Error) -> Self {
        let text = format!("{reason}: {}", error.public_message());
        match error.kind() {
            ErrorKind::StorageFull => Self::new(507, text),
            _ => Self::unhandled(&text),
        }
    }

    /// A failure of ours as 2.3 says it: without the reason, but for a full disk (rule D7).
    pub(super) fn failed_tersely(reason: &str, error: &Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull => Self::failed(reason, error),
            _ => Self::unhandled(reason),
        }
    }

    /// A body that is no JSON.
    pub(super) fn unparsed(why: &str) -> Self {
        Self::new(400, format!("Failed to parse the request body as JSON: {why}"))
    }

    /// A body whose JSON says something else than it should.
    pub(super) fn undeserialized(why: &str) -> Self {
        let message = "Failed to deserialize the JSON body into the target type";
        Self::new(422, format!("{message}: {why}"))
    }

    /// The answer; one without a text has no content type either.
    pub(super) fn reply(self) -> Reply {
        let reply = match self.text.is_empty() {
            true => Reply::new(self.status),
            false => Reply::new(self.status)
                .header("content-type", "text/plain; charset=utf-8")
                .bytes(self.text),
        };
        match self.retry_after_s {
            Some(seconds) => reply.header("retry-after", &seconds.to_string()),
            None => reply,
        }
    }
}

/// A given text as it may be repeated: short, and nothing but characters.
pub(super) fn shown(given: &str) -> String {
    given.chars().filter(|c| !c.is_control()).take(80).collect()
}
