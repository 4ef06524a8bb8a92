//! The rest of Tribler's API, beside its downloads, in both generations: word for word in
//! `tests/golden/tribler/rest-7` and `rest-8`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::bencode::Value;
use crate::common::bencode::decode;
use crate::common::bencode::text as text_of;
use crate::common::golden::Asked;
use crate::common::golden::Golden;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;

/// A home with a torrent in its import directory and its payload below the download root.
struct House {
    home: Home,
    torrent: Torrent,
    imports: PathBuf,
}

impl House {
    fn new() -> Self {
        let home = Home::new();
        let imports = home.outer.path().join("imports");
        let files = [("film.mkv", payload(1, 70 * KIB)), ("extra/notes.txt", payload(2, KIB))];
        for (name, content) in &files {
            let path = home.downloads.join("Rest").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        fs::create_dir(&imports).unwrap();
        let torrent = Recipe::named("Rest").announce("udp://tracker.example:6969").folder(&files);
        fs::write(imports.join("rest.torrent"), &torrent.file).unwrap();
        let home = home.set("client.import_dirs", imports.display());
        // Nobody is in the swarms that are asked here.
        let home = home.set("client.metadata_timeout_s", 1);
        Self { home, torrent, imports }
    }

    fn golden(&self, generation: &str) -> Golden {
        Golden::of(&format!("tribler/rest-{generation}"))
            .volatile(&["db_size", "version"])
            .hide(self.home.downloads.display().to_string(), "{downloads}")
            .hide(self.imports.display().to_string(), "{imports}")
    }
}

fn call(app: &App<'_>, method: &str, target: &str, body: &[u8], kind: &str) -> Answer {
    let mut headers = vec![("X-Api-Key", app.api.token.clone())];
    headers.extend((!kind.is_empty()).then(|| ("Content-Type", kind.to_owned())));
    let body = (!kind.is_empty()).then_some(body);
    Request { method, target, headers, body }.send(&app.api.host).unwrap()
}

/// Calls without a body, each compared with its file.
fn check_all(golden: &mut Golden, app: &App<'_>, calls: &[(&str, &str, String)]) {
    for (name, method, target) in calls {
        let answer = call(app, method, target, b"", "");
        golden.check(name, &Asked { method, target, body: "" }, &answer);
    }
}

#[test]
fn generation_7_answers_as_tribler_7_does() {
    let house = House::new();
    let app = house.home.start();
    let mut golden = house.golden("7");
    check_all(&mut golden, &app, &of_both(&house, ""));
    app.api.add(&house.torrent.file);
    app.api.wait_seeding(&house.torrent.hash);
    let ours = format!("/torrentinfo?uri={}", house.torrent.magnet());
    check_all(&mut golden, &app, &[("torrentinfo-ours", "GET", ours)]);
    let missing = [
        ("files-are-later", "GET", "/files/browse"),
        ("deeper", "GET", "/api/torrentinfo/x"),
        ("slash", "GET", "/statistics/"),
        ("unknown", "GET", "/statistics/x"),
        ("info-is-later", "GET", "/events/info"),
        ("dryrun-is-later", "POST", "/createtorrent/dryrun"),
        ("dirspace-is-later", "PUT", "/statistics/dirspace"),
    ];
    check_all(&mut golden, &app, &missing.map(|(name, method, path)| (name, method, path.into())));
    golden.finish();
}

#[test]
fn generation_8_answers_as_tribler_8_does() {
    let house = House::new();
    let app = house.home.start();
    let mut golden = house.golden("8");
    check_all(&mut golden, &app, &of_both(&house, "/api"));
    let root = house.home.downloads.display();
    check_all(
        &mut golden,
        &app,
        &[
            ("browse-top", "GET", "/api/files/browse".into()),
            ("browse-slash", "GET", "/api/files/browse?path=/&files=1".into()),
            ("browse-root", "GET", format!("/api/files/browse?path={root}")),
            ("browse-files", "GET", format!("/api/files/browse?path={root}/Rest&files=1")),
            ("browse-missing", "GET", format!("/api/files/browse?path={root}/Rest/no/such")),
            ("browse-outside", "GET", "/api/files/browse?path=/etc".into()),
            ("browse-dots", "GET", format!("/api/files/browse?path={root}/../state")),
            ("browse-post", "POST", "/api/files/browse".into()),
            ("list-all", "GET", format!("/api/files/list?path={root}/Rest")),
            ("list-here", "GET", format!("/api/files/list?path={root}/Rest&recursively=0")),
            ("list-missing", "GET", format!("/api/files/list?path={root}/no")),
            ("list-outside", "GET", "/api/files/list?path=/etc".into()),
            ("events-info", "GET", "/api/events/info".into()),
            ("events-info-post", "POST", "/api/events/info".into()),
            ("dryrun-get", "GET", "/api/createtorrent/dryrun".into()),
            ("dirspace-get", "GET", "/api/statistics/dirspace".into()),
        ],
    );
    check_torrent_infos(&mut golden, &app, &house);
    golden.finish();
}

/// What 8.x says of torrents in bodies.
fn check_torrent_infos(golden: &mut Golden, app: &App<'_>, house: &House) {
    let magnet = "magnet:?xt=urn:btih:0000000000000000000000000000000000000001";
    let bodies: [(&str, &str, &str, &[u8], &str); 6] = [
        ("info-uri-empty", "POST", "/api/torrentinfo/uri", b"{}", "application/json"),
        ("info-uri-broken", "POST", "/api/torrentinfo/uri", b"{", "application/json"),
        (
            "info-uri-magnet",
            "POST",
            "/api/torrentinfo/uri",
            &format!("{{\"uri\": \"{magnet}\"}}").into_bytes(),
            "application/json",
        ),
        (
            "info-uri-skipmagnet",
            "POST",
            "/api/torrentinfo/uri",
            &format!("{{\"uri\": \"{magnet}\", \"skipmagnet\": true}}").into_bytes(),
            "application/json",
        ),
        (
            "info-file",
            "PUT",
            "/api/torrentinfo/file",
            &house.torrent.file,
            "application/x-bittorrent",
        ),
        ("info-file-corrupt", "PUT", "/api/torrentinfo/file", b"d4:infode", "text/plain"),
    ];
    for (name, method, target, body, kind) in bodies {
        let answer = call(app, method, target, body, kind);
        let shown = match std::str::from_utf8(body) {
            Ok(text) if kind == "application/json" => text.to_owned(),
            _ => format!("{kind}, {} bytes", body.len()),
        };
        golden.check(name, &Asked { method, target, body: &shown }, &answer);
    }
}

/// What both generations have, below their prefix.
fn of_both(house: &House, prefix: &str) -> Vec<(&'static str, &'static str, String)> {
    let info = |query: &str| format!("{prefix}/torrentinfo{query}");
    let unknown = "magnet:?xt=urn:btih:0000000000000000000000000000000000000001";
    let file = format!("?uri=file://{}", house.imports.join("rest.torrent").display());
    vec![
        ("statistics-tribler", "GET", format!("{prefix}/statistics/tribler")),
        ("statistics-ipv8", "GET", format!("{prefix}/statistics/ipv8")),
        ("statistics-head", "HEAD", format!("{prefix}/statistics/ipv8")),
        ("statistics-post", "POST", format!("{prefix}/statistics/ipv8")),
        ("torrentinfo-no-uri", "GET", info("")),
        ("torrentinfo-empty-uri", "GET", info("?uri=")),
        ("torrentinfo-bad-hops", "GET", info("?hops=x")),
        ("torrentinfo-hops", "GET", info(&format!("?hops=1&uri={unknown}"))),
        ("torrentinfo-invalid-uri", "GET", info("?uri=ftp://example.org/a.torrent")),
        ("torrentinfo-no-hash", "GET", info("?uri=magnet:?dn=nothing")),
        ("torrentinfo-unknown", "GET", info(&format!("?uri={unknown}"))),
        ("torrentinfo-private-address", "GET", info("?uri=http://127.0.0.1:9/a.torrent")),
        ("torrentinfo-outside", "GET", info("?uri=file:///etc/passwd")),
        ("torrentinfo-file", "GET", info(&file)),
        ("torrentinfo-by-its-documents-name", "GET", info(&file.replace("uri=", "torrent="))),
        ("torrentinfo-delete", "DELETE", info("")),
        ("shutdown-get", "GET", format!("{prefix}/shutdown")),
        ("libtorrent-settings-hops", "GET", format!("{prefix}/libtorrent/settings?hop=1")),
        ("libtorrent-session-hops", "GET", format!("{prefix}/libtorrent/session?hop=1")),
        ("libtorrent-no-number", "GET", format!("{prefix}/libtorrent/session?hop=x")),
        ("libtorrent-post", "POST", format!("{prefix}/libtorrent/settings")),
        ("libtorrent-unknown", "GET", format!("{prefix}/libtorrent/x")),
        ("events-head", "HEAD", format!("{prefix}/events")),
        ("events-post", "POST", format!("{prefix}/events")),
        ("settings-put", "PUT", format!("{prefix}/settings")),
        ("settings-no-body", "POST", format!("{prefix}/settings")),
        ("settings-deeper", "GET", format!("{prefix}/settings/x")),
    ]
}

/// Section 11: the hex digits are JSON with the members of the torrent file.
#[test]
fn metainfo_is_the_torrent_file_as_json() {
    let house = House::new();
    let app = house.home.start();
    let kind = "application/x-bittorrent";
    let answer = call(&app, "PUT", "/api/torrentinfo/file", &house.torrent.file, kind).json();
    let digits = answer["metainfo"].as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let text: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["announce"], "udp://tracker.example:6969");
    assert_eq!(json["info"]["name"], "Rest");
    assert_eq!(json["info"]["files"][0]["length"], 70 * KIB);
    let pieces = json["info"]["pieces"].as_str().unwrap();
    let pieces: Vec<u8> = pieces.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(pieces, house.torrent.pieces.concat());
}

