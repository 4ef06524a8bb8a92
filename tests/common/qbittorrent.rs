//! qbittorrent-nox, the foreign client most people have.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

use crate::common::aria2::free_port;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::process::Process;
use crate::common::process::find_program;
use crate::common::process::skip;
use crate::common::torrents::Torrent;
use crate::common::wait_for;

const BOUNDARY: &str = "cove-test-boundary";

/// A running qbittorrent-nox with an empty profile.
pub(crate) struct QBittorrent {
    _process: Process,
    _profile: TempDir,
    host: String,
    /// Where it listens for peers.
    pub(crate) port: u16,
}

/// A qbittorrent-nox that downloads, until dropped.
pub(crate) struct Download {
    _process: Process,
    _profile: TempDir,
}

impl QBittorrent {
    /// `None`, and the test skipped, when it is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(program) = find_program("qbittorrent-nox") else {
            skip(test, "qbittorrent-nox", true);
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let (port, web_port) = (free_port(), free_port());
        let config = profile.path().join("qBittorrent/config");
        fs::create_dir_all(&config).expect("a directory can be made");
        fs::write(config.join("qBittorrent.conf"), configuration(port, web_port))
            .expect("a configuration can be written");
        let mut command = Command::new(program);
        command.arg(format!("--profile={}", profile.path().display()));
        command.arg(format!("--webui-port={web_port}"));
        command.env("HOME", profile.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn().expect("qbittorrent can be started"));
        let host = format!("127.0.0.1:{web_port}");
        let started = Self { _process: process, _profile: profile, host, port };
        wait_for("qbittorrent answers", || {
            let request =
                Request { method: "GET", target: "/api/v2/app/version", ..Request::default() };
            request.send(&started.host).ok().filter(|answer| answer.status == 200)
        });
        Some(started)
    }

    /// A profile and process of its own that downloads one torrent into `directory`, started in a
    /// place of a network, with at most so many KiB a second. Nobody asks it anything.
    pub(crate) fn download_in(
        test: &str,
        launcher: &[OsString],
        (torrent, directory): (&Path, &Path),
        (port, limit_kib): (u16, u32),
    ) -> Option<Download> {
        let Some(program) = find_program("qbittorrent-nox") else {
            skip(test, "qbittorrent-nox", true);
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let config = profile.path().join("qBittorrent/config");
        fs::create_dir_all(&config).expect("a directory can be made");
        // A namespace of its own: every port is free.
        let limit = format!("[BitTorrent]\nSession\\GlobalDLSpeedLimit={limit_kib}\n");
        let configuration = configuration(port, port + 1000).replace("[BitTorrent]\n", &limit);
        fs::write(config.join("qBittorrent.conf"), configuration)
            .expect("a configuration can be written");
        let mut words = launcher.to_vec();
        words.push(program.into());
        words.push(format!("--profile={}", profile.path().display()).into());
        words.push(format!("--save-path={}", directory.display()).into());
        words.push("--skip-dialog=true".into());
        words.push(torrent.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("HOME", profile.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn().expect("qbittorrent can be started"));
        Some(Download { _process: process, _profile: profile })
    }

    /// Adds a torrent with its payload, there or to come, in `directory`.
    #[track_caller]
    pub(crate) fn add(&self, torrent: &Torrent, directory: &Path) {
        let mut body = Vec::new();
        let directory = directory.to_str().expect("test paths are UTF-8");
        let fields = [("savepath", directory), ("contentLayout", "Original")];
        for (name, value) in fields {
            body.extend_from_slice(
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                )
                .as_bytes(),
            );
        }
        body.extend_from_slice(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"torrents\"; \
                 filename=\"a.torrent\"\r\nContent-Type: application/x-bittorrent\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(&torrent.file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer = self.post("/api/v2/torrents/add", kind, &body);
        assert_eq!((answer.status, answer.text().as_str()), (200, "Ok."));
    }

    /// Waits until it has all of a torrent, dialling `peer` meanwhile.
    #[track_caller]
    pub(crate) fn wait_complete(&self, torrent: &Torrent, peer: Option<u16>) {
        wait_for("qbittorrent has all of it", || {
            if let Some(port) = peer {
                let form = format!("hashes={}&peers=127.0.0.1%3A{port}", torrent.hash);
                let kind = "application/x-www-form-urlencoded".to_owned();
                self.post("/api/v2/torrents/addPeers", kind, form.as_bytes());
            }
            let target = format!("/api/v2/torrents/info?hashes={}", torrent.hash);
            let request = Request { method: "GET", target: &target, ..Request::default() };
            let rows = request.send(&self.host).ok()?.json();
            let row = rows.get(0)?;
            let has_all = row["progress"].as_f64() == Some(1.0);
            let is_up = row["state"]
                .as_str()
                .is_some_and(|state| state.ends_with("UP") || state == "uploading");
            (has_all && is_up && row["state"] != "checkingUP").then_some(())
        });
    }

    fn post(&self, target: &str, kind: String, body: &[u8]) -> Answer {
        let headers = vec![("Content-Type", kind)];
        let request = Request { method: "POST", target, headers, body: Some(body) };
        request.send(&self.host).expect("qbittorrent answers")
    }
}

fn configuration(port: u16, web_port: u16) -> String {
    format!(
        "[LegalNotice]\nAccepted=true\n\n\
         [BitTorrent]\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\n\
         Session\\PeXEnabled=false\nSession\\BTProtocol=TCP\nSession\\Port={port}\n\
         Session\\QueueingSystemEnabled=false\nSession\\MultiConnectionsPerIp=true\n\
         Session\\DisableAutoTMMByDefault=true\n\n\
         [Network]\nPortForwardingEnabled=false\n\n\
         [Preferences]\nConnection\\UPnP=false\nWebUI\\Enabled=true\nWebUI\\Address=127.0.0.1\n\
         WebUI\\Port={web_port}\nWebUI\\LocalHostAuth=false\nWebUI\\CSRFProtection=false\n\
         WebUI\\HostHeaderValidation=false\nWebUI\\UseUPnP=false\n"
    )
}
