//! A call that has found its route and shown its token, on its way to a handler.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::dialects::native::Native;
use crate::dialects::native::problem::Kind;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::wire;
use crate::domain::hash::AnyHash;
use crate::domain::hash::TorrentId;
use crate::domain::token::Grant;
use crate::domain::torrent::Torrent;
use crate::http::Call;
use crate::service::Services;

/// What a handler is given.
pub(super) struct Request<'a> {
    pub(super) native: &'a Native,
    pub(super) call: &'a mut Call,
    /// What stands in the places of the path, in order.
    pub(super) params: Vec<String>,
    /// Whom the call is from.
    pub(super) grant: Grant,
}

impl<'a> Request<'a> {
    /// What the program can do.
    pub(super) fn services(&self) -> &'a Services {
        &self.native.services
    }

    /// What stands in place number `place` of the path.
    pub(super) fn param(&self, place: usize) -> &str {
        self.params.get(place).map_or("", String::as_str)
    }

    /// A query parameter; an empty one counts as absent.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.call.query(name).filter(|value| !value.is_empty())
    }

    /// A query parameter that is a number or another value that can be read.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let parsed = self.query(name).map(str::parse).transpose();
        parsed.map_err(|_| Problem::invalid(format!("the query parameter `{name}` is {what}")))
    }

    /// A query parameter that is true or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.parsed(name, "true or false")
    }

    /// The torrent that the first place of the path means.
    pub(super) fn torrent(&self) -> Result<Arc<Torrent>, Problem> {
        let hash: AnyHash = self.param(0).parse().map_err(Problem::from)?;
        Ok(self.services().torrents.find(&hash)?)
    }

    /// The swarm that the first place of the path means.
    pub(super) fn info_hash(&self) -> Result<TorrentId, Problem> {
        info_hash(self.param(0))
    }

    /// A JSON body. A body of another type is refused, one that names none is taken for JSON.
    pub(super) async fn json<T: wire::Body>(&mut self) -> Result<T, Problem> {
        self.json_of(self.call.body_limits().json).await
    }

    /// As [`Request::json`], for JSON that may hold torrent files.
    pub(super) async fn json_with_torrents<T: wire::Body>(&mut self) -> Result<T, Problem> {
        self.json_of(self.call.body_limits().json_with_torrent()).await
    }

    async fn json_of<T: wire::Body>(&mut self, limit: usize) -> Result<T, Problem> {
        if !self.is_json() {
            return Err(no_json());
        }
        let body = self.call.json(limit).await;
        wire::parse(&body.map_err(|error| Problem::of_body(error, limit))?)
    }

    /// As [`Request::json`], for routes whose body may be left out.
    pub(super) async fn optional_json<T: wire::Body + Default>(&mut self) -> Result<T, Problem> {
        let limit = self.call.body_limits().json;
        let body = self.call.json(limit).await;
        let body = body.map_err(|error| Problem::of_body(error, limit))?;
        if body.is_empty() {
            return Ok(T::default());
        }
        if !self.is_json() {
            return Err(no_json());
        }
        wire::parse(&body)
    }

    /// A body of any type.
    pub(super) async fn body(&mut self, limit_bytes: usize) -> Result<Bytes, Problem> {
        let body = self.call.body(limit_bytes).await;
        body.map_err(|error| Problem::of_body(error, limit_bytes))
    }

    /// The type of the body, without its parameters.
    pub(super) fn content_type(&self) -> Option<&str> {
        let kind = self.call.header("content-type")?;
        Some(kind.split(';').next().unwrap_or_default().trim())
    }

    fn is_json(&self) -> bool {
        self.content_type().is_none_or(|kind| kind.eq_ignore_ascii_case("application/json"))
    }
}

fn no_json() -> Problem {
    let message = "send JSON, as Content-Type: application/json";
    Problem::new(Kind::UnsupportedMediaType, message)
}

/// An info-hash of a swarm: 40 hex digits.
pub(super) fn info_hash(text: &str) -> Result<TorrentId, Problem> {
    text.parse().map_err(|_| Problem::invalid("an info-hash of a swarm has 40 hex digits"))
}
