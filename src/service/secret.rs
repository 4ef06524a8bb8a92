//! Secrets: random bits of the system's, shown once, and known by their digests from then on.

use sha2::Digest as _;
use sha2::Sha256;

use crate::domain::error::Error;
use crate::domain::error::Result;

/// SHA-256 of a secret.
pub(crate) type Digest = [u8; 32];

/// Random bytes that nobody can guess.
///
/// # Errors
/// Internal, when the system gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

/// A new token: 256 random bits in hex (rule W2).
///
/// # Errors
/// Internal, when the system gives no random bytes.
pub(crate) fn new_token() -> Result<String> {
    Ok(hex(&random::<32>()?))
}

/// What a secret is known by. A look-up by it takes no time that would tell anything of the secret,
/// since nobody can make digests that begin alike.
pub(crate) fn digest(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
