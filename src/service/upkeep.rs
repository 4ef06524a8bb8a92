//! What our own tracker needs done beside its announces: silent peers go, completed counts stay.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::store::Store;
use crate::store::SwarmChange;
use crate::tracker::Tracker;

/// How often a part of the table is swept.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// Between two times that counts are kept: the first is kept at once, and a flood of them must not
/// take the processor from those who announce.
const KEEP_GAP: Duration = Duration::from_millis(250);
/// How long to leave a store alone that could not keep a count.
const KEEP_PAUSE: Duration = Duration::from_secs(1);

/// Removes silent peers, a few at a time, until `stop` turns true.
pub async fn sweep(tracker: Tracker, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = told(&mut stop) => return,
            _ = ticks.tick() => tracker.sweep(tracker.now()),
        }
    }
}

/// Makes completed counts durable as soon as they grow, until `stop` turns true; then what is
/// left once more (vector S3).
pub async fn keep_completed(tracker: Tracker, store: Store, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = told(&mut stop) => break,
            grown = tracker.completed() => {
                let pause = match keep(&tracker, &store, grown).await {
                    true => KEEP_GAP,
                    false => KEEP_PAUSE,
                };
                // What grows meanwhile is noted; the end is not waited for.
                let _ = tokio::time::timeout(pause, told(&mut stop)).await;
            }
        }
    }
    let grown = tracker.completed_now();
    keep(&tracker, &store, grown).await;
}

/// Ends when the program is to stop, also when whoever would say so is gone.
pub(crate) async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Whether the counts are durable; if not, they are noted again.
async fn keep(
    tracker: &Tracker,
    store: &Store,
    grown: Vec<crate::domain::access::SwarmRecord>,
) -> bool {
    if grown.is_empty() {
        return true;
    }
    let change = |record: &crate::domain::access::SwarmRecord| {
        (record.info_hash, SwarmChange::Completed(record.completed))
    };
    match store.change_swarms(grown.iter().map(change).collect()).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, "cannot keep how often swarms were completed; trying again");
            for record in grown {
                tracker.note_completed(record.info_hash);
            }
            false
        }
    }
}
