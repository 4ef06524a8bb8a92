//! The same done to many torrents, and many torrents added.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::listing;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::torrents::source_of;
use crate::dialects::native::torrents::wish_of;
use crate::dialects::native::torrents_wire::ActionName;
use crate::dialects::native::torrents_wire::BulkAddBody;
use crate::dialects::native::torrents_wire::BulkBody;
use crate::dialects::native::torrents_wire::BulkResult;
use crate::dialects::native::torrents_wire::BulkResults;
use crate::dialects::native::wire;
use crate::domain::error::Error;
use crate::domain::hash::AnyHash;
use crate::domain::hash::TorrentId;
use crate::domain::token::Scope;
use crate::service::adding::Added;
use crate::service::bulk::Action;
use crate::service::filter::Filter;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/torrents/bulk",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(act_on_torrents(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/bulk-add",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(add_torrents(request)),
    },
];

#[derive(OpenApi)]
#[openapi(paths(act_on_torrents, add_torrents))]
struct Document;

/// Adds many torrents
///
/// All are worked on side by side; one that fails does not keep back the others.
#[utoipa::path(post, path = "/v1/torrents/bulk-add", tag = "torrents", request_body = BulkAddBody,
    responses((status = 200, description = "What came of each", body = BulkResults)))]
async fn add_torrents(mut request: Request<'_>) -> Outcome {
    let body: BulkAddBody = request.json_with_torrents().await?;
    let mut results: Vec<Option<BulkResult>> = Vec::with_capacity(body.torrents.len());
    let mut wishes = Vec::with_capacity(body.torrents.len());
    for torrent in &body.torrents {
        let source = source_of(&request, torrent).await;
        match source.and_then(|source| Ok((source, wish_of(torrent)?))) {
            Ok(wish) => {
                wishes.push(wish);
                results.push(None);
            }
            Err(problem) => results.push(Some(failed(None, &problem))),
        }
    }
    let mut outcomes = request.services().torrents.add_many(wishes).await.into_iter().map(added);
    let results = results.into_iter().filter_map(|result| result.or_else(|| outcomes.next()));
    Ok(wire::reply(200, &BulkResults::of(results.collect())))
}

fn added(outcome: Result<Added, Error>) -> BulkResult {
    match outcome {
        Ok(Added { id, is_new }) => BulkResult {
            info_hash: Some(id.to_string()),
            status: if is_new { 201 } else { 200 },
            problem: None,
        },
        Err(error) => failed(None, &error.into()),
    }
}

fn failed(info_hash: Option<String>, problem: &Problem) -> BulkResult {
    let problem = problem.body();
    BulkResult { info_hash, status: problem.status, problem: Some(problem) }
}

/// A torrent as the caller names it, and what is meant by that.
type Named = (String, Result<TorrentId, Problem>);

/// Does something to many torrents
///
/// One that fails does not keep back the others.
#[utoipa::path(post, path = "/v1/torrents/bulk", tag = "torrents", request_body = BulkBody,
    responses((status = 200, description = "What came of each", body = BulkResults)))]
async fn act_on_torrents(mut request: Request<'_>) -> Outcome {
    let body: BulkBody = request.json_with_torrents().await?;
    let action = action_of(&body)?;
    let services = request.services();
    let (named, known): (Vec<Named>, Vec<TorrentId>) = match (&body.info_hashes, &body.filter) {
        (Some(hashes), None) => {
            let found: Vec<_> = hashes.iter().map(|hash| find(&request, hash)).collect();
            let known = found.iter().filter_map(|found| found.as_ref().ok().copied()).collect();
            (hashes.iter().cloned().zip(found).collect(), known)
        }
        (None, Some(filter)) => {
            let filter = Filter::parse(filter)?;
            let passing = listing::passing(services, services.torrents.list(), Some(&filter));
            let known: Vec<TorrentId> = passing.iter().map(|torrent| torrent.id).collect();
            let named: Vec<_> = known.iter().map(|id| (id.to_string(), Ok(*id))).collect();
            (named, known)
        }
        _ => return Err(Problem::invalid("name the torrents by `info_hashes` or by `filter`")),
    };
    let mut outcomes = services.torrents.act_on_all(&known, &action).await.into_iter();
    let results = named.into_iter().map(|(hash, found)| {
        let outcome = found.and_then(|_| outcomes.next().unwrap_or(Ok(())).map_err(Problem::from));
        match outcome {
            Ok(()) => BulkResult { info_hash: Some(hash), status: 204, problem: None },
            Err(problem) => failed(Some(hash), &problem),
        }
    });
    Ok(wire::reply(200, &BulkResults::of(results.collect())))
}

fn find(request: &Request<'_>, hash: &str) -> Result<TorrentId, Problem> {
    let hash: AnyHash = hash.parse().map_err(Problem::from)?;
    Ok(request.services().torrents.find(&hash)?.id)
}

fn action_of(body: &BulkBody) -> Result<Action, Problem> {
    let needs = |member: &str| Problem::invalid(format!("this action needs `{member}`"));
    let stray = [
        ("save_path", body.save_path.is_some(), ActionName::Move),
        ("to", body.to.is_some(), ActionName::Queue),
        ("with_data", body.with_data.is_some(), ActionName::Remove),
    ];
    if let Some((member, ..)) =
        stray.iter().find(|(_, is_there, of)| *is_there && *of != body.action)
    {
        return Err(Problem::invalid(format!("this action takes no `{member}`")));
    }
    Ok(match body.action {
        ActionName::Start => Action::Start,
        ActionName::Stop => Action::Stop,
        ActionName::Recheck => Action::Recheck,
        ActionName::Reannounce => Action::Reannounce,
        ActionName::Move => Action::Move(body.save_path.clone().ok_or_else(|| needs("save_path"))?),
        ActionName::Queue => Action::Queue(body.to.ok_or_else(|| needs("to"))?.into()),
        ActionName::Remove => Action::Remove { with_data: body.with_data.unwrap_or(false) },
    })
}
