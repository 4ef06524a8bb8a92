//! A session of a test's own, torrents to put in it, and waiting with a deadline.

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use cxx::UniquePtr;
use tempfile::TempDir;

use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::AddOptions;
use crate::engine::ffi::bridge::AddParams;
use crate::engine::ffi::bridge::Alert;
use crate::engine::ffi::bridge::AlertKind;
use crate::engine::ffi::bridge::AuthorFile;
use crate::engine::ffi::bridge::AuthorRequest;
use crate::engine::ffi::bridge::Batch;
use crate::engine::ffi::bridge::ParseLimits;
use crate::engine::ffi::bridge::Session;
use crate::engine::ffi::bridge::SessionOptions;
use crate::engine::ffi::bridge::Setting;
use crate::engine::ffi::bridge::SettingKind;
use crate::engine::ffi::bridge::StatusUpdate;
use crate::engine::waker::Farewell;
use crate::engine::waker::Gate;
use crate::engine::waker::Judge;
use crate::engine::waker::Progress;
use crate::engine::waker::Waker;
use crate::engine::waker::open_to_all;
use crate::engine::waker::unheard;

/// Long enough for a sanitizer build on a busy machine; a test that passes never waits this long.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often statuses are asked for while something is waited for.
const TICK: Duration = Duration::from_millis(50);

/// How long a test's session may take to become quiet at its end.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) const CHECKING: u8 = 1;
pub(super) const SEEDING: u8 = 5;

pub(super) struct Rig {
    pub session: UniquePtr<Session>,
    pub directory: TempDir,
    pub alerts: Vec<Alert>,
    pub statuses: HashMap<u64, StatusUpdate>,
    pub stats: Vec<i64>,
    pending: Arc<AtomicBool>,
    woken: mpsc::Receiver<()>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    pub(super) fn with(more: &[Setting]) -> Self {
        Self::judged_by(open_to_all(), more)
    }

    /// With somebody who decides who may connect.
    pub(super) fn judged_by(judge: Judge, more: &[Setting]) -> Self {
        Self::watched_by(judge, unheard(), more)
    }

    /// With somebody who hears of connections that end, too.
    pub(super) fn watched_by(judge: Judge, farewell: Farewell, more: &[Setting]) -> Self {
        let (queue, woken) = mpsc::sync_channel(1);
        let pending = Arc::new(AtomicBool::new(false));
        let waker = Waker::new(queue, Arc::clone(&pending), || ());
        let settings = [quiet_settings().as_slice(), more].concat();
        let gate = Box::new(Gate::new(judge, farewell));
        let options = SessionOptions {
            limits: limits(),
            cove_disk: true,
            utp_to_lan: false,
            roots: Vec::new(),
        };
        let session = bridge::new_session(&settings, &options, Box::new(waker), gate).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (alerts, statuses) = (Vec::new(), HashMap::new());
        Self { session, directory, alerts, statuses, stats: Vec::new(), pending, woken }
    }

    /// No disk job is left when this returns; libtorrent's own disk back end aborts the process
    /// when a peer's read waits as the session ends.
    fn settle(&mut self) {
        let mut session = self.session.pin_mut();
        if session.as_mut().pause_session().is_err() {
            return;
        }
        let running = self.statuses.values().filter(|status| !status.is_paused);
        let mut running: Vec<u64> = running.map(|status| status.token).collect();
        let end = Instant::now() + SETTLE;
        while !running.is_empty() && Instant::now() < end {
            let mut batch = Batch::default();
            if self.session.pin_mut().drain(&mut batch).is_err() {
                return;
            }
            let is_over = |a: &Alert| matches!(a.kind, AlertKind::Paused | AlertKind::Removed);
            for alert in batch.alerts.iter().filter(|alert| is_over(alert)) {
                running.retain(|token| *token != alert.token);
            }
            std::thread::sleep(SETTLE / 1_000);
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn options(&self) -> AddOptions {
        options(self.path())
    }

    /// Adds with `token` and waits until it is in.
    pub(super) fn add(&mut self, params: UniquePtr<AddParams>, token: u64) {
        self.session.pin_mut().add(params, token).unwrap();
        self.wait_for(AlertKind::Added, token);
    }

    pub(super) fn drain(&mut self) {
        self.pending.store(false, Ordering::Release);
        let mut batch = Batch::default();
        self.session.pin_mut().drain(&mut batch).unwrap();
        self.alerts.extend(batch.alerts);
        self.statuses.extend(batch.statuses.into_iter().map(|status| (status.token, status)));
        if !batch.stats.is_empty() {
            self.stats = batch.stats;
        }
    }

    /// Drains until `find` finds something.
    pub(super) fn wait<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            self.drain();
            if let Some(found) = find(self) {
                return found;
            }
            assert!(Instant::now() < end, "no {what}; {:#?}", self.alerts);
            if self.woken.recv_timeout(TICK).is_err() {
                // Nothing happens by itself, so ask; the answer wakes us.
                self.session.pin_mut().post_updates().unwrap();
            }
        }
    }

