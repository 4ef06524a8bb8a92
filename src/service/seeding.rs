//! How far torrents are seeded: one that sent as much as was wished for what is there of it stops, as
//! if the user had stopped it.
//!
//! A limit stops a torrent once. Whoever resumes it wants more than the limit says, so it goes on
//! until it is stopped, over restarts too; another limit counts anew.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::ratio::Ratio;
use crate::domain::torrent::Torrent;
use crate::service::settings::Settings;
use crate::service::torrents::TorrentOptions;
use crate::service::torrents::Torrents;

/// How often to look: what a torrent sent comes from the engine once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until the engine is gone. `events` tells that end.
pub async fn run(torrents: Torrents, settings: Settings, mut events: Receiver<Event>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut seen = None;
    loop {
        tokio::select! {
            event = events.recv() => if matches!(event, Err(RecvError::Closed)) { return },
            _ = look.tick() => {
                let configured = settings.facts().seed_ratio;
                let present = Some((torrents.revision(), configured));
                if seen != present {
                    stop_reached(&torrents, configured).await;
                    seen = present;
                }
            }
        }
    }
}

async fn stop_reached(torrents: &Torrents, configured: Ratio) {
    let mut reached = torrents.list();
    reached.retain(|torrent| {
        let options = torrents.inner.options.get(&torrent.id);
        options.is_some_and(|options| is_reached(torrent, &options, configured))
    });
    for torrent in reached {
        tracing::info!(torrent = %torrent.id, "stopping a torrent that is seeded as far as wished");
        if let Err(error) = torrents.stop_seeded(&torrent).await {
            tracing::warn!(%error, torrent = %torrent.id, "cannot stop a torrent that is seeded");
        }
    }
}

fn is_reached(torrent: &Torrent, options: &TorrentOptions, configured: Ratio) -> bool {
    let status = &torrent.status;
    torrent.is_complete()
        && status.error.is_empty()
        && !status.is_moving
        && !options.is_stopped
        && !options.seed_ratio_met
        && in_force(options, configured).is_reached(status.all_time_upload_bytes, status.done_bytes)
}

/// How far a torrent with these options is seeded, 0 = without end. What is configured is not for
/// what was made here: a share that stopped would be gone from its swarm.
pub fn in_force(options: &TorrentOptions, configured: Ratio) -> Ratio {
    let configured = if options.made_here { Ratio::default() } else { configured };
    options.seed_ratio.unwrap_or(configured)
}

/// A number as a limit.
///
/// # Errors
/// Invalid.
pub fn limit_of(number: f64) -> Result<Ratio> {
    Ratio::of(number).ok_or_else(|| Error::invalid("a ratio is a number from 0 to 1,000,000"))
}

impl Torrents {
    /// Seeds a torrent as far as `limit` says and no further, 0 = without end; `None` = as far as is
    /// configured. It counts anew, also when it is the same as before.
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`.
    pub async fn set_seed_ratio(&self, id: TorrentId, limit: Option<Ratio>) -> Result<()> {
        self.get(id)?;
        let put = move |options: &mut TorrentOptions| {
            (options.seed_ratio, options.seed_ratio_met) = (limit, false);
        };
        self.change_options(id, put).await
    }

    /// Stops a torrent for good, and notes that its limit did so.
    async fn stop_seeded(&self, torrent: &Torrent) -> Result<()> {
        let put = |options: &mut TorrentOptions| {
            (options.is_stopped, options.seed_ratio_met) = (true, true);
        };
        self.change_options(torrent.id, put).await?;
        self.halt(torrent).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_its_own_wins_and_what_is_configured_is_not_for_shares() {
        let (own, configured) = (Ratio::of(3.0), Ratio::of(2.0).unwrap());
        let options = TorrentOptions::default();
        assert_eq!(in_force(&options, configured), configured);
        let share = TorrentOptions { made_here: true, ..options };
        assert_eq!(in_force(&share, configured), Ratio::default());
        let share = TorrentOptions { seed_ratio: own, ..share };
        assert_eq!(Some(in_force(&share, configured)), own);
        let endless = TorrentOptions { seed_ratio: Some(Ratio::default()), ..share };
        assert_eq!(in_force(&endless, configured), Ratio::default());
    }
}
