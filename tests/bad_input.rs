//! Wrong calls and wrong starts: each gets its error, and the process goes on or ends as told.

use std::process::Output;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::call;
use crate::common::app::serve_command;
use crate::common::is_root;

const UNKNOWN: &str = "0123456789012345678901234567890123456789";

/// Rule W4: without the right token nothing happens, on any route.
#[test]
fn without_the_token_nothing_happens() {
    let app = App::start();
    let magnet = json!({"uri": format!("magnet:?xt=urn:btih:{UNKNOWN}")}).to_string();
    let routes = [
        ("GET", "/downloads".to_owned()),
        ("PUT", "/downloads".to_owned()),
        ("DELETE", format!("/downloads/{UNKNOWN}")),
        ("PATCH", format!("/downloads/{UNKNOWN}")),
        ("GET", format!("/downloads/{UNKNOWN}/files")),
        ("GET", format!("/downloads/{UNKNOWN}/torrent")),
        ("GET", format!("/downloads/{UNKNOWN}/stream/0")),
    ];
    for prefix in ["", "/api"] {
        for (method, route) in &routes {
            let body = (*method != "GET").then(|| magnet.clone().into_bytes());
            let url = format!("{}{prefix}{route}", app.url);
            let none = call(&url, method, body, &[]);
            assert_eq!(none.status, 401, "{method} {prefix}{route}");
            let told = none.json();
            let text = if prefix.is_empty() { &told["error"] } else { &told["error"]["message"] };
            assert_eq!(text, "Unauthorized access");
        }
    }
    assert!(app.rows("").is_empty());
}

/// Rules W3, W8: every form is checked, two that differ are refused, guessing is stopped.
#[test]
fn every_form_of_the_token_is_judged() {
    let app = App::start();
    let url = format!("{}/downloads", app.url);
    let token = app.token.as_str();
    for query in ["apikey", "key"] {
        assert_eq!(call(&format!("{url}?{query}={token}"), "GET", None, &[]).status, 200);
    }
    let cookie = format!("api_key={token}");
    assert_eq!(call(&url, "GET", None, &[("cookie", &cookie)]).status, 200);
    let both = format!("{url}?apikey={token}");
    assert_eq!(call(&both, "GET", None, &[("x-api-key", "other")]).status, 401);
    for _ in 0..10 {
        call(&format!("{url}?apikey=guess"), "GET", None, &[]);
    }
    let stopped = call(&format!("{url}?apikey=guess"), "GET", None, &[]);
    assert_eq!(stopped.status, 429);
    assert!(stopped.header("retry-after").is_some());
    assert_eq!(app.get("/downloads").status, 200);
}

#[test]
fn wrong_calls_get_the_answers_of_the_contract() {
    let app = App::start();
    let path = |rest: &str| format!("/api/downloads/{rest}");
    let unknown = app.patch(&path(UNKNOWN), &json!({"state": "stop"}));
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["error"]["message"], "this download does not exist");
    let old = app.patch(&format!("/downloads/{UNKNOWN}"), &json!({"state": "stop"}));
    assert_eq!(old.json(), json!({"error": "this download does not exist"}));
    let no_hash = app.patch(&path("no-hash"), &json!({"state": "stop"}));
    assert!(no_hash.status >= 400 && no_hash.json()["error"]["message"].is_string());
    let broken = app.call("PUT", "/api/downloads", Some(b"{\"uri\"".to_vec()));
    assert!(broken.status >= 400 && broken.json()["error"].is_object(), "{}", broken.text());
    let missing = app.put("/api/downloads", &json!({}));
    assert_eq!(
        (missing.status, &missing.json()["error"]["message"]),
        (400, &json!("uri parameter missing"))
    );
    let hops = json!({"uri": format!("magnet:?xt=urn:btih:{UNKNOWN}"), "anon_hops": 1,
        "safe_seeding": true});
    let hops = app.put("/api/downloads", &hops);
    assert!(hops.status >= 400 && hops.text().contains("hops"), "{}", hops.text());
    let remove = app.delete(&path(UNKNOWN), &json!({}));
    assert_eq!(
        (remove.status, &remove.json()["error"]["message"]),
        (400, &json!("remove_data parameter missing"))
    );
    assert_eq!(app.get("/nope").json()["error"]["message"], "Could not find /nope");
    assert_eq!(app.get("/downloads/").status, 404);
    let large = app.call("PUT", "/api/downloads", Some(vec![b' '; 2 << 20]));
    assert_eq!(large.status, 413);
    assert!(app.rows("").is_empty());
}

