//! Who is let in: every route of every API refuses whoever shows no token, a wrong one, an expired
//! one, or one that grants too little, in the words of its API, and nothing changes (rules W3, W4,
//! W8, D1).

use std::collections::BTreeMap;
use std::fs;
use std::fs::DirBuilder;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use cove::domain::token::Scope;
use cove::domain::token::Scopes;
use cove::domain::token::TokenId;
use cove::domain::token::TokenRecord;
use cove::store::Store;
use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;

/// A method, a path, and the scope that it needs. `HASH` stands for a torrent that is there, `KEY`
/// for a key of the tracker.
type Route<'a> = (&'a str, &'a str, Scope);

const TRIBLER: &[Route] = &[
    ("GET", "/downloads", Scope::Read),
    ("HEAD", "/downloads", Scope::Read),
    ("PUT", "/downloads", Scope::Client),
    ("DELETE", "/downloads/HASH", Scope::Client),
    ("PATCH", "/downloads/HASH", Scope::Client),
    ("GET", "/downloads/HASH/files", Scope::Read),
    ("GET", "/downloads/HASH/torrent", Scope::Read),
    ("GET", "/downloads/HASH/stream/0", Scope::Read),
    ("PUT", "/downloads/HASH/trackers", Scope::Client),
    ("DELETE", "/downloads/HASH/trackers", Scope::Client),
    ("PUT", "/downloads/HASH/tracker_force_announce", Scope::Client),
    ("GET", "/downloads/HASH/no/such/path", Scope::Read),
    ("POST", "/downloads", Scope::Client),
    ("POST", "/createtorrent", Scope::Client),
    ("GET", "/torrentinfo", Scope::Client),
    ("PUT", "/torrentinfo", Scope::Client),
    ("PUT", "/torrentinfo/file", Scope::Client),
    ("POST", "/torrentinfo/uri", Scope::Client),
    ("GET", "/statistics/tribler", Scope::Read),
    ("GET", "/statistics/ipv8", Scope::Read),
    ("GET", "/events", Scope::Read),
    ("HEAD", "/events", Scope::Read),
    ("GET", "/settings", Scope::Read),
    ("POST", "/settings", Scope::Admin),
    ("GET", "/libtorrent/settings", Scope::Read),
    ("GET", "/libtorrent/session", Scope::Read),
    ("PUT", "/shutdown", Scope::Admin),
];

const TRIBLER_8: &[Route] = &[
    ("GET", "/files/browse", Scope::Client),
    ("GET", "/files/list", Scope::Client),
    ("GET", "/events/info", Scope::Read),
    ("POST", "/createtorrent/dryrun", Scope::Client),
    ("PUT", "/statistics/dirspace", Scope::Client),
];

const TORRUST: &[Route] = &[
    ("GET", "/stats", Scope::Read),
    ("GET", "/torrents", Scope::Read),
    ("GET", "/torrent/HASH", Scope::Read),
    ("GET", "/whitelist/reload", Scope::Read),
    ("GET", "/keys/reload", Scope::Read),
    ("POST", "/whitelist/0123456789012345678901234567890123456789", Scope::Tracker),
    ("DELETE", "/whitelist/HASH", Scope::Tracker),
    ("POST", "/keys", Scope::Tracker),
    ("POST", "/key/60", Scope::Tracker),
    ("DELETE", "/key/KEY", Scope::Tracker),
    ("GET", "/stats/no/such/path", Scope::Read),
];

const UDPT: &[Route] = &[
    ("GET", "/t", Scope::Read),
    ("GET", "/t/HASH", Scope::Read),
    ("POST", "/t/HASH", Scope::Tracker),
    ("POST", "/t/0123456789012345678901234567890123456789", Scope::Tracker),
    ("DELETE", "/t/HASH", Scope::Tracker),
    ("PUT", "/t", Scope::Tracker),
    ("GET", "/t/no/such/path", Scope::Read),
];

