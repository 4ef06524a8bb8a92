//! What is kept of the tracker: swarms field by field, keys, and rows of statistics.

use super::*;
use crate::domain::access::KeyRecord;
use crate::domain::access::Mode;
use crate::domain::access::SwarmRecord;
use crate::store::HistoryRow;
use crate::store::SwarmChange;

const HASH: TorrentId = TorrentId([7; 20]);

fn record() -> SwarmRecord {
    SwarmRecord { info_hash: HASH, is_listed: true, is_flagged: false, mode: None, completed: 3 }
}

async fn change(store: &Store, change: SwarmChange) -> SwarmRecord {
    store.change_swarms(vec![(HASH, change)]).await.unwrap()[0]
}

#[test]
fn each_change_of_a_swarm_leaves_the_rest_of_it() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        let before = change(&store, SwarmChange::Listed(true)).await;
        assert_eq!(before, SwarmRecord { is_listed: false, completed: 0, ..record() });
        change(&store, SwarmChange::Completed(3)).await;
        change(&store, SwarmChange::Completed(2)).await;
        assert_eq!(store.swarms().await.unwrap(), [record()], "a count never shrinks");
        change(&store, SwarmChange::Mode(Some(Mode::Private))).await;
        change(&store, SwarmChange::Flagged(true)).await;
        store.close(true).await.unwrap();

        let store = room.open().store;
        let whole = SwarmRecord { is_flagged: true, mode: Some(Mode::Private), ..record() };
        assert_eq!(store.swarms().await.unwrap(), [whole]);
        change(&store, SwarmChange::Forgotten).await;
        assert_eq!(store.swarms().await.unwrap(), []);
        change(&store, SwarmChange::Listed(true)).await;
        change(&store, SwarmChange::Listed(false)).await;
        assert_eq!(store.swarms().await.unwrap(), [], "nothing to keep, nothing kept");
    })
}

#[test]
fn keys_are_kept_replaced_and_forgotten() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        let key = "2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD".parse().unwrap();
        for valid_until in [Some(5), None, Some(0)] {
            store.put_key(KeyRecord { key, valid_until }).await.unwrap();
            assert_eq!(store.keys().await.unwrap(), [KeyRecord { key, valid_until }]);
        }
        assert!(store.remove_key(key).await.unwrap());
        assert!(!store.remove_key(key).await.unwrap());
        assert_eq!(store.keys().await.unwrap(), []);
    })
}

/// Rule D4: a damaged record is kept aside and the others load; no key is shown whole (W11).
#[test]
fn d4_damaged_swarms_and_keys_are_set_aside() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        change(&store, SwarmChange::Listed(true)).await;
        let other = TorrentId([8; 20]);
        store.change_swarms(vec![(other, SwarmChange::Completed(1))]).await.unwrap();
        let key = "2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD";
        store.put_key(KeyRecord { key: key.parse().unwrap(), valid_until: None }).await.unwrap();
        store.close(true).await.unwrap();
        let sql = room.sql();
        sql.execute("UPDATE swarms SET completed = 9 WHERE info_hash = ?1", [&HASH.0]).unwrap();
        sql.execute("UPDATE access_keys SET valid_until = 9", []).unwrap();
        drop(sql);

        let opened = room.open();
        let named: Vec<&str> = opened.bad.iter().map(|bad| &*bad.id_text).collect();
        assert_eq!(named, [format!("swarm `{HASH}`").as_str(), "key `2cjv`"]);
        assert_eq!(opened.store.swarms().await.unwrap().len(), 1);
        assert_eq!(opened.store.keys().await.unwrap(), []);
    })
}

#[test]
fn statistics_are_kept_for_their_time() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        let row = |begin_at| HistoryRow { span_s: 60, begin_at, figures: vec![1, u64::MAX] };
        for begin_at in [60, 120, 180] {
            store.put_history(row(begin_at), begin_at - 60).await.unwrap();
        }
        let other = HistoryRow { span_s: 3600, begin_at: 0, figures: vec![2] };
        store.put_history(other.clone(), 0).await.unwrap();
        assert_eq!(store.history(60, 0).await.unwrap(), [row(120), row(180)]);
        assert_eq!(store.history(60, 180).await.unwrap(), [row(180)]);
        assert_eq!(store.history(3600, 0).await.unwrap(), [other]);
    })
}
