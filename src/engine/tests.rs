//! Two engines over loopback, and below them every call of the bridge: real sessions, nothing mocked.

mod authoring;
mod bencode;
mod commands;
mod gate;
mod hostile;
mod rig;
mod seals;
mod sessions;
mod transfers;

mod disk;

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::domain::error::ErrorKind;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::AddOptions;
use crate::engine::Engine;
use crate::engine::EngineConfig;
use crate::engine::Prepared;
use crate::engine::Saved;
use crate::engine::SessionConfig;
use crate::engine::ffi::bridge;
use crate::engine::settings::SettingValue;
use crate::engine::waker::Progress;
use crate::engine::waker::open_to_all;
use crate::engine::waker::unheard;

const LIMIT: Duration = Duration::from_secs(30);
const PAYLOAD_BYTES: usize = 3_000_000;

struct Lab {
    engine: Engine,
    saved: mpsc::Receiver<Saved>,
    directory: tempfile::TempDir,
}

fn settings(disk: bool) -> SessionConfig {
    let off = |name: &str| (name.to_owned(), SettingValue::Bool(false));
    let mut settings: Vec<_> =
        ["enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp"].into_iter().map(off).collect();
    settings.push(("listen_interfaces".into(), SettingValue::Text("127.0.0.1:0".into())));
    SessionConfig {
        number: 1,
        name: "default".into(),
        settings,
        cove_disk: disk,
        roots: Vec::new(),
        pex: true,
        connections_per_torrent: 33,
        utp_to_lan: false,
    }
}

fn start() -> Lab {
    let (records, saved) = mpsc::channel(64);
    let config = EngineConfig {
        sessions: vec![settings(true)],
        resume_interval: Duration::from_secs(30),
        judge: open_to_all(),
        farewell: unheard(),
    };
    let engine = Engine::start(config, records).unwrap();
    Lab { engine, saved, directory: tempfile::tempdir().unwrap() }
}

impl Lab {
    fn path(&self) -> String {
        self.directory.path().to_str().unwrap().to_owned()
    }

    async fn add(&self, mut prepared: Prepared) -> TorrentId {
        let id = prepared.hashes.id();
        let options = AddOptions { save_path: self.path(), ..AddOptions::default() };
        prepared.set_options(&options).unwrap();
        self.engine.add(prepared, "default").await.unwrap();
        id
    }

    async fn port(&self) -> u16 {
        let mut listening = self.engine.listening();
        let port = timeout(LIMIT, listening.wait_for(|port| port.unwrap_or(0) != 0)).await;
        port.unwrap().unwrap().unwrap()
    }

    /// Resume data as the store would get it now; the store's answer is given here.
    async fn saved_now(&mut self, id: TorrentId) -> Saved {
        let answer = self.engine.save(id);
        let receive = async {
            // The first save after a check may come by itself, with nobody waiting.
            loop {
                let mut saved = self.saved.recv().await.unwrap();
                let waiters = std::mem::take(&mut saved.waiters);
                if !waiters.is_empty() {
                    waiters.into_iter().for_each(|waiter| waiter.send(Ok(())).unwrap());
                    return saved;
                }
            }
        };
        let both = async { tokio::join!(answer, receive) };
        let (outcome, saved) = timeout(LIMIT, both).await.unwrap();
        outcome.unwrap();
        saved
    }

    async fn until(&self, id: TorrentId, what: impl Fn(&Torrent) -> bool) -> Arc<Torrent> {
        let mut changes = self.engine.changes();
        let seen = timeout(LIMIT, async {
            loop {
                if let Some(torrent) = self.engine.get(id).filter(|torrent| what(torrent)) {
                    return torrent;
                }
                changes.changed().await.unwrap();
            }
        });
        match seen.await {
            Ok(torrent) => torrent,
            Err(_) => panic!("never so: {:?}", self.engine.get(id)),
        }
    }
}

fn payload() -> Vec<u8> {
    (0..PAYLOAD_BYTES)
        .map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 7 & 255).unwrap())
        .collect()
}

fn author(directory: &Path, v1: bool, v2: bool) -> Prepared {
    std::fs::write(directory.join("payload.bin"), payload()).unwrap();
    author_of(&directory.join("payload.bin"), 1 << 16, v1, v2)
}

fn author_of(path: &Path, piece_length: u32, v1: bool, v2: bool) -> Prepared {
    let request = bridge::AuthorRequest { piece_length, ..rig::request(path, v1, v2) };
    let made = bridge::author(&request, &Progress::default()).unwrap();
    Prepared::of(Ok(made), "made").unwrap()
}