/// Its methods; all are one POST, and what each needs is told by the body. And its events.
const PORLA: &[Route] = &[
    ("POST", "torrents.list", Scope::Read),
    ("POST", "torrents.trackers.list", Scope::Read),
    ("POST", "sessions.settings.list", Scope::Read),
    ("POST", "fs.space", Scope::Read),
    ("POST", "kv.get", Scope::Read),
    ("POST", "no.such.method", Scope::Read),
    ("POST", "torrents.add", Scope::Client),
    ("POST", "torrents.files.prioritize", Scope::Client),
    ("POST", "torrents.files.rename", Scope::Client),
    ("POST", "torrents.migrate", Scope::Client),
    ("POST", "torrents.move", Scope::Client),
    ("POST", "torrents.pause", Scope::Client),
    ("POST", "torrents.peers.add", Scope::Client),
    ("POST", "torrents.properties.set", Scope::Client),
    ("POST", "torrents.queue.set", Scope::Client),
    ("POST", "torrents.recheck", Scope::Client),
    ("POST", "torrents.remove", Scope::Client),
    ("POST", "torrents.resume", Scope::Client),
    ("POST", "torrents.trackers.add", Scope::Client),
    ("POST", "sessions.pause", Scope::Client),
    ("POST", "sessions.resume", Scope::Client),
    ("POST", "kv.set", Scope::Client),
    ("POST", "auth.login", Scope::Read),
    ("POST", "auth.init", Scope::Admin),
    ("POST", "auth.keys.create", Scope::Admin),
    ("POST", "auth.keys.list", Scope::Admin),
    ("POST", "auth.keys.remove", Scope::Admin),
    ("POST", "presets.get", Scope::Read),
    ("POST", "presets.add", Scope::Admin),
    ("POST", "presets.remove", Scope::Admin),
    ("POST", "presets.update", Scope::Admin),
    ("POST", "sessions.add", Scope::Admin),
    ("POST", "sessions.remove", Scope::Admin),
    ("POST", "sessions.settings.set", Scope::Admin),
    ("POST", "sessions.update", Scope::Admin),
    ("POST", "plugins.install", Scope::Admin),
    ("POST", "webui.install", Scope::Admin),
    ("GET", "/api/v1/events", Scope::Read),
    ("HEAD", "/api/v1/events", Scope::Read),
];

/// All others are in the OpenAPI document.
const NATIVE: &[Route] =
    &[("GET", "/v1/whitelist", Scope::Read), ("GET", "/v1/no/such/path", Scope::Read)];

/// Why a call is to be refused.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Denial {
    NoToken,
    Wrong,
    Expired,
    Lacks(Scope),
}

