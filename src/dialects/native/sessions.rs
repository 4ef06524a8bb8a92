//! The sessions: listed, added, changed, removed.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::sessions_wire::NewSessionBody;
use crate::dialects::native::sessions_wire::SessionList;
use crate::dialects::native::sessions_wire::SessionPatch;
use crate::dialects::native::sessions_wire::SessionRow;
use crate::dialects::native::wire;
use crate::domain::token::Scope;
use crate::http::Reply;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/sessions",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_sessions(request)),
    },
    Route {
        method: "POST",
        path: "/v1/sessions",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(add_session(request)),
    },
    Route {
        method: "GET",
        path: "/v1/sessions/{name}",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_session(request)),
    },
    Route {
        method: "PATCH",
        path: "/v1/sessions/{name}",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(change_session(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/sessions/{name}",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(remove_session(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(list_sessions, add_session, show_session, change_session, remove_session),
    tags((name = "sessions", description = "Where torrents live: each with ports and limits of its \
        own"))
)]
struct Document;

/// The sessions
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions",
    responses((status = 200, description = "The default one first", body = SessionList)))]
async fn list_sessions(request: Request<'_>) -> Outcome {
    let sessions = request.services().sessions.list().await?;
    Ok(wire::reply(200, &SessionList::of(sessions)))
}

/// Adds a session
///
/// It is as the default one, which the configuration describes, but for its name, where it listens,
/// and the settings that are given here. It is there again after a restart. It is answered when it
/// listens; one that cannot is not added.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = NewSessionBody,
    responses((status = 201, description = "It is there now", body = SessionRow)))]
async fn add_session(mut request: Request<'_>) -> Outcome {
    let body: NewSessionBody = request.json().await?;
    let (name, settings) = body.into_wish().map_err(Problem::invalid)?;
    let sessions = &request.services().sessions;
    sessions.add(&name, settings).await?;
    Ok(wire::reply(201, &SessionRow::of(sessions.get(&name).await?)))
}

/// One session
#[utoipa::path(get, path = "/v1/sessions/{name}", tag = "sessions",
    params(("name" = String, Path, description = "Such as `default`")),
    responses((status = 200, description = "The session", body = SessionRow)))]
async fn show_session(request: Request<'_>) -> Outcome {
    let session = request.services().sessions.get(request.param(0)).await?;
    Ok(wire::reply(200, &SessionRow::of(session)))
}

/// Changes a session
///
/// In force at once and kept. `null` takes a setting back; the settings of the default session are
/// those of the configuration (`client.settings.*` at `/v1/settings`). A session that is paused runs
/// again after a restart.
#[utoipa::path(patch, path = "/v1/sessions/{name}", tag = "sessions", request_body = SessionPatch,
    params(("name" = String, Path, description = "Such as `default`")),
    responses((status = 200, description = "The session as it is now", body = SessionRow)))]
async fn change_session(mut request: Request<'_>) -> Outcome {
    let name = request.param(0).to_owned();
    let sessions = &request.services().sessions;
    sessions.get(&name).await?;
    let body: SessionPatch = request.json().await?;
    let is_paused = body.paused;
    if let Some(wishes) = body.into_wishes() {
        sessions.change(&name, wishes).await?;
    }
    match is_paused {
        Some(true) => sessions.pause(&name).await?,
        Some(false) => sessions.resume(&name).await?,
        None => {}
    }
    Ok(wire::reply(200, &SessionRow::of(sessions.get(&name).await?)))
}

/// Removes a session
///
/// Only one that no torrent lives in; the default one stays.
#[utoipa::path(delete, path = "/v1/sessions/{name}", tag = "sessions",
    params(("name" = String, Path, description = "Not `default`")),
    responses((status = 204, description = "It is gone, and its ports are free")))]
async fn remove_session(request: Request<'_>) -> Outcome {
    request.services().sessions.remove(request.param(0)).await?;
    Ok(Reply::new(204))
}
