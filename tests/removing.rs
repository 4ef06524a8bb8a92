//! Two who remove the same torrent at the same time: one does, the other is answered as if it had come
//! afterwards, in the words of each API.

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Answer;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;

const AT_ONCE: usize = 6;

/// The answers of those who remove a torrent, its files too, all at the same time.
fn removals(app: &App<'_>, remove: impl Fn(&str) -> Answer + Sync) -> Vec<Answer> {
    let content = payload(91, 64 * KIB);
    std::fs::write(app.home.downloads.join("film.bin"), &content).unwrap();
    let hash = app.api.add(&Recipe::named("film.bin").single(&content).file);
    app.api.wait_seeding(&hash);
    let answers = std::thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| remove(&hash))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(app.api.downloads().is_empty());
    assert!(!app.home.downloads.join("film.bin").exists());
    answers
}

#[track_caller]
fn assert_one_did(answers: &[Answer], done: u16) {
    let mut found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    found.sort_unstable();
    let mut expected = vec![404; AT_ONCE - 1];
    expected.insert(0, done);
    assert_eq!(found, expected);
}

#[test]
fn of_many_who_remove_one_torrent_one_does_and_the_others_are_told_that_it_is_gone() {
    let home = Home::new();
    let app = home.start();
    for prefix in ["", "/api"] {
        let body = json!({ "remove_data": true });
        let answers = removals(&app, |hash| {
            app.api.call("DELETE", &format!("{prefix}/downloads/{hash}"), &body)
        });
        assert_one_did(&answers, 200);
        let unknown = answers.iter().find(|answer| answer.status == 404).unwrap();
        assert!(unknown.text().contains("this download does not exist"), "{}", unknown.text());
    }
    let answers = removals(&app, |hash| {
        let target = format!("/v1/torrents/{hash}?with_data=true");
        app.api.try_call("DELETE", &target, "", None).unwrap()
    });
    assert_one_did(&answers, 204);
    // Porla's contract passes over those that nobody knows.
    let answers = removals(&app, |hash| {
        let params = json!({ "info_hashes": [hash], "remove_data": true });
        let call = json!({ "id": 1, "method": "torrents.remove", "params": params });
        app.api.call("POST", "/api/v1/jsonrpc", &call)
    });
    for answer in answers {
        assert_eq!(answer.json()["result"], Value::Null, "{}", answer.text());
        assert!(answer.json().get("error").is_none(), "{}", answer.text());
    }
}
