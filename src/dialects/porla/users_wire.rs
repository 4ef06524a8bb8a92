//! The body of the routes for logging in, and what they answer (section 2).

use serde::Deserialize;
use serde::Serialize;

/// A name and a password; each may be missing.
#[derive(Deserialize)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

/// The body of a request, or the parser's message.
pub(super) fn login(body: &[u8]) -> Result<Login, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
}

/// What a login answers.
pub(super) fn token(token: &str) -> Vec<u8> {
    serde_json::to_vec(&Token { token }).unwrap_or_default()
}
