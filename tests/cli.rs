//! The command line against a running server: what it prints and what it ends with.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::common::DEADLINE;
use crate::common::app::BINARY;
use crate::common::app::Home;
use crate::common::peer::Peer;
use crate::common::process::Process;
use crate::common::torrents::KIB;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::many_small;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;
use crate::common::wait_for;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", out(output), said(output));
}

#[track_caller]
fn json_of(output: &Output) -> Value {
    assert_code(output, 0);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", out(output)))
}

#[test]
fn serve_tells_where_everything_is() {
    let home = Home::new();
    let app = home.start();
    for wanted in [
        format!("http://{}", app.api.host),
        home.state.join("api-token").display().to_string(),
        app.peer_port.to_string(),
    ] {
        // Ready is who has written `api.json`, which comes before these lines.
        wait_for(&format!("{wanted} is told"), || app.log().contains(&wanted).then_some(()));
    }
}

#[test]
fn a_torrent_is_added_listed_and_removed() {
    let home = Home::new();
    let content = payload(900, 64 * KIB);
    fs::write(home.downloads.join("film one.bin"), &content).unwrap();
    let torrent = Recipe::named("film one.bin").single(&content);
    let file = torrent.save(home.outer.path());
    let _app = home.start();

    let added = home.run(&["add", "--wait", file.to_str().unwrap()]);
    assert_code(&added, 0);
    assert!(out(&added).contains(&torrent.hash), "{}", out(&added));

    let listed = home.run(&["ls"]);
    assert_code(&listed, 0);
    assert!(out(&listed).contains("film one.bin"), "{}", out(&listed));

    let removed = home.run(&["rm", "--data", "film one.bin"]);
    assert_code(&removed, 0);
    assert!(!home.downloads.join("film one.bin").exists());
    assert!(!out(&home.run(&["ls"])).contains("film one.bin"));
}

/// Issue 4, point 8: labels by the command line.
#[test]
fn a_torrent_is_added_with_labels() {
    let home = Home::new();
    let torrents = many_small(home.outer.path(), 2, 90);
    let app = home.start();
    let file = torrents[0].save(home.outer.path());
    let file = file.to_str().unwrap();
    let magnet = torrents[1].magnet();
    for source in [file, &magnet] {
        let labels = ["--category", "film", "--tag", "b,a", "--tag", "c"];
        let added = home.run(&[&["add", source][..], &labels].concat());
        assert_code(&added, 0);
    }
    let listed = app.api.get("/v1/torrents?filter=category+=+film+and+tags+contains+c").json();
    assert_eq!(listed["total"], 2);
    assert_eq!(listed["torrents"][0]["tags"], json!(["a", "b", "c"]));
    let refused = home.run(&["add", "--category", "a\nb", file]);
    assert_code(&refused, 0);
    assert_code(&home.run(&["rm", &torrents[0].hash]), 0);
    let refused = home.run(&["add", "--category", "a\nb", file]);
    assert_code(&refused, 1);
    assert!(said(&refused).contains("category"), "{}", said(&refused));
}

#[test]
fn programs_get_json() {
    let home = Home::new();
    let torrent = Recipe::named("a.bin").single(&payload(901, 64 * KIB));
    let magnet = torrent.magnet();
    let _app = home.start();

    let added = json_of(&home.run(&["--json", "add", &magnet]));
    assert_eq!(added["added"], json!([{ "source": magnet, "infohash": torrent.hash }]));
    let listed = json_of(&home.run(&["ls", "--json"]));
    assert_eq!(listed["torrents"][0]["info_hash"], json!(torrent.hash));
    let removed = json_of(&home.run(&["rm", "--json", &torrent.hash]));
    assert_eq!(removed["removed"][0]["infohash"], json!(torrent.hash));
}

#[test]
fn add_can_wait_for_the_end_of_a_download() {
    let Some(mut peer) = Peer::start("add --wait") else { return };
    let (home, there, tracker) = (Home::new(), tempfile::tempdir().unwrap(), Tracker::start());
    let content = payload(902, 4 * MIB);
    fs::write(there.path().join("a.bin"), &content).unwrap();
    let torrent = Recipe::named("a.bin").announce(&tracker.url).single(&content);
    peer.seed(&torrent, there.path(), 2 * MIB as u64);
    tracker.give(peer.port);
    let file = torrent.save(home.outer.path());
    let dest = home.downloads.join("films");
    let _app = home.start();

    let added =
        home.run(&["add", "--wait", "--dest", dest.to_str().unwrap(), file.to_str().unwrap()]);

    assert_code(&added, 0);
    assert!(fs::read(dest.join("a.bin")).unwrap() == content, "it is there when the command ends");
}