    /// Waits for an alert and takes it out, with all before it of its kind and token.
    pub(super) fn wait_for(&mut self, kind: AlertKind, token: u64) -> Alert {
        self.wait(&format!("{kind:?} for {token}"), |rig| {
            let at = rig.alerts.iter().position(|a| a.kind == kind && a.token == token)?;
            Some(rig.alerts.remove(at))
        })
    }

    pub(super) fn wait_for_stage(&mut self, token: u64, stage: u8) -> StatusUpdate {
        self.wait(&format!("stage {stage} of {token}"), |rig| {
            rig.statuses.get(&token).filter(|status| status.stage == stage).cloned()
        })
    }

    pub(super) fn wait_for_status(
        &mut self,
        token: u64,
        is_it: impl Fn(&StatusUpdate) -> bool,
    ) -> StatusUpdate {
        self.wait(&format!("status of {token}"), |rig| {
            rig.statuses.get(&token).filter(|status| is_it(status)).cloned()
        })
    }

    /// Waits for a wake-up alone, without asking for anything.
    pub(super) fn wait_for_wake(&self) {
        self.woken.recv_timeout(DEADLINE).unwrap();
    }

    pub(super) fn port(&mut self) -> u16 {
        self.wait("port", |rig| rig.session.listen_port().ok().filter(|port| *port != 0))
    }

    /// Waits until `self` holds all of `token`, with `seeder` as the only peer.
    pub(super) fn fetch_from(&mut self, seeder: &mut Self, token: u64) {
        let port = seeder.port();
        self.session.pin_mut().connect_peer(token, "127.0.0.1", port).unwrap();
        self.wait_for_stage(token, SEEDING);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.settle();
    }
}

pub(super) fn number(name: &str, number: i64) -> Setting {
    Setting { name: name.into(), kind: SettingKind::Int, text: String::new(), number }
}

pub(super) fn switch(name: &str, on: bool) -> Setting {
    let kind = SettingKind::Bool;
    Setting { name: name.into(), kind, text: String::new(), number: i64::from(on) }
}

pub(super) fn words(name: &str, text: &str) -> Setting {
    Setting { name: name.into(), kind: SettingKind::Text, text: text.into(), number: 0 }
}

/// Loopback only, no discovery, TCP only.
fn quiet_settings() -> Vec<Setting> {
    let mut settings = vec![
        words("listen_interfaces", "127.0.0.1:0"),
        number("alert_queue_size", 100_000),
        number("stop_tracker_timeout", 1),
        switch("allow_multiple_connections_per_ip", true),
    ];
    for name in ["dht", "lsd", "upnp", "natpmp", "outgoing_utp", "incoming_utp"] {
        settings.push(switch(&format!("enable_{name}"), false));
    }
    settings
}

pub(super) fn limits() -> ParseLimits {
    let bytes = 10 << 20;
    ParseLimits { bytes, files: 100_000, pieces: 1 << 21, depth: 100, tokens: 3_000_000 }
}

