//! Shares, friends and invites: kept whole, gone together.

use super::*;
use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::access::Mode;
use crate::domain::account::Account;
use crate::domain::account::AccountId;
use crate::domain::account::ClientClaim;
use crate::domain::error::ErrorKind;
use crate::domain::labels::Labels;
use crate::domain::share::FileMark;
use crate::domain::share::Format;
use crate::domain::share::Friend;
use crate::domain::share::FriendName;
use crate::domain::share::Invite;
use crate::domain::share::InviteToken;
use crate::domain::share::Share;
use crate::domain::share::ShareWish;
use crate::store::NewShare;
use crate::store::Removal;
use crate::store::SwarmChange;

const KEY: &str = "2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD";

fn key() -> AccessKey {
    KEY.parse().unwrap()
}

fn share(number: u32) -> Share {
    Share {
        id: id(number),
        path: format!("/downloads/{number}"),
        made_at: 5,
        is_private: true,
        is_members_only: true,
        skip: Some(vec!["*.part".into(), "x".into()]),
        digest: [3; 32],
    }
}

fn friend() -> Friend {
    Friend {
        name: "anna".parse().unwrap(),
        key: key(),
        made_at: 5,
        valid_until: Some(99),
        revoked_at: None,
        shares: Some(vec![id(2), id(3)]),
    }
}

fn invite() -> Invite {
    Invite {
        token: InviteToken::new(key()),
        friend: friend().name,
        share: id(2),
        made_at: 5,
        valid_until: None,
        uses_left: Some(1),
    }
}

/// What the swarms of a share are allowed.
fn allowed(number: u32) -> Vec<(TorrentId, SwarmChange)> {
    let second = torrent(number).v2.map(|v2| v2.truncated());
    let hashes = [id(number)].into_iter().chain(second);
    let changes = [SwarmChange::Listed(true), SwarmChange::Mode(Some(Mode::Private))];
    hashes.flat_map(|hash| changes.map(|change| (hash, change))).collect()
}

fn new(number: u32, swarms: Vec<(TorrentId, SwarmChange)>) -> NewShare {
    let (torrent, share) = (torrent(number), share(number));
    NewShare { torrent, share, files: files(), swarms, job: None, replaces: None }
}

fn files() -> Vec<FileMark> {
    let mark =
        |path: &str, size_bytes, modified| FileMark { path: path.into(), size_bytes, modified };
    vec![mark("a/b", 7, (5, 6)), mark("", u64::MAX, (-1, 999_999_999)), mark("Ü\n", 0, (0, 0))]
}

fn wish() -> ShareWish {
    ShareWish {
        path: "/downloads/2".into(),
        name: Some("film".into()),
        format: Format::Hybrid,
        piece_bytes: Some(16 << 10),
        is_public: false,
        is_members_only: Some(false),
        comment: "for friends".into(),
        skip: Some(vec!["*.part".into()]),
        replaces: Some(id(2)),
    }
}

/// Issue 5: a wish outlives a crash, under its number; what it comes to takes its place.
#[test]
fn a_wish_for_a_share_stays_until_it_is_one() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        let plain = ShareWish { path: "x".into(), ..ShareWish::default() };
        let first = store.put_share_job(plain.clone()).await.unwrap();
        let second = store.put_share_job(wish()).await.unwrap();
        let third = store.put_share_job(plain.clone()).await.unwrap();
        store.close(true).await.unwrap();

        let store = room.open().store;
        let kept = [(first, plain.clone()), (second, wish()), (third, plain)];
        assert_eq!(store.share_jobs().await.unwrap(), kept);
        let refused = NewShare { job: Some(first), replaces: Some(id(9)), ..new(2, allowed(2)) };
        let refused = store.add_share(refused).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        assert_eq!(store.share_jobs().await.unwrap().len(), 3, "nothing of it was done");
        assert_eq!(store.shares().await.unwrap(), []);
        store.add_share(NewShare { job: Some(first), ..new(2, allowed(2)) }).await.unwrap();
        store.remove_share_job(third).await.unwrap();
        store.remove_share_job(third).await.unwrap();
        assert_eq!(store.share_jobs().await.unwrap(), [(second, wish())]);
        assert_eq!(store.share_files(id(2)).await.unwrap(), Some(files()));
        assert_eq!(store.share_files(id(3)).await.unwrap(), None);
        let again = store.put_share_job(wish()).await.unwrap();
        assert!(again > third, "no number comes twice");
        store.close(true).await.unwrap();
    });
}

