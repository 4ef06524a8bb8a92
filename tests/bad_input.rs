//! Bad input: each gives the error of the contract or rule, and the process goes on, or ends with
//! the documented exit code.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::http::send_raw;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;

const NOBODY: &str = "0123456789012345678901234567890123456789";

fn send(app: &App<'_>, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let body = (!body.is_empty()).then_some(body.as_bytes());
    Request { method, target, headers, body }.send(&app.api.host).unwrap()
}

/// Rules W3, W4, W8.
#[test]
fn w4_without_the_token_nothing_happens() {
    let home = Home::new();
    let app = home.start();
    let torrent = Recipe::named("a.bin").single(&payload(600, 999));
    let link = json!({ "uri": torrent.magnet() }).to_string();
    let json_type = ("Content-Type", "application/json");

    for (path, is_object) in [("/downloads", false), ("/api/downloads", true)] {
        for headers in [vec![], vec![("X-Api-Key", "")], vec![("X-Api-Key", "wrong")]] {
            let headers = [headers, vec![json_type]].concat();
            let answer = send(&app, "PUT", path, &headers, &link);
            assert_eq!(answer.status, 401, "{}", answer.text());
            let error = &answer.json()["error"];
            let message = if is_object { &error["message"] } else { error };
            assert_eq!(message, "Unauthorized access");
        }
    }

    assert_eq!(app.api.downloads().len(), 0, "an unauthorised call changes nothing");
}

/// Rules W3 and W8: after five guesses the guesser waits, but not whoever has the token.
#[test]
fn w8_guessing_is_slowed_down() {
    let home = Home::new();
    let app = home.start();
    let guess = |number: u32| {
        send(&app, "GET", "/downloads", &[("X-Api-Key", &format!("guess-{number}"))], "")
    };
    let first: Vec<u16> = (0..5).map(|number| guess(number).status).collect();
    assert_eq!(first, [401; 5]);

    let sixth = guess(6);

    assert_eq!(sixth.status, 429);
    assert!(sixth.header("retry-after").is_some());
    assert_eq!(app.api.get("/downloads").status, 200);
}

/// Rule W3: several forms in one request must agree.
#[test]
fn w3_every_form_of_the_token_is_taken_and_must_agree() {
    let home = Home::new();
    let app = home.start();
    let token = app.api.token.as_str();
    let bearer = format!("Bearer {token}");
    let (by_7, by_8) = (format!("/downloads?apikey={token}"), format!("/downloads?key={token}"));
    let cookie = format!("api_key={token}");
    let fine: [(&str, &[(&str, &str)]); 5] = [
        ("/downloads", &[("X-Api-Key", token)]),
        ("/downloads", &[("Authorization", &bearer)]),
        ("/downloads", &[("Cookie", &cookie)]),
        (&by_7, &[]),
        (&by_8, &[]),
    ];
    for (target, headers) in fine {
        assert_eq!(send(&app, "GET", target, headers, "").status, 200, "{headers:?}");
    }
    let differing = send(&app, "GET", &by_7, &[("X-Api-Key", "other")], "");
    assert_eq!(differing.status, 401);
}

/// Rules W5, W6, W7.
#[test]
fn w5_w6_w7_a_browser_that_was_tricked_gets_nowhere() {
    let home = Home::new();
    let app = home.start();
    let token = ("X-Api-Key", app.api.token.as_str());
    let cookie = format!("api_key={}", app.api.token);

    let by_name = send(&app, "GET", "/downloads", &[token, ("Host", "evil.example")], "");
    assert!(matches!(by_name.status, 403 | 421), "{}", by_name.status);
    let foreign = send(&app, "GET", "/downloads", &[token, ("Origin", "http://evil.example")], "");
    assert_eq!(foreign.status, 403);
    let cross = send(&app, "GET", "/downloads", &[token, ("Sec-Fetch-Site", "cross-site")], "");
    assert_eq!(cross.status, 403);
    let form = send(&app, "PUT", "/downloads", &[("Cookie", &cookie)], "{}");
    assert!((400..500).contains(&form.status), "no content type: {}", form.status);
    assert!(form.header("access-control-allow-origin").is_none());
}

/// Section 2 of the contract.
#[test]
fn unknown_and_impossible_hashes_are_told_apart() {
    let home = Home::new();
    let app = home.start();
    for (hash, status) in [(NOBODY, 404), ("abcd", 404), ("abc", 500), ("no-hash", 500)] {
        let answers = [
            app.api.get(&format!("/downloads/{hash}/files")),
            app.api.get(&format!("/downloads/{hash}/torrent")),
            app.api.get(&format!("/downloads/{hash}/stream/0")),
            app.api.call("PATCH", &format!("/downloads/{hash}"), &json!({})),
            app.api.call("DELETE", &format!("/downloads/{hash}"), &json!({ "remove_data": true })),
        ];
        for answer in answers {
            assert_eq!(answer.status, status, "{hash}: {}", answer.text());
            let error = answer.json()["error"].clone();
            match status {
                404 => assert_eq!(error, "this download does not exist"),
                _ => assert_eq!(error["handled"], false, "{error}"),
            }
        }
    }
}

