//! Who is in the swarm of a torrent, whether it is a share of ours or not.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::request::Request;
use crate::dialects::native::swarm_view_wire::SwarmBody;
use crate::dialects::native::wire;
use crate::domain::token::Scope;
use crate::domain::torrent::Torrent;
use crate::service::swarm_view;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/swarm",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(torrent_swarm(request)),
    },
    Route {
        method: "GET",
        path: "/v1/shares/{share}/swarm",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(share_swarm(request)),
    },
];

#[derive(OpenApi)]
#[openapi(paths(torrent_swarm, share_swarm))]
struct Document;

/// Who is in the swarm of a torrent
///
/// What our tracker was told, joined with what our own client sees: by whose key, from where, how
/// far, the claims beside the facts, and whether anybody else has all of it.
#[utoipa::path(get, path = "/v1/torrents/{hash}/swarm", tag = "torrents",
    params(("hash" = String, Path, description = "Its info-hash: 40 or 64 hex digits")),
    responses((status = 200, description = "Ourselves first, then by progress",
               body = SwarmBody)))]
async fn torrent_swarm(request: Request<'_>) -> Outcome {
    let torrent = request.torrent()?;
    answer(&request, &torrent).await
}

/// Who is in the swarm of a share
///
/// As `/v1/torrents/{hash}/swarm`, for a share by its name too.
#[utoipa::path(get, path = "/v1/shares/{share}/swarm", tag = "shares",
    params(("share" = String, Path, description = "Its info-hash, or its whole name")),
    responses((status = 200, description = "Ourselves first, then by progress",
               body = SwarmBody)))]
async fn share_swarm(request: Request<'_>) -> Outcome {
    let view = request.services().shares.find(request.param(0))?;
    answer(&request, &view.torrent).await
}

async fn answer(request: &Request<'_>, torrent: &Torrent) -> Outcome {
    let services = request.services();
    let seen = (&services.torrents, &services.swarms);
    let known = (&services.friends, &services.accounts);
    let view = swarm_view::of_torrent(torrent, seen, known).await?;
    Ok(wire::reply(200, &SwarmBody::of(torrent, &view)))
}