/// Section 11: the parameters are judged and nothing is made.
#[test]
fn a_dry_run_says_whether_something_could_be_written() {
    let house = House::new();
    let app = house.home.start();
    let root = house.home.downloads.display().to_string();
    let mut golden = house.golden("dryrun");
    for (name, body) in [
        ("new", json!({"name": "new", "export_dir": root})),
        ("new-directory", json!({"name": "new", "export_dir": format!("{root}/a/b")})),
        ("download-directory", json!({"name": "new"})),
        ("taken", json!({"name": "Rest", "export_dir": root})),
        ("taken-in-the-download-directory", json!({"name": "Rest"})),
        ("in-a-file", json!({"name": "new", "export_dir": format!("{root}/Rest/film.mkv")})),
        ("no-name", json!({"export_dir": root})),
        ("empty-name", json!({"name": "", "export_dir": root})),
        ("bad-name", json!({"name": "../new", "export_dir": root})),
        ("outside", json!({"name": "new", "export_dir": "/etc"})),
        ("no-text", json!({"name": 5})),
    ] {
        let (method, target) = ("POST", "/api/createtorrent/dryrun");
        let answer = app.api.call(method, target, &body);
        golden.check(name, &Asked { method, target, body: &body.to_string() }, &answer);
    }
    golden.finish();
    assert_eq!(fs::read_dir(&house.home.downloads).unwrap().count(), 1, "nothing was written");
}

