//! Every refusal of this API and its status: a problem document (RFC 9457).

use crate::dialects::native::wire;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::http::BodyError;
use crate::http::Reply;
use crate::http::Unanswered;
use crate::service::filter::FilterError;

/// Seconds after which something busy may be tried again.
const RETRY_AFTER_S: u32 = 2;

/// What sort of problem it is. Each has a `type` that stays what it is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invalid,
    InvalidFilter,
    Unauthorized,
    InsufficientScope,
    Forbidden,
    NoSuchPath,
    NotFound,
    MethodNotAllowed,
    BodyTimeout,
    Conflict,
    BodyTooLarge,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    TooManyAttempts,
    Internal,
    Busy,
    StorageFull,
}

impl Kind {
    /// All of them, in the order of their statuses.
    pub(super) const ALL: [Self; 17] = [
        Self::Invalid,
        Self::InvalidFilter,
        Self::Unauthorized,
        Self::InsufficientScope,
        Self::Forbidden,
        Self::NoSuchPath,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::Conflict,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::TooManyAttempts,
        Self::Internal,
        Self::Busy,
        Self::StorageFull,
    ];

    /// Its status, the end of its `type`, its title, and what to do about it.
    #[expect(clippy::too_many_lines, reason = "a table: a row for each kind")]
    pub(super) fn words(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::Invalid => {
                (400, "invalid", "Invalid request", "Correct what `detail` names and ask again.")
            }
            Self::InvalidFilter => (
                400,
                "invalid-filter",
                "Invalid filter",
                "`position` counts the characters before the mistake in `filter`.",
            ),
            Self::Unauthorized => (
                401,
                "unauthorized",
                "Unauthorized",
                "Show a token: `Authorization: Bearer TOKEN`. The first one is in the file \
                 `api-token` of the state directory.",
            ),
            Self::InsufficientScope => (
                403,
                "insufficient-scope",
                "Insufficient scope",
                "Use a token that grants the scope named in `detail`.",
            ),
            Self::Forbidden => (
                403,
                "forbidden",
                "Forbidden",
                "The configuration or the torrent does not allow it, whoever asks.",
            ),
            Self::NoSuchPath => (404, "no-such-path", "No such path", "Look for it on this page."),
            Self::NotFound => {
                (404, "not-found", "Not found", "The named thing is not, or no longer, there.")
            }
            Self::MethodNotAllowed => (
                405,
                "method-not-allowed",
                "Method not allowed",
                "Use a method that the header `Allow` names.",
            ),
            Self::BodyTimeout => {
                (408, "body-timeout", "Body too slow", "Send the whole body within 30 s.")
            }
            Self::Conflict => (
                409,
                "conflict",
                "Conflict",
                "The request contradicts the present state, which `detail` describes.",
            ),
            Self::BodyTooLarge => {
                (413, "body-too-large", "Body too large", "Send less, or in several requests.")
            }
            Self::UnsupportedMediaType => (
                415,
                "unsupported-media-type",
                "Unsupported media type",
                "Send JSON as `Content-Type: application/json`.",
            ),
            Self::RangeNotSatisfiable => (
                416,
                "range-not-satisfiable",
                "Range not satisfiable",
                "Ask for one range of bytes that lies in the file.",
            ),
            Self::TooManyAttempts => (
                429,
                "too-many-attempts",
                "Too many attempts",
                "Wait as many seconds as `Retry-After` says.",
            ),
            Self::Internal => {
                (500, "internal", "Internal error", "The log of the server has the cause.")
            }
            Self::Busy => (503, "busy", "Busy", "Try again after `Retry-After` seconds."),
            Self::StorageFull => (
                507,
                "storage-full",
                "Storage full",
                "Free space on the disk of the state directory; nothing was changed.",
            ),
        }
    }
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    detail: String,
    position: Option<usize>,
    retry_after_s: Option<u32>,
    allow: Option<String>,
    size_bytes: Option<u64>,
}

