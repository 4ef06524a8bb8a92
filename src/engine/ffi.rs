//! The bridge to libtorrent: declarations only. The C++ side is `cpp/`.
//!
//! Every torrent is named by a *token*, a number that the engine chose when it added the torrent
//! and that comes back in each alert; handles never leave C++. Whatever may throw is `Result`;
//! text is lossy UTF-8; values cross by copy. The bridge translates and decides nothing.

#![expect(unsafe_code, reason = "cxx expands to foreign calls; one Send is argued below")]
#![allow(clippy::all, unreachable_pub, reason = "generated code")]
#![allow(dead_code, reason = "the bridge is complete, and tested, before everything is called")]

use crate::engine::waker::Gate;
use crate::engine::waker::Progress;
use crate::engine::waker::Waker;

#[cxx::bridge(namespace = "cove")]
pub(crate) mod bridge {
    /// The type of a libtorrent setting.
    #[derive(Debug, Clone, Copy)]
    enum SettingKind {
        Text,
        Int,
        Bool,
    }

    /// One libtorrent setting by its name; a bool is 0 or 1 in `number`.
    #[derive(Debug, Clone)]
    struct Setting {
        name: String,
        kind: SettingKind,
        text: String,
        number: i64,
    }

    /// Info-hashes of a torrent.
    #[derive(Debug, Clone, Default)]
    struct Hashes {
        v1: [u8; 20],
        has_v1: bool,
        v2: [u8; 32],
        has_v2: bool,
    }

    /// One file as it is on disk, padding included; `/` between parts, the top folder first.
    #[derive(Debug, Clone)]
    struct FileEntry {
        path: String,
        size: u64,
        offset: u64,
        is_padding: bool,
    }

    /// One announce URL.
    #[derive(Debug, Clone)]
    struct TrackerEntry {
        url: String,
        tier: u8,
    }

    /// What add parameters, or a torrent whose metadata is known, say. Names are cleaned and
    /// renamed files stand under their new name. Without metadata the file fields are empty.
    #[derive(Debug, Clone)]
    struct Description {
        hashes: Hashes,
        name: String,
        has_metadata: bool,
        files: Vec<FileEntry>,
        piece_length: u32,
        piece_count: u32,
        total_size: u64,
        is_private: bool,
        has_folder: bool,
        comment: String,
        trackers: Vec<TrackerEntry>,
        web_seeds: Vec<String>,
        save_path: String,
        file_priorities: Vec<u8>,
        pieces: Vec<u8>, // those that resume data claims; BEP 3 bit order, empty = none
        is_paused: bool,
        is_auto_managed: bool,
        added_at: i64,
        completed_at: i64,
        download_limit: i32, // bytes/s, 0 or less = none
        upload_limit: i32,   // bytes/s, 0 or less = none
    }

    /// Limits for torrent files and metadata from outside (rule F4).
    #[derive(Debug, Clone)]
    struct ParseLimits {
        bytes: u64,
        files: u32,
        pieces: u32,
        depth: u32,
        tokens: u32,
    }

    /// What the caller decides about a torrent to be added; applied over what the parameters say.
    #[derive(Debug, Clone)]
    struct AddOptions {
        save_path: String,
        name: String,                // empty: as parsed
        file_priorities: Vec<u8>,    // empty: as parsed
        trackers: Vec<TrackerEntry>, // added to those parsed, duplicates skipped
        is_paused: bool,
        is_auto_managed: bool,
        is_sequential: bool,
        pre_allocate: bool,
        disable_dht: bool,
        disable_lsd: bool,
        disable_pex: bool,
        download_limit: i32,  // bytes/s, 0 = none
        upload_limit: i32,    // bytes/s, 0 = none
        max_connections: i32, // -1 = none
        max_uploads: i32,     // -1 = none
        added_at: i64,        // Unix seconds, 0: as parsed
    }