/// Issue 5: a new edition keeps friends and links, and the former one is gone in the same moment.
#[test]
fn a_new_edition_takes_the_place_of_a_share_in_one_transaction() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        store.add_share(new(2, allowed(2))).await.unwrap();
        store.put_friend(friend()).await.unwrap();
        store.put_invite(invite()).await.unwrap();
        let anna: Option<FriendName> = Some("anna".parse().unwrap());
        let account = |sent, seen_at| Account { sent, seen_at, ..Account::default() };
        let one = Account { is_complete: true, ..account(5, 7) };
        // It was this torrent once already.
        let before = account(2, 9);
        let both = [(id(2), one), (id(4), before)];
        let both = both.map(|(share, account)| ((share, anna.clone()), Some(account)));
        store.put_accounts(both.to_vec()).await.unwrap();
        let labels = Labels { tags: vec!["a".into()], ..Labels::default() };
        store.set_labels(id(2), labels.clone()).await.unwrap();
        let job = store.put_share_job(wish()).await.unwrap();
        let edition = NewShare { job: Some(job), replaces: Some(id(2)), ..new(4, allowed(4)) };
        store.add_share(edition).await.unwrap();
        store.close(true).await.unwrap();

        let opened = room.open();
        let leaving: Vec<_> =
            opened.torrents.iter().map(|one| (one.id, one.removal == Removal::Not)).collect();
        assert_eq!(leaving, [(id(2), false), (id(4), true)]);
        let store = opened.store;
        assert_eq!(store.shares().await.unwrap(), [share(4)]);
        assert_eq!(store.share_files(id(2)).await.unwrap(), None);
        let moved = Friend { shares: Some(vec![id(4), id(3)]), ..friend() };
        assert_eq!(store.friends().await.unwrap(), [moved]);
        assert_eq!(store.invites().await.unwrap(), [Invite { share: id(4), ..invite() }]);
        assert_eq!(store.share_jobs().await.unwrap(), []);
        assert_eq!(store.accounts().await.unwrap(), [((id(4), anna), account(7, 9))]);
        assert!(store.labels().await.unwrap().contains(&(id(4), labels)));
        let mut swarms = allowed(4).into_iter().map(|(hash, _)| hash).collect::<Vec<_>>();
        swarms.sort();
        swarms.dedup();
        let kept: Vec<_> =
            store.swarms().await.unwrap().into_iter().map(|swarm| swarm.info_hash).collect();
        assert_eq!(kept, swarms);
        let seen = Share { digest: [9; 32], ..share(4) };
        store.renew_share(seen.clone(), Vec::new(), None).await.unwrap();
        assert_eq!(store.shares().await.unwrap(), [seen]);
        assert_eq!(store.share_files(id(4)).await.unwrap(), Some(Vec::new()));
        let unknown = store.renew_share(share(7), Vec::new(), None).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        store.close(true).await.unwrap();
    });
}

/// Issue 5: a share is one transaction, and so is its end.
#[test]
fn a_share_comes_whole_and_goes_whole() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        store.add_share(new(2, allowed(2))).await.unwrap();
        store.put_invite(invite()).await.unwrap();
        let twice = store.add_share(new(2, allowed(2))).await.unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::Conflict);
        store.close(true).await.unwrap();

        let opened = room.open();
        let store = opened.store;
        assert_eq!(opened.torrents.len(), 1);
        assert_eq!(store.shares().await.unwrap(), [share(2)]);
        assert_eq!(store.swarms().await.unwrap().len(), 2, "both swarms of a hybrid");
        store.begin_removal(id(2), false).await.unwrap();
        assert_eq!(store.shares().await.unwrap(), []);
        assert_eq!(store.invites().await.unwrap(), []);
        assert_eq!(store.swarms().await.unwrap(), []);
        store.finish_removal(id(2)).await.unwrap();
        store.close(true).await.unwrap();
    });
}

/// Issue 5: what is refused leaves nothing behind.
#[test]
fn a_share_of_a_torrent_that_is_there_changes_nothing() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        store.add_torrent(torrent(3)).await.unwrap();
        assert!(store.add_share(new(3, allowed(3))).await.is_err());
        assert_eq!(store.shares().await.unwrap(), []);
        assert_eq!(store.swarms().await.unwrap(), []);
        store.close(true).await.unwrap();
    });
}

