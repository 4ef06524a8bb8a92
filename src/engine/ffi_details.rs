//! The bridge's second half: what is asked about one torrent or session at a time. Declarations only,
//! under the rules of `ffi.rs`.

#![expect(unsafe_code, reason = "cxx expands to foreign calls")]
#![allow(clippy::all, unreachable_pub, reason = "generated code")]

#[cxx::bridge(namespace = "cove")]
pub(crate) mod bridge {
    /// libtorrent's `announce_infohash`: announces of one protocol version from one socket. Times
    /// are whole seconds of the monotonic clock, the smallest number = never; counts -1 = unknown.
    #[derive(Debug, Clone)]
    struct AnnounceState {
        message: String,
        has_error: bool,
        last_error: String,
        next_announce: i32,
        min_announce: i32,
        scrape_incomplete: i32,
        scrape_complete: i32,
        scrape_downloaded: i32,
        fails: u8,
        is_updating: bool,
        start_sent: bool,
        complete_sent: bool,
    }

    /// libtorrent's `announce_endpoint`: one listen socket.
    #[derive(Debug, Clone)]
    struct AnnounceEndpoint {
        ip: String,
        port: u16,
        is_enabled: bool,
        v1: AnnounceState,
        v2: AnnounceState,
    }

    /// libtorrent's `announce_entry`.
    #[derive(Debug, Clone)]
    struct TrackerReport {
        url: String,
        tracker_id: String,
        tier: u8,
        fail_limit: u8,
        source: u8,
        is_verified: bool,
        endpoints: Vec<AnnounceEndpoint>,
    }

    /// One peer of a torrent; see `domain::peer::Peer`.
    #[derive(Debug, Clone)]
    struct PeerEntry {
        ip: String,
        port: u16,
        id: [u8; 20],
        client: String,
        progress: f32,
        download_rate: u32,
        upload_rate: u32,
        downloaded: u64,
        uploaded: u64,
        source: u32,
        flags: u32,
        connection_kind: u32,
        we_are_interested: bool,
        we_choke: bool,
        is_interested: bool,
        chokes_us: bool,
        is_outgoing: bool,
        is_seed: bool,
        is_upload_only: bool,
        is_snubbed: bool,
        is_optimistic: bool,
        is_utp: bool,
        total_download_rate: u32, // protocol included
        total_upload_rate: u32,
        busy_requests: i32,
        queue_length: i32,
        queue_s: i64,
        last_active_s: i64,
        last_request_s: i64,
        rtt_ms: i32,
        local_ip: String,
        local_port: u16,
    }

    /// What may be set on a torrent, in libtorrent's numbers: -1 or 2^24 - 1 = no limit.
    #[derive(Debug, Clone)]
    struct Properties {
        download_limit: i32,
        upload_limit: i32,
        max_connections: i32,
        max_uploads: i32,
        flags: u64,
    }

    /// What a session is doing.
    #[derive(Debug, Clone)]
    struct SessionState {
        is_dht_running: bool,
        is_listening: bool,
        is_paused: bool,
    }

    /// A file as it was when it was shared: bytes, below 0 what no file is like, and when it was
    /// changed last, Unix seconds and nanoseconds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct FileSeal {
        size: i64,
        modified_s: i64,
        modified_ns: i64,
    }

    unsafe extern "C++" {
        include!("bridge.h");

        type AddParams = crate::engine::ffi::bridge::AddParams;
        type Session = crate::engine::ffi::bridge::Session;

        /// Nothing of a file is sent that is not as it was. `files` are in the order of the torrent,
        /// padding included; none when nothing is known of them.
        fn seal(self: Pin<&mut AddParams>, files: &[FileSeal]) -> Result<()>;
        /// The same for a torrent that came sealed: its files are these now.
        fn renew_seal(self: Pin<&mut Session>, token: u64, files: &[FileSeal]) -> Result<()>;

        /// Sets the flags of `mask` to those of `flags`.
        fn set_flags(self: Pin<&mut Session>, token: u64, flags: u64, mask: u64) -> Result<()>;
        /// The same for a torrent that comes.
        #[rust_name = "set_param_flags"]
        fn set_flags(self: Pin<&mut AddParams>, flags: u64, mask: u64) -> Result<()>;
        /// 0 = first in the queue.
        fn set_queue_position(self: Pin<&mut Session>, token: u64, position: i32) -> Result<()>;

        /// These wait for libtorrent's network thread: details only, never lists.
        fn tracker_reports(self: &Session, token: u64) -> Result<Vec<TrackerReport>>;
        fn peers(self: &Session, token: u64) -> Result<Vec<PeerEntry>>;
        fn properties(self: &Session, token: u64) -> Result<Properties>;
        /// libtorrent's flags of each file: 1 padding, 2 hidden, 4 executable, 8 link. An error
        /// before the metadata is known.
        fn file_flags(self: &Session, token: u64) -> Result<Vec<u8>>;
        fn session_state(self: &Session) -> Result<SessionState>;

        /// The revision it was built from; of a release, a part of its hash.
        fn libtorrent_revision() -> Result<String>;
        /// Boost's version, such as `1_83`.
        fn boost_version() -> Result<String>;

        /// Gives what is free in the heap, C++'s and Rust's, back to the system.
        fn release_free_memory();
    }
}

/// A session that ends: it leaves its swarms, and to drop this waits until it has.
pub(crate) struct Ending(#[expect(dead_code, reason = "it is only dropped")] Aborted);

type Aborted = cxx::UniquePtr<bridge::Session>;

impl Ending {
    /// Begins to end a session.
    pub(crate) fn of(mut session: Aborted) -> Self {
        if let Err(error) = session.pin_mut().abort() {
            tracing::error!(error = error.what(), "libtorrent refused to end a session");
        }
        Self(session)
    }
}

// SAFETY: after abort() a session holds libtorrent's session_proxy, whose destructor joins the network
// thread and may run on any other; what C++ calls in Rust, which is Send (`waker.rs` has the
// compiler look); and maps that nobody else reads any more. It is handed over once, never shared.
unsafe impl Send for Ending {}
