//! What one connection is doing, and until when it may (rule W9).
//!
//! A connection is reading a head, answering, sending the rest of an answer, or idle. Its socket
//! and the bodies of its answers (`watched.rs`) tell its [`Link`]; [`attend`] turns that into one
//! timer. hyper's own timer would also run while a connection idles.
//!
//! All of this is on the path of every announce, so a change of phase is one store, and the clock
//! is read once each time the connection's task runs.

use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;

use crate::http::HttpLimits;

/// What times are counted from: they must fit an atomic.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Set once a whole request was answered.
const SERVED: u64 = 0b1000;
const PHASE: u64 = 0b111;
/// Above it stand the milliseconds since [`START`], or 0 while the phase is younger than the
/// task's present turn.
const SINCE_SHIFT: u32 = 4;

/// Bytes of a request are awaited or coming.
const HEAD: u64 = 0;
/// The answer is made, or is a stream that is under way.
const ANSWERING: u64 = 1;
/// The answer is complete, and its last bytes are not all taken by the system.
const SENDING: u64 = 2;
/// Nothing of a next request is there.
const IDLE: u64 = 3;
/// An event of a live stream was taken, and the next one is not asked for yet: the socket takes
/// no more (rule W13).
const PUSHING: u64 = 4;

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Wish {
    /// Nothing.
    Stay = 0,
    /// End after the running request.
    Finish = 1,
    /// End now.
    Leave = 2,
}

/// The state of one connection: written by its own task, read by the register of all of them.
#[derive(Debug)]
pub(crate) struct Link {
    state: AtomicU64,
    wish: AtomicU8,
    waker: AtomicWaker,
}

/// How soon a connection gives way to a new one: the smallest first. Those that never sent a whole
/// request go before those that did, and of each kind the one that waits longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Patience(u64);

impl Link {
    /// A connection that was accepted just now.
    pub(crate) fn new() -> Self {
        let state = HEAD | (now_ms() << SINCE_SHIFT);
        Self {
            state: AtomicU64::new(state),
            wish: AtomicU8::new(Wish::Stay as u8),
            waker: AtomicWaker::new(),
        }
    }

    /// A request is there and is being answered.
    pub(crate) fn request_began(&self) {
        self.enter(ANSWERING);
    }

    /// The answer's body was taken, or given up.
    pub(crate) fn answer_ended(&self) {
        if matches!(self.phase(), ANSWERING | PUSHING) {
            self.enter(SENDING);
        }
    }

    /// An event of a live stream was taken to be sent.
    pub(crate) fn event_taken(&self) {
        self.enter(PUSHING);
    }

    /// The next event of a live stream is waited for: the reader has taken all others.
    pub(crate) fn event_awaited(&self) {
        if self.phase() == PUSHING {
            self.enter(ANSWERING);
        }
    }

    /// `None` while a request is answered: such a connection never gives way.
    pub(crate) fn patience(&self) -> Option<Patience> {
        let state = self.state.load(Ordering::Relaxed);
        let (since, is_served) = (state >> SINCE_SHIFT, state & SERVED);
        let is_busy = matches!(state & PHASE, ANSWERING | PUSHING) || since == 0;
        // `SERVED` moves to the top, so that it counts more than any time.
        (!is_busy).then_some(Patience(since | (is_served << 60)))
    }

    /// Tells the connection's task; a stronger wish stays.
    pub(crate) fn tell(&self, wish: Wish) {
        self.wish.fetch_max(wish as u8, Ordering::Release);
        self.waker.wake();
    }

    fn wish(&self, context: &Context<'_>) -> Wish {
        self.waker.register(context.waker());
        match self.wish.load(Ordering::Acquire) {
            0 => Wish::Stay,
            1 => Wish::Finish,
            _ => Wish::Leave,
        }
    }

    /// Bytes came: of a next request, if none was under way.
    pub(crate) fn bytes_came(&self) {
        if self.phase() == IDLE {
            self.enter(HEAD);
        }
    }

    /// The system has all that was written.
    pub(crate) fn all_sent(&self) {
        if self.phase() == SENDING {
            self.state.store(IDLE | SERVED, Ordering::Relaxed);
        }
    }

    fn phase(&self) -> u64 {
        self.state.load(Ordering::Relaxed) & PHASE
    }

    fn enter(&self, phase: u64) {
        let served = self.state.load(Ordering::Relaxed) & SERVED;
        self.state.store(phase | served, Ordering::Relaxed);
    }

    /// When the present phase must be over; notes the time if the phase is new.
    fn due_ms(&self, times: &Times) -> Option<u64> {
        let mut state = self.state.load(Ordering::Relaxed);
        let allowed_ms = match state & PHASE {
            ANSWERING => return None,
            HEAD => times.head_ms,
            PUSHING => times.stall_ms,
            _ => times.idle_ms,
        };
        if state >> SINCE_SHIFT == 0 {
            state |= now_ms() << SINCE_SHIFT;
            self.state.store(state, Ordering::Relaxed);
        }
        Some((state >> SINCE_SHIFT) + allowed_ms)
    }
}

/// Milliseconds since [`START`]; never 0.
fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
}

/// What a step of a connection does when the connection is wished to finish.
pub(crate) type Finish<F> = fn(Pin<&mut F>);

/// Runs a step of a connection; `None` when the connection is told to end or stays too long in a
/// phase. A step without `finish` ends at once when it is wished to finish.
pub(crate) async fn attend<F: Future>(
    step: F,
    finish: Option<Finish<F>>,
    link: &Link,
    limits: &HttpLimits,
) -> Option<F::Output> {
    let mut step = std::pin::pin!(step);
    let times = Times::new(limits);
    let due_ms = link.due_ms(&times).unwrap_or_else(now_ms);
    let mut timer = Timer { due_ms, sleep: std::pin::pin!(sleep_until(instant(due_ms))) };
    let mut is_finishing = false;
    std::future::poll_fn(|context| {
        match (link.wish(context), finish) {
            (Wish::Leave, _) | (Wish::Finish, None) => return Poll::Ready(None),
            (Wish::Finish, Some(finish)) if !is_finishing => {
                is_finishing = true;
                finish(step.as_mut());
            }
            _ => {}
        }
        if let Poll::Ready(output) = step.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        match link.due_ms(&times) {
            Some(due_ms) => timer.poll(due_ms, context).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

/// How long a connection may be in a phase.
struct Times {
    head_ms: u64,
    idle_ms: u64,
    stall_ms: u64,
}

impl Times {
    fn new(limits: &HttpLimits) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 4);
        Self {
            head_ms: ms(limits.head_time),
            idle_ms: ms(limits.idle_time),
            stall_ms: ms(limits.stall_time),
        }
    }
}

/// A timer that is moved only when its end comes nearer; a later end is noticed when it fires. So
/// a busy connection costs one timer in five seconds and not one a request.
struct Timer<'a> {
    due_ms: u64,
    sleep: Pin<&'a mut Sleep>,
}

impl Timer<'_> {
    fn poll(&mut self, due_ms: u64, context: &mut Context<'_>) -> Poll<()> {
        if due_ms < self.due_ms {
            self.move_to(due_ms);
        }
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if now_ms() >= due_ms {
                return Poll::Ready(());
            }
            self.move_to(due_ms);
        }
    }

    fn move_to(&mut self, due_ms: u64) {
        self.due_ms = due_ms;
        self.sleep.as_mut().reset(instant(due_ms));
    }
}

/// The moment that [`now_ms`] reaches `ms`.
fn instant(ms: u64) -> Instant {
    *START + Duration::from_millis(ms)
}
