//! A foreign client of trackers: npm's `bittorrent-tracker`, one announce each
//! (`tests/foreign/announce.mjs`).

use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::common::peer::foreign;
use crate::common::process::find_program;
use crate::common::process::skip;

/// What starts it.
pub(crate) struct NpmClient {
    node: PathBuf,
    /// The folder that `scripts/setup.sh` installed the package in.
    modules: PathBuf,
}

impl NpmClient {
    /// `None`, and the test skipped, without node and the package.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".node");
        let modules = std::env::var_os("TEST_NODE").map_or_else(own, PathBuf::from);
        let is_there = modules.join("node_modules/bittorrent-tracker").is_dir();
        let node = find_program("node").filter(|_| is_there);
        if node.is_none() {
            skip(test, "node with bittorrent-tracker", true);
        }
        Some(Self { node: node?, modules })
    }

    /// Announces a peer once, through a program such as `ip netns exec`, and stays in the swarm.
    #[track_caller]
    pub(crate) fn announce_by(
        &self,
        launcher: &[OsString],
        url: &str,
        hash: &str,
        port: u16,
        left: u64,
    ) -> Value {
        let mut words = launcher.to_vec();
        words.extend([self.node.clone().into(), foreign("announce.mjs").into()]);
        words.extend([self.modules.clone().into(), url.into(), hash.into()]);
        words.extend([port.to_string().into(), left.to_string().into()]);
        let output = Command::new(&words[0]).args(&words[1..]).output().expect("node starts");
        let answer = serde_json::from_slice(&output.stdout);
        answer.unwrap_or_else(|_| panic!("{url}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// As [`NpmClient::announce_by`], from this machine.
    #[track_caller]
    pub(crate) fn announce(&self, url: &str, hash: &str, port: u16, left: u64) -> Value {
        self.announce_by(&[], url, hash, port, left)
    }
}

/// The peers in an answer, sorted.
#[track_caller]
pub(crate) fn peers(answer: &Value) -> Vec<String> {
    assert!(answer["complete"].is_u64(), "{answer}");
    let listed = answer["peers"].as_array().expect("an answer lists peers");
    let mut peers: Vec<String> =
        listed.iter().filter_map(|peer| peer.as_str().map(str::to_owned)).collect();
    peers.sort();
    peers
}
