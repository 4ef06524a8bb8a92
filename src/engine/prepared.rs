//! A torrent that is parsed and not yet added: what the service looks at before it decides.

use std::sync::Arc;

use cxx::UniquePtr;

use crate::domain::bitfield::Bitfield;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::InfoHashes;
use crate::domain::metadata::Metadata;
use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::torrent_flags::TorrentFlags;
use crate::engine::convert;
use crate::engine::ffi::bridge;

/// Limits for torrent files and metadata from outside (rule F4).
pub(crate) const LIMITS: bridge::ParseLimits = bridge::ParseLimits {
    bytes: 10 << 20,
    files: 100_000,
    pieces: 2_097_152,
    depth: 100,
    tokens: 3_000_000,
};

/// Add parameters with what they say, in our own words.
pub struct Prepared {
    pub(crate) params: UniquePtr<bridge::AddParams>,
    /// The info-hashes; a magnet link may name only one of two.
    pub hashes: InfoHashes,
    /// Display name; for a magnet its `dn`, else the hash.
    pub name: Arc<str>,
    /// Where the files are to lie; empty until [`Prepared::set_options`].
    pub save_path: Arc<str>,
    /// Files and pieces; `None` for a magnet link.
    pub metadata: Option<Arc<Metadata>>,
    /// The announce URLs it came with.
    pub trackers: Vec<RemoteTracker>,
    /// The pieces that its record claims; empty when it claims none.
    pub pieces: Arc<Bitfield>,
    /// Priority by file, as stored; empty = all at 4.
    pub file_priorities: Vec<u8>,
    /// Whether it is to stand still.
    pub is_paused: bool,
    /// Whether its record has the queue decide when it runs.
    pub is_auto_managed: bool,
    /// Unix seconds, 0 when new.
    pub added_at: i64,
    /// Bytes/s down and up, 0 = none.
    pub limits: (u32, u32),
    /// Peers connected at once, -1 = any number; `None` = as the session says.
    pub max_connections: Option<i32>,
}

/// What a caller may wish of a new torrent beyond where it goes; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Display name until the metadata is known.
    pub name: Option<String>,
    /// Bytes/s received, 0 = no limit.
    pub download_limit: u32,
    /// Bytes/s sent, 0 = no limit.
    pub upload_limit: u32,
    /// Peers connected at once, -1 = any number.
    pub max_connections: Option<i32>,
    /// Peers sent to at once, -1 = any number.
    pub max_uploads: Option<i32>,
    /// Announce URLs in place of those it came with.
    pub trackers: Option<Vec<String>>,
    /// Web seeds (BEP 19) in place of those it came with.
    pub web_seeds: Option<Vec<String>>,
    /// Web seeds of the older kind (BEP 17) in place of those it came with.
    pub http_seeds: Option<Vec<String>>,
}

/// What the service decides about a new torrent.
#[derive(Clone, Debug, Default)]
pub struct AddOptions {
    /// Absolute directory, already checked against the roots (rule F1).
    pub save_path: String,
    /// Priority by file, 0 not wanted to 7; empty = all at 4.
    pub file_priorities: Vec<u8>,
    /// Whether it starts stopped.
    pub is_paused: bool,
    /// Whether the queue decides when it runs.
    pub is_auto_managed: bool,
    /// No DHT, PEX or LSD beyond what BEP 27 asks for by itself.
    pub trackers_only: bool,
    /// When it is added, Unix seconds.
    pub added_at: i64,
    /// What else was wished.
    pub tuning: Tuning,
}

impl Prepared {
    /// Parses a .torrent file. Takes long for huge ones: call it off the runtime.
    ///
    /// # Errors
    /// Invalid, naming what is wrong with the file or which limit it passes.
    pub fn from_torrent(bytes: &[u8]) -> Result<Self> {
        Self::of(bridge::parse_torrent(bytes, &LIMITS), "the torrent file is not valid")
    }

    /// Parses a magnet link (BEP 9).
    ///
    /// # Errors
    /// Invalid, naming what is wrong with it.
    pub fn from_magnet(uri: &str) -> Result<Self> {
        Self::of(bridge::parse_magnet(uri), "the magnet link is not valid")
    }

    /// Reads what [`Prepared::resume_bytes`] or the engine wrote; `metadata` may be empty.
    ///
    /// # Errors
    /// Invalid, when either part is damaged.
    pub fn from_resume(resume: &[u8], metadata: &[u8]) -> Result<Self> {
        Self::of(bridge::parse_resume(resume, metadata), "the resume data is damaged")
    }

    pub(crate) fn of(
        params: std::result::Result<UniquePtr<bridge::AddParams>, cxx::Exception>,
        what: &str,
    ) -> Result<Self> {
        let refuse = |error: cxx::Exception| Error::invalid(format!("{what}: {}", error.what()));
        let params = params.map_err(refuse)?;
        let told = params.describe().map_err(refuse)?;
        let hashes = convert::hashes(&told.hashes)
            .ok_or_else(|| Error::invalid(format!("{what}: it names no info-hash")))?;
        let name = if told.name.is_empty() { hashes.id().to_string() } else { told.name.clone() };
        Ok(Self {
            params,
            hashes,
            pieces: Arc::new(claimed(&told)),
            name: name.into(),
            save_path: told.save_path.as_str().into(),
            metadata: convert::metadata(&told).map(Arc::new),
            trackers: convert::trackers(&told.trackers),
            file_priorities: told.file_priorities,
            is_paused: told.is_paused,
            is_auto_managed: told.is_auto_managed,
            added_at: told.added_at,
            limits: (limit(told.download_limit), limit(told.upload_limit)),
            max_connections: None,
        })
    }

