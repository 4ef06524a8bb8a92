//! Issue 5, points 1 and 7: making a share is a job that outlives the process, and a share whose
//! folder changed is noticed, not served, and published anew under the same name, to the same
//! friends.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;

use crate::common::DEADLINE;
use crate::common::announcer::Announcer;
use crate::common::announcer::UdpAnnounce;
use crate::common::announcer::leech;
use crate::common::announcer::path_option;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::events::Events;
use crate::common::held_thread::HeldThread;
use crate::common::http::Request;
use crate::common::peer::Peer;
use crate::common::torrents::KIB;
use crate::common::torrents::MIB;
use crate::common::torrents::payload;
use crate::common::wait_for;

/// So much of nothing takes one processor seconds to hash, and no space on the disk.
const LONG_BYTES: u64 = 4 << 30;

/// A home whose tracker listens on loopback.
fn home() -> Home {
    Home::new().set("tracker.udp.bind", "127.0.0.1:0").set("tracker.http.bind", "127.0.0.1:0")
}

/// The same on one processor, however many there are: hashing uses all that it may.
fn slow_home() -> Home {
    home().launched_by(["taskset", "--cpu-list", "0"].map(Into::into).to_vec())
}

/// A file that takes long to hash.
fn make_long(home: &Home) -> File {
    let file = File::create(home.downloads.join("long.bin")).unwrap();
    file.set_len(LONG_BYTES).unwrap();
    file
}

#[track_caller]
fn post(app: &App<'_>, target: &str, body: Value, status: u16) -> Value {
    let answer = app.api.call("POST", target, &body);
    assert_eq!(answer.status, status, "{target}: {}", answer.text());
    answer.json()
}

/// Begins to share, and returns the job's number as text.
#[track_caller]
fn begin(app: &App<'_>, path: &str) -> String {
    post(app, "/v1/shares", json!({ "path": path }), 202)["number"].to_string()
}

/// Waits for the end of a job.
#[track_caller]
fn finished(app: &App<'_>, number: &str) -> Value {
    wait_for("the job ends", || {
        let job = app.api.json(&format!("/v1/shares/jobs/{number}"));
        (job["state"] != "hashing").then_some(job)
    })
}

#[track_caller]
fn share(app: &App<'_>, path: &str) -> String {
    let job = finished(app, &begin(app, path));
    assert_eq!(job["state"], "done", "{job}");
    job["info_hash"].as_str().unwrap().to_owned()
}

#[test]
fn a_share_in_the_making_begins_anew_after_a_kill() {
    let home = slow_home();
    make_long(&home);
    let app = home.start();
    let mut events = Events::follow(&app.api, None);
    events.snapshot();
    let number = begin(&app, "long.bin");
    let mut done = 0;
    let seen = events.until("it is being hashed", |event| {
        let job = &event.data["jobs"][&number];
        done = job["pieces_done"].as_u64().unwrap_or(done);
        done > 0
    });
    assert!(!seen.data["jobs"][&number]["info_hash"].is_string(), "it was over too soon");
    drop(events);
    app.kill();

    let app = home.start();
    assert_eq!(app.api.json("/v1/shares")["total"], 0, "nothing of it is there");
    let mut events = Events::follow(&app.api, None);
    let (parts, _) = events.snapshot();
    assert_eq!(parts[0]["jobs"][0]["number"].to_string(), number, "it is told to who comes");
    let job = finished(&app, &number);
    assert_eq!((&job["state"], &job["is_new"]), (&json!("done"), &json!(true)), "{job}");
    assert_eq!(job["hashed_bytes"], LONG_BYTES, "from the start");
    let hash = job["info_hash"].as_str().unwrap().to_owned();
    app.api.wait_seeding(&hash);
    app.stop();

    let app = home.start();
    assert_eq!(app.api.json("/v1/shares/jobs")["total"], 0, "what is done is not done again");
    app.api.wait_seeding(&hash);
    assert_eq!(app.api.json("/v1/shares")["total"], 1);
    app.stop();
}

