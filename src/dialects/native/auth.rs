//! Who may: the token in each form that is taken, and what a browser has to show beside it
//! (rules W3, W4, W7, W8).

use crate::dialects::native::problem::Kind;
use crate::dialects::native::problem::Problem;
use crate::domain::token::Grant;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::service::auth::Auth;
use crate::service::auth::Denied;

/// Query parameters that hold a token.
const IN_QUERY: [&str; 3] = ["token", "apikey", "key"];

/// Judges the token of a call. Runs before anything else, so a refused call has no effect and its
/// body is not read.
pub(super) fn check(auth: &Auth, call: &Call, needed: Scope) -> Result<Grant, Problem> {
    let bearer = call.header("authorization").and_then(bearer);
    let in_headers: Vec<&str> =
        [call.header("x-api-key"), bearer].into_iter().flatten().filter(is_shown).collect();
    let cookie = call.header("cookie").and_then(cookie_token);
    let in_query = IN_QUERY.iter().flat_map(|name| call.query_all(name));
    let others: Vec<&str> = in_query.chain(cookie).filter(is_shown).collect();
    let grant = auth.check(call.peer().ip(), &in_headers, &others, needed).map_err(refused)?;
    let is_change = !matches!(call.method().as_str(), "GET" | "HEAD" | "OPTIONS");
    let from_browser = call.header("origin").is_some() || call.header("cookie").is_some();
    if is_change && from_browser && !is_declared(call.header("content-type").unwrap_or_default()) {
        let message = "a browser must send Content-Type: application/json with every change";
        return Err(Problem::new(Kind::UnsupportedMediaType, message));
    }
    Ok(grant)
}

/// Refuses query parameters that a route does not know.
pub(super) fn check_query(call: &Call, known: &[&str]) -> Result<(), Problem> {
    let is_known = |name: &&str| known.contains(name) || IN_QUERY.contains(name);
    let unknown = call.query_names().find(|name| !is_known(name));
    let Some(unknown) = unknown else { return Ok(()) };
    let known = match known {
        [] => "this path takes none".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    Err(Problem::invalid(format!("there is no query parameter `{unknown}`; {known}")))
}

fn is_shown(token: &&str) -> bool {
    !token.is_empty()
}

/// The token in `Bearer TOKEN`; the scheme's case does not matter (RFC 9110).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie_token(value: &str) -> Option<&str> {
    let mut pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == "api_key").map(|(_, token)| token.trim_matches('"'))
}

fn refused(denied: Denied) -> Problem {
    match denied {
        Denied::Unauthorized => Problem::new(
            Kind::Unauthorized,
            "show a valid token: send the header `Authorization: Bearer TOKEN`",
        ),
        Denied::TooMany { retry_after_s } => Problem::new(
            Kind::TooManyAttempts,
            format!("too many wrong tokens from this address; wait {retry_after_s} s"),
        )
        .retry_after(retry_after_s),
        Denied::Forbidden { needed } => {
            let needed = needed.name();
            let message = format!("this token does not grant `{needed}`; use one that does");
            Problem::new(Kind::InsufficientScope, message)
        }
    }
}

/// Whether a content type is one that a page cannot send to a foreign host unasked.
fn is_declared(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/x-bittorrent"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules W3 and W7.
    #[test]
    fn w3_tokens_are_found_and_w7_types_of_pages_are_not_enough() {
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(cookie_token("a=b; api_key=\"k\"; c=d"), Some("k"));
        assert!(is_declared("Application/JSON; charset=utf-8"));
        assert!(!is_declared("text/plain") && !is_declared(""));
    }
}
