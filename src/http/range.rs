//! Files as answers: the Range header (one range of bytes, anything else is 416), the parts of a
//! file, and the types that a browser may be told.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::Stream;

use crate::http::reply::Reply;

const ANY_BYTES: &str = "application/octet-stream";

/// What part of a file a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no Range header.
    Whole,
    /// This part; never empty, within the file.
    Part(Range<u64>),
}

/// The range cannot be satisfied, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsatisfiable;

impl Wanted {
    /// The bytes of a file of `size_bytes` that this is.
    pub fn part(&self, size_bytes: u64) -> Range<u64> {
        match self {
            Self::Whole => 0..size_bytes,
            Self::Part(part) => part.clone(),
        }
    }

    /// The answer: 200 with all of a file, 206 with a part. `body` has just these bytes.
    pub fn reply(
        &self,
        size_bytes: u64,
        name: &str,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Reply {
        let part = self.part(size_bytes);
        let reply = match self {
            Self::Whole => Reply::new(200),
            Self::Part(part) => {
                let text = format!("bytes {}-{}/{size_bytes}", part.start, part.end - 1);
                Reply::new(206).header("content-range", &text)
            }
        };
        reply
            .header("accept-ranges", "bytes")
            .header("content-type", &content_type(name))
            .stream(part.end - part.start, body)
    }
}

/// The type of what players play; anything else, and all that a browser would run as part of this
/// origin, is plain bytes.
fn content_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let is_played = matches!(guess.type_().as_str(), "audio" | "video" | "image");
    if is_played && guess.subtype() != "svg" {
        guess.essence_str().to_owned()
    } else {
        ANY_BYTES.to_owned()
    }
}

/// The part of a file of `size_bytes` that the value of a Range header means.
///
/// # Errors
/// [`Unsatisfiable`].
pub fn parse(header: Option<&str>, size_bytes: u64) -> Result<Wanted, Unsatisfiable> {
    let Some(header) = header else {
        return Ok(Wanted::Whole);
    };
    let (first, last) = header
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .ok_or(Unsatisfiable)?;
    let range = match (number(first)?, number(last)?) {
        (None, None) => return Err(Unsatisfiable),
        (None, Some(suffix)) => size_bytes.saturating_sub(suffix)..size_bytes,
        (Some(first), None) => first..size_bytes,
        (Some(first), Some(last)) if last < first => return Err(Unsatisfiable),
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size_bytes),
    };
    if range.is_empty() {
        return Err(Unsatisfiable);
    }
    Ok(Wanted::Part(range))
}

/// Digits, or nothing; a number too large for 64 bits lies past every file.
fn number(text: &str) -> Result<Option<u64>, Unsatisfiable> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unsatisfiable);
    }
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 3_000_000;

    fn part(header: &str) -> Option<Range<u64>> {
        match parse(Some(header), SIZE) {
            Ok(Wanted::Part(range)) => Some(range),
            Ok(Wanted::Whole) => panic!("a header is never the whole"),
            Err(Unsatisfiable) => None,
        }
    }

    /// The rows of section 9 of the contract, in the way of 8.x.
    #[test]
    fn every_row_of_the_contract() {
        assert_eq!(parse(None, SIZE), Ok(Wanted::Whole));
        assert_eq!(part("bytes=0-9"), Some(0..10));
        assert_eq!(part("bytes=5-"), Some(5..SIZE));
        assert_eq!(part("bytes=2999999-2999999"), Some(2_999_999..SIZE));
        assert_eq!(part("bytes=10-99999999999999999999999"), Some(10..SIZE));
        assert_eq!(part("bytes=-10"), Some(2_999_990..SIZE));
        assert_eq!(part("bytes=-9999999"), Some(0..SIZE));
        for refused in [
            "bytes=3000000-",
            "bytes=3000001-3000002",
            "bytes=99999999999999999999-",
            "bytes=9-0",
            "bytes=-0",
            "bytes=-",
            "bytes=0-1,5-6",
            "items=0-9",
            "0-9",
            "",
            "bytes",
            "bytes=",
            "bytes=a-b",
            "bytes=0-9 ",
            " bytes=0-9",
            "bytes= 0-9",
            "bytes=+1-2",
            "bytes=1--2",
            "Bytes=0-9",
        ] {
            assert_eq!(part(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn only_media_has_a_type_of_its_own() {
        assert_eq!(content_type("a.mp4"), "video/mp4");
        assert_eq!(content_type("a.MKV"), "video/x-matroska");
        assert_eq!(content_type("a.mp3"), "audio/mpeg");
        assert_eq!(content_type("a.jpg"), "image/jpeg");
        for name in ["a.html", "a.svg", "a.svgz", "a.js", "a.xml", "a.xhtml", "a", "a.exe"] {
            assert_eq!(content_type(name), ANY_BYTES, "{name}");
        }
    }

    #[test]
    fn an_empty_file_satisfies_no_range() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(parse(Some(header), 0), Err(Unsatisfiable));
        }
        assert_eq!(parse(None, 0), Ok(Wanted::Whole));
    }

    proptest! {
        #[test]
        fn what_is_accepted_lies_in_the_file(header in "(bytes=)?[0-9,\\- ]{0,24}", size: u64) {
            if let Ok(Wanted::Part(range)) = parse(Some(&header), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }

        #[test]
        fn no_header_is_too_odd(header: String, size: u64) {
            let _ = parse(Some(&header), size);
        }

        #[test]
        fn a_plain_range_means_what_it_says(first in 0..1_000_u64, length in 1..1_000_u64) {
            let header = format!("bytes={first}-{}", first + length - 1);
            let expected = Ok(Wanted::Part(first..first + length));
            prop_assert_eq!(parse(Some(&header), 2_000), expected);
        }
    }
}