async fn transfer(v1: bool, v2: bool, by_magnet: bool) {
    let (seeder, leecher) = (start(), start());
    let made = author(seeder.directory.path(), v1, v2);
    let file = made.metadata_bytes().unwrap();
    let magnet = made.params.magnet_link().unwrap();
    let id = seeder.add(made).await;
    seeder.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    let wanted = if by_magnet {
        Prepared::from_magnet(&magnet).unwrap()
    } else {
        Prepared::from_torrent(&file).unwrap()
    };
    assert_eq!(leecher.add(wanted).await, id);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, seeder.port().await));
    leecher.engine.connect_peer(id, peer).await.unwrap();
    let done = leecher.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    assert!(done.pieces.is_full() && done.metadata.is_some(), "{done:?}");
    assert_eq!(std::fs::read(leecher.directory.path().join("payload.bin")).unwrap(), payload());
}

#[tokio::test]
async fn v1_v2_and_hybrid_torrents_travel() {
    transfer(true, false, false).await;
    transfer(false, true, false).await;
    transfer(true, true, false).await;
}

/// uTP is on, but towards loopback the connection is redone over TCP.
#[tokio::test]
async fn utp_is_not_spoken_on_loopback() {
    let (seeder, leecher) = (start(), start());
    let made = author(seeder.directory.path(), true, false);
    let file = made.metadata_bytes().unwrap();
    let id = seeder.add(made).await;
    seeder.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    leecher.add(Prepared::from_torrent(&file).unwrap()).await;
    // Slow, so that the connection is there to be looked at.
    leecher.engine.set_limits(id, 300_000, 0).await.unwrap();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, seeder.port().await));
    leecher.engine.connect_peer(id, peer).await.unwrap();
    leecher.until(id, |torrent| torrent.status.done_bytes > 0).await;
    let peers = leecher.engine.peers(id).await.unwrap();
    assert!(peers.iter().any(|peer| peer.downloaded_bytes > 0), "{peers:?}");
    assert!(peers.iter().all(|peer| !peer.state.is_utp), "{peers:?}");
}

#[tokio::test]
async fn a_magnet_link_gets_its_metadata_from_the_peer() {
    transfer(true, false, true).await;
}

#[tokio::test]
async fn resume_data_needs_no_second_check_and_carries_the_metadata_once() {
    let mut seeder = start();
    let made = author(seeder.directory.path(), true, false);
    let file = made.metadata_bytes().unwrap();
    let id = seeder.add(made).await;
    seeder.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    let saved = seeder.saved_now(id).await;
    let again = Prepared::from_resume(&saved.resume, &file).unwrap();
    let fresh = start();
    fresh.engine.load(again, "default").unwrap();
    let loaded = fresh.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    assert_eq!(*loaded.save_path, *seeder.path());
}

/// libtorrent counts how many pieces an interrupted check has seen, and hashes several at once: one
/// in between may be missing though it is there.
#[tokio::test]
async fn a_check_that_was_interrupted_begins_again_at_its_first_gap() {
    let mut seeder = start();
    let made = author(seeder.directory.path(), true, false);
    let file = made.metadata_bytes().unwrap();
    let id = seeder.add(made).await;
    let seen = seeder.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    let resume = seeder.saved_now(id).await.resume;
    let count = seen.metadata.as_ref().unwrap().piece_count as usize;
    let whole = [format!("6:pieces{count}:").as_bytes(), &vec![1; count]].concat();
    let at = resume.windows(whole.len()).position(|part| part == whole).unwrap();
    let cut = [&resume[..at], b"6:pieces5:\x01\x01\x00\x01\x01", &resume[at + whole.len()..]];

    let interrupted = Prepared::from_resume(&cut.concat(), &file).unwrap();
    assert_eq!(interrupted.pieces.count(), 2);
    let fresh = start();
    fresh.engine.load(interrupted, "default").unwrap();
    fresh.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
}

/// Rule D10: libtorrent by itself would check, and download over what is there.
#[tokio::test]
async fn resume_data_that_does_not_fit_the_files_stops_the_torrent_and_names_the_file() {
    let mut seeder = start();
    let made = author(seeder.directory.path(), true, false);
    let file = made.metadata_bytes().unwrap();
    let id = seeder.add(made).await;
    seeder.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    let saved = seeder.saved_now(id).await;
    let payload = seeder.directory.path().join("payload.bin");
    let shorten = std::fs::File::options().write(true).open(&payload).unwrap();
    shorten.set_len(1_000_000).unwrap();
    let mut fresh = start();

    fresh.engine.load(Prepared::from_resume(&saved.resume, &file).unwrap(), "default").unwrap();

    let stopped = fresh.until(id, |torrent| torrent.status.failure.is_some()).await;
    assert_eq!(stopped.status.failure, Some(Failure::Lasting));
    assert!(stopped.status.error.contains("`payload.bin`"), "{}", stopped.status.error);
    fresh.until(id, |torrent| torrent.status.is_paused).await;
    assert_eq!(fresh.engine.save(id).await, Ok(()));
    assert!(fresh.saved.try_recv().is_err(), "the next start is to find what this one found");
    assert_eq!(fresh.engine.retry(id).await, Ok(()), "asked to, it goes on: with a check");
    let checked = fresh.until(id, |torrent| torrent.status.stage == Stage::Downloading).await;
    assert_eq!((checked.pieces.count(), &*checked.status.error), (15, ""));
}