/// Section 11: the space of the file system that a directory is on, or would be.
#[test]
fn the_space_of_a_directory_is_what_the_system_says() {
    let house = House::new();
    let app = house.home.start();
    let root = house.home.downloads.display().to_string();
    let ask = |body: &serde_json::Value| {
        let answer = app.api.call("PUT", "/api/statistics/dirspace", body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.status, answer.json())
    };
    let system = rustix::fs::statvfs(&house.home.downloads).unwrap();
    for body in [
        json!({"directory": root}),
        json!({"directory": format!("{root}/not/there/yet")}),
        json!({}),
        json!({"directory": ""}),
    ] {
        let (status, answer) = ask(&body);
        let figure = |name: &str| answer["statistics"][name].as_u64().unwrap();
        assert_eq!((status, figure("total")), (200, system.f_blocks * system.f_frsize), "{body}");
        // Others write there too.
        assert!(figure("used") > 0 && figure("free") > 0, "{answer}");
        assert!(figure("used") + figure("free") <= figure("total"), "{answer}");
    }
    assert_eq!(ask(&json!({"directory": "/etc"})).0, 403);
    assert_eq!(ask(&json!({"directory": 5})).0, 400);
}

/// Section 11: libtorrent's own names, each with a value of its kind; secrets are masked (W11).
#[test]
fn libtorrents_settings_and_statistics_are_told_by_name() {
    let home = Home::new()
        .set("client.limits.upload_bytes_per_s", 4096)
        .set("client.settings.proxy_password", "very-secret");
    let app = home.start();
    for prefix in ["/libtorrent", "/api/libtorrent"] {
        for target in [format!("{prefix}/settings"), format!("{prefix}/settings?hop=0")] {
            let answer = app.api.get(&target);
            assert!(!answer.text().contains("very-secret"), "rule W11");
            let answer = answer.json();
            assert_eq!((&answer["hop"], answer.as_object().unwrap().len()), (&json!(0), 2));
            assert_eq!(answer["settings"]["upload_rate_limit"], 4096);
            assert_eq!(answer["settings"]["enable_dht"], false);
            assert!(answer["settings"]["user_agent"].is_string(), "{answer}");
            assert_eq!(answer["settings"]["proxy_password"], "***");
        }
        let answer = app.api.get(&format!("{prefix}/session")).json();
        assert_eq!(answer["hop"], 0);
        let session = answer["session"].as_object().unwrap();
        assert!(session.len() > 100, "{} statistics", session.len());
        assert!(session.values().all(serde_json::Value::is_i64));
        assert!(session.contains_key("net.recv_bytes"));
    }
}

