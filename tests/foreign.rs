//! Transfers between the program and foreign clients, in both directions, of every kind of
//! torrent; whoever downloads, the SHA-256 of the files is the same on both sides.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::aria2::Aria2;
use crate::common::peer::Made;
use crate::common::peer::Peer;
use crate::common::qbittorrent::QBittorrent;
use crate::common::torrents::KIB;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::torrents::sha256;
use crate::common::torrents::wait_copied;
use crate::common::tracker::Tracker;

const BIG: usize = 64 * MIB;

/// A torrent of 64 MiB with its payload in a directory of the foreign side.
struct Transfer {
    tracker: Tracker,
    torrent: Torrent,
    there: TempDir,
}

impl Transfer {
    fn new(seed: u64) -> Self {
        let tracker = Tracker::start();
        let content = payload(seed, BIG);
        let recipe = Recipe::named("big.bin").pieces_of(256 * KIB).announce(&tracker.url);
        let torrent = recipe.single(&content);
        let there = tempfile::tempdir().unwrap();
        fs::write(there.path().join("big.bin"), content).unwrap();
        Self { tracker, torrent, there }
    }

    /// Moves the payload to the program, which is to seed it.
    fn seeded_by(&self, app: &App<'_>) {
        fs::rename(self.there.path().join("big.bin"), app.home.downloads.join("big.bin")).unwrap();
        app.api.add(&self.torrent.file);
        app.api.wait_seeding(&self.torrent.hash);
        self.tracker.give(app.peer_port);
    }

    #[track_caller]
    fn assert_same(&self, home: &Home) {
        let (here, there) = (home.downloads.join("big.bin"), self.there.path().join("big.bin"));
        assert_eq!(sha256(&here), sha256(&there));
    }

    #[track_caller]
    fn wait_copied_from(&self, home: &Home) {
        wait_copied(&home.downloads.join("big.bin"), &self.there.path().join("big.bin"));
    }
}

#[test]
fn we_download_from_a_libtorrent_seeder() {
    let Some(mut peer) = Peer::start("download from libtorrent") else { return };
    let (home, transfer) = (Home::new(), Transfer::new(1));
    peer.seed(&transfer.torrent, transfer.there.path(), 0);
    transfer.tracker.give(peer.port);
    let app = home.start();

    app.api.add(&transfer.torrent.file);

    app.api.wait_seeding(&transfer.torrent.hash);
    transfer.assert_same(&home);
}

#[test]
fn a_libtorrent_leecher_downloads_from_us() {
    let Some(mut peer) = Peer::start("upload to libtorrent") else { return };
    let (home, transfer) = (Home::new(), Transfer::new(2));
    let app = home.start();
    transfer.seeded_by(&app);

    peer.add(&transfer.torrent.hash, &transfer.torrent.file, transfer.there.path(), 0);

    peer.wait_seeding(&transfer.torrent.hash);
    transfer.wait_copied_from(&home);
}

#[test]
fn we_download_from_aria2() {
    let (home, transfer) = (Home::new(), Transfer::new(3));
    let there = transfer.there.path();
    let Some(aria2) = Aria2::start("download from aria2", &transfer.torrent, there, true) else {
        return;
    };
    transfer.tracker.wait_announced(&transfer.torrent.hash, aria2.port);
    let app = home.start();

    app.api.add(&transfer.torrent.file);

    app.api.wait_seeding(&transfer.torrent.hash);
    transfer.assert_same(&home);
}

#[test]
fn aria2_downloads_from_us() {
    let (home, transfer) = (Home::new(), Transfer::new(4));
    let app = home.start();
    transfer.seeded_by(&app);

    let there = transfer.there.path();
    let Some(mut aria2) = Aria2::start("upload to aria2", &transfer.torrent, there, false) else {
        return;
    };

    aria2.wait_complete();
    transfer.assert_same(&home);
}

#[test]
fn we_download_from_qbittorrent() {
    let Some(qbittorrent) = QBittorrent::start("download from qbittorrent") else { return };
    let (home, transfer) = (Home::new(), Transfer::new(5));
    qbittorrent.add(&transfer.torrent, transfer.there.path());
    qbittorrent.wait_complete(&transfer.torrent, None);
    transfer.tracker.give(qbittorrent.port);
    let app = home.start();

    app.api.add(&transfer.torrent.file);

    app.api.wait_seeding(&transfer.torrent.hash);
    transfer.assert_same(&home);
}

#[test]
fn qbittorrent_downloads_from_us() {
    let Some(qbittorrent) = QBittorrent::start("upload to qbittorrent") else { return };
    let (home, transfer) = (Home::new(), Transfer::new(6));
    let app = home.start();
    transfer.seeded_by(&app);

    qbittorrent.add(&transfer.torrent, transfer.there.path());

    qbittorrent.wait_complete(&transfer.torrent, Some(app.peer_port));
    transfer.wait_copied_from(&home);
}