/// An API: where its routes are, how it is shown a token, and how it refuses.
struct Family {
    name: &'static str,
    prefix: &'static str,
    /// All of them; [`native_routes`] knows those that are in no table.
    routes: &'static [&'static [Route<'static>]],
    show: fn(&mut Shown, &str),
    /// Status, content type and body; of a HEAD the body does not come.
    refusal: fn(Denial) -> (u16, &'static str, String),
}

/// What goes with a call to show a token.
#[derive(Default)]
struct Shown {
    query: String,
    headers: Vec<(&'static str, String)>,
}

const FAMILIES: [Family; 7] = [
    Family {
        name: "Tribler 7",
        prefix: "",
        routes: &[TRIBLER],
        show: in_api_key,
        refusal: |denial| tribler(denial, |text| format!("{{\"error\": \"{text}\"}}")),
    },
    Family {
        name: "Tribler 8",
        prefix: "/api",
        routes: &[TRIBLER, TRIBLER_8],
        show: in_api_key,
        refusal: |denial| {
            let form = |text: &str| {
                format!("{{\"error\": {{\"handled\": true, \"message\": \"{text}\"}}}}")
            };
            tribler(denial, form)
        },
    },
    Family {
        name: "Torrust of 2021",
        prefix: "/api",
        routes: &[TORRUST],
        show: in_query,
        refusal: torrust,
    },
    Family {
        name: "Torrust 3.0",
        prefix: "/api/v1",
        routes: &[TORRUST],
        show: in_query,
        refusal: torrust,
    },
    Family { name: "native", prefix: "", routes: &[NATIVE], show: in_bearer, refusal: native },
    Family {
        name: "Porla",
        prefix: "/api/v1/jsonrpc",
        routes: &[PORLA],
        show: |shown, token| shown.headers.push(("X-Porla-Token", format!("Bearer {token}"))),
        refusal: porla,
    },
    Family { name: "UDPT", prefix: "", routes: &[UDPT], show: in_query, refusal: udpt },
];

fn in_api_key(shown: &mut Shown, token: &str) {
    shown.headers.push(("X-Api-Key", token.to_owned()));
}

fn in_bearer(shown: &mut Shown, token: &str) {
    shown.headers.push(("Authorization", format!("Bearer {token}")));
}

fn in_query(shown: &mut Shown, token: &str) {
    shown.query = format!("?token={token}");
}

fn tribler(denial: Denial, form: fn(&str) -> String) -> (u16, &'static str, String) {
    let (status, text) = match denial {
        Denial::Lacks(scope) => (403, format!("this needs a key that grants {}", scope.name())),
        _ => (401, "Unauthorized access".to_owned()),
    };
    (status, "application/json", form(&text))
}

fn torrust(denial: Denial) -> (u16, &'static str, String) {
    let reason = match denial {
        Denial::NoToken => "unauthorized".to_owned(),
        Denial::Wrong | Denial::Expired => "token not valid".to_owned(),
        Denial::Lacks(scope) => format!("the token does not grant {}", scope.name()),
    };
    let body = format!("Unhandled rejection: Err {{ reason: \"{reason}\" }}");
    (500, "text/plain; charset=utf-8", body)
}

fn native(denial: Denial) -> (u16, &'static str, String) {
    let (status, kind, title, detail) = match denial {
        Denial::Lacks(scope) => {
            let detail = format!("this token does not grant `{}`; use one that does", scope.name());
            (403, "insufficient-scope", "Insufficient scope", detail)
        }
        _ => {
            let detail = "show a valid token: send the header `Authorization: Bearer TOKEN`";
            (401, "unauthorized", "Unauthorized", detail.to_owned())
        }
    };
    let body = format!(
        "{{\"type\":\"/v1/docs#{kind}\",\"title\":\"{title}\",\"status\":{status},\
         \"detail\":\"{detail}\"}}"
    );
    (status, "application/problem+json", body)
}

fn porla(denial: Denial) -> (u16, &'static str, String) {
    let (status, body) = match denial {
        Denial::Lacks(scope) => {
            (403, format!("Forbidden: this needs a token that grants {}", scope.name()))
        }
        _ => (401, "Unauthorized".to_owned()),
    };
    (status, "text/plain", body)
}

/// Nothing is told apart (UDPT section 2).
fn udpt(_: Denial) -> (u16, &'static str, String) {
    let body = "Unhandled rejection: Err { reason: \"Access Denied\" }".to_owned();
    (500, "text/plain; charset=utf-8", body)
}

/// The tokens that every test of this file finds in the store, each the name of its secret.
const TOKENS: [(&str, &[Scope], Option<i64>); 5] = [
    ("reader", &[Scope::Read], None),
    ("downloader", &[Scope::Client], None),
    ("publisher", &[Scope::Tracker], None),
    ("both", &[Scope::Client, Scope::Tracker], None),
    ("expired", &[Scope::Admin], Some(1)),
];

/// The tokens that grant something and not `needed`.
fn too_little(needed: Scope) -> &'static [&'static str] {
    match needed {
        Scope::Read => &[],
        Scope::Client => &["reader", "publisher"],
        Scope::Tracker => &["reader", "downloader"],
        Scope::Admin => &["reader", "both"],
    }
}

/// A home whose store holds [`TOKENS`].
fn home() -> Home {
    let home = Home::new()
        .set("client.resume_interval_s", 3600)
        .set("tracker.mode", "private_listed")
        .set("tracker.udp.bind", "127.0.0.1:0");
    DirBuilder::new().mode(0o700).create(&home.state).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Store::open(&home.state.join("state.db"), "boot").unwrap().store;
    for (number, (name, scopes, expires_at)) in (1..).zip(TOKENS) {
        let record = TokenRecord {
            id: TokenId::Made([number; 8]),
            name: name.into(),
            digest: Sha256::digest(name).into(),
            scopes: Scopes::of(scopes),
            created_at: 0,
            expires_at,
        };
        runtime.block_on(store.add_token(record)).unwrap();
    }
    runtime.block_on(store.close(true)).unwrap();
    home
}

/// A client address that no call came from yet: failures are counted by address (rule W8).
fn fresh_address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0x7f10_0001);
    Ipv4Addr::from(NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// The torrent that is there.
fn torrent() -> Torrent {
    Recipe::named("a.bin").single(&payload(1200, 64 * KIB))
}

/// What all routes that read a body find enough in to do something.
fn body() -> Value {
    let hash = torrent().hash;
    json!({
        "uri": "magnet:?xt=urn:btih:89abcdef0123456789abcdef0123456789abcdef",
        "remove_data": true, "state": "stop", "url": "http://127.0.0.1:9/announce",
        "key": null, "seconds_valid": 60, "is_flagged": true,
        "params": {
            "magnet_uri": "magnet:?xt=urn:btih:89abcdef0123456789abcdef0123456789abcdef",
            "info_hash": hash, "info_hashes": [hash], "remove_data": false, "key": "k", "value": 1,
            "download_limit": 1000, "name": "x", "username": "x", "password": "x",
            "id": "0101010101010101", "settings": { "connections_limit": 7 }, "position": 0, "url": "http://127.0.0.1:9/announce",
        },
    })
}

/// Calls `path` of `family` with `token`, if any, from `source`.
fn call(
    app: &App<'_>,
    (family, method, path): (&Family, &str, &str),
    token: Option<&str>,
    source: IpAddr,
) -> Answer {
    let mut shown = Shown::default();
    if let Some(token) = token {
        (family.show)(&mut shown, token);
    }
    let mut body = body();
    let target = match (family.name, method) {
        ("Porla", "GET" | "HEAD") => path.to_owned(),
        ("Porla", _) => {
            body["method"] = path.into();
            family.prefix.to_owned()
        }
        _ => format!("{}{path}{}", family.prefix, shown.query),
    };
    let mut headers = shown.headers;
    let body = body.to_string();
    let body = (!matches!(method, "GET" | "HEAD")).then_some(body.as_bytes());
    headers.extend(body.map(|_| ("Content-Type", "application/json".to_owned())));
    let request = Request { method, target: &target, headers, body };
    request.send_from(source, &app.api.host).unwrap()
}

/// Everything the store holds, read from a copy, as the program keeps the file to itself. Without
/// the statistics, of which there is a new row every minute, and the resume data, which the engine
/// saves when it likes to.
fn kept(home: &Home) -> BTreeMap<String, Vec<Vec<Cell>>> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(home.state.join(name), copy.path().join(name)).unwrap();
    }
    let sql = Connection::open(copy.path().join("state.db")).unwrap();
    let mut query = sql.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names: Vec<String> =
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |name: &String| {
        let columns = if name == "resumes" { "number, name, save_path" } else { "*" };
        let mut query = sql.prepare(&format!("SELECT {columns} FROM {name}")).unwrap();
        let columns = query.column_count();
        let row = |row: &rusqlite::Row| (0..columns).map(|at| row.get(at)).collect();
        query.query_map([], row).unwrap().map(Result::unwrap).collect()
    };
    let names = names.iter().filter(|name| *name != "history");
    names.map(|name| (name.clone(), rows(name))).collect()
}

