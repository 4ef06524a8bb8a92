//! A foreign BitTorrent client: the Python wheel of libtorrent in a process of its own.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

/// The Python that has libtorrent; `make test` names it.
fn python() -> String {
    std::env::var("TEST_PYTHON")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/python").to_owned())
}

/// A session that obeys.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    pub(crate) fn start() -> Self {
        Self::start_with(&json!({}))
    }

    /// Starts with more libtorrent settings.
    pub(crate) fn start_with(settings: &Value) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/peer.py");
        let mut child = Command::new(python())
            .arg(script)
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("no Python with libtorrent: run `make setup-test`");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    pub(crate) fn ask(&mut self, ask: &Value) -> Value {
        writeln!(self.input, "{ask}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the foreign peer died at {ask}: {error}"));
        assert!(answer.get("error").is_none(), "{ask}: {answer}");
        answer
    }

    /// Makes a torrent of `path`: `v1`, `v2` or `hybrid`. Its name as Cove shows it.
    pub(crate) fn author(&mut self, path: &Path, kind: &str, to: &Path, more: Value) -> String {
        let mut ask = json!({"do": "author", "path": path, "kind": kind, "to": to});
        if let (Value::Object(ask), Value::Object(more)) = (&mut ask, more) {
            ask.extend(more);
        }
        self.ask(&ask)["hash"].as_str().unwrap().to_owned()
    }

    /// Seeds `torrent`, whose payload is in `save`; `rate` in bytes/s, 0 = no limit.
    pub(crate) fn seed(&mut self, hash: &str, torrent: &Path, save: &Path, rate: u32) {
        let ask = json!({"do": "add", "id": hash, "torrent": torrent, "save": save,
            "upload_limit": rate});
        self.ask(&ask);
        self.wait_seeding(hash);
    }

    pub(crate) fn leech(&mut self, hash: &str, torrent: &Path, save: &Path) {
        self.ask(&json!({"do": "add", "id": hash, "torrent": torrent, "save": save}));
    }

    pub(crate) fn connect(&mut self, hash: &str, port: u16) {
        self.ask(&json!({"do": "connect", "id": hash, "port": port}));
    }

    pub(crate) fn wait_seeding(&mut self, hash: &str) {
        self.ask(&json!({"do": "wait_seeding", "id": hash}));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
