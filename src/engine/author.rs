//! Makes a torrent of files on the disk. Which files, and whether they may be shared, the service
//! has decided by now.

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::share::Format;
use crate::engine::ffi::bridge;
use crate::engine::prepared::Prepared;
use crate::engine::waker::Progress;

/// What Cove calls itself in the torrents that it makes.
const CREATOR: &str = concat!("Cove/", env!("CARGO_PKG_VERSION"));
/// What the bridge says when it was told to stop.
const CANCELLED: &str = "cancelled";

/// What is to be made.
#[derive(Clone, Debug, Default)]
pub struct AuthorPlan {
    /// The file or folder; absolute.
    pub path: String,
    /// Files below the path and their sizes, in the torrent's order; one with an empty name when
    /// the path is a file.
    pub files: Vec<(String, u64)>,
    /// Another name than the path's last part; empty = that.
    pub name: String,
    /// Bytes of a piece, a power of two.
    pub piece_bytes: u32,
    /// Which BitTorrent it speaks.
    pub format: Format,
    /// BEP 27.
    pub is_private: bool,
    /// Announce URLs with their tiers.
    pub trackers: Vec<(String, u8)>,
    /// BEP 19.
    pub web_seeds: Vec<String>,
    /// For people.
    pub comment: String,
    /// A tracker's mark in the info dictionary; empty = none.
    pub source: String,
    /// How many threads hash.
    pub threads: u32,
    /// The .torrent file that it takes the place of, whose hashes are taken over as far as they
    /// are of files that did not change; empty = none.
    pub former: Vec<u8>,
    /// For each of `files`, whether its content is as in `former`; empty = of none.
    pub unchanged: Vec<bool>,
}

/// How far the hashing of one torrent is; clones look at the same work.
#[derive(Clone, Default)]
pub struct HashMeter {
    progress: Progress,
}

impl HashMeter {
    /// Pieces hashed and pieces in all; (0, 0) before the first.
    pub fn pieces(&self) -> (u32, u32) {
        self.progress.pieces()
    }

    /// Bytes that were read and hashed; pieces taken over from a former torrent are none of them.
    pub fn hashed_bytes(&self) -> u64 {
        self.progress.hashed_bytes()
    }

    /// Ends the work within a piece for each thread; whoever waits for it is told Conflict.
    pub fn cancel(&self) {
        self.progress.cancel();
    }

    /// Whether it was told to end.
    pub fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }
}

/// The refusal of whoever waits for what was cancelled.
pub fn cancelled() -> Error {
    Error::conflict("making the torrent was cancelled")
}

/// Hashes the files. Takes as long as the disk and the processor do: not for the runtime.
///
/// # Errors
/// Conflict, when it was cancelled or a file cannot be read as it was found; Invalid, when no
/// torrent can be made of it.
pub fn author(plan: &AuthorPlan, meter: &HashMeter) -> Result<Prepared> {
    let made =
        bridge::author(&request(plan), &meter.progress).map_err(|error| match error.what() {
            CANCELLED => cancelled(),
            why => Error::conflict(format!("cannot make a torrent of `{}`: {why}", plan.path)),
        })?;
    Prepared::of(Ok(made), "the torrent")
}

fn request(plan: &AuthorPlan) -> bridge::AuthorRequest {
    let unchanged = plan.unchanged.iter().copied().chain(std::iter::repeat(false));
    let file = |((path, size), is_unchanged): (&(String, u64), bool)| bridge::AuthorFile {
        path: path.clone(),
        size: *size,
        is_unchanged,
    };
    let tracker =
        |(url, tier): &(String, u8)| bridge::TrackerEntry { url: url.clone(), tier: *tier };
    bridge::AuthorRequest {
        path: plan.path.clone(),
        files: plan.files.iter().zip(unchanged).map(file).collect(),
        name: plan.name.clone(),
        piece_length: plan.piece_bytes,
        is_private: plan.is_private,
        make_v1: plan.format != Format::V2,
        make_v2: plan.format != Format::V1,
        trackers: plan.trackers.iter().map(tracker).collect(),
        web_seeds: plan.web_seeds.clone(),
        comment: plan.comment.clone(),
        creator: CREATOR.to_owned(),
        source: plan.source.clone(),
        threads: plan.threads,
        former: plan.former.clone(),
    }
}
