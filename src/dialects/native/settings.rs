//! The configuration, and changes of it while the program runs.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::settings_wire::SettingBody;
use crate::dialects::native::settings_wire::SettingList;
use crate::dialects::native::settings_wire::SettingsPatch;
use crate::dialects::native::wire;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::token::Scope;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/settings",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_settings(request)),
    },
    Route {
        method: "PATCH",
        path: "/v1/settings",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(change_settings(request)),
    },
    Route {
        method: "GET",
        path: "/v1/settings/{key}",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_setting(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/settings/{key}",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(reset_setting(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(list_settings, change_settings, show_setting, reset_setting),
    tags((name = "settings", description = "The configuration, and changes while it is in force"))
)]
struct Document;

/// Every setting
///
/// With its value and where that comes from. Secrets are masked. The manual of the keys is the
/// configuration's.
#[utoipa::path(get, path = "/v1/settings", tag = "settings",
    responses((status = 200, description = "All keys, in order", body = SettingList)))]
async fn list_settings(request: Request<'_>) -> Outcome {
    Ok(wire::reply(200, &SettingList::of(&request.services().settings.list())))
}

/// Changes settings
///
/// All of them or none. In force at once and kept over restarts: a change wins over the
/// configuration file, and not over the environment and the command line; what these set cannot be
/// changed here. `null` takes a change back.
#[utoipa::path(patch, path = "/v1/settings", tag = "settings", request_body = SettingsPatch,
    responses((status = 200, description = "The keys that were named, as they are now",
               body = SettingList)))]
async fn change_settings(mut request: Request<'_>) -> Outcome {
    let body: SettingsPatch = request.json().await?;
    let settings = &request.services().settings;
    let named: Vec<String> = body.0.keys().cloned().collect();
    let wishes = body.into_wishes();
    settings.change(wishes).await.map_err(of_body)?;
    let list = settings.list();
    let changed: Vec<_> = list.iter().filter(|one| named.contains(&one.key)).cloned().collect();
    Ok(wire::reply(200, &SettingList::of(&changed)))
}

/// One setting
#[utoipa::path(get, path = "/v1/settings/{key}", tag = "settings",
    params(("key" = String, Path, description = "Such as `client.limits.uploads`")),
    responses((status = 200, description = "The setting", body = SettingBody)))]
async fn show_setting(request: Request<'_>) -> Outcome {
    let setting = request.services().settings.get(request.param(0))?;
    Ok(wire::reply(200, &SettingBody::of(&setting)))
}

/// Takes a change back
///
/// The key has its configured value again, at once.
#[utoipa::path(delete, path = "/v1/settings/{key}", tag = "settings",
    params(("key" = String, Path, description = "Such as `client.limits.uploads`")),
    responses((status = 204, description = "It is as configured")))]
async fn reset_setting(request: Request<'_>) -> Outcome {
    let key = request.param(0).to_owned();
    request.services().settings.change(vec![(key, None)]).await?;
    Ok(crate::http::Reply::new(204))
}

/// A key of the body that is not there makes the body wrong; there is no path to be not found.
fn of_body(error: Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => Problem::invalid(error.message()),
        _ => error.into(),
    }
}