impl Problem {
    /// A problem of `kind`; `detail` names the thing and what to do.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, detail, position: None, retry_after_s: None, allow: None, size_bytes: None }
    }

    /// The request itself is wrong.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail)
    }

    /// It may be tried again after so many seconds.
    pub(super) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// These methods are fine.
    pub(super) fn allowing(self, methods: String) -> Self {
        Self { allow: Some(methods), ..self }
    }

    /// No part of a file of this size was asked for.
    pub(super) fn no_such_range(size_bytes: u64) -> Self {
        let detail = format!("ask for one range of bytes within the file's {size_bytes} bytes");
        let problem = Self::new(Kind::RangeNotSatisfiable, detail);
        Self { size_bytes: Some(size_bytes), ..problem }
    }

    /// A body that cannot be used.
    pub(super) fn of_body(error: BodyError, limit_bytes: usize) -> Self {
        match error {
            BodyError::TooLarge => {
                Self::new(Kind::BodyTooLarge, format!("a body has at most {limit_bytes} bytes"))
            }
            BodyError::TooDeep => Self::invalid("JSON nests at most 64 deep"),
            BodyError::Late => Self::new(Kind::BodyTimeout, "the body did not come in time"),
            BodyError::Broken => Self::invalid("the body is broken off"),
        }
    }

    /// What was refused before it came here, or not answered.
    pub(super) fn of_unanswered(why: &Unanswered) -> Self {
        let kind = match why.status {
            403 => Kind::Forbidden,
            500 => Kind::Internal,
            503 => Kind::Busy,
            _ => Kind::Invalid,
        };
        Self { retry_after_s: why.retry_after_s, ..Self::new(kind, why.message.clone()) }
    }

    /// For results of single parts of a request.
    pub(super) fn body(&self) -> wire::ProblemBody {
        let (status, slug, title, _) = self.kind.words();
        wire::ProblemBody {
            r#type: format!("/v1/docs#{slug}"),
            title,
            status,
            detail: self.detail.clone(),
            position: self.position,
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        let (status, ..) = self.kind.words();
        let mut reply = Reply::new(status);
        if self.kind == Kind::Unauthorized {
            reply = reply.header("www-authenticate", "Bearer");
        }
        if let Some(seconds) = self.retry_after_s {
            reply = reply.header("retry-after", &seconds.to_string());
        }
        if let Some(allow) = &self.allow {
            reply = reply.header("allow", allow);
        }
        if let Some(size_bytes) = self.size_bytes {
            reply = reply.header("content-range", &format!("bytes */{size_bytes}"));
        }
        reply.header("content-type", "application/problem+json").bytes(wire::text(&self.body()))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => Kind::NotFound,
            ErrorKind::Invalid => Kind::Invalid,
            ErrorKind::Conflict => Kind::Conflict,
            ErrorKind::Unauthorized => Kind::Unauthorized,
            ErrorKind::Forbidden => Kind::Forbidden,
            ErrorKind::Busy => Kind::Busy,
            ErrorKind::StorageFull => Kind::StorageFull,
            ErrorKind::Internal => {
                tracing::error!(%error, "a call failed");
                Kind::Internal
            }
        };
        let problem = Self::new(kind, error.public_message());
        if kind == Kind::Busy { problem.retry_after(RETRY_AFTER_S) } else { problem }
    }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        let problem = Self::new(Kind::InvalidFilter, error.to_string());
        Self { position: Some(error.position), ..problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_type_of_its_own_and_its_status() {
        let mut slugs: Vec<&str> = Kind::ALL.iter().map(|kind| kind.words().1).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let reply = Problem::new(kind, "x").into_reply();
            assert_eq!(reply.status(), kind.words().0, "{kind:?}");
        }
    }

    /// Rule W14.
    #[test]
    fn w14_internal_causes_stay_in_the_log() {
        let body = Problem::from(Error::internal("/var/lib/secret exploded")).body();
        assert_eq!((body.status, body.detail.as_str()), (500, "internal error"));
    }
}
