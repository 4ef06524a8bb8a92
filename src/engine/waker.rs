//! What C++ may call: a waker for the engine thread and a progress meter for hashing.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;

use crate::domain::access::Admission;
use crate::domain::hash::TorrentId;
use crate::domain::peer::EndedLink;
use crate::engine::ffi::bridge::Verdict;

/// Tells the engine thread that alerts wait. Lives on libtorrent's network thread.
pub(crate) struct Waker {
    pending: Arc<AtomicBool>,
    ring: Box<dyn Fn() + Send + Sync>,
}

impl Waker {
    /// A waker that puts `message` into `queue`, at most once until `pending` is cleared.
    ///
    /// A full queue is fine: the engine thread drains alerts after every message anyway.
    pub(crate) fn new<M: Send + 'static>(
        queue: SyncSender<M>,
        pending: Arc<AtomicBool>,
        message: fn() -> M,
    ) -> Self {
        let ring = move || match queue.try_send(message()) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        };
        Self { pending, ring: Box::new(ring) }
    }

    /// Wakes the engine thread; one atomic operation when it is awake already.
    pub(crate) fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            (self.ring)();
        }
    }
}

/// Decides who may connect to which torrent: the torrent, the other side's address, and ours.
///
/// Called on libtorrent's network thread: it may take a lock for a moment and nothing more.
pub type Judge = Arc<dyn Fn(TorrentId, IpAddr, IpAddr) -> Admission + Send + Sync>;

/// A judge of torrents that are all for everybody.
pub fn open_to_all() -> Judge {
    Arc::new(|_, _, _| Admission::Open)
}

/// Told of every connection of a share that has ended.
///
/// Called on libtorrent's network thread: it may put it into a queue and nothing more.
pub type Farewell = Arc<dyn Fn(EndedLink) + Send + Sync>;

/// A farewell that nobody hears.
pub fn unheard() -> Farewell {
    Arc::new(|_| ())
}

/// What C++ asks about every connection, and tells of those that end.
pub(crate) struct Gate {
    judge: Judge,
    farewell: Farewell,
}

impl Gate {
    /// One that has `judge` decide.
    pub(crate) fn new(judge: Judge, farewell: Farewell) -> Self {
        Self { judge, farewell }
    }

    /// A guest or member of the torrent `of` has gone: who was `at` an address in IPv6 form with
    /// the port behind it, and called itself `id`.
    pub(crate) fn ended(
        &self,
        of: &[u8; 20],
        at: &[u8; 18],
        id: &[u8; 20],
        sent: u64,
        received: u64,
    ) {
        let (mut ip, mut port) = ([0; 16], [0; 2]);
        ip.copy_from_slice(&at[..16]);
        port.copy_from_slice(&at[16..]);
        let ip = IpAddr::from(ip).to_canonical();
        let address = SocketAddr::new(ip, u16::from_be_bytes(port));
        let (torrent, peer_id) = (TorrentId(*of), *id);
        (self.farewell)(EndedLink { torrent, address, peer_id, sent, received });
    }

    /// What becomes of a connection; addresses are in IPv6 form.
    pub(crate) fn judge(&self, torrent: &[u8; 20], remote: &[u8; 16], local: &[u8; 16]) -> Verdict {
        let address = |bytes: &[u8; 16]| IpAddr::from(*bytes).to_canonical();
        match (self.judge)(TorrentId(*torrent), address(remote), address(local)) {
            Admission::Open => Verdict::Open,
            Admission::Guest => Verdict::Guest,
            Admission::Member => Verdict::Member,
            Admission::Stranger => Verdict::Stranger,
        }
    }
}

/// How far hashing is, and whether it should go on.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    shared: Arc<ProgressState>,
}

#[derive(Default)]
struct ProgressState {
    done: AtomicU32,
    total: AtomicU32,
    hashed_bytes: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    /// Notes `done` of `total` pieces; false when the work should stop.
    pub(crate) fn report(&self, done: u32, total: u32) -> bool {
        self.shared.done.store(done, Ordering::Relaxed);
        self.shared.total.store(total, Ordering::Relaxed);
        !self.shared.is_cancelled.load(Ordering::Relaxed)
    }

    /// Notes that so many bytes were read and hashed.
    pub(crate) fn add_hashed(&self, bytes: u64) {
        self.shared.hashed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that were read and hashed.
    pub(crate) fn hashed_bytes(&self) -> u64 {
        self.shared.hashed_bytes.load(Ordering::Relaxed)
    }

    /// Pieces hashed and pieces in all; (0, 0) before the first.
    pub(crate) fn pieces(&self) -> (u32, u32) {
        (self.shared.done.load(Ordering::Relaxed), self.shared.total.load(Ordering::Relaxed))
    }

    /// Whether the work is to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.shared.is_cancelled.load(Ordering::Relaxed)
    }

    /// Makes the next report stop the work.
    pub(crate) fn cancel(&self) {
        self.shared.is_cancelled.store(true, Ordering::Relaxed);
    }
}

/// Only these two cross threads.
const _: () = {
    const fn crosses_threads<T: Send + Sync>() {}
    crosses_threads::<Waker>();
    crosses_threads::<Gate>();
    crosses_threads::<Progress>();
};