#[test]
fn a_magnet_gets_its_metadata_from_the_peer() {
    let Some(mut peer) = Peer::start("magnet") else { return };
    let home = Home::new();
    let there = tempfile::tempdir().unwrap();
    let content = payload(7, 4 * MIB);
    fs::write(there.path().join("film.mkv"), &content).unwrap();
    let torrent = Recipe::named("film.mkv").single(&content);
    peer.seed(&torrent, there.path(), 0);
    let app = home.start();

    let tracker = Tracker::start();
    tracker.give(peer.port);
    let magnet = torrent.magnet_by(&tracker.url);
    let hash = app.api.add_uri(&magnet, json!({}));

    assert_eq!(hash, torrent.hash);
    let row = app.api.wait_seeding(&hash);
    assert_eq!((&row["name"], &row["size"]), (&json!("film.mkv"), &json!(4 * MIB)));
    assert_eq!(sha256(&home.downloads.join("film.mkv")), sha256(&there.path().join("film.mkv")));
    let file = app.api.get(&format!("/downloads/{hash}/torrent"));
    assert_eq!((file.status, file.header("content-type")), (200, Some("application/x-bittorrent")));
    let info = info_of(&torrent.file);
    assert!(file.body.windows(info.len()).any(|window| window == info), "the same info dictionary");
}

/// The bytes of the info dictionary of a torrent made by [`Recipe`], where it is the last key.
fn info_of(file: &[u8]) -> &[u8] {
    let start = file.windows(6).position(|window| window == b"4:info").expect("it has an info") + 6;
    &file[start..file.len() - 1]
}

/// Both directions of a torrent that the foreign program made.
fn both_directions(kind: &str, seed: u64) {
    let Some(mut peer) = Peer::start(kind) else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    let folder = there.path().join("album");
    fs::create_dir_all(folder.join("disc 1")).unwrap();
    fs::write(folder.join("disc 1/one.flac"), payload(seed, 3 * MIB + 17)).unwrap();
    fs::write(folder.join("two.flac"), payload(seed + 1, MIB)).unwrap();
    let tracker = Tracker::start();
    let made = peer.make(&folder, kind, json!({ "trackers": [&tracker.url] }));
    peer.add("first", &made.file, there.path(), 0);
    peer.wait_seeding("first");
    tracker.give(peer.port);
    let app = home.start();

    let hash = app.api.add(&made.file);

    assert_eq!(hash, made.short(), "a torrent is known by its v1 hash if it has one");
    app.api.wait_seeding(&hash);
    assert_album(&home.downloads, there.path());
    peer.ask("remove", json!({ "id": "first" }));
    upload_back(&app, &mut peer, &made, there.path());
}

/// The foreign program downloads from us what it gave us.
fn upload_back(app: &App<'_>, peer: &mut Peer, made: &Made, original: &Path) {
    let again = tempfile::tempdir().unwrap();
    peer.add("second", &made.file, again.path(), 0);
    let address = app.peer_address();
    peer.connect_until("second", address, "the foreign peer gets it back", |peer| {
        peer.status("second")["is_seeding"] == true
    });
    for file in ALBUM {
        wait_copied(&original.join(file), &again.path().join(file));
    }
}

const ALBUM: [&str; 2] = ["album/disc 1/one.flac", "album/two.flac"];

#[track_caller]
fn assert_album(one: &Path, other: &Path) {
    for file in ALBUM {
        assert_eq!(sha256(&one.join(file)), sha256(&other.join(file)), "{file}");
    }
}

#[test]
fn a_v2_only_torrent_goes_both_ways() {
    both_directions("v2", 20);
}

#[test]
fn a_hybrid_torrent_goes_both_ways() {
    both_directions("hybrid", 30);
}

/// Either hash of a hybrid torrent means the same one, and so does a v2 magnet.
#[test]
fn a_hybrid_torrent_is_found_by_either_hash() {
    let Some(mut peer) = Peer::start("hybrid hashes") else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    fs::write(there.path().join("a.bin"), payload(40, MIB)).unwrap();
    let made = peer.make(&there.path().join("a.bin"), "hybrid", json!({}));
    let (v1, v2) = (made.v1.clone().unwrap(), made.v2.clone().unwrap());
    let app = home.start();
    app.api.add(&made.file);

    for name in [&v1, &v2, &v1.to_uppercase()] {
        let answer = app.api.get(&format!("/api/downloads/{name}/files"));
        assert_eq!((answer.status, answer.json()["infohash"].as_str()), (200, Some(v1.as_str())));
    }
    let again = app.api.add_uri(&format!("magnet:?xt=urn:btmh:1220{v2}"), json!({}));
    assert_eq!((again, app.api.downloads().len()), (v1, 1));
}

