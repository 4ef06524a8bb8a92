//! `GET /statistics/tribler` and `/statistics/ipv8`.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::program_wire::OverlayStatistics;
use crate::dialects::tribler::program_wire::TriblerStatistics;
use crate::http::Reply;

impl Tribler {
    /// What is kept here: our torrents. There are no channels.
    pub(super) async fn tribler_statistics(&self) -> Result<Reply, Refusal> {
        let torrents = &self.services.torrents;
        let db_size = torrents.store_bytes().await?;
        Ok(json_reply(json::text(&TriblerStatistics::of(db_size, torrents.list().len()))))
    }

    /// There is no overlay, so nothing went over it.
    pub(super) fn overlay_statistics(&self) -> Reply {
        json_reply(json::text(&OverlayStatistics::default()))
    }
}
