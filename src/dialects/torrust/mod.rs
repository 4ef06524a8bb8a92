//! Torrust Tracker's REST API: `/api/*` as documented in 2021, `/api/v1/*` as in 3.0.
//!
//! The contract is quirky: refusals are 500 with a fixed text, "not known" is 200, and one
//! unversioned route answers 405 to a hash that is none. `docs/api/torrust.md` tells what is served.

mod errors;
mod wire;

use crate::dialects::torrust::errors::Refusal;
use crate::dialects::torrust::errors::shown;
use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::hash::TorrentId;
use crate::domain::token::Scope;
use crate::http::BodyError;
use crate::http::Call;
use crate::http::Reply;
use crate::http::Unanswered;
use crate::http::credentials;
use crate::http::credentials::Credentials;
use crate::http::credentials::Form;
use crate::service::Services;
use crate::service::access::unix_now_s;
use crate::service::auth::Denied;

/// Where the token stands (section 1), beside the headers, which came after 3.0.0. Nothing of it is
/// sent by a browser on its own, so a foreign page cannot make it send a call that is let in.
const FORMS: [Form; 1] = [Form::Query("token")];
/// Torrents of a list when nothing is said, and at most.
const LIMITS: (u32, u32) = (1000, 4000);
/// Bytes of a JSON body.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The two forms of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `/api/*`.
    Old,
    /// `/api/v1/*`.
    V1,
}

/// The dialect over the services.
pub struct Torrust {
    services: Services,
}

/// The first words of paths that are this API's, after `/api` or `/api/v1`.
const WORDS: [&str; 7] =
    ["stats", "torrents", "torrent", "whitelist", "key", "keys", "health_check"];

/// Which form of the API a path is of; `None` when it is of another API.
pub fn generation(segments: &[&str]) -> Option<Generation> {
    match segments {
        ["api", "v1", word, ..] if WORDS.contains(word) => Some(Generation::V1),
        ["api", word, ..] if WORDS.contains(word) => Some(Generation::Old),
        _ => None,
    }
}

/// What was refused before it came here, or not answered.
pub fn refuse(generation: Generation, why: &Unanswered) -> Reply {
    named(Refusal::of_unanswered(why).reply(), generation, why.request_id.as_deref())
}

/// With the name of the request, where answers have it.
fn named(reply: Reply, generation: Generation, given: Option<&str>) -> Reply {
    match generation {
        Generation::Old => reply,
        Generation::V1 => reply.header("x-request-id", &request_id(given)),
    }
}

impl Torrust {
    /// Over `services`.
    pub fn new(services: Services) -> Self {
        Self { services }
    }

    /// Answers a call of this API.
    pub async fn answer(&self, generation: Generation, mut call: Call) -> Reply {
        let segments = call.segments().to_vec();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let (["api", "health_check"], "GET" | "HEAD") = (&words[..], call.method().as_str()) {
            return health();
        }
        let given = call.header("x-request-id").map(str::to_owned);
        // Before anything else is looked at, and before any effect (rule W4).
        let outcome = match (self.authorize(&call), generation) {
            (Err(refused), _) => Err(refused),
            (Ok(()), Generation::Old) => self.old(&call, &words[1..]).await,
            (Ok(()), Generation::V1) => self.v1(&mut call, &words[2..]).await,
        };
        named(outcome.unwrap_or_else(Refusal::reply), generation, given.as_deref())
    }

    fn authorize(&self, call: &Call) -> Result<(), Refusal> {
        let shown = Credentials::of(call, credentials::HEADERS.into_iter().chain(FORMS));
        // An empty token is shown, and not valid (section 1).
        let is_shown = !shown.is_empty() || call.query("token").is_some();
        let reason = if is_shown { "token not valid" } else { "unauthorized" };
        let needed = if credentials::is_change(call) { Scope::Tracker } else { Scope::Read };
        let from = call.peer().ip();
        let checked = self.services.auth.check(from, &shown.in_headers, &shown.others, needed);
        let denied = match checked {
            Ok(_) => return Ok(()),
            Err(denied) => denied,
        };
        Err(match denied {
            Denied::Unauthorized => Refusal::unhandled(reason),
            Denied::TooMany { retry_after_s } => Refusal::too_many(retry_after_s),
            Denied::Forbidden { needed } => {
                Refusal::unhandled(&format!("the token does not grant {}", needed.name()))
            }
        })
    }

