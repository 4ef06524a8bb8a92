//! Bencoding for tests, written on purpose without the program's own: torrents as they should be,
//! and torrents as nobody should make them.

use std::collections::BTreeMap;

/// A value; dictionaries keep the order they are given in, since wrong orders are inputs too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Int(i64),
    Text(Vec<u8>),
    List(Vec<Value>),
    Dict(Vec<(Vec<u8>, Value)>),
}

/// A text.
pub(crate) fn text(bytes: impl AsRef<[u8]>) -> Value {
    Value::Text(bytes.as_ref().to_vec())
}

/// A dictionary with its keys sorted, as it should be.
pub(crate) fn dict<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let sorted: BTreeMap<&str, Value> = pairs.into_iter().collect();
    Value::Dict(sorted.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect())
}

impl Value {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
            Self::Text(bytes) => write_text(bytes, out),
            Self::List(items) => {
                out.push(b'l');
                items.iter().for_each(|item| item.write(out));
                out.push(b'e');
            }
            Self::Dict(pairs) => {
                out.push(b'd');
                for (key, value) in pairs {
                    write_text(key, out);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }

    /// Sets a key of a dictionary, keeping the keys sorted.
    pub(crate) fn set(&mut self, key: &str, value: Self) {
        let Self::Dict(pairs) = self else { panic!("only a dictionary has keys") };
        pairs.retain(|(other, _)| other != key.as_bytes());
        pairs.push((key.as_bytes().to_vec(), value));
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
    }
}

fn write_text(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

/// The value of bytes that are one whole value, whose dictionaries have sorted and unique keys;
/// `None` for any others.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    let (value, rest) = read(bytes)?;
    rest.is_empty().then_some(value)
}

fn read(bytes: &[u8]) -> Option<(Value, &[u8])> {
    match bytes {
        [b'i', rest @ ..] => {
            let (digits, rest) = split(rest, b'e')?;
            let number: i64 = digits.parse().ok()?;
            (number.to_string() == digits).then_some((Value::Int(number), rest))
        }
        [b'l', rest @ ..] => {
            let (mut items, mut rest) = (Vec::new(), rest);
            while !rest.starts_with(b"e") {
                let (item, after) = read(rest)?;
                items.push(item);
                rest = after;
            }
            Some((Value::List(items), &rest[1..]))
        }
        [b'd', rest @ ..] => {
            let (mut pairs, mut rest): (Vec<(Vec<u8>, Value)>, _) = (Vec::new(), rest);
            while !rest.starts_with(b"e") {
                let (Value::Text(key), after) = read(rest)? else { return None };
                if pairs.last().is_some_and(|(last, _)| *last >= key) {
                    return None;
                }
                let (value, after) = read(after)?;
                pairs.push((key, value));
                rest = after;
            }
            Some((Value::Dict(pairs), &rest[1..]))
        }
        [b'0'..=b'9', ..] => {
            let (digits, rest) = split(bytes, b':')?;
            let (text, rest) = rest.split_at_checked(digits.parse().ok()?)?;
            Some((Value::Text(text.to_vec()), rest))
        }
        _ => None,
    }
}

fn split(bytes: &[u8], end: u8) -> Option<(&str, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == end)?;
    Some((std::str::from_utf8(&bytes[..at]).ok()?, &bytes[at + 1..]))
}
