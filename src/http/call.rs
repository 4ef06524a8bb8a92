//! A request, ready to be routed: method, segments, query, headers, and a body still unread.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use tokio::time::timeout_at;
use warp::http::HeaderMap;
use warp::http::Method;

use crate::http::body;
use crate::http::body::BodyError;
use crate::http::body::BodyLimits;
use crate::http::body::Incoming;
use crate::http::body::Unread;
use crate::http::connection::Ends;

/// One request.
pub struct Call {
    method: Method,
    path: String,
    segments: Vec<String>,
    raw_query: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    ends: Ends,
    /// Behind a lock that is never waited for: it makes a call shareable while it is awaited.
    body: Mutex<Option<Incoming>>,
    body_due: Instant,
    body_limits: BodyLimits,
}

impl Call {
    /// `None` when the path is not UTF-8 once its percent escapes are resolved.
    pub(crate) fn new(
        method: Method,
        path: &str,
        query: &str,
        headers: HeaderMap,
        ends: Ends,
        body: Unread,
    ) -> Option<Self> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8().ok().map(Into::into);
        let parts = path.strip_prefix('/').unwrap_or(path);
        let parts = parts.strip_suffix('/').unwrap_or(parts);
        let segments: Option<Vec<String>> = match parts {
            "" => Some(Vec::new()),
            parts => parts.split('/').map(decode).collect(),
        };
        Some(Self {
            method,
            path: path.to_owned(),
            segments: segments?,
            raw_query: query.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers,
            ends,
            body: Mutex::new(Some(body.incoming)),
            body_due: body.due,
            body_limits: body.limits,
        })
    }

    /// The method as written, `GET` or another.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path between its slashes, percent escapes resolved.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether the path ends with a slash that is not all of it.
    pub fn trailing_slash(&self) -> bool {
        self.path.len() > 1 && self.path.ends_with('/')
    }

    /// The path with its percent escapes.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What stands after the `?`, with its percent escapes; empty when there is nothing.
    pub fn raw_query(&self) -> &str {
        &self.raw_query
    }

    /// The first value of a query parameter; a `+` reads as a blank.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a query parameter, in order.
    pub fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The names of all query parameters, in order, repeated ones too.
    pub fn query_names(&self) -> impl Iterator<Item = &str> {
        self.query.iter().map(|(name, _)| name.as_str())
    }

    /// A header's first value; `None` also when it is not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Every value of a header, in order; without those that are not ASCII.
    pub fn header_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Who calls; IPv4 is never in IPv6 form.
    pub fn peer(&self) -> SocketAddr {
        self.ends.peer
    }

    /// The address it was received on.
    pub fn local(&self) -> SocketAddr {
        self.ends.local
    }

    /// How large bodies may be, as configured.
    pub fn body_limits(&self) -> BodyLimits {
        self.body_limits
    }

    /// The whole body, read now; empty the second time.
    ///
    /// # Errors
    /// [`BodyError`]; past `limit_bytes` nothing more is read.
    pub async fn body(&mut self, limit_bytes: usize) -> Result<Bytes, BodyError> {
        let incoming = self.body.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(incoming) = incoming else { return Ok(Bytes::new()) };
        let read = timeout_at(self.body_due, body::read(incoming, limit_bytes)).await;
        read.unwrap_or(Err(BodyError::Late))
    }

    /// As [`Call::body`], for JSON: refuses what nests deeper than 64.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn json(&mut self, limit_bytes: usize) -> Result<Bytes, BodyError> {
        let whole = self.body(limit_bytes).await?;
        if body::is_too_deep(&whole) { Err(BodyError::TooDeep) } else { Ok(whole) }
    }
}
