//! Issue 5: from a folder to a private swarm in one command, and out of it again. Whoever is not
//! invited gets nothing: not from the tracker, not from the page, not from the engine itself.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use serde_json::json;

use crate::common::DEADLINE;
use crate::common::announcer::Announcer;
use crate::common::announcer::UdpAnnounce;
use crate::common::announcer::leech;
use crate::common::announcer::path_option;
use crate::common::app::App;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::peer::Peer;
use crate::common::sharing::bytes_of;
use crate::common::sharing::home;
use crate::common::sharing::invite;
use crate::common::sharing::key_of;
use crate::common::sharing::make_film;
use crate::common::sharing::run;
use crate::common::sharing::run_json;
use crate::common::sharing::share_film;
use crate::common::sharing::wait_film_copied;
use crate::common::torrents::MIB;
use crate::common::torrents::payload;
use crate::common::wait_for;

fn failure(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn get(url: &str) -> Answer {
    ask("GET", url)
}

fn ask(method: &str, url: &str) -> Answer {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let target = format!("/{path}");
    Request { method, target: &target, ..Request::default() }.send(host).expect("an answer")
}

#[track_caller]
fn link(invitation: &Value) -> String {
    invitation["links"][0].as_str().expect("a link").to_owned()
}

/// What an outsider who knows info-hash, address and port is sent by the engine.
fn answer_to_handshake(app: &App<'_>, hash: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(app.peer_address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let hello = [&b"\x13BitTorrent protocol"[..], &[0; 8], &bytes_of(hash), &[b'x'; 20]].concat();
    stream.write_all(&hello).unwrap();
    let (mut got, mut buffer) = (Vec::new(), [0; 68]);
    while got.len() < 68 {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => got.extend(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    got
}

/// An announce over UDP, with a key in the path or without.
fn announce(app: &App<'_>, hash: &str, key: Option<&str>) -> Result<usize, String> {
    let asker = Announcer::new(app.tracker_udp[0]);
    let options = key.map(|key| path_option(&format!("/announce/{key}"))).unwrap_or_default();
    let announce = UdpAnnounce { info_hash: bytes_of(hash), options, ..leech(9, [b'y'; 20]) };
    asker.try_announce(&announce).map(|told| told.peers.len())
}

#[test]
fn a_folder_becomes_a_private_swarm_and_a_friend_has_it() {
    let Some(mut friend) = Peer::start("a friend") else { return };
    let home = home();
    make_film(&home, 3 * MIB);
    let app = home.start();

    let share = share_film(&home);
    let hash = share["info_hash"].as_str().unwrap();
    assert_eq!((&share["file_count"], &share["members_only"]), (&json!(2), &json!(true)));
    assert_eq!(share["announce_urls"][0][0], format!("udp://{}/announce", app.tracker_udp[0]));
    assert_eq!(share["announce_urls"][0][1], format!("http://{}/announce", app.tracker_http[0]));
    assert_eq!(share["change"], Value::Null);
    assert!(app.api.wait_seeding(hash)["all_time_download"] == 0, "nothing was fetched");
    assert!(run(&home, &["shares"]).contains(hash));

    let (invitation, file) = invite(&home, "Anna", &[]);
    let page = get(&link(&invitation));
    assert_eq!(page.status, 200);
    for wanted in ["film/film.mkv", "film/extras/notes.txt", "Anna", "magnet:?xt=urn:btih:"] {
        assert!(page.text().contains(wanted), "no {wanted} in {}", page.text());
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "rule W10: {policy}");
    let taken = get(&format!("{}/torrent", link(&invitation)));
    assert_eq!((taken.status, &taken.body), (200, &file), "the page's file is the same");

    let there = tempfile::tempdir().unwrap();
    friend.add("film", &file, there.path(), 0);
    friend.wait_seeding("film");
    wait_film_copied(&home.downloads, there.path());
    app.stop();
}

/// Tested as an outsider would try it.
#[test]
fn an_outsider_gets_nothing_from_anybody() {
    let home = home();
    make_film(&home, MIB);
    let app = home.start();
    let share = share_film(&home);
    let hash = share["info_hash"].as_str().unwrap();
    app.api.wait_seeding(hash);
    let (invitation, _) = invite(&home, "Anna", &[]);

    assert_eq!(answer_to_handshake(&app, hash), b"", "the engine");
    let wrong = "0".repeat(32);
    for key in [None, Some("short"), Some(&*wrong)] {
        assert_eq!(announce(&app, hash, key), Err("Invalid key".into()), "UDP, {key:?}");
    }
    let asker = Announcer::new(app.tracker_udp[0]);
    assert_eq!(asker.scrape(bytes_of(hash)), (0, 0, 0));
    let escaped: String = hash
        .as_bytes()
        .chunks(2)
        .map(|pair| format!("%{}", std::str::from_utf8(pair).unwrap()))
        .collect();
    let http = format!("http://{}", app.tracker_http[0]);
    for key in ["", "/short", &format!("/{wrong}")] {
        let query = format!("info_hash={escaped}&peer_id={}&port=9&left=1", "z".repeat(20));
        let answer = get(&format!("{http}/announce{key}?{query}"));
        assert!(answer.text().contains("Invalid key"), "{}", answer.text());
    }
    let scrape = get(&format!("{http}/scrape?info_hash={escaped}")).text();
    assert!(scrape.contains("8:completei0e"), "{scrape}");
    for path in ["", &*wrong, "../v1/shares", "style.css/x", &format!("{wrong}/torrent")] {
        let answer = get(&format!("{http}/i/{path}"));
        assert_eq!(answer.status, 404, "/i/{path}");
        assert!(!answer.text().contains("film"), "/i/{path}");
    }
    for path in ["/v1/shares", "/v1/friends", "/downloads", "/api/v1/torrents"] {
        assert_eq!(get(&format!("{http}{path}")).status, 404, "beside the tracker: {path}");
        let refused = get(&format!("http://{}{path}", app.api.host));
        assert!(matches!(refused.status, 401 | 500) && !refused.text().contains(hash), "{path}");
    }

    // The one who is invited announces, and is let in at once.
    assert_eq!(announce(&app, hash, Some(&key_of(&invitation))), Ok(1), "our own client");
    assert_eq!(answer_to_handshake(&app, hash).len(), 68);
    app.stop();
}

#[test]
fn a_friend_that_is_revoked_is_out_at_once_and_so_are_the_links() {
    let home = home();
    make_film(&home, MIB);
    let app = home.start();
    let share = share_film(&home);
    let hash = share["info_hash"].as_str().unwrap();
    app.api.wait_seeding(hash);
    let (anna, _) = invite(&home, "Anna", &[]);
    let (bert, _) = invite(&home, "Bert", &[]);
    assert_eq!(announce(&app, hash, Some(&key_of(&anna))), Ok(1));
    assert_eq!(answer_to_handshake(&app, hash).len(), 68);

    run(&home, &["friend", "revoke", "Anna"]);

    assert_eq!(announce(&app, hash, Some(&key_of(&anna))), Err("Invalid key".into()));
    assert_eq!(answer_to_handshake(&app, hash), b"");
    assert_eq!(get(&link(&anna)).status, 404);
    assert_eq!(get(&format!("{}/torrent", link(&anna))).status, 404);
    let refused = home.run(&["friend", "invite", "Anna", "film"]);
    assert!(failure(&refused).contains("does not let in"));
    assert!(run(&home, &["friend", "ls"]).contains("revoked"));
    // Others notice nothing.
    assert_eq!(get(&link(&bert)).status, 200);
    assert_eq!(announce(&app, hash, Some(&key_of(&bert))), Ok(1));
    run(&home, &["friend", "rm", "Anna"]);
    assert!(!run(&home, &["friend", "ls"]).contains("Anna"));
    app.stop();
}

/// A friend may be let in to some shares only.
#[test]
fn a_key_for_one_share_is_none_for_another() {
    let home = home();
    make_film(&home, MIB);
    fs::write(home.downloads.join("song.flac"), payload(7, 99_999)).unwrap();
    let app = home.start();
    let film = share_film(&home)["info_hash"].as_str().unwrap().to_owned();
    let song = home.downloads.join("song.flac");
    let song = run_json(&home, &["share", song.to_str().unwrap(), "--hybrid"]);
    assert!(song["info_hash_v2"].is_string());
    run(&home, &["friend", "add", "Anna", "--share", "song.flac"]);
    let invitation = run_json(&home, &["friend", "invite", "Anna", "song.flac"]);
    let key = key_of(&invitation);

    wait_for("our own client is a member", || {
        (announce(&app, song["info_hash"].as_str().unwrap(), Some(&key)) == Ok(1)).then_some(())
    });
    let second = &song["info_hash_v2"].as_str().unwrap()[..40];
    assert_eq!(announce(&app, second, Some(&key)), Ok(1), "the swarm of its v2 hash");
    assert_eq!(announce(&app, &film, Some(&key)), Err("Invalid key".into()));
    assert!(failure(&home.run(&["friend", "invite", "Anna", "film"])).contains("does not let in"));
    app.stop();
}

/// Rule D1: it is all there after a kill.
#[test]
fn d1_shares_friends_and_links_survive_a_kill() {
    let home = home().set("tracker.http.bind", "127.0.0.1:0");
    make_film(&home, MIB);
    let app = home.start();
    let share = share_film(&home);
    let hash = share["info_hash"].as_str().unwrap();
    let (invitation, file) = invite(&home, "Anna", &["--uses", "2"]);
    app.kill();

    let app = home.start();
    let row = app.api.wait_seeding(hash);
    assert_eq!(row["progress"], 1.0);
    assert_eq!(run_json(&home, &["shares"])["shares"][0]["members_only"], true);
    let path = link(&invitation);
    let path = path.split_once("/i/").unwrap().1;
    let torrent = format!("http://{}/i/{path}/torrent", app.tracker_http[0]);
    let taken =
        wait_for("the torrent is handed out", || Some(get(&torrent)).filter(|a| a.status == 200));
    assert_eq!(info_of(&taken.body), info_of(&file));
    assert_eq!(answer_to_handshake(&app, hash), b"", "still for members only");
    wait_for("our own client is a member", || {
        (announce(&app, hash, Some(&key_of(&invitation))) == Ok(1)).then_some(())
    });
    app.stop();
}

/// From the info dictionary on: ports of the announce URLs change with a restart.
fn info_of(file: &[u8]) -> &[u8] {
    let at = file.windows(6).position(|window| window == b"4:info").expect("a torrent");
    &file[at..]
}

#[test]
fn an_invitation_can_be_used_up_and_asking_uses_nothing() {
    let home = home();
    make_film(&home, MIB);
    let app = home.start();
    share_film(&home);
    let (invitation, _) = invite(&home, "Anna", &["--uses", "1"]);
    let torrent = format!("{}/torrent", link(&invitation));
    for _ in 0..3 {
        assert_eq!(ask("HEAD", &torrent).status, 200);
        assert_eq!(get(&link(&invitation)).status, 200);
    }
    assert_eq!(ask("POST", &torrent).status, 405);
    assert_eq!(get(&torrent).status, 200);
    assert_eq!((get(&torrent).status, get(&link(&invitation)).status), (404, 404));
    app.stop();
}

#[test]
fn unsharing_ends_everything_but_the_files() {
    let home = home();
    make_film(&home, MIB);
    let app = home.start();
    let share = share_film(&home);
    let hash = share["info_hash"].as_str().unwrap();
    let (invitation, _) = invite(&home, "Anna", &[]);
    let key = key_of(&invitation);

    run(&home, &["unshare", "film"]);

    assert_eq!(run_json(&home, &["shares"])["total"], 0);
    assert!(!app.api.downloads().contains_key(hash));
    assert_eq!(get(&link(&invitation)).status, 404);
    assert_eq!(announce(&app, hash, Some(&key)), Err("Torrent not authorized".into()));
    assert!(home.downloads.join("film/film.mkv").exists());
    assert!(failure(&home.run(&["unshare", "film"])).contains("there is no share `film`"));

    // Shared anew, and ended by an API that knows nothing of shares.
    let again = share_film(&home);
    assert_eq!(again["info_hash"], hash);
    app.api.remove(hash, false);
    wait_for("it is no share any more", || {
        (announce(&app, hash, Some(&key)) == Err("Torrent not authorized".into())).then_some(())
    });
    assert_eq!(run_json(&home, &["shares"])["total"], 0);
    app.stop();
}

#[test]
fn what_cannot_be_shared_is_refused_in_words() {
    let home = home();
    make_film(&home, MIB);
    let app = home.start();
    fs::create_dir(home.downloads.join("empty")).unwrap();
    let refused = |path: &Path| failure(&home.run(&["share", path.to_str().unwrap()]));
    assert!(refused(Path::new("/etc")).contains("not inside the download roots"));
    assert!(refused(&home.downloads).contains("is a download root itself"));
    assert!(refused(&home.downloads.join("empty")).contains("holds no data"));
    assert!(refused(&home.downloads.join("nothing")).contains("there is no file or folder"));
    assert_eq!(run_json(&home, &["shares"])["total"], 0);
    let first = share_film(&home);
    assert_eq!(share_film(&home)["info_hash"], first["info_hash"], "again is the same");
    fs::write(home.downloads.join("film/new.txt"), "new").unwrap();
    let place = format!("/v1/shares/{}/check", first["info_hash"].as_str().unwrap());
    let checked = app.api.call("POST", &place, &json!({})).json();
    assert_eq!(checked["change"], "`new.txt` is new");
    app.stop();
}
