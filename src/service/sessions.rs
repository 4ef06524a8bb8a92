//! The engine's sessions by name: what they are doing, their settings, pausing them; and sessions
//! that are added while the program runs.
//!
//! The default session is the configuration's. The others have its settings too, their own over
//! them, and listen elsewhere. They are kept in the store, by which torrents name theirs, so that all
//! are there again before a torrent is loaded. A session goes only when no torrent is in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::sync::OwnedRwLockReadGuard;
use tokio::sync::RwLock;
use tokio::time::timeout;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::engine::DEFAULT_SESSION_NUMBER;
use crate::engine::Engine;
use crate::engine::NewSettings;
use crate::engine::OpenSession;
use crate::engine::SessionConfig;
pub use crate::engine::SessionState;
pub use crate::engine::settings::SettingValue;
use crate::service::kept_sessions::KeptSession;
use crate::service::kept_sessions::checked_name;
use crate::service::kept_sessions::checked_settings;
use crate::service::kept_sessions::config_of;
use crate::service::kept_sessions::encode;
use crate::service::kept_sessions::is_to_listen;
use crate::store::SessionRecord;
use crate::store::Store;

/// Words in the names of settings whose values are secrets (rule W11).
const SECRET_WORDS: [&str; 4] = ["password", "passwd", "secret", "token"];
/// What is shown in place of one that is set.
const MASK: &str = "***";
/// Sessions there may be: each has threads, sockets and open files of its own.
const SESSIONS_MAX: usize = 16;
/// How long a new session may take until it knows whether its first port is open.
const LISTEN_LIMIT: Duration = Duration::from_secs(5);
/// How long its other ports may take when that one is not.
const OTHERS_LIMIT: Duration = Duration::from_secs(2);

/// The sessions; a cheap handle.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    store: Store,
    /// Held for reading while a torrent goes into a session, for writing while one comes or goes.
    doors: Arc<RwLock<()>>,
    /// One change at a time.
    own: Arc<Mutex<Own>>,
}

/// What the sessions are made of.
struct Own {
    /// The default session.
    base: SessionConfig,
    kept: Vec<KeptSession>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its number, which no other session had; 1 is the default one.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: SessionState,
    /// The TCP port that peers reach; `None` while there is none.
    pub port: Option<u16>,
    /// How many torrents live in it.
    pub torrents: usize,
    /// What it was given beside the configuration, secrets masked.
    pub own: BTreeMap<String, SettingValue>,
}

