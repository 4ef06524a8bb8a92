//! The frame of a stored record: a version, a checksum, the payload (rule D2).

use sha2::Digest;
use sha2::Sha256;

/// The version of every record that this program writes.
const VERSION: u8 = 1;
/// Bytes of SHA-256 that guard a record: enough against accident, which is all it is for.
const CHECKSUM_BYTES: usize = 8;

/// `payload` with its frame.
pub(crate) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(1 + CHECKSUM_BYTES + payload.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&checksum(payload));
    sealed.extend_from_slice(payload);
    sealed
}

/// The payload of a sealed record.
///
/// # Errors
/// What is wrong with it, in a few words.
pub(crate) fn open(sealed: &[u8]) -> Result<&[u8], String> {
    let Some((&version, rest)) = sealed.split_first() else {
        return Err("it is empty".into());
    };
    if version != VERSION {
        return Err(format!("its version is {version}, not {VERSION}"));
    }
    let Some((sum, payload)) = rest.split_at_checked(CHECKSUM_BYTES) else {
        return Err("it is cut off".into());
    };
    if sum == checksum(payload) { Ok(payload) } else { Err("its checksum is wrong".into()) }
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(payload);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Rule D4: what was sealed opens as it was, and no single changed byte goes unnoticed.
        #[test]
        fn a_changed_byte_is_noticed(payload: Vec<u8>, at: usize, flip in 1u8..) {
            let mut sealed = seal(&payload);
            prop_assert_eq!(open(&sealed).unwrap(), &payload[..]);
            let at = at % sealed.len();
            sealed[at] ^= flip;
            prop_assert!(open(&sealed).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = open(&bytes);
        }
    }
}
