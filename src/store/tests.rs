//! The store against a real file: what was acknowledged is there, whatever happens.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;

use crate::domain::error::ErrorKind;
use crate::domain::hash::TorrentId;
use crate::store::LoadedTorrent;
use crate::store::NewTorrent;
use crate::store::OpenError;
use crate::store::Opened;
use crate::store::Removal;
use crate::store::ResumeRecord;
use crate::store::Store;
use crate::store::TorrentOptions;

fn torrent(byte: u8) -> NewTorrent {
    NewTorrent {
        id: TorrentId([byte; 20]),
        v2: None,
        name: format!("name-{byte}"),
        save_path: "/srv/dl".into(),
        resume: vec![byte; 100],
        metadata_file: Some(vec![byte; 1000]),
        added_at: i64::from(byte),
        options: TorrentOptions::default(),
    }
}

fn resume(byte: u8, resume: &[u8]) -> ResumeRecord {
    ResumeRecord {
        id: TorrentId([byte; 20]),
        resume: resume.to_vec(),
        metadata_file: None,
        name: format!("name-{byte}"),
        save_path: "/srv/dl".into(),
        payload_synced: true,
        claimed_pieces: 7,
    }
}

fn open(path: &Path) -> Opened {
    Store::open(path, "boot-1").unwrap()
}

fn ids(opened: &Opened) -> Vec<u8> {
    opened.torrents.iter().map(|torrent| torrent.id.0[0]).collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Rules D1, D2: answered means durable, without any closing.
#[tokio::test]
async fn what_was_answered_is_there_without_closing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let first = open(&path);
    assert!(first.was_clean && first.same_boot);
    for byte in [3, 1, 2] {
        first.store.add_torrent(torrent(byte)).await.unwrap();
    }
    first.store.save_resume(resume(1, b"later")).await.unwrap();
    let options = TorrentOptions { is_stopped: true, ..TorrentOptions::default() };
    first.store.save_options(TorrentId([2; 20]), options.clone()).await.unwrap();
    first.store.set_setting("key", Some("value")).await.unwrap();
    first.store.add_counter("completed", 2).await.unwrap();
    first.store.add_counter("completed", 3).await.unwrap();
    // A copy of the file and its log is what a kill would leave.
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let second = Store::open(&copy.path().join("state.db"), "boot-2").unwrap();
    assert!(!second.was_clean && !second.same_boot);
    assert_eq!(ids(&second), [1, 2, 3]);
    let first_torrent: &LoadedTorrent = &second.torrents[0];
    assert_eq!((&first_torrent.resume[..], first_torrent.claimed_pieces), (&b"later"[..], 7));
    assert_eq!(first_torrent.metadata_file.as_deref(), Some(&[1; 1000][..]));
    assert_eq!(second.torrents[1].options, options);
    assert_eq!(second.store.setting("key").await.unwrap().as_deref(), Some("value"));
    assert_eq!(second.store.counters().await.unwrap(), [("completed".to_owned(), 5)]);
}

#[tokio::test]
async fn a_clean_end_is_remembered_and_a_torrent_is_added_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let first = open(&path);
    first.store.add_torrent(torrent(1)).await.unwrap();
    let again = first.store.add_torrent(torrent(1)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    first.store.close(true).await.unwrap();
    let late = first.store.add_torrent(torrent(2)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Busy);
    assert!(open(&path).was_clean);
    assert!(!open(&path).was_clean);
}

/// Rule D19: a removal that was begun is known after a crash, and late progress changes nothing.
#[tokio::test]
async fn a_removal_survives_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let first = open(&path);
    first.store.add_torrent(torrent(1)).await.unwrap();
    first.store.begin_removal(TorrentId([1; 20]), true).await.unwrap();
    first.store.save_resume(resume(1, b"late")).await.unwrap();
    let second = open(&path);
    assert_eq!(second.torrents[0].removal, Removal::WithData);
    assert_eq!(second.torrents[0].resume, vec![1; 100]);
    second.store.finish_removal(TorrentId([1; 20])).await.unwrap();
    second.store.save_resume(resume(1, b"later")).await.unwrap();
    assert!(open(&path).torrents.is_empty());
}