#[test]
fn add_selects_files_of_a_torrent_file() {
    let home = Home::new();
    let files = [("a.bin", payload(903, 64 * KIB)), ("b.bin", payload(904, 64 * KIB))];
    let torrent = Recipe::named("pair").folder(&files);
    let file = torrent.save(home.outer.path());
    let app = home.start();

    assert_code(&home.run(&["add", "--files", "1", file.to_str().unwrap()]), 0);

    let listed = app.api.get(&format!("/downloads/{}/files", torrent.hash)).json();
    let included = [0, 1].map(|at| listed["files"][at]["included"].clone());
    assert_eq!(included, [json!(false), json!(true)], "{listed}");
}

#[test]
fn config_shows_every_value_with_its_source_and_no_secret() {
    let home = Home::new();
    fs::create_dir(&home.state).unwrap();
    fs::write(home.state.join("cove.toml"), "[client]\ndht = false\n").unwrap();
    let mut command = home.command(&["config", "--json", "--set", "client.lsd=false"]);
    command.env("COVE_API__TOKEN", "hush-hush").env("COVE_CLIENT__UPNP", "false");

    let shown = json_of(&command.output().unwrap());

    assert!(!shown.to_string().contains("hush-hush"), "secrets are masked: {shown}");
    let source = |key: &str| shown[key]["source"].as_str().unwrap_or_default().to_owned();
    assert!(source("client.dht").contains("cove.toml"), "{shown}");
    assert!(source("client.upnp").contains("COVE_CLIENT__UPNP"));
    assert!(source("client.lsd").contains("--set"));
    assert!(source("client.natpmp").contains("default"));
    assert_eq!(shown["client.dht"]["value"], false);
    assert!(out(&home.run(&["config"])).contains("api.bind"));
}

#[test]
fn every_failure_has_its_exit_code() {
    let home = Home::new();
    assert_code(&home.run(&["no-such-command"]), 2);
    assert_code(&home.run(&["ls", "--set", "client.nonsense=1"]), 2);
    assert_code(&home.run(&["ls"]), 6);
    let app = home.start();
    assert_code(&home.run(&["rm", "no such torrent"]), 8);
    assert_code(&home.run(&["add", "magnet:?xt=urn:btih:nonsense"]), 1);
    assert_code(&home.run(&["add", "/no/such/file.torrent"]), 1);
    let mut wrong = home.command(&["ls"]);
    wrong.env("COVE_API__TOKEN", "wrong");
    assert_code(&wrong.output().unwrap(), 7);
    app.kill();
    // Its address file is still there, but nobody holds the state directory.
    assert_code(&home.run(&["ls"]), 6);
}

/// Rule W8: also when the server no longer looks at the token; the right one still works.
#[test]
fn a_refused_token_ends_with_7_however_often_it_is_tried() {
    let home = Home::new();
    let _app = home.start();
    let mut wrong = home.command(&["ls"]);
    wrong.env("COVE_API__TOKEN", "wrong");

    let tries: Vec<Output> = (0..7).map(|_| wrong.output().unwrap()).collect();

    tries.iter().for_each(|output| assert_code(output, 7));
    assert!(!said(&tries[0]).contains("wait"), "{}", said(&tries[0]));
    let last = said(&tries[6]);
    let wait = last.split("wait ").nth(1).and_then(|rest| rest.split(" s ").next());
    let seconds: u32 = wait.unwrap_or_default().parse().unwrap_or_else(|_| panic!("{last}"));
    assert!((1..=60).contains(&seconds), "{last}");
    assert_code(&home.run(&["ls"]), 0);
}

