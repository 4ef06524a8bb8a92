//! The store from outside: what the rules promise, on real files in directories that vanish.

mod crash;
mod damage;
mod disk;
mod labels;
mod model;
mod sessions;
mod sharing;
mod tokens;
mod tracker;

use std::future::Future;
use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;

use tempfile::TempDir;

use super::*;
use crate::domain::error::ErrorKind;
use crate::domain::hash::Sha256Hash;
use crate::domain::ratio::Ratio;

/// A directory with a database file in it, and a runtime to wait with.
struct Room {
    dir: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Room {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { dir: TempDir::new().unwrap(), runtime }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("cove.db")
    }

    fn open(&self) -> Opened {
        Store::open(&self.path(), "boot-1").unwrap()
    }

    fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Opens, has `fill` change things, closes.
    fn fill<F: Future<Output = ()>>(&self, fill: impl FnOnce(Store) -> F) {
        let store = self.open().store;
        self.wait(fill(store.clone()));
        self.wait(store.close(true)).unwrap();
    }

    /// The closed database, without the store.
    fn sql(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn id(number: u32) -> TorrentId {
    let mut bytes = [7; 20];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    TorrentId(bytes)
}

fn torrent(number: u32) -> NewTorrent {
    NewTorrent {
        id: id(number),
        v2: number.is_multiple_of(2).then_some(Sha256Hash([number as u8; 32])),
        name: format!("name-{number}"),
        save_path: format!("/downloads/{number}"),
        resume: format!("resume-{number}").into_bytes(),
        metadata_file: number.is_multiple_of(3).then(|| format!("metadata-{number}").into_bytes()),
        added_at: 1_000 + i64::from(number),
        options: TorrentOptions { session: "default".into(), ..TorrentOptions::default() },
    }
}

fn resume(number: u32, text: &str) -> ResumeRecord {
    ResumeRecord {
        id: id(number),
        resume: text.into(),
        metadata_file: None,
        name: format!("name-{number}"),
        save_path: format!("/downloads/{number}"),
        payload_synced: true,
        claimed_pieces: 1,
    }
}

/// Has all `changes` made in one batch, in their order, and returns their outcomes.
///
/// The thread is kept busy with a change that waits, until all others are in the queue.
async fn together<F>(store: &Store, changes: Vec<F>) -> Vec<Result<()>>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (started, has_started) = std_mpsc::channel();
    let (release, released) = std_mpsc::channel::<()>();
    let holder = store.clone();
    let wait = move |_: &Connection| {
        let _ = started.send(());
        let _ = released.recv();
        Ok(())
    };
    let holding = tokio::spawn(async move { holder.change(0, wait).await });
    while has_started.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    let count = changes.len();
    let tasks: Vec<_> = changes.into_iter().map(tokio::spawn).collect();
    while store.queue.capacity() > QUEUE_CHANGES_MAX - count {
        tokio::task::yield_now().await;
    }
    drop(release);
    holding.await.unwrap().unwrap();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

/// Rules D1, D2: what was acknowledged is there, whole, in order, also without a clean stop.
#[test]
fn everything_comes_back_in_the_order_of_adding() {
    let room = Room::new();
    let opened = room.open();
    assert!(opened.torrents.is_empty() && opened.bad.is_empty());
    room.wait(async {
        for number in [3, 1, 2] {
            opened.store.add_torrent(torrent(number)).await.unwrap();
        }
        opened.store.set_setting("theme", Some("dark")).await.unwrap();
        opened.store.add_counter("completed", 2).await.unwrap();
        opened.store.add_counter("completed", i64::MAX).await.unwrap();
    });
    drop(opened);

    let opened = room.open();
    assert!(!opened.was_clean && opened.same_boot);
    let names: Vec<_> = opened.torrents.iter().map(|torrent| torrent.name.as_str()).collect();
    assert_eq!(names, ["name-3", "name-1", "name-2"]);
    let (kept, new) = (&opened.torrents[2], torrent(2));
    assert_eq!((kept.id, kept.v2, kept.added_at), (new.id, new.v2, new.added_at));
    assert_eq!((&kept.resume, &kept.metadata_file), (&new.resume, &new.metadata_file));
    assert_eq!((&kept.save_path, &kept.options), (&new.save_path, &new.options));
    assert_eq!(opened.torrents[0].metadata_file.as_deref(), Some(&b"metadata-3"[..]));
    let store = opened.store;
    assert_eq!(room.wait(store.setting("theme")).unwrap().as_deref(), Some("dark"));
    assert_eq!(room.wait(store.setting("other")).unwrap(), None);
    assert_eq!(room.wait(store.counters()).unwrap(), [("completed".to_owned(), i64::MAX)]);
    assert_eq!(room.wait(store.add_torrent(torrent(1))).unwrap_err().kind(), ErrorKind::Conflict);
}

/// Rule D1: options and resume data are replaced, the metadata is written once.
#[test]
fn later_records_replace_earlier_ones() {
    let room = Room::new();
    let options = TorrentOptions {
        session: "hidden".into(),
        is_stopped: true,
        anon_hops: u32::MAX,
        safe_seeding: true,
        completed_dir: "/done".into(),
        moving_to: "/moving".into(),
        made_here: true,
        seed_ratio: Some(Ratio::of_thousandths(u32::MAX)),
        seed_ratio_met: true,
        only_metadata: true,
    };
    let put = |options: &TorrentOptions| {
        let options = options.clone();
        move |kept: &mut TorrentOptions| kept.clone_from(&options)
    };
    room.fill(async |store| {
        store.add_torrent(torrent(1)).await.unwrap();
        store.change_options(id(1), put(&options)).await.unwrap();
        for (text, file) in [("a", None), ("b", Some("first")), ("c", Some("second")), ("d", None)]
        {
            let metadata_file = file.map(|file: &str| file.into());
            let record = ResumeRecord { metadata_file, ..resume(1, text) };
            store.save_resume(record).await.unwrap();
        }
        store.save_resume(resume(9, "of a torrent that is gone")).await.unwrap();
        let missing = store.change_options(id(9), put(&options)).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });

    let torrents = room.open().torrents;
    assert_eq!(torrents.len(), 1);
    assert_eq!((&torrents[0].options, &torrents[0].resume[..]), (&options, &b"d"[..]));
    assert_eq!(torrents[0].metadata_file.as_deref(), Some(&b"first"[..]));
}

/// Rule D19: a begun removal is there after a crash, and takes no more resume data; a finished one
/// leaves no row behind.
#[test]
fn a_removal_is_remembered_until_it_is_finished() {
    let room = Room::new();
    let store = room.open().store;
    room.wait(async {
        for number in 1..=3 {
            store.add_torrent(torrent(number)).await.unwrap();
        }
        store.begin_removal(id(1), false).await.unwrap();
        store.begin_removal(id(3), true).await.unwrap();
        store.save_resume(resume(3, "too late")).await.unwrap();
        let again = store.add_torrent(torrent(3)).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
        let missing = store.begin_removal(id(9), true).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });
    drop(store);

    let opened = room.open();
    let removals: Vec<_> = opened.torrents.iter().map(|torrent| torrent.removal).collect();
    assert_eq!(removals, [Removal::KeepData, Removal::Not, Removal::WithData]);
    assert_eq!(opened.torrents[2].resume, b"resume-3");
    room.wait(async {
        opened.store.finish_removal(id(3)).await.unwrap();
        opened.store.finish_removal(id(3)).await.unwrap();
        opened.store.close(true).await.unwrap();
    });
    for table in ["torrents", "resumes", "metadata"] {
        let sql = format!("SELECT count(*) FROM {table} WHERE number = 3");
        assert_eq!(room.sql().query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
    assert_eq!(room.open().torrents.len(), 2);
}

/// Rule D3: the mark tells a stop in order from a crash, and a crash from a power loss.
#[test]
fn the_mark_tells_how_the_last_process_ended() {
    let room = Room::new();
    let open = |boot| Store::open(&room.path(), boot).unwrap();
    let ended = |opened: &Opened| (opened.was_clean, opened.same_boot);

    let first = open("boot-1");
    assert_eq!(ended(&first), (true, true));
    room.wait(first.store.close(true)).unwrap();
    let second = open("boot-2");
    assert_eq!(ended(&second), (true, false));
    room.wait(second.store.close(false)).unwrap();
    let third = open("boot-2");
    assert_eq!(ended(&third), (false, true));
    drop(third);
    assert_eq!(ended(&open("boot-3")), (false, false));
    assert_eq!(ended(&open("boot-3")), (false, true));
}

/// Rule D3: claims without an fsync stay in doubt after a power loss, over a crash in between,
/// until resume data is saved again.
#[test]
fn claims_stay_in_doubt_until_they_are_saved_again() {
    let room = Room::new();
    let open = |boot| Store::open(&room.path(), boot).unwrap();
    let in_doubt = |opened: &Opened| -> Vec<_> {
        opened.torrents.iter().map(|torrent| torrent.claims_in_doubt).collect()
    };
    let store = open("boot-1").store;
    room.wait(async {
        store.add_torrent(torrent(1)).await.unwrap();
        store.add_torrent(torrent(2)).await.unwrap();
        let unsynced = ResumeRecord { payload_synced: false, ..resume(1, "claims") };
        store.save_resume(unsynced).await.unwrap();
        store.save_resume(resume(2, "claims")).await.unwrap();
    });
    drop(store);

    assert_eq!(in_doubt(&open("boot-1")), [false, false]);
    assert_eq!(in_doubt(&open("boot-2")), [true, false]);
    let opened = open("boot-2");
    assert_eq!(in_doubt(&opened), [true, false]);
    room.wait(opened.store.save_resume(resume(1, "checked"))).unwrap();
    drop(opened);
    assert_eq!(in_doubt(&open("boot-3")), [false, false]);
}

/// Rule D2: changes that wait together are durable together, with one commit.
#[test]
fn changes_of_64_tasks_share_one_commit() {
    let room = Room::new();
    let store = room.open().store;
    let before = commits_in_log(&room);
    let adds = (0..64).map(|number| {
        let store = store.clone();
        async move { store.add_torrent(torrent(number)).await }
    });
    let outcomes = room.wait(together(&store, adds.collect()));

    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(commits_in_log(&room), before + 1);
    drop(store);
    assert_eq!(room.open().torrents.len(), 64);
}

/// Rule D7: a refused change leaves nothing behind and does not touch its neighbours.
#[test]
fn a_refused_change_spares_its_neighbours() {
    let room = Room::new();
    let store = room.open().store;
    let adds = [1, 1, 2].map(|number| {
        let store = store.clone();
        async move { store.add_torrent(torrent(number)).await }
    });
    let outcomes = room.wait(together(&store, adds.into()));

    let kinds: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().map(Error::kind)).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Conflict), None]);
    drop(store);
    assert_eq!(room.open().torrents.len(), 2);
}

