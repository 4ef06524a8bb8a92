//! Torrents: the list, one, adding, changing, removing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::listing;
use crate::dialects::native::listing::Wish;
use crate::dialects::native::problem::Kind;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::torrents_wire::AddBody;
use crate::dialects::native::torrents_wire::MoveBody;
use crate::dialects::native::torrents_wire::OfTorrent;
use crate::dialects::native::torrents_wire::PatchBody;
use crate::dialects::native::torrents_wire::QueueBody;
use crate::dialects::native::torrents_wire::TorrentList;
use crate::dialects::native::torrents_wire::TorrentRow;
use crate::dialects::native::torrents_wire::object_text;
use crate::domain::error::ErrorKind;
use crate::domain::hash::AnyHash;
use crate::domain::token::Scope;
use crate::http::BodyError;
use crate::http::Reply;
use crate::service::adding::AddWish;
use crate::service::adding::Source;
use crate::service::bulk::Action;
use crate::service::labels::LabelSet;
use crate::service::labels::LabelWish;
use crate::service::seeding;

/// The registered type of a torrent file.
const TORRENT_TYPE: &str = "application/x-bittorrent";

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/torrents",
        needs: Scope::Read,
        query: listing::QUERY,
        run: |request| Box::pin(list_torrents(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents",
        needs: Scope::Client,
        query: &IN_QUERY,
        run: |request| Box::pin(add_torrent(request)),
    },
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_torrent(request)),
    },
    Route {
        method: "PATCH",
        path: "/v1/torrents/{hash}",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(change_torrent(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/torrents/{hash}",
        needs: Scope::Client,
        query: &["with_data"],
        run: |request| Box::pin(remove_torrent(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/start",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(start_torrent(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/stop",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(stop_torrent(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/recheck",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(recheck_torrent(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/reannounce",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(reannounce_torrent(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/move",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(move_torrent(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/queue",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(queue_torrent(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(
        list_torrents, add_torrent, show_torrent, change_torrent, remove_torrent, start_torrent,
        stop_torrent, recheck_torrent, reannounce_torrent, move_torrent, queue_torrent
    ),
    tags((name = "torrents", description = "What this program downloads and seeds"))
)]
struct Document;

/// The torrents
///
/// Filtered, sorted and in pages on the server. The language of filters is in the manual
/// (`docs/api/native.md`), an example is `is:downloading and (size > 1gb or not private = true)`.
#[utoipa::path(get, path = "/v1/torrents", tag = "torrents",
    params(
        ("filter" = Option<String>, Query, description = "Only torrents that pass this filter"),
        ("sort" = Option<String>, Query, description = "Names of members with commas, `-` before \
            one that goes down, such as `-ratio,name`; without it by the order of adding"),
        ("offset" = Option<u64>, Query, description = "How many to pass over"),
        ("limit" = Option<u64>, Query, description = "How many to show; all when absent"),
        ("fields" = Option<String>, Query, description = "Names of members with commas; \
            all when absent")),
    responses((status = 200, description = "A page of them", body = TorrentList)))]
async fn list_torrents(request: Request<'_>) -> Outcome {
    let wish = Wish::of(&request)?;
    let body = request.native.rows.list(request.services(), &wish);
    Ok(Reply::new(200).json_bytes(body))
}

/// Adds a torrent
///
/// As JSON, or as the bytes of a torrent file with the options in the query. A torrent that is
/// there already gets the trackers that it did not have, unless it is private.
#[utoipa::path(post, path = "/v1/torrents", tag = "torrents",
    params(
        ("save_path" = Option<String>, Query, description = "As in the JSON, beside a torrent file"),
        ("files" = Option<String>, Query, description = "Likewise; indices with commas"),
        ("stopped" = Option<bool>, Query, description = "Likewise"),
        ("auto_managed" = Option<bool>, Query, description = "Likewise"),
        ("seed_ratio_limit" = Option<f64>, Query, description = "Likewise"),
        ("only_metadata" = Option<bool>, Query, description = "Likewise"),
        ("session" = Option<String>, Query, description = "Likewise"),
        ("category" = Option<String>, Query, description = "Likewise"),
        ("tags" = Option<String>, Query, description = "Likewise; words with commas")),
    request_body(content(
        (AddBody = "application/json"),
        (Vec<u8> = "application/x-bittorrent"))),
    responses((status = 200, description = "It was there already", body = TorrentRow),
              (status = 201, description = "It is there now", body = TorrentRow)))]
async fn add_torrent(mut request: Request<'_>) -> Outcome {
    let is_file =
        request.content_type().is_some_and(|kind| kind.eq_ignore_ascii_case(TORRENT_TYPE));
    let (source, wish) = if is_file {
        let options = in_query(&request)?;
        let file = request.body(request.call.body_limits().torrent).await?;
        (Source::File(file.to_vec()), wish_of(&options)?)
    } else {
        if let Some(name) = request.call.query_names().find(|name| IN_QUERY.contains(name)) {
            let message = format!("`{name}` belongs into the JSON, not into the query");
            return Err(Problem::invalid(message));
        }
        let body: AddBody = request.json_with_torrents().await?;
        (source_of(&request, &body).await?, wish_of(&body)?)
    };
    let services = request.services();
    let added = services.torrents.add(source, wish).await?;
    let torrent = services.torrents.find(&AnyHash::Short(added.id.0))?;
    let row = request.native.rows.row(services, &torrent);
    let status = if added.is_new { 201 } else { 200 };
    Ok(Reply::new(status).header("content-type", "application/json").bytes(row))
}

/// The options that may stand in the query beside a torrent file.
const IN_QUERY: [&str; 9] = [
    "save_path",
    "files",
    "stopped",
    "auto_managed",
    "seed_ratio_limit",
    "only_metadata",
    "session",
    "category",
    "tags",
];

fn in_query(request: &Request<'_>) -> Result<AddBody, Problem> {
    let index = |text: &str| {
        let message = "`files` is a list of indices with commas, such as 0,2";
        text.trim().parse().map_err(|_| Problem::invalid(message))
    };
    let files = request.query("files").map(|files| files.split(',').map(index).collect());
    Ok(AddBody {
        save_path: request.query("save_path").map(str::to_owned),
        files: files.transpose()?,
        stopped: request.flag("stopped")?,
        auto_managed: request.flag("auto_managed")?,
        seed_ratio_limit: request.parsed("seed_ratio_limit", "a number, 0 or more")?,
        only_metadata: request.flag("only_metadata")?,
        session: request.query("session").map(str::to_owned),
        category: request.query("category").map(str::to_owned),
        tags: request.query("tags").map(|tags| words(tags).map(str::to_owned).collect()),
        ..AddBody::default()
    })
}

/// Words with commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// What a body wishes of a new torrent.
pub(super) fn wish_of(options: &AddBody) -> Result<AddWish, Problem> {
    Ok(AddWish {
        destination: options.save_path.clone(),
        selected_files: options.files.clone(),
        is_stopped: options.stopped.unwrap_or(false),
        auto_managed: options.auto_managed.unwrap_or(false),
        seed_ratio: options.seed_ratio_limit.map(seeding::limit_of).transpose()?,
        only_metadata: options.only_metadata.unwrap_or(false),
        session: options.session.clone(),
        labels: LabelSet {
            category: options.category.clone(),
            tags: options.tags.clone().unwrap_or_default(),
            metadata: options.metadata.as_ref().map(object_text).unwrap_or_default(),
            ..LabelSet::default()
        },
        ..AddWish::default()
    })
}

/// The torrent that a body names or holds.
pub(super) async fn source_of(request: &Request<'_>, body: &AddBody) -> Result<Source, Problem> {
    match (&body.uri, &body.torrent) {
        (Some(uri), None) => request.services().fetch.torrent(uri).await.map_err(|error| {
            // A 404 would read as "there is no such torrent" of ours.
            match error.kind() {
                ErrorKind::NotFound => Problem::invalid(error.public_message()),
                _ => error.into(),
            }
        }),
        (None, Some(file)) => match STANDARD.decode(file) {
            Ok(file) if file.len() > request.call.body_limits().torrent => {
                let limit = request.call.body_limits().torrent;
                Err(Problem::of_body(BodyError::TooLarge, limit))
            }
            Ok(file) => Ok(Source::File(file)),
            Err(_) => Err(Problem::invalid("`torrent` is a torrent file in base64")),
        },
        _ => Err(Problem::invalid("name the torrent by `uri`, or send it as `torrent` in base64")),
    }
}

/// One torrent
#[utoipa::path(get, path = "/v1/torrents/{hash}", tag = "torrents", params(OfTorrent),
    responses((status = 200, description = "The torrent and its swarm", body = TorrentRow)))]
async fn show_torrent(request: Request<'_>) -> Outcome {
    let row = request.native.rows.row(request.services(), &*request.torrent()?);
    Ok(Reply::new(200).header("content-type", "application/json").bytes(row))
}

/// Changes a torrent
///
/// Another `session` takes the torrent over with what it has and what was counted, and nothing is
/// hashed again.
#[utoipa::path(patch, path = "/v1/torrents/{hash}", tag = "torrents", params(OfTorrent),
    request_body = PatchBody, responses((status = 204, description = "It is so")))]
async fn change_torrent(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: PatchBody = request.json().await?;
    let limit = body.seed_ratio_limit;
    let limit = limit.map(|limit| limit.map(seeding::limit_of).transpose()).transpose()?;
    let torrents = &request.services().torrents;
    let wish = LabelWish {
        category: body.category,
        tags: body.tags,
        metadata: body.metadata.as_ref().map(object_text),
        max_connections: None,
    };
    if wish != LabelWish::default() {
        torrents.labels().change(id, wish).await?;
    }
    if body.download_limit.is_some() || body.upload_limit.is_some() {
        torrents.set_limits(id, body.download_limit, body.upload_limit).await?;
    }
    if let Some(on) = body.auto_managed {
        torrents.set_auto_managed(id, on).await?;
    }
    if let Some(limit) = limit {
        torrents.set_seed_ratio(id, limit).await?;
    }
    if let Some(session) = body.session {
        torrents.migrate(id, &session).await?;
    }
    Ok(Reply::new(204))
}

/// Removes a torrent
#[utoipa::path(delete, path = "/v1/torrents/{hash}", tag = "torrents",
    params(OfTorrent,
           ("with_data" = Option<bool>, Query, description = "Delete its files too")),
    responses((status = 204, description = "It is gone, and its files if asked for")))]
