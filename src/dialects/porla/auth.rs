//! Who may: Porla's three places for a token (section 2), and the two headers of every family.

use crate::dialects::porla::text;
use crate::domain::token::Grant;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::http::Reply;
use crate::http::credentials;
use crate::http::credentials::Credentials;
use crate::http::credentials::Form;
use crate::service::auth::Auth;
use crate::service::auth::Denied;

/// The cookie that a login sets.
pub(super) const COOKIE: &str = "porla-auth-token";

/// `Authorization` loses seven characters whatever they are, so the form of every family is in it.
const FORMS: [Form; 4] = [
    Form::HeaderTail("x-porla-token"),
    Form::HeaderTail("authorization"),
    Form::Header("x-api-key"),
    Form::Cookie(COOKIE),
];

/// Lets in who shows a token that grants anything at all; the answer to everybody else.
pub(super) fn check(auth: &Auth, call: &Call) -> Result<Grant, Reply> {
    let shown = Credentials::of(call, FORMS);
    let checked = auth.check(call.peer().ip(), &shown.in_headers, &shown.others, Scope::Read);
    let grant = checked.map_err(|denied| match denied {
        Denied::Unauthorized => text(401, "Unauthorized"),
        Denied::TooMany { retry_after_s } => too_many(retry_after_s),
        Denied::Forbidden { needed } => forbidden(needed),
    })?;
    // The original does not look at the type; a foreign page must not profit from that (rule W7).
    if credentials::may_be_forged(call, &["application/json"]) {
        return Err(text(415, "A browser must send Content-Type: application/json"));
    }
    Ok(grant)
}

/// The token is right and grants too little.
pub(super) fn forbidden(needed: Scope) -> Reply {
    text(403, &format!("Forbidden: this needs a token that grants {}", needed.name()))
}

/// Too many wrong tokens or passwords from this address (rule W8).
pub(super) fn too_many(retry_after_s: u32) -> Reply {
    text(429, "Too many attempts").header("retry-after", &retry_after_s.to_string())
}
