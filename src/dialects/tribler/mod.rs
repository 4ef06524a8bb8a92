//! Tribler's API, in both generations: 7.x at `/downloads` and beside it, 8.x the same below
//! `/api`. `docs/api/tribler.md` says what differs from the original, and why.
//!
//! This file is the route table. `wire.rs` is the JSON, the other files are one subject each.

mod add;
mod auth;
mod bencode;
mod browse;
mod create;
mod details;
mod downloads;
mod errors;
mod events;
mod events_wire;
mod json;
mod libtorrent;
mod listing;
mod metainfo;
mod patch;
mod program_wire;
mod row;
mod settings;
mod settings_wire;
mod statistics;
mod status;
mod stream;
mod torrentinfo;
mod trackers;
mod wire;

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::listing::Listings;
use crate::domain::hash::AnyHash;
use crate::domain::token::Grant;
use crate::domain::torrent::Torrent;
use crate::http::BodyError;
use crate::http::Call;
use crate::http::EventStreams;
use crate::http::Reply;
use crate::http::Unanswered;
use crate::service::Services;

/// Which Tribler a client expects: they differ in path, error form and a few meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// 7.13 and 7.14, without a prefix.
    Seven,
    /// 8.x, under `/api`.
    Eight,
}

/// The first words of paths that are this API's, and those that only 8.x has.
const WORDS: [&str; 8] = [
    "createtorrent",
    "downloads",
    "events",
    "libtorrent",
    "settings",
    "shutdown",
    "statistics",
    "torrentinfo",
];
const LATER_WORDS: [&str; 1] = ["files"];

/// Which generation a path is of; `None` when it is of another API.
pub fn generation(segments: &[&str]) -> Option<Generation> {
    match segments {
        ["api", word, ..] if WORDS.contains(word) || LATER_WORDS.contains(word) => {
            Some(Generation::Eight)
        }
        [word, ..] if WORDS.contains(word) => Some(Generation::Seven),
        _ => None,
    }
}

impl Generation {
    /// How many path segments stand before the route.
    fn prefix_segments(self) -> usize {
        match self {
            Self::Seven => 0,
            Self::Eight => 1,
        }
    }
}

/// The dialect: the services it speaks for, and what it keeps to answer lists fast.
pub struct Tribler {
    services: Services,
    streams: EventStreams,
    listings: Listings,
}

impl Tribler {
    /// A dialect over `services`; event streams take their places from `streams`.
    pub fn new(services: Services, streams: EventStreams) -> Self {
        Self { services, streams, listings: Listings::default() }
    }

    /// Answers one call; refusals in the form of `generation`.
    pub async fn answer(&self, generation: Generation, call: Call) -> Reply {
        match self.route(generation, call).await {
            Ok(reply) => reply,
            Err(refusal) => refusal.reply(generation),
        }
    }

    async fn route(&self, generation: Generation, mut call: Call) -> Result<Reply, Refusal> {
        let rest: Vec<String> = call.segments()[generation.prefix_segments()..].to_vec();
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let grant = auth::check(&self.services.auth, &call, &rest)?;
        if call.trailing_slash() {
            return Err(unknown(&call));
        }
        let is_later = generation == Generation::Eight;
        let method = call.method().as_str().to_owned();
        let call = &mut call;
        match (method.as_str(), rest.as_slice()) {
            (method, ["downloads", rest @ ..]) => {
                self.downloads(generation, method, rest, call).await
            }
            (method, ["events" | "libtorrent" | "settings" | "statistics" | "shutdown", ..]) => {
                self.program(generation, method, &rest, call, &grant).await
            }
            ("POST", ["createtorrent"]) => self.create(generation, call).await,
            ("POST", ["createtorrent", "dryrun"]) if is_later => self.dry_run(call).await,
            ("GET" | "HEAD", ["torrentinfo"]) => self.torrent_info(call).await,
            ("PUT", ["torrentinfo"] | ["torrentinfo", "file"]) => {
                self.torrent_info_of_file(call).await
            }
            ("POST", ["torrentinfo", "uri"]) => self.torrent_info_of_uri(call).await,
            ("GET" | "HEAD", ["files", "browse"]) => self.browse(call).await,
            ("GET" | "HEAD", ["files", "list"]) => self.list_files(call).await,
            (_, ["createtorrent", "dryrun"]) if is_later => Err(Refusal::wrong_method()),
            (_, ["createtorrent"] | ["torrentinfo"] | ["torrentinfo", "file" | "uri"])
            | (_, ["files", "browse" | "list"]) => Err(Refusal::wrong_method()),
            _ => Err(unknown(call)),
        }
    }