#[test]
fn a_share_in_the_making_can_be_cancelled_for_good() {
    let home = slow_home();
    make_long(&home);
    let app = home.start();
    let number = begin(&app, "long.bin");
    let place = format!("/v1/shares/jobs/{number}");
    wait_for("it is being hashed", || {
        (app.api.json(&place)["pieces_done"].as_u64() > Some(0)).then_some(())
    });
    let answer = app.api.try_call("DELETE", &place, "", None).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
    let job = finished(&app, &number);
    assert_eq!(job["state"], "failed");
    assert!(job["error"].as_str().unwrap().contains("was cancelled"), "{job}");
    app.kill();
    let app = home.start();
    assert_eq!(app.api.json("/v1/shares/jobs")["total"], 0, "it does not come back");
    assert_eq!(app.api.json("/v1/shares")["total"], 0);
    app.stop();
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_refused() {
    let home = slow_home();
    let file = make_long(&home);
    let app = home.start();
    let number = begin(&app, "long.bin");
    wait_for("it is being hashed", || {
        let job = app.api.json(&format!("/v1/shares/jobs/{number}"));
        (job["pieces_done"].as_u64() > Some(0)).then_some(())
    });
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    let job = finished(&app, &number);
    assert_eq!(job["state"], "failed", "{job}");
    assert!(job["error"].as_str().unwrap().contains("changed while it was read"), "{job}");
    assert_eq!(app.api.json("/v1/shares")["total"], 0);
    app.stop();
}

/// A folder `film`: the notes come first, and share a piece with the beginning of the film.
fn make_film(home: &Home) {
    let folder = home.downloads.join("film");
    fs::create_dir_all(folder.join("extras")).unwrap();
    fs::write(folder.join("film.mkv"), payload(1_700, 3 * MIB)).unwrap();
    fs::write(folder.join("extras/notes.txt"), "for friends").unwrap();
}

/// Writes the notes anew, as long as they were, at another time.
fn change_notes(home: &Home) {
    let path = home.downloads.join("film/extras/notes.txt");
    fs::write(&path, "for FRIENDS").unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A friend with a link: the link's torrent, and the key.
#[track_caller]
fn invite(app: &App<'_>, name: &str, shares: Value, share: &str) -> (String, String) {
    post(app, "/v1/friends", json!({ "name": name, "shares": shares }), 201);
    let target = format!("/v1/friends/{name}/invites");
    let invitation = post(app, &target, json!({ "share": share }), 201);
    let link = invitation["links"][0].as_str().expect("a link").to_owned();
    let url = invitation["announce_urls"][0][0].as_str().unwrap();
    (link, url.rsplit('/').next().unwrap().to_owned())
}

/// The .torrent behind a link.
#[track_caller]
fn taken(link: &str) -> Vec<u8> {
    let (host, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let target = format!("/{path}/torrent");
    wait_for("the link answers", || {
        let request = Request { method: "GET", target: &target, ..Request::default() };
        request.send(host).ok().filter(|answer| answer.status == 200)
    })
    .body
}

fn bytes_of(hash: &str) -> [u8; 20] {
    std::array::from_fn(|at| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap())
}

fn announce(app: &App<'_>, hash: &str, key: &str) -> Result<usize, String> {
    let asker = Announcer::new(app.tracker_udp[0]);
    let options = path_option(&format!("/announce/{key}"));
    let announce = UdpAnnounce { info_hash: bytes_of(hash), options, ..leech(9, [b'y'; 20]) };
    asker.try_announce(&announce).map(|told| told.peers.len())
}

/// What the engine says to a member who greets it.
fn answer_to_handshake(app: &App<'_>, hash: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(app.peer_address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let hello = [&b"\x13BitTorrent protocol"[..], &[0; 8], &bytes_of(hash), &[b'y'; 20]].concat();
    stream.write_all(&hello).unwrap();
    let (mut got, mut buffer) = (Vec::new(), [0; 68]);
    while got.len() < 68 {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => got.extend(&buffer[..count]),
        }
    }
    got
}

fn info_of(file: &[u8]) -> &[u8] {
    let at = file.windows(6).position(|window| window == b"4:info").expect("a torrent");
    &file[at..]
}

/// Publishes the film anew, of which one piece is hashed; returns the new info-hash.
#[track_caller]
fn publish_anew(home: &Home, app: &App<'_>, old: &str) -> String {
    let output = home.run(&["share", "republish", "film", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let anew: Value = serde_json::from_slice(&output.stdout).unwrap();
    let new = anew["info_hash"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert_eq!((&anew["name"], &anew["state"]), (&json!("film"), &json!("current")));
    assert_eq!((&anew["members_only"], &anew["public"]), (&json!(true), &json!(false)));
    let jobs = app.api.json("/v1/shares/jobs")["jobs"].as_array().unwrap().clone();
    let job = jobs.iter().find(|job| job["replaces"] == json!(old)).expect("the job");
    assert_eq!(job["hashed_bytes"], 16 * KIB, "the one piece with the notes: {job}");
    assert_eq!(app.api.json("/v1/shares")["total"], 1);
    new
}

/// Noticed on request, not served, published anew: what did not change is neither hashed nor
/// downloaded again, by us or by a friend who had it.
#[test]
fn a_changed_share_is_not_served_and_is_published_anew_to_the_same_friends() {
    let Some(mut friend) = Peer::start("a share that changed") else { return };
    let home = home().set("share.look_interval_s", "0");
    make_film(&home);
    let app = home.start();
    let old = share(&app, "film");
    let (link, key) = invite(&app, "Anna", Value::Null, &old);
    let (_, other_key) = invite(&app, "Bert", json!([old]), &old);
    let there = tempfile::tempdir().unwrap();
    let former = taken(&link);
    wait_for("our own client is a member", || {
        (announce(&app, &old, &key).unwrap() > 0).then_some(())
    });
    friend.add("before", &former, there.path(), 0);
    friend.wait_seeding("before");
    // Gone from the swarm, so that nobody but us could serve the former torrent.
    friend.kill();
    assert_eq!(answer_to_handshake(&app, &old).len(), 68, "a member is let in");

    change_notes(&home);
    let found = post(&app, &format!("/v1/shares/{old}/check"), json!({}), 200);
    assert_eq!((&found["state"], &found["changed_count"]), (&json!("changed"), &json!(1)));
    let wanted = json!([{ "path": "extras/notes.txt", "change": "changed" }]);
    assert_eq!(found["changed_files"], wanted);
    assert_eq!(answer_to_handshake(&app, &old), b"", "nobody is sent anything");
    let empty = tempfile::tempdir().unwrap();
    let mut late = Peer::start("a share that changed").unwrap();
    late.add("late", &former, empty.path(), 0);
    let listed = home.run(&["share", "ls"]);
    assert!(String::from_utf8(listed.stdout).unwrap().contains("changed"));

    let new = publish_anew(&home, &app, &old);
    let row = app.api.wait_seeding(&new);
    assert_eq!(row["all_time_download"], 0, "nothing was fetched");
    assert!(!app.api.downloads().contains_key(&old), "the former torrent is withdrawn");
    assert_eq!(announce(&app, &old, &key), Err("Torrent not authorized".into()));

    wait_for("our own client is a member", || {
        (announce(&app, &new, &key).unwrap() > 0).then_some(())
    });
    let file = taken(&link);
    assert_ne!(info_of(&file), info_of(&former), "the link leads to the new one");
    assert!(announce(&app, &new, &other_key).is_ok(), "who was let in to it is let in still");
    let mut friend = Peer::start("a share that changed").unwrap();
    friend.add("after", &file, there.path(), 0);
    friend.wait_seeding("after");
    // The foreign client counts a piece before it is written.
    wait_for("the new notes are there", || {
        let notes = fs::read(there.path().join("film/extras/notes.txt")).unwrap();
        (notes == b"for FRIENDS").then_some(())
    });
    assert_eq!(late.status("late")["progress"], 0.0, "not a byte of the former one");

    // All of it outlives a kill.
    app.kill();
    let app = home.start();
    app.api.wait_seeding(&new);
    assert_eq!(app.api.downloads().len(), 1);
    let (_, path) = link.split_once("/i/").unwrap();
    let link = format!("http://{}/i/{path}", app.tracker_http[0]);
    assert_eq!(info_of(&taken(&link)), info_of(&file));
    assert_eq!(app.api.json(&format!("/v1/shares/{new}"))["state"], "current");
    app.stop();
}

/// Noticed by itself, told as an event, held back over a restart, and let go when the files are as
/// they were.
#[test]
fn a_share_is_looked_at_now_and_then_and_before_it_is_loaded() {
    let home = home().set("share.look_interval_s", "1");
    make_film(&home);
    let notes = home.downloads.join("film/extras/notes.txt");
    let time = fs::metadata(&notes).unwrap().modified().unwrap();
    let app = home.start();
    let hash = share(&app, "film");
    app.api.wait_seeding(&hash);
    let mut events = Events::follow(&app.api, None);
    let (parts, _) = events.snapshot();
    assert_eq!(parts[0]["shares"][0]["state"], "current");

    change_notes(&home);
    let told = events
        .until("the change is told", |event| event.data["shares"][&hash]["state"] == "changed");
    assert_eq!(told.data["shares"][&hash]["change"], "`extras/notes.txt` was changed");
    wait_stopped(&app, &hash);
    // Who lets it run all the same does so for a moment only.
    app.api.patch(&hash, &json!({ "state": "resume" }));
    wait_stopped(&app, &hash);
    drop(events);
    app.kill();

    let app = home.start();
    wait_for("it is loaded", || app.api.downloads().contains_key(&hash).then_some(()));
    wait_stopped(&app, &hash);
    let row = app.api.json(&format!("/v1/shares/{hash}"));
    assert_eq!(row["state"], "changed");
    let file = File::options().write(true).truncate(true).open(&notes).unwrap();
    (&file).write_all(b"for friends").unwrap();
    file.set_modified(time).unwrap();
    app.api.wait_seeding(&hash);
    wait_for("it is as it was", || {
        (app.api.json(&format!("/v1/shares/{hash}"))["state"] == "current").then_some(())
    });
    // A stop by the user stays one.
    app.api.patch(&hash, &json!({ "state": "stop" }));
    change_notes(&home);
    post(&app, &format!("/v1/shares/{hash}/check"), json!({}), 200);
    fs::write(&notes, "for friends").unwrap();
    File::options().write(true).open(&notes).unwrap().set_modified(time).unwrap();
    let row = post(&app, &format!("/v1/shares/{hash}/check"), json!({}), 200);
    assert_eq!(row["state"], "current");
    wait_stopped(&app, &hash);
    app.stop();
}

#[track_caller]
fn wait_stopped(app: &App<'_>, hash: &str) {
    app.api.wait(hash, "stopped", |row| row["status"] == "STOPPED");
}

/// Touched and not changed: the same torrent, whose files are looked at anew.
#[test]
fn publishing_the_same_content_anew_keeps_the_torrent() {
    let home = home().set("share.look_interval_s", "0");
    make_film(&home);
    let app = home.start();
    let hash = share(&app, "film");
    let film = File::options().write(true).open(home.downloads.join("film/film.mkv")).unwrap();
    film.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)).unwrap();
    let found = post(&app, &format!("/v1/shares/{hash}/check"), json!({}), 200);
    assert_eq!(found["change"], "`film.mkv` was changed");
    let job = post(&app, &format!("/v1/shares/{hash}/republish"), json!({}), 202);
    let job = finished(&app, &job["number"].to_string());
    assert_eq!((&job["info_hash"], &job["is_new"]), (&json!(hash), &json!(false)));
    app.api.wait_seeding(&hash);
    let found = post(&app, &format!("/v1/shares/{hash}/check"), json!({}), 200);
    assert_eq!((&found["state"], &found["change"]), (&json!("current"), &Value::Null));
    let gone = app.api.call("POST", "/v1/shares/nothing/republish", &json!({}));
    assert_eq!(gone.status, 404);
    app.stop();
}

/// A method of Porla's API, which says more of a torrent than the others.
#[track_caller]
fn properties(app: &App<'_>, method: &str, params: Value) -> Value {
    let method = format!("torrents.properties.{method}");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let headers = vec![("Authorization", format!("Bearer {}", app.api.token))];
    let (call, target) = (call.to_string(), "/api/v1/jsonrpc");
    let request = Request { method: "POST", target, headers, body: Some(call.as_bytes()) };
    let answer = request.send(&app.api.host).unwrap().json();
    assert_eq!(answer["error"], Value::Null, "{answer}");
    answer["result"].clone()
}

/// Puts on a share what users put on torrents.
fn dress(app: &App<'_>, hash: &str) {
    let words = json!({
        "category": "films", "tags": ["b", "a"], "metadata": { "shelf": 3 },
        "upload_limit": 7_000_000, "download_limit": 9_000, "seed_ratio_limit": 50,
    });
    let answer = app.api.call("PATCH", &format!("/v1/torrents/{hash}"), &words);
    assert!(answer.status < 300, "{}", answer.text());
    let more = json!({
        "info_hash": [hash, null], "max_connections": 60, "max_uploads": 5,
        "flags": { "sequential_download": true },
    });
    properties(app, "set", more);
}

#[track_caller]
fn assert_dressed(app: &App<'_>, hash: &str) {
    let row = app.api.json(&format!("/v1/torrents/{hash}"));
    assert_eq!((&row["category"], &row["tags"]), (&json!("films"), &json!(["a", "b"])), "{row}");
    assert_eq!(row["metadata"], json!({ "shelf": 3 }));
    assert_eq!(row["seed_ratio_limit"], json!(50.0));
    let found = properties(app, "get", json!({ "info_hash": [hash, null] }));
    let wanted = [
        ("upload_limit", 7_000_000),
        ("download_limit", 9_000),
        ("max_connections", 60),
        ("max_uploads", 5),
    ];
    for (name, value) in wanted {
        assert_eq!(found[name], value, "{name} of {found}");
    }
    assert_eq!(found["flags"]["sequential_download"], true, "{found}");
    assert_eq!(found["flags"]["disable_dht"], true, "it is still private: {found}");
}

/// What a friend was sent, in which share, and which shares the friend has all of.
fn account(app: &App<'_>, name: &str) -> (Value, Value, Value) {
    let account = app.api.json(&format!("/v1/friends/{name}"))["account"].clone();
    let share = &account["shares"][0]["share"];
    (account["sent"].clone(), share.clone(), account["completed_shares"].clone())
}

#[test]
fn a_new_edition_wears_what_the_former_wore_and_goes_on_with_its_accounts() {
    let Some(mut friend) = Peer::start("an edition that goes on") else { return };
    let home = home().set("share.look_interval_s", "0");
    make_film(&home);
    let app = home.start();
    let old = share(&app, "film");
    dress(&app, &old);
    assert_dressed(&app, &old);
    let (link, _) = invite(&app, "Anna", Value::Null, &old);
    let there = tempfile::tempdir().unwrap();
    friend.add("film", &taken(&link), there.path(), 0);
    friend.wait_seeding("film");
    let sent = json!(3 * MIB + "for friends".len());
    wait_for("the friend says so", || {
        (account(&app, "Anna") == (sent.clone(), json!(old), json!([old]))).then_some(())
    });
    friend.kill();

    change_notes(&home);
    let new = publish_anew(&home, &app, &old);
    app.api.wait_seeding(&new);
    assert_dressed(&app, &new);
    let wanted = (sent, json!(new), json!([]));
    assert_eq!(account(&app, "Anna"), wanted, "nobody has all of the new edition");
    let shown = home.run(&["friend", "show", "Anna"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("3.0 MiB") && shown.contains(&new), "{shown}");

    app.kill();
    let app = home.start();
    app.api.wait_seeding(&new);
    assert_dressed(&app, &new);
    assert_eq!(account(&app, "Anna"), wanted);
    app.stop();
}

/// An engine that has no time to hear of it is asked again; else nothing of the share would be sent
/// until the next start.
#[test]
fn the_same_content_is_published_anew_however_busy_the_engine_is() {
    let Some(mut friend) = Peer::start("a busy engine") else { return };
    let home = home().set("share.look_interval_s", "0");
    make_film(&home);
    let app = home.start();
    let hash = share(&app, "film");
    let (link, _) = invite(&app, "Anna", Value::Null, &hash);
    let file = taken(&link);
    let film = File::options().write(true).open(home.downloads.join("film/film.mkv")).unwrap();
    film.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)).unwrap();
    let found = post(&app, &format!("/v1/shares/{hash}/check"), json!({}), 200);
    assert_eq!(found["state"], "changed");

    let Some(held) = HeldThread::of(&app, "engine") else { return };
    let job = post(&app, &format!("/v1/shares/{hash}/republish"), json!({}), 202);
    wait_for("the engine was too busy", || {
        app.log().contains("the engine is busy; asking it again").then_some(())
    });
    held.release();
    let job = finished(&app, &job["number"].to_string());
    assert_eq!((&job["state"], &job["is_new"]), (&json!("done"), &json!(false)), "{job}");
    app.api.wait_seeding(&hash);
    let there = tempfile::tempdir().unwrap();
    friend.add("film", &file, there.path(), 0);
    friend.wait_seeding("film");
    app.stop();
}
