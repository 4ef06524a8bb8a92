//! The JSON of shares.

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::native::problem::Problem;
use crate::domain::share::Format;
use crate::domain::swarm::SwarmCounts;
use crate::service::folder::FileChange;
use crate::service::share_jobs::JobView;
use crate::service::shares::ShareView;
use crate::service::shares::ShareWish;
use crate::service::shares::Shares;

/// What to share, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareBody {
    /// The file or folder on the server, under one of `client.roots`.
    path: String,
    /// Another name than that of the file or folder.
    #[serde(default)]
    name: Option<String>,
    /// `v1` (default: every client takes it), `hybrid` or `v2`.
    #[serde(default)]
    #[schema(pattern = "^(v1|hybrid|v2)$")]
    format: Option<String>,
    /// Bytes of a piece, a power of two from 16 KiB to 256 MiB; null = by size.
    #[serde(default)]
    piece_bytes: Option<u32>,
    /// True: everybody may have it who knows of it, without a key. Default false.
    #[serde(default)]
    public: bool,
    /// Whether our client itself refuses whoever has not announced with a good key. Default: true
    /// for what is not public.
    #[serde(default)]
    members_only: Option<bool>,
    /// For people.
    #[serde(default)]
    comment: String,
    /// Names to be left out, `*` for anything; null = the usual ones (`.DS_Store`, `*.part`, ..).
    #[serde(default)]
    skip: Option<Vec<String>>,
}

/// What is to be changed of a share.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareChange {
    /// Whether our client itself refuses whoever has not announced with a good key.
    #[serde(default)]
    pub(super) members_only: Option<bool>,
}

/// All shares.
#[derive(Serialize, ToSchema)]
pub(super) struct ShareList {
    /// How many there are.
    pub(super) total: usize,
    /// Each of them.
    pub(super) shares: Vec<ShareRow>,
}

/// One share.
#[derive(Serialize, ToSchema)]
pub(super) struct ShareRow {
    /// 40 hex digits.
    info_hash: String,
    /// The SHA-256 info-hash of a hybrid or v2 share, 64 hex digits.
    info_hash_v2: Option<String>,
    name: String,
    /// Where the files are.
    path: String,
    size_bytes: u64,
    file_count: usize,
    /// Unix seconds.
    made_at: i64,
    /// True: no key is needed.
    public: bool,
    /// Whether our client refuses whoever has not announced with a good key.
    members_only: bool,
    /// What is wrong with its torrent; empty when nothing is.
    error: String,
    /// Complete peers at the tracker, ourselves included.
    seeders: u32,
    /// Other peers at the tracker.
    leechers: u32,
    /// How often it was completed.
    completed: u32,
    /// Announce URLs without a key, in tiers.
    announce_urls: Vec<Vec<String>>,
    /// Without a key.
    magnet: String,
    /// `current`: the files are what its torrent says, as far as the last look saw. `changed`: they
    /// are not, and nobody is sent anything until they are again, or it is published anew.
    #[schema(pattern = "^(current|changed)$")]
    state: &'static str,
    /// What became of the files, in words; null when nothing did.
    change: Option<String>,
    /// The first 100 files that are not as they were.
    changed_files: Vec<ChangedFile>,
    /// How many there are.
    changed_count: usize,
    /// When somebody looked last, Unix seconds; null when nobody did since the start.
    looked_at: Option<i64>,
}

/// A file of a share that is not as it was.
#[derive(Serialize, ToSchema)]
struct ChangedFile {
    /// Below the share's folder; empty when the share is one file.
    path: String,
    /// `changed`, `new` or `gone`.
    change: &'static str,
}

/// Shares in the making.
#[derive(Serialize, ToSchema)]
pub(super) struct JobList {
    /// How many there are.
    pub(super) total: usize,
    /// Each of them.
    pub(super) jobs: Vec<JobRow>,
}

/// A share in the making.
#[derive(Serialize, ToSchema)]
pub(super) struct JobRow {
    number: u64,
    path: String,
    /// `hashing`, `done` or `failed`.
    state: &'static str,
    pieces_done: u32,
    /// 0 while it waits for its turn.
    pieces: u32,
    /// Bytes that were read and hashed; what the former edition knew already is none of them.
    hashed_bytes: u64,
    /// The info-hash of the share of which it is to be a new edition.
    replaces: Option<String>,
    /// The share, when it is done.
    info_hash: Option<String>,
    /// False when the same content was shared already.
    is_new: Option<bool>,
    /// Why it failed.
    error: Option<String>,
}

impl ShareBody {
    pub(super) fn into_wish(self) -> Result<ShareWish, Problem> {
        let format = match self.format.as_deref() {
            None | Some("v1") => Format::V1,
            Some("hybrid") => Format::Hybrid,
            Some("v2") => Format::V2,
            Some(_) => return Err(Problem::invalid("`format` is v1, hybrid or v2")),
        };
        Ok(ShareWish {
            path: self.path,
            name: self.name,
            format,
            piece_bytes: self.piece_bytes,
            is_public: self.public,
            is_members_only: self.members_only,
            comment: self.comment,
            skip: self.skip,
            replaces: None,
        })
    }
}

impl ShareRow {
    pub(super) fn of(view: &ShareView, counts: SwarmCounts, shares: &Shares) -> Self {
        let ShareView { share, torrent } = view;
        let files = torrent.metadata.iter().flat_map(|metadata| &metadata.files);
        let files = files.filter(|file| !file.is_padding);
        let condition = shares.condition(share.id);
        Self {
            info_hash: share.id.to_string(),
            info_hash_v2: torrent.hashes.v2().map(|hash| hash.to_string()),
            name: torrent.name.to_string(),
            path: share.path.clone(),
            size_bytes: files.clone().map(|file| file.size_bytes).sum(),
            file_count: files.count(),
            made_at: share.made_at,
            public: !share.is_private,
            members_only: share.is_members_only,
            error: torrent.status.error.clone(),
            seeders: counts.seeders,
            leechers: counts.leechers,
            completed: counts.completed,
            announce_urls: shares.announce_urls(None),
            magnet: shares.magnet(view, None),
            state: if condition.is_changed() { "changed" } else { "current" },
            change: condition.sentence(),
            changed_files: condition.changes.iter().map(ChangedFile::of).collect(),
            changed_count: condition.count,
            looked_at: Some(condition.looked_at).filter(|at| *at > 0),
        }
    }
}

impl ChangedFile {
    fn of(change: &FileChange) -> Self {
        Self { path: change.path.clone(), change: change.kind.name() }
    }
}

impl JobRow {
    pub(super) fn of(job: &JobView) -> Self {
        let made = job.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        let failed = job.outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
        Self {
            number: job.number,
            path: job.path.clone(),
            state: match &job.outcome {
                None => "hashing",
                Some(Ok(_)) => "done",
                Some(Err(_)) => "failed",
            },
            pieces_done: job.pieces.0,
            pieces: job.pieces.1,
            hashed_bytes: job.hashed_bytes,
            replaces: job.replaces.map(|id| id.to_string()),
            info_hash: made.map(|made| made.id.to_string()),
            is_new: made.map(|made| made.is_new),
            error: failed.map(|error| Problem::from(error.clone()).body().detail),
        }
    }
}
