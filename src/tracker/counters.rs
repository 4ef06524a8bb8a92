//! What the tracker has done, counted by whoever does it and summed when somebody asks.
//!
//! Each worker counts in a block of its own, on cache lines that no other worker writes.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::domain::stats::TrackerStats;
use crate::domain::stats::Transport;
use crate::domain::stats::TransportStats;
use crate::domain::swarm::Refusal;

/// Blocks; workers beyond share them.
const BLOCKS: usize = 16;

/// All blocks.
#[derive(Debug)]
pub struct Counters {
    blocks: [Block; BLOCKS],
    next: AtomicUsize,
}

/// What one worker counts.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Block {
    transports: [TransportBlock; Transport::ALL.len()],
    refusals: [AtomicU64; Refusal::ALL.len()],
    malformed: AtomicU64,
    wrong_ids: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct TransportBlock {
    connections: AtomicU64,
    announces: AtomicU64,
    scrapes: AtomicU64,
}

impl Counters {
    /// All zero.
    pub(crate) fn new() -> Self {
        Self { blocks: Default::default(), next: AtomicUsize::new(0) }
    }

    /// The number of a block for a new worker.
    pub fn take_block(&self) -> usize {
        self.next.fetch_add(1, Relaxed) % BLOCKS
    }

    /// A worker's block.
    pub fn block(&self, number: usize) -> &Block {
        &self.blocks[number % BLOCKS]
    }

    /// The sums.
    pub fn sum(&self) -> TrackerStats {
        let mut stats = TrackerStats::default();
        for block in &self.blocks {
            for (sum, part) in stats.transports.iter_mut().zip(&block.transports) {
                *sum = TransportStats {
                    connections: sum.connections + part.connections.load(Relaxed),
                    announces: sum.announces + part.announces.load(Relaxed),
                    scrapes: sum.scrapes + part.scrapes.load(Relaxed),
                };
            }
            for (sum, part) in stats.refusals.iter_mut().zip(&block.refusals) {
                *sum += part.load(Relaxed);
            }
            stats.malformed += block.malformed.load(Relaxed);
            stats.wrong_ids += block.wrong_ids.load(Relaxed);
            stats.received_bytes += block.received_bytes.load(Relaxed);
            stats.sent_bytes += block.sent_bytes.load(Relaxed);
        }
        stats
    }
}

impl Block {
    /// A connect request of UDP, or any request of HTTP, was answered.
    pub fn connection(&self, transport: Transport) {
        self.transports[transport.index()].connections.fetch_add(1, Relaxed);
    }

    /// An announce was accepted.
    pub fn announce(&self, transport: Transport) {
        self.transports[transport.index()].announces.fetch_add(1, Relaxed);
    }

    /// A scrape was answered.
    pub fn scrape(&self, transport: Transport) {
        self.transports[transport.index()].scrapes.fetch_add(1, Relaxed);
    }

    /// An announce was refused.
    pub fn refused(&self, refusal: Refusal) {
        let index = Refusal::ALL.iter().position(|known| *known == refusal).unwrap_or_default();
        self.refusals[index].fetch_add(1, Relaxed);
    }

    /// Something came that is no request.
    pub fn malformed(&self) {
        self.malformed.fetch_add(1, Relaxed);
    }

    /// A connection id was wrong or too old.
    pub fn wrong_id(&self) {
        self.wrong_ids.fetch_add(1, Relaxed);
    }

    /// So many bytes came and went.
    pub fn traffic(&self, received: usize, sent: usize) {
        self.received_bytes.fetch_add(received as u64, Relaxed);
        self.sent_bytes.fetch_add(sent as u64, Relaxed);
    }
}
