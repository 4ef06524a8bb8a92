//! Shares: the user's own files as private, tracked swarms; those in the making, and those made.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::shares_wire::JobList;
use crate::dialects::native::shares_wire::JobRow;
use crate::dialects::native::shares_wire::ShareBody;
use crate::dialects::native::shares_wire::ShareChange;
use crate::dialects::native::shares_wire::ShareList;
use crate::dialects::native::shares_wire::ShareRow;
use crate::dialects::native::wire;
use crate::domain::token::Scope;
use crate::http::Reply;
use crate::service::share_jobs::JobView;
use crate::service::shares::ShareView;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/shares",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_shares(request)),
    },
    Route {
        method: "POST",
        path: "/v1/shares",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(begin_share(request)),
    },
    Route {
        method: "GET",
        path: "/v1/shares/jobs",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_jobs(request)),
    },
    Route {
        method: "GET",
        path: "/v1/shares/jobs/{number}",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_job(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/shares/jobs/{number}",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(cancel_job(request)),
    },
    Route {
        method: "GET",
        path: "/v1/shares/{share}",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_share(request)),
    },
    Route {
        method: "PATCH",
        path: "/v1/shares/{share}",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(change_share(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/shares/{share}",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(end_share(request)),
    },
    Route {
        method: "POST",
        path: "/v1/shares/{share}/check",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(check_share(request)),
    },
    Route {
        method: "POST",
        path: "/v1/shares/{share}/republish",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(republish_share(request)),
    },
    Route {
        method: "GET",
        path: "/v1/shares/{share}/torrent",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(share_torrent(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(
        list_shares,
        begin_share,
        list_jobs,
        show_job,
        cancel_job,
        show_share,
        change_share,
        end_share,
        check_share,
        republish_share,
        share_torrent
    ),
    tags((name = "shares", description = "Your own files as tracked swarms"))
)]
struct Document;

/// All shares
#[utoipa::path(get, path = "/v1/shares", tag = "shares",
    responses((status = 200, description = "The first made first", body = ShareList)))]
async fn list_shares(request: Request<'_>) -> Outcome {
    let views = request.services().shares.list();
    let mut shares = Vec::with_capacity(views.len());
    for view in &views {
        shares.push(row(&request, view));
    }
    Ok(wire::reply(200, &ShareList { total: shares.len(), shares }))
}

/// Shares a file or folder
///
/// Hashing takes as long as the disk does, so the answer comes at once and tells of the job that
/// does it; look at it until its `state` is `done` or `failed`, or follow it in the events. Then the
/// share is durable, let in at the tracker, and seeded. After a restart before that the job begins
/// anew by itself.
#[utoipa::path(post, path = "/v1/shares", tag = "shares", request_body = ShareBody,
    responses((status = 202, description = "It is being made", body = JobRow)))]
async fn begin_share(mut request: Request<'_>) -> Outcome {
    let body: ShareBody = request.json().await?;
    let job = request.services().share_jobs.begin(body.into_wish()?).await?;
    Ok(begun(&job))
}

fn begun(job: &JobView) -> Reply {
    let place = format!("/v1/shares/jobs/{}", job.number);
    wire::reply(202, &JobRow::of(job)).header("location", &place)
}

/// All shares in the making
#[utoipa::path(get, path = "/v1/shares/jobs", tag = "shares",
    responses((status = 200, description = "Those that go on, and the last that ended",
               body = JobList)))]
async fn list_jobs(request: Request<'_>) -> Outcome {
    let jobs: Vec<JobRow> = request.services().share_jobs.list().iter().map(JobRow::of).collect();
    Ok(wire::reply(200, &JobList { total: jobs.len(), jobs }))
}

/// One share in the making
#[utoipa::path(get, path = "/v1/shares/jobs/{number}", tag = "shares",
    params(("number" = u64, Path, description = "Its number")),
    responses((status = 200, description = "How far it is", body = JobRow)))]
async fn show_job(request: Request<'_>) -> Outcome {
    let job = request.services().share_jobs.get(number(&request)?)?;
    Ok(wire::reply(200, &JobRow::of(&job)))
}

/// Ends a share in the making
///
/// One that is made already stays.
#[utoipa::path(delete, path = "/v1/shares/jobs/{number}", tag = "shares",
    params(("number" = u64, Path, description = "Its number")),
    responses((status = 204, description = "It ends")))]
