//! Figures: now, of libtorrent, and over time.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::stats_wire::EngineBody;
use crate::dialects::native::stats_wire::HistoryBody;
use crate::dialects::native::stats_wire::StatsBody;
use crate::dialects::native::wire;
use crate::domain::token::Scope;
use crate::service::history::Span;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/stats",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_stats(request)),
    },
    Route {
        method: "GET",
        path: "/v1/stats/engine",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_engine_stats(request)),
    },
    Route {
        method: "GET",
        path: "/v1/stats/history",
        needs: Scope::Read,
        query: &["span", "since"],
        run: |request| Box::pin(show_history(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(show_stats, show_engine_stats, show_history),
    tags((name = "stats", description = "Figures of the program, the client and the tracker"))
)]
struct Document;

/// Figures of now
#[utoipa::path(get, path = "/v1/stats", tag = "stats",
    responses((status = 200, description = "Process, client and tracker", body = StatsBody)))]
async fn show_stats(request: Request<'_>) -> Outcome {
    let stats = &request.services().stats;
    let (process, client) = (stats.process(), stats.client());
    let tracker = (stats.swarms(), stats.tracker());
    let version = stats.libtorrent_version();
    Ok(wire::reply(200, &StatsBody::of(version, &process, &client, tracker)))
}

/// libtorrent's own statistics
///
/// By libtorrent's names, for each session; at most a second old.
#[utoipa::path(get, path = "/v1/stats/engine", tag = "stats",
    responses((status = 200, description = "Every session", body = EngineBody)))]
async fn show_engine_stats(request: Request<'_>) -> Outcome {
    let stats = request.services().stats.engine().await?;
    Ok(wire::reply(200, &EngineBody::of(&stats)))
}

/// The tracker's figures over time
///
/// A row a minute for a day, or a row an hour for a year; a span cut short by a start or stop has
/// none.
#[utoipa::path(get, path = "/v1/stats/history", tag = "stats",
    params(("span" = Option<String>, Query, description = "`minute` (the default) or `hour`",
            pattern = "^(minute|hour)$"),
           ("since" = Option<i64>, Query,
            description = "Only rows that began then or later, Unix seconds; all by default")),
    responses((status = 200, description = "Rows, oldest first", body = HistoryBody)))]
async fn show_history(request: Request<'_>) -> Outcome {
    let (span, name) = match request.query("span") {
        None | Some("minute") => (Span::Minute, "minute"),
        Some("hour") => (Span::Hour, "hour"),
        Some(_) => {
            return Err(Problem::invalid("the query parameter `span` is minute or hour"));
        }
    };
    let since = request.parsed("since", "Unix seconds")?.unwrap_or(0);
    let rows = request.services().stats.history(span, since).await?;
    Ok(wire::reply(200, &HistoryBody::of(name, &rows)))
}
