//! Statistics of our own tracker over time: a row a minute for a day, a row an hour for a year.

use std::time::Duration;

use tokio::sync::watch;

use crate::domain::error::Result;
use crate::domain::stats::TrackerStats;
use crate::domain::swarm::SwarmTotals;
use crate::service::access::unix_now_s;
use crate::service::upkeep::told;
use crate::store::HistoryRow;
use crate::store::Store;
use crate::tracker::Tracker;

/// The spans of rows, with how long rows are kept, in seconds.
const SPANS: [(u32, i64); 2] = [(60, 24 * 3600), (3600, 366 * 24 * 3600)];

/// One row: what there was at the end of a span, and what happened in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When the span began, in Unix seconds.
    pub begin_at: i64,
    /// Swarms at its end.
    pub swarms: u64,
    /// Complete peers at its end.
    pub seeders: u64,
    /// Other peers at its end.
    pub leechers: u64,
    /// Completed downloads in all, at its end.
    pub completed: u64,
    /// Accepted announces in it.
    pub announces: u64,
    /// Answered scrapes in it.
    pub scrapes: u64,
    /// Refused announces in it.
    pub refused: u64,
    /// Bytes received in it.
    pub received_bytes: u64,
    /// Bytes sent in it.
    pub sent_bytes: u64,
}

/// Resolution of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A row a minute, for a day.
    Minute,
    /// A row an hour, for a year.
    Hour,
}

/// The rows of a span that began at `since` (Unix seconds) or later, oldest first.
///
/// # Errors
/// Those of the store.
pub async fn since(store: &Store, span: Span, since: i64) -> Result<Vec<HistoryEntry>> {
    let (span_s, _) = SPANS[span as usize];
    Ok(store.history(span_s, since).await?.iter().map(decode).collect())
}

/// Writes rows at the end of each minute and hour until `stop` turns true. A span that was cut
/// short by a start or stop has no row.
pub async fn record(tracker: Tracker, store: Store, mut stop: watch::Receiver<bool>) {
    let mut begun = SPANS.map(|(span_s, _)| (begin_of(unix_now_s(), span_s), sum(&tracker)));
    loop {
        let now = unix_now_s();
        let wait = Duration::from_secs((60 - now.rem_euclid(60)) as u64);
        tokio::select! {
            () = told(&mut stop) => return,
            () = tokio::time::sleep(wait) => {}
        }
        for (known, (span_s, kept_s)) in begun.iter_mut().zip(SPANS) {
            let (begin, now_sum) = (begin_of(unix_now_s(), span_s), sum(&tracker));
            if begin == known.0 {
                continue;
            }
            let row = row(*known, now_sum, tracker.totals(), span_s);
            *known = (begin, now_sum);
            if let Err(error) = store.put_history(row, begin - kept_s).await {
                tracing::debug!(%error, "a row of statistics was not kept");
            }
        }
    }
}

fn begin_of(at: i64, span_s: u32) -> i64 {
    at - at.rem_euclid(i64::from(span_s))
}

/// Announces, scrapes, refusals, bytes in and out since the start.
type Sum = [u64; 5];

fn sum(tracker: &Tracker) -> Sum {
    let TrackerStats { transports, refusals, received_bytes, sent_bytes, .. } =
        tracker.counters().sum();
    let announces = transports.iter().map(|transport| transport.announces).sum();
    let scrapes = transports.iter().map(|transport| transport.scrapes).sum();
    [announces, scrapes, refusals.iter().sum(), received_bytes, sent_bytes]
}

fn row((begin_at, then): (i64, Sum), now: Sum, totals: SwarmTotals, span_s: u32) -> HistoryRow {
    let SwarmTotals { swarms, seeders, leechers, completed } = totals;
    let mut figures = vec![swarms, seeders, leechers, completed];
    figures.extend(now.iter().zip(then).map(|(now, then)| now.saturating_sub(then)));
    HistoryRow { span_s, begin_at, figures }
}

fn decode(row: &HistoryRow) -> HistoryEntry {
    let figure = |at: usize| row.figures.get(at).copied().unwrap_or(0);
    HistoryEntry {
        begin_at: row.begin_at,
        swarms: figure(0),
        seeders: figure(1),
        leechers: figure(2),
        completed: figure(3),
        announces: figure(4),
        scrapes: figure(5),
        refused: figure(6),
        received_bytes: figure(7),
        sent_bytes: figure(8),
    }
}