/// Rule D4: one damaged record is kept aside and told, the others load.
#[tokio::test]
async fn a_damaged_record_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let first = open(&path);
    for byte in [1, 2] {
        first.store.add_torrent(torrent(byte)).await.unwrap();
    }
    first.store.close(true).await.unwrap();
    let raw = Connection::open(&path).unwrap();
    let damage = "UPDATE resume SET record = x'0102030405' WHERE id = ?1";
    assert_eq!(raw.execute(damage, [[1u8; 20]]).unwrap(), 1);
    drop(raw);
    for _ in 0..2 {
        let opened = open(&path);
        assert_eq!(ids(&opened), [2]);
        let [bad] = &opened.bad[..] else { panic!("{:?}", opened.bad) };
        assert_eq!((&bad.id_text[..], &bad.name[..]), (&"01".repeat(20)[..], "name-1"));
        assert!(bad.reason.contains("resume record"), "{}", bad.reason);
    }
    let opened = open(&path);
    opened.store.finish_removal(TorrentId([1; 20])).await.unwrap();
    assert!(open(&path).bad.is_empty());
}

/// Rules D4, D5: a newer file and one that is no database are refused and untouched.
#[test]
fn what_cannot_be_read_is_refused_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let garbage = vec![0x5a; 10_000];
    std::fs::write(&path, &garbage).unwrap();
    let refused = Store::open(&path, "boot").err().unwrap();
    assert!(
        matches!(&refused, OpenError::Unreadable(why) if why.contains("state.db")),
        "{refused}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
    let newer = directory.path().join("newer.db");
    drop(open(&newer));
    let raw = Connection::open(&newer).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let refused = Store::open(&newer, "boot").err().unwrap();
    assert_eq!(refused, OpenError::Newer { found: 99, known: 1 });
}

/// Rule D7: without space a change is refused as a whole, and what was there stays.
#[tokio::test]
async fn a_full_disk_refuses_the_change_and_keeps_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let opened = open(&path);
    opened.store.add_torrent(torrent(1)).await.unwrap();
    let limit = |pages: i64| {
        opened.store.change(move |on| {
            on.pragma_update(None, "max_page_count", pages).map_err(|e| super::writer::failed(&e))
        })
    };
    limit(1).await.unwrap();
    let mut large = torrent(2);
    large.metadata_file = Some(vec![1; 1 << 20]);
    let refused = opened.store.add_torrent(large).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    limit(1_000_000).await.unwrap();
    opened.store.add_torrent(torrent(3)).await.unwrap();
    assert_eq!(ids(&open(&path)), [1, 3]);
}

/// Many at once share commits, and each is answered for itself.
#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = open(&path).store;
    let tasks: Vec<_> = (0..200)
        .map(|byte| {
            let store = store.clone();
            // Every torrent twice: one of each pair is refused.
            tokio::spawn(async move { store.add_torrent(torrent(byte / 2)).await.is_ok() })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        added += usize::from(task.await.unwrap());
    }
    assert_eq!(added, 100);
    assert_eq!(open(&path).torrents.len(), 100);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Save(u8, Vec<u8>),
    Begin(u8),
    Finish(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let byte = 0u8..6;
    prop_oneof![
        byte.clone().prop_map(Step::Add),
        (byte.clone(), proptest::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(byte, resume)| Step::Save(byte, resume)),
        byte.clone().prop_map(Step::Begin),
        byte.prop_map(Step::Finish),
        Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is done in whatever order, the file holds what a simple map would.
    #[test]
    fn the_file_equals_a_simple_model(steps in proptest::collection::vec(step(), 0..40)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let mut store = open(&path).store;
        let mut model: BTreeMap<u8, (Vec<u8>, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Add(byte) => {
                    let added = block_on(store.add_torrent(torrent(byte))).is_ok();
                    prop_assert_eq!(added, !model.contains_key(&byte));
                    model.entry(byte).or_insert((vec![byte; 100], false));
                }
                Step::Save(byte, bytes) => {
                    block_on(store.save_resume(resume(byte, &bytes))).unwrap();
                    if let Some((kept, false)) = model.get_mut(&byte) {
                        *kept = bytes;
                    }
                }
                Step::Begin(byte) => {
                    block_on(store.begin_removal(TorrentId([byte; 20]), false)).unwrap();
                    if let Some(entry) = model.get_mut(&byte) {
                        entry.1 = true;
                    }
                }
                Step::Finish(byte) => {
                    block_on(store.finish_removal(TorrentId([byte; 20]))).unwrap();
                    model.remove(&byte);
                }
                Step::Reopen => store = open(&path).store,
            }
        }
        let found: BTreeMap<u8, (Vec<u8>, bool)> = open(&path)
            .torrents
            .into_iter()
            .map(|t| (t.id.0[0], (t.resume, t.removal != Removal::Not)))
            .collect();
        prop_assert_eq!(found, model);
    }
}
