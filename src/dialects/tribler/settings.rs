//! `GET` and `POST /settings`: the program's configuration in the shape of Tribler's, and the few
//! of Tribler's own keys that mean the same here.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_body;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::settings_wire;
use crate::domain::error::ErrorKind;
use crate::http::Call;
use crate::http::Reply;

impl Tribler {
    /// `GET /settings`
    pub(super) fn settings(&self) -> Reply {
        let ports = self.services.sessions.peer_port().into_iter().collect();
        let body = settings_wire::settings(&self.services.settings.list(), ports);
        json_reply(json::text(&body))
    }

    /// `POST /settings`: all of the changes or none. What is as it was is no change, since clients
    /// send back everything they got.
    pub(super) async fn change_settings(&self, call: &mut Call) -> Result<Reply, Refusal> {
        let body = json_body(call).await?;
        let changes = settings_wire::changes(&self.services.settings.list(), &body)?;
        if !changes.is_empty() {
            let changed = self.services.settings.change(changes).await;
            changed.map_err(|error| match error.kind() {
                // A 404 would read as "this download does not exist".
                ErrorKind::NotFound => Refusal::bad(error.public_message()),
                _ => Refusal::from(error),
            })?;
        }
        Ok(json_reply(json::text(&settings_wire::Modified { modified: true })))
    }
}