/// Every route of a family: those of its tables, and of the native API those of its OpenAPI
/// document, each GET as a HEAD too.
fn routes(app: &App<'_>, family: &Family) -> Vec<(String, String, Scope)> {
    let listed = family.routes.iter().copied().flatten();
    let mut all: Vec<_> =
        listed.map(|(method, path, scope)| ((*method).into(), (*path).into(), *scope)).collect();
    if family.name == "native" {
        let document = app.api.get("/v1/openapi.json").json();
        for (path, item) in document["paths"].as_object().unwrap() {
            let path = path.replace("{hash}", "HASH").replace("{key}", "KEY");
            let path = path.replace("{id}", "0101010101010101").replace(['{', '}'], "");
            for (method, operation) in item.as_object().unwrap() {
                let scope = operation["security"][0]["token"][0].as_str().unwrap();
                let scope: Scope = scope.parse().unwrap();
                all.push((method.to_uppercase(), path.clone(), scope));
                if method == "get" {
                    all.push(("HEAD".into(), path.clone(), scope));
                }
            }
        }
        assert!(all.len() > 10, "{all:?}");
    }
    all
}

/// Rules W3 and W4.
#[test]
fn w4_every_route_refuses_in_its_own_words_and_nothing_changes() {
    let home = home();
    let app = home.start();
    let hash = app.api.add(&torrent().file);
    app.api.patch(&hash, &json!({ "state": "stop" }));
    app.whitelist(&hash);
    let key = app.make_key(3600);
    let before = kept(&home);

    for family in &FAMILIES {
        for (method, path, needed) in routes(&app, family) {
            let path = path.replace("HASH", &hash).replace("KEY", &key);
            let mut refused = vec![
                (None, Denial::NoToken),
                (Some("no-such-token"), Denial::Wrong),
                (Some("expired"), Denial::Expired),
            ];
            let lacks = |token: &&'static str| (Some(*token), Denial::Lacks(needed));
            refused.extend(too_little(needed).iter().map(lacks));
            for (token, denial) in refused {
                let route = (family, &*method, &*path);
                let answer = call(&app, route, token, fresh_address());
                let (status, kind, body) = (family.refusal)(denial);
                let case = format!("{}: {method} {path}, {denial:?}", family.name);
                assert_eq!(answer.status, status, "{case}: {}", answer.text());
                assert_eq!(answer.header("content-type"), Some(kind), "{case}");
                let body = if method == "HEAD" { String::new() } else { body };
                assert_eq!(answer.text(), body, "{case}");
            }
            let now = kept(&home);
            let changed: Vec<_> = now.keys().filter(|name| now[*name] != before[*name]).collect();
            assert!(changed.is_empty(), "{}: {method} {path} changed {changed:?}", family.name);
        }
    }

    // The look at the store does see changes, and those who may do make them.
    let tribler = (&FAMILIES[1], "PUT", "/downloads");
    assert_eq!(call(&app, tribler, Some("downloader"), fresh_address()).status, 200);
    let added = kept(&home);
    assert!(added != before);
    let torrust = (&FAMILIES[3], "POST", "/key/60");
    assert_eq!(call(&app, torrust, Some("publisher"), fresh_address()).status, 200);
    assert!(kept(&home) != added);
}