/// The address and token of a server on another state directory come from the environment.
#[test]
fn another_server_is_reached_by_its_address_and_token() {
    let (home, elsewhere) = (Home::new(), Home::new());
    let app = home.start();
    let mut command = elsewhere.command(&["ls", "--json"]);
    command.env("COVE_API__BIND", &app.api.host).env("COVE_API__TOKEN", &app.api.token);

    let listed = json_of(&command.output().unwrap());

    assert_eq!(listed["torrents"], json!([]));
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let home = Home::new();
    let _app = home.start();
    let added = home.run(&["token", "add", "ci", "--scope", "read,tracker", "--days", "2"]);
    assert_code(&added, 0);
    let secret = out(&added).trim().to_owned();
    assert_eq!(secret.len(), 64, "it is all that is printed");
    let with_secret = |arguments: &[&str]| {
        home.command(arguments).env("COVE_API__TOKEN", &secret).output().unwrap()
    };

    assert_code(&with_secret(&["ls"]), 0);
    let forbidden = with_secret(&["token", "ls"]);
    assert_code(&forbidden, 1);
    assert!(said(&forbidden).contains("`admin`"), "{}", said(&forbidden));
    let listed = out(&home.run(&["token", "ls"]));
    assert!(listed.contains("read tracker") && listed.contains("  in "), "{listed}");
    assert!(!listed.contains(&secret));
    let json = json_of(&home.run(&["token", "ls", "--json"]));
    let ci = &json["tokens"][1];
    assert_eq!(ci["name"], "ci");
    let time = |name: &str| ci[name].as_i64().unwrap();
    assert_eq!(time("expires_at") - time("created_at"), 2 * 86_400);

    assert_code(&home.run(&["token", "add", "ci"]), 1);
    assert_code(&home.run(&["token", "add", "x", "--scope", "root"]), 2);
    assert_code(&home.run(&["token", "rm", "ci", "nobody"]), 8);
    assert_code(&with_secret(&["ls"]), 0);
    let first = home.run(&["token", "rm", "first"]);
    assert_code(&first, 1);
    assert!(said(&first).contains("`api-token`"), "{}", said(&first));
    let removed = home.run(&["token", "rm", "ci"]);
    assert_code(&removed, 0);
    assert_code(&with_secret(&["ls"]), 7);
}

#[test]
fn shells_get_their_completions() {
    let home = Home::new();
    for (shell, word) in
        [("bash", "complete"), ("zsh", "#compdef cove"), ("fish", "complete -c cove")]
    {
        let mut command = std::process::Command::new(crate::common::app::BINARY);
        let output = command.args(["completions", shell]).output().unwrap();
        assert_code(&output, 0);
        assert!(out(&output).contains(word), "{shell}");
    }
    drop(home);
}

/// Issue 4, point 8.
#[test]
fn lists_are_filtered_and_sorted_by_the_server() {
    let home = Home::new();
    let torrents = many_small(&home.downloads, 3, 70);
    let app = home.start();
    app.api.add_many(&torrents);
    let listed = home.run(&["ls", "--filter", "not name contains '1.bin'", "--sort", "-name"]);
    assert_code(&listed, 0);
    let text = out(&listed);
    let names: Vec<&str> =
        text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["small-00002.bin", "small-00000.bin"]);
    let page = json_of(&home.run(&["ls", "--limit", "1", "--json"]));
    assert_eq!((&page["total"], page["torrents"].as_array().unwrap().len()), (&json!(3), 1));
    let wrong = home.run(&["ls", "--filter", "is:sleeping"]);
    assert_code(&wrong, 1);
    assert!(said(&wrong).contains("at character 3"), "{}", said(&wrong));
    let peers = home.run(&["peers", &torrents[0].hash]);
    assert_code(&peers, 0);
    assert!(out(&peers).starts_with("peer"), "{}", out(&peers));
    assert_code(&home.run(&["peers", &"0".repeat(40)]), 8);
}

#[test]
fn the_tracker_is_looked_after() {
    let home = Home::new().set("tracker.mode", "private_listed");
    let _app = home.start();
    let hash = "ab".repeat(20);
    let made = home.run(&["key", "add", "--valid-for", "60"]);
    assert_code(&made, 0);
    let key = out(&made).trim().to_owned();
    assert_eq!(key.len(), 32);
    let listed = out(&home.run(&["key", "ls"]));
    assert!(listed.contains(&key[..4]) && !listed.contains(&key), "rule F11: {listed}");
    assert_code(&home.run(&["key", "rm", &key]), 0);
    assert_code(&home.run(&["key", "rm", &key]), 8);

    assert_code(&home.run(&["whitelist", "add", &hash]), 0);
    assert_eq!(out(&home.run(&["whitelist", "ls"])).trim(), hash);
    assert_code(&home.run(&["swarm", &hash]), 8);
    assert_code(&home.run(&["whitelist", "rm", &hash]), 0);
    assert_code(&home.run(&["whitelist", "rm", &hash]), 8);
    assert_eq!(out(&home.run(&["whitelist", "ls"])), "");
}