fn ended(home: &std::path::Path, options: &[&str]) -> Output {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    serve_command(home, &options).output().unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_configuration_ends_with_two_and_names_the_key() {
    let home = tempfile::tempdir().unwrap();
    for (option, hint) in [
        ("client.dhtt=true", "client.dht"),
        ("client.settings.conections_limit=5", "connections_limit"),
        ("client.settings.enable_dht=3", "enable_dht"),
        ("api.bind=nowhere", "api.bind"),
        ("client.umask=999", "client.umask"),
        ("client.roots=/dev/shm/x", "client.roots"),
    ] {
        let output = ended(home.path(), &[option]);
        let text = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{option}: {text}");
        assert!(text.contains(hint), "{option}: {text}");
    }
}

/// Rule D13.
#[test]
fn a_port_in_use_ends_with_five_and_names_the_listener() {
    let app = App::start();
    let address = app.url.strip_prefix("http://").unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = ended(home.path(), &[&format!("api.bind={address}")]);
    assert_eq!(output.status.code(), Some(5), "{}", complaint(&output));
    assert!(complaint(&output).contains(address), "{}", complaint(&output));
}

/// Rule D13: a peer port that is taken is an error to be seen, and no other port is taken quietly.
#[test]
fn a_peer_port_in_use_is_told() {
    let app = App::start();
    let second = App::start_with(&[&format!("client.listen=127.0.0.1:{}", app.peer_port)]);
    assert_eq!(second.peer_port, 0);
    assert!(second.log().contains("cannot listen for peers"), "{}", second.log());
    assert_eq!(second.get("/downloads").status, 200);
}

/// Rule D12.
#[test]
fn a_second_process_ends_with_four_and_names_the_first() {
    let app = App::start();
    let begin = Instant::now();
    let output = ended(app.home.path(), &[]);
    assert_eq!(output.status.code(), Some(4), "{}", complaint(&output));
    assert!(begin.elapsed().as_secs() < 5);
    let pid = app.child.id().to_string();
    assert!(complaint(&output).contains(&pid), "{}", complaint(&output));
    let app = app.kill_and_restart();
    assert_eq!(app.get("/downloads").status, 200);
}

/// Rules D4, D5: exit code 3, and the file is as it was.
#[test]
fn a_store_that_cannot_be_read_ends_with_three() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let file = state.join("state.db");
    std::fs::write(&file, vec![7; 5000]).unwrap();
    let output = ended(home.path(), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", complaint(&output));
    assert!(complaint(&output).contains("state.db"), "{}", complaint(&output));
    assert_eq!(std::fs::read(&file).unwrap(), vec![7; 5000]);
}

/// Rule W11: what is logged and shown never holds the token.
#[test]
fn the_token_is_in_no_log() {
    let app = App::start_with(&["log.level=trace"]);
    app.get(&format!("/downloads?apikey={}", app.token));
    call(&format!("{}/downloads?apikey=wrong-guess", app.url), "GET", None, &[]);
    let log = app.log();
    assert!(!log.contains(&app.token) && !log.contains("wrong-guess"), "{log}");
    let shown = app.cove(&["config"]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains(&app.token));
}

/// Rule D7: a full state disk refuses what cannot be kept, keeps what is there, and recovers.
#[test]
fn a_full_state_disk_refuses_and_recovers() {
    if !is_root("a_full_state_disk_refuses_and_recovers") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        std::process::Command::new(program).args(arguments).status().is_ok_and(|s| s.success())
    };
    let at = state.to_str().unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", at]) {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let app = App::start_in(std::sync::Arc::new(home), Vec::new());
        let first = json!({"uri": format!("magnet:?xt=urn:btih:{UNKNOWN}")});
        assert_eq!(app.put("/api/downloads", &first).status, 200);
        let filler = app.path("state/filler");
        let mut size = 2 << 20;
        while size > 0 {
            let old = std::fs::read(&filler).map_or(0, |bytes| bytes.len());
            if std::fs::write(&filler, vec![0; old + size]).is_err() {
                size /= 2;
            }
        }
        let mut refused = Value::Null;
        for number in 1..2000 {
            let uri = format!("magnet:?xt=urn:btih:{number:040}&dn={}", "n".repeat(200));
            let answer = app.put("/api/downloads", &json!({"uri": uri}));
            if answer.status != 200 {
                assert_eq!(answer.status, 507, "{}", answer.text());
                refused = answer.json();
                break;
            }
        }
        assert!(refused["error"]["message"].as_str().unwrap().contains("space"), "{refused}");
        assert_eq!(app.get("/downloads").status, 200);
        std::fs::remove_file(&filler).unwrap();
        let uri = "magnet:?xt=urn:btih:ffffffffffffffffffffffffffffffffffffffff";
        assert_eq!(app.put("/api/downloads", &json!({"uri": uri})).status, 200);
        let app = app.kill_and_restart();
        assert!(app.row(UNKNOWN).is_some());
    });
    run("umount", &["-l", at]);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