/// Held while a torrent goes into a session, which stays meanwhile.
pub(super) struct Stay(#[expect(dead_code, reason = "it is only held")] OwnedRwLockReadGuard<()>);

/// Other settings for every session, checked and not yet in force.
pub(super) struct Rebase {
    own: OwnedMutexGuard<Own>,
    base: SessionConfig,
    settings: Vec<NewSettings>,
}

impl Sessions {
    /// Over an engine that runs `base` and those of `kept` that could be started.
    pub fn new(engine: Engine, store: Store, base: SessionConfig, kept: Vec<KeptSession>) -> Self {
        let own = Arc::new(Mutex::new(Own { base, kept }));
        Self { inner: Arc::new(Inner { engine, store, doors: Arc::default(), own }) }
    }

    /// The name of the session where torrents go by default.
    pub fn default_name(&self) -> String {
        let sessions = self.inner.engine.sessions();
        sessions.first().map_or_else(String::new, |session| session.name.to_string())
    }

    /// The numbers and names of all sessions, the default one first.
    pub fn names(&self) -> Vec<(u32, String)> {
        let sessions = self.inner.engine.sessions();
        sessions.iter().map(|session| (session.number, session.name.to_string())).collect()
    }

    /// The port at which peers reach us; `None` while there is none.
    pub fn peer_port(&self) -> Option<u16> {
        self.inner.engine.listening().borrow().filter(|port| *port > 0)
    }

    /// Whether there is a session of this name.
    pub fn has(&self, name: &str) -> bool {
        self.inner.engine.sessions().iter().any(|known| *known.name == *name)
    }

    /// Every session. Asks the engine.
    ///
    /// # Errors
    /// Busy.
    pub async fn list(&self) -> Result<Vec<Session>> {
        let mut sessions = Vec::new();
        for open in self.inner.engine.sessions().iter() {
            match self.look_at(open).await {
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                session => sessions.push(session?),
            }
        }
        Ok(sessions)
    }

    /// One session. Asks the engine.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn get(&self, name: &str) -> Result<Session> {
        let open = self.open(name)?;
        self.look_at(&open).await
    }

    async fn look_at(&self, open: &OpenSession) -> Result<Session> {
        let inner = &self.inner;
        let state = inner.engine.session_state(&open.name).await?;
        let torrents = inner.engine.list();
        let torrents = torrents.iter().filter(|torrent| torrent.session == open.name).count();
        let own = inner.own.lock().await;
        let kept = own.kept.iter().find(|kept| kept.number == open.number);
        let own = kept.map(|kept| kept.settings.clone()).unwrap_or_default();
        Ok(Session {
            number: open.number,
            name: open.name.to_string(),
            state,
            port: open.port.filter(|port| *port > 0),
            torrents,
            own: own.into_iter().map(masked).collect(),
        })
    }

    fn open(&self, name: &str) -> Result<OpenSession> {
        let sessions = self.inner.engine.sessions();
        let found = sessions.iter().find(|session| *session.name == *name).cloned();
        found.ok_or_else(|| no_session(name))
    }

    /// Stops every torrent of a session until it is resumed or the program starts again.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn pause(&self, name: &str) -> Result<()> {
        self.inner.engine.pause_session(name, true).await
    }

    /// Lets the torrents of a session go on that are not stopped themselves.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn resume(&self, name: &str) -> Result<()> {
        self.inner.engine.pause_session(name, false).await
    }

    /// libtorrent's settings of a session, secrets masked.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn settings(&self, name: &str) -> Result<Vec<(String, SettingValue)>> {
        let settings = self.inner.engine.session_settings(name).await?;
        Ok(settings.into_iter().map(masked).collect())
    }

    /// libtorrent's version and revision, and Boost's version.
    pub fn versions(&self) -> [String; 3] {
        let (revision, boost) = Engine::revisions();
        [Engine::libtorrent_version(), revision, boost]
    }

    /// Adds a session with these libtorrent settings over those of the configuration. Without
    /// `listen_interfaces` it listens at the addresses of the default session, each time at a port
    /// that the system chooses. Durable, and listening, when this returns.
    ///
    /// # Errors
    /// Invalid, for a name or settings that cannot be; Conflict, when there is one of this name,
    /// when there are too many, or when its port is taken; those of the store.
    pub async fn add(&self, name: &str, settings: BTreeMap<String, SettingValue>) -> Result<()> {
        let inner = &*self.inner;
        checked_name(name)?;
        checked_settings(&settings)?;
        let mut own = inner.own.lock().await;
        // Nothing goes into it before it is there for good.
        let _alone = inner.doors.write().await;
        if self.has(name) {
            return Err(Error::conflict(format!("there is a session `{name}` already")));
        }
        if inner.engine.sessions().len() >= SESSIONS_MAX {
            return Err(Error::conflict(format!("there are {SESSIONS_MAX} sessions: remove one")));
        }
        let draft = KeptSession { number: 0, name: name.to_owned(), settings };
        inner.engine.prepare_settings(&config_of(&own.base, &draft))?;
        let number = inner.store.add_session(name, &encode(&draft.settings)?).await?;
        let kept = KeptSession { number, ..draft };
        if let Err(error) = self.start(&config_of(&own.base, &kept)).await {
            // Nobody was told of it.
            inner.store.remove_session(name).await?;
            return Err(error);
        }
        own.kept.push(kept);
        Ok(())
    }

    /// Starts a session and waits until it listens, if it is to; one that cannot is ended.
    async fn start(&self, config: &SessionConfig) -> Result<()> {
        let engine = &self.inner.engine;
        engine.open_session(engine.prepare_settings(config)?).await?;
        if !is_to_listen(config) {
            return Ok(());
        }
        let port = || {
            let sessions = engine.sessions();
            let own = sessions.iter().find(|session| session.number == config.number);
            own.and_then(|session| session.port)
        };
        self.until(LISTEN_LIMIT, || port().is_some()).await;
        // One address may be taken and another one free.
        self.until(OTHERS_LIMIT, || port() != Some(0)).await;
        if port() == Some(0) {
            engine.close_session(config.number).await?;
            let message = format!(
                "the session `{}` cannot listen where it is to: choose a free port in \
                 `listen_interfaces`",
                config.name
            );
            return Err(Error::conflict(message));
        }
        Ok(())
    }

    /// Waits until something is so, or as long as it may take.
    async fn until(&self, limit: Duration, is_so: impl Fn() -> bool) {
        let mut changes = self.inner.engine.changes();
        let so = async { while !is_so() && changes.changed().await.is_ok() {} };
        // Whether it is so is looked at by whoever waits.
        let _ = timeout(limit, so).await;
    }

    /// Changes what a session that was added has beside the configuration; `None` takes a setting
    /// back. Durable and in force when this returns.
    ///
    /// # Errors
    /// `NotFound`; Conflict for the default session; Invalid; those of the store.
    pub async fn change(
        &self,
        name: &str,
        wishes: BTreeMap<String, Option<SettingValue>>,
    ) -> Result<()> {
        let inner = &*self.inner;
        let mut own = inner.own.lock().await;
        let open = self.open(name)?;
        let base = own.base.clone();
        let kept = own.kept.iter_mut().find(|kept| kept.number == open.number);
        let kept = kept.ok_or_else(|| {
            Error::conflict(format!(
                "the settings of `{name}` are those of the configuration: change \
                 `client.settings.*` there"
            ))
        })?;
        let mut changed = kept.clone();
        for (setting, wish) in wishes {
            match wish {
                Some(value) => drop(changed.settings.insert(setting, value)),
                None => drop(changed.settings.remove(&setting)),
            }
        }
        checked_settings(&changed.settings)?;
        let settings = inner.engine.prepare_settings(&config_of(&base, &changed))?;
        let record = SessionRecord {
            number: changed.number,
            name: changed.name.clone(),
            settings: encode(&changed.settings)?,
        };
        inner.store.set_session(record).await?;
        *kept = changed;
        inner.engine.configure(settings).await
    }

    /// Removes a session that no torrent lives in. Durable, and its ports free, when this returns.
    ///
    /// # Errors
    /// `NotFound`; Conflict for the default session and for one with torrents; those of the store.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let inner = &*self.inner;
        let mut own = inner.own.lock().await;
        let _alone = inner.doors.write().await;
        let open = self.open(name).ok();
        if open.as_ref().is_some_and(|open| open.number == DEFAULT_SESSION_NUMBER) {
            let message = format!("the session `{name}` is the configuration's, and stays");
            return Err(Error::conflict(message));
        }
        if open.is_none() {
            // One that could not be started is a record only.
            let mut records = inner.store.sessions().await?.into_iter();
            records.find(|record| record.name == name).ok_or_else(|| no_session(name))?;
        }
        inner.store.remove_session(name).await?;
        if let Some(open) = open {
            inner.engine.close_session(open.number).await?;
            own.kept.retain(|kept| kept.number != open.number);
        }
        Ok(())
    }

    /// Has the session of this name stay until the value is dropped; none is the default one.
    ///
    /// # Errors
    /// Invalid, when there is none of this name.
    pub(super) async fn enter(&self, name: Option<&str>) -> Result<Stay> {
        let guard = Arc::clone(&self.inner.doors).read_owned().await;
        match name.filter(|name| !name.is_empty() && !self.has(name)) {
            Some(name) => Err(Error::invalid(no_session(name).message())),
            None => Ok(Stay(guard)),
        }
    }

    /// Checks every session with another configuration.
    ///
    /// # Errors
    /// Invalid.
    pub(super) async fn plan(&self, base: SessionConfig) -> Result<Rebase> {
        let inner = &self.inner;
        let own = Arc::clone(&inner.own).lock_owned().await;
        let added = own.kept.iter().filter(|kept| self.has(&kept.name));
        let configs = added.map(|kept| config_of(&base, kept));
        let all = std::iter::once(base.clone()).chain(configs);
        let settings = all.map(|config| inner.engine.prepare_settings(&config));
        Ok(Rebase { settings: settings.collect::<Result<_>>()?, own, base })
    }

    /// Puts a plan in force.
    ///
    /// # Errors
    /// Invalid, when libtorrent refuses it; Busy.
    pub(super) async fn carry_out(&self, plan: Rebase) -> Result<()> {
        let Rebase { mut own, base, settings } = plan;
        for settings in settings {
            self.inner.engine.configure(settings).await?;
        }
        own.base = base;
        Ok(())
    }
}

fn no_session(name: &str) -> Error {
    Error::not_found(format!("there is no session `{name}`"))
}

fn masked((name, value): (String, SettingValue)) -> (String, SettingValue) {
    let is_secret = SECRET_WORDS.iter().any(|word| name.contains(word));
    match value {
        SettingValue::Text(text) if is_secret && !text.is_empty() => {
            (name, SettingValue::Text(MASK.into()))
        }
        value => (name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule W11.
    #[test]
    fn w11_passwords_are_masked() {
        let text = |text: &str| SettingValue::Text(text.into());
        assert_eq!(masked(("proxy_password".into(), text("x"))).1, text(MASK));
        assert_eq!(masked(("proxy_password".into(), text(""))).1, text(""));
        assert_eq!(masked(("proxy_hostname".into(), text("x"))).1, text("x"));
    }
}