/// Section 11: a torrent of files below the root, which another client of the engine reads; the
/// content type differs between the generations.
#[test]
fn a_torrent_is_made_exported_and_seeded() {
    for (target, kind) in
        [("/createtorrent", "text/plain"), ("/api/createtorrent", "application/json")]
    {
        let house = House::new();
        let app = house.home.start();
        let root = house.home.downloads.join("Rest");
        let export = house.home.downloads.join("export");
        fs::create_dir(&export).unwrap();
        let body = json!({
            "files": [root.join("film.mkv"), root.join("extra/notes.txt")],
            "description": "for tests",
            "trackers": ["udp://a.example:6969", "http://b.example/announce"],
            "export_dir": export,
        });
        let answer = app.api.call("POST", &format!("{target}?download=1"), &body);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
        let text = answer.json()["torrent"].as_str().unwrap().to_owned();
        let file = STANDARD.decode(text).unwrap();
        let Some(Value::Dict(pairs)) = decode(&file) else { panic!("a torrent is a dictionary") };
        let of = |key: &str| pairs.iter().find(|(name, _)| name == key.as_bytes()).map(|(_, v)| v);
        let tier = |url| Value::List(vec![text_of(url)]);
        let tiers = vec![tier("udp://a.example:6969"), tier("http://b.example/announce")];
        assert_eq!(of("announce-list"), Some(&Value::List(tiers)), "{}", file.escape_ascii());
        assert_eq!(of("comment"), Some(&text_of("for tests")), "{}", file.escape_ascii());
        assert_eq!(fs::read(export.join("Rest.torrent")).unwrap(), file);
        let hash = app.api.downloads().into_keys().next().expect("it is added");
        app.api.wait_seeding(&hash);
        let info = app.api.get(&format!("/api/torrentinfo?uri=magnet:?xt=urn:btih:{hash}")).json();
        let names: Vec<&str> =
            info["files"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"film.mkv") && names.contains(&"extra/notes.txt"), "{names:?}");
    }
}

