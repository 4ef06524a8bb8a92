//! transmission-daemon, a foreign client with an engine of its own.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;

use crate::common::aria2::free_port;
use crate::common::process::Process;
use crate::common::process::find_program;
use crate::common::process::skip;

const PROGRAM: &str = "transmission-daemon";

/// A transmission-daemon that downloads, until dropped.
pub(crate) struct Transmission {
    _process: Process,
    _profile: TempDir,
}

impl Transmission {
    /// A profile and process of its own at `ip`, that downloads one torrent into `directory`, with at
    /// most so many KiB a second, 0 = any. Nobody asks it anything. `None`, and the test skipped,
    /// when it is not there.
    pub(crate) fn download(
        test: &str,
        (torrent, directory): (&Path, &Path),
        (ip, limit_kib): (&str, u32),
    ) -> Option<Self> {
        let Some((program, libraries)) = find() else {
            skip(test, PROGRAM, true);
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let watched = profile.path().join("watched");
        fs::create_dir(&watched).expect("a directory can be made");
        fs::copy(torrent, watched.join("a.torrent")).expect("a file can be copied");
        let settings = settings((&watched, directory), ip, limit_kib);
        fs::write(profile.path().join("settings.json"), settings).expect("a file can be written");
        let mut command = Command::new(program);
        command.arg("--foreground").arg("--config-dir").arg(profile.path());
        command.env("HOME", profile.path()).env("LD_LIBRARY_PATH", libraries);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn().expect("transmission can be started"));
        Some(Self { _process: process, _profile: profile })
    }
}

fn settings((watched, directory): (&Path, &Path), ip: &str, limit_kib: u32) -> String {
    json!({
        "bind-address-ipv4": ip,
        "bind-address-ipv6": "::1",
        "dht-enabled": false,
        "download-dir": directory,
        "download-queue-enabled": false,
        "lpd-enabled": false,
        "peer-port": free_port(),
        "pex-enabled": false,
        "port-forwarding-enabled": false,
        "rpc-enabled": false,
        "speed-limit-down": limit_kib,
        "speed-limit-down-enabled": limit_kib > 0,
        "utp-enabled": false,
        "watch-dir": watched,
        "watch-dir-enabled": true,
    })
    .to_string()
}

/// The program, and where its libraries are: installed, or unpacked by `scripts/setup.sh`.
fn find() -> Option<(PathBuf, String)> {
    if let Some(program) = find_program(PROGRAM) {
        return Some((program, String::new()));
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let root = cache.join("cove/peers/transmission/usr");
    let program = root.join("bin").join(PROGRAM);
    // Debian puts the libraries of each architecture into a folder of its own.
    let folders = fs::read_dir(root.join("lib")).into_iter().flatten().flatten();
    let folders: Vec<String> = folders.map(|one| one.path().display().to_string()).collect();
    program.is_file().then(|| (program, folders.join(":")))
}
