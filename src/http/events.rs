//! Live streams of server-sent events (WHATWG HTML, section 9.2), held to rule W13.
//!
//! Each API words its own events; here is what all streams share: how many there may be, comments
//! that keep a quiet one open, and a last event when one ends. What waits for a reader is bounded
//! by the source, which says so when a reader is too far behind; a reader whose socket takes
//! nothing for [`HttpLimits::stall_time`](crate::http::HttpLimits) is cut off by its connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::time::Interval;

/// Streams at one time, over all APIs (rule W13).
pub const STREAMS_MAX: usize = 64;
/// How long a stream is silent before it gets a comment: proxies give up after a minute.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// A comment, which readers skip.
const HEARTBEAT: &[u8] = b": still here\n\n";

/// The places of event streams, shared by all APIs; a cheap handle.
#[derive(Clone, Debug)]
pub struct EventStreams {
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// The place of one stream, given back when this is dropped.
#[derive(Debug)]
pub struct EventPlace {
    _permit: OwnedSemaphorePermit,
    stop: watch::Receiver<bool>,
}

/// Why a stream ends before its reader goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server stops (rule D16).
    Stopping,
    /// The reader is too slow.
    Slow,
    /// The reader's token is not good any more.
    Revoked,
}

/// A reader is so far behind that events are lost to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind;

/// What one reader gets.
pub struct Feed {
    /// Whole events in their final form.
    pub events: Pin<Box<dyn Stream<Item = Result<Bytes, Behind>> + Send>>,
    /// Ends when the reader's token is not good any more.
    pub revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The last event for each end; may be empty.
    pub farewell: fn(End) -> Bytes,
    /// Whether a quiet stream gets comments; readers of some APIs know none.
    pub has_comments: bool,
}

impl EventStreams {
    /// All places free; every stream ends when `stop` turns true.
    pub fn new(stop: watch::Receiver<bool>) -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS_MAX)), stop }
    }

    /// A place for one more stream; `None` when all are taken.
    pub fn enter(&self) -> Option<EventPlace> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(EventPlace { _permit: permit, stop: self.stop.clone() })
    }

    /// How many streams there are.
    pub fn open(&self) -> usize {
        STREAMS_MAX - self.places.available_permits()
    }
}

/// The body of an answer that is a feed.
pub(crate) struct Live {
    feed: Feed,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    heartbeat: Interval,
    is_over: bool,
    _place: EventPlace,
}

impl Live {
    pub(crate) fn new(place: EventPlace, feed: Feed) -> Self {
        let mut stop = place.stop.clone();
        let stopping = Box::pin(async move {
            let _ = stop.wait_for(|stop| *stop).await;
        });
        let mut heartbeat = tokio::time::interval(HEARTBEAT_EVERY);
        heartbeat.reset();
        Self { feed, stopping, heartbeat, is_over: false, _place: place }
    }

    fn end(&mut self, why: End) -> Poll<Option<io::Result<Bytes>>> {
        self.is_over = true;
        let last = (self.feed.farewell)(why);
        Poll::Ready((!last.is_empty()).then_some(Ok(last)))
    }
}

impl Stream for Live {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.stopping.as_mut().poll(context).is_ready() {
            return self.end(End::Stopping);
        }
        if self.feed.revoked.as_mut().poll(context).is_ready() {
            return self.end(End::Revoked);
        }
        match self.feed.events.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(event))) => {
                self.heartbeat.reset();
                return Poll::Ready(Some(Ok(event)));
            }
            Poll::Ready(Some(Err(Behind))) => return self.end(End::Slow),
            Poll::Ready(None) => {
                self.is_over = true;
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        if !self.feed.has_comments {
            return Poll::Pending;
        }
        self.heartbeat.poll_tick(context).map(|_| Some(Ok(Bytes::from_static(HEARTBEAT))))
    }
}
