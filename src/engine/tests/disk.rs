//! What the disk back end promises: whatever order blocks come in and whatever becomes of files
//! meanwhile, a piece that counts is in the files.

#[path = "../../../tests/common/raw_seeder.rs"]
mod raw_seeder;

use std::fs;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

use crate::domain::hash::TorrentId;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::AddOptions;
use crate::engine::MoveMode;
use crate::engine::Prepared;
use crate::engine::tests::Lab;
use crate::engine::tests::author_of;
use crate::engine::tests::payload;
use crate::engine::tests::start;
use raw_seeder::Manner;

/// 16 blocks, so that there is an order to break.
const PIECE: u32 = 1 << 18;
/// Slow enough to do something while a download runs.
const SLOW_BYTES_PER_S: u32 = 1_000_000;
const DISORDERLY: Manner =
    Manner { address: Ipv4Addr::LOCALHOST, is_disorderly: true, spoils: None };

struct Made {
    file: Vec<u8>,
    id: TorrentId,
    content: Vec<u8>,
}

/// A torrent of one file `name` that lies nowhere.
fn made(name: &str, content: Vec<u8>, v1: bool, v2: bool) -> Made {
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join(name), &content).unwrap();
    let prepared = author_of(&there.path().join(name), PIECE, v1, v2);
    Made { file: prepared.metadata_bytes().unwrap(), id: prepared.hashes.id(), content }
}

impl Made {
    fn served(&self, manner: Manner) -> SocketAddr {
        // What is beyond the file reads as zeros: v2 pieces are asked for whole.
        let mut content = self.content.clone();
        content.resize(content.len().next_multiple_of(PIECE as usize), 0);
        let port = raw_seeder::serve(&self.id.to_string(), content, PIECE as usize, manner);
        SocketAddr::from((manner.address, port))
    }

    async fn add(&self, lab: &Lab) {
        assert_eq!(lab.add(Prepared::from_torrent(&self.file).unwrap()).await, self.id);
    }
}

impl Lab {
    async fn whole(&self, id: TorrentId) {
        self.until(id, |t| t.status.stage == Stage::Seeding && t.pieces.is_full()).await;
    }

    async fn connect(&self, id: TorrentId, peer: SocketAddr) {
        self.engine.connect_peer(id, peer).await.unwrap();
    }
}

#[tokio::test]
async fn blocks_in_any_order_make_whole_pieces() {
    for (v1, v2) in [(true, false), (false, true), (true, true)] {
        let made = made("payload.bin", payload(), v1, v2);
        let lab = start();
        made.add(&lab).await;
        lab.connect(made.id, made.served(DISORDERLY)).await;
        lab.whole(made.id).await;
        let found = fs::read(lab.directory.path().join("payload.bin")).unwrap();
        assert!(found == made.content, "v1 {v1}, v2 {v2}");
    }
}

#[tokio::test]
async fn a_piece_with_wrong_bytes_is_fetched_again() {
    let made = made("payload.bin", payload(), true, false);
    let lab = start();
    made.add(&lab).await;
    let liar = Manner { spoils: Some(3), ..DISORDERLY };
    lab.connect(made.id, made.served(liar)).await;
    let alone = lab.until(made.id, |t| t.pieces.count() > 0 && t.status.connected_peers == 0).await;
    assert!(!alone.pieces.has(3), "the liar is gone, and so is what it sent");
    let honest = Manner { address: Ipv4Addr::new(127, 0, 0, 2), ..Manner::default() };
    lab.connect(made.id, made.served(honest)).await;
    lab.whole(made.id).await;
    assert!(fs::read(lab.directory.path().join("payload.bin")).unwrap() == made.content);
}

#[tokio::test]
async fn a_torrent_that_goes_leaves_the_others_alone() {
    let (one, other) = (made("one", payload(), true, false), {
        let content = payload().into_iter().rev().collect();
        made("other", content, true, false)
    });
    let lab = start();
    one.add(&lab).await;
    other.add(&lab).await;
    lab.engine.set_limits(one.id, SLOW_BYTES_PER_S, 0).await.unwrap();
    lab.connect(one.id, one.served(DISORDERLY)).await;
    lab.connect(other.id, other.served(DISORDERLY)).await;
    lab.until(one.id, |t| t.status.done_bytes > 0).await;
    lab.engine.remove(one.id).await.unwrap();
    lab.whole(other.id).await;
    assert!(fs::read(lab.directory.path().join("other")).unwrap() == other.content);
}

