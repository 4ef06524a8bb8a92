//! An answer: status, headers, and a body of bytes or a stream.

use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use futures_util::Stream;
use warp::Reply as _;
use warp::http::HeaderMap;
use warp::http::HeaderValue;
use warp::http::StatusCode;
use warp::http::header;
use warp::http::header::HeaderName;
use warp::reply::Response;

use crate::http::events::EventPlace;
use crate::http::events::Feed;
use crate::http::events::Live;

/// One answer.
pub struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Body,
}

enum Body {
    Whole(Bytes),
    Stream(u64, Chunks),
    Live(Chunks),
}

/// Marks an answer whose body is a live stream, for the connection that sends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsLive;

impl Reply {
    /// An empty answer.
    pub fn new(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Body::Whole(Bytes::new()) }
    }

    /// With one more header. A value that HTTP cannot carry is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With a content type that needs no checking.
    #[must_use]
    pub fn content_type(mut self, value: &'static str) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        self
    }

    /// With these bytes as body.
    #[must_use]
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// With JSON text as body.
    #[must_use]
    pub fn json_bytes(self, body: Vec<u8>) -> Self {
        self.content_type("application/json").bytes(body)
    }

    /// With a stream of exactly `content_length` bytes; one that ends early breaks the connection.
    #[must_use]
    pub fn stream(
        mut self,
        content_length: u64,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        self.body = Body::Stream(content_length, Chunks(Mutex::new(Box::pin(body))));
        self
    }

    /// With a live stream of events as body, for as long as the reader stays.
    #[must_use]
    pub fn events(mut self, place: EventPlace, feed: Feed) -> Self {
        self.body = Body::Live(Chunks(Mutex::new(Box::pin(Live::new(place, feed)))));
        // A reverse proxy that buffers would keep events back.
        self.header("content-type", "text/event-stream").header("x-accel-buffering", "no")
    }

    /// The same answer to a HEAD request: the length stands, the bytes do not.
    pub(crate) fn without_body(mut self) -> Self {
        let length = match &self.body {
            Body::Whole(bytes) => bytes.len() as u64,
            Body::Stream(length, _) => *length,
            Body::Live(_) => {
                self.body = Body::Whole(Bytes::new());
                return self;
            }
        };
        self.body = Body::Whole(Bytes::new());
        self.header("content-length", &length.to_string())
    }

    /// What was answered.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Status, headers and body; `None` for a stream.
    pub(crate) fn into_whole(self) -> Option<(u16, HeaderMap, Bytes)> {
        match self.body {
            Body::Whole(bytes) => Some((self.status, self.headers, bytes)),
            Body::Stream(..) | Body::Live(_) => None,
        }
    }

    /// As warp sends it, with the headers of rule W10.
    pub(crate) fn into_response(self) -> Response {
        let own = [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ];
        let mut response = self.into_bare_response();
        for (name, value) in own {
            let headers = response.headers_mut();
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        response
    }

    /// As warp sends it, with the headers that were asked for and no others.
    pub(crate) fn into_bare_response(mut self) -> Response {
        let mut response = match self.body {
            Body::Whole(bytes) => Response::new(bytes.into()),
            Body::Stream(length, chunks) => {
                self.headers.insert(header::CONTENT_LENGTH, length.into());
                warp::reply::stream(chunks).into_response()
            }
            Body::Live(chunks) => {
                let mut response = warp::reply::stream(chunks).into_response();
                response.extensions_mut().insert(IsLive);
                response
            }
        };
        let fallback = StatusCode::INTERNAL_SERVER_ERROR;
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(fallback);
        *response.headers_mut() = self.headers;
        response
    }
}

/// A stream that warp accepts: it wants `Sync`, which a lock nobody ever waits for gives.
struct Chunks(Mutex<Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>>);

impl Stream for Chunks {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let inner = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.as_mut().poll_next(context)
    }
}