async fn remove_torrent(request: Request<'_>) -> Outcome {
    let with_data = request.flag("with_data")?.unwrap_or(false);
    act(&request, Action::Remove { with_data }).await
}

/// Lets a torrent run
///
/// After an error of its files they are looked at first.
#[utoipa::path(post, path = "/v1/torrents/{hash}/start", tag = "torrents", params(OfTorrent),
    responses((status = 204, description = "It runs, also after a restart")))]
async fn start_torrent(request: Request<'_>) -> Outcome {
    act(&request, Action::Start).await
}

/// Stops a torrent
#[utoipa::path(post, path = "/v1/torrents/{hash}/stop", tag = "torrents", params(OfTorrent),
    responses((status = 204, description = "It stands still, also after a restart")))]
async fn stop_torrent(request: Request<'_>) -> Outcome {
    act(&request, Action::Stop).await
}

/// Hashes every piece of a torrent again
#[utoipa::path(post, path = "/v1/torrents/{hash}/recheck", tag = "torrents", params(OfTorrent),
    responses((status = 204, description = "It has begun")))]
async fn recheck_torrent(request: Request<'_>) -> Outcome {
    act(&request, Action::Recheck).await
}

/// Announces a torrent now
#[utoipa::path(post, path = "/v1/torrents/{hash}/reannounce", tag = "torrents", params(OfTorrent),
    responses((status = 204, description = "Every tracker is being asked")))]
