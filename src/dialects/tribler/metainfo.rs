//! A torrent file as Tribler shows it: its bencode as Python's JSON text, in hex digits.
//!
//! Texts are read as UTF-8, and where they are none, byte by byte as Latin-1; so hashes of pieces
//! come out as a long text of odd letters, which is what clients expect.

use std::fmt::Write as _;

/// Deepest nesting (rule F4); the engine has judged the file before.
const DEPTH_MAX: usize = 100;

/// The hex digits of the JSON text; `None` when the bytes are no bencode.
pub(super) fn hex_of_json(file: &[u8]) -> Option<String> {
    let mut json = String::with_capacity(2 * file.len());
    let rest = value(file, &mut json, 0)?;
    if !rest.is_empty() {
        return None;
    }
    let mut digits = String::with_capacity(2 * json.len());
    for byte in json.bytes() {
        let _ = write!(digits, "{byte:02x}");
    }
    Some(digits)
}

/// Writes the value at the start of `body`, returns what follows it.
fn value<'a>(body: &'a [u8], json: &mut String, depth: usize) -> Option<&'a [u8]> {
    if depth > DEPTH_MAX {
        return None;
    }
    match body.first()? {
        b'i' => {
            let (digits, rest) = until(&body[1..], b'e')?;
            let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            let _ = write!(json, "{number}");
            Some(rest)
        }
        b'l' => list(&body[1..], json, depth),
        b'd' => dictionary(&body[1..], json, depth),
        _ => text(body, json),
    }
}

fn list<'a>(mut body: &'a [u8], json: &mut String, depth: usize) -> Option<&'a [u8]> {
    json.push('[');
    let mut separator = "";
    while *body.first()? != b'e' {
        json.push_str(separator);
        body = value(body, json, depth + 1)?;
        separator = ", ";
    }
    json.push(']');
    Some(&body[1..])
}

fn dictionary<'a>(mut body: &'a [u8], json: &mut String, depth: usize) -> Option<&'a [u8]> {
    json.push('{');
    let mut separator = "";
    while *body.first()? != b'e' {
        json.push_str(separator);
        body = text(body, json)?;
        json.push_str(": ");
        body = value(body, json, depth + 1)?;
        separator = ", ";
    }
    json.push('}');
    Some(&body[1..])
}

fn text<'a>(body: &'a [u8], json: &mut String) -> Option<&'a [u8]> {
    let (digits, rest) = until(body, b':')?;
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    json.push('"');
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().for_each(|letter| escaped(letter, json)),
        Err(_) => bytes.iter().for_each(|byte| escaped(char::from(*byte), json)),
    }
    json.push('"');
    Some(rest)
}

/// As `json.dumps` of Python does with `ensure_ascii` off.
fn escaped(letter: char, json: &mut String) {
    match letter {
        '"' => json.push_str("\\\""),
        '\\' => json.push_str("\\\\"),
        '\n' => json.push_str("\\n"),
        '\r' => json.push_str("\\r"),
        '\t' => json.push_str("\\t"),
        '\u{8}' => json.push_str("\\b"),
        '\u{c}' => json.push_str("\\f"),
        ..' ' => {
            let _ = write!(json, "\\u{:04x}", u32::from(letter));
        }
        _ => json.push(letter),
    }
}

/// At most the digits of a 64-bit number before `end`.
fn until(body: &[u8], end: u8) -> Option<(&[u8], &[u8])> {
    let place = body.iter().take(21).position(|byte| *byte == end)?;
    Some((&body[..place], &body[place + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json_of(file: &[u8]) -> Option<String> {
        let digits = hex_of_json(file)?;
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let bytes = (0..digits.len()).step_by(2).map(byte).collect();
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_torrent_reads_as_python_writes_it() {
        let file = "d8:announce9:udp://ü/\n4:infod6:lengthi5e4:name2:ab6:pieces4:".to_owned();
        let file =
            [file.replace("9:udp://ü/\n", "10:udp://ü/\n").as_bytes(), b"\xff\x00\"z", b"ee"];
        let expected = "{\"announce\": \"udp://ü/\\n\", \"info\": {\"length\": 5, \
                        \"name\": \"ab\", \"pieces\": \"ÿ\\u0000\\\"z\"}}";
        assert_eq!(json_of(&file.concat()).unwrap(), expected);
        assert_eq!(json_of(b"ll1:aei-3ee").unwrap(), "[[\"a\"], -3]");
    }

    #[test]
    fn what_is_no_bencode_gives_nothing() {
        let deep = [b"l".repeat(200), b"e".repeat(200)].concat();
        for body in [b"".as_slice(), b"d", b"le1", b"i5", b"9:a", b"d1:ae", b"x", &deep] {
            assert_eq!(json_of(body), None, "{}", body.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_out_is_json(body in prop::collection::vec(any::<u8>(), 0..80)) {
            let file = [format!("d1:a{}:", body.len()).as_bytes(), &body, b"e"].concat();
            let json = json_of(&file).unwrap();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
        }

        #[test]
        fn no_bytes_are_too_odd(body in "[dlei0-9:a\\-]{0,64}") {
            let _ = hex_of_json(body.as_bytes());
        }
    }
}
