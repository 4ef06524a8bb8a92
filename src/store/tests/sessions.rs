//! What is kept of sessions that were added while the program ran.

use super::*;
use crate::store::SessionRecord;

fn record(number: u32, name: &str, settings: &str) -> SessionRecord {
    SessionRecord { number, name: name.into(), settings: settings.into() }
}

/// Rules D1, D2: without a clean stop, too; and a number is given once.
#[test]
fn d1_sessions_are_kept_under_numbers_of_their_own() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        assert_eq!(store.add_session("fast", "a=1").await.unwrap(), 2);
        assert_eq!(store.add_session("slow", "").await.unwrap(), 3);
        let again = store.add_session("fast", "").await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
        store.set_session(record(2, "fast", "a=2")).await.unwrap();
        store.remove_session("slow").await.unwrap();
        store.remove_session("slow").await.unwrap();
        drop(store);

        let store = room.open().store;
        assert_eq!(store.sessions().await.unwrap(), [record(2, "fast", "a=2")]);
        assert_eq!(store.add_session("slow", "").await.unwrap(), 4, "3 is not given again");
        let gone = store.set_session(record(3, "slow", "")).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_session_stays_while_a_torrent_names_it() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        store.add_session("fast", "").await.unwrap();
        store.add_torrent(torrent(1)).await.unwrap();
        store.change_options(id(1), |options| options.session = "fast".into()).await.unwrap();
        let used = store.remove_session("fast").await.unwrap_err();
        assert_eq!(used.kind(), ErrorKind::Conflict);
        store.begin_removal(id(1), false).await.unwrap();
        assert!(store.remove_session("fast").await.is_err(), "it is on its way out");
        store.finish_removal(id(1)).await.unwrap();
        store.remove_session("fast").await.unwrap();
        assert_eq!(store.sessions().await.unwrap(), []);
    });
}

/// Rule D4: a damaged one is kept aside, and the others load.
#[test]
fn d4_a_damaged_session_is_set_aside() {
    let room = Room::new();
    room.fill(async |store| {
        store.add_session("fast", "a=1").await.unwrap();
        store.add_session("slow", "").await.unwrap();
    });
    room.sql().execute("UPDATE sessions SET settings = 'b=1' WHERE name = 'fast'", []).unwrap();
    let opened = room.open();
    let named: Vec<&str> = opened.bad.iter().map(|bad| &*bad.id_text).collect();
    assert_eq!(named, ["session `2`"]);
    assert_eq!(room.wait(opened.store.sessions()).unwrap(), [record(3, "slow", "")]);
}