async fn reannounce_torrent(request: Request<'_>) -> Outcome {
    act(&request, Action::Reannounce).await
}

/// Moves the files of a torrent
///
/// A move that takes long goes on after the answer; the state is `moving` until then.
#[utoipa::path(post, path = "/v1/torrents/{hash}/move", tag = "torrents", params(OfTorrent),
    request_body = MoveBody, responses((status = 204, description = "They are there, or under way")))]
async fn move_torrent(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: MoveBody = request.json().await?;
    let moved = request.services().torrents.act(id, &Action::Move(body.save_path)).await;
    moved.map_err(|error| match error.kind() {
        // The torrent is there; the directory is not.
        ErrorKind::NotFound => Problem::new(Kind::Conflict, error.public_message()),
        _ => error.into(),
    })?;
    Ok(Reply::new(204))
}

/// Moves a torrent in the download queue
#[utoipa::path(post, path = "/v1/torrents/{hash}/queue", tag = "torrents", params(OfTorrent),
    request_body = QueueBody, responses((status = 204, description = "It is there")))]
async fn queue_torrent(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: QueueBody = request.json().await?;
    request.services().torrents.act(id, &Action::Queue(body.to.into())).await?;
    Ok(Reply::new(204))
}

async fn act(request: &Request<'_>, action: Action) -> Outcome {
    let id = request.torrent()?.id;
    request.services().torrents.act(id, &action).await?;
    Ok(Reply::new(204))
}
