//! Transfers with foreign programs over loopback, both ways, compared by SHA-256.

use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::digest;
use crate::common::payload;
use crate::common::peer::Peer;
use crate::common::tracker::Tracker;
use crate::common::until;

const MIB: usize = 1 << 20;

/// A payload and its torrent, made by a foreign program.
struct Work {
    directory: tempfile::TempDir,
    hash: String,
    name: &'static str,
}

impl Work {
    fn torrent(&self) -> PathBuf {
        self.directory.path().join("work.torrent")
    }

    fn payload(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }

    fn equals(&self, other: &Path) {
        assert_eq!(digest(&self.payload()), digest(&other.join(self.name)));
    }
}

fn one_file(peer: &mut Peer, kind: &str, size: usize, more: Value) -> Work {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payload.bin");
    std::fs::write(&path, payload(7, size)).unwrap();
    let hash = peer.author(&path, kind, &directory.path().join("work.torrent"), more);
    Work { directory, hash, name: "payload.bin" }
}

/// Foreign seeder to us, then from us to a second foreign client.
fn there_and_back(kind: &str, size: usize) {
    let mut seeder = Peer::start();
    let work = one_file(&mut seeder, kind, size, json!({"piece_length": 1 << 18}));
    seeder.seed(&work.hash, &work.torrent(), work.directory.path(), 0);
    let app = App::start();
    assert_eq!(app.add_file(&work.torrent(), ""), work.hash);
    seeder.connect(&work.hash, app.peer_port);
    let row = app.until_status(&work.hash, "SEEDING");
    assert_eq!(row["progress"], 1.0);
    work.equals(&app.downloads());
    drop(seeder);
    let mut leecher = Peer::start();
    let target = tempfile::tempdir().unwrap();
    leecher.leech(&work.hash, &work.torrent(), target.path());
    leecher.connect(&work.hash, app.peer_port);
    leecher.wait_seeding(&work.hash);
    work.equals(target.path());
}

#[test]
fn sixty_four_mib_come_and_go() {
    there_and_back("v1", 64 * MIB + 4321);
}

#[test]
fn a_v2_only_torrent_comes_and_goes() {
    there_and_back("v2", 3 * MIB + 5);
}

#[test]
fn a_hybrid_torrent_comes_and_goes() {
    there_and_back("hybrid", 3 * MIB + 5);
}

#[test]
fn a_magnet_link_gets_its_metadata_from_the_peer() {
    let mut seeder = Peer::start();
    let work = one_file(&mut seeder, "v1", 2 * MIB, json!({}));
    seeder.seed(&work.hash, &work.torrent(), work.directory.path(), 0);
    let app = App::start();
    let magnet = format!("magnet:?xt=urn:btih:{}&dn=hello", work.hash);
    let added = app.put("/api/downloads", &json!({"uri": magnet}));
    assert_eq!(added.json(), json!({"started": true, "infohash": work.hash}));
    let row = app.until_status(&work.hash, "METADATA");
    assert_eq!((row["name"].as_str(), row["size"].as_u64()), (Some("hello"), Some(0)));
    seeder.connect(&work.hash, app.peer_port);
    app.until_status(&work.hash, "SEEDING");
    work.equals(&app.downloads());
    // The metadata is durable: after a kill the torrent file is still handed out.
    let app = app.kill_and_restart();
    let file = until("the torrent file", || {
        let answer = app.get(&format!("/api/downloads/{}/torrent", work.hash));
        (answer.status == 200).then_some(answer)
    });
    assert!(file.body.starts_with(b"d") && file.body.windows(6).any(|part| part == b"4:info"));
}

fn folder(peer: &mut Peer, more: Value) -> Work {
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path().join("album");
    std::fs::create_dir_all(top.join("disc 1")).unwrap();
    for (index, name) in ["a.bin", "disc 1/b.bin", "c.bin"].iter().enumerate() {
        std::fs::write(top.join(name), payload(index as u64 + 1, MIB + 77 * index)).unwrap();
    }
    let hash = peer.author(&top, "v1", &directory.path().join("work.torrent"), more);
    Work { directory, hash, name: "album" }
}

