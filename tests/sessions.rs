//! Sessions that are added while the program runs (issue 4): each listens at a port of its own, keeps
//! its torrents over a kill, and hands them to another one without hashing anything again.

use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use crate::common::DEADLINE;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::aria2::free_port;
use crate::common::peer::Peer;
use crate::common::sharing;
use crate::common::sharing::bytes_of;
use crate::common::torrents::KIB;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::wait_for;

const BYTES: usize = 200 * KIB;

/// A torrent whose payload is in the download directory.
fn seeded(home: &Home) -> Torrent {
    let content = payload(77, BYTES);
    std::fs::write(home.downloads.join("demo.bin"), &content).unwrap();
    Recipe::named("demo.bin").single(&content)
}

#[track_caller]
fn rpc(app: &App<'_>, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = app.api.call("POST", "/api/v1/jsonrpc", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
fn result(app: &App<'_>, method: &str, params: Value) -> Value {
    let answer = rpc(app, method, params);
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}

/// The words of a refusal.
#[track_caller]
fn refusal(app: &App<'_>, method: &str, params: Value) -> String {
    let answer = rpc(app, method, params);
    assert_eq!(answer["error"]["code"], -1, "{method}: {answer}");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[track_caller]
fn add_fast(app: &App<'_>, port: u16) {
    let settings =
        json!({"listen_interfaces": format!("127.0.0.1:{port}"), "connections_limit": 55});
    let wish = json!({"name": "fast", "settings": settings});
    assert_eq!(result(app, "sessions.add", wish), json!({}));
}

#[track_caller]
fn add_to(app: &App<'_>, torrent: &Torrent, session: u32) {
    let ti = STANDARD.encode(&torrent.file);
    let wish = json!({"ti": ti, "save_path": app.home.downloads, "session_id": session});
    result(app, "torrents.add", wish);
}

#[track_caller]
fn migrate(app: &App<'_>, hash: &str, session: Value) {
    let wish = json!({"info_hash": hash, "session": session});
    assert_eq!(result(app, "torrents.migrate", wish), Value::Null);
}

fn row(app: &App<'_>, hash: &str) -> Value {
    app.api.json(&format!("/v1/torrents/{hash}"))
}

#[track_caller]
fn wait_seeding(app: &App<'_>, hash: &str, session: &str) -> Value {
    wait_for(&format!("{hash} is seeding in {session}"), || {
        let answer = app.api.get(&format!("/v1/torrents/{hash}"));
        let row = if answer.status == 200 { answer.json() } else { return None };
        let is_so = row["state"] == "seeding" && row["session"] == session;
        (is_so && row["progress"] == 1.0).then_some(row)
    })
}

#[track_caller]
fn wait_uploaded(app: &App<'_>, hash: &str, bytes: usize) {
    wait_for(&format!("{bytes} bytes are counted as sent"), || {
        (row(app, hash)["uploaded"].as_u64() >= Some(bytes as u64)).then_some(())
    });
}

/// Another program downloads all of it from that port of ours.
#[track_caller]
fn download_from(port: u16, torrent: &Torrent) {
    let home = Home::new();
    let other = home.start();
    other.api.add(&torrent.file);
    let dial = json!({"info_hash": torrent.hash, "peers": [["127.0.0.1", port]]});
    result(&other, "torrents.peers.add", dial);
    other.api.wait_seeding(&torrent.hash);
    other.stop();
}

fn names(app: &App<'_>) -> Vec<String> {
    let sessions = result(app, "sessions.list", json!({}))["sessions"].take();
    let name = |session: &Value| session["name"].as_str().unwrap().to_owned();
    sessions.as_array().unwrap().iter().map(name).collect()
}

/// Every byte becomes another one; what is hashed now does not pass.
fn falsify(home: &Home) {
    let content: Vec<u8> = payload(77, BYTES).iter().map(|byte| !byte).collect();
    overwrite(home, &content);
}

fn overwrite(home: &Home, content: &[u8]) {
    let file = File::options().write(true).open(home.downloads.join("demo.bin")).unwrap();
    file.write_all_at(content, 0).unwrap();
}

/// Rule D1, and section 9 of Porla's contract.
#[test]
fn d1_a_session_is_added_and_its_torrents_go_to_another_without_a_check() {
    let home = Home::new();
    let app = home.start();
    let (torrent, port) = (seeded(&home), free_port());
    let hash = &torrent.hash;
    add_fast(&app, port);
    assert_eq!(names(&app), ["default", "fast"]);
    let fast = result(&app, "sessions.get", json!({"name": "fast"}))["session"].take();
    assert_eq!((&fast["id"], &fast["settings"]["connections_limit"]), (&json!(2), &json!(55)));
    assert_eq!(fast["settings"]["enable_dht"], false, "the rest is as configured");
    add_to(&app, &torrent, 2);
    wait_seeding(&app, hash, "fast");
    download_from(port, &torrent);
    wait_uploaded(&app, hash, BYTES);

    falsify(&home);
    migrate(&app, hash, json!("default"));
    let uploaded = wait_seeding(&app, hash, "default")["uploaded"].as_u64();
    assert!(uploaded >= Some(BYTES as u64), "{uploaded:?}");
    overwrite(&home, &payload(77, BYTES));
    download_from(app.peer_port, &torrent);
    wait_uploaded(&app, hash, 2 * BYTES);
    falsify(&home);
    migrate(&app, hash, json!(2));
    app.kill();

    let app = home.start();
    assert_eq!(names(&app), ["default", "fast"]);
    let again = result(&app, "sessions.get", json!({"id": 2}))["session"].take();
    assert_eq!(again["settings"]["connections_limit"], 55);
    let uploaded = wait_seeding(&app, hash, "fast")["uploaded"].as_u64();
    assert!(uploaded >= Some(2 * BYTES as u64), "{uploaded:?}");
    overwrite(&home, &payload(77, BYTES));
    download_from(port, &torrent);
    falsify(&home);
    app.api.call("POST", &format!("/v1/torrents/{hash}/recheck"), &json!({}));
    wait_for("a check would have seen it", || {
        (row(&app, hash)["progress"].as_f64() < Some(1.0)).then_some(())
    });
    app.stop();
}

/// Asks for a migration and waits for no answer; the connection has to live.
fn begin_migration(app: &App<'_>, hash: &str, session: &str) -> TcpStream {
    let params = json!({"info_hash": hash, "session": session});
    let body = json!({"id": 7, "method": "torrents.migrate", "params": params}).to_string();
    let mut stream = TcpStream::connect(&app.api.host).unwrap();
    write!(
        stream,
        "POST /api/v1/jsonrpc HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        app.api.host,
        app.api.token,
        body.len()
    )
    .unwrap();
    stream
}

/// Rule D1: whenever it comes, a kill leaves the torrent in one of both, with all that was counted.
#[test]
fn d1_a_kill_on_the_way_leaves_a_torrent_in_one_session() {
    let home = Home::new();
    let torrent = seeded(&home);
    let hash = &torrent.hash;
    let mut app = home.start();
    add_fast(&app, free_port());
    add_to(&app, &torrent, 1);
    wait_seeding(&app, hash, "default");
    download_from(app.peer_port, &torrent);
    wait_uploaded(&app, hash, BYTES);
    assert_eq!(
        app.api.call("PATCH", &format!("/v1/torrents/{hash}"), &json!({"session": "fast"})).status,
        204
    );
    for looks in 0..6 {
        let other = if row(&app, hash)["session"] == "fast" { "default" } else { "fast" };
        let asked = begin_migration(&app, hash, other);
        (0..looks).for_each(|_| drop(row(&app, hash)));
        app.kill();
        drop(asked);
        app = home.start();
        let row = wait_for("it is seeding again", || {
            let answer = app.api.get(&format!("/v1/torrents/{hash}"));
            (answer.status == 200).then(|| answer.json()).filter(|row| row["state"] == "seeding")
        });
        assert!(["default", "fast"].contains(&row["session"].as_str().unwrap()), "{row}");
        assert!(row["uploaded"].as_u64() >= Some(BYTES as u64), "{row}");
    }
    app.stop();
}

/// Rule D1: one that is in use stays, and one that was removed stays away.
#[test]
fn d1_a_session_is_removed_when_it_is_empty_and_its_port_is_free() {
    let home = Home::new();
    let app = home.start();
    let (torrent, port) = (seeded(&home), free_port());
    add_fast(&app, port);
    add_to(&app, &torrent, 2);
    wait_seeding(&app, &torrent.hash, "fast");
    let used = refusal(&app, "sessions.remove", json!({"name": "fast"}));
    assert!(used.contains("has torrents (1)"), "{used}");
    let stays = refusal(&app, "sessions.remove", json!({"id": 1}));
    assert!(stays.contains("`default`"), "{stays}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    // A third one is not mixed up with the one that goes.
    result(&app, "sessions.add", json!({"name": "slow"}));
    migrate(&app, &torrent.hash, json!("slow"));
    wait_seeding(&app, &torrent.hash, "slow");
    assert_eq!(result(&app, "sessions.remove", json!({"id": 2})), json!({}));
    TcpListener::bind(("127.0.0.1", port)).expect("its port is free");
    assert_eq!(refusal(&app, "sessions.get", json!({"id": 2})), "Session not found");
    let slow = result(&app, "sessions.get", json!({"id": 3}))["session"].take();
    assert_eq!(slow["name"], "slow");
    wait_seeding(&app, &torrent.hash, "slow");
    let peers = app.api.get(&format!("/v1/torrents/{}/peers", torrent.hash));
    assert_eq!(peers.status, 200, "{}", peers.text());
    let figures = app.api.get("/metrics").text();
    assert!(figures.contains("session=\"slow\"") && !figures.contains("session=\"fast\""));
    app.kill();

    let app = home.start();
    assert_eq!(names(&app), ["default", "slow"]);
    wait_seeding(&app, &torrent.hash, "slow");
    // Its number is not given again.
    add_fast(&app, port);
    assert_eq!(result(&app, "sessions.get", json!({"name": "fast"}))["session"]["id"], 4);
    app.stop();
}

#[test]
fn d1_settings_of_an_added_session_are_its_own_and_stay() {
    let home = Home::new();
    let app = home.start();
    add_fast(&app, free_port());
    let wish = json!({"id": 2, "settings": {"connections_limit": 66, "user_agent": "me"}});
    assert_eq!(result(&app, "sessions.update", wish), json!({}));
    let wish = json!({"name": "fast", "settings": {"upload_rate_limit": 9_000}});
    assert_eq!(result(&app, "sessions.settings.set", wish), Value::Null);
    // What is configured is for all, but for what a session has itself.
    let wish = json!({"settings": {"connections_limit": 77, "download_rate_limit": 8_000}});
    assert_eq!(
        result(&app, "sessions.update", json!({"name": "default", "settings": wish["settings"]})),
        json!({})
    );
    let told = |app: &App<'_>, name: &str| {
        let settings = result(app, "sessions.settings.get", json!({"name": name}));
        ["connections_limit", "user_agent", "upload_rate_limit", "download_rate_limit"]
            .map(|key| settings["settings"][key].clone())
    };
    let fast = [json!(66), json!("me"), json!(9_000), json!(8_000)];
    assert_eq!(told(&app, "fast"), fast);
    assert_eq!(told(&app, "default")[0], 77);
    app.kill();
    let app = home.start();
    assert_eq!(told(&app, "fast"), fast);
    assert_eq!(told(&app, "default")[0], 77);
    app.stop();
}

#[test]
fn what_cannot_be_a_session_is_refused_with_the_reason() {
    let home = Home::new();
    let app = home.start();
    add_fast(&app, free_port());
    let again = refusal(&app, "sessions.add", json!({"name": "fast"}));
    assert_eq!(again, "Session with specified name already exists");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let wish = json!({"name": "b", "settings": {"listen_interfaces": taken}});
    assert!(refusal(&app, "sessions.add", wish).contains("cannot listen"));
    for (wish, words) in [
        (json!({"name": ""}), "1 to 64 characters"),
        (json!({"name": "a/b"}), "1 to 64 characters"),
        (json!({"name": "b", "settings": {"conections_limit": 5}}), "`connections_limit`"),
        (json!({"name": "b", "settings": {"user_agent": 5}}), "must be text"),
        (json!({"name": "b", "settings_base": "min_memory_usage"}), "settings_base"),
    ] {
        let said = refusal(&app, "sessions.add", wish.clone());
        assert!(said.contains(words), "{wish}: {said}");
    }
    assert_eq!(names(&app), ["default", "fast"]);
    for (method, wish, words) in [
        ("sessions.update", json!({"id": 2, "name": "slow"}), "keeps its name"),
        ("sessions.update", json!({"id": 2, "is_default": true}), "default session"),
        ("sessions.update", json!({"id": 9}), "Session not found"),
        ("sessions.remove", json!({"name": "b"}), "Session not found"),
        ("sessions.remove", json!({}), "'id' or 'name'"),
    ] {
        let said = refusal(&app, method, wish.clone());
        assert!(said.contains(words), "{method} {wish}: {said}");
    }
    let torrent = seeded(&home);
    let ti = STANDARD.encode(&torrent.file);
    let nowhere = json!({"ti": ti, "save_path": home.downloads, "session_id": 9});
    assert_eq!(rpc(&app, "torrents.add", nowhere)["error"]["code"], -10);
    add_to(&app, &torrent, 1);
    let nowhere = json!({"info_hash": torrent.hash, "session": "b"});
    assert_eq!(refusal(&app, "torrents.migrate", nowhere), "Session not found");
    let nothing = json!({"info_hash": "0".repeat(40), "session": "fast"});
    refusal(&app, "torrents.migrate", nothing);
    app.stop();
}

/// What a user chose goes along, and what stood still stands still.
#[test]
fn a_stopped_torrent_stays_stopped_in_its_new_session() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home);
    let hash = &torrent.hash;
    add_fast(&app, free_port());
    app.api.add(&torrent.file);
    wait_seeding(&app, hash, "default");
    let patch = |body: Value| {
        let answer = app.api.call("PATCH", &format!("/v1/torrents/{hash}"), &body);
        assert_eq!(answer.status, 204, "{}", answer.text());
    };
    patch(json!({"upload_limit": 5_000, "category": "iso", "auto_managed": true}));
    patch(json!({"session": "fast"}));
    let moved = wait_seeding(&app, hash, "fast");
    assert_eq!([&moved["upload_limit"], &moved["category"]], [&json!(5_000), &json!("iso")]);
    assert_eq!([&moved["auto_managed"], &moved["paused"]], [&json!(true), &json!(false)]);
    let stop = app.api.call("POST", &format!("/v1/torrents/{hash}/stop"), &json!({}));
    assert_eq!(stop.status, 204);
    patch(json!({"session": "default"}));
    assert_eq!(row(&app, hash)["session"], "default");
    app.kill();
    let app = home.start();
    let stopped = wait_for("it is loaded", || {
        let answer = app.api.get(&format!("/v1/torrents/{hash}"));
        (answer.status == 200).then(|| answer.json()).filter(|row| row["state"] == "stopped")
    });
    assert_eq!([&stopped["session"], &stopped["paused"]], [&json!("default"), &json!(true)]);
    app.stop();
}