/// Rule W8: after five wrong tokens an address is told to wait, by every API, and a right token in
/// a header still lets in from there.
#[test]
fn w8_every_api_tells_who_guesses_to_wait() {
    let home = home();
    let app = home.start();
    for family in &FAMILIES {
        let (method, path, _) = family.routes[0][0];
        let (route, source) = ((family, method, path), fresh_address());
        for _ in 0..5 {
            let answer = call(&app, route, Some("guess"), source);
            assert_eq!(answer.status, (family.refusal)(Denial::Wrong).0, "{}", family.name);
        }
        let answer = call(&app, route, Some("guess"), source);
        assert_eq!(answer.status, 429, "{}: {}", family.name, answer.text());
        let wait_s: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait_s), "{}: {wait_s}", family.name);

        let by_header = Family { show: in_bearer, ..*family };
        let answer = call(&app, (&by_header, method, path), Some("reader"), source);
        assert_eq!(answer.status, 200, "{}: {}", family.name, answer.text());
    }
}

/// Rule W3: every form lets in by itself, and two that differ do not, though each is right.
#[test]
fn w3_all_forms_of_one_call_must_agree() {
    let home = home();
    let app = home.start();
    let header = |name: &'static str, value: &str| (String::new(), vec![(name, value.to_owned())]);
    let query = |name: &str| (format!("{name}=reader"), Vec::new());
    let headers = || vec![header("X-Api-Key", "reader"), header("authorization", "Bearer reader")];
    let tribler =
        || [headers(), vec![query("apikey"), query("key"), header("cookie", "api_key=reader")]];
    let torrust = || [headers(), vec![query("token")]];
    for (path, forms) in [
        ("/downloads", tribler().concat()),
        ("/api/downloads", tribler().concat()),
        ("/api/stats", torrust().concat()),
        ("/api/v1/stats", torrust().concat()),
        ("/t", torrust().concat()),
        ("/v1/whitelist", [tribler().concat(), vec![query("token")]].concat()),
    ] {
        for (query, headers) in forms {
            let send = |target: &str, headers: Vec<(&str, String)>| {
                let request = Request { method: "GET", target, headers, body: None };
                request.send_from(fresh_address(), &app.api.host).unwrap().status
            };
            let target = format!("{path}?{query}");
            assert_eq!(send(&target, headers.clone()), 200, "{target} {headers:?}");
            for other in ["publisher", "wrong"] {
                let mut two = headers.clone();
                two.push(("X-Api-Key", other.to_owned()));
                let refused = if path.contains("stats") || path == "/t" { 500 } else { 401 };
                assert_eq!(send(&target, two.clone()), refused, "{target} {two:?}");
            }
        }
    }
}

