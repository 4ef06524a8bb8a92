//! What a request to the tracker's listeners goes through: as little as can be.
//!
//! There is no `Host` or `Origin` check, since a tracker is reached under any name and asks for
//! no cookie or token. The answer is made at once, so there is no task and no timer either.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use warp::Filter;
use warp::http::Method;
use warp::path::FullPath;

use crate::http::TrackerHandler;
use crate::http::connection::Ends;

/// What answers on the tracker's listeners.
pub(crate) struct Tracker {
    pub(crate) handler: TrackerHandler,
}

/// One request to the tracker, as it came over the wire. A body is never read.
pub struct TrackerCall<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
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
) -> impl Filter<Extract = (warp::reply::Response,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let answer = move |method: Method, path: FullPath, query: String| {
        let call = TrackerCall { method: &method, path: path.as_str(), query: &query, ends };
        let reply = (tracker.handler)(&call);
        let reply = if method == Method::HEAD { reply.without_body() } else { reply };
        reply.into_bare_response()
    };
    warp::method().and(warp::path::full()).and(query).map(answer)
}
