//! Every refusal in the words and forms of both generations; the only place with their statuses.
//!
//! 7.x answers most refusals with a string under `error`, 8.x always with an object. Unforeseen
//! failures are 500 with the name of a Python exception, which clients print; ours carry a
//! sentence instead of a traceback (rule W14).

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::json;
use crate::dialects::tribler::wire::ErrorBody;
use crate::dialects::tribler::wire::ErrorObject;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::http::Reply;

/// Seconds after which something busy may be tried again.
const RETRY_AFTER_S: u32 = 2;

/// Why a call was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A string in 7.x, an object in 8.x.
    Handled { status: u16, message: String },
    /// A failure that may well happen (removing files, say): 500.
    Foreseen { class: &'static str, message: String },
    /// What the original meets with an exception: 500.
    Unhandled { class: &'static str, message: String },
    /// No such path: 404.
    UnknownPath(String),
    /// The body passed this many bytes: 413.
    TooLarge(usize),
    /// Too many wrong keys from one address: 429.
    TooMany { retry_after_s: u32 },
    /// 7.x answers 200 when a move's target is missing.
    Fine { message: String },
}

impl Refusal {
    pub(super) fn handled(status: u16, message: impl Into<String>) -> Self {
        Self::Handled { status, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::handled(400, message)
    }

    pub(super) fn unhandled(class: &'static str, message: impl Into<String>) -> Self {
        Self::Unhandled { class, message: message.into() }
    }

    pub(super) fn unknown_download() -> Self {
        Self::handled(404, "this download does not exist")
    }

    pub(super) fn wrong_method() -> Self {
        Self::unhandled("HTTPMethodNotAllowed", "Method Not Allowed")
    }

    /// A failure of a removal: the original foresees those.
    pub(super) fn of_removal(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Conflict | ErrorKind::Forbidden | ErrorKind::Internal => {
                let message = logged(error).public_message().to_owned();
                Self::Foreseen { class: "RuntimeError", message }
            }
            // Somebody else removed it first.
            ErrorKind::NotFound => Self::unknown_download(),
            _ => Self::from(error.clone()),
        }
    }

    pub(super) fn reply(self, generation: Generation) -> Reply {
        let reply = Reply::new(self.status()).header("content-type", "application/json");
        let reply = match &self {
            Self::TooMany { retry_after_s } => {
                reply.header("retry-after", &retry_after_s.to_string())
            }
            Self::Handled { status: 503, .. } => {
                reply.header("retry-after", &RETRY_AFTER_S.to_string())
            }
            _ => reply,
        };
        reply.bytes(self.text(generation))
    }

    fn status(&self) -> u16 {
        match self {
            Self::Handled { status, .. } => *status,
            Self::Foreseen { .. } | Self::Unhandled { .. } => 500,
            Self::UnknownPath(_) => 404,
            Self::TooLarge(_) => 413,
            Self::TooMany { .. } => 429,
            Self::Fine { .. } => 200,
        }
    }

    fn text(self, generation: Generation) -> Vec<u8> {
        let error = match (self, generation) {
            (Self::Handled { message, .. } | Self::Fine { message }, Generation::Seven) => {
                ErrorBody::text(message)
            }
            (Self::TooMany { .. }, Generation::Seven) => ErrorBody::text(too_many()),
            (Self::Handled { message, .. } | Self::Fine { message }, Generation::Eight) => {
                ErrorBody::object(ErrorObject::handled(message))
            }
            (Self::TooMany { .. }, Generation::Eight) => {
                ErrorBody::object(ErrorObject::handled(too_many()))
            }
            (Self::UnknownPath(path), _) => {
                ErrorBody::object(ErrorObject::handled(format!("Could not find {path}")))
            }
            (Self::TooLarge(limit), _) => ErrorBody::object(ErrorObject::handled(format!(
                "Request size is larger than {limit} bytes"
            ))),
            (Self::Foreseen { class, message }, generation) => {
                ErrorBody::object(ErrorObject::exception(true, class, message, generation))
            }
            (Self::Unhandled { class, message }, generation) => {
                ErrorBody::object(ErrorObject::exception(false, class, message, generation))
            }
        };
        json::text(&error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::NotFound => 404,
            ErrorKind::Invalid => 400,
            ErrorKind::Conflict => 409,
            ErrorKind::Unauthorized => 401,
            ErrorKind::Forbidden => 403,
            ErrorKind::Busy => 503,
            ErrorKind::StorageFull => 507,
            ErrorKind::Internal => {
                return Self::unhandled("RuntimeError", logged(&error).public_message());
            }
        };
        Self::handled(status, error.public_message())
    }
}

fn too_many() -> String {
    "too many wrong keys from this address".to_owned()
}

/// Puts the cause of an internal error where the answer does not show it.
fn logged(error: &Error) -> &Error {
    if error.kind() == ErrorKind::Internal {
        tracing::error!(%error, "a call failed");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(refusal: &Refusal, generation: Generation) -> (u16, String) {
        let text = String::from_utf8(refusal.clone().text(generation)).unwrap();
        (refusal.status(), text)
    }

    /// The table of section 2 of the contract.
    #[test]
    fn each_refusal_has_the_form_of_its_generation() {
        let key = Refusal::handled(401, "Unauthorized access");
        let object =
            |message: &str| format!(r#"{{"error": {{"handled": true, "message": "{message}"}}}}"#);
        assert_eq!(
            shown(&key, Generation::Seven),
            (401, r#"{"error": "Unauthorized access"}"#.to_owned())
        );
        assert_eq!(shown(&key, Generation::Eight), (401, object("Unauthorized access")));
        for generation in [Generation::Seven, Generation::Eight] {
            let path = Refusal::UnknownPath("/nope".into());
            assert_eq!(shown(&path, generation), (404, object("Could not find /nope")));
            let large = Refusal::TooLarge(9);
            assert_eq!(
                shown(&large, generation),
                (413, object("Request size is larger than 9 bytes"))
            );
        }
        let foreseen = Refusal::Foreseen { class: "A", message: "b".into() };
        assert_eq!(
            shown(&foreseen, Generation::Seven).1,
            r#"{"error": {"handled": true, "code": "A", "message": "b"}}"#
        );
        assert_eq!(shown(&foreseen, Generation::Eight).1, object("A: b"));
        let unhandled = Refusal::wrong_method();
        assert_eq!(
            shown(&unhandled, Generation::Seven),
            (
                500,
                concat!(
                    r#"{"error": {"handled": false, "code": "HTTPMethodNotAllowed", "#,
                    r#""message": "Method Not Allowed"}}"#
                )
                .to_owned()
            )
        );
        assert_eq!(
            shown(&unhandled, Generation::Eight).1,
            r#"{"error": {"handled": false, "message": "HTTPMethodNotAllowed: Method Not Allowed"}}"#
        );
    }

    /// Rules D7 and W14.
    #[test]
    fn w14_internal_causes_stay_in_the_log_and_d7_full_disks_are_507() {
        let secret = Refusal::from(Error::internal("/var/lib/secret exploded"));
        let (status, text) = shown(&secret, Generation::Seven);
        assert_eq!(status, 500);
        assert!(!text.contains("secret") && text.contains("internal error"), "{text}");
        let full = Refusal::from(Error::new(ErrorKind::StorageFull, "no space left"));
        assert_eq!(shown(&full, Generation::Eight).0, 507);
        assert_eq!(Refusal::from(Error::busy("x")).status(), 503);
        assert_eq!(Refusal::of_removal(&Error::conflict("x")).status(), 500);
        assert_eq!(Refusal::of_removal(&Error::busy("x")).status(), 503);
    }
}
