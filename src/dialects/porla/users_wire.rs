//! The body of the routes for logging in, and what they answer (section 2); users and keys as
//! methods of the later line (section 9).

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

/// A name and a password as parameters of a method.
#[derive(Deserialize)]
pub(super) struct NewLogin {
    pub(super) password: String,
    pub(super) username: String,
}

#[derive(Serialize)]
pub(super) struct Token<'a> {
    pub(super) token: &'a str,
}

#[derive(Serialize)]
pub(super) struct Status {
    pub(super) status: &'static str,
}

/// A key that is to be made (section 9).
#[derive(Deserialize)]
pub(super) struct NewKey {
    pub(super) expires_at: Option<i64>,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct KeyId {
    pub(super) id: String,
}

#[derive(Serialize)]
pub(super) struct MadeKey {
    pub(super) id: String,
    pub(super) key: String,
}

#[derive(Serialize)]
pub(super) struct Keys {
    pub(super) keys: Vec<Key>,
}

/// A key without its secret; times in Unix seconds.
#[derive(Serialize)]
pub(super) struct Key {
    pub(super) created_at: i64,
    pub(super) expires_at: Option<i64>,
    pub(super) id: String,
    pub(super) name: String,
}

/// What a login answers.
pub(super) fn token(token: &str) -> Vec<u8> {
    serde_json::to_vec(&Token { token }).unwrap_or_default()
}
