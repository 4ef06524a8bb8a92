//! Porla's JSON-RPC API of 0.41 at `/api/v1/jsonrpc`, its logins, its state and its events.
//! `docs/api/porla.md` says what differs from the original, and why.
//!
//! This file is the routes; `methods.rs` is the table of methods, `json.rs` the envelope, the
//! `*_wire.rs` files are parameters and results, the other files are one subject each.

mod add;
mod auth;
mod bencode;
mod details;
mod errors;
mod events;
mod events_wire;
mod json;
mod keys;
mod list;
mod list_wire;
mod methods;
mod overview;
mod presets;
mod presets_wire;
mod server;
mod server_wire;
mod sessions;
mod sessions_wire;
mod torrents;
mod torrents_wire;
mod users;
mod users_wire;

use std::sync::Arc;

use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Caller;
use crate::dialects::porla::json::HashParam;
use crate::dialects::porla::json::Params;
use crate::domain::torrent::Torrent;
use crate::http::BodyError;
use crate::http::Call;
use crate::http::EventStreams;
use crate::http::Reply;
use crate::http::Unanswered;
use crate::service::Services;

/// The dialect over the services.
pub struct Porla {
    services: Services,
    streams: EventStreams,
}

/// Whether a path is this API's.
pub fn owns(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["api", "v1", "jsonrpc" | "system" | "events"] | ["api", "v1", "auth", "init" | "login"]
    )
}

/// What was refused before it came here, or not answered: plain text, as whatever is no JSON-RPC.
pub fn refuse(why: &Unanswered) -> Reply {
    text(why.status, &why.message)
}

impl Porla {
    /// Over `services`; event streams take their places from `streams`.
    pub fn new(services: Services, streams: EventStreams) -> Self {
        Self { services, streams }
    }

    /// Answers a call of this API.
    pub async fn answer(&self, mut call: Call) -> Reply {
        let segments = call.segments().to_vec();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        if call.trailing_slash() {
            return not_found();
        }
        match (call.method().as_str(), words.as_slice()) {
            ("POST", [.., "jsonrpc"]) => self.rpc(&mut call).await,
            ("GET" | "HEAD", [.., "events"]) => self.follow(&call),
            ("GET" | "HEAD", [.., "system"]) => self.system(),
            ("POST", [.., "init"]) => self.init(&mut call).await,
            ("POST", [.., "login"]) => self.login(&mut call).await,
            _ => not_found(),
        }
    }

    /// One JSON-RPC call. The token is judged before the body is read; which scope is needed is in
    /// the body, and is judged before anything is done (rule W4).
    async fn rpc(&self, call: &mut Call) -> Reply {
        let grant = match auth::check(&self.services.auth, call) {
            Ok(grant) => grant,
            Err(reply) => return *reply,
        };
        let body = match call.json(call.body_limits().json_with_torrent()).await {
            Ok(body) => body,
            Err(BodyError::TooDeep) => {
                return ok(json::parse_error("the JSON nests deeper than 64"));
            }
            Err(BodyError::TooLarge) => return text(413, "Payload too large"),
            Err(BodyError::Late) => return text(408, "Request timeout"),
            Err(BodyError::Broken) => return text(400, "Bad request"),
        };
        let request = match json::Request::read(&body) {
            Ok(request) => request,
            Err(answer) => return ok(answer),
        };
        drop(body);
        let Some(method) = methods::find(request.method()) else {
            return ok(json::unknown_method());
        };
        if !grant.scopes.allow(method.needed) {
            return auth::forbidden(method.needed);
        }
        let (id, params) = request.into_parts();
        let (address, torrent_bytes_max) = (call.peer().ip(), call.body_limits().torrent);
        let by = Caller { address, grant, torrent_bytes_max };
        let params = match params {
            Ok(members) => Params::new(members, by),
            Err(why) => return ok(json::internal_error(&why)),
        };
        ok(match (method.run)(self, params).await {
            Ok(result) => json::success(&id, &result),
            Err(failure) => failure.text(&id),
        })
    }

    /// The torrent that a parameter means.
    fn find(&self, hash: &HashParam) -> Result<Arc<Torrent>, Failure> {
        let found = hash.0.iter().find_map(|hash| self.services.torrents.find(hash).ok());
        found.ok_or_else(|| Failure::of(-1, "Torrent not found in any session"))
    }
}

/// The answer to every authorised call.
fn ok(body: Vec<u8>) -> Reply {
    Reply::new(200).json_bytes(body)
}

fn text(status: u16, body: &str) -> Reply {
    Reply::new(status).header("content-type", "text/plain").bytes(body.to_owned())
}

fn not_found() -> Reply {
    text(404, "Not found")
}
