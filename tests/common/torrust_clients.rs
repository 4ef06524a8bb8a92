//! Torrust's own clients of trackers, from the crate torrust-tracker 3.0.0.

use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use crate::common::process::skip;

/// Where `scripts/setup.sh test` puts them.
pub(crate) struct TorrustClients(PathBuf);

impl TorrustClients {
    /// `None`, and the test skipped, when they are not installed.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        let bin = cache.map(|cache| cache.join("cove/peers/bin"));
        let names = ["http_tracker_client", "udp_tracker_client", "tracker_checker"];
        let found = bin.filter(|bin| names.iter().all(|name| bin.join(name).is_file()));
        if found.is_none() {
            skip(test, "torrust-tracker's clients", true);
        }
        found.map(Self)
    }

    /// Runs one of them to its end.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.0.join(name));
        command.args(arguments).env("NO_COLOR", "1");
        command.output().expect("the client starts")
    }

    /// What one of them printed, as JSON; it must have succeeded.
    #[track_caller]
    pub(crate) fn json(&self, name: &str, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(name, arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name} {arguments:?}: {text} {error}");
        // What it logs may come first.
        let start = text.find(['{', '[']).unwrap_or_default();
        serde_json::from_str(&text[start..]).unwrap_or_else(|wrong| panic!("{wrong}: {text}"))
    }
}
