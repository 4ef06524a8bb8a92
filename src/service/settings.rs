//! The configuration while the program runs: every key with its value and source, and changes.
//!
//! A change is judged by the rules of the configuration, made durable, and then in force at once:
//! for the engine, the tracker, the presets, and what APIs repeat of the configuration.
//! It stands above the configuration file, and below the environment and the command line: what
//! these say cannot be changed, so that an answered change is always in force, also after a
//! restart. What configuration means is known above; the rules are handed down as a [`Judge`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use tokio::sync::Mutex;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::ratio::Ratio;
use crate::domain::setting::Setting;
use crate::domain::setting::Value;
use crate::engine;
use crate::engine::SessionConfig;
use crate::service::presets::Preset;
use crate::service::presets::Presets;
use crate::service::sessions::Sessions;
use crate::store::Store;
use crate::tracker::Tracker;
use crate::tracker::TrackerConfig;

/// What the keys of changes begin with in the store.
const KEPT: &str = "config.";
/// Keys whose changes are in force at once.
const CHANGEABLE: [&str; 18] = [
    "client.dht",
    "client.lsd",
    "client.natpmp",
    "client.upnp",
    "client.limits.active",
    "client.limits.active_downloads",
    "client.limits.active_seeds",
    "client.limits.connections",
    "client.limits.download_bytes_per_s",
    "client.limits.seed_ratio_percent",
    "client.limits.upload_bytes_per_s",
    "client.limits.uploads",
    "tracker.interval_s",
    "tracker.limits.peers",
    "tracker.limits.peers_per_address",
    "tracker.limits.peers_per_swarm",
    "tracker.limits.swarms",
    "tracker.mode",
];
/// libtorrent's own settings: any of them.
const FREE: &str = "client.settings.";
/// Presets: any member of any name.
const PRESETS: &str = "presets.";
/// Characters of the name of a preset.
const PRESET_NAME_CHARS_MAX: usize = 64;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 4096;
/// Changes that may be kept: libtorrent has fewer than 300 settings.
const CHANGES_MAX: usize = 512;

/// Changes by key.
pub type Changes = BTreeMap<String, Value>;

/// What the configuration comes to with some changes.
pub struct Configured {
    /// Every key, in order.
    pub settings: Vec<Setting>,
    /// For the engine's default session, and what the others begin with.
    pub session: SessionConfig,
    /// For the tracker.
    pub tracker: TrackerConfig,
    /// By name.
    pub presets: BTreeMap<String, Preset>,
    /// For the APIs.
    pub facts: SessionFacts,
}

/// What the configuration says that some API repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionFacts {
    /// Limit of all downloads together, bytes/s, 0 = none.
    pub download_limit: u32,
    /// Limit of all uploads together, bytes/s, 0 = none.
    pub upload_limit: u32,
    /// How far a torrent is seeded of which nothing else is said, 0 = without end.
    pub seed_ratio: Ratio,
    /// Whether peers are looked for in the DHT.
    pub has_dht: bool,
    /// Whether peers tell each other of peers.
    pub has_pex: bool,
    /// Whether Torrust's older API lists peers as objects, as 2.1 to 2.3 did.
    pub has_torrust_objects: bool,
    /// Whether `/metrics` answers without a token.
    pub has_open_metrics: bool,
}

/// Says what the configuration comes to with these changes, or why it cannot be.
pub type Judge = Box<dyn Fn(&Changes) -> Result<Configured> + Send + Sync>;

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Settings {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    sessions: Sessions,
    tracker: Tracker,
    judge: Judge,
    /// One change at a time.
    changes: Mutex<Changes>,
    present: RwLock<Present>,
    presets: Presets,
}

/// What is in force.
struct Present {
    settings: Arc<[Setting]>,
    facts: SessionFacts,
}

/// Whether a change of `key` is in force at once, unless something above says otherwise.
pub fn is_changeable(key: &str) -> bool {
    CHANGEABLE.contains(&key)
        || key.strip_prefix(FREE).is_some_and(|name| !name.is_empty())
        || key.strip_prefix(PRESETS).and_then(|rest| rest.split_once('.')).is_some_and(is_of_preset)
}

/// Whether this may be the name of a preset and one of its members; which there are, the rules of
/// the configuration know.
fn is_of_preset((name, member): (&str, &str)) -> bool {
    let length = name.chars().count();
    let is_name = (1..=PRESET_NAME_CHARS_MAX).contains(&length) && !name.contains(char::is_control);
    is_name && !member.is_empty() && !member.contains('.')
}

/// The changes that were made in earlier runs. One that `judge` does not take any more is left
/// out and logged: it must not keep the program from starting.
///
/// # Errors
/// Those of the store.
pub async fn kept(store: &Store, judge: &Judge) -> Result<Changes> {
    let mut changes = Changes::new();
    for (key, kept) in store.settings().await? {
        let Some(key) = key.strip_prefix(KEPT).filter(|key| is_changeable(key)) else { continue };
        let Some(value) = Value::from_kept(&kept) else { continue };
        changes.insert(key.to_owned(), value);
        let judged = judge(&changes);
        let judged = judged.and_then(|found| engine::settings::prepare(&[found.session]));
        if let Err(error) = judged {
            tracing::warn!(key, error = error.message(), "a kept change of a setting is left out");
            changes.remove(key);
        }
    }
    Ok(changes)
}