#[test]
fn only_selected_files_are_downloaded() {
    let Some(mut peer) = Peer::start("selected files") else { return };
    let (home, there) = (Home::new(), tempfile::tempdir().unwrap());
    let tracker = Tracker::start();
    // Whole pieces, so that no neighbour is touched.
    let files: Vec<(&str, Vec<u8>)> = ["a.bin", "sub/b.bin", "c.bin"]
        .iter()
        .zip(50..)
        .map(|(name, seed)| (*name, payload(seed, 8 * 64 * KIB)))
        .collect();
    for (name, content) in &files {
        let path = there.path().join("set").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let torrent = Recipe::named("set").announce(&tracker.url).folder(&files);
    peer.seed(&torrent, there.path(), 0);
    tracker.give(peer.port);
    let app = home.start();

    let answer = app.api.try_put_file(&torrent.file, "?selected_files=1").unwrap();

    let hash = crate::common::api::added(&answer);
    app.api.wait_seeding(&hash);
    let listed = app.api.get(&format!("/downloads/{hash}/files")).json();
    let wanted: Vec<_> =
        listed["files"].as_array().unwrap().iter().map(|f| &f["included"]).collect();
    assert_eq!(wanted, [&json!(false), &json!(true), &json!(false)], "{listed}");
    let here = home.downloads.join("set");
    assert_eq!(fs::read(here.join("sub/b.bin")).unwrap(), files[1].1);
    assert!(!here.join("a.bin").exists() && !here.join("c.bin").exists());

    // The rest may be chosen later; an empty list means everything.
    app.api.patch(&hash, &json!({ "selected_files": [] }));
    app.api.wait(&hash, "complete", |row| row["progress"] == 1.0 && has_size(&here, &files));
    for (name, content) in &files {
        assert_eq!(&fs::read(here.join(name)).unwrap(), content, "{name}");
    }
}

fn has_size(folder: &Path, files: &[(&str, Vec<u8>)]) -> bool {
    files.iter().all(|(name, content)| {
        fs::metadata(folder.join(name)).is_ok_and(|found| found.len() == content.len() as u64)
    })
}

/// Rule F10: a private torrent uses its tracker and nothing else, also after a restart.
#[test]
fn f10_the_private_flag_is_honoured() {
    let Some(mut peer) = Peer::start("private flag") else { return };
    let (home, there) = (Home::new().set("client.dht", true), tempfile::tempdir().unwrap());
    let tracker = Tracker::start();
    let content = payload(60, MIB);
    fs::write(there.path().join("secret.bin"), &content).unwrap();
    let torrent = Recipe::named("secret.bin").private().announce(&tracker.url).single(&content);
    peer.seed(&torrent, there.path(), 0);
    tracker.give(peer.port);
    let app = home.start();

    app.api.add(&torrent.file);

    app.api.wait_seeding(&torrent.hash);
    assert_private(&app, &torrent);
    app.stop();
    let app = home.start();
    app.api.wait_seeding(&torrent.hash);
    assert_private(&app, &torrent);
}

#[track_caller]
fn assert_private(app: &App<'_>, torrent: &Torrent) {
    let row = app.api.download(&torrent.hash);
    let disabled = |name: &str| {
        let trackers = row["trackers"].as_array().unwrap();
        trackers.iter().any(|one| one["url"] == name && one["status"] == "Disabled")
    };
    assert!(disabled("[DHT]"), "{}", row["trackers"]);
    let body = json!({ "url": "udp://public.example:6969/announce" });
    let answer = app.api.call("PUT", &format!("/api/downloads/{}/trackers", torrent.hash), &body);
    assert_eq!(answer.status, 403, "no tracker is added: {}", answer.text());
    // Nor by adding it again with another tracker.
    let other = torrent.magnet() + "&tr=udp%3A%2F%2Fpublic.example%3A6969%2Fannounce";
    app.api.add_uri(&other, json!({}));
    assert!(!app.api.download(&torrent.hash).to_string().contains("public.example"));
    let file = app.api.get(&format!("/downloads/{}/torrent", torrent.hash)).body;
    let flag = b"7:privatei1e";
    assert!(file.windows(flag.len()).any(|window| window == flag), "the flag is handed out");
}

/// Rule F10 and BEP 9: the flag also counts when it arrives with the metadata of a magnet. From
/// aria2, since libtorrent hands out no metadata of private torrents.
#[test]
fn f10_a_magnet_of_a_private_torrent_becomes_private() {
    let (home, there) = (Home::new().set("client.dht", true), tempfile::tempdir().unwrap());
    let tracker = Tracker::start();
    let content = payload(61, MIB);
    fs::write(there.path().join("secret.bin"), &content).unwrap();
    let torrent = Recipe::named("secret.bin").private().announce(&tracker.url).single(&content);
    let Some(aria2) = Aria2::start("private magnet", &torrent, there.path(), true) else { return };
    tracker.wait_announced(&torrent.hash, aria2.port);
    let app = home.start();

    app.api.add_uri(&torrent.magnet_by(&tracker.url), json!({}));

    app.api.wait_seeding(&torrent.hash);
    assert_private(&app, &torrent);
}
