//! Who may use our own tracker: the whitelist and the keys.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::access_wire::KeyBody;
use crate::dialects::native::access_wire::KeyList;
use crate::dialects::native::access_wire::KeyRow;
use crate::dialects::native::access_wire::NewKey;
use crate::dialects::native::access_wire::Whitelist;
use crate::dialects::native::access_wire::WhitelistEntry;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::wire;
use crate::domain::error::Error;
use crate::domain::token::Scope;
use crate::http::Reply;
use crate::service::access::unix_now_s;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/whitelist",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_whitelist(request)),
    },
    Route {
        method: "PUT",
        path: "/v1/whitelist/{hash}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(put_on_whitelist(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/whitelist/{hash}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(take_off_whitelist(request)),
    },
    Route {
        method: "GET",
        path: "/v1/keys",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_keys(request)),
    },
    Route {
        method: "POST",
        path: "/v1/keys",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(make_key(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/keys/{key}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(remove_key(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(
        list_whitelist,
        put_on_whitelist,
        take_off_whitelist,
        list_keys,
        make_key,
        remove_key
    ),
    tags(
        (name = "whitelist", description = "Swarms that our own tracker serves while it is listed"),
        (name = "keys", description = "Keys that let their holders announce to our own tracker")
    )
)]
struct Document;

/// The whitelist
#[utoipa::path(get, path = "/v1/whitelist", tag = "whitelist",
    responses((status = 200, description = "All of it, in order", body = Whitelist)))]
async fn list_whitelist(request: Request<'_>) -> Outcome {
    let listed = request.services().access.listed();
    let info_hashes: Vec<String> = listed.iter().map(ToString::to_string).collect();
    Ok(wire::reply(200, &Whitelist { total: info_hashes.len(), info_hashes }))
}

/// Puts a swarm on the whitelist
///
/// Doing so again changes nothing.
#[utoipa::path(put, path = "/v1/whitelist/{hash}", tag = "whitelist",
    params(("hash" = String, Path, description = "The info-hash, 40 hex digits",
            pattern = "^[0-9a-fA-F]{40}$")),
    responses((status = 200, description = "It was there already", body = WhitelistEntry),
              (status = 201, description = "It is there now", body = WhitelistEntry)))]
async fn put_on_whitelist(request: Request<'_>) -> Outcome {
    let info_hash = request.info_hash()?;
    let is_new = request.services().access.set_listed(info_hash, true).await?;
    let entry = WhitelistEntry { info_hash: info_hash.to_string() };
    Ok(wire::reply(if is_new { 201 } else { 200 }, &entry))
}

/// Takes a swarm off the whitelist
#[utoipa::path(delete, path = "/v1/whitelist/{hash}", tag = "whitelist",
    params(("hash" = String, Path, description = "The info-hash, 40 hex digits",
            pattern = "^[0-9a-fA-F]{40}$")),
    responses((status = 204, description = "It is gone")))]
async fn take_off_whitelist(request: Request<'_>) -> Outcome {
    match request.services().access.set_listed(request.info_hash()?, false).await? {
        true => Ok(Reply::new(204)),
        false => Err(Error::not_found("this info-hash is not on the whitelist").into()),
    }
}

/// All keys
///
/// A key is a secret: a list shows only how it begins.
#[utoipa::path(get, path = "/v1/keys", tag = "keys",
    responses((status = 200, description = "Every key, expired ones too", body = KeyList)))]
async fn list_keys(request: Request<'_>) -> Outcome {
    let now_s = unix_now_s();
    let keys = request.services().access.keys();
    let keys: Vec<KeyRow> = keys.iter().map(|record| KeyRow::of(record, now_s)).collect();
    Ok(wire::reply(200, &KeyList { total: keys.len(), keys }))
}

/// Makes a key
///
/// The whole key is shown here and never again. Without a body it is a random one for ever.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = KeyBody,
    responses((status = 201, description = "The key", body = NewKey)))]
async fn make_key(mut request: Request<'_>) -> Outcome {
    let body: KeyBody = request.optional_json().await?;
    let access = &request.services().access;
    let record = match &body.key {
        Some(key) => access.add_key(key.parse().map_err(Problem::from)?, body.valid_s).await?,
        None => access.make_key(body.valid_s).await?,
    };
    Ok(wire::reply(201, &NewKey::of(&record)))
}

/// Forgets a key
#[utoipa::path(delete, path = "/v1/keys/{key}", tag = "keys",
    params(("key" = String, Path, min_length = 4,
            description = "The key, or enough of its beginning to mean only this one")),
    responses((status = 204, description = "It lets in nobody any more")))]
async fn remove_key(request: Request<'_>) -> Outcome {
    let access = &request.services().access;
    let key = access.find_key(request.param(0))?;
    match access.remove_key(key).await? {
        true => Ok(Reply::new(204)),
        false => Err(Error::not_found("there is no such key").into()),
    }
}