/// Issue 4, point 8.
#[test]
fn figures_and_events_are_printed() {
    let home = Home::new();
    let torrents = many_small(&home.downloads, 2, 80);
    let app = home.start();
    app.api.add_many(&torrents);
    let stats = home.run(&["stats"]);
    assert_code(&stats, 0);
    let text = out(&stats);
    let version = format!("cove {}, up ", env!("CARGO_PKG_VERSION"));
    assert!(text.starts_with(&version), "{text}");
    for words in ["torrents 2: ", "tracker 0 swarms", "announces", "refused 0, malformed 0"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let stats = json_of(&home.run(&["stats", "--json"]));
    assert_eq!(stats["client"]["torrents"], 2);

    let first = home.run(&["events", "--count", "1"]);
    assert_code(&first, 0);
    let text = out(&first);
    assert!(text.starts_with("snapshot {"), "{text}");
    assert_eq!(text.lines().count(), 1);
    let first = json_of(&home.run(&["events", "--count", "1", "--json"]));
    assert_eq!((&first["event"], &first["data"]["parts"]), (&json!("snapshot"), &json!(1)));
    assert_eq!(first["data"]["torrents"].as_array().unwrap().len(), 2);

    // What changes while it runs, until it is told to stop.
    let mut command = home.command(&["events", "--json"]);
    let mut follower = Process(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["event"], "snapshot");
    let hash = &torrents[0].hash;
    assert_code(&home.run(&["rm", hash]), 0);
    while next()["data"]["torrents_gone"] != json!([hash]) {}
    assert_eq!(follower.ended(), None);
    app.stop();
    let last = std::iter::from_fn(|| Some(next())).find(|event| event["event"] == "end").unwrap();
    assert_eq!(last["data"], json!({"reason": "stopping"}));
    let status = follower.wait(DEADLINE, "the events end with the server");
    assert_eq!(status.code(), Some(0));
    assert_code(&home.run(&["stats"]), 6);
}

/// Issue 4, point 8.
#[test]
fn settings_are_shown_changed_and_taken_back() {
    const KEY: &str = "client.limits.upload_bytes_per_s";
    let home = Home::new().set("client.limits.uploads", 3);
    let _app = home.start();
    let shown = |key: &str| {
        let output = home.run(&["settings", "get", key]);
        assert_code(&output, 0);
        out(&output).trim_end().to_owned()
    };
    assert_eq!(shown(KEY), "0");
    let set =
        home.run(&["settings", "set", "client.settings.user_agent=me", &format!("{KEY}=5000")]);
    assert_code(&set, 0);
    assert!(out(&set).contains("5000"), "{}", out(&set));
    assert_eq!(shown(KEY), "5000");
    assert_eq!(json_of(&home.run(&["settings", "get", KEY, "--json"]))["source"], "changed");
    let text = out(&home.run(&["settings", "ls", "--changeable"]));
    let row = text.lines().find(|line| line.starts_with(KEY)).unwrap();
    assert!(row.contains("5000") && row.contains("changed while running"), "{row}");
    assert!(!text.contains("api.bind") && !text.contains("client.limits.uploads "), "{text}");
    assert!(out(&home.run(&["settings", "ls"])).contains("api.bind"));
    assert_code(&home.run(&["settings", "reset", KEY, "client.settings.user_agent"]), 0);
    assert_eq!(shown(KEY), "0");

    for (arguments, code, words) in [
        (&["set", "client.limits.uplod=5"][..], 1, "client.limits.uplod"),
        (&["set", "client.limits.upload_bytes_per_s=many"], 1, "whole number"),
        (&["set", "client.limits.upload_bytes_per_s"], 2, "KEY=VALUE"),
        (&["set", "api.limits.max_headers=70"], 1, "read at the start"),
        (&["set", "client.limits.uploads=4"], 1, "--set"),
        (&["set", "tracker.mode=open", "client.limits.upload_bytes_per_s=7"], 1, "mode"),
        (&["set"], 2, "KEY=VALUE"),
        (&["get", "no.such.key"], 8, "no.such.key"),
        (&["reset", "no.such.key"], 8, "no.such.key"),
        (&["reset", "client.limits.uploads"], 1, "--set"),
    ] {
        let refused = home.run(&[&["settings"], arguments].concat());
        assert_code(&refused, code);
        assert!(said(&refused).contains(words), "{arguments:?}: {}", said(&refused));
    }
    assert_eq!(shown(KEY), "0", "all or none");
}

/// Flags stand before, between and after the words of a command.
#[test]
fn the_state_directory_is_named_anywhere() {
    let home = Home::new();
    let _app = home.start();
    let state = home.state.to_str().unwrap();
    for arguments in [
        &["--state-dir", state, "settings", "ls"][..],
        &["settings", "--state-dir", state, "ls"],
        &["settings", "ls", "--state-dir", state],
        &["key", "--state-dir", state, "ls"],
        &["token", "ls", "--state-dir", state],
        &["--set", "api.token=wrong", "ls", "--state-dir", state, "--set", "api.token="],
    ] {
        let mut command = std::process::Command::new(BINARY);
        let output = command.args(arguments).env_clear().output().unwrap();
        assert_code(&output, 0);
    }
}