    /// The program itself: what happens, its settings, its figures, its end.
    async fn program(
        &self,
        generation: Generation,
        method: &str,
        rest: &[&str],
        call: &mut Call,
        grant: &Grant,
    ) -> Result<Reply, Refusal> {
        let is_later = generation == Generation::Eight;
        match (method, rest) {
            ("GET" | "HEAD", ["events"]) => self.events(generation, grant),
            ("GET" | "HEAD", ["events", "info"]) if is_later => Ok(self.events_info()),
            ("GET" | "HEAD", ["settings"]) => Ok(self.settings()),
            ("POST", ["settings"]) => self.change_settings(call).await,
            ("GET" | "HEAD", ["libtorrent", "settings"]) => self.libtorrent_settings(call).await,
            ("GET" | "HEAD", ["libtorrent", "session"]) => self.libtorrent_session(call).await,
            ("GET" | "HEAD", ["statistics", "tribler"]) => self.tribler_statistics().await,
            ("GET" | "HEAD", ["statistics", "ipv8"]) => Ok(self.overlay_statistics()),
            ("PUT", ["statistics", "dirspace"]) if is_later => self.directory_space(call).await,
            ("PUT", ["shutdown"]) => Ok(self.shut_down()),
            (_, ["events", "info"] | ["statistics", "dirspace"]) if is_later => {
                Err(Refusal::wrong_method())
            }
            (_, ["events" | "settings" | "shutdown"])
            | (_, ["libtorrent", "settings" | "session"])
            | (_, ["statistics", "tribler" | "ipv8"]) => Err(Refusal::wrong_method()),
            _ => Err(unknown(call)),
        }
    }

    async fn downloads(
        &self,
        generation: Generation,
        method: &str,
        rest: &[&str],
        call: &mut Call,
    ) -> Result<Reply, Refusal> {
        match (method, rest) {
            ("GET" | "HEAD", []) => self.list(generation, call).await,
            ("PUT", []) => self.add(generation, call).await,
            ("DELETE", [hash]) => self.remove(hash, call).await,
            ("PATCH", [hash]) => self.patch(generation, hash, call).await,
            ("GET" | "HEAD", [hash, "files"]) => self.files(generation, hash),
            ("GET" | "HEAD", [hash, "torrent"]) => self.torrent_file(hash).await,
            ("GET", [hash, "stream", index]) => self.stream(hash, index, call).await,
            ("PUT", [hash, "trackers"]) => self.add_tracker(hash, call).await,
            ("DELETE", [hash, "trackers"]) => self.remove_tracker(hash, call).await,
            ("PUT", [hash, "tracker_force_announce"]) => self.force_announce(hash, call).await,
            (_, [] | [_] | [_, "files" | "torrent" | "trackers" | "tracker_force_announce"])
            | (_, [_, "stream", _]) => Err(Refusal::wrong_method()),
            _ => Err(unknown(call)),
        }
    }

    /// `PUT /shutdown`: answered before the program stops.
    fn shut_down(&self) -> Reply {
        self.services.lifecycle.ask_to_stop();
        json_reply(json::text(&program_wire::ShuttingDown { shutdown: true }))
    }

    /// The torrent that a path means.
    fn find(&self, hash: &str) -> Result<Arc<Torrent>, Refusal> {
        if hash.len() % 2 == 1 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Refusal::unhandled("Error", "the info-hash is not hexadecimal"));
        }
        let hash = AnyHash::from_str(hash).map_err(|_| Refusal::unknown_download())?;
        self.services.torrents.find(&hash).map_err(|_| Refusal::unknown_download())
    }
}

/// What was refused before it came here, or not answered.
pub fn refuse(generation: Generation, why: &Unanswered) -> Reply {
    let refusal = match why.status {
        500 => Refusal::unhandled("RuntimeError", why.message.clone()),
        status => Refusal::handled(status, why.message.clone()),
    };
    refusal.reply(generation)
}

/// The answer to a path that no dialect serves.
pub fn unknown_path(call: &Call) -> Reply {
    unknown(call).reply(Generation::Eight)
}

fn unknown(call: &Call) -> Refusal {
    let slash = if call.trailing_slash() { "/" } else { "" };
    Refusal::UnknownPath(format!("/{}{slash}", call.segments().join("/")))
}

/// A JSON body, whatever its Content-Type says (rule W7 is met in `auth`).
async fn json_body(call: &mut Call) -> Result<Bytes, Refusal> {
    let limit_bytes = call.body_limits().json;
    call.json(limit_bytes).await.map_err(|error| unread(error, limit_bytes))
}

/// A torrent file as the body.
async fn torrent_body(call: &mut Call) -> Result<Bytes, Refusal> {
    let limit_bytes = call.body_limits().torrent;
    call.body(limit_bytes).await.map_err(|error| unread(error, limit_bytes))
}

fn unread(error: BodyError, limit_bytes: usize) -> Refusal {
    match error {
        BodyError::TooLarge => Refusal::TooLarge(limit_bytes),
        BodyError::TooDeep => Refusal::handled(400, "the JSON nests deeper than 64"),
        BodyError::Late => Refusal::handled(408, "the body did not come in time"),
        BodyError::Broken => Refusal::handled(400, "the body is broken off"),
    }
}

/// A 200 with this JSON text.
fn json_reply(body: impl Into<Bytes>) -> Reply {
    Reply::new(200).header("content-type", "application/json").bytes(body)
}
