//! Figures of the whole program: the process, our torrents, libtorrent's sessions, the tracker.
//!
//! They are counted where things happen and put together here alone; every API words the same.

use std::fs;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Resource;
use rustix::time::ClockId;

use crate::domain::error::Result;
use crate::domain::stats::EngineStats;
use crate::domain::stats::TrackerStats;
use crate::domain::swarm::SwarmTotals;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::Engine;
use crate::service::access::unix_now_s;
use crate::service::history;
use crate::service::history::HistoryEntry;
use crate::service::history::Span;
use crate::store::Store;
use crate::tracker::Tracker;

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Stats {
    engine: Engine,
    tracker: Tracker,
    store: Store,
    started: Instant,
    started_at: i64,
}

/// The process. What the system does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessStats {
    /// When it started, in Unix seconds.
    pub started_at: i64,
    /// For how long it has run, by a clock that does not jump.
    pub uptime: Duration,
    /// Time on processors.
    pub cpu: Duration,
    /// Memory that is resident.
    pub resident_bytes: Option<u64>,
    /// Address space.
    pub virtual_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// Descriptors that may be open.
    pub descriptors_max: Option<u64>,
}

/// Our torrents together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// All of them.
    pub torrents: u64,
    /// Those that fetch pieces or metadata.
    pub downloading: u64,
    /// Those that have all they want, and serve.
    pub seeding: u64,
    /// Those that look at what is on the disk.
    pub checking: u64,
    /// Those that are stopped, without an error.
    pub stopped: u64,
    /// Those that an error stopped.
    pub failed: u64,
    /// Bytes/s received, payload.
    pub download_rate: u64,
    /// Bytes/s sent, payload.
    pub upload_rate: u64,
    /// Payload received since each was added.
    pub all_time_download_bytes: u64,
    /// Payload sent since each was added.
    pub all_time_upload_bytes: u64,
    /// Connections to peers.
    pub connected_peers: u64,
}

impl Stats {
    /// Over what runs; the process is taken to start now.
    pub fn new(engine: Engine, tracker: Tracker, store: Store) -> Self {
        Self { engine, tracker, store, started: Instant::now(), started_at: unix_now_s() }
    }

    /// The process. Reads a few small files of the system.
    pub fn process(&self) -> ProcessStats {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line?.split_whitespace().next()?.parse::<u64>().ok()
        };
        // The one that reads them is open too while it does.
        let descriptors = fs::read_dir("/proc/self/fd").ok().map(|all| all.count() as u64);
        let cpu = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
        ProcessStats {
            started_at: self.started_at,
            uptime: self.started.elapsed(),
            cpu: cpu.try_into().unwrap_or_default(),
            resident_bytes: figure("VmRSS").map(|kib| kib << 10),
            virtual_bytes: figure("VmSize").map(|kib| kib << 10),
            threads: figure("Threads"),
            descriptors: descriptors.map(|count| count.saturating_sub(1)),
            descriptors_max: rustix::process::getrlimit(Resource::Nofile).current,
        }
    }

    /// Our torrents together. Memory only.
    pub fn client(&self) -> ClientStats {
        let torrents = self.engine.list();
        torrents.iter().fold(ClientStats::default(), |sum, torrent| sum.with(torrent))
    }

    /// The statistics of libtorrent's sessions, at most a second old.
    ///
    /// # Errors
    /// Busy.
    pub async fn engine(&self) -> Result<Arc<EngineStats>> {
        self.engine.stats().await
    }

    /// libtorrent's version.
    pub fn libtorrent_version(&self) -> String {
        Engine::libtorrent_version()
    }

    /// Sums over all swarms of the tracker. Memory only.
    pub fn swarms(&self) -> SwarmTotals {
        self.tracker.totals()
    }

    /// What the tracker has done since the start. Memory only.
    pub fn tracker(&self) -> TrackerStats {
        self.tracker.counters().sum()
    }

    /// The tracker's statistics over time: the rows of a span that began at `since` (Unix
    /// seconds) or later, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn history(&self, span: Span, since: i64) -> Result<Vec<HistoryEntry>> {
        history::since(&self.store, span, since).await
    }
}

impl ClientStats {
    fn with(mut self, torrent: &Torrent) -> Self {
        let status = &torrent.status;
        self.torrents += 1;
        let kind = match status.stage {
            _ if !status.error.is_empty() => &mut self.failed,
            Stage::Checking | Stage::CheckingResume | Stage::Loading => &mut self.checking,
            _ if status.is_paused => &mut self.stopped,
            Stage::Downloading | Stage::Metadata => &mut self.downloading,
            Stage::Finished | Stage::Seeding => &mut self.seeding,
        };
        *kind += 1;
        self.download_rate += u64::from(status.download_rate);
        self.upload_rate += u64::from(status.upload_rate);
        self.all_time_download_bytes += status.all_time_download_bytes;
        self.all_time_upload_bytes += status.all_time_upload_bytes;
        self.connected_peers += u64::from(status.connected_peers);
        self
    }
}
