//! The JSON that all subjects of this API share: problems, reading bodies, writing answers.

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::dialects::native::problem::Problem;
use crate::http::Reply;

/// What a JSON body can be read into.
pub(super) trait Body: DeserializeOwned {}

impl<T: DeserializeOwned> Body for T {}

/// What an answer can be written from.
pub(super) trait Shown: Serialize {}

impl<T: Serialize + ?Sized> Shown for T {}

/// A refusal (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// What sort of problem it is, as a reference into the manual; stays the same for ever.
    #[schema(example = "/v1/docs#not-found")]
    pub(super) r#type: String,
    /// The sort in words.
    pub(super) title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub(super) status: u16,
    /// What is wrong this time, and what to do about it.
    pub(super) detail: String,
    /// Where a filter is wrong: characters before the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<usize>,
}

/// Reads a JSON body. Its depth was judged when it was read.
pub(super) fn parse<T: Body>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        match error.is_data() {
            // Names the member that is wrong or unknown.
            true => Problem::invalid(format!("the body does not fit: {error}")),
            false => Problem::invalid(format!("the body is not JSON: {place}")),
        }
    })
}

/// A member that is there, even when it is null.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// `value` as JSON text.
pub(super) fn text(value: &(impl Shown + ?Sized)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    append(&mut out, value);
    out
}

/// Appends `value` to `out`.
pub(super) fn append(out: &mut Vec<u8>, value: &(impl Shown + ?Sized)) {
    // Writing to memory cannot fail, and no wire struct has a fallible field.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// An answer with this JSON.
pub(super) fn reply(status: u16, value: &impl Shown) -> Reply {
    Reply::new(status).json_bytes(text(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_body_is_told_apart_from_one_that_is_no_json() {
        let wrong = |body: &str| parse::<Vec<u32>>(body.as_bytes()).unwrap_err().body().detail;
        assert!(wrong("[1,").contains("not JSON"));
        assert!(wrong("{}").contains("does not fit"));
        assert_eq!(parse::<Vec<u32>>(b"[1]"), Ok(vec![1]));
    }
}
