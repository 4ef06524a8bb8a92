//! `GET /libtorrent/settings` and `/libtorrent/session`: what libtorrent says of its sessions. There
//! is one for each number of hops in the original; here there are none but that without hops.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::program_wire::ByName;
use crate::dialects::tribler::program_wire::LibtorrentSettings;
use crate::dialects::tribler::program_wire::LibtorrentStatistics;
use crate::dialects::tribler::program_wire::Plain;
use crate::http::Call;
use crate::http::Reply;
use crate::service::sessions::SettingValue;

impl Tribler {
    /// `GET /libtorrent/settings?hop=0`
    pub(super) async fn libtorrent_settings(&self, call: &Call) -> Result<Reply, Refusal> {
        let hop = hop(call)?;
        let sessions = &self.services.sessions;
        let settings = match hop {
            0 => sessions.settings(&sessions.default_name()).await?,
            _ => Vec::new(),
        };
        let plain = |value: &SettingValue| match value {
            SettingValue::Text(text) => Plain::Text(text.clone()),
            SettingValue::Int(number) => Plain::Number(*number),
            SettingValue::Bool(on) => Plain::Bool(*on),
        };
        let settings = settings.iter().map(|(name, value)| (name.clone(), plain(value)));
        let body = LibtorrentSettings { hop, settings: ByName(settings.collect()) };
        Ok(json_reply(json::text(&body)))
    }

    /// `GET /libtorrent/session?hop=0`
    pub(super) async fn libtorrent_session(&self, call: &Call) -> Result<Reply, Refusal> {
        let hop = hop(call)?;
        let stats = self.services.stats.engine().await?;
        let own = stats.sessions.first().filter(|_| hop == 0);
        let values = own.map_or(&[][..], |session| &session.values);
        let named = stats.names.iter().zip(values);
        let session = named.map(|(name, value)| (name.name.clone(), Plain::Number(*value)));
        let body = LibtorrentStatistics { hop, session: ByName(session.collect()) };
        Ok(json_reply(json::text(&body)))
    }
}

fn hop(call: &Call) -> Result<i64, Refusal> {
    let given = call.query("hop").filter(|text| !text.is_empty());
    let wrong = |_| Refusal::unhandled("ValueError", "the number of hops is not a number");
    Ok(given.map(str::parse).transpose().map_err(wrong)?.unwrap_or(0))
}