/// Rule F1, and the refusals of section 11: nothing is made, written or added.
#[test]
fn f1_a_torrent_of_files_outside_is_refused() {
    let house = House::new();
    let app = house.home.start();
    let root = house.home.downloads.display().to_string();
    let film = format!("{root}/Rest/film.mkv");
    let mut golden = house.golden("create");
    for (name, body) in [
        ("no-files", json!({})),
        ("empty-files", json!({"files": []})),
        ("outside", json!({"files": ["/etc/passwd"]})),
        ("missing", json!({"files": [format!("{root}/no")]})),
        ("root-itself", json!({"files": [root]})),
        ("export-outside", json!({"files": [film], "export_dir": "/etc"})),
        ("bad-tracker", json!({"files": [film], "trackers": ["nonsense"]})),
        ("bad-name", json!({"files": [film], "name": "../up", "export_dir": root})),
    ] {
        for target in ["/createtorrent?download=1", "/api/createtorrent?download=1"] {
            let answer = app.api.call("POST", target, &body);
            let name = format!("{name}{}", if target.starts_with("/api") { "-8" } else { "-7" });
            let asked = Asked { method: "POST", target, body: &body.to_string() };
            golden.check(&name, &asked, &answer);
        }
    }
    golden.finish();
    assert_eq!(app.api.downloads().len(), 0);
    assert_eq!(fs::read_dir(&house.home.downloads).unwrap().count(), 1, "nothing was written");
}

/// Rule W4: without the key nothing is told and nothing is done, in the form of each generation.
#[test]
fn w4_without_the_key_nothing_happens() {
    let house = House::new();
    let mut app = house.home.start();
    for (prefix, text) in [
        ("", "{\"error\": \"Unauthorized access\"}"),
        ("/api", "{\"error\": {\"handled\": true, \"message\": \"Unauthorized access\"}}"),
    ] {
        for (method, path) in [
            ("PUT", "/shutdown"),
            ("GET", "/statistics/tribler"),
            ("GET", "/torrentinfo?uri=http://127.0.0.1:9/"),
        ] {
            let target = format!("{prefix}{path}");
            let request = Request { method, target: &target, ..Request::default() };
            let answer = request.send(&app.api.host).unwrap();
            assert_eq!((answer.status, &*answer.text()), (401, text), "{method} {target}");
        }
    }
    app.assert_alive("shutdowns without the key");
}

/// Rule D16: the call is answered, then the program stops as SIGTERM stops it: with a clean mark,
/// so that nothing is checked again.
#[test]
fn d16_a_shutdown_is_answered_and_clean() {
    for target in ["/shutdown", "/api/shutdown"] {
        let house = House::new();
        let mut app = house.home.start();
        app.api.add(&house.torrent.file);
        app.api.wait_seeding(&house.torrent.hash);
        let answer = call(&app, "PUT", target, b"", "");
        assert_eq!((answer.status, &*answer.text()), (200, "{\"shutdown\": true}"));
        let status = app.wait(Duration::from_secs(15));
        assert!(status.success(), "{status}: {}", app.log());
        assert!(!house.home.state.join("api.json").exists(), "the command line finds nobody");
        let app = house.home.start();
        app.api.wait_seeding(&house.torrent.hash);
    }
}