    /// `/api/*` of 2.3.
    async fn old(&self, call: &Call, words: &[&str]) -> Result<Reply, Refusal> {
        let not_allowed = Refusal::not_allowed;
        let hash = |digits: &str| digits.parse::<TorrentId>().map_err(|_| not_allowed());
        match (call.method().as_str(), words) {
            ("GET", ["stats"]) => Ok(self.stats()),
            ("GET", ["torrents"]) => self.torrents(call, Generation::Old),
            ("GET", ["torrent", ih]) => Ok(self.torrent(&hash(ih)?, Generation::Old)),
            ("GET", ["whitelist" | "keys", "reload"]) => Ok(done()),
            ("POST", ["whitelist", ih]) => {
                let changed = self.services.access.set_listed(hash(ih)?, true).await;
                changed_or(changed, "failed to whitelist torrent")
            }
            ("DELETE", ["whitelist", ih]) => {
                let changed = self.services.access.set_listed(hash(ih)?, false).await;
                changed_or(changed, "failed to remove torrent from whitelist")
            }
            ("POST", ["key", seconds]) => {
                let seconds = seconds.parse().map_err(|_| not_allowed())?;
                let made = self.services.access.make_key(Some(seconds)).await;
                let failed = |error| Refusal::failed_tersely("failed to generate key", &error);
                Ok(json(wire::old_key(&made.map_err(failed)?)))
            }
            ("DELETE", ["key", key]) => {
                let reason = "failed to delete key";
                let key = key.parse().map_err(|_| Refusal::unhandled(reason))?;
                changed_or(self.services.access.remove_key(key).await, reason)
            }
            _ => Err(not_allowed()),
        }
    }

    /// `/api/v1/*` of 3.0.
    async fn v1(&self, call: &mut Call, words: &[&str]) -> Result<Reply, Refusal> {
        match (call.method().as_str(), words) {
            ("GET" | "HEAD", ["stats"]) => Ok(self.stats()),
            ("GET" | "HEAD", ["torrents"]) => self.torrents(call, Generation::V1),
            ("GET" | "HEAD", ["torrent", ih]) => Ok(self.torrent(&hash_v1(ih)?, Generation::V1)),
            ("GET" | "HEAD", ["whitelist" | "keys", "reload"]) => Ok(done()),
            ("POST", ["whitelist", ih]) => self.list_v1(ih, true).await,
            ("DELETE", ["whitelist", ih]) => self.list_v1(ih, false).await,
            ("POST", ["keys"]) => self.add_key(call).await,
            ("POST", ["key", seconds]) => {
                let wrong = || {
                    let message = "Invalid URL: Cannot parse";
                    Refusal::new(400, format!("{message} `{}` to a `u64`", shown(seconds)))
                };
                let wish = seconds.parse().map_err(|_| wrong())?;
                made_v1(self.services.access.make_key(Some(wish)).await, wish)
            }
            ("DELETE", ["key", key]) => self.delete_key_v1(key).await,
            (_, ["stats" | "torrents" | "keys"] | ["torrent" | "whitelist" | "key", _])
            | (_, ["keys", "reload"]) => Err(Refusal::new(405, "")),
            _ => Err(Refusal::new(404, "")),
        }
    }

    async fn list_v1(&self, ih: &str, is_listed: bool) -> Result<Reply, Refusal> {
        let reason = match is_listed {
            true => "failed to whitelist torrent",
            false => "failed to remove torrent from whitelist",
        };
        let changed = self.services.access.set_listed(hash_v1(ih)?, is_listed).await;
        changed.map(|_| done()).map_err(|error| Refusal::failed(reason, &error))
    }

    async fn delete_key_v1(&self, key: &str) -> Result<Reply, Refusal> {
        let wrong = || Refusal::new(400, format!("Invalid auth key id param \"{}\"", shown(key)));
        let parsed = key.parse::<AccessKey>().map_err(|_| wrong())?;
        match self.services.access.remove_key(parsed).await {
            Ok(true) => Ok(done()),
            Ok(false) => Err(Refusal::unhandled("failed to delete key: the key is not known")),
            Err(error) => Err(Refusal::failed("failed to delete key", &error)),
        }
    }

    fn stats(&self) -> Reply {
        let swarms = &self.services.swarms;
        json(wire::stats(swarms.totals(), swarms.stats()))
    }

