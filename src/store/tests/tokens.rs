//! What is kept of tokens and users.

use super::*;
use crate::domain::token::Scope;
use crate::domain::token::Scopes;

const SETTING: (&str, &str) = ("secret.key", "one");

fn record(number: u8, name: &str, expires_at: Option<i64>) -> TokenRecord {
    TokenRecord {
        id: TokenId::Made([number; 8]),
        name: name.into(),
        digest: [number; 32],
        scopes: Scopes::of(&[Scope::Read, Scope::Tracker]),
        created_at: 1_000,
        expires_at,
    }
}

fn user(name: &str) -> UserRecord {
    UserRecord { name: name.into(), password: "$argon2id$hash".into() }
}

/// Rule D1: without a clean stop, too.
#[test]
fn d1_tokens_are_kept_and_no_two_have_one_name() {
    let room = Room::new();
    let (first, second) = (record(1, "ci", None), record(2, "phone", Some(i64::MAX)));
    room.wait(async {
        let store = room.open().store;
        store.add_token(first.clone()).await.unwrap();
        store.add_token(second.clone()).await.unwrap();
        let same = store.add_token(record(3, "ci", None)).await.unwrap_err();
        assert_eq!(same.kind(), ErrorKind::Conflict);
        assert!(same.message().contains("`ci`"), "{same}");
        drop(store);

        let store = room.open().store;
        assert_eq!(store.tokens().await.unwrap(), [first.clone(), second.clone()]);
        assert!(store.remove_token(first.id).await.unwrap());
        assert!(!store.remove_token(first.id).await.unwrap());
        drop(store);

        let store = room.open().store;
        assert_eq!(store.tokens().await.unwrap(), [second]);
        store.add_token(first).await.unwrap();
    });
}

#[test]
fn only_one_user_is_the_first_and_the_setting_is_made_once() {
    let room = Room::new();
    room.wait(async {
        let store = room.open().store;
        assert_eq!(store.add_first_user(user("ann"), SETTING).await.unwrap(), "one");
        for name in ["ann", "bob"] {
            let again = store.add_first_user(user(name), ("secret.key", "two")).await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::Conflict);
        }
        drop(store);

        let store = room.open().store;
        assert_eq!(store.users().await.unwrap(), [user("ann")]);
        assert_eq!(store.setting("secret.key").await.unwrap().as_deref(), Some("one"));
    });
}

/// Rule D4: a damaged token lets nobody in, whatever was damaged; the others load.
#[test]
fn d4_damaged_tokens_and_users_are_set_aside() {
    for damage in [
        "digest = x'ff'",
        "scopes = 'admin'",
        "scopes = 'root'",
        "expires_at = 9",
        "created_at = 'x'",
        "id = '0101010101010109'",
    ] {
        let room = Room::new();
        room.fill(async |store| {
            store.add_token(record(1, "ci", None)).await.unwrap();
            store.add_token(record(2, "phone", None)).await.unwrap();
            store.add_first_user(user("ann"), SETTING).await.unwrap();
        });
        let sql = room.sql();
        sql.execute(&format!("UPDATE tokens SET {damage} WHERE name = 'ci'"), []).unwrap();
        sql.execute("UPDATE users SET password = '$argon2id$other'", []).unwrap();
        drop(sql);

        let opened = room.open();
        let named: Vec<&str> = opened.bad.iter().map(|bad| &*bad.id_text).collect();
        assert!(named[0].starts_with("token `"), "{damage}: {named:?}");
        assert_eq!(named[1..], ["user `ann`"], "{damage}");
        assert_eq!(room.wait(opened.store.tokens()).unwrap(), [record(2, "phone", None)]);
        assert_eq!(room.wait(opened.store.users()).unwrap(), []);
        room.wait(async {
            // The setting tells that there once was a user.
            let kept = opened.store.add_first_user(user("bob"), ("secret.key", "two")).await;
            assert_eq!(kept.unwrap(), "one");
        });
    }
}
