//! Who may: the key in each form that Tribler's clients use (rules W3, W4, W7, W8).

use crate::dialects::tribler::errors::Refusal;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::service::auth::Auth;
use crate::service::auth::Denied;

/// What a call needs. Whoever may only look cannot have links fetched or directories listed.
fn needed(method: &str, words: &[&str]) -> Scope {
    match (method, words) {
        ("GET" | "HEAD" | "OPTIONS", ["torrentinfo" | "files", ..]) => Scope::Client,
        ("GET" | "HEAD" | "OPTIONS", _) => Scope::Read,
        (_, ["shutdown" | "settings", ..]) => Scope::Admin,
        _ => Scope::Client,
    }
}

/// Refuses a call without the key, and one that a foreign web page may have caused. `words` are
/// the path without its prefix.
///
/// Runs before anything else, so a refused call has no effect and its body is not read.
pub(super) fn check(auth: &Auth, call: &Call, words: &[&str]) -> Result<(), Refusal> {
    let by_header: Vec<&str> =
        [call.header("x-api-key"), call.header("authorization").and_then(bearer)]
            .into_iter()
            .flatten()
            .filter(|key| !key.is_empty())
            .collect();
    let cookie = call.header("cookie").and_then(cookie_key);
    let in_query = call.query_all("apikey").chain(call.query_all("key"));
    let others: Vec<&str> = in_query.chain(cookie).filter(|key| !key.is_empty()).collect();
    let is_change = !matches!(call.method().as_str(), "GET" | "HEAD" | "OPTIONS");
    let needed = needed(call.method().as_str(), words);
    auth.check(call.peer().ip(), &by_header, &others, needed).map_err(|denied| match denied {
        Denied::Unauthorized => Refusal::handled(401, "Unauthorized access"),
        Denied::TooMany { retry_after_s } => Refusal::TooMany { retry_after_s },
        Denied::Forbidden { needed } => {
            Refusal::handled(403, format!("this needs a key that grants {}", needed.name()))
        }
    })?;
    let from_browser = call.header("origin").is_some() || call.header("cookie").is_some();
    if is_change && from_browser && !is_declared(call.header("content-type").unwrap_or_default()) {
        return Err(Refusal::handled(415, "a browser must send Content-Type: application/json"));
    }
    Ok(())
}

/// The key in `Bearer KEY`; the scheme's case does not matter (RFC 9110).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn cookie_key(value: &str) -> Option<&str> {
    let mut pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == "api_key").map(|(_, key)| key.trim_matches('"'))
}

/// Whether a content type is one that a page cannot send to a foreign host unasked.
fn is_declared(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    let is = |one: &str| name.eq_ignore_ascii_case(one);
    is("application/json") || is("application/x-bittorrent") || is("applications/x-bittorrent")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule W3.
    #[test]
    fn w3_the_key_is_found_in_bearer_and_cookie() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
        assert_eq!(cookie_key("a=b; api_key=k; c=d"), Some("k"));
        assert_eq!(cookie_key("api_key=\"k\""), Some("k"));
        assert_eq!(cookie_key("xapi_key=k"), None);
    }

    /// Rule W7.
    #[test]
    fn w7_only_types_that_need_a_preflight_are_declared() {
        for fine in
            ["application/json", "Application/JSON; charset=utf-8", "applications/x-bittorrent"]
        {
            assert!(is_declared(fine), "{fine}");
        }
        for not in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
            assert!(!is_declared(not), "{not}");
        }
    }
}