#[test]
fn only_selected_files_are_downloaded() {
    let mut seeder = Peer::start();
    let work = folder(&mut seeder, json!({"piece_length": 1 << 14}));
    seeder.seed(&work.hash, &work.torrent(), work.directory.path(), 0);
    let app = App::start();
    app.add_file(&work.torrent(), "selected_files=1");
    seeder.connect(&work.hash, app.peer_port);
    app.until_status(&work.hash, "SEEDING");
    let files = app.get(&format!("/api/downloads/{}/files", work.hash)).json();
    let files = files["files"].as_array().unwrap();
    let wanted: Vec<_> =
        files.iter().filter(|file| file["included"] == true).map(|file| &file["index"]).collect();
    assert_eq!(wanted, [&json!(1)], "{files:?}");
    let name = files[1]["name"].as_str().unwrap();
    let got = digest(&app.downloads().join("album").join(name));
    assert_eq!(got, digest(&work.payload().join(name)));
    for other in [0, 2] {
        let name = files[other]["name"].as_str().unwrap();
        assert!(!app.downloads().join("album").join(name).exists(), "{name} was written");
    }
    // The rest can be wanted later.
    let patched =
        app.patch(&format!("/api/downloads/{}", work.hash), &json!({"selected_files": [0, 1, 2]}));
    assert_eq!(patched.status, 200, "{}", patched.text());
    app.until_status(&work.hash, "SEEDING");
    for file in files {
        let name = file["name"].as_str().unwrap();
        let path = app.downloads().join("album").join(name);
        until("the file", || path.exists().then_some(()));
        assert_eq!(digest(&path), digest(&work.payload().join(name)));
    }
}

/// Rule F10: peers of a private torrent come from its trackers only, and it takes no new ones.
#[test]
fn a_private_torrent_stays_private() {
    let mut seeder = Peer::start();
    let work = one_file(&mut seeder, "v1", MIB, json!({"private": true}));
    let app = App::start_with(&["client.dht=true"]);
    app.add_file(&work.torrent(), "");
    let told = |app: &App| {
        until("the DHT's row", || {
            let trackers = app.row(&work.hash)?["trackers"].as_array()?.clone();
            let found: Vec<_> =
                trackers.into_iter().filter(|tracker| tracker["url"] == "[DHT]").collect();
            (!found.is_empty()).then_some(found)
        })
    };
    assert_eq!(told(&app)[0]["status"], "Disabled");
    let added = app.put(
        &format!("/api/downloads/{}/trackers", work.hash),
        &json!({"url": "http://tracker.example/announce"}),
    );
    assert!(added.status >= 400, "{}", added.text());
    let app = app.kill_and_restart();
    assert_eq!(told(&app)[0]["status"], "Disabled");
    assert!(!app.get("/api/downloads").text().contains("tracker.example"));
}

fn free_port() -> u16 {
    // Freed at once for a program that cannot be told "any"; nobody else binds in between.
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn aria2(torrent: &Path, directory: &Path, port: u16, more: &[&str]) -> Child {
    let off = ["--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"];
    Command::new("aria2c")
        .args(off)
        .args(["--enable-peer-exchange=false", "--file-allocation=none", "--no-conf=true"])
        .arg(format!("--listen-port={port}"))
        .arg(format!("--dir={}", directory.display()))
        .args(more)
        .arg(torrent)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("aria2c is missing: run `make setup-test`")
}

#[test]
fn aria2_seeds_to_us_and_leeches_from_us() {
    let tracker = Tracker::start();
    let mut author = Peer::start();
    let more = json!({"trackers": [tracker.url()], "piece_length": 1 << 18});
    let work = one_file(&mut author, "v1", 64 * MIB, more);
    let port = free_port();
    let options = ["--check-integrity=true", "--seed-ratio=0.0"];
    let mut seeder = aria2(&work.torrent(), work.directory.path(), port, &options);
    until("aria2 announces", || tracker.knows(port).then_some(()));
    let app = App::start();
    app.add_file(&work.torrent(), "");
    app.until_status(&work.hash, "SEEDING");
    work.equals(&app.downloads());
    seeder.kill().unwrap();
    seeder.wait().unwrap();
    assert!(tracker.knows(app.peer_port));
    let target = tempfile::tempdir().unwrap();
    let mut leecher = aria2(&work.torrent(), target.path(), free_port(), &["--seed-time=0"]);
    assert!(leecher.wait().unwrap().success());
    work.equals(target.path());
    // Tracker states in the list are what the tracker answered.
    let row = app.row(&work.hash).unwrap();
    assert_eq!(row["trackers"][0]["url"], tracker.url());
    assert_eq!(row["trackers"][0]["status"], "Working", "{row}");
}
