//! The JSON of figures.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::stats::EngineStats;
use crate::domain::stats::TrackerStats;
use crate::domain::stats::Transport;
use crate::domain::swarm::Refusal;
use crate::domain::swarm::SwarmTotals;
use crate::service::history::HistoryEntry;
use crate::service::stats::ClientStats;
use crate::service::stats::ProcessStats;

/// Figures of now.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct StatsBody {
    /// This program's version.
    version: &'static str,
    /// libtorrent's version.
    libtorrent_version: String,
    process: ProcessBody,
    client: ClientBody,
    tracker: TrackerBody,
}

/// The process. Null is what the system does not tell.
#[derive(Serialize, ToSchema)]
#[schema(as = ProcessStats)]
struct ProcessBody {
    /// Unix seconds.
    started_at: i64,
    /// Seconds.
    uptime: u64,
    /// Seconds on processors.
    cpu: f64,
    /// Bytes of memory that are resident.
    resident: Option<u64>,
    /// Bytes of address space.
    address_space: Option<u64>,
    threads: Option<u64>,
    /// Open files and connections.
    descriptors: Option<u64>,
    descriptors_max: Option<u64>,
}

/// Our torrents together.
#[derive(Serialize, ToSchema)]
#[schema(as = ClientStats)]
struct ClientBody {
    torrents: u64,
    downloading: u64,
    seeding: u64,
    checking: u64,
    stopped: u64,
    /// Stopped by an error.
    failed: u64,
    /// Bytes/s.
    download_rate: u64,
    /// Bytes/s.
    upload_rate: u64,
    /// Bytes of payload received, of all torrents since each was added.
    downloaded: u64,
    /// Bytes of payload sent, likewise.
    uploaded: u64,
    connected_peers: u64,
}

/// Our own tracker, since the start.
#[derive(Serialize, ToSchema)]
#[schema(as = TrackerStats)]
struct TrackerBody {
    swarms: u64,
    seeders: u64,
    leechers: u64,
    completed: u64,
    /// By `tcp4`, `tcp6` (HTTP), `udp4` and `udp6`.
    requests: BTreeMap<&'static str, TransportBody>,
    /// Refused announces by reason.
    refused: BTreeMap<&'static str, u64>,
    /// What was no request.
    malformed: u64,
    /// UDP connection ids that were wrong or too old.
    wrong_connection_ids: u64,
    /// Bytes of requests.
    received: u64,
    /// Bytes of answers.
    sent: u64,
}

/// Requests that were answered.
#[derive(Serialize, ToSchema)]
#[schema(as = TransportStats)]
struct TransportBody {
    /// UDP: connect requests. HTTP: announces and scrapes.
    connections: u64,
    announces: u64,
    scrapes: u64,
}

/// libtorrent's statistics.
#[derive(Serialize, ToSchema)]
#[schema(as = EngineStats)]
pub(super) struct EngineBody<'a> {
    sessions: Vec<SessionBody<'a>>,
}

/// Those of one session.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionStats)]
struct SessionBody<'a> {
    /// Its name.
    session: &'a str,
    /// When, Unix milliseconds.
    at_ms: i64,
    /// Those that only grow, by libtorrent's names.
    counters: BTreeMap<&'a str, i64>,
    /// Those that go up and down.
    gauges: BTreeMap<&'a str, i64>,
}

/// The tracker's figures over time.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub(super) struct HistoryBody {
    /// `minute` or `hour`.
    span: &'static str,
    /// Oldest first.
    rows: Vec<HistoryRow>,
}

/// What there was at the end of a span, and what happened in it.
#[derive(Serialize, ToSchema)]
struct HistoryRow {
    /// Unix seconds.
    begin_at: i64,
    /// At its end.
    swarms: u64,
    /// At its end.
    seeders: u64,
    /// At its end.
    leechers: u64,
    /// In all, at its end.
    completed: u64,
    /// In it.
    announces: u64,
    /// In it.
    scrapes: u64,
    /// Refused announces in it.
    refused: u64,
    /// Bytes in it.
    received: u64,
    /// Bytes in it.
    sent: u64,
}

impl StatsBody {
    pub(super) fn of(
        libtorrent_version: String,
        process: &ProcessStats,
        client: &ClientStats,
        (totals, tracker): (SwarmTotals, TrackerStats),
    ) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            libtorrent_version,
            process: process_body(process),
            client: client_body(client),
            tracker: tracker_body(totals, &tracker),
        }
    }
}

fn process_body(process: &ProcessStats) -> ProcessBody {
    ProcessBody {
        started_at: process.started_at,
        uptime: process.uptime.as_secs(),
        cpu: process.cpu.as_secs_f64(),
        resident: process.resident_bytes,
        address_space: process.virtual_bytes,
        threads: process.threads,
        descriptors: process.descriptors,
        descriptors_max: process.descriptors_max,
    }
}

fn client_body(client: &ClientStats) -> ClientBody {
    ClientBody {
        torrents: client.torrents,
        downloading: client.downloading,
        seeding: client.seeding,
        checking: client.checking,
        stopped: client.stopped,
        failed: client.failed,
        download_rate: client.download_rate,
        upload_rate: client.upload_rate,
        downloaded: client.all_time_download_bytes,
        uploaded: client.all_time_upload_bytes,
        connected_peers: client.connected_peers,
    }
}

fn tracker_body(totals: SwarmTotals, stats: &TrackerStats) -> TrackerBody {
    let requests = Transport::ALL.into_iter().map(|transport| {
        let figures = stats.transports[transport.index()];
        let body = TransportBody {
            connections: figures.connections,
            announces: figures.announces,
            scrapes: figures.scrapes,
        };
        (transport.name(), body)
    });
    TrackerBody {
        swarms: totals.swarms,
        seeders: totals.seeders,
        leechers: totals.leechers,
        completed: totals.completed,
        requests: requests.collect(),
        refused: Refusal::ALL.into_iter().map(Refusal::name).zip(stats.refusals).collect(),
        malformed: stats.malformed,
        wrong_connection_ids: stats.wrong_ids,
        received: stats.received_bytes,
        sent: stats.sent_bytes,
    }
}

impl<'a> EngineBody<'a> {
    pub(super) fn of(stats: &'a EngineStats) -> Self {
        let sessions = stats.sessions.iter().map(|session| {
            let of_kind = |is_counter: bool| {
                let named = stats.names.iter().zip(&session.values);
                let kind = named.filter(|(name, _)| name.is_counter == is_counter);
                kind.map(|(name, value)| (name.name.as_str(), *value)).collect()
            };
            SessionBody {
                session: &session.session,
                at_ms: session.at_ms,
                counters: of_kind(true),
                gauges: of_kind(false),
            }
        });
        Self { sessions: sessions.collect() }
    }
}

impl HistoryBody {
    pub(super) fn of(span: &'static str, rows: &[HistoryEntry]) -> Self {
        let row = |entry: &HistoryEntry| HistoryRow {
            begin_at: entry.begin_at,
            swarms: entry.swarms,
            seeders: entry.seeders,
            leechers: entry.leechers,
            completed: entry.completed,
            announces: entry.announces,
            scrapes: entry.scrapes,
            refused: entry.refused,
            received: entry.received_bytes,
            sent: entry.sent_bytes,
        };
        Self { span, rows: rows.iter().map(row).collect() }
    }
}
