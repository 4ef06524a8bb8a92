//! A torrent's files on their way to another directory (rule D20).

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::common::DEADLINE;
use crate::common::app::Home;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;

const FILES: usize = 400;
const FILE: usize = 4 * KIB;
const CYCLES: usize = 6;

fn count_in(directory: &Path) -> usize {
    fs::read_dir(directory.join("set")).map_or(0, Iterator::count)
}

/// As soon as it is so: between two looks of `wait_for` the whole move would be over.
fn wait_for_at_once(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < DEADLINE, "no file has moved");
        std::thread::yield_now();
    }
}

/// Killed with some of the files here and some there, it is whole again at the next start: nothing
/// is missed, and nothing is hashed or asked of the user.
#[test]
fn d20_a_kill_in_the_middle_of_a_move_leaves_the_torrent_whole() {
    let home = Home::new();
    let content = payload(91, FILES * FILE);
    let names: Vec<String> = (0..FILES).map(|number| format!("{number:03}")).collect();
    let contents = content.chunks(FILE).map(<[u8]>::to_vec);
    let files: Vec<_> = names.iter().map(String::as_str).zip(contents).collect();
    let torrent = Recipe::named("set").folder(&files);
    let places = ["one", "two"].map(|name| home.downloads.join(name));
    for place in &places {
        fs::create_dir_all(place).unwrap();
    }
    fs::create_dir(places[0].join("set")).unwrap();
    for (name, bytes) in &files {
        fs::write(places[0].join("set").join(name), bytes).unwrap();
    }
    let app = home.start();
    app.api.add_to(&torrent.file, &places[0]);
    app.api.wait_seeding(&torrent.hash);
    app.kill();

    for cycle in 0..CYCLES {
        let app = home.start();
        let row = app.api.wait_seeding(&torrent.hash);
        let from = row["destination"].as_str().unwrap().to_owned();
        let target = places.iter().find(|place| place.to_str() != Some(&from)).unwrap();
        let wish = json!({ "state": "move_storage", "dest_dir": target });
        let (api, path) = (app.api.clone(), format!("/downloads/{}", torrent.hash));
        std::thread::scope(|scope| {
            // The kill cuts the answer off, or it came before.
            scope.spawn(|| {
                let (kind, body) = ("application/json", wish.to_string());
                drop(api.try_call("PATCH", &path, kind, Some(body.as_bytes())));
            });
            let some = cycle * FILES / CYCLES + 1;
            wait_for_at_once(|| count_in(target) >= some);
            app.kill();
        });
    }
    let app = home.start();
    let row = app.api.wait_seeding(&torrent.hash);
    let at = Path::new(row["destination"].as_str().unwrap()).join("set");
    for (name, bytes) in &files {
        assert!(&fs::read(at.join(name)).unwrap() == bytes, "{name}");
    }
    assert_eq!(row["all_time_download"], 0);
    app.stop();
}

/// What is in the way is named and stays, over a kill too, and so do the torrent's own files.
#[test]
fn d20_a_move_onto_a_file_that_is_there_names_it_and_touches_nothing() {
    let home = Home::new();
    let content = payload(92, 3 * FILE);
    let torrent = Recipe::named("film.bin").single(&content);
    fs::write(home.downloads.join("film.bin"), &content).unwrap();
    let there = home.downloads.join("there");
    fs::create_dir(&there).unwrap();
    fs::write(there.join("film.bin"), "of the user").unwrap();
    let app = home.start();
    app.api.add(&torrent.file);
    app.api.wait_seeding(&torrent.hash);
    let body = json!({ "state": "move_storage", "dest_dir": there });
    let answer = app.api.call("PATCH", &format!("/downloads/{}", torrent.hash), &body);
    assert!(answer.status >= 400, "{}", answer.text());
    let message = answer.json()["error"].to_string();
    assert!(message.contains("`film.bin` is in") && message.contains("already"), "{message}");
    app.kill();

    let app = home.start();
    let row = app.api.wait_seeding(&torrent.hash);
    assert_eq!(row["destination"], json!(home.downloads));
    assert_eq!(fs::read(there.join("film.bin")).unwrap(), b"of the user");
    assert_eq!(fs::read(home.downloads.join("film.bin")).unwrap(), content);
    app.stop();
}
