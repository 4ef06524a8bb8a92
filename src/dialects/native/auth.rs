//! Who may: the token in each form that is taken, and what a browser has to show beside it
//! (rules W3, W4, W7, W8).

use crate::dialects::native::problem::Kind;
use crate::dialects::native::problem::Problem;
use crate::domain::token::Grant;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::http::credentials;
use crate::http::credentials::Credentials;
use crate::http::credentials::Form;
use crate::service::auth::Auth;
use crate::service::auth::Denied;

/// Query parameters that hold a token.
const IN_QUERY: [&str; 3] = ["token", "apikey", "key"];

/// Where a token may stand, beside the headers.
const FORMS: [Form; 4] =
    [Form::Query("token"), Form::Query("apikey"), Form::Query("key"), Form::Cookie("api_key")];

/// Types that a page cannot send to a foreign host unasked.
const CONTENT_TYPES: [&str; 2] = ["application/json", "application/x-bittorrent"];

/// Judges the token of a call. Runs before anything else, so a refused call has no effect and its
/// body is not read.
pub(super) fn check(auth: &Auth, call: &Call, needed: Scope) -> Result<Grant, Problem> {
    let shown = Credentials::of(call, credentials::HEADERS.into_iter().chain(FORMS));
    let checked = auth.check(call.peer().ip(), &shown.in_headers, &shown.others, needed);
    let grant = checked.map_err(refused)?;
    if credentials::may_be_forged(call, &CONTENT_TYPES) {
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
