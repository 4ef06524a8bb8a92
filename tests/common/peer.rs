//! A foreign peer: a libtorrent session in a Python process of its own (`tests/foreign/peer.py`).

use std::ffi::OsString;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::Value;
use serde_json::json;

use crate::common::process::Process;
use crate::common::process::skip;
use crate::common::torrents::Torrent;
use crate::common::wait_for;

/// The foreign peer.
pub(crate) struct Peer {
    process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where it listens.
    pub(crate) port: u16,
}

/// The hashes of a torrent that the peer made.
pub(crate) struct Made {
    pub(crate) file: Vec<u8>,
    pub(crate) v1: Option<String>,
    pub(crate) v2: Option<String>,
}

impl Made {
    /// The 40 digits by which trackers and Tribler's API know it.
    pub(crate) fn short(&self) -> String {
        let v2 = || self.v2.as_ref().map(|v2| v2[..40].to_owned());
        self.v1.clone().or_else(v2).expect("a torrent has a hash")
    }
}

impl Peer {
    /// A fresh session; `None`, and the test skipped, without Python and the wheel.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::with(test, json!({}))
    }

    /// As [`Peer::start`], with libtorrent settings of its own.
    pub(crate) fn with(test: &str, settings: Value) -> Option<Self> {
        Self::launched_by(test, Vec::new(), settings)
    }

    /// As [`Peer::with`], through another program that ends in `exec`.
    pub(crate) fn launched_by(
        test: &str,
        launcher: Vec<OsString>,
        settings: Value,
    ) -> Option<Self> {
        let Some(python) = python() else {
            skip(test, "Python with the libtorrent wheel", true);
            return None;
        };
        let mut words = launcher;
        words.extend([python.into(), foreign("peer.py").into(), settings.to_string().into()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python can be started");
        let input = child.stdin.take().expect("standard input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let mut peer = Self { process: Process(child), input, output, port: 0 };
        let port = wait_for("the foreign peer listens", || {
            peer.ask("port", json!({}))["port"].as_u64().filter(|port| *port != 0)
        });
        peer.port = u16::try_from(port).expect("a port is a port");
        Some(peer)
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, what: &str, mut more: Value) -> Value {
        more["do"] = what.into();
        writeln!(self.input, "{more}").expect("the foreign peer listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the foreign peer answers");
        let answer: Value = serde_json::from_str(&line).expect("the foreign peer answers JSON");
        assert!(answer["failed"].is_null(), "{what}: {}", answer["failed"]);
        answer
    }

    /// Makes a torrent of `path`, of kind `v1`, `v2` or `hybrid`.
    #[track_caller]
    pub(crate) fn make(&mut self, path: &Path, kind: &str, more: Value) -> Made {
        let parent = path.parent().expect("payload lies in a directory");
        let out = parent.join(format!("{kind}.torrent"));
        let mut ask = json!({
            "path": path, "parent": parent, "out": out, "kind": kind, "piece_bytes": 64 << 10,
        });
        if let (Value::Object(ask), Value::Object(more)) = (&mut ask, more) {
            ask.extend(more);
        }
        let made = self.ask("make", ask);
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        let file = std::fs::read(&out).expect("the peer wrote a torrent");
        std::fs::remove_file(out).expect("the torrent can be removed");
        Made { file, v1: text("v1"), v2: text("v2") }
    }

    /// Adds a torrent whose payload is, or is to be, in `save`; `id` is the caller's name for it.
    #[track_caller]
    pub(crate) fn add(&mut self, id: &str, file: &[u8], save: &Path, upload_limit: u64) {
        let path = save.join(format!(".{id}.torrent"));
        std::fs::write(&path, file).expect("a torrent can be written");
        let limit = json!(upload_limit);
        self.ask("add", json!({ "id": id, "torrent": path, "save": save, "upload_limit": limit }));
    }

    /// As [`Peer::add`] for a download of at most so many bytes a second.
    #[track_caller]
    pub(crate) fn add_slowly(&mut self, id: &str, file: &[u8], save: &Path, limit: u64) {
        let path = save.join(format!(".{id}.torrent"));
        std::fs::write(&path, file).expect("a torrent can be written");
        self.ask(
            "add",
            json!({ "id": id, "torrent": path, "save": save, "download_limit": limit }),
        );
    }

    /// Adds a torrent and waits until all of it is found on the disk.
    #[track_caller]
    pub(crate) fn seed(&mut self, torrent: &Torrent, save: &Path, upload_limit: u64) {
        self.add(&torrent.hash, &torrent.file, save, upload_limit);
        self.wait_seeding(&torrent.hash);
    }

    #[track_caller]
    pub(crate) fn status(&mut self, id: &str) -> Value {
        self.ask("status", json!({ "id": id }))
    }

    #[track_caller]
    pub(crate) fn wait_seeding(&mut self, id: &str) {
        wait_for("the foreign peer has all of it", || {
            let status = self.status(id);
            assert_eq!(status["error"], "", "{status}");
            (status["is_seeding"] == true).then_some(())
        });
    }

    /// Dials a peer; again whenever the connection is gone, until `done`.
    #[track_caller]
    pub(crate) fn connect_until(
        &mut self,
        id: &str,
        address: SocketAddr,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        wait_for(what, || {
            if done(self) {
                return Some(());
            }
            if self.status(id)["peers"] == 0 {
                self.connect(id, address);
            }
            None
        });
    }

    #[track_caller]
    pub(crate) fn connect(&mut self, id: &str, address: SocketAddr) {
        let (ip, port) = (address.ip().to_string(), address.port());
        self.ask("connect", json!({ "id": id, "ip": ip, "port": port }));
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }
}

/// A file of `tests/foreign`.
pub(crate) fn foreign(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name)
}

/// The Python that has the libtorrent wheel: `TEST_PYTHON`, that of `.venv`, or the shell's.
pub(crate) fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(search_python).clone()
}

fn search_python() -> Option<PathBuf> {
    let named = std::env::var_os("TEST_PYTHON").map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let candidates = named.into_iter().chain([own, PathBuf::from("python3")]);
    candidates.into_iter().find(|python| {
        let tried = Command::new(python).args(["-c", "import libtorrent"]).output();
        tried.is_ok_and(|output| output.status.success())
    })
}
