//! Counts of torrents by session: how many of each category, state, tag and remote tracker.

use crate::dialects::porla::Porla;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::list_wire::Overview;
use crate::dialects::porla::list_wire::SessionOverview;
use crate::domain::torrent::Stage;
use crate::service::labels::LabelSet;

impl Porla {
    pub(super) async fn overview(&self, _: Params) -> Outcome {
        let sessions = self.services.sessions.names();
        let empty = sessions.into_iter().map(|(_, name)| (name, SessionOverview::default()));
        let mut overview = Overview { sessions: empty.collect() };
        for torrent in self.services.torrents.list() {
            let session = overview.sessions.entry(torrent.session.to_string()).or_default();
            session.torrents_total += 1;
            *session.torrents_per_state.entry(state(torrent.status.stage)).or_default() += 1;
            let LabelSet { category, tags, .. } = &*self.services.labels.get(torrent.id);
            if let Some(category) = category {
                *session.torrents_per_category.entry(category.clone()).or_default() += 1;
            }
            for tag in tags {
                *session.torrents_per_tag.entry(tag.clone()).or_default() += 1;
            }
            for tracker in torrent.trackers.iter() {
                *session.torrents_per_tracker.entry(tracker.url.clone()).or_default() += 1;
            }
        }
        answer(&overview)
    }
}

fn state(stage: Stage) -> &'static str {
    match stage {
        Stage::Checking => "checking_files",
        Stage::Metadata => "downloading_metadata",
        Stage::Downloading => "downloading",
        Stage::Finished => "finished",
        Stage::Seeding => "seeding",
        Stage::CheckingResume => "checking_resume_data",
        Stage::Loading => "unknown",
    }
}
