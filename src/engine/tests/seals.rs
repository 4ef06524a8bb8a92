//! A sealed torrent sends its files as they were, and nothing of one that was changed.

use std::fs;
use std::fs::File;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use crate::domain::hash::TorrentId;
use crate::domain::share::FileMark;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::MoveMode;
use crate::engine::Prepared;
use crate::engine::tests::LIMIT;
use crate::engine::tests::Lab;
use crate::engine::tests::author_of;
use crate::engine::tests::payload;
use crate::engine::tests::start;

/// A few pieces a file, and pieces that reach over the ends of files.
const PIECE: u32 = 1 << 16;
const NAMES: [&str; 3] = ["a.bin", "b.bin", "sub/c.bin"];

/// A folder `set` of three files, all different.
fn make_set(at: &Path) {
    fs::create_dir_all(at.join("set/sub")).unwrap();
    for (name, content) in NAMES.iter().zip(payload().chunks(700_001)) {
        fs::write(at.join("set").join(name), content).unwrap();
    }
}

fn marks(at: &Path) -> Vec<FileMark> {
    let mark = |name: &&str| {
        let found = fs::metadata(at.join("set").join(name)).unwrap();
        let modified = (found.mtime(), found.mtime_nsec());
        FileMark { path: (*name).into(), size_bytes: found.len(), modified }
    };
    NAMES.iter().map(mark).collect()
}

/// Who seeds the sealed set, its .torrent and its id.
struct Seeder {
    lab: Lab,
    file: Vec<u8>,
    id: TorrentId,
}

impl Seeder {
    async fn start(v1: bool, v2: bool, marks: impl FnOnce(&Path) -> Vec<FileMark>) -> Self {
        let lab = start();
        make_set(lab.directory.path());
        let mut prepared = author_of(&lab.directory.path().join("set"), PIECE, v1, v2);
        prepared.seal(&marks(lab.directory.path())).unwrap();
        let file = prepared.metadata_bytes().unwrap();
        let id = lab.add(prepared).await;
        lab.until(id, |t| t.status.stage == Stage::Seeding && t.pieces.is_full()).await;
        Self { lab, file, id }
    }

    /// A peer that begins to download it.
    async fn leecher(&self) -> Lab {
        let lab = start();
        lab.add(Prepared::from_torrent(&self.file).unwrap()).await;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.lab.port().await));
        lab.engine.connect_peer(self.id, address).await.unwrap();
        lab
    }

    /// Whoever wants it gets all of it, byte by byte.
    async fn assert_serves(&self) {
        let lab = self.leecher().await;
        lab.until(self.id, |t| t.status.stage == Stage::Seeding && t.pieces.is_full()).await;
        for (name, content) in NAMES.iter().zip(payload().chunks(700_001)) {
            let found = fs::read(lab.directory.path().join("set").join(name)).unwrap();
            assert!(found == content, "{name}");
        }
    }

    async fn broken(&self) {
        let torrent = self.lab.until(self.id, |t| t.status.failure.is_some()).await;
        assert_eq!(torrent.status.failure, Some(Failure::Changed));
        let wanted = "the file was changed after it was shared: `set/b.bin`";
        assert_eq!(torrent.status.error, wanted);
        self.lab.until(self.id, |t| t.status.is_paused).await;
    }

    fn touch(&self) {
        touch(&self.lab.directory.path().join("set/b.bin"));
    }
}

