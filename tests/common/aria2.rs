//! aria2, a foreign client with an engine of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use crate::common::DEADLINE;
use crate::common::process::Process;
use crate::common::process::find_program;
use crate::common::process::skip;
use crate::common::torrents::Torrent;

/// aria2 with one torrent.
pub(crate) struct Aria2 {
    process: Process,
    /// Where it listens for peers.
    pub(crate) port: u16,
}

impl Aria2 {
    /// Starts on a torrent in `directory`, which holds all of its payload or none. It finds peers
    /// by the torrent's tracker only. `None`, and the test skipped, when it is not installed.
    pub(crate) fn start(
        test: &str,
        torrent: &Torrent,
        directory: &Path,
        seeds: bool,
    ) -> Option<Self> {
        let Some(program) = find_program("aria2c") else {
            skip(test, "aria2c", true);
            return None;
        };
        let port = free_port();
        let file = torrent.save(directory);
        let mut command = Command::new(program);
        command.args(["--no-conf", "--quiet", "--file-allocation=none", "--disable-ipv6=true"]);
        command.args(["--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
        command.args(["--enable-peer-exchange=false", "--check-integrity=true"]);
        command.args(["--max-overall-upload-limit=0", "--interface=127.0.0.1"]);
        // Seeding without end, or none at all.
        command.arg(if seeds { "--seed-ratio=0.0" } else { "--seed-time=0" });
        command.arg(format!("--listen-port={port}"));
        command.arg("--dir").arg(directory).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Some(Self { process: Process(command.spawn().expect("aria2 can be started")), port })
    }

    /// Waits until it has downloaded everything and ended well.
    #[track_caller]
    pub(crate) fn wait_complete(&mut self) {
        let status = self.process.wait(DEADLINE, "aria2 downloads everything");
        assert!(status.success(), "aria2 ended with {status}");
    }
}

/// A port that nobody has, for programs that cannot choose one themselves.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