/// Section 2: broken JSON is no reason to stop, whatever it is.
#[test]
fn broken_bodies_are_refused_and_forgotten() {
    let home = Home::new();
    let mut app = home.start();
    let deep = "[".repeat(100_000);
    let bodies = ["{", "nonsense", "[]", "{\"uri\": 5}", "{\"uri\": \"\"}", "\u{0}", deep.as_str()];
    for body in bodies {
        let sent = app.api.try_call("PUT", "/downloads", "application/json", Some(body.as_bytes()));
        let answer = sent.unwrap();
        let shown: String = body.chars().take(20).collect();
        assert!((400..=500).contains(&answer.status), "{shown}: {}", answer.status);
        assert!(!answer.json()["error"].is_null());
    }
    let garbage = app.api.put_file(b"d4:spam4:eggse");
    assert!((400..=500).contains(&garbage.status), "{}", garbage.status);
    app.assert_alive("broken bodies");
    assert_eq!(app.api.downloads().len(), 0);
}

/// The last headers of a request that wants no other after it.
const END: &str = "Host: localhost\r\nConnection: close\r\n\r\n";

/// Rule W9: bytes that are no request at all, and ones that are too large.
#[test]
fn w9_what_is_no_request_is_refused_quickly() {
    let home = Home::new();
    let mut app = home.start();
    let host = app.api.host.clone();
    let long = format!("GET /{} HTTP/1.1\r\n{END}", "a".repeat(100_000));
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\n{many}{END}");
    let query = format!("GET /downloads?{} HTTP/1.1\r\n{END}", "q".repeat(1 << 20));
    let twice = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{END}");
    for bytes in [long, many, query, twice, "\u{16}\u{3}\u{1}\r\n\r\n".into(), "\r\n\r\n".into()] {
        let answer = send_raw(&host, bytes.as_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        let is_refused = text.is_empty() || text.starts_with("HTTP/1.1 4");
        assert!(is_refused, "{}", text.chars().take(80).collect::<String>());
    }
    app.assert_alive("bytes that are no requests");
}

/// Rule W9: a body is counted while it is read, since a chunked one has no length.
#[test]
fn w9_a_body_without_end_is_cut_off() {
    let home = Home::new();
    let mut app = home.start();
    let token = app.api.token.clone();
    let before = app.memory_kib("RssAnon");
    let head = format!(
        "PUT /downloads HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {token}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000)).repeat(32);

    let answer = send_raw(&app.api.host, &[head.as_bytes(), chunk.as_bytes()].concat());

    let text = String::from_utf8_lossy(&answer.unwrap_or_default()).into_owned();
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 413"), "{text}");
    app.assert_alive("32 MiB of chunks");
    let grown = app.memory_kib("RssAnon").saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    let large = vec![b' '; 17 << 20];
    let declared = app.api.try_call("PUT", "/downloads", "application/json", Some(&large));
    // The server may hang up on a body that it does not want.
    assert!(declared.is_err() || declared.is_ok_and(|answer| answer.status == 413));
}

/// Rule W9: slow senders of headers are closed within 10 s.
#[test]
fn w9_a_header_that_never_ends_is_not_waited_for() {
    use std::io::Read as _;
    use std::io::Write as _;
    let home = Home::new();
    let app = home.start();
    let mut sockets: Vec<_> =
        (0..40).map(|_| std::net::TcpStream::connect(&app.api.host).unwrap()).collect();
    for socket in &mut sockets {
        socket.write_all(b"GET /downloads HTTP/1.1\r\nHost: local").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    }
    assert_eq!(app.api.get("/downloads").status, 200, "others are served meanwhile");
    let begin = Instant::now();
    for socket in &mut sockets {
        let mut rest = Vec::new();
        let closed = socket.read_to_end(&mut rest);
        assert!(closed.is_ok() && begin.elapsed() < Duration::from_secs(10), "{closed:?}");
    }
}

/// Section 7: a missing directory is 200 with an error in 7.x, 400 in 8.x.
#[test]
fn a_missing_directory_is_refused_as_each_generation_does() {
    let home = Home::new();
    let app = home.start();
    let content = payload(601, 999);
    fs::write(home.downloads.join("a.bin"), &content).unwrap();
    let hash = app.api.add(&Recipe::named("a.bin").single(&content).file);
    let missing = home.downloads.join("nowhere");
    let body = json!({ "state": "move_storage", "dest_dir": missing });
    let message = format!("Target directory ({}) does not exist", missing.display());

    let seven = app.api.call("PATCH", &format!("/downloads/{hash}"), &body);
    let eight = app.api.call("PATCH", &format!("/api/downloads/{hash}"), &body);

    assert_eq!((seven.status, &seven.json()["error"]), (200, &Value::from(message.as_str())));
    assert_eq!((eight.status, &eight.json()["error"]["message"]), (400, &Value::from(message)));
    assert!(!missing.exists());
}

/// Starts the program with one setting more; its exit code and what it said.
fn refused_start(home: Home) -> (Option<i32>, String) {
    match home.try_start() {
        Ok(_) => panic!("it started"),
        Err((status, log)) => (status.code(), log),
    }
}

#[test]
fn a_setting_that_is_unknown_or_of_the_wrong_kind_is_exit_code_2_and_names_the_key() {
    let cases = [
        ("client.download_dri", "x", "download_dri"),
        ("client.dht", "perhaps", "client.dht"),
        ("api.bind", "nowhere", "api.bind"),
        ("client.settings.conections_limit", "5", "connections_limit"),
        ("client.settings.connections_limit", "many", "connections_limit"),
        ("client.umask", "999", "client.umask"),
        ("client.roots", "/dev/shm/x", "client.roots"),
    ];
    for (key, value, named) in cases {
        let (code, log) = refused_start(Home::new().set(key, value));
        assert_eq!(code, Some(2), "{key}: {log}");
        assert!(log.contains(named), "{key}: {log}");
    }
}

/// Rule D13.
#[test]
fn d13_a_port_in_use_is_exit_code_5_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    for key in ["api.bind", "tracker.http.bind"] {
        let (code, log) = refused_start(Home::new().set(key, &address));

        assert_eq!(code, Some(5), "{log}");
        assert!(log.contains(&address) && log.contains(key), "{log}");
    }
}

/// Rule D13: a peer port in use is a state of the client, not an end.
#[test]
fn d13_a_peer_port_in_use_is_reported_and_no_other_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new().set("client.listen", taken.local_addr().unwrap());

    let app = home.start();

    assert_eq!(app.peer_port, 0, "no silent other port");
    assert!(app.log().contains("not listening"), "{}", app.log());
}