/// The same at our own API.
#[test]
fn sessions_are_managed_at_our_own_api() {
    let home = Home::new();
    let app = home.start();
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let body = json!({"name": "fast", "listen": [address], "settings": {"proxy_password": "x"}});
    let added = app.api.call("POST", "/v1/sessions", &body);
    assert_eq!(added.status, 201, "{}", added.text());
    let listen = format!("127.0.0.1:{port}");
    let expected = json!({
        "number": 2, "name": "fast", "is_default": false, "peer_port": port,
        "is_listening": true, "is_dht_running": false, "paused": false, "torrents": 0,
        "settings": {"listen_interfaces": listen, "proxy_password": "***"},
    });
    assert_eq!(added.json(), expected);
    assert_eq!(app.api.json("/v1/sessions")["sessions"][1], expected);
    assert_eq!(app.api.json("/v1/sessions/default")["is_default"], true);

    let torrent = seeded(&home);
    let body = json!({"torrent": STANDARD.encode(&torrent.file), "session": "fast"});
    let added = app.api.call("POST", "/v1/torrents", &body);
    assert_eq!((added.status, &added.json()["session"]), (201, &json!("fast")));
    let patch =
        json!({"paused": true, "settings": {"connections_limit": 9, "proxy_password": null}});
    let changed = app.api.call("PATCH", "/v1/sessions/fast", &patch).json();
    assert_eq!([&changed["paused"], &changed["torrents"]], [&json!(true), &json!(1)]);
    let own = json!({"connections_limit": 9, "listen_interfaces": listen});
    assert_eq!(changed["settings"], own);

    let at = format!("/v1/torrents/{}", torrent.hash);
    for (method, target, body, status) in [
        ("POST", "/v1/sessions", json!({"name": "fast"}), 409),
        ("POST", "/v1/sessions", json!({"name": "b", "listen": ["nowhere"]}), 400),
        ("POST", "/v1/sessions", json!({"name": "b", "settings": {"nothing": 1}}), 400),
        ("PATCH", "/v1/sessions/default", json!({"settings": {"connections_limit": 9}}), 409),
        ("PATCH", "/v1/sessions/b", json!({}), 404),
        ("DELETE", "/v1/sessions/fast", json!({}), 409),
        ("DELETE", "/v1/sessions/default", json!({}), 409),
        ("DELETE", "/v1/sessions/b", json!({}), 404),
        ("PATCH", &*at, json!({"session": "b"}), 400),
        (
            "POST",
            "/v1/torrents",
            json!({"uri": "magnet:?xt=urn:btih:1234567890123456789012345678901234567890", "session": "b"}),
            400,
        ),
    ] {
        let refused = app.api.call(method, target, &body);
        assert_eq!(refused.status, status, "{method} {target} {body}: {}", refused.text());
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    }
    let moved = app.api.call("PATCH", &at, &json!({"session": "default"}));
    assert_eq!(moved.status, 204, "{}", moved.text());
    wait_seeding(&app, &torrent.hash, "default");
    assert_eq!(app.api.call("DELETE", "/v1/sessions/fast", &json!({})).status, 204);
    assert_eq!(app.api.json("/v1/sessions")["sessions"].as_array().unwrap().len(), 1);
    app.stop();
}