impl Settings {
    /// Over what runs with `changes` already.
    ///
    /// # Errors
    /// Invalid, when `judge` does not take the changes.
    pub fn new(
        store: Store,
        sessions: Sessions,
        tracker: Tracker,
        judge: Judge,
        changes: Changes,
    ) -> Result<Self> {
        let found = judge(&changes)?;
        let present = Present { settings: found.settings.into(), facts: found.facts };
        let (present, presets) = (RwLock::new(present), Presets::new(found.presets));
        let changes = Mutex::new(changes);
        let inner = Inner { store, sessions, tracker, judge, changes, present, presets };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The presets as they are configured at any moment.
    pub fn presets(&self) -> Presets {
        self.inner.presets.clone()
    }

    /// What some API repeats of the configuration.
    pub fn facts(&self) -> SessionFacts {
        self.inner.present.read().unwrap_or_else(PoisonError::into_inner).facts
    }

    /// Every key, in order.
    pub fn list(&self) -> Arc<[Setting]> {
        Arc::clone(&self.inner.present.read().unwrap_or_else(PoisonError::into_inner).settings)
    }

    /// One key.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, key: &str) -> Result<Setting> {
        let found = self.list().iter().find(|setting| setting.key == key).cloned();
        found.ok_or_else(|| Error::not_found(format!("there is no setting `{key}`")))
    }

    /// Changes keys, all of them or none; `None` takes a change back. Durable and in force when
    /// this returns.
    ///
    /// # Errors
    /// `NotFound`, for an unknown key; Conflict, for one that cannot be changed now; Invalid, for
    /// a wrong value; those of the store.
    pub async fn change(&self, wishes: Vec<(String, Option<Value>)>) -> Result<()> {
        let inner = &*self.inner;
        let mut changes = inner.changes.lock().await;
        let mut next = changes.clone();
        let mut to_keep = Vec::with_capacity(wishes.len());
        for (key, value) in wishes {
            self.check(&key)?;
            let kept = value.as_ref().map(Value::to_kept).transpose();
            let kept = kept.map_err(|error| wrong(&key, &error))?;
            if kept.as_ref().is_some_and(|kept| kept.len() > VALUE_BYTES_MAX) {
                return Err(Error::invalid(format!("the value of `{key}` is too long")));
            }
            to_keep.push((format!("{KEPT}{key}"), kept));
            match value {
                Some(value) => drop(next.insert(key, value)),
                None => drop(next.remove(&key)),
            }
        }
        if next.len() > CHANGES_MAX {
            return Err(Error::invalid("so many settings cannot be changed at once"));
        }
        let configured = (inner.judge)(&next)?;
        let sessions = inner.sessions.plan(configured.session).await?;
        inner.store.set_settings(to_keep).await?;
        inner.tracker.configure(&configured.tracker);
        inner.sessions.carry_out(sessions).await?;
        *changes = next;
        inner.presets.replace(configured.presets);
        let present = Present { settings: configured.settings.into(), facts: configured.facts };
        *inner.present.write().unwrap_or_else(PoisonError::into_inner) = present;
        Ok(())
    }

    fn check(&self, key: &str) -> Result<()> {
        let known = self.list();
        let known = known.iter().find(|setting| setting.key == key);
        if let Some(setting) = known.filter(|setting| setting.source.is_pinned()) {
            let detail = &setting.source_detail;
            let message = format!("`{key}` is set by {detail}, which wins: change it there");
            return Err(Error::conflict(message));
        }
        if is_changeable(key) {
            return Ok(());
        }
        match known.is_some() {
            true => Err(Error::conflict(format!(
                "`{key}` is read at the start: set it in the configuration and start again"
            ))),
            false => Err(Error::not_found(format!("there is no setting `{key}`"))),
        }
    }
}

fn wrong(key: &str, error: &Error) -> Error {
    Error::invalid(format!("`{key}`: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_at_the_start_is_not_changeable() {
        for key in [
            "client.limits.uploads",
            "tracker.mode",
            "client.settings.user_agent",
            "presets.films.tags",
        ] {
            assert!(is_changeable(key), "{key}");
        }
        for key in ["api.bind", "api.token", "client.settings.", "state_dir", "client.roots", ""] {
            assert!(!is_changeable(key), "{key}");
        }
        let long = format!("presets.{}.tags", "x".repeat(PRESET_NAME_CHARS_MAX + 1));
        for key in ["presets.", "presets.x", "presets..tags", "presets.a.b.tags", &long] {
            assert!(!is_changeable(key), "{key}");
        }
    }
}