/// Gives a file another time, as who writes to it does.
fn touch(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[tokio::test]
async fn files_that_are_as_they_were_are_sent_whatever_the_format() {
    for (v1, v2) in [(true, false), (false, true), (true, true)] {
        Seeder::start(v1, v2, marks).await.assert_serves().await;
    }
    Seeder::start(true, true, |_| Vec::new()).await.assert_serves().await;
}

#[tokio::test]
async fn nothing_is_sent_of_a_changed_file_until_its_seal_is_renewed() {
    for (v1, v2) in [(true, false), (false, true), (true, true)] {
        let seeder = Seeder::start(v1, v2, marks).await;
        seeder.touch();
        let leecher = seeder.leecher().await;
        seeder.broken().await;
        let had = leecher.engine.get(seeder.id).unwrap();
        let metadata = had.metadata.clone().unwrap();
        let changed = metadata.files.iter().find(|file| file.path == "set/b.bin").unwrap();
        assert_eq!(metadata.verified_bytes(changed, &had.pieces), 0);

        // Let go on without another seal, it fails again; not before another asks, or nobody may
        // see that it went on.
        leecher.engine.stop(LIMIT).await.unwrap();
        seeder.lab.engine.resume(seeder.id, false).await.unwrap();
        seeder.lab.until(seeder.id, |t| !t.status.is_paused && t.status.failure.is_none()).await;
        let other = seeder.leecher().await;
        seeder.broken().await;
        other.engine.stop(LIMIT).await.unwrap();
        // A stop of what runs is answered when all that was read for them has failed.
        seeder.lab.engine.resume(seeder.id, false).await.unwrap();
        seeder.lab.engine.pause(seeder.id).await.unwrap();
        let renewed = marks(seeder.lab.directory.path());
        seeder.lab.engine.renew_seal(seeder.id, renewed).await.unwrap();
        seeder.lab.engine.resume(seeder.id, false).await.unwrap();
        seeder.assert_serves().await;
    }
}

#[tokio::test]
async fn a_file_that_no_mark_names_or_that_was_cut_is_not_sent() {
    let without = |at: &Path| marks(at).into_iter().filter(|mark| mark.path != "b.bin").collect();
    let seeder = Seeder::start(true, false, without).await;
    let _leecher = seeder.leecher().await;
    seeder.broken().await;

    let seeder = Seeder::start(true, false, marks).await;
    let cut = seeder.lab.directory.path().join("set/b.bin");
    File::options().write(true).open(cut).unwrap().set_len(1000).unwrap();
    let _leecher = seeder.leecher().await;
    seeder.broken().await;
}

/// Hashing reads what is there: it finds what was changed, and that it is as it was.
#[tokio::test]
async fn a_check_does_not_ask_for_the_seal() {
    let seeder = Seeder::start(true, true, marks).await;
    let path = seeder.lab.directory.path().join("set/b.bin");
    let original = fs::read(&path).unwrap();
    fs::write(&path, vec![7; original.len()]).unwrap();
    seeder.lab.engine.recheck(seeder.id, false).await.unwrap();
    let settled = |t: &Torrent| t.status.stage == Stage::Downloading && t.pieces.count() > 0;
    seeder.lab.until(seeder.id, settled).await;
    fs::write(&path, original).unwrap();
    seeder.lab.engine.recheck(seeder.id, false).await.unwrap();
    seeder.lab.until(seeder.id, |t| t.status.stage == Stage::Seeding && t.pieces.is_full()).await;
}

/// What a writer put in place of the file by its name: the torrent's bytes are those of the file
/// that is open.
#[tokio::test]
async fn a_file_that_another_took_the_place_of_is_sent_only_as_it_was() {
    let seeder = Seeder::start(true, false, marks).await;
    seeder.assert_serves().await;
    let path = seeder.lab.directory.path().join("set/b.bin");
    fs::rename(&path, seeder.lab.directory.path().join("aside")).unwrap();
    fs::write(&path, vec![7; 700_001]).unwrap();
    seeder.assert_serves().await;
    // A pause closes the files.
    seeder.lab.engine.pause(seeder.id).await.unwrap();
    seeder.lab.until(seeder.id, |t| t.status.is_paused).await;
    seeder.lab.engine.resume(seeder.id, false).await.unwrap();
    let _leecher = seeder.leecher().await;
    seeder.broken().await;
}

#[tokio::test]
async fn a_sealed_torrent_moves_with_its_seal() {
    // Another file system, where the machine has one here: copied then.
    for target in [tempfile::tempdir().ok(), tempfile::tempdir_in("/dev/shm").ok()] {
        let Some(target) = target else { continue };
        let seeder = Seeder::start(true, true, marks).await;
        let before = marks(seeder.lab.directory.path());
        let path = target.path().join("elsewhere");
        let to = path.to_str().unwrap().to_owned();
        seeder.lab.engine.move_storage(seeder.id, to, MoveMode::default()).await.unwrap();
        assert_eq!(marks(&path), before, "times go along");
        seeder.assert_serves().await;
        touch(&path.join("set/b.bin"));
        let _leecher = seeder.leecher().await;
        seeder.broken().await;
    }
}
