//! The swarms of our own tracker: who announced what, and which of them are served.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::swarms_wire::OfSwarm;
use crate::dialects::native::swarms_wire::SwarmList;
use crate::dialects::native::swarms_wire::SwarmPatch;
use crate::dialects::native::swarms_wire::SwarmPeerRow;
use crate::dialects::native::swarms_wire::SwarmPeers;
use crate::dialects::native::swarms_wire::SwarmRow;
use crate::dialects::native::wire;
use crate::domain::error::Error;
use crate::domain::hash::AnyHash;
use crate::domain::hash::TorrentId;
use crate::domain::swarm::SwarmCounts;
use crate::domain::swarm::SwarmSummary;
use crate::domain::token::Scope;
use crate::http::Reply;
use crate::service::Services;
use crate::service::access::MarkWish;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/swarms",
        needs: Scope::Read,
        query: &["offset", "limit"],
        run: |request| Box::pin(list_swarms(request)),
    },
    Route {
        method: "GET",
        path: "/v1/swarms/{hash}",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_swarm(request)),
    },
    Route {
        method: "PATCH",
        path: "/v1/swarms/{hash}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(change_swarm(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/swarms/{hash}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(forget_swarm(request)),
    },
    Route {
        method: "GET",
        path: "/v1/swarms/{hash}/peers",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_swarm_peers(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(list_swarms, show_swarm, change_swarm, forget_swarm, list_swarm_peers),
    tags((name = "swarms", description = "What our own tracker sees"))
)]
struct Document;

/// The swarms
#[utoipa::path(get, path = "/v1/swarms", tag = "swarms",
    params(("offset" = Option<u64>, Query, description = "How many to pass over"),
           ("limit" = Option<u64>, Query, description = "How many to show; all when absent")),
    responses((status = 200, description = "A page of them", body = SwarmList)))]
async fn list_swarms(request: Request<'_>) -> Outcome {
    let number = "a whole number, 0 or more";
    let offset: usize = request.parsed("offset", number)?.unwrap_or(0);
    let limit: usize = request.parsed("limit", number)?.unwrap_or(usize::MAX);
    let services = request.services();
    let all = services.swarms.list();
    let page = all.iter().skip(offset).take(limit);
    let swarms = page.map(|swarm| row(services, swarm)).collect();
    Ok(wire::reply(200, &SwarmList { total: all.len(), offset, swarms }))
}

/// One swarm
#[utoipa::path(get, path = "/v1/swarms/{hash}", tag = "swarms", params(OfSwarm),
    responses((status = 200, description = "The swarm", body = SwarmRow)))]
async fn show_swarm(request: Request<'_>) -> Outcome {
    let swarm = find(&request, request.info_hash()?)?;
    Ok(wire::reply(200, &row(request.services(), &swarm)))
}

/// Lists or flags a swarm, or gives it a mode
///
/// All of it is made durable together, and holds from the next announce on. It may be done before
/// anybody announced.
#[utoipa::path(patch, path = "/v1/swarms/{hash}", tag = "swarms", params(OfSwarm),
    request_body = SwarmPatch, responses((status = 200, description = "As it is now",
                                          body = SwarmRow)))]
async fn change_swarm(mut request: Request<'_>) -> Outcome {
    let info_hash = request.info_hash()?;
    let body: SwarmPatch = request.json().await?;
    let wish = MarkWish {
        is_listed: body.is_listed,
        is_flagged: body.is_flagged,
        mode: body.mode.map(|mode| mode.map(Into::into)),
    };
    let services = request.services();
    services.access.set_marks(info_hash, wish).await?;
    let record = services.access.record(&info_hash);
    let counts = SwarmCounts { completed: record.completed, ..SwarmCounts::default() };
    let unseen = SwarmSummary { info_hash, counts, is_flagged: record.is_flagged };
    let swarm = services.swarms.get(&info_hash).unwrap_or(unseen);
    Ok(wire::reply(200, &row(services, &swarm)))
}

/// Forgets a swarm
///
/// Its peers, its count and its marks; peers that go on announcing make a new one.
#[utoipa::path(delete, path = "/v1/swarms/{hash}", tag = "swarms", params(OfSwarm),
    responses((status = 204, description = "Nothing is known of it")))]
async fn forget_swarm(request: Request<'_>) -> Outcome {
    match request.services().access.forget(request.info_hash()?).await? {
        true => Ok(Reply::new(204)),
        false => Err(unknown()),
    }
}

/// The peers of a swarm
#[utoipa::path(get, path = "/v1/swarms/{hash}/peers", tag = "swarms", params(OfSwarm),
    responses((status = 200, description = "All that announced lately", body = SwarmPeers)))]
async fn list_swarm_peers(request: Request<'_>) -> Outcome {
    let info_hash = request.info_hash()?;
    find(&request, info_hash)?;
    let peers = request.services().swarms.peers(&info_hash);
    let peers: Vec<SwarmPeerRow> = peers.iter().map(SwarmPeerRow::of).collect();
    Ok(wire::reply(200, &SwarmPeers { total: peers.len(), peers }))
}

fn find(request: &Request<'_>, info_hash: TorrentId) -> Result<SwarmSummary, Problem> {
    request.services().swarms.get(&info_hash).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Error::not_found("nothing is known of a swarm of this info-hash").into()
}

/// A swarm joined with its marks and with our torrent.
fn row(services: &Services, swarm: &SwarmSummary) -> SwarmRow {
    let record = services.access.record(&swarm.info_hash);
    let torrent = services.torrents.find(&AnyHash::Short(swarm.info_hash.0)).ok();
    SwarmRow::of(swarm, &record, torrent.map(|torrent| torrent.name.to_string()))
}