    /// Applies what the service decided.
    ///
    /// # Errors
    /// Invalid, when libtorrent refuses a value.
    pub fn set_options(&mut self, options: &AddOptions) -> Result<()> {
        let tuning = &options.tuning;
        let number = |limit: u32| i32::try_from(limit).unwrap_or(i32::MAX);
        let wish = bridge::AddOptions {
            save_path: options.save_path.clone(),
            name: tuning.name.clone().unwrap_or_default(),
            file_priorities: options.file_priorities.clone(),
            trackers: Vec::new(),
            is_paused: options.is_paused,
            is_auto_managed: options.is_auto_managed,
            is_sequential: false,
            pre_allocate: false,
            disable_dht: options.trackers_only,
            disable_lsd: options.trackers_only,
            disable_pex: options.trackers_only,
            download_limit: number(tuning.download_limit),
            upload_limit: number(tuning.upload_limit),
            max_connections: tuning.max_connections.unwrap_or(-1),
            max_uploads: tuning.max_uploads.unwrap_or(-1),
            added_at: options.added_at,
        };
        self.params.pin_mut().set_options(&wish).map_err(refused)?;
        (self.is_paused, self.is_auto_managed) = (options.is_paused, options.is_auto_managed);
        self.save_path = options.save_path.as_str().into();
        self.file_priorities.clone_from(&options.file_priorities);
        self.added_at = options.added_at;
        self.limits = (tuning.download_limit, tuning.upload_limit);
        self.max_connections = tuning.max_connections;
        self.replace_sources(tuning)
    }

    /// Trackers and seeds that were named replace those it came with; the name is cleaned.
    fn replace_sources(&mut self, tuning: &Tuning) -> Result<()> {
        let mut params = self.params.pin_mut();
        if let Some(trackers) = &tuning.trackers {
            params.as_mut().replace_trackers(trackers).map_err(refused)?;
        }
        if let Some(seeds) = &tuning.web_seeds {
            params.as_mut().replace_web_seeds(seeds).map_err(refused)?;
        }
        if let Some(seeds) = &tuning.http_seeds {
            params.as_mut().replace_http_seeds(seeds).map_err(refused)?;
        }
        if tuning.trackers.is_some() || tuning.name.is_some() {
            let told = self.params.describe().map_err(refused)?;
            self.trackers = convert::trackers(&told.trackers);
            if self.metadata.is_none() && !told.name.is_empty() {
                self.name = told.name.as_str().into();
            }
        }
        Ok(())
    }

    /// Sets those of `mask` to those of `flags`, after [`Prepared::set_options`].
    ///
    /// # Errors
    /// Internal, never expected.
    pub fn set_flags(&mut self, flags: TorrentFlags, mask: TorrentFlags) -> Result<()> {
        self.params.pin_mut().set_param_flags(flags.0, mask.0).map_err(refused)
    }

    /// Sets only whether it runs: for a torrent loaded from the store.
    ///
    /// # Errors
    /// Internal, never expected.
    pub fn set_running(&mut self, is_paused: bool, is_auto_managed: bool) -> Result<()> {
        self.params.pin_mut().set_running(is_paused, is_auto_managed).map_err(refused)?;
        (self.is_paused, self.is_auto_managed) = (is_paused, is_auto_managed);
        Ok(())
    }

    /// Says where its files are: for a torrent loaded from the store.
    ///
    /// # Errors
    /// Internal, never expected.
    pub fn set_save_path(&mut self, path: &str) -> Result<()> {
        self.params.pin_mut().set_save_path(path).map_err(refused)?;
        self.save_path = path.into();
        Ok(())
    }

    /// Forgets which pieces are there, so that adding hashes all of them again.
    ///
    /// # Errors
    /// Internal, never expected.
    pub fn forget_pieces(&mut self) -> Result<()> {
        self.pieces = Arc::default();
        self.params.pin_mut().forget_pieces().map_err(refused)
    }

    /// Bencoded resume data without the info dictionary, for the store.
    ///
    /// # Errors
    /// Internal, never expected.
    pub fn resume_bytes(&self) -> Result<Vec<u8>> {
        self.params.resume_bytes().map_err(refused)
    }

    /// The .torrent file; `None` while the metadata is unknown.
    pub fn metadata_bytes(&self) -> Option<Vec<u8>> {
        self.metadata.as_ref().and_then(|_| self.params.metadata_bytes().ok())
    }
}

/// The pieces of resume data, which names none of a torrent that has none.
fn claimed(told: &bridge::Description) -> Bitfield {
    match told.pieces.is_empty() {
        true => Bitfield::default(),
        false => Bitfield::from_bytes(told.pieces.clone(), told.piece_count),
    }
}

/// libtorrent's "no limit" is 0 or less.
fn limit(bytes_per_s: i32) -> u32 {
    u32::try_from(bytes_per_s).unwrap_or(0)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over by value")]
pub(crate) fn refused(error: cxx::Exception) -> Error {
    Error::invalid(error.what().to_owned())
}
