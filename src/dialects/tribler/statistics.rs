//! `GET /statistics/tribler` and `/statistics/ipv8`.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_body;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::program_wire::OverlayStatistics;
use crate::dialects::tribler::program_wire::SpaceBody;
use crate::dialects::tribler::program_wire::SpaceFigures;
use crate::dialects::tribler::program_wire::SpaceStatistics;
use crate::dialects::tribler::program_wire::TriblerStatistics;
use crate::dialects::tribler::wire;
use crate::http::Call;
use crate::http::Reply;

impl Tribler {
    /// What is kept here: our torrents. There are no channels.
    pub(super) async fn tribler_statistics(&self) -> Result<Reply, Refusal> {
        let torrents = &self.services.torrents;
        let db_size = torrents.store_bytes().await?;
        Ok(json_reply(json::text(&TriblerStatistics::of(db_size, torrents.list().len()))))
    }

    /// `PUT /api/statistics/dirspace`: the space where a directory is, or would be.
    pub(super) async fn directory_space(&self, call: &mut Call) -> Result<Reply, Refusal> {
        let body: SpaceBody = wire::parse(&json_body(call).await?)?;
        let torrents = &self.services.torrents;
        let directory = body.directory.as_deref().filter(|path| !path.is_empty());
        let space = torrents.space_around(directory.unwrap_or(torrents.download_dir())).await?;
        let statistics = SpaceFigures {
            total: space.capacity,
            used: space.capacity.saturating_sub(space.free),
            free: space.available,
        };
        Ok(json_reply(json::text(&SpaceStatistics { statistics })))
    }

    /// There is no overlay, so nothing went over it.
    pub(super) fn overlay_statistics(&self) -> Reply {
        json_reply(json::text(&OverlayStatistics::default()))
    }
}