async fn cancel_job(request: Request<'_>) -> Outcome {
    request.services().share_jobs.cancel(number(&request)?).await?;
    Ok(Reply::new(204))
}

/// One share
#[utoipa::path(get, path = "/v1/shares/{share}", tag = "shares",
    params(("share" = String, Path, description = "Its info-hash, or its whole name")),
    responses((status = 200, description = "The share", body = ShareRow)))]
async fn show_share(request: Request<'_>) -> Outcome {
    let view = request.services().shares.find(request.param(0))?;
    Ok(wire::reply(200, &row(&request, &view)))
}

/// Looks at the files of a share
///
/// At names, sizes and times, never at the content. A share whose files are not what its torrent
/// says is stopped, and goes on when they are again.
#[utoipa::path(post, path = "/v1/shares/{share}/check", tag = "shares",
    params(("share" = String, Path, description = "Its info-hash, or its whole name")),
    responses((status = 200, description = "The share as it was found", body = ShareRow)))]
async fn check_share(request: Request<'_>) -> Outcome {
    let shares = &request.services().shares;
    let id = shares.find(request.param(0))?.share.id;
    shares.look(id).await?;
    Ok(wire::reply(200, &row(&request, &shares.get(id)?)))
}

/// Publishes a share anew
///
/// Makes another torrent of the files as they are now, in the place of the present one: name,
/// friends, their links and what those may stay. Pieces that lie wholly in files that did not
/// change are not hashed again where the layout allows; `hashed_bytes` of the job tells how much
/// was. Whoever has the former torrent needs the new one, which the same link gives.
#[utoipa::path(post, path = "/v1/shares/{share}/republish", tag = "shares",
    params(("share" = String, Path, description = "Its info-hash, or its whole name")),
    responses((status = 202, description = "It is being made", body = JobRow)))]
async fn republish_share(request: Request<'_>) -> Outcome {
    let services = request.services();
    let id = services.shares.find(request.param(0))?.share.id;
    Ok(begun(&services.share_jobs.begin_anew(id).await?))
}

/// Changes a share
#[utoipa::path(patch, path = "/v1/shares/{share}", tag = "shares", request_body = ShareChange,
    params(("share" = String, Path, description = "Its info-hash, or its whole name")),
    responses((status = 200, description = "The share as it is now", body = ShareRow)))]
async fn change_share(mut request: Request<'_>) -> Outcome {
    let body: ShareChange = request.json().await?;
    let shares = &request.services().shares;
    let id = shares.find(request.param(0))?.share.id;
    if let Some(is_members_only) = body.members_only {
        shares.set_members_only(id, is_members_only).await?;
    }
    Ok(wire::reply(200, &row(&request, &shares.get(id)?)))
}

/// Ends a share
///
/// Its torrent, its invitations and its place at the tracker go; your files stay.
#[utoipa::path(delete, path = "/v1/shares/{share}", tag = "shares",
    params(("share" = String, Path, description = "Its info-hash, or its whole name")),
    responses((status = 204, description = "It is ended")))]
async fn end_share(request: Request<'_>) -> Outcome {
    let shares = &request.services().shares;
    let id = shares.find(request.param(0))?.share.id;
    shares.unshare(id).await?;
    Ok(Reply::new(204))
}

/// The .torrent file of a share
///
/// With the announce URLs of this tracker, and nobody's key: of a private share a friend needs
/// their own one, at `/v1/friends/{name}/torrents/{share}`.
#[utoipa::path(get, path = "/v1/shares/{share}/torrent", tag = "shares",
    params(("share" = String, Path, description = "Its info-hash, or its whole name")),
    responses((status = 200, description = "The file",
               content_type = "application/x-bittorrent")))]
async fn share_torrent(request: Request<'_>) -> Outcome {
    let shares = &request.services().shares;
    let view = shares.find(request.param(0))?;
    let file = shares.torrent_file(view.share.id, None).await?;
    Ok(Reply::new(200).header("content-type", "application/x-bittorrent").bytes(file))
}

fn row(request: &Request<'_>, view: &ShareView) -> ShareRow {
    let services = request.services();
    let seen = services.swarms.get(&view.share.id);
    let counts = seen.map(|summary| summary.counts).unwrap_or_default();
    ShareRow::of(view, counts, &services.shares)
}

fn number(request: &Request<'_>) -> Result<u64, Problem> {
    let parsed = request.param(0).parse();
    parsed.map_err(|_| Problem::invalid("the number of a share in the making is a whole number"))
}
