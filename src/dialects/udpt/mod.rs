//! UDPT's REST API at `/t`, and the page at `/` that needs no token.
//!
//! The contract is quirky on purpose: a wrong token is 500, "no such torrent" is 405, a drop that
//! found nothing is 200. `docs/api/udpt.md` tells what is served.

mod errors;
mod wire;

use bytes::Bytes;

use crate::dialects::udpt::errors::Refusal;
use crate::domain::error::Error;
use crate::domain::hash::TorrentId;
use crate::domain::token::Scope;
use crate::http::BodyError;
use crate::http::Call;
use crate::http::Reply;
use crate::http::Unanswered;
use crate::http::credentials;
use crate::http::credentials::Credentials;
use crate::http::credentials::Form;
use crate::service::Services;
use crate::service::auth::Denied;

/// Where the token stands (section 2), beside the headers that every API here takes.
const FORMS: [Form; 1] = [Form::Query("token")];
/// Torrents of a list when nothing is said, and at most.
const LIMITS: (u32, u32) = (1000, 4000);
/// Bytes of a body.
const BODY_BYTES_MAX: usize = 4096;
/// What `/` shows; it loads nothing.
const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><title>Cove</title>\n",
    "<h1>Cove ",
    env!("CARGO_PKG_VERSION"),
    "</h1>\n<p>A BitTorrent client and tracker. Its APIs are described in <code>docs/api</code>."
);
/// What `/` says it is served by.
const SERVER: &str = concat!("cove/", env!("CARGO_PKG_VERSION"), "; speaks UDPT");

/// The dialect over the services.
pub struct Udpt {
    services: Services,
}

/// What was refused before it came here, or not answered.
pub fn refuse(why: &Unanswered) -> Reply {
    Refusal::of_unanswered(why).reply()
}

impl Udpt {
    /// Over `services`.
    pub fn new(services: Services) -> Self {
        Self { services }
    }

    /// Answers a call of this API.
    pub async fn answer(&self, mut call: Call) -> Reply {
        // Before anything else is looked at, and before any effect (rule W4).
        if let Err(refused) = self.authorize(&call) {
            return refused.reply();
        }
        self.route(&mut call).await.unwrap_or_else(Refusal::reply)
    }

    async fn route(&self, call: &mut Call) -> Result<Reply, Refusal> {
        let segments = call.segments().to_vec();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (call.method().as_str(), &words[..]) {
            ("GET", ["t"]) => self.list(call),
            ("GET", ["t", ih]) => self.show(&hash(ih)?),
            ("POST", ["t", ih]) => self.flag(hash(ih)?, call).await,
            ("DELETE", ["t", ih]) => self.forget(hash(ih)?).await,
            _ => Err(Refusal::not_allowed()),
        }
    }

    fn authorize(&self, call: &Call) -> Result<(), Refusal> {
        let shown = Credentials::of(call, credentials::HEADERS.into_iter().chain(FORMS));
        let needed = if credentials::is_change(call) { Scope::Tracker } else { Scope::Read };
        let from = call.peer().ip();
        match self.services.auth.check(from, &shown.in_headers, &shown.others, needed) {
            Ok(_) => Ok(()),
            Err(Denied::TooMany { retry_after_s }) => Err(Refusal::too_many(retry_after_s)),
            Err(Denied::Unauthorized | Denied::Forbidden { .. }) => Err(Refusal::access_denied()),
        }
    }

    fn list(&self, call: &Call) -> Result<Reply, Refusal> {
        let offset = number(call, "offset", 0)? as usize;
        let limit = number(call, "limit", LIMITS.0)?.min(LIMITS.1) as usize;
        let all = self.services.swarms.known();
        Ok(json(wire::list(all.iter().skip(offset).take(limit))))
    }

