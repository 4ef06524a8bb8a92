//! The program itself: the real binary in fresh directories, on ports the system chooses.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::DEADLINE;
use crate::common::LOOK_EVERY;
use crate::common::api::Api;
use crate::common::process::Process;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_cove");

/// Where and how the program is to run. Outlives the processes started with it.
pub(crate) struct Home {
    /// Everything of this test; the download directory is a part of it.
    pub(crate) outer: TempDir,
    pub(crate) state: PathBuf,
    pub(crate) downloads: PathBuf,
    /// Apart from the rest, which a test may put on a disk that fails.
    logs: TempDir,
    sets: Vec<(String, String)>,
    /// Put before the program, such as `unshare --mount`.
    launcher: Vec<OsString>,
}

/// A running program.
pub(crate) struct App<'a> {
    pub(crate) home: &'a Home,
    pub(crate) api: Api,
    /// Where it listens for peers.
    pub(crate) peer_port: u16,
    /// Where it takes announces over HTTP; empty unless `tracker.http.bind` is set.
    pub(crate) tracker_http: Vec<SocketAddr>,
    /// Where it takes announces over UDP; empty unless `tracker.udp.bind` is set.
    pub(crate) tracker_udp: Vec<SocketAddr>,
    process: Process,
    log: PathBuf,
}

impl Home {
    /// Fresh directories; nothing runs yet.
    pub(crate) fn new() -> Self {
        Self::under(&std::env::temp_dir())
    }

    /// As [`Home::new`], in a directory of the caller's choice.
    pub(crate) fn under(parent: &Path) -> Self {
        let outer = tempfile::Builder::new().prefix("cove-test-").tempdir_in(parent);
        let outer = outer.expect("a temporary directory can be made");
        let (state, downloads) = (outer.path().join("state"), outer.path().join("downloads"));
        fs::create_dir(&downloads).expect("a directory can be made");
        let logs = tempfile::tempdir().expect("a temporary directory can be made");
        Self { outer, state, downloads, logs, sets: Vec::new(), launcher: Vec::new() }
    }

    /// One configuration value more, or another one for a key that has one.
    pub(crate) fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.sets.push((key.to_owned(), value.to_string()));
        self
    }

    /// Starts the program through another one that ends in `exec`.
    pub(crate) fn launched_by(mut self, launcher: Vec<OsString>) -> Self {
        self.launcher = launcher;
        self
    }

    /// A command with the state directory, and a clean environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut words: Vec<OsString> = self.launcher.clone();
        words.push(BINARY.into());
        words.extend(arguments.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("--state-dir").arg(&self.state);
        command.env_clear().env("HOME", self.outer.path());
        // The sanitizer build reports through variables of its own.
        for name in ["PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "RUST_BACKTRACE", "COVE_LOG"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command of the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program can be started")
    }

    /// `cove serve` with this home's configuration.
    pub(crate) fn serve_command(&self) -> Command {
        self.configured_command(&["serve"])
    }

    /// A command with this home's configuration, whether or not a server runs.
    pub(crate) fn configured_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        let path = |path: &Path| path.to_str().expect("test paths are UTF-8").to_owned();
        let defaults = [
            ("api.bind", "127.0.0.1:0".to_owned()),
            ("client.listen", "127.0.0.1:0".to_owned()),
            // A test of the tracker takes a port of its own; the others need none.
            ("tracker.http.bind", String::new()),
            ("tracker.udp.bind", String::new()),
            ("client.download_dir", path(&self.downloads)),
            ("client.roots", path(&self.downloads)),
            ("client.dht", "false".to_owned()),
            ("client.lsd", "false".to_owned()),
            ("client.upnp", "false".to_owned()),
            ("client.natpmp", "false".to_owned()),
            ("client.resume_interval_s", "1".to_owned()),
            ("client.settings.allow_multiple_connections_per_ip", "true".to_owned()),
        ];
        let own = self.sets.iter().map(|(key, value)| (key.as_str(), value.clone()));
        for (key, value) in defaults.into_iter().chain(own) {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
    }

    /// Starts the program and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self) -> App<'_> {
        self.try_start().unwrap_or_else(|(status, log)| panic!("ended with {status}: {log}"))
    }

    /// Starts the program; its end and log when it ends before it is ready.
    #[track_caller]
    pub(crate) fn try_start(&self) -> Result<App<'_>, (ExitStatus, String)> {
        // A killed predecessor leaves it; the new one would be taken for ready at once.
        let _ = fs::remove_file(self.state.join("api.json"));
        let log = self.logs.path().join("cove.log");
        let file = fs::File::options().create(true).append(true).open(&log).expect("a log opens");
        let mut command = self.serve_command();
        command.stdout(file.try_clone().expect("a file can be cloned")).stderr(file);
        let begin = Instant::now();
        let mut process = Process(command.spawn().expect("the program can be started"));
        loop {
            if let Some((url, peer_port, [tracker_http, tracker_udp])) = self.announced() {
                let (api, home) = (Api::new(&url, &self.token()), self);
                let app = App { home, api, peer_port, tracker_http, tracker_udp, process, log };
                return Ok(app);
            }
            if let Some(status) = process.ended() {
                return Err((status, read_log(&log)));
            }
            assert!(begin.elapsed() < DEADLINE, "not ready: {}", read_log(&log));
            std::thread::sleep(LOOK_EVERY / 4);
        }
    }

    /// The token in the state directory.
    pub(crate) fn token(&self) -> String {
        let text = fs::read_to_string(self.state.join("api-token"));
        text.expect("the state directory holds a token").trim().to_owned()
    }

    fn announced(&self) -> Option<(String, u16, [Vec<SocketAddr>; 2])> {
        let text = fs::read(self.state.join("api.json")).ok()?;
        let api: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let port = api["peer_port"].as_u64().and_then(|port| port.try_into().ok())?;
        let listed = |key: &str| -> Option<Vec<SocketAddr>> {
            api[key].as_array()?.iter().map(|text| text.as_str()?.parse().ok()).collect()
        };
        let trackers = [listed("tracker_http")?, listed("tracker_udp")?];
        Some((api["url"].as_str()?.to_owned(), port, trackers))
    }
}

impl App<'_> {
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Where peers reach it.
    pub(crate) fn peer_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.peer_port))
    }

    /// kill -9, and wait until it is gone.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// SIGTERM; the process is left to end by itself.
    pub(crate) fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits for the end of a process that was told to end.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait(limit, "the program ends")
    }

    /// A clean stop, within the 15 s of rule D16.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.terminate();
        let status = self.wait(Duration::from_secs(15));
        assert!(status.success(), "stopped with {status}: {}", self.log());
    }

    /// What it logged so far, with all its predecessors of this home.
    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Fails when the process has ended or no longer answers.
    #[track_caller]
    pub(crate) fn assert_alive(&mut self, after: &str) {
        if let Some(status) = self.process.ended() {
            let signal = status.signal();
            panic!("the program died ({status}, signal {signal:?}) after {after}: {}", self.log());
        }
        let answer = self.api.get("/downloads");
        assert_eq!(answer.status, 200, "after {after}: {}", answer.text());
    }

    /// Kilobytes of a line such as `VmRSS` or `RssAnon` in the process's status.
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let found = text.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(':'));
        let number = found.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0)
    }
}

impl Drop for App<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the program's last lines:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}

fn read_log(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => error.to_string(),
    }
}