    /// Torrent flags that may be changed on a running torrent.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Flag {
        AutoManaged,
        UploadMode,
        Sequential,
        SuperSeeding,
        StopWhenReady,
        DisableDht,
        DisableLsd,
        DisablePex,
        ShareMode,
        ApplyIpFilter,
    }

    /// Moves in the download queue.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum QueueMove {
        Up,
        Down,
        Top,
        Bottom,
    }

    /// What to do with files that are in the way of a move.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum MoveMode {
        Replace,
        FailIfExists,
        KeepExisting,
    }

    /// What becomes of a connection; see `domain::access::Admission`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Verdict {
        Open,
        Guest,
        Member,
        Stranger,
    }

    /// Limits of one torrent: bytes/s (0 = none), counts (-1 = none, 0 = as it is).
    #[derive(Debug, Clone, Copy)]
    struct TorrentLimits {
        download: i32,
        upload: i32,
        connections: i32,
        uploads: i32,
    }

    /// What `torrent_status` counts beside what the program itself needs, for metrics.
    #[derive(Debug, Clone, Copy, Default)]
    struct TorrentFigures {
        payload_download: i64,
        payload_upload: i64,
        failed_bytes: i64,
        redundant_bytes: i64,
        total_bytes: i64,
        download_rate: i32,
        upload_rate: i32,
        progress_ppm: i32,
        connect_candidates: i32,
        piece_count: i32,
        full_copies: i32,
        copies_fraction: i32,
        block_size: i32,
        uploads: i32,
        connections: i32,
        uploads_limit: i32,
        connections_limit: i32,
        upload_queue: i32,
        download_queue: i32,
        seed_rank: i32,
        state: i32,
        finished_s: i64,
    }

    /// `torrent_status` in plain values. Rates are payload bytes/s, times Unix seconds, 0 = never.
    /// `stage` is libtorrent's state number: 1 checking files, 2 downloading metadata,
    /// 3 downloading, 4 finished, 5 seeding, 7 checking resume data.
    #[derive(Debug, Clone)]
    struct StatusUpdate {
        token: u64,
        stage: u8,
        is_paused: bool,
        is_auto_managed: bool,
        is_moving: bool,
        is_upload_mode: bool,
        has_metadata: bool,
        needs_resume: bool,
        error: String,
        error_file: i32,
        progress: f32,
        download_rate: u32,
        upload_rate: u32,
        wanted: u64,
        wanted_done: u64,
        done: u64,
        session_download: u64,
        session_upload: u64,
        all_time_download: u64,
        all_time_upload: u64,
        added_at: i64,
        completed_at: i64,
        last_download_at: i64,
        last_upload_at: i64,
        connected_peers: u32,
        connected_seeds: u32,
        known_peers: u32,
        known_seeds: u32,
        scrape_seeds: i32,
        scrape_leeches: i32,
        distributed_copies: f32,
        queue_position: i32,
        seeding_s: u64,
        finished_s: u64,
        active_s: u64,
        figures: TorrentFigures,
        flags: u64,       // libtorrent's torrent flags as they are
        error_value: i32, // of the error's own category; 0 = none
        name: String,
        save_path: String,
        pieces: Vec<u8>, // BEP 3 bit order; empty before metadata
        piece_count: u32,
    }

    /// What an alert is about; which other fields of `Alert` mean something stands beside each.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum AlertKind {
        Added,            // token
        AddFailed,        // token, text
        Removed,          // token
        MetadataReceived, // token
        MetadataRefused,  // token, text: it breaks a rule of ours, and no file was made
        MetadataFailed,   // token, text
        Checked,          // token
        Finished,         // token
        StateChanged,     // token, number = new stage
        Paused,           // token
        Resumed,          // token
        PieceFinished,    // token, number = piece
        HashFailed,       // token, number = piece
        ResumeData,       // token, data = bencoded, no info dict; metadata = .torrent if asked for
        ResumeFailed,     // token, text, number = 1 when nothing needed saving
        ResumeRejected,   // token, text, path = file, number = errno or 0; it was paused
        FileError,        // token, text, path = file, number = errno or 0, more = 1: broken seal
        TorrentError,     // token, text, path = file
        Moved,            // token, path = new save path
        MoveFailed,       // token, text, path = file
        Renamed,          // token, number = file index, path = new name
        RenameFailed,     // token, number = file index, text
        FilesPrioritized, // token
        TrackerAnnounce,  // token, url
        TrackerReply,     // token, url, number = peers
        TrackerWarning,   // token, url, text
        TrackerError,     // token, url, text, number = HTTP status or 0, more = 1 when timed out
        ScrapeReply,      // token, url, number = seeds, more = leeches
        ListenSucceeded,  // text = address, number = port, path = tcp or utp or ssl or ..
        ListenFailed,     // text = why, path = interface, number = errno or 0, more = port
        ExternalIp,       // text = address
        PortMapped,       // number = external port, text = upnp or natpmp, path = tcp or udp
        PortMapFailed,    // text
        Performance,      // token, text
        Dropped,          // some alerts were lost: text names the kinds
        SessionError,     // text
    }

    /// One alert in plain values.
    #[derive(Debug, Clone)]
    struct Alert {
        kind: AlertKind,
        token: u64,
        number: i64,
        more: i64,
        text: String,
        url: String,
        path: String,
        data: Vec<u8>,
        metadata: Vec<u8>,
    }

    /// Everything that waited in the session, in order; `statuses` and `stats` stand apart because
    /// they are many and carry no order of their own.
    #[derive(Debug, Clone, Default)]
    struct Batch {
        alerts: Vec<Alert>,
        statuses: Vec<StatusUpdate>,
        stats: Vec<i64>, // by index of `stat_names`; empty when none were asked for
    }

    /// What a session is made with beside its settings.
    #[derive(Debug, Clone)]
    struct SessionOptions {
        limits: ParseLimits, // for metadata that peers send
        cove_disk: bool,     // our own disk back end instead of libtorrent's
        utp_to_lan: bool,    // false: a uTP connection to the local network is redone over TCP
        roots: Vec<String>,  // where our disk back end may make files; none = anywhere
    }

    /// A statistic of the session: its name, its index in `Batch::stats`, counter or gauge.
    #[derive(Debug, Clone)]
    struct StatName {
        name: String,
        index: u32,
        is_counter: bool,
    }

    /// One file to be hashed, as the caller found it.
    #[derive(Debug, Clone)]
    struct AuthorFile {
        path: String, // below the request's; empty when that is the file
        size: u64,
        is_unchanged: bool, // as it was in the former torrent
    }

    /// What to make a .torrent of. `path` is a file or a folder; `piece_length` 0 = by size.
    #[derive(Debug, Clone)]
    struct AuthorRequest {
        path: String,
        files: Vec<AuthorFile>, // in the order of the torrent
        name: String,           // empty: the last part of the path
        piece_length: u32,
        is_private: bool,
        make_v1: bool,
        make_v2: bool, // both = hybrid
        trackers: Vec<TrackerEntry>,
        web_seeds: Vec<String>,
        comment: String,
        creator: String,
        source: String, // a tracker's mark in the info dictionary; empty: none
        threads: u32,
        former: Vec<u8>, // the .torrent whose place it takes; empty: none
    }

    extern "Rust" {
        type Waker;
        /// Called on libtorrent's network thread: wakes the engine, never blocks, never panics.
        fn wake(self: &Waker);

        /// Called on libtorrent's network thread, with addresses in IPv6 form and ports behind them:
        /// never waits, never panics. `ended` is told how much payload passed, if any did.
        type Gate;
        fn judge(self: &Gate, torrent: &[u8; 20], remote: &[u8; 16], local: &[u8; 16]) -> Verdict;
        fn ended(self: &Gate, of: &[u8; 20], at: &[u8; 18], id: &[u8; 20], sent: u64, got: u64);

        type Progress;
        /// Called after each hashed piece; false stops the work with an error "cancelled".
        fn report(self: &Progress, done: u32, total: u32) -> bool;
        fn add_hashed(self: &Progress, bytes: u64); // so many were read
    }

    unsafe extern "C++" {
        include!("bridge.h");

        /// Parsed add parameters.
        type AddParams;
        fn parse_torrent(bytes: &[u8], limits: &ParseLimits) -> Result<UniquePtr<AddParams>>;
        fn parse_magnet(uri: &str) -> Result<UniquePtr<AddParams>>;
        /// `metadata` is the .torrent file, or empty when there is none (a magnet's first days).
        fn parse_resume(resume: &[u8], metadata: &[u8]) -> Result<UniquePtr<AddParams>>;
        fn describe(self: &AddParams) -> Result<Description>;
        fn set_options(self: Pin<&mut AddParams>, options: &AddOptions) -> Result<()>;
        /// Pause and queue state only, for a torrent loaded from the store.
        fn set_running(
            self: Pin<&mut AddParams>,
            is_paused: bool,
            is_auto_managed: bool,
        ) -> Result<()>;
        /// How many peers may be connected at once, -1 = any number.
        fn set_max_connections(self: Pin<&mut AddParams>, count: i32) -> Result<()>;
        /// These trackers, all in the first tier, and no others.
        fn replace_trackers(self: Pin<&mut AddParams>, urls: &[String]) -> Result<()>;
        /// These web seeds of BEP 19 and no others.
        fn replace_web_seeds(self: Pin<&mut AddParams>, urls: &[String]) -> Result<()>;
        /// These web seeds of BEP 17 and no others.
        fn replace_http_seeds(self: Pin<&mut AddParams>, urls: &[String]) -> Result<()>;
        /// Forgets which pieces are there, so that adding checks them all.
        fn forget_pieces(self: Pin<&mut AddParams>) -> Result<()>;
        /// Says that every piece is there and verified: for data that was hashed a moment ago.
        fn claim_all_pieces(self: Pin<&mut AddParams>) -> Result<()>;
        fn set_save_path(self: Pin<&mut AddParams>, path: &str) -> Result<()>;
        fn resume_bytes(self: &AddParams) -> Result<Vec<u8>>;
        /// The .torrent file; an error when the metadata is not known.
        fn metadata_bytes(self: &AddParams) -> Result<Vec<u8>>;
        fn magnet_link(self: &AddParams) -> Result<String>;

        /// The running session.
        type Session;
        fn new_session(
            settings: &[Setting],
            options: &SessionOptions,
            waker: Box<Waker>,
            gate: Box<Gate>,
        ) -> Result<UniquePtr<Session>>;
        fn libtorrent_version() -> Result<String>;
        /// Every setting, with its default.
        fn known_settings() -> Result<Vec<Setting>>;
        fn stat_names() -> Result<Vec<StatName>>;
        fn apply_settings(self: Pin<&mut Session>, settings: &[Setting]) -> Result<()>;
        fn settings(self: &Session) -> Result<Vec<Setting>>;
        /// `Added` or `AddFailed` with `token` follows.
        fn add(self: Pin<&mut Session>, params: UniquePtr<AddParams>, token: u64) -> Result<()>;
        /// `Removed` follows; the files stay: libtorrent deletes with too little care (rule F3).
        fn remove(self: Pin<&mut Session>, token: u64) -> Result<()>;
        /// `Paused` follows when true: it ran until now.
        fn pause(self: Pin<&mut Session>, token: u64) -> Result<bool>;
        fn resume(self: Pin<&mut Session>, token: u64) -> Result<()>;
        fn recheck(self: Pin<&mut Session>, token: u64) -> Result<()>;
        fn clear_error(self: Pin<&mut Session>, token: u64) -> Result<()>;
        /// `url` empty: all trackers; else that one, which must be there. Also asks the DHT when empty.
        fn reannounce(self: Pin<&mut Session>, token: u64, url: &str) -> Result<()>;
        fn move_storage(
            self: Pin<&mut Session>,
            token: u64,
            path: &str,
            mode: MoveMode,
        ) -> Result<()>;
        fn rename_file(self: Pin<&mut Session>, token: u64, file: u32, name: &str) -> Result<()>;
        fn prioritize_files(self: Pin<&mut Session>, token: u64, priorities: &[u8]) -> Result<()>;
        fn prioritize_pieces(
            self: Pin<&mut Session>,
            token: u64,
            first: u32,
            priorities: &[u8],
        ) -> Result<()>;
        /// Wants `piece` within `deadline_ms`.
        fn set_piece_deadline(
            self: Pin<&mut Session>,
            token: u64,
            piece: u32,
            deadline_ms: u32,
        ) -> Result<()>;
        fn clear_piece_deadlines(self: Pin<&mut Session>, token: u64) -> Result<()>;
        fn set_limits(self: Pin<&mut Session>, token: u64, limits: &TorrentLimits) -> Result<()>;
        fn set_flag(self: Pin<&mut Session>, token: u64, flag: Flag, on: bool) -> Result<()>;
        fn move_in_queue(self: Pin<&mut Session>, token: u64, direction: QueueMove) -> Result<()>;
        fn replace_trackers(
            self: Pin<&mut Session>,
            token: u64,
            trackers: &[TrackerEntry],
        ) -> Result<()>;
        fn add_tracker(self: Pin<&mut Session>, token: u64, tracker: &TrackerEntry) -> Result<()>;
        fn add_web_seed(self: Pin<&mut Session>, token: u64, url: &str) -> Result<()>;
        fn remove_web_seed(self: Pin<&mut Session>, token: u64, url: &str) -> Result<()>;
        fn connect_peer(self: Pin<&mut Session>, token: u64, ip: &str, port: u16) -> Result<()>;
        /// Asks the gate again about every connected member, soon.
        fn judge_again(self: Pin<&mut Session>, token: u64) -> Result<()>;
        /// `ResumeData` or `ResumeFailed` follows. `only_if_modified`: skip when nothing changed.
        fn save_resume(
            self: Pin<&mut Session>,
            token: u64,
            with_metadata: bool,
            only_if_modified: bool,
        ) -> Result<()>;
        fn pause_session(self: Pin<&mut Session>) -> Result<()>;
        fn resume_session(self: Pin<&mut Session>) -> Result<()>;
        /// Asks for the statuses of all torrents that changed since the last call.
        fn post_updates(self: Pin<&mut Session>) -> Result<()>;
        /// Asks for the statuses of all torrents (after alerts were dropped).
        fn post_all(self: Pin<&mut Session>) -> Result<()>;
        fn post_stats(self: Pin<&mut Session>) -> Result<()>;
        /// Everything that waits, appended to `batch`.
        fn drain(self: Pin<&mut Session>, batch: &mut Batch) -> Result<()>;
        /// The port that peers reach, 0 when not listening.
        fn listen_port(self: &Session) -> Result<u16>;

        /// These five wait for libtorrent's network thread: details only, never lists.
        fn description(self: &Session, token: u64) -> Result<Description>;
        fn trackers(self: &Session, token: u64) -> Result<Vec<TrackerEntry>>;
        fn web_seeds(self: &Session, token: u64) -> Result<Vec<String>>;
        /// How many connected peers have each piece; empty while it seeds.
        fn piece_availability(self: &Session, token: u64) -> Result<Vec<u32>>;

        /// Begins to stop; does not wait.
        fn abort(self: Pin<&mut Session>) -> Result<()>;

        /// The add parameters of `request.path`, complete and verified.
        fn author(request: &AuthorRequest, progress: &Progress) -> Result<UniquePtr<AddParams>>;
    }
}

// SAFETY: AddParams owns plain values and a shared_ptr to a torrent_info that nobody else holds
// until the session takes it over. It is handed from thread to thread, never shared.
unsafe impl Send for bridge::AddParams {}
