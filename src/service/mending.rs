//! Torrents that an error stopped are tried again by themselves, later each time: when a disk has
//! space again, can be written again or is mounted again, they go on (rules D6, D8, D10, D11).
//!
//! This is the one place that tries again, but for shares whose files were changed
//! (`share_watch.rs`). What is gone from the disk is never downloaded again here: that needs the
//! user.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Torrent;
use crate::service::presence;
use crate::service::presence::Claim;
use crate::service::torrents::Torrents;

/// How soon after an error the first try is, and how long the wait grows (rule D8).
const FIRST_WAIT: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(300);
/// How long it grows for a full disk, whose torrents go on within 60 s of space (rule D6).
const FULL_WAIT_MAX: Duration = Duration::from_secs(30);
/// After so long without an error the waits begin anew.
const CALM: Duration = Duration::from_secs(600);
/// How often to look for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until the engine is gone. `events` must have been subscribed before torrents are added.
pub async fn run(torrents: Torrents, mut events: Receiver<Event>) {
    let mut waits = Waits::default();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(Event::StateChanged(id)) => notice(&torrents, &mut waits, id),
                Ok(Event::Removed(id)) => waits.forget(id),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    events = events.resubscribe();
                    for torrent in torrents.list() {
                        notice(&torrents, &mut waits, torrent.id);
                    }
                }
                Err(RecvError::Closed) => return,
            },
            _ = look.tick() => {
                for id in waits.due(Instant::now()) {
                    mend(&torrents, id).await;
                    notice(&torrents, &mut waits, id);
                }
            }
        }
    }
}

fn notice(torrents: &Torrents, waits: &mut Waits, id: TorrentId) {
    let failure = torrents.get(id).ok().and_then(|torrent| torrent.status.failure);
    match failure {
        Some(Failure::DiskFull) => waits.failed(id, FULL_WAIT_MAX, Instant::now()),
        Some(Failure::Disk | Failure::Held) => waits.failed(id, WAIT_MAX, Instant::now()),
        // What a share is to do is known to who looks at its files.
        Some(Failure::Changed | Failure::Lasting) | None => {}
    }
}

/// Lets a torrent go on when its files are there; if its disk still fails, it says so again.
async fn mend(torrents: &Torrents, id: TorrentId) {
    let Ok(torrent) = torrents.get(id) else { return };
    let Some(failure) = torrent.status.failure else { return };
    let is_stopped = torrents.options(id).is_some_and(|options| options.is_stopped);
    let is_ours = !matches!(failure, Failure::Changed | Failure::Lasting);
    if !is_ours || (is_stopped && failure != Failure::Held) {
        return;
    }
    if failure != Failure::DiskFull && missing_aside(torrents, torrent).await.is_some() {
        return;
    }
    let tried = match failure {
        Failure::Held => torrents.inner.engine.release(id, is_stopped).await,
        _ => torrents.inner.engine.retry(id).await,
    };
    match tried {
        Ok(()) => tracing::info!(torrent = %id, "trying a torrent's files again"),
        Err(error) => tracing::warn!(%error, torrent = %id, "cannot try a torrent again"),
    }
}

/// What is gone of what a torrent has, if anything.
pub(super) async fn missing_aside(torrents: &Torrents, torrent: Arc<Torrent>) -> Option<String> {
    let roots = torrents.inner.roots.clone();
    let look = move || {
        let claim = Claim {
            save_path: Path::new(&*torrent.save_path),
            metadata: torrent.metadata.as_deref(),
            pieces: &torrent.pieces,
            priorities: &torrent.file_priorities,
        };
        presence::missing(&roots, &claim)
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(None)
}

/// When each torrent is tried again.
#[derive(Default)]
struct Waits {
    by_id: HashMap<TorrentId, Wait>,
}

struct Wait {
    length: Duration,
    /// When to try; `None` while it is being tried.
    due: Option<Instant>,
    tried_at: Instant,
}

impl Waits {
    /// Notes that a torrent stands in error; one that waits already goes on waiting.
    fn failed(&mut self, id: TorrentId, longest: Duration, now: Instant) {
        let wait = self.by_id.entry(id).or_insert(Wait {
            length: Duration::ZERO,
            due: None,
            tried_at: now,
        });
        if wait.due.is_none() {
            let is_new = now.duration_since(wait.tried_at) > CALM + wait.length;
            let grown = if is_new { FIRST_WAIT } else { (wait.length * 2).max(FIRST_WAIT) };
            wait.length = grown.min(longest);
            wait.due = Some(now + wait.length);
        }
    }

    fn forget(&mut self, id: TorrentId) {
        self.by_id.remove(&id);
    }

    /// Takes those whose time has come.
    fn due(&mut self, now: Instant) -> Vec<TorrentId> {
        let come = self.by_id.iter_mut().filter(|(_, wait)| wait.due.is_some_and(|due| due <= now));
        let take = |(id, wait): (&TorrentId, &mut Wait)| {
            wait.due = None;
            wait.tried_at = now;
            *id
        };
        come.map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TorrentId = TorrentId([7; 20]);

    /// Seconds between the tries of a torrent that fails at once, each time.
    fn gaps(longest: Duration, tries: usize) -> Vec<u64> {
        let (mut waits, begin) = (Waits::default(), Instant::now());
        let (mut last, mut gaps) = (0, Vec::new());
        waits.failed(ID, longest, begin);
        for second in 1.. {
            let now = begin + Duration::from_secs(second);
            // The same error told again and again brings the next try no nearer.
            waits.failed(ID, longest, now);
            if waits.due(now) == [ID] {
                gaps.push(second - last);
                last = second;
                waits.failed(ID, longest, now);
            }
            if gaps.len() == tries {
                break;
            }
        }
        gaps
    }

    #[test]
    fn d8_the_wait_doubles_from_5_s_to_5_min_and_d6_to_30_s_for_a_full_disk() {
        assert_eq!(gaps(WAIT_MAX, 9), [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(gaps(FULL_WAIT_MAX, 5), [5, 10, 20, 30, 30]);
    }

    #[test]
    fn d8_a_torrent_that_ran_well_for_long_begins_anew() {
        let (mut waits, begin) = (Waits::default(), Instant::now());
        let at = |second| begin + Duration::from_secs(second);
        waits.failed(ID, WAIT_MAX, at(0));
        assert_eq!(waits.due(at(5)), [ID]);
        waits.failed(ID, WAIT_MAX, at(6));
        assert_eq!(waits.due(at(15)), [], "10 s this time");
        assert_eq!(waits.due(at(16)), [ID]);
        waits.failed(ID, WAIT_MAX, at(1_000));
        assert_eq!(waits.due(at(1_005)), [ID]);
        waits.failed(ID, WAIT_MAX, at(1_006));
        waits.forget(ID);
        assert_eq!(waits.due(at(9_000)), []);
    }
}
