//! Whether bytes are bencoded at all: Porla tells that apart from a torrent that makes no sense.

/// How deep values may nest (rule F4).
const DEPTH_MAX: usize = 100;

/// Whether `bytes` begin with one whole bencoded value.
pub(super) fn is_bencoded(bytes: &[u8]) -> bool {
    skip(bytes, 0).is_some()
}

/// What follows the first value.
fn skip(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    match first {
        b'i' => {
            let end = rest.iter().position(|byte| *byte == b'e')?;
            let digits = rest[..end].strip_prefix(b"-").unwrap_or(&rest[..end]);
            let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            is_number.then(|| &rest[end + 1..])
        }
        b'0'..=b'9' => skip_text(bytes),
        b'l' | b'd' if depth < DEPTH_MAX => {
            let mut rest = rest;
            while *rest.first()? != b'e' {
                if *first == b'd' {
                    rest = skip_text(rest)?;
                }
                rest = skip(rest, depth + 1)?;
            }
            Some(&rest[1..])
        }
        _ => None,
    }
}

fn skip_text(bytes: &[u8]) -> Option<&[u8]> {
    let colon = bytes.iter().take(20).position(|byte| *byte == b':')?;
    let digits = std::str::from_utf8(&bytes[..colon]).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let length: usize = is_number.then(|| digits.parse().ok())??;
    bytes.get((colon + 1).checked_add(length)?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_values_are_told_from_anything_else() {
        for fine in ["i-5e", "0:", "3:abc", "le", "d1:ai1e1:bl0:0:ee", "d4:infod4:name1:aee"] {
            assert!(is_bencoded(fine.as_bytes()), "{fine}");
        }
        for bad in
            ["", "x", "i", "ie", "i1", "4:abc", "d1:a", "di1ei1ee", "l", "99999999999999999999:"]
        {
            assert!(!is_bencoded(bad.as_bytes()), "{bad}");
        }
        assert!(!is_bencoded(&b"l".repeat(1_000_000)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = is_bencoded(&bytes);
        }
    }
}
