//! Just enough bencode for what Tribler puts beside a torrent in the raw body of an upload.
//!
//! The engine parses the torrent itself, with its own limits; this only skips over it.

/// Deepest nesting (rule F4).
const DEPTH_MAX: usize = 100;

/// The body is no complete bencoded dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

/// The integers listed under `key` in the outermost dictionary; `None` when it is not there.
pub(super) fn integers(body: &[u8], key: &[u8]) -> Result<Option<Vec<i64>>, Corrupt> {
    let mut rest = body.strip_prefix(b"d").ok_or(Corrupt)?;
    let mut found = None;
    while !rest.starts_with(b"e") {
        let (name, value) = text(rest)?;
        rest = skip(value)?;
        if name == key {
            found = Some(list(&value[..value.len() - rest.len()])?);
        }
    }
    Ok(found)
}

fn list(value: &[u8]) -> Result<Vec<i64>, Corrupt> {
    let mut rest = value.strip_prefix(b"l").ok_or(Corrupt)?;
    let mut numbers = Vec::new();
    while !rest.starts_with(b"e") {
        let (digits, after) = until(rest.strip_prefix(b"i").ok_or(Corrupt)?, b'e')?;
        numbers.push(number(digits)?);
        rest = after;
    }
    Ok(numbers)
}

/// What follows the value at the start of `body`.
fn skip(mut body: &[u8]) -> Result<&[u8], Corrupt> {
    let mut depth = 0_usize;
    loop {
        body = match body.first() {
            Some(b'd' | b'l') => {
                depth += 1;
                &body[1..]
            }
            Some(b'e') if depth > 0 => {
                depth -= 1;
                &body[1..]
            }
            Some(b'i') => until(&body[1..], b'e')?.1,
            Some(b'0'..=b'9') => text(body)?.1,
            _ => return Err(Corrupt),
        };
        if depth == 0 {
            return Ok(body);
        }
        if depth > DEPTH_MAX {
            return Err(Corrupt);
        }
    }
}

fn text(body: &[u8]) -> Result<(&[u8], &[u8]), Corrupt> {
    let (digits, rest) = until(body, b':')?;
    let length = usize::try_from(number(digits)?).map_err(|_| Corrupt)?;
    rest.split_at_checked(length).ok_or(Corrupt)
}

/// At most the digits of a 64-bit number before `end`, so that garbage is not searched through.
fn until(body: &[u8], end: u8) -> Result<(&[u8], &[u8]), Corrupt> {
    let place = body.iter().take(21).position(|byte| *byte == end).ok_or(Corrupt)?;
    Ok((&body[..place], &body[place + 1..]))
}

fn number(digits: &[u8]) -> Result<i64, Corrupt> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Corrupt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_selection_beside_the_torrent_is_found() {
        let body = b"d4:infod6:lengthi5e4:listli1ed1:a0:eee14:selected_filesli0ei2eee";
        assert_eq!(integers(body, b"selected_files"), Ok(Some(vec![0, 2])));
        assert_eq!(integers(body, b"other"), Ok(None));
        assert_eq!(integers(b"de", b"other"), Ok(None));
    }

    #[test]
    fn what_is_no_dictionary_is_corrupt() {
        let deep = [b"d1:a".as_slice(), &b"l".repeat(200), &b"e".repeat(201)].concat();
        for body in [b"".as_slice(), b"d", b"le", b"d1:a", b"d9:ae", b"d1:ai1", b"garbage", &deep] {
            assert_eq!(integers(body, b"a"), Err(Corrupt), "{}", body.escape_ascii());
        }
        assert_eq!(integers(b"d1:ai1ee", b"a"), Err(Corrupt));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = integers(&[b"d".as_slice(), &body].concat(), b"a");
        }

        #[test]
        fn nor_is_near_bencode(body in "[dlei0-9:a\\-]{0,64}") {
            let _ = integers(body.as_bytes(), b"a");
        }
    }
}
