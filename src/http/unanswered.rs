//! Requests that no dialect gets to see, or that none answered. What happened is known here; how the
//! API that was meant says so is for its dialect, by a function that is handed in.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::http::Reply;

/// Why a request is refused, apart from its API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The status that every API gives it.
    pub status: u16,
    /// A sentence that says what to do.
    pub message: String,
    /// When to try again.
    pub retry_after_s: Option<u32>,
    /// What the caller names the request by (`X-Request-Id`), for APIs that repeat it.
    pub request_id: Option<String>,
}

/// Words it as the API of this path does. The path has its percent escapes.
pub type Refuse = Arc<dyn Fn(&str, &Unanswered) -> Reply + Send + Sync>;

impl Unanswered {
    /// With a status and a sentence.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after_s: None, request_id: None }
    }

    /// That may be tried again after so many seconds.
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Of the request that its caller gave this name.
    pub(crate) fn named(self, request_id: Option<String>) -> Self {
        Self { request_id, ..self }
    }

    /// With `Retry-After`, if it may be tried again.
    #[must_use]
    pub fn complete(&self, reply: Reply) -> Reply {
        match self.retry_after_s {
            Some(seconds) => reply.header("retry-after", &seconds.to_string()),
            None => reply,
        }
    }
}

/// The path between its slashes as far as it can be read, for telling whose it is.
pub fn segments(path: &str) -> Vec<String> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let parts = path.strip_prefix('/').unwrap_or(path);
    let parts = parts.strip_suffix('/').unwrap_or(parts);
    match parts {
        "" => Vec::new(),
        parts => parts.split('/').map(decode).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_far_as_it_can_be() {
        assert_eq!(segments("/v1/%66%ff/"), ["v1", "f\u{fffd}"]);
        assert_eq!(segments("/"), [""; 0]);
    }
}
