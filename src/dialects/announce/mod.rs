//! `GET /announce` and `GET /scrape`: our tracker over HTTP (BEP 3; vectors H1 to H25).
//!
//! Every well-formed request is answered with 200 and one bencoded dictionary, refusals too. The
//! key of a private swarm is the path's next segment: `/announce/KEY`, `/scrape/KEY`.

pub mod wire;

use std::cell::RefCell;
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::domain::swarm::Announce;
use crate::domain::swarm::Asker;
use crate::domain::swarm::PeerList;
use crate::http::Reply;
use crate::http::Unanswered;
use crate::service::swarms::Swarms;

thread_local! {
    /// The room for the peers of an answer, used again and again.
    static LIST: RefCell<PeerList> = RefCell::default();
}

/// One request for the tracker, whichever listener it came to.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The path with its percent escapes.
    pub path: &'a str,
    /// What stands after the `?`, with its percent escapes.
    pub query: &'a str,
    /// Who asks; `None` when a proxy does not say for whom it asks (vector H18).
    pub client: Option<IpAddr>,
    /// The address it was received on.
    pub local: SocketAddr,
}

/// Whether a path is one of the tracker's.
pub fn is_tracker_path(path: &str) -> bool {
    route(path).is_some()
}

enum Route<'a> {
    Announce(Option<&'a str>),
    Scrape(Option<&'a str>),
}

fn route(path: &str) -> Option<Route<'_>> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let (name, key, rest) = (segments.next()?, segments.next(), segments.next());
    let key = key.filter(|key| !key.is_empty());
    match (name, rest) {
        ("announce", None) => Some(Route::Announce(key)),
        ("scrape", None) => Some(Route::Scrape(key)),
        _ => None,
    }
}

/// Answers a GET or HEAD; `None` when the path is not the tracker's.
pub fn answer(swarms: &Swarms, request: &Request<'_>) -> Option<Reply> {
    let route = route(request.path)?;
    let mut out = Vec::with_capacity(512);
    match (request.client, route) {
        (None, _) => {
            swarms.note_malformed();
            wire::failed(wire::QueryError("Missing or invalid X-Forwarded-For"), &mut out);
        }
        (Some(client), Route::Announce(key)) => {
            let asker = Asker::new(client, request.local.ip());
            announce(swarms, request.query.as_bytes(), key, asker, &mut out);
        }
        (Some(client), Route::Scrape(key)) => scrape(swarms, request, key, client, &mut out),
    }
    swarms.note_traffic(request.path.len() + request.query.len(), out.len());
    Some(Reply::new(200).content_type("text/plain").bytes(out))
}

/// What was refused before it came here.
pub fn refuse(why: &Unanswered) -> Reply {
    let mut out = Vec::new();
    wire::failure(&why.message, &mut out);
    Reply::new(why.status).content_type("text/plain").bytes(out)
}

fn announce(swarms: &Swarms, query: &[u8], key: Option<&str>, asker: Asker, out: &mut Vec<u8>) {
    let query = match wire::parse_announce(query) {
        Ok(query) => query,
        Err(error) => {
            swarms.note_malformed();
            return wire::failed(error, out);
        }
    };
    let announce = Announce {
        info_hash: query.info_hash,
        peer_id: query.peer_id,
        asker,
        port: query.port,
        uploaded: query.uploaded,
        downloaded: query.downloaded,
        left: query.left,
        event: query.event,
        want: query.want,
        key: key.map(str::as_bytes),
    };
    LIST.with_borrow_mut(|list| {
        list.compact.clear();
        list.ids = (!query.is_compact).then(Vec::new);
        match swarms.announce(&announce, list) {
            Ok(announced) => {
                if let (true, Some(ids)) = (query.no_peer_id, &mut list.ids) {
                    ids.clear();
                }
                wire::announced(&announced, swarms.min_interval_s(), asker.ip, list, out);
            }
            Err(refusal) => wire::refused(refusal, out),
        }
    });
}

fn scrape(
    swarms: &Swarms,
    request: &Request<'_>,
    key: Option<&str>,
    client: IpAddr,
    out: &mut Vec<u8>,
) {
    match wire::parse_scrape(request.query.as_bytes()) {
        Ok(hashes) => {
            let is_v6 = client.to_canonical().is_ipv6();
            wire::scraped(&swarms.scrape(&hashes, key.map(str::as_bytes), is_v6), out);
        }
        Err(error) => {
            swarms.note_malformed();
            wire::failed(error, out);
        }
    }
}
