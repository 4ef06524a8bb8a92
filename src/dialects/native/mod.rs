//! The API of this program itself, at `/v1`: client, tracker and statistics in one.
//!
//! Each file below holds one subject: its handlers, its rows of the route table and its part of
//! the OpenAPI document. To add a subject, write such a file and name it in `GROUPS`. This file
//! finds the route of a call; nothing happens before the token is judged (rule W4).
//! `docs/api/native.md` is the manual.

mod access;
mod access_wire;
mod account_wire;
mod auth;
mod bulk;
mod docs;
mod doctor;
mod doctor_wire;
mod events;
mod events_wire;
mod friends;
mod friends_wire;
mod listing;
mod openapi;
mod parts;
mod parts_wire;
mod problem;
mod request;
mod sessions;
mod sessions_wire;
mod settings;
mod settings_wire;
mod shares;
mod shares_wire;
mod state_wire;
mod stats;
mod stats_wire;
mod swarm_view;
mod swarm_view_wire;
mod swarms;
mod swarms_wire;
mod tokens;
mod tokens_wire;
mod torrents;
mod torrents_wire;
mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use crate::dialects::native::docs::Documents;
use crate::dialects::native::listing::Rows;
use crate::dialects::native::problem::Kind;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::http::EventStreams;
use crate::http::Reply;
use crate::http::Unanswered;
use crate::service::Services;

/// What a handler comes to.
type Outcome = Result<Reply, Problem>;

/// A handler at work.
type Answer<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One route: what it is called by, what it takes, and who answers it.
struct Route {
    method: &'static str,
    /// Below the server, with `{name}` for a part that varies; as in the OpenAPI document.
    path: &'static str,
    needs: Scope,
    /// The query parameters that it knows; any other one is refused, since it may be misspelt.
    query: &'static [&'static str],
    run: for<'a> fn(Request<'a>) -> Answer<'a>,
}

/// A subject: its routes, and what the OpenAPI document says of them.
struct Group {
    routes: &'static [Route],
    document: fn() -> utoipa::openapi::OpenApi,
}

/// Every subject.
const GROUPS: &[Group] = &[
    torrents::GROUP,
    bulk::GROUP,
    parts::GROUP,
    swarms::GROUP,
    access::GROUP,
    tokens::GROUP,
    shares::GROUP,
    swarm_view::GROUP,
    friends::GROUP,
    events::GROUP,
    stats::GROUP,
    doctor::GROUP,
    sessions::GROUP,
    settings::GROUP,
    docs::GROUP,
];

/// The dialect over the services.
pub struct Native {
    services: Services,
    streams: EventStreams,
    documents: OnceLock<Documents>,
    rows: Rows,
}

impl Native {
    /// Over `services`; event streams take their places from `streams`.
    pub fn new(services: Services, streams: EventStreams) -> Self {
        Self { services, streams, documents: OnceLock::new(), rows: Rows::default() }
    }

    /// Answers a call below `/v1`.
    pub async fn answer(&self, mut call: Call) -> Reply {
        let outcome = self.route(&mut call).await;
        outcome.unwrap_or_else(Problem::into_reply)
    }

    async fn route(&self, call: &mut Call) -> Outcome {
        let segments = call.segments().to_vec();
        let found = if call.trailing_slash() { Vec::new() } else { routes_of(&segments) };
        let method = if call.method() == "HEAD" { "GET" } else { call.method().as_str() };
        let route = found.iter().find(|route| route.method == method);
        let needed = route.map_or(Scope::Read, |route| route.needs);
        let grant = auth::check(&self.services.auth, call, needed)?;
        let Some(route) = route else { return Err(no_route(&found)) };
        auth::check_query(call, route.query)?;
        let params = params_of(route.path, &segments);
        (route.run)(Request { native: self, call, params, grant }).await
    }

    /// What describes this API; made when it is first asked for.
    fn documents(&self) -> &Documents {
        self.documents.get_or_init(Documents::new)
    }
}

/// A call that did not come here, or was not answered, as a problem.
pub fn refuse(why: &Unanswered) -> Reply {
    Problem::of_unanswered(why).into_reply()
}

/// Every route of every subject.
fn routes() -> impl Iterator<Item = &'static Route> {
    GROUPS.iter().flat_map(|group| group.routes)
}

/// The routes of the path that fits best: a word that is spelt out counts more than a place.
fn routes_of(segments: &[String]) -> Vec<&'static Route> {
    let fitting = || routes().filter(|route| fits(route.path, segments));
    let places = |path: &str| path.matches('{').count();
    let Some(best) = fitting().min_by_key(|route| places(route.path)) else { return Vec::new() };
    fitting().filter(|route| route.path == best.path).collect()
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

fn fits(path: &str, segments: &[String]) -> bool {
    parts(path).count() == segments.len()
        && parts(path).zip(segments).all(|(part, segment)| part.starts_with('{') || part == segment)
}

/// What stands in the places of a path, in order.
fn params_of(path: &str, segments: &[String]) -> Vec<String> {
    let placed = parts(path).zip(segments).filter(|(part, _)| part.starts_with('{'));
    placed.map(|(_, segment)| segment.clone()).collect()
}

fn no_route(of_path: &[&Route]) -> Problem {
    if of_path.is_empty() {
        let message = "there is no such path; /v1/docs lists every one that there is";
        return Problem::new(Kind::NoSuchPath, message);
    }
    let allowed: Vec<&str> = of_path.iter().map(|route| route.method).collect();
    let allowed = allowed.join(", ");
    let message = format!("this path takes {allowed}");
    Problem::new(Kind::MethodNotAllowed, message).allowing(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Vec<String> {
        parts(path).map(str::to_owned).collect()
    }

    #[test]
    fn a_word_that_is_spelt_out_counts_more_than_a_place() {
        assert!(fits("/v1/a/{b}", &segments("/v1/a/x")) && !fits("/v1/a/{b}", &segments("/v1/a")));
        assert_eq!(params_of("/v1/{a}/b/{c}", &segments("/v1/1/b/2")), ["1", "2"]);
        let found = routes_of(&segments("/v1/openapi.json"));
        assert_eq!(found.iter().map(|route| route.method).collect::<Vec<_>>(), ["GET"]);
        assert!(routes_of(&segments("/v1/nothing/of/this/kind/exists")).is_empty());
    }

    #[test]
    fn no_route_stands_there_twice() {
        let mut all: Vec<_> = routes().map(|route| (route.path, route.method)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