pub(super) fn options(save_path: &Path) -> AddOptions {
    AddOptions {
        save_path: save_path.to_str().unwrap().into(),
        name: String::new(),
        file_priorities: Vec::new(),
        trackers: Vec::new(),
        is_paused: false,
        is_auto_managed: false,
        is_sequential: false,
        pre_allocate: false,
        disable_dht: true,
        disable_lsd: true,
        disable_pex: true,
        download_limit: 0,
        upload_limit: 0,
        max_connections: -1,
        max_uploads: -1,
        added_at: 0,
    }
}

pub(super) fn request(path: &Path, make_v1: bool, make_v2: bool) -> AuthorRequest {
    AuthorRequest {
        path: path.to_str().unwrap().into(),
        files: files_in(path),
        name: String::new(),
        piece_length: 16 << 10,
        is_private: false,
        make_v1,
        make_v2,
        trackers: Vec::new(),
        web_seeds: Vec::new(),
        comment: String::new(),
        creator: String::new(),
        source: String::new(),
        threads: 2,
        former: Vec::new(),
    }
}

/// The files of a folder, or the file itself.
fn files_in(path: &Path) -> Vec<AuthorFile> {
    let size = |file: &Path| fs::metadata(file).unwrap().len();
    if path.is_file() {
        return vec![AuthorFile { path: String::new(), size: size(path), is_unchanged: false }];
    }
    let names = tree(path).into_iter().filter(|name| !name.ends_with(['/', '@']));
    let file = |name: String| {
        let size = size(&path.join(&name));
        AuthorFile { size, path: name, is_unchanged: false }
    };
    names.map(file).collect()
}

pub(super) fn author(request: &AuthorRequest) -> UniquePtr<AddParams> {
    bridge::author(request, &Progress::default()).unwrap()
}

/// A folder `share` below `parent`: two files of some pieces each and a small one.
pub(super) fn make_share(parent: &Path) -> PathBuf {
    let share = parent.join("share");
    fs::create_dir_all(share.join("inner")).unwrap();
    fs::write(share.join("a.bin"), noise(200_000, 1)).unwrap();
    fs::write(share.join("inner/b.bin"), noise(150_001, 2)).unwrap();
    fs::write(share.join("c.txt"), "small").unwrap();
    share
}

/// Bytes that repeat nowhere near, the same for the same seed.
pub(super) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// The same parameters once more: by way of resume data and metadata, with `options`.
pub(super) fn again(params: &AddParams, options: &AddOptions) -> UniquePtr<AddParams> {
    let metadata = params.metadata_bytes().unwrap();
    let mut fresh = bridge::parse_torrent(&metadata, &limits()).unwrap();
    fresh.pin_mut().set_options(options).unwrap();
    fresh
}

/// A seeder of `make_share`, and what it seeds.
pub(super) fn seeder(make_v1: bool, make_v2: bool) -> (Rig, UniquePtr<AddParams>) {
    let mut rig = Rig::new();
    let share = make_share(rig.path());
    let request = request(&share, make_v1, make_v2);
    let mut params = author(&request);
    let options = rig.options();
    params.pin_mut().set_options(&options).unwrap();
    rig.add(params, 1);
    rig.wait_for_stage(1, SEEDING);
    (rig, author(&request))
}

/// Whatever lies below `root`, relative, sorted; a folder ends in `/`, a symlink in `@`.
pub(super) fn tree(root: &Path) -> Vec<String> {
    fn walk(root: &Path, at: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let mark = if kind.is_dir() {
                "/"
            } else if kind.is_symlink() {
                "@"
            } else {
                ""
            };
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            found.push(name + mark);
            if kind.is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

/// A tracker that gives every request the same answer; its announce URL. Ends with the test.
pub(super) fn http_tracker(answer: Option<&'static str>) -> String {
    use std::io::Read as _;
    use std::io::Write as _;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(answer) = answer else {
                silent.push(stream);
                continue;
            };
            let mut request = [0; 4096];
            let _ignored = stream.read(&mut request);
            let _ignored = stream.write_all(answer.as_bytes());
        }
    });
    url
}
