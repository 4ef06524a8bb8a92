//! The engine's sessions by name: what they are doing, their settings, pausing them.

use crate::domain::error::Result;
use crate::engine::Engine;
pub use crate::engine::SessionState;
pub use crate::engine::settings::SettingValue;

/// Words in the names of settings whose values are secrets (rule W11).
const SECRET_WORDS: [&str; 4] = ["password", "passwd", "secret", "token"];
/// What is shown in place of one that is set.
const MASK: &str = "***";

/// The sessions; a cheap handle.
#[derive(Clone)]
pub struct Sessions {
    engine: Engine,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: SessionState,
    /// How many torrents live in it.
    pub torrents: usize,
}

impl Sessions {
    /// Over the engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// The name of the session where torrents go by default.
    pub fn default_name(&self) -> String {
        self.engine.sessions().first().map_or_else(String::new, ToString::to_string)
    }

    /// The names of all sessions.
    pub fn names(&self) -> Vec<String> {
        self.engine.sessions().iter().map(ToString::to_string).collect()
    }

    /// The port at which peers reach us; `None` while there is none.
    pub fn peer_port(&self) -> Option<u16> {
        self.engine.listening().borrow().filter(|port| *port > 0)
    }

    /// Whether there is a session of this name.
    pub fn has(&self, name: &str) -> bool {
        self.engine.sessions().iter().any(|known| **known == *name)
    }

    /// Every session. Asks the engine.
    ///
    /// # Errors
    /// Busy.
    pub async fn list(&self) -> Result<Vec<Session>> {
        let torrents = self.engine.list();
        let mut sessions = Vec::new();
        for name in self.engine.sessions().iter() {
            let state = self.engine.session_state(name).await?;
            let count = torrents.iter().filter(|torrent| torrent.session == *name).count();
            sessions.push(Session { name: name.to_string(), state, torrents: count });
        }
        Ok(sessions)
    }

    /// Stops every torrent of a session until it is resumed or the program starts again.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn pause(&self, name: &str) -> Result<()> {
        self.engine.pause_session(name, true).await
    }

    /// Lets the torrents of a session go on that are not stopped themselves.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn resume(&self, name: &str) -> Result<()> {
        self.engine.pause_session(name, false).await
    }

    /// libtorrent's settings of a session, secrets masked.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn settings(&self, name: &str) -> Result<Vec<(String, SettingValue)>> {
        let settings = self.engine.session_settings(name).await?;
        Ok(settings.into_iter().map(masked).collect())
    }

    /// libtorrent's version and revision, and Boost's version.
    pub fn versions(&self) -> [String; 3] {
        let (revision, boost) = Engine::revisions();
        [Engine::libtorrent_version(), revision, boost]
    }
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
