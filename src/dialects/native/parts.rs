//! The parts of a torrent: files and their bytes, peers, remote trackers, web seeds, pieces.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::parts_wire::FileChanges;
use crate::dialects::native::parts_wire::FileList;
use crate::dialects::native::parts_wire::FileRow;
use crate::dialects::native::parts_wire::Magnet;
use crate::dialects::native::parts_wire::PeerAddresses;
use crate::dialects::native::parts_wire::PeerList;
use crate::dialects::native::parts_wire::PeerRow;
use crate::dialects::native::parts_wire::Pieces;
use crate::dialects::native::parts_wire::TrackerList;
use crate::dialects::native::parts_wire::TrackerRow;
use crate::dialects::native::parts_wire::TrackerWish;
use crate::dialects::native::parts_wire::TrackerWishes;
use crate::dialects::native::parts_wire::UrlBody;
use crate::dialects::native::parts_wire::WebSeedList;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::torrents_wire::OfTorrent;
use crate::dialects::native::wire;
use crate::domain::error::Error;
use crate::domain::token::Scope;
use crate::domain::torrent::Stage;
use crate::http::Reply;
use crate::http::range;
use crate::service::parts::magnet_of;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/files",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_files(request)),
    },
    Route {
        method: "PATCH",
        path: "/v1/torrents/{hash}/files",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(change_files(request)),
    },
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/files/{index}/content",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(read_file(request)),
    },
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/peers",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_peers(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/peers",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(connect_peers(request)),
    },
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/trackers",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_trackers(request)),
    },
    Route {
        method: "PUT",
        path: "/v1/torrents/{hash}/trackers",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(replace_trackers(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/trackers",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(add_tracker(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/torrents/{hash}/trackers",
        needs: Scope::Client,
        query: &["url"],
        run: |request| Box::pin(remove_tracker(request)),
    },
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/web-seeds",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_web_seeds(request)),
    },
    Route {
        method: "POST",
        path: "/v1/torrents/{hash}/web-seeds",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(add_web_seed(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/torrents/{hash}/web-seeds",
        needs: Scope::Client,
        query: &["url"],
        run: |request| Box::pin(remove_web_seed(request)),
    },
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/pieces",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_pieces(request)),
    },
    // These two hold announce URLs, which may hold passkeys.
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/torrent",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(show_torrent_file(request)),
    },
    Route {
        method: "GET",
        path: "/v1/torrents/{hash}/magnet",
        needs: Scope::Client,
        query: &[],
        run: |request| Box::pin(show_magnet(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(
        list_files, change_files, read_file, list_peers, connect_peers, list_trackers,
        replace_trackers, add_tracker, remove_tracker, list_web_seeds, add_web_seed,
        remove_web_seed, show_pieces, show_torrent_file, show_magnet
    ),
    tags((name = "parts", description = "The parts of a torrent"))
)]
struct Document;

/// The files of a torrent
#[utoipa::path(get, path = "/v1/torrents/{hash}/files", tag = "parts", params(OfTorrent),
    responses((status = 200, description = "Its files", body = FileList)))]
async fn list_files(request: Request<'_>) -> Outcome {
    let torrent = request.torrent()?;
    let mut files = Vec::new();
    if let Some(metadata) = &torrent.metadata {
        let shown = metadata.files.iter().enumerate().filter(|(_, file)| !file.is_padding);
        files.extend(shown.map(|(index, file)| FileRow::of(&torrent, metadata, index, file)));
    }
    Ok(wire::reply(200, &FileList { files }))
}

/// Wants, hurries or renames files
///
/// All priorities change together, then each file is renamed. The first name that is refused ends
/// it: those before it have changed.
#[utoipa::path(patch, path = "/v1/torrents/{hash}/files", tag = "parts", params(OfTorrent),
    request_body = FileChanges, responses((status = 204, description = "It is so")))]
async fn change_files(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: FileChanges = request.json().await?;
    let torrents = &request.services().torrents;
    let wishes: Vec<(u32, u8)> =
        body.files.iter().filter_map(|file| Some((file.index, file.priority?))).collect();
    if !wishes.is_empty() {
        torrents.set_priorities(id, &wishes).await?;
    }
    for file in &body.files {
        if let Some(path) = &file.path {
            torrents.rename_file(id, file.index, path).await?;
        }
    }
    Ok(Reply::new(204))
}

