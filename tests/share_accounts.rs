//! Issue 5, accounting: what friends claim, what was seen of it, and who claims what cannot be.

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Request;
use crate::common::peer::Peer;
use crate::common::sharing::home;
use crate::common::sharing::invite;
use crate::common::sharing::key_of;
use crate::common::sharing::make_film;
use crate::common::sharing::run;
use crate::common::sharing::run_json;
use crate::common::sharing::share_film;
use crate::common::sharing::wait_film_copied;
use crate::common::torrents::MIB;
use crate::common::wait_for;

/// Announces over HTTP, as any client on this machine.
#[track_caller]
fn announce(app: &App<'_>, hash: &str, key: &str, more: &str) {
    let escaped: String = hash
        .as_bytes()
        .chunks(2)
        .map(|pair| format!("%{}", str::from_utf8(pair).unwrap()))
        .collect();
    let target = format!("/announce/{key}?info_hash={escaped}&{more}");
    let request = Request { method: "GET", target: &target, ..Request::default() };
    let answer = request.send(&app.tracker_http[0].to_string()).unwrap();
    assert!(answer.text().contains("8:interval"), "{}", answer.text());
}

fn account(app: &App<'_>, name: &str) -> Value {
    app.api.get(&format!("/v1/friends/{name}")).json()["account"].clone()
}

#[track_caller]
fn wait_account(app: &App<'_>, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(account(app, name)).filter(&fits))
}

fn size(home: &Home) -> u64 {
    let bytes =
        |file: &str| std::fs::metadata(home.downloads.join("film").join(file)).unwrap().len();
    bytes("film.mkv") + bytes("extras/notes.txt")
}

/// An honest friend's account says what was really sent, also over a connection that came and went
/// between two looks, and it is there after a restart.
#[test]
fn what_a_friend_got_is_counted_and_kept() {
    let Some(mut friend) = Peer::start("accounts of friends") else { return };
    let home = home();
    make_film(&home, 3 * MIB);
    let app = home.start();
    let share = share_film(&home);
    let hash = share["info_hash"].as_str().unwrap();
    let (_, file) = invite(&home, "Anna", &[]);
    assert_eq!(account(&app, "Anna")["last_seen_at"], Value::Null);
    let there = tempfile::tempdir().unwrap();
    friend.add("film", &file, there.path(), 0);
    friend.wait_seeding("film");
    wait_film_copied(&home.downloads, there.path());

    let bytes = size(&home);
    let found = wait_account(&app, "Anna", "the friend says that all is there", |account| {
        account["completed_shares"] == json!([hash]) && account["claimed_downloaded"] == bytes
    });
    assert_eq!((&found["sent"], &found["received"]), (&json!(bytes), &json!(0)), "{found}");
    assert_eq!((&found["is_marked"], &found["claimed_uploaded"]), (&json!(false), &json!(0)));
    assert!(found["last_seen_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(found["shares"][0]["share"], hash);
    friend.ask("remove", json!({ "id": "film" }));
    let shown = run(&home, &["friend", "show", "Anna"]);
    assert!(shown.contains("by their own word") && !shown.contains("marked"), "{shown}");
    let list = run(&home, &["friend", "ls"]);
    assert!(list.contains("3.0 MiB"), "{list}");

    // The swarm remembers who had it.
    let view = wait_for("the friend has left", || {
        let view = run_json(&home, &["swarm", "film"]);
        (view["participants"].as_array().unwrap().len() == 1).then_some(view)
    });
    assert_eq!((&view["can_stop"], &view["other_seeds"]), (&json!(false), &json!(0)));
    assert_eq!(view["friends"][0]["name"], "Anna");
    assert!(view["other_seed_seen_at"].is_i64(), "{view}");
    let shown = run(&home, &["swarm", "film"]);
    assert!(shown.contains("Anna had all of it") && shown.contains("can you stop? no"), "{shown}");
    app.stop();

    let app = home.start();
    let kept = account(&app, "Anna");
    assert_eq!((&kept["sent"], &kept["claimed_downloaded"]), (&json!(bytes), &json!(bytes)));
    assert_eq!(kept["completed_shares"], json!([hash]));
    app.stop();
}

/// Who claims to have sent what nobody can have received is marked; who was only served is not.
#[test]
fn claims_that_cannot_be_are_marked() {
    let home = home();
    make_film(&home, MIB);
    let app = home.start();
    let share = share_film(&home);
    let hash = share["info_hash"].as_str().unwrap();
    let (anna, _) = invite(&home, "Anna", &[]);
    let (bert, _) = invite(&home, "Bert", &[]);
    let (anna, bert) = (key_of(&anna), key_of(&bert));
    let gib = 1u64 << 30;
    let claim = |id: char, event: &str, uploaded: u64, downloaded: u64, left: u64| {
        let id = id.to_string().repeat(20);
        format!(
            "peer_id={id}&port={}&event={event}&uploaded={uploaded}&downloaded={downloaded}&left={left}",
            if id.starts_with('a') { 7001 } else { 7002 }
        )
    };
    announce(&app, hash, &anna, &claim('a', "started", 0, 0, 2 * gib));
    announce(&app, hash, &bert, &claim('b', "started", 0, 0, 2 * gib));
    // Anna sent two to Bert, who has not said yet what he has.
    announce(&app, hash, &anna, &claim('a', "", 2 * gib, 0, 2 * gib));
    let fair = wait_account(&app, "Anna", "what Anna claims is known", |account| {
        account["claimed_uploaded"] == 2 * gib
    });
    assert_eq!((&fair["is_marked"], &fair["excess"]), (&json!(false), &json!(0)));

    announce(&app, hash, &anna, &claim('a', "", 200 * gib, 0, 2 * gib));
    let marked =
        wait_account(&app, "Anna", "Anna is marked", |account| account["is_marked"] == true);
    assert!(marked["excess"].as_u64().unwrap() > 190 * gib, "{marked}");
    assert_eq!(account(&app, "Bert")["is_marked"], false);
    assert!(run(&home, &["friend", "ls"]).contains("200.0 GiB (!)"));
    assert!(run(&home, &["friend", "show", "Anna"]).contains("that nobody can have received"));
    let view = run_json(&home, &["swarm", hash]);
    assert_eq!(view["participants"].as_array().unwrap().len(), 3, "{view}");
    assert!(view["participants"][1]["state"] == "announced", "{view}");
    app.stop();
}
