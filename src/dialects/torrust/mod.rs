//! Torrust Tracker's REST API: `/api/*` as documented in 2021, `/api/v1/*` as in 3.0.
//!
//! The contract is quirky: refusals are 500 with a fixed text, "not known" is 200, and one
//! unversioned route answers 405 to a hash that is none. `docs/api/torrust.md` tells what is served.

mod errors;
mod wire;

use crate::dialects::torrust::errors::Refusal;
use crate::dialects::torrust::errors::shown;
use crate::domain::access::AccessKey;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::hash::TorrentId;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::http::Reply;
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

impl Torrust {
    /// Over `services`.
    pub fn new(services: Services) -> Self {
        Self { services }
    }

    /// Answers a call of this API.
    pub async fn answer(&self, generation: Generation, mut call: Call) -> Reply {
        let segments = call.segments().to_vec();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let (["api", "health_check"], "GET") = (&words[..], call.method().as_str()) {
            return Reply::new(200).json_bytes(b"{\"status\":\"Ok\"}".to_vec());
        }
        // Before anything else is looked at, and before any effect (rule W4).
        if let Err(refused) = self.authorize(&call) {
            return refused.reply();
        }
        let outcome = match generation {
            Generation::Old => self.old(&call, &words[1..]).await,
            Generation::V1 => self.v1(&mut call, &words[2..]).await,
        };
        outcome.unwrap_or_else(Refusal::reply)
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
            ("GET", ["torrent", ih]) => Ok(self.torrent(hash(ih)?, Generation::Old)),
            ("GET", ["whitelist" | "keys", "reload"]) => Ok(done()),
            ("POST", ["whitelist", ih]) => match self.list(hash(ih)?, true).await? {
                true => Ok(done()),
                false => Err(Refusal::unhandled("failed to whitelist torrent")),
            },
            ("DELETE", ["whitelist", ih]) => match self.list(hash(ih)?, false).await? {
                true => Ok(done()),
                false => Err(Refusal::unhandled("failed to remove torrent from whitelist")),
            },
            ("POST", ["key", seconds]) => {
                let seconds = seconds.parse().map_err(|_| not_allowed())?;
                let made = self.services.access.make_key(Some(seconds)).await;
                let record =
                    made.map_err(|error| Refusal::failed("failed to generate key", &error))?;
                Ok(json(wire::old_key(&record)))
            }
            ("DELETE", ["key", key]) => {
                let reason = "failed to delete key";
                let key = key.parse().map_err(|_| Refusal::unhandled(reason))?;
                match self.delete_key(key, reason).await? {
                    true => Ok(done()),
                    false => Err(Refusal::unhandled(reason)),
                }
            }
            _ => Err(not_allowed()),
        }
    }

    /// `/api/v1/*` of 3.0.
    async fn v1(&self, call: &mut Call, words: &[&str]) -> Result<Reply, Refusal> {
        match (call.method().as_str(), words) {
            ("GET", ["stats"]) => Ok(self.stats()),
            ("GET", ["torrents"]) => self.torrents(call, Generation::V1),
            ("GET", ["torrent", ih]) => Ok(self.torrent(hash_v1(ih)?, Generation::V1)),
            ("GET", ["whitelist" | "keys", "reload"]) => Ok(done()),
            ("POST", ["whitelist", ih]) => {
                self.list(hash_v1(ih)?, true).await?;
                Ok(done())
            }
            ("DELETE", ["whitelist", ih]) => {
                self.list(hash_v1(ih)?, false).await?;
                Ok(done())
            }
            ("POST", ["keys"]) => self.add_key(call).await,
            ("POST", ["key", seconds]) => {
                let seconds = seconds.parse().map_err(|_| {
                    Refusal::new(
                        400,
                        format!("Invalid URL: Cannot parse `{}` to a `u64`", shown(seconds)),
                    )
                })?;
                self.made_v1(self.services.access.make_key(Some(seconds)).await)
            }
            ("DELETE", ["key", key]) => {
                let parsed = key.parse().map_err(|_| {
                    Refusal::new(400, format!("Invalid auth key id param \"{}\"", shown(key)))
                })?;
                match self.delete_key(parsed, "failed to delete key").await? {
                    true => Ok(done()),
                    false => Err(Refusal::unhandled("failed to delete key: the key is not known")),
                }
            }
            _ => Err(Refusal::new(404, "")),
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

    fn torrent(&self, info_hash: TorrentId, generation: Generation) -> Reply {
        let swarms = &self.services.swarms;
        let Some(summary) = swarms.get(&info_hash) else {
            return json(b"\"torrent not known\"".to_vec());
        };
        let (peers, now_s) = (swarms.peers(&info_hash), unix_now_s());
        json(match generation {
            Generation::Old => wire::torrent_of_pairs(&summary, &peers, now_s),
            Generation::V1 => wire::torrent_of_objects(&summary, &peers, now_s),
        })
    }

    /// Tells whether that changed anything.
    async fn list(&self, info_hash: TorrentId, is_listed: bool) -> Result<bool, Refusal> {
        let reason = match is_listed {
            true => "failed to whitelist torrent",
            false => "failed to remove torrent from whitelist",
        };
        let changed = self.services.access.set_listed(info_hash, is_listed).await;
        changed.map_err(|error| Refusal::failed(reason, &error))
    }

    async fn add_key(&self, call: &mut Call) -> Result<Reply, Refusal> {
        let body = call.json(BODY_BYTES_MAX).await;
        let body = body.map_err(|_| Refusal::new(413, "the body is too large"))?;
        let wish = wire::new_key(&body).map_err(|error| {
            let message = "Failed to deserialize the JSON body into the target type";
            Refusal::new(422, format!("{message}: {error}"))
        })?;
        let access = &self.services.access;
        match &wish.key {
            None => self.made_v1(access.make_key(wish.seconds_valid).await),
            Some(key) => {
                let parsed = key.parse().map_err(|_| {
                    let message = "Invalid URL: invalid auth key: string";
                    Refusal::new(
                        400,
                        format!(
                            "{message} \"{}\", expected 32 alphanumeric characters",
                            shown(key)
                        ),
                    )
                })?;
                self.made_v1(access.add_key(parsed, wish.seconds_valid).await)
            }
        }
    }

    fn made_v1(
        &self,
        made: Result<crate::domain::access::KeyRecord, Error>,
    ) -> Result<Reply, Refusal> {
        let record = made.map_err(|error| match error.kind() {
            ErrorKind::Invalid => Refusal::new(
                400,
                format!("Invalid URL: invalid auth key duration: {}", error.message()),
            ),
            _ => Refusal::failed("failed to generate key", &error),
        })?;
        let reply = Reply::new(200).bytes(wire::key(&record));
        Ok(reply.header("content-type", "application/json; charset=utf-8"))
    }

    async fn delete_key(&self, key: AccessKey, reason: &str) -> Result<bool, Refusal> {
        self.services.access.remove_key(key).await.map_err(|error| Refusal::failed(reason, &error))
    }
}

fn hash_v1(given: &str) -> Result<TorrentId, Refusal> {
    given.parse().map_err(|_| {
        let message = "Invalid URL: invalid infohash param: string";
        let expected = "expected a 40 character long string";
        Refusal::new(400, format!("{message} \"{}\", {expected}", shown(given)))
    })
}

fn done() -> Reply {
    json(wire::OK.to_vec())
}

fn json(body: Vec<u8>) -> Reply {
    Reply::new(200).json_bytes(body)
}