/// The bytes of a file
///
/// Each is sent once its piece is verified, so a file can be played while it downloads. The file
/// gets the highest priority, and a torrent that is stopped runs. Takes a `Range` of bytes.
#[utoipa::path(get, path = "/v1/torrents/{hash}/files/{index}/content", tag = "parts",
    params(OfTorrent, ("index" = u32, Path, description = "The index of the file"),
           ("Range" = Option<String>, Header, description = "Such as `bytes=0-1023`")),
    responses(
        (status = 200, description = "All of it", body = Vec<u8>,
         content_type = "application/octet-stream"),
        (status = 206, description = "The part that was asked for", body = Vec<u8>,
         content_type = "application/octet-stream")))]
async fn read_file(request: Request<'_>) -> Outcome {
    let torrent = request.torrent()?;
    let index: usize =
        request.param(1).parse().map_err(|_| Problem::invalid("a file index is a number"))?;
    let file = torrent.metadata.as_ref().and_then(|metadata| metadata.files.get(index));
    let file = file.filter(|file| !file.is_padding);
    let file = file.ok_or_else(|| Error::not_found(format!("there is no file {index}")))?;
    let size = file.size_bytes;
    let wanted = range::parse(request.call.header("range"), size);
    let wanted = wanted.map_err(|range::Unsatisfiable| Problem::no_such_range(size))?;
    if request.call.method() == "HEAD" {
        // Only to be told the size is no reason to hurry the file.
        return Ok(wanted.reply(size, &file.path, stream::empty()));
    }
    let open = request.services().files.open(torrent.id, index).await?;
    let name = open.name.clone();
    Ok(wanted.reply(size, &name, open.read(wanted.part(size))))
}

/// The connected peers of a torrent
#[utoipa::path(get, path = "/v1/torrents/{hash}/peers", tag = "parts", params(OfTorrent),
    responses((status = 200, description = "Its connections", body = PeerList)))]
async fn list_peers(request: Request<'_>) -> Outcome {
    let torrent = request.torrent()?;
    if torrent.status.connected_peers == 0 {
        return Ok(wire::reply(200, &PeerList { peers: Vec::new() }));
    }
    let peers = request.services().torrents.peers(torrent.id).await?;
    Ok(wire::reply(200, &PeerList { peers: peers.iter().map(PeerRow::of).collect() }))
}

/// Connects to peers
///
/// Refused for private torrents, whose peers come from their trackers only.
#[utoipa::path(post, path = "/v1/torrents/{hash}/peers", tag = "parts", params(OfTorrent),
    request_body = PeerAddresses, responses((status = 204, description = "They are being tried")))]
async fn connect_peers(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: PeerAddresses = request.json().await?;
    let address = |text: &String| {
        let address: Option<SocketAddr> = text.parse().ok();
        address.filter(|address| address.port() != 0).ok_or_else(|| {
            Problem::invalid("a peer is an address with a port, such as 192.0.2.1:6881")
        })
    };
    let addresses: Vec<SocketAddr> = body.peers.iter().map(address).collect::<Result<_, _>>()?;
    for address in addresses {
        request.services().torrents.connect(id, address).await?;
    }
    Ok(Reply::new(204))
}

/// The remote trackers of a torrent
#[utoipa::path(get, path = "/v1/torrents/{hash}/trackers", tag = "parts", params(OfTorrent),
    responses((status = 200, description = "Those that it reports to", body = TrackerList)))]
async fn list_trackers(request: Request<'_>) -> Outcome {
    let shows_urls = request.grant.scopes.allow(Scope::Client);
    let torrent = request.torrent()?;
    let rows = torrent.trackers.iter().map(|tracker| TrackerRow::of(tracker, shows_urls));
    Ok(wire::reply(200, &TrackerList { trackers: rows.collect() }))
}

/// Replaces the remote trackers of a torrent
///
/// Refused for private torrents.
#[utoipa::path(put, path = "/v1/torrents/{hash}/trackers", tag = "parts", params(OfTorrent),
    request_body = TrackerWishes, responses((status = 204, description = "It has these only")))]
async fn replace_trackers(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: TrackerWishes = request.json().await?;
    let trackers = body.trackers.into_iter().map(|TrackerWish { url, tier }| (url, tier)).collect();
    request.services().torrents.replace_trackers(id, trackers).await?;
    Ok(Reply::new(204))
}

/// Adds a remote tracker to a torrent
///
/// In a tier after all others. Refused for private torrents.
#[utoipa::path(post, path = "/v1/torrents/{hash}/trackers", tag = "parts", params(OfTorrent),
    request_body = UrlBody, responses((status = 204, description = "It reports there too")))]
