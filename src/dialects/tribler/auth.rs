//! Who may: the key in each form that Tribler's clients use (rules W3, W4, W7, W8).

use crate::dialects::tribler::errors::Refusal;
use crate::domain::token::Grant;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::http::credentials;
use crate::http::credentials::Credentials;
use crate::http::credentials::Form;
use crate::service::auth::Auth;
use crate::service::auth::Denied;

/// Where clients of both generations put the key (section 1), beside the headers.
const FORMS: [Form; 3] = [Form::Query("apikey"), Form::Query("key"), Form::Cookie("api_key")];

/// Types that a page cannot send to a foreign host unasked.
const CONTENT_TYPES: [&str; 3] =
    ["application/json", "application/x-bittorrent", "applications/x-bittorrent"];

/// What a call needs. Whoever may only look cannot have links fetched or directories listed.
fn needed(call: &Call, words: &[&str]) -> Scope {
    match (credentials::is_change(call), words) {
        (false, ["torrentinfo" | "files", ..]) => Scope::Client,
        (false, _) => Scope::Read,
        (true, ["shutdown" | "settings", ..]) => Scope::Admin,
        (true, _) => Scope::Client,
    }
}

/// Refuses a call without the key, and one that a foreign web page may have caused. `words` are
/// the path without its prefix.
///
/// Runs before anything else, so a refused call has no effect and its body is not read.
pub(super) fn check(auth: &Auth, call: &Call, words: &[&str]) -> Result<Grant, Refusal> {
    let shown = Credentials::of(call, credentials::HEADERS.into_iter().chain(FORMS));
    let needed = needed(call, words);
    let checked = auth.check(call.peer().ip(), &shown.in_headers, &shown.others, needed);
    let grant = checked.map_err(|denied| match denied {
        Denied::Unauthorized => Refusal::handled(401, "Unauthorized access"),
        Denied::TooMany { retry_after_s } => Refusal::TooMany { retry_after_s },
        Denied::Forbidden { needed } => {
            Refusal::handled(403, format!("this needs a key that grants {}", needed.name()))
        }
    })?;
    if credentials::may_be_forged(call, &CONTENT_TYPES) {
        return Err(Refusal::handled(415, "a browser must send Content-Type: application/json"));
    }
    Ok(grant)
}
