//! aria2, a foreign client with an engine of its own.

use std::ffi::OsString;
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
    /// by the torrent's HTTP tracker only. `None`, and the test skipped, when it is not installed.
    pub(crate) fn start(
        test: &str,
        torrent: &Torrent,
        directory: &Path,
        seeds: bool,
    ) -> Option<Self> {
        let port = free_port();
        let mut words = Self::words(test, port, &torrent.save(directory), directory)?;
        words.extend(["--interface=127.0.0.1", "--enable-dht=false"].map(OsString::from));
        // Seeding without end, or none at all.
        words.push(if seeds { "--seed-ratio=0.0" } else { "--seed-time=0" }.into());
        Some(Self::spawn(&words, port))
    }

    /// As [`Aria2::start`] for a download of the torrent in `file`, at `ip` and with at most so many
    /// KiB a second, 0 = any.
    pub(crate) fn download(
        test: &str,
        (file, directory): (&Path, &Path),
        (ip, limit_kib): (&str, u32),
    ) -> Option<Self> {
        let port = free_port();
        let mut words = Self::words(test, port, file, directory)?;
        words.extend(["--enable-dht=false", "--seed-time=0"].map(OsString::from));
        words.push(format!("--interface={ip}").into());
        words.push(format!("--max-overall-download-limit={limit_kib}K").into());
        Some(Self::spawn(&words, port))
    }

    /// As [`Aria2::start`] for a download, in a place of a network that leads nowhere else, and by
    /// UDP trackers too: it knows those only with its DHT on. That has no entry point and leaves
    /// private torrents alone, but listens everywhere.
    pub(crate) fn download_in(
        test: &str,
        launcher: &[OsString],
        torrent: &Torrent,
        directory: &Path,
    ) -> Option<Self> {
        // A namespace of its own: every port is free.
        let port = 6881;
        let mut words = launcher.to_vec();
        words.extend(Self::words(test, port, &torrent.save(directory), directory)?);
        words.extend(["--enable-dht=true", "--seed-time=0"].map(OsString::from));
        words.push("--dht-listen-port=6882".into());
        words.push(format!("--dht-file-path={}", directory.join("dht.dat").display()).into());
        Some(Self::spawn(&words, port))
    }

    /// What both begin with.
    fn words(test: &str, port: u16, file: &Path, directory: &Path) -> Option<Vec<OsString>> {
        let Some(program) = find_program("aria2c") else {
            skip(test, "aria2c", true);
            return None;
        };
        let mut words: Vec<OsString> = vec![program.into(), file.into(), "--dir".into()];
        words.push(directory.into());
        words.push(format!("--listen-port={port}").into());
        let options = [
            "--no-conf",
            "--quiet",
            "--file-allocation=none",
            "--disable-ipv6=true",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
            "--enable-peer-exchange=false",
            "--check-integrity=true",
            "--max-overall-upload-limit=0",
        ];
        words.extend(options.map(OsString::from));
        Some(words)
    }

    fn spawn(words: &[OsString], port: u16) -> Self {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        Self { process: Process(command.spawn().expect("aria2 can be started")), port }
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