async fn add_tracker(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: UrlBody = request.json().await?;
    request.services().torrents.add_tracker(id, &body.url).await?;
    Ok(Reply::new(204))
}

/// Removes a remote tracker from a torrent
#[utoipa::path(delete, path = "/v1/torrents/{hash}/trackers", tag = "parts",
    params(OfTorrent, ("url" = String, Query, description = "The announce URL")),
    responses((status = 204, description = "It reports there no more")))]
async fn remove_tracker(request: Request<'_>) -> Outcome {
    let torrent = request.torrent()?;
    let url = url_of(&request)?;
    if !torrent.trackers.iter().any(|tracker| tracker.url == url) {
        return Err(Error::not_found("the torrent has no such tracker").into());
    }
    request.services().torrents.remove_tracker(torrent.id, url).await?;
    Ok(Reply::new(204))
}

fn url_of<'a>(request: &'a Request<'_>) -> Result<&'a str, Problem> {
    let url = request.query("url");
    url.ok_or_else(|| Problem::invalid("name it by the query parameter `url`"))
}

/// The web seeds of a torrent
#[utoipa::path(get, path = "/v1/torrents/{hash}/web-seeds", tag = "parts", params(OfTorrent),
    responses((status = 200, description = "Web servers with its files", body = WebSeedList)))]
async fn list_web_seeds(request: Request<'_>) -> Outcome {
    let torrents = &request.services().torrents;
    let web_seeds = torrents.web_seeds(request.torrent()?.id).await?;
    Ok(wire::reply(200, &WebSeedList { web_seeds }))
}

/// Adds a web seed to a torrent
///
/// One in a private network is refused, unless the torrent was made here.
#[utoipa::path(post, path = "/v1/torrents/{hash}/web-seeds", tag = "parts", params(OfTorrent),
    request_body = UrlBody, responses((status = 204, description = "It is being tried")))]
async fn add_web_seed(mut request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let body: UrlBody = request.json().await?;
    request.services().torrents.add_web_seed(id, &body.url).await?;
    Ok(Reply::new(204))
}

/// Removes a web seed from a torrent
#[utoipa::path(delete, path = "/v1/torrents/{hash}/web-seeds", tag = "parts",
    params(OfTorrent, ("url" = String, Query, description = "Its URL")),
    responses((status = 204, description = "It is asked no more")))]
async fn remove_web_seed(request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    request.services().torrents.remove_web_seed(id, url_of(&request)?).await?;
    Ok(Reply::new(204))
}

/// The pieces of a torrent
#[utoipa::path(get, path = "/v1/torrents/{hash}/pieces", tag = "parts", params(OfTorrent),
    responses((status = 200, description = "Which are there, and how many have each",
               body = Pieces)))]
async fn show_pieces(request: Request<'_>) -> Outcome {
    let torrent = request.torrent()?;
    let is_counted = matches!(torrent.status.stage, Stage::Downloading | Stage::Finished);
    let availability = match is_counted {
        true => request.services().torrents.piece_availability(torrent.id).await?,
        false => Vec::new(),
    };
    let metadata = torrent.metadata.as_deref();
    Ok(wire::reply(
        200,
        &Pieces {
            count: metadata.map_or(0, |metadata| metadata.piece_count),
            length: metadata.map(|metadata| metadata.piece_length),
            done: torrent.pieces.count(),
            have: STANDARD.encode(torrent.pieces.as_bytes()),
            availability: Some(availability).filter(|counted| !counted.is_empty()),
        },
    ))
}

/// The torrent file
#[utoipa::path(get, path = "/v1/torrents/{hash}/torrent", tag = "parts", params(OfTorrent),
    responses((status = 200, description = "The file", body = Vec<u8>,
               content_type = "application/x-bittorrent")))]
async fn show_torrent_file(request: Request<'_>) -> Outcome {
    let id = request.torrent()?.id;
    let file = request.services().torrents.torrent_file(id).await?;
    Ok(Reply::new(200)
        .header("content-type", "application/x-bittorrent")
        .header("content-disposition", &format!("attachment; filename={id}.torrent"))
        .bytes(file))
}

/// The magnet link of a torrent
#[utoipa::path(get, path = "/v1/torrents/{hash}/magnet", tag = "parts", params(OfTorrent),
    responses((status = 200, description = "The link", body = Magnet)))]
async fn show_magnet(request: Request<'_>) -> Outcome {
    let magnet = magnet_of(&*request.torrent()?);
    Ok(wire::reply(200, &Magnet { magnet }))
}