    fn torrents(&self, call: &Call, generation: Generation) -> Result<Reply, Refusal> {
        if generation == Generation::V1 && call.query("info_hash").is_some() {
            let mut known = Vec::new();
            for text in call.query_all("info_hash") {
                known.extend(self.services.swarms.get(&hash_v1(text)?));
            }
            return Ok(json(wire::torrents(known.iter())));
        }
        let number = |name: &str, default: u32| match call.query(name) {
            None => Ok(default),
            Some("") if generation == Generation::V1 => Ok(default),
            Some(value) => value.parse::<u32>().map_err(|_| match generation {
                Generation::Old => Refusal::new(400, "Invalid query string"),
                Generation::V1 => {
                    let reason =
                        "Failed to deserialize query string: invalid digit found in string";
                    Refusal::new(400, reason)
                }
            }),
        };
        let (offset, limit) = (number("offset", 0)?, number("limit", LIMITS.0)?.min(LIMITS.1));
        let all = self.services.swarms.list();
        Ok(json(wire::torrents(all.iter().skip(offset as usize).take(limit as usize))))
    }

    fn torrent(&self, info_hash: &TorrentId, generation: Generation) -> Reply {
        let swarms = &self.services.swarms;
        let Some(summary) = swarms.get(info_hash) else {
            return json(wire::NOT_KNOWN.to_vec());
        };
        let (peers, now_s) = (swarms.peers(info_hash), unix_now_s());
        json(match generation {
            Generation::Old if self.services.settings.facts().has_torrust_objects => {
                wire::torrent_of_old_objects(&summary, &peers)
            }
            Generation::Old => wire::torrent_of_pairs(&summary, &peers, now_s),
            Generation::V1 => wire::torrent_of_objects(&summary, &peers, now_s),
        })
    }

    async fn add_key(&self, call: &mut Call) -> Result<Reply, Refusal> {
        // What is no JSON by its own word may come from a page, unasked (rule W7).
        if !call.header("content-type").is_some_and(is_json) {
            return Err(Refusal::new(
                415,
                "Expected request with `Content-Type: application/json`",
            ));
        }
        let body = call.json(BODY_BYTES_MAX).await.map_err(|error| match error {
            BodyError::TooLarge => Refusal::new(413, "Failed to buffer the request body"),
            BodyError::Late => Refusal::new(408, ""),
            BodyError::Broken | BodyError::TooDeep => Refusal::unparsed("it cannot be read"),
        })?;
        let wish = wire::new_key(&body)?;
        let (access, seconds) = (&self.services.access, wish.seconds_valid);
        let made = match &wish.key {
            None => access.make_key(seconds).await,
            Some(key) => {
                let wrong = || {
                    let message = "Invalid URL: invalid auth key: string";
                    let given = shown(key);
                    let expected = "expected 32 alphanumeric characters";
                    Refusal::new(400, format!("{message} \"{given}\", {expected}"))
                };
                access.add_key(key.parse().map_err(|_| wrong())?, seconds).await
            }
        };
        made_v1(made, seconds.unwrap_or_default())
    }
}

/// A key as 3.0 answers with it; `seconds` is how long it was to be valid.
fn made_v1(made: Result<KeyRecord, Error>, seconds: u64) -> Result<Reply, Refusal> {
    let record = made.map_err(|error| match error.kind() {
        ErrorKind::Invalid => {
            let message = "Invalid URL: invalid auth key duration:";
            Refusal::new(400, format!("{message} \"{seconds}\""))
        }
        _ => Refusal::failed("failed to generate key", &error),
    })?;
    let reply = Reply::new(200).bytes(wire::key(&record));
    Ok(reply.header("content-type", "application/json; charset=utf-8"))
}

/// 2.3's answer to a change: a wish that changes nothing has failed, without a word why.
fn changed_or(changed: Result<bool, Error>, reason: &str) -> Result<Reply, Refusal> {
    match changed {
        Ok(true) => Ok(done()),
        Ok(false) => Err(Refusal::unhandled(reason)),
        Err(error) => Err(Refusal::failed_tersely(reason, &error)),
    }
}

fn is_json(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("application/json")
}

/// The caller's `x-request-id`, or one of our own in the form of a random UUID.
fn request_id(given: Option<&str>) -> String {
    if let Some(given) = given.filter(|given| given.len() <= 128) {
        return given.to_owned();
    }
    let mut bytes = [0u8; 16];
    // It only names a request, so what was there before will do as well.
    let _ = getrandom::fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| &digits[from..to];
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn hash_v1(given: &str) -> Result<TorrentId, Refusal> {
    given.parse().map_err(|_| {
        let message = "Invalid URL: invalid infohash param: string";
        let expected = "expected a 40 character long string";
        Refusal::new(400, format!("{message} \"{}\", {expected}", shown(given)))
    })
}

/// `GET /api/health_check`, and `/health_check` beside the announces: without a token.
pub fn health() -> Reply {
    json(wire::HEALTHY.to_vec())
}

fn done() -> Reply {
    json(wire::OK.to_vec())
}

fn json(body: Vec<u8>) -> Reply {
    Reply::new(200).json_bytes(body)
}