/// A folder of three files whose pieces reach over their ends, as `(name, content)`.
fn folder(at: &Path) -> (PathBuf, Vec<(&'static str, Vec<u8>)>) {
    let all = payload();
    let files: Vec<_> = ["a.bin", "b.bin", "sub/c.bin"]
        .into_iter()
        .zip(all.chunks(700_001))
        .map(|(name, content)| (name, content.to_vec()))
        .collect();
    let path = at.join("set");
    fs::create_dir_all(path.join("sub")).unwrap();
    for (name, content) in &files {
        fs::write(path.join(name), content).unwrap();
    }
    (path, files)
}

fn parts_in(directory: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.extension().is_some_and(|extension| extension == "parts"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A peer that has the folder.
async fn seeder() -> (Lab, Vec<u8>, TorrentId, Vec<(&'static str, Vec<u8>)>) {
    let lab = start();
    let (path, files) = folder(lab.directory.path());
    let prepared = author_of(&path, PIECE, true, false);
    let file = prepared.metadata_bytes().unwrap();
    let id = lab.add(prepared).await;
    lab.whole(id).await;
    (lab, file, id, files)
}

async fn add_middle(lab: &Lab, file: &[u8]) {
    let mut prepared = Prepared::from_torrent(file).unwrap();
    let file_priorities = vec![0, 4, 0];
    let options = AddOptions { save_path: lab.path(), file_priorities, ..AddOptions::default() };
    prepared.set_options(&options).unwrap();
    lab.engine.add(prepared, "default").await.unwrap();
}

#[tokio::test]
async fn shares_of_unwanted_files_wait_in_the_part_file() {
    let (seeder, file, id, files) = seeder().await;
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, seeder.port().await));
    let lab = start();
    add_middle(&lab, &file).await;
    lab.connect(id, peer).await;
    lab.until(id, |t| t.status.stage == Stage::Finished).await;
    let here = lab.directory.path().join("set");
    assert!(fs::read(here.join("b.bin")).unwrap() == files[1].1);
    assert!(!here.join("a.bin").exists() && !here.join("sub").exists());
    // The name that `service/` syncs and removes.
    let parts = lab.directory.path().join(format!(".{id}.parts"));
    assert_eq!(parts_in(lab.directory.path()), Some(parts));

    // What a kill would leave is enough to have all pieces of the file.
    let after = start();
    copy(lab.directory.path(), after.directory.path());
    add_middle(&after, &file).await;
    after.until(id, |t| t.status.stage == Stage::Finished).await;

    after.engine.prioritize_files(id, vec![4, 4, 4]).await.unwrap();
    let share = files[0].1.len() % PIECE as usize;
    let (found, wanted) =
        (fs::read(after.directory.path().join("set/a.bin")).unwrap(), &files[0].1);
    assert!(found[found.len() - share..] == wanted[wanted.len() - share..]);
    assert_eq!(parts_in(after.directory.path()), None);
    after.connect(id, peer).await;
    after.whole(id).await;
    for (name, content) in &files {
        assert!(fs::read(after.directory.path().join("set").join(name)).unwrap() == *content);
    }
}

async fn moves_to(target: &Path) {
    let made = made("payload.bin", payload(), true, true);
    let lab = start();
    made.add(&lab).await;
    lab.engine.set_limits(made.id, SLOW_BYTES_PER_S, 0).await.unwrap();
    lab.connect(made.id, made.served(DISORDERLY)).await;
    lab.until(made.id, |t| t.pieces.count() > 0).await;
    let path = target.join("elsewhere");
    lab.engine
        .move_storage(made.id, path.to_str().unwrap().into(), MoveMode::default())
        .await
        .unwrap();
    assert!(!lab.directory.path().join("payload.bin").exists());
    lab.engine.rename_file(made.id, 0, "renamed.bin".into()).await.unwrap();
    lab.engine.set_limits(made.id, 0, 0).await.unwrap();
    lab.whole(made.id).await;
    assert!(fs::read(path.join("renamed.bin")).unwrap() == made.content);
    assert!(!path.join("payload.bin").exists());
}

#[tokio::test]
async fn files_move_while_their_blocks_come() {
    moves_to(tempfile::tempdir().unwrap().path()).await;
    // Another file system, where the machine has one here: copied then.
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        moves_to(memory.path()).await;
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_an_error() {
    let (seeder, file, id, files) = seeder().await;
    let cut = seeder.directory.path().join("set/b.bin");
    fs::File::options().write(true).open(&cut).unwrap().set_len(1000).unwrap();
    let lab = start();
    lab.add(Prepared::from_torrent(&file).unwrap()).await;
    lab.connect(id, SocketAddr::from((Ipv4Addr::LOCALHOST, seeder.port().await))).await;
    // More than one block was asked for: the next error would stop the check.
    let is_quiet = |t: &Torrent| t.status.is_paused && t.status.connected_peers == 0;
    seeder.until(id, |t| !t.status.error.is_empty() && is_quiet(t)).await;
    seeder.engine.recheck(id, false).await.unwrap();
    seeder.engine.resume(id, false).await.unwrap();
    let checked = seeder.until(id, |t| t.status.error.is_empty() && !t.pieces.is_full()).await;
    let first = u32::try_from(files[0].1.len()).unwrap() / PIECE;
    assert!((0..first).all(|piece| checked.pieces.has(piece)), "{checked:?}");
}