/// Rule D16: a close makes what came before it, later changes fail and do not hang.
#[test]
fn a_closed_store_refuses_changes() {
    let room = Room::new();
    let store = room.open().store;
    room.wait(async {
        store.add_torrent(torrent(1)).await.unwrap();
        store.close(true).await.unwrap();
        let refused = store.add_torrent(torrent(2)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Internal);
        assert!(store.close(true).await.is_err());
    });
    assert!(!migrations::beside(&room.path(), "-wal").exists());
    assert_eq!(room.open().torrents.len(), 1);
}

/// The periodic save must not write the `.torrent` file again and again, nor let the log grow.
#[test]
fn saves_of_resume_data_leave_the_metadata_alone() {
    let room = Room::new();
    let store = room.open().store;
    room.wait(async {
        let metadata_file = Some(vec![1; 2 << 20]);
        store.add_torrent(NewTorrent { metadata_file, ..torrent(1) }).await.unwrap();
        for round in 0..100 {
            store.save_resume(resume(1, &round.to_string())).await.unwrap();
        }
    });
    let log = std::fs::metadata(migrations::beside(&room.path(), "-wal")).unwrap().len();
    assert!(log < 4 << 20, "{log} bytes");
}

/// Frames of the write-ahead log that end a transaction, as the file format describes them.
fn commits_in_log(room: &Room) -> usize {
    let log = std::fs::read(migrations::beside(&room.path(), "-wal")).unwrap();
    let (header, frames) = log.split_at(32);
    frames
        .chunks(24 + 4096)
        .take_while(|frame| frame[8..16] == header[16..24])
        .filter(|frame| frame[4..8] != [0; 4])
        .count()
}
