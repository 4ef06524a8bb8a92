//! Tribler's JSON text: a blank after `:` and `,`, and ASCII only, as Python's `json.dumps` does.

use std::io;
use std::io::Write;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Appends `value` to `out`.
pub(super) fn append(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to memory cannot fail, and no wire struct has a fallible field.
    let written = value.serialize(&mut Serializer::with_formatter(out, Spaced));
    debug_assert!(written.is_ok(), "{written:?}");
}

/// `value` as text.
pub(super) fn text(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    append(&mut out, value);
    out
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
        if fragment.bytes().all(is_plain) {
            return out.write_all(fragment.as_bytes());
        }
        for letter in fragment.chars() {
            if letter.is_ascii() && is_plain(letter as u8) {
                out.write_all(&[letter as u8])?;
                continue;
            }
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &serde_json::Value) -> String {
        String::from_utf8(text(value)).unwrap()
    }

    #[test]
    fn text_is_spaced_and_ascii_as_python_writes_it() {
        let value =
            serde_json::json!({"a": [1, 2.5, true, null, [], {}], "b": {"c": "d", "e": 0.0}});
        assert_eq!(
            shown(&value),
            r#"{"a": [1, 2.5, true, null, [], {}], "b": {"c": "d", "e": 0.0}}"#
        );
        let odd = serde_json::json!("ä\u{1f600}\"\\/\n\t\u{8}\u{c}\r\u{1f}\u{7f}\u{2028}");
        let expected = concat!(r#""\u00e4\ud83d\ude00\"\\/\n\t\b\f\r\u001f"#, r#"\u007f\u2028""#);
        assert_eq!(shown(&odd), expected);
    }

    #[test]
    fn every_letter_survives_the_escaping() {
        let all: String =
            (0..0x3000).chain(0x1_f000..0x1_f100).filter_map(char::from_u32).collect();
        let read: String = serde_json::from_slice(&text(&all)).unwrap();
        assert_eq!(read, all);
    }
}
