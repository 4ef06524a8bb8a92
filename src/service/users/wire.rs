//! The token of a login as Porla's clients know it: a JSON Web Token signed with HMAC-SHA-256
//! (Porla section 2). The one JSON on this floor, since the token is made of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde::Deserialize;
use serde::Serialize;
use sha2::Sha256;

const ISSUER: &str = "porla";
const ALGORITHM: &str = "HS256";

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: String,
}

/// What a token says; times in Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Always `porla`.
    pub(super) iss: String,
    /// When it was made.
    #[serde(default)]
    pub(super) iat: i64,
    /// Who logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    /// The first second in which it is no longer good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exp: Option<i64>,
}

impl Default for Claims {
    fn default() -> Self {
        Self { iss: ISSUER.into(), iat: 0, sub: None, exp: None }
    }
}

/// The token that says so.
pub(super) fn signed(key: &[u8], claims: &Claims) -> String {
    let header = Header { alg: ALGORITHM.into(), typ: "JWS".into() };
    let part = |json: serde_json::Result<Vec<u8>>| URL_SAFE_NO_PAD.encode(json.unwrap_or_default());
    let head = part(serde_json::to_vec(&header));
    let text = format!("{head}.{}", part(serde_json::to_vec(claims)));
    let signature = mac(key, &text).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What a token says, if it was signed with `key` and nothing else was agreed upon in it. Whether
/// it is expired is for the caller to say.
pub(super) fn verified(key: &[u8], token: &str) -> Option<Claims> {
    let (text, signature) = token.rsplit_once('.')?;
    let (header, claims) = text.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    mac(key, text)?.verify_slice(&decode(signature)?).ok()?;
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    let claims: Claims = serde_json::from_slice(&decode(claims)?).ok()?;
    (header.alg == ALGORITHM && claims.iss == ISSUER).then_some(claims)
}

fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length.
    Some(Hmac::<Sha256>::new_from_slice(key).ok()?.chain_update(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.1: its key and text have its signature, made by others.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = URL_SAFE_NO_PAD.decode(key).unwrap();
        let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = mac(&key, text).unwrap().finalize().into_bytes();
        let expected = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(URL_SAFE_NO_PAD.encode(signature), expected);
        assert_eq!(verified(&key, &format!("{text}.{expected}")), None, "another issuer");
    }

    /// Porla section 2: header and claims, and tokens without `exp` and `sub`.
    #[test]
    fn tokens_have_porlas_form() {
        let claims = Claims { iat: 5, sub: Some("ann".into()), exp: Some(9), ..Claims::default() };
        let token = signed(b"key", &claims);
        let parts: Vec<_> = token.split('.').take(2).collect();
        let json = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(json(parts[0]), r#"{"alg":"HS256","typ":"JWS"}"#);
        assert_eq!(json(parts[1]), r#"{"iss":"porla","iat":5,"sub":"ann","exp":9}"#);
        assert_eq!(verified(b"key", &token), Some(claims));
        let endless = signed(b"key", &Claims { iat: 5, ..Claims::default() });
        assert_eq!(verified(b"key", &endless).unwrap().exp, None);
    }

    #[test]
    fn whatever_was_touched_is_refused() {
        let token = signed(b"key", &Claims::default());
        assert_eq!(verified(b"other", &token), None);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let touched = String::from_utf8(bytes).unwrap();
            assert_eq!(verified(b"key", &touched), None, "{at}: {touched}");
        }
        let claims = token.split('.').nth(1).unwrap();
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, r#"{"typ":"JWS"}"#] {
            let text = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
            let signature = mac(b"key", &text).unwrap().finalize().into_bytes();
            let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(verified(b"key", &token), None, "{header}");
        }
        for odd in ["", ".", "..", "a.b", "a.b.c", "....", &format!("{token}."), &"x".repeat(99)] {
            assert_eq!(verified(b"key", odd), None, "{odd}");
        }
    }
}
