//! What a request to the tracker's listeners goes through: as little as can be.
//!
//! There is no `Host` or `Origin` check, since a tracker is reached under any name and asks for
//! no cookie or token. The answer is made at once, so there is no task and no timer either.

use std::convert::Infallible;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use warp::Filter;
use warp::http::HeaderValue;
use warp::http::Method;
use warp::http::Request;
use warp::http::header::HeaderName;
use warp::path::FullPath;
use warp::reply::Response;

use crate::domain::network::Network;
use crate::http::ForwardedError;
use crate::http::Reply;
use crate::http::TrackerHandler;
use crate::http::connection::Ends;
use crate::http::forwarded;

/// What answers on the tracker's listeners.
pub(crate) struct Tracker {
    pub(crate) handler: TrackerHandler,
    pub(crate) proxies: Vec<Network>,
}

impl Tracker {
    /// Answers a request; `forwarded` are the lines of `X-Forwarded-For` that may be believed.
    pub(crate) fn answer(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        forwarded: &[HeaderValue],
        ends: Ends,
    ) -> Reply {
        let proxies = &self.proxies;
        (self.handler)(&TrackerCall { method, path, query, forwarded, proxies, ends })
    }
}

/// One request to the tracker, as it came over the wire. A body is never read.
pub struct TrackerCall<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    forwarded: &'a [HeaderValue],
    proxies: &'a [Network],
    ends: Ends,
}

impl TrackerCall<'_> {
    /// The method as written, `GET` or another.
    pub fn method(&self) -> &Method {
        self.method
    }

    /// The path with its percent escapes.
    pub fn path(&self) -> &str {
        self.path
    }

    /// What stands after the `?`, with its percent escapes; empty when there is nothing.
    pub fn query(&self) -> &str {
        self.query
    }

    /// The address that the call is from: the peer's, or what a trusted proxy says (rule W12).
    ///
    /// # Errors
    /// [`ForwardedError`], when a trusted proxy does not say it.
    pub fn client(&self) -> Result<IpAddr, ForwardedError> {
        let lines = self.forwarded.iter().map(HeaderValue::as_bytes);
        forwarded::client_address(lines, self.ends.peer.ip(), self.proxies)
    }

    /// Who is at the other end of the socket; IPv4 is never in IPv6 form.
    pub fn peer(&self) -> SocketAddr {
        self.ends.peer
    }

    /// The address it was received on.
    pub fn local(&self) -> SocketAddr {
        self.ends.local
    }
}

/// The one filter: any request becomes a call.
pub(crate) fn filter(
    tracker: Arc<Tracker>,
    ends: Ends,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let answer = move |method: Method, path: FullPath, query: String, lines: Option<Forwarded>| {
        let forwarded = lines.as_ref().map_or(&[][..], |lines| &lines.0);
        let reply = tracker.answer(&method, path.as_str(), &query, forwarded, ends);
        let reply = if method == Method::HEAD { reply.without_body() } else { reply };
        reply.into_bare_response()
    };
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::ext::optional::<Forwarded>())
        .map(answer)
}

/// The lines of `X-Forwarded-For`. They travel beside the request since warp hands out headers
/// either singly or all of them, cloned; only proxies send any.
#[derive(Clone)]
struct Forwarded(Arc<[HeaderValue]>);

/// Takes note of what a trusted proxy says; anybody else's word would not be looked at.
pub(crate) fn note_forwarded<B>(request: &mut Request<B>, tracker: &Tracker) {
    const NAME: HeaderName = HeaderName::from_static("x-forwarded-for");
    if !tracker.proxies.is_empty() && request.headers().contains_key(NAME) {
        let lines = request.headers().get_all(NAME).iter().cloned().collect();
        request.extensions_mut().insert(Forwarded(lines));
    }
}
