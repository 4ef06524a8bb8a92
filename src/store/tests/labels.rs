//! What is kept of labels: with the torrent, and gone with it.

use super::*;
use crate::domain::labels::Labels;

fn labels() -> Labels {
    Labels {
        category: Some("iso".into()),
        tags: vec!["a".into(), "b c".into()],
        metadata: "{\"k\":1}".into(),
        max_connections: Some(-1),
    }
}

/// Rules D1, D2: without a clean stop, too.
#[test]
fn d1_labels_are_kept_and_go_with_the_torrent() {
    let room = Room::new();
    let id = id(1);
    room.wait(async {
        let store = room.open().store;
        let unknown = store.set_labels(id, labels()).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        store.add_labelled(torrent(1), labels()).await.unwrap();
        let again = store.add_labelled(torrent(1), Labels::default()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
        drop(store);

        let store = room.open().store;
        assert_eq!(store.labels().await.unwrap(), [(id, labels())]);
        let other = Labels { category: None, ..labels() };
        store.set_labels(id, other.clone()).await.unwrap();
        assert_eq!(store.labels().await.unwrap(), [(id, other)]);
        store.begin_removal(id, false).await.unwrap();
        store.finish_removal(id).await.unwrap();
        assert_eq!(store.labels().await.unwrap(), []);
        store.add_torrent(torrent(1)).await.unwrap();
        assert_eq!(store.labels().await.unwrap(), []);
        store.set_labels(id, Labels::default()).await.unwrap();
        assert_eq!(store.labels().await.unwrap(), []);
    });
}

/// Rule D4: damaged labels are kept aside, and the torrent stays.
#[test]
fn d4_damaged_labels_leave_the_torrent_alone() {
    let room = Room::new();
    room.fill(async |store| {
        store.add_labelled(torrent(1), labels()).await.unwrap();
    });
    room.sql().execute("UPDATE labels SET tags = 'other'", []).unwrap();
    let opened = room.open();
    assert_eq!(opened.torrents.len(), 1);
    let named: Vec<&str> = opened.bad.iter().map(|bad| &*bad.id_text).collect();
    assert_eq!(named, [format!("labels of torrent `{}`", id(1))]);
    assert_eq!(room.wait(opened.store.labels()).unwrap(), []);
}