/// What an outsider who knows info-hash, address and port is sent by the engine.
fn answer_to_handshake(port: u16, hash: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let hello = [&b"\x13BitTorrent protocol"[..], &[0; 8], &bytes_of(hash), &[b'x'; 20]].concat();
    stream.write_all(&hello).unwrap();
    let mut got = Vec::new();
    match stream.take(68).read_to_end(&mut got) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => got,
    }
}

/// A share is for its friends alone in every session, and they are told of its new port.
#[test]
fn a_share_in_an_added_session_is_for_members_only_and_friends_find_it() {
    let Some(mut friend) = Peer::start("a share in an added session") else { return };
    let home = sharing::home();
    sharing::make_film(&home, MIB);
    let app = home.start();
    let hash = sharing::share_film(&home)["info_hash"].as_str().unwrap().to_owned();
    wait_seeding(&app, &hash, "default");
    let port = free_port();
    add_fast(&app, port);
    migrate(&app, &hash, json!("fast"));
    wait_seeding(&app, &hash, "fast");
    assert_eq!(answer_to_handshake(port, &hash), b"", "an outsider");
    let (_, file) = sharing::invite(&home, "Anna", &[]);
    let there = tempfile::tempdir().unwrap();
    friend.add("film", &file, there.path(), 0);
    friend.wait_seeding("film");
    sharing::wait_film_copied(&home.downloads, there.path());
    assert_eq!(answer_to_handshake(port, &hash).len(), 68, "from a member's address");
    app.stop();
}