#[test]
fn a_friend_is_a_key_until_it_is_revoked() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        store.put_friend(friend()).await.unwrap();
        store.put_invite(invite()).await.unwrap();
        store.close(true).await.unwrap();

        let store = room.open().store;
        assert_eq!(store.friends().await.unwrap(), [friend()]);
        assert_eq!(store.invites().await.unwrap(), [invite()]);
        let held = KeyRecord { key: key(), valid_until: Some(99) };
        assert_eq!(store.keys().await.unwrap(), [held]);
        let revoked = Friend { revoked_at: Some(7), ..friend() };
        store.put_friend(revoked.clone()).await.unwrap();
        assert_eq!(store.friends().await.unwrap(), [revoked]);
        assert_eq!((store.keys().await.unwrap(), store.invites().await.unwrap()), (vec![], vec![]));
        store.put_friend(friend()).await.unwrap();
        store.remove_friend(friend()).await.unwrap();
        assert_eq!((store.keys().await.unwrap(), store.friends().await.unwrap()), (vec![], vec![]));
        store.close(true).await.unwrap();
    });
}

#[test]
fn an_invite_counts_its_uses_and_can_be_taken_back() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        for uses_left in [Some(1), Some(0), None] {
            let invite = Invite { uses_left, ..invite() };
            store.put_invite(invite.clone()).await.unwrap();
            assert_eq!(store.invites().await.unwrap(), [invite]);
        }
        assert!(store.remove_invite(invite().token).await.unwrap());
        assert!(!store.remove_invite(invite().token).await.unwrap());
        store.close(true).await.unwrap();
    });
}

/// Rule D4: a damaged record is set aside, the others load; a token is not shown whole (W11).
#[test]
fn d4_damaged_records_of_sharing_are_set_aside() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        store.add_share(new(2, Vec::new())).await.unwrap();
        store.add_share(new(3, Vec::new())).await.unwrap();
        store.put_friend(friend()).await.unwrap();
        store.put_invite(invite()).await.unwrap();
        let job = store.put_share_job(wish()).await.unwrap();
        store.close(true).await.unwrap();
        let sql = room.sql();
        sql.execute("UPDATE share_jobs SET path = '/etc'", []).unwrap();
        sql.execute("UPDATE share_files SET files = x'00' WHERE share = ?1", [&id(3).0]).unwrap();
        sql.execute("UPDATE shares SET path = 'x' WHERE id = ?1", [&id(2).0]).unwrap();
        sql.execute("UPDATE friends SET valid_until = NULL", []).unwrap();
        sql.execute("UPDATE invites SET uses_left = 9", []).unwrap();
        drop(sql);

        let opened = room.open();
        let named: Vec<&str> = opened.bad.iter().map(|bad| &*bad.id_text).collect();
        let share_text = format!("share `{}`", id(2));
        let (job_text, files_text) =
            (format!("share in the making `{job}`"), format!("files of share `{}`", id(3)));
        let wanted = [&*share_text, &job_text, &files_text, "friend `anna`", "invite `2cjv`"];
        assert_eq!(named, wanted);
        let store = opened.store;
        assert_eq!(store.share_jobs().await.unwrap(), []);
        assert_eq!(store.share_files(id(3)).await.unwrap(), None);
        assert_eq!(store.shares().await.unwrap(), [share(3)]);
        assert_eq!(store.friends().await.unwrap(), []);
        assert_eq!(store.invites().await.unwrap(), []);
        store.close(true).await.unwrap();
    });
}

/// Issue 5: accounts outlive the process, to the last number.
#[test]
fn accounts_are_kept_and_forgotten_and_set_aside_when_damaged() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        let client = ClientClaim {
            peer_id: *b"-XX0001-abcdefghijkl",
            uploaded: u64::MAX,
            downloaded: 2,
            left: 3,
            has_left: true,
        };
        let account = Account {
            claimed_up: u64::MAX,
            claimed_down: 1,
            sent: 2,
            received: 3,
            up_before: 4,
            unsaid_down: 5,
            is_complete: true,
            has_several: false,
            seen_at: -1,
            clients: vec![client, ClientClaim { has_left: false, ..client }],
        };
        let others = Account { has_several: true, ..Account::default() };
        let anna: AccountId = (id(2), Some("anna".parse().unwrap()));
        let rest: AccountId = (id(2), None);
        let kept =
            vec![(anna.clone(), Some(account.clone())), (rest.clone(), Some(others.clone()))];
        store.put_accounts(kept).await.unwrap();
        store.close(true).await.unwrap();

        let store = room.open().store;
        let mut found = store.accounts().await.unwrap();
        found.sort_by_key(|(id, _)| id.1.is_none());
        assert_eq!(found, [(anna.clone(), account), (rest.clone(), others)]);
        store.put_accounts(vec![(anna, None)]).await.unwrap();
        store.close(true).await.unwrap();
        room.sql().execute("UPDATE accounts SET figures = x'00'", []).unwrap();

        let opened = room.open();
        assert_eq!(opened.bad[0].id_text, format!("account `{}`", id(2)));
        assert_eq!(opened.store.accounts().await.unwrap(), []);
        opened.store.close(true).await.unwrap();
    });
}
