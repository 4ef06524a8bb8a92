//! The sessions by name: what each is doing, and its settings.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::Engine;
use crate::engine::NewSettings;
use crate::engine::OpenSession;
use crate::engine::actor::Actor;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::SettingKind;
use crate::engine::ffi_details;
use crate::engine::message::Message;
use crate::engine::message::Reply;
use crate::engine::message::SessionWork;
use crate::engine::prepared::refused;
use crate::engine::settings::SettingValue;
use crate::engine::slots::DEFAULT_SESSION_NUMBER;
use crate::engine::stopped;

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Peers are looked for in the DHT.
    pub is_dht_running: bool,
    /// Peers can reach us.
    pub is_listening: bool,
    /// No torrent of it runs.
    pub is_paused: bool,
}

impl Engine {
    /// libtorrent's revision and Boost's version.
    pub fn revisions() -> (String, String) {
        let revision = ffi_details::bridge::libtorrent_revision().unwrap_or_default();
        (revision, ffi_details::bridge::boost_version().unwrap_or_default())
    }

    /// The sessions that run; the first is where torrents go by default. Memory only.
    pub fn sessions(&self) -> Arc<[OpenSession]> {
        self.board.sessions()
    }

    /// Starts a session.
    ///
    /// # Errors
    /// Conflict, when one has its name or number; Invalid, when libtorrent refuses it; Busy.
    pub async fn open_session(&self, new: NewSettings) -> Result<()> {
        let wish = Box::new(new.0);
        self.ask(|reply| Message::OpenSession { wish, reply }).await
    }

    /// Ends a session; its ports are free when this is answered.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when torrents live in it or it is the default one; Busy.
    pub async fn close_session(&self, number: u32) -> Result<()> {
        self.ask(|reply| Message::CloseSession { number, reply }).await
    }

    /// What the session `name` is doing.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn session_state(&self, name: &str) -> Result<SessionState> {
        let found = self.look_at(name, |session| session.session_state()).await?;
        Ok(SessionState {
            is_dht_running: found.is_dht_running,
            is_listening: found.is_listening,
            is_paused: found.is_paused,
        })
    }

    /// Every libtorrent setting of the session `name`.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn session_settings(&self, name: &str) -> Result<Vec<(String, SettingValue)>> {
        let found = self.look_at(name, |session| session.settings()).await?;
        let value = |setting: &bridge::Setting| match setting.kind {
            SettingKind::Text => SettingValue::Text(setting.text.clone()),
            SettingKind::Int => SettingValue::Int(setting.number),
            _ => SettingValue::Bool(setting.number != 0),
        };
        Ok(found.iter().map(|setting| (setting.name.clone(), value(setting))).collect())
    }

    /// Stops every torrent of the session `name`, or lets them go on; each keeps its own wish.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn pause_session(&self, name: &str, is_paused: bool) -> Result<()> {
        let work = move |session: Pin<&mut bridge::Session>| match is_paused {
            true => session.pause_session(),
            false => session.resume_session(),
        };
        self.work_on(name, Box::new(work)).await
    }

    async fn look_at<T: Send + 'static>(
        &self,
        name: &str,
        look: impl FnOnce(&bridge::Session) -> std::result::Result<T, cxx::Exception> + Send + 'static,
    ) -> Result<T> {
        let (found, answer) = oneshot::channel();
        let work = move |session: Pin<&mut bridge::Session>| {
            // A caller that gave up is ignored.
            let _ = found.send(look(session.as_ref().get_ref())?);
            Ok(())
        };
        self.work_on(name, Box::new(work)).await?;
        answer.await.map_err(|_| stopped())
    }

    async fn work_on(&self, name: &str, work: SessionWork) -> Result<()> {
        let name = name.to_owned();
        self.ask(|reply| Message::OnSession { name, work, reply }).await
    }
}

impl Actor {
    /// Ends a session that no torrent lives in.
    pub(crate) fn close(&mut self, number: u32, reply: Reply) {
        let is_used = self.torrents.values().any(|entry| entry.session == number);
        if is_used || number == DEFAULT_SESSION_NUMBER {
            let error = Error::conflict("the session is in use");
            drop(reply.send(Err(error)));
            return;
        }
        self.slots.close(number, reply);
        self.stats.closed(number);
    }

    /// Calls the session of this name.
    pub(crate) fn work_on(&mut self, name: &str, work: SessionWork) -> Result<()> {
        let slot = self.slots.named_mut(name)?;
        work(slot.session.pin_mut()).map_err(refused)
    }
}