/// Rule D12.
#[test]
fn d12_a_second_process_on_the_state_directory_is_exit_code_4_and_names_the_first() {
    let home = Home::new();
    let app = home.start();
    let begin = Instant::now();

    let second = home.serve_command().output().unwrap();

    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(4), "{said}");
    assert!(said.contains(&app.pid().to_string()), "{said}");
    // Rule D12 says 1 s; starting the process on a busy machine comes on top.
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!(app.api.get("/downloads").status, 200, "the first goes on");
    // The lock is freed by kill -9.
    app.kill();
    home.start().stop();
}

/// Rules D4, D5: a store that is unreadable or newer is refused, named, and left as it is.
#[test]
fn d4_d5_a_store_that_cannot_be_read_is_exit_code_3_and_untouched() {
    let home = Home::new();
    home.start().stop();
    let store = home.state.join("state.db");
    let mut content = fs::read(&store).unwrap();
    // The header of an SQLite file; without it the file is none.
    content[..100].fill(0x5a);
    fs::write(&store, &content).unwrap();
    for left in ["state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(home.state.join(left));
    }

    let (status, log) = home.try_start().err().expect("it does not start");

    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("state.db"), "{log}");
    assert_eq!(fs::read(&store).unwrap(), content, "untouched");
}

/// Rule W2.
#[test]
fn w2_the_token_is_long_random_and_only_its_owners() {
    let (home, other) = (Home::new(), Home::new());
    let (app, _other) = (home.start(), other.start());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.state), 0o700);
    assert_eq!(mode(&home.state.join("api-token")), 0o600);
    assert_eq!(mode(&home.state.join("state.db")), 0o600);
    assert!(home.token().len() >= 43, "256 bits");
    assert_ne!(home.token(), other.token());
    assert!(!app.log().contains(&home.token()), "the log never shows it (W11)");
}

/// Rule W11, at the most talkative level, with tokens in places that are logged elsewhere.
#[test]
fn w11_no_token_reaches_the_log() {
    let home = Home::new().set("log.level", "trace");
    let app = home.start();
    let token = &app.api.token;
    app.api.get(&format!("/downloads?apikey={token}"));
    send(&app, "GET", "/downloads?apikey=wrong-guess", &[], "");
    let log = app.log();
    assert!(!log.contains(token) && !log.contains("wrong-guess"), "{log}");
}

/// Rule W11: the passkey of a tracker stays out of the log.
#[test]
fn w11_a_passkey_never_reaches_the_log() {
    let home = Home::new().set("log.level", "debug");
    let app = home.start();
    let url = "http://127.0.0.1:9/announce?passkey=s3cr3tpasskey";
    let torrent = Recipe::named("a.bin").announce(url).single(&payload(602, 64 * KIB));
    app.api.add(&torrent.file);
    app.api.wait(&torrent.hash, "refused by its tracker", |row| {
        row["trackers"][0]["status"].as_str().is_some_and(|status| status != "Not contacted yet")
    });
    assert!(!app.log().contains("s3cr3tpasskey"), "{}", app.log());
}