/// What a call of the native API with the first token answers.
fn first(app: &App<'_>, method: &str, target: &str, body: Option<&Value>) -> Answer {
    let headers = vec![
        ("Authorization", format!("Bearer {}", app.api.token)),
        ("Content-Type", "application/json".to_owned()),
    ];
    let body = body.map(Value::to_string);
    let body = body.as_ref().map(String::as_bytes);
    Request { method, target, headers, body }.send(&app.api.host).unwrap()
}

/// The id and the secret of a new token.
fn make(app: &App<'_>, name: &str, scopes: &[&str]) -> (String, String) {
    let wish = json!({ "name": name, "scopes": scopes });
    let answer = first(app, "POST", "/v1/tokens", Some(&wish));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    let member = |name: &str| made[name].as_str().unwrap().to_owned();
    (member("id"), member("token"))
}

/// Whether a token lets in to look at Tribler's list.
fn lets_in(app: &App<'_>, token: &str) -> bool {
    let status =
        call(app, (&FAMILIES[0], "GET", "/downloads"), Some(token), fresh_address()).status;
    assert!([200, 401].contains(&status), "{status}");
    status == 200
}

/// Rule D1: what was acknowledged of tokens survives kill -9, and what was revoked is over at once
/// and stays so.
#[test]
fn d1_tokens_survive_a_kill_and_revoked_ones_do_not_come_back() {
    let home = home();
    let app = home.start();
    let (kept, gone) = (make(&app, "kept", &["client"]), make(&app, "gone", &["read"]));
    assert!(lets_in(&app, &kept.1) && lets_in(&app, &gone.1));
    let revoked = first(&app, "DELETE", &format!("/v1/tokens/{}", gone.0), None);
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    assert!(!lets_in(&app, &gone.1));
    app.kill();

    let app = home.start();
    assert!(lets_in(&app, &kept.1) && !lets_in(&app, &gone.1));
    let listed = first(&app, "GET", "/v1/tokens", None);
    assert!(!listed.text().contains(&kept.1), "rule W11");
    let listed = listed.json();
    let tokens = listed["tokens"].as_array().unwrap();
    let names: Vec<_> = tokens.iter().map(|token| token["name"].as_str().unwrap()).collect();
    let laid = TOKENS.iter().map(|(name, ..)| *name);
    let mut expected: Vec<_> = laid.chain(["first", "kept"]).collect();
    expected.sort_unstable();
    assert_eq!(names[0], "first");
    assert_eq!(tokens[0]["source"], "file");
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(listed["total"], expected.len());
}

/// What `/v1/tokens` says to wishes that cannot be granted.
#[test]
fn tokens_are_refused_in_sentences() {
    let home = home();
    let app = home.start();
    let refused = |method: &str, target: &str, body: Option<&Value>| {
        let answer = first(&app, method, target, body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        (answer.status, answer.json()["detail"].as_str().unwrap().to_owned())
    };
    let wish = |name: &str, scopes: &[&str]| json!({ "name": name, "scopes": scopes });
    for (body, status, words) in [
        (wish("reader", &["read"]), 409, "`reader`"),
        (wish("first", &["read"]), 409, "`first`"),
        (wish("", &["read"]), 400, "name"),
        (wish("x", &[]), 400, "scope"),
        (wish("x", &["root"]), 400, "root"),
        (json!({ "name": "x", "scopes": ["read"], "valid_s": 0 }), 400, "end"),
        (json!({ "name": "x", "scopes": ["read"], "expires": 5 }), 400, "expires"),
    ] {
        let (found, detail) = refused("POST", "/v1/tokens", Some(&body));
        assert!((found, detail.contains(words)) == (status, true), "{body}: {found} {detail}");
    }
    let (status, detail) = refused("DELETE", "/v1/tokens/first", None);
    assert!(status == 409 && detail.contains("`api-token`"), "{status} {detail}");
    assert_eq!(refused("DELETE", "/v1/tokens/0000000000000000", None).0, 404);
    assert_eq!(refused("DELETE", "/v1/tokens/reader", None).0, 400);
    assert_eq!(first(&app, "GET", "/v1/tokens", None).json()["total"], TOKENS.len() + 1);
}
