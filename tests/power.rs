//! Loss of power (rule D3): a file system that is shut down without flushing. Whatever the program
//! claims afterwards is on the disk.
//!
//! An ext4 in a file is mounted through a loop device and shut down by the kernel's own means, so
//! what was not synced is gone. The next start sees another boot id, as after a real reboot: a
//! file mounted over the kernel's, in a namespace of its own. Root only; 5 cycles, or
//! `POWER_CYCLES`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::MutexGuard;
use std::time::Duration;

use serde_json::Value;
use sha1::Digest as _;
use sha1::Sha1;

use crate::common::api::claimed_pieces;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::machine::Mount;
use crate::common::machine::alone_with_mounts;
use crate::common::peer::Peer;
use crate::common::peer::foreign;
use crate::common::peer::python;
use crate::common::random::Random;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;
use crate::common::wait_for;

const TEST: &str = "power loss";
const DISK_BYTES: u64 = 512 << 20;
const PAYLOAD_BYTES: usize = 48 * MIB;
/// Slow enough that several resume records are made before the end.
const BYTES_PER_S: u64 = 12 << 20;

/// A machine that loses power.
struct Machine {
    outer: tempfile::TempDir,
    mount: Option<Mount>,
    boots: u32,
    _mounts: MutexGuard<'static, ()>,
}

impl Machine {
    fn new() -> Option<Self> {
        let outer = tempfile::tempdir().unwrap();
        let mut machine = Self { outer, mount: None, boots: 0, _mounts: alone_with_mounts() };
        machine.boot()?;
        Some(machine)
    }

    fn disk(&self) -> std::path::PathBuf {
        self.outer.path().join("disk")
    }

    /// Mounts the disk under a new boot id.
    fn boot(&mut self) -> Option<()> {
        let image = self.outer.path().join("disk.img");
        self.mount = Some(Mount::ext4(TEST, &image, &self.disk(), DISK_BYTES)?);
        self.boots += 1;
        fs::write(self.boot_id(), format!("{:08}-0000-4000-8000-000000000000\n", self.boots))
            .unwrap();
        Some(())
    }

    fn boot_id(&self) -> std::path::PathBuf {
        self.outer.path().join("boot-id")
    }

    /// What starts a program that sees this machine's boot id.
    fn launcher(&self) -> Vec<OsString> {
        let script = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";
        let mut words: Vec<OsString> =
            ["unshare", "--mount", "sh", "-c", script].iter().map(OsString::from).collect();
        words.push(self.boot_id().into());
        words
    }

    /// Nothing more reaches the disk, the process dies, and the machine comes up again.
    fn lose_power(&mut self, app: App<'_>) {
        let cut = Command::new(python().expect("Python made the torrent"))
            .arg(foreign("power_cut.py"))
            .arg(self.disk())
            .output()
            .unwrap();
        assert!(cut.status.success(), "{}", String::from_utf8_lossy(&cut.stderr));
        app.kill();
        self.mount.take().unwrap().unmount();
        let image = self.outer.path().join("disk.img");
        // The namespace of the dead process may hold the file system for an instant.
        wait_for("the loop device is free", || {
            let list = Command::new("losetup").arg("-j").arg(&image).output().unwrap();
            list.stdout.is_empty().then_some(())
        });
        self.boot().expect("the disk can be mounted again");
    }
}

#[test]
fn d3_no_claimed_piece_is_missing_after_a_power_loss() {
    let Some(mut machine) = Machine::new() else { return };
    let cycles = std::env::var("POWER_CYCLES").ok().and_then(|text| text.parse().ok());
    let mut random = Random::announced("power");
    let home = Home::under(&machine.disk()).launched_by(machine.launcher());
    let content = payload(400, PAYLOAD_BYTES);
    let mut app = home.start();
    let mut claimed = 0;
    for cycle in 0..cycles.unwrap_or(5) {
        let Some(source) = Source::open(&content, cycle) else { return };
        let torrent = source.torrent.clone();
        app.api.add(&torrent.file);
        app.api.wait(&torrent.hash, "under way", |row| row["progress"].as_f64() > Some(0.02));
        std::thread::sleep(Duration::from_millis(500 + random.below(4_000)));
        machine.lose_power(app);
        source.peer.kill();

        app = home.start();

        let rows = app.api.downloads_with_pieces();
        claimed += check(rows.get(&torrent.hash), &torrent, &home, cycle);
        app.api.wait_settled(Duration::from_secs(120));
        let rows = app.api.downloads_with_pieces();
        assert!(rows.contains_key(&torrent.hash), "cycle {cycle}: acknowledged and lost (D1)");
        claimed += check(rows.get(&torrent.hash), &torrent, &home, cycle);
        app.api.remove(&torrent.hash, true);
    }
    assert!(claimed > 0, "no cycle had anything to lose: the test proved nothing");
    app.stop();
}

/// A foreign seeder of the payload under a name of its own.
struct Source {
    peer: Peer,
    torrent: Torrent,
    _there: tempfile::TempDir,
    _tracker: Tracker,
}

impl Source {
    fn open(content: &[u8], cycle: u32) -> Option<Self> {
        let mut peer = Peer::start(TEST)?;
        let (there, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
        let name = format!("film-{cycle}.bin");
        fs::write(there.path().join(&name), content).unwrap();
        let torrent = Recipe::named(&name).announce(&tracker.url).single(content);
        peer.seed(&torrent, there.path(), BYTES_PER_S);
        tracker.give(peer.port);
        Some(Self { peer, torrent, _there: there, _tracker: tracker })
    }
}

/// Compares every claimed piece with its hash; how many there were.
#[track_caller]
fn check(row: Option<&Value>, torrent: &Torrent, home: &Home, cycle: u32) -> usize {
    let claimed = row.map(claimed_pieces).unwrap_or_default();
    let path = home.downloads.join(&torrent.name);
    let bad: Vec<usize> =
        claimed.iter().copied().filter(|&piece| !is_on_disk(&path, torrent, piece)).collect();
    eprintln!("cycle {cycle}: {} pieces claimed, {} bad", claimed.len(), bad.len());
    assert!(bad.is_empty(), "cycle {cycle}: claimed but not on the disk: {bad:?}");
    claimed.len()
}

fn is_on_disk(path: &Path, torrent: &Torrent, piece: usize) -> bool {
    let mut bytes = vec![0; torrent.piece_bytes];
    let offset = (piece * torrent.piece_bytes) as u64;
    let Ok(file) = fs::File::open(path) else { return false };
    file.read_exact_at(&mut bytes, offset).is_ok()
        && <[u8; 20]>::from(Sha1::digest(&bytes)) == torrent.pieces[piece]
}
