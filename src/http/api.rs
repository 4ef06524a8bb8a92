//! What a request to the API's listeners goes through before a dialect sees it.
//!
//! `Host` and `Origin` are checked before anything else is looked at.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use warp::Filter;
use warp::http::HeaderMap;
use warp::http::Method;
use warp::path::FullPath;

use crate::http::Handler;
use crate::http::body;
use crate::http::body::BodyLimits;
use crate::http::body::Unread;
use crate::http::call::Call;
use crate::http::connection::Ends;
use crate::http::guard::Guard;
use crate::http::reply::Reply;
use crate::http::unanswered::Refuse;
use crate::http::unanswered::Unanswered;

/// How much sooner than its answer a request's body is given up.
const LATE_BODY_TIME: Duration = Duration::from_secs(1);
/// Seconds after which what took too long may be tried again.
const RETRY_LATE_S: u32 = 5;

/// What answers on the API's listeners.
pub(crate) struct Api {
    pub(crate) handler: Handler,
    pub(crate) refuse: Refuse,
    pub(crate) guard: Guard,
    pub(crate) request_time: Duration,
    /// What may stand before every path, as behind a proxy: `/` and a name, or nothing.
    pub(crate) base_path: String,
    pub(crate) bodies: BodyLimits,
}

/// The one filter: any request becomes a call.
pub(crate) fn filter(
    api: Arc<Api>,
    ends: Ends,
) -> impl Filter<Extract = (warp::reply::Response,), Error = warp::Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, path, query: String, headers, stream| {
            let incoming = body::incoming(stream);
            let api = Arc::clone(&api);
            async move {
                let request = Parts { method, path, query, headers, ends, incoming };
                answer(&api, request).await.into_response()
            }
        })
}

struct Parts {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    ends: Ends,
    incoming: body::Incoming,
}

async fn answer(api: &Api, request: Parts) -> Reply {
    let Parts { method, path, query, headers, ends, incoming } = request;
    let is_head = method == Method::HEAD;
    let due = Instant::now() + api.request_time;
    let path = below(&api.base_path, path.as_str());
    let given = headers.get("x-request-id").and_then(|given| given.to_str().ok());
    let request_id = given.map(str::to_owned);
    let outcome = match api.guard.check(&headers) {
        Err(refused) => Err(Unanswered::new(403, refused.0)),
        Ok(()) => {
            let body = Unread { incoming, due, limits: api.bodies };
            match Call::new(method, path, &query, headers, ends, body) {
                Some(call) => limited(api, call).await,
                None => Err(Unanswered::new(400, "the path is not UTF-8")),
            }
        }
    };
    let reply = outcome.unwrap_or_else(|why| (api.refuse)(path, &why.named(request_id)));
    if is_head { reply.without_body() } else { reply }
}

/// The path without the base path before it. Whoever comes past the proxy writes none.
fn below<'a>(base_path: &str, path: &'a str) -> &'a str {
    match path.strip_prefix(base_path) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The handler's answer, within its time. A change runs to its end even when its caller goes away
/// or time is up, so that nothing is left half-done.
async fn limited(api: &Api, call: Call) -> Result<Reply, Unanswered> {
    let is_change = !matches!(*call.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let work = (api.handler)(call);
    // A body that is late is answered by the dialect, which needs a moment for it.
    let limit = api.request_time + LATE_BODY_TIME;
    let late =
        |_| Unanswered::new(503, "the answer takes too long; try again").retry_after(RETRY_LATE_S);
    if !is_change {
        return tokio::time::timeout(limit, work).await.map_err(late);
    }
    let done = tokio::time::timeout(limit, tokio::spawn(work)).await.map_err(late)?;
    done.map_err(|_| Unanswered::new(500, "internal error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_ends_at_a_slash() {
        for (base, path, rest) in [
            ("", "/v1/stats", "/v1/stats"),
            ("", "/", "/"),
            ("/a", "/a/v1", "/v1"),
            ("/a", "/a/", "/"),
            ("/a", "/a", "/"),
            ("/a", "/ab", "/ab"),
            ("/a", "/v1", "/v1"),
            ("/a/b", "/a/b/c", "/c"),
        ] {
            assert_eq!(below(base, path), rest, "{base} {path}");
        }
    }
}
