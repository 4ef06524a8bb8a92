//! The tracker routes of 8.x: add, remove, announce now.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_body;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::wire;
use crate::dialects::tribler::wire::TrackerBody;
use crate::dialects::tribler::wire::TrackerDone;
use crate::domain::hash::TorrentId;
use crate::http::Call;
use crate::http::Reply;

impl Tribler {
    /// `PUT /downloads/{infohash}/trackers`
    pub(super) async fn add_tracker(&self, hash: &str, call: &mut Call) -> Result<Reply, Refusal> {
        let (id, url) = self.tracker_of(hash, call).await?;
        self.services.torrents.add_tracker(id, &url).await?;
        Ok(done(&TrackerDone::Added(true)))
    }

    /// `DELETE /downloads/{infohash}/trackers`
    pub(super) async fn remove_tracker(
        &self,
        hash: &str,
        call: &mut Call,
    ) -> Result<Reply, Refusal> {
        let (id, url) = self.tracker_of(hash, call).await?;
        self.services.torrents.remove_tracker(id, &url).await?;
        Ok(done(&TrackerDone::Removed(true)))
    }

    /// `PUT /downloads/{infohash}/tracker_force_announce`; fine for an unknown URL too.
    pub(super) async fn force_announce(
        &self,
        hash: &str,
        call: &mut Call,
    ) -> Result<Reply, Refusal> {
        let (id, url) = self.tracker_of(hash, call).await?;
        self.services.torrents.force_announce(id, &url).await?;
        Ok(done(&TrackerDone::Forced(true)))
    }

    async fn tracker_of(
        &self,
        hash: &str,
        call: &mut Call,
    ) -> Result<(TorrentId, String), Refusal> {
        let id = self.find(hash)?.id;
        let body: TrackerBody = wire::parse(&json_body(call).await?)?;
        let url = body.url.filter(|url| !url.is_empty());
        Ok((id, url.ok_or_else(|| Refusal::bad("url parameter missing"))?))
    }
}

fn done(answer: &TrackerDone) -> Reply {
    json_reply(json::text(answer))
}