/// Resume data says what libtorrent holds itself to.
#[tokio::test]
async fn the_connections_of_each_torrent_are_limited_whatever_its_record_says() {
    let limits = |saved: &Saved| {
        let text = String::from_utf8_lossy(&saved.resume).into_owned();
        (text.contains("15:max_connectionsi33e"), text.contains("19:download_rate_limiti5000e"))
    };
    let mut lab = start();
    let made = author(lab.directory.path(), true, false);
    let file = made.metadata_bytes().unwrap();
    let id = lab.add(made).await;
    assert_eq!(limits(&lab.saved_now(id).await), (true, false));
    lab.engine.set_limits(id, 5_000, 0).await.unwrap();
    let saved = lab.saved_now(id).await;
    assert_eq!(limits(&saved), (true, true));

    let old = b"15:max_connectionsi33e";
    let at = saved.resume.windows(old.len()).position(|part| part == old).unwrap();
    let mut record = saved.resume.clone();
    record[at..at + old.len()].copy_from_slice(b"15:max_connectionsi99e");
    let mut fresh = start();
    fresh.engine.load(Prepared::from_resume(&record, &file).unwrap(), "default").unwrap();
    fresh.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    assert_eq!(limits(&fresh.saved_now(id).await), (true, true));
}

#[tokio::test]
async fn a_torrent_is_added_once_and_removed_once() {
    let lab = start();
    let made = author(lab.directory.path(), true, false);
    let file = made.metadata_bytes().unwrap();
    let id = lab.add(made).await;
    let mut second = Prepared::from_torrent(&file).unwrap();
    second.set_options(&AddOptions { save_path: lab.path(), ..AddOptions::default() }).unwrap();
    let refused = lab.engine.add(second, "default").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    lab.engine.pause(id).await.unwrap();
    assert!(lab.engine.get(id).unwrap().status.is_paused);
    lab.engine.remove(id).await.unwrap();
    assert!(lab.engine.get(id).is_none());
    assert_eq!(lab.engine.remove(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(lab.directory.path().join("payload.bin").exists());
}

/// What is asked of a torrent that libtorrent is still taking in waits for that, in its order.
#[tokio::test]
async fn commands_reach_a_torrent_that_is_on_its_way_in() {
    let lab = start();
    let made = author(lab.directory.path(), true, false);
    let file = made.metadata_bytes().unwrap();
    let id = made.hashes.id();
    let mut record = Prepared::from_torrent(&file).unwrap();
    let options = AddOptions { save_path: lab.path(), is_paused: true, ..AddOptions::default() };
    record.set_options(&options).unwrap();
    lab.engine.load(record, "default").unwrap();
    let pause = || timeout(LIMIT, lab.engine.pause(id));
    assert_eq!(pause().await.expect("one that stands still is told to stop"), Ok(()));
    assert!(lab.engine.get(id).unwrap().status.is_paused);
    assert_eq!(lab.engine.resume(id, false).await, Ok(()));
    lab.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    lab.until(id, |torrent| !torrent.status.is_paused).await;
    // The second time nothing is left to be told of.
    for _ in 0..2 {
        assert_eq!(pause().await.expect("a stop is answered"), Ok(()));
    }
    assert_eq!(lab.engine.resume(id, false).await, Ok(()));
    lab.until(id, |torrent| !torrent.status.is_paused).await;
}

#[tokio::test]
async fn stopping_saves_and_ends_within_its_limit() {
    let mut lab = start();
    let id = lab.add(author(lab.directory.path(), true, false)).await;
    lab.until(id, |torrent| torrent.status.stage == Stage::Seeding).await;
    lab.engine.stop(Duration::from_secs(10)).await.unwrap();
    lab.saved.close();
    let mut saved = Vec::new();
    while let Some(record) = lab.saved.recv().await {
        saved.push(record.id);
    }
    assert_eq!(saved, [id]);
    assert_eq!(lab.engine.pause(id).await.unwrap_err().kind(), ErrorKind::Busy);
}