    fn show(&self, info_hash: &TorrentId) -> Result<Reply, Refusal> {
        let swarms = &self.services.swarms;
        let summary = swarms.find_known(info_hash).ok_or_else(Refusal::not_allowed)?;
        Ok(json(wire::torrent(&summary, &swarms.peers(info_hash))))
    }

    /// Adds, flags and unflags. The original does not add what is to be unflagged; its document
    /// says that it does.
    async fn flag(&self, info_hash: TorrentId, call: &mut Call) -> Result<Reply, Refusal> {
        let is_flagged = wish(call).await?;
        let Services { swarms, access, .. } = &self.services;
        let failed = |error: Error| Refusal::failed("failed to flag torrent", &error);
        match is_flagged && swarms.find_known(&info_hash).is_some() {
            true => access.set_flagged(info_hash, true).await.map_err(failed)?,
            false => access.register(info_hash, is_flagged).await.map_err(failed)?,
        }
        match swarms.find_known(&info_hash) {
            Some(summary) => Ok(json(wire::changed(&summary, &swarms.peers(&info_hash)))),
            // Another call has dropped it since.
            None => Ok(json(wire::OK.to_vec())),
        }
    }

    async fn forget(&self, info_hash: TorrentId) -> Result<Reply, Refusal> {
        let forgotten = self.services.access.forget(info_hash).await;
        let was_known =
            forgotten.map_err(|error| Refusal::failed("failed to delete torrent", &error))?;
        Ok(json(if was_known { wire::OK.to_vec() } else { wire::NOT_DELETED.to_vec() }))
    }
}

/// `GET /`: the original shows a page there, without a token.
pub fn front_page() -> Reply {
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    Reply::new(200)
        .header("content-type", "text/html; charset=utf-8")
        .header("server", SERVER)
        .header("content-security-policy", policy)
        .header("x-frame-options", "DENY")
        .bytes(PAGE)
}

/// Whether the torrent is to be flagged. An empty body is `false`, as the document says.
async fn wish(call: &mut Call) -> Result<bool, Refusal> {
    let length = call.header("content-length").map(str::parse::<u64>);
    if call.header("transfer-encoding").is_some() {
        return Err(Refusal::no_length());
    }
    let length = length.transpose().map_err(|_| Refusal::no_length())?.unwrap_or(0);
    if length > BODY_BYTES_MAX as u64 {
        return Err(Refusal::too_large());
    }
    let kind = call.header("content-type").map(is_json);
    let from_browser = credentials::is_from_browser(call);
    // A page may send a body of no type, or an empty one of a plain type, unasked (rule W7).
    let is_fine = match kind {
        Some(is_json) => is_json || (length == 0 && !from_browser),
        None => !from_browser,
    };
    if !is_fine {
        return Err(Refusal::wrong_type());
    }
    let body = read(call).await?;
    if body.is_empty() {
        return Ok(false);
    }
    wire::is_flagged(&body).map_err(|sentence| Refusal::bad_body(&sentence))
}

async fn read(call: &mut Call) -> Result<Bytes, Refusal> {
    call.json(BODY_BYTES_MAX).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::too_large(),
        BodyError::Late => Refusal::late_body(),
        BodyError::TooDeep => Refusal::bad_body("recursion limit exceeded"),
        BodyError::Broken => Refusal::bad_body("the body is broken off"),
    })
}

fn is_json(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("application/json")
}

fn number(call: &Call, name: &str, default: u32) -> Result<u32, Refusal> {
    let mut given = call.query_all(name);
    match (given.next(), given.next()) {
        (None, _) => Ok(default),
        (Some(text), None) => text.parse().map_err(|_| Refusal::bad_query()),
        (Some(_), Some(_)) => Err(Refusal::bad_query()),
    }
}

fn hash(digits: &str) -> Result<TorrentId, Refusal> {
    digits.parse().map_err(|_| Refusal::not_allowed())
}

fn json(body: Vec<u8>) -> Reply {
    Reply::new(200).json_bytes(body)
}
