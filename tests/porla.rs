//! Porla's JSON-RPC API, section by section of its contract: what is answered, to the byte where a
//! client depends on it, and what is refused.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use base64::Engine as _;
use cove::domain::token::Scope;
use cove::domain::token::Scopes;
use cove::domain::token::TokenId;
use cove::domain::token::TokenRecord;
use cove::store::Store;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::events::Events;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::own_tracker::OwnTracker;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::wait_for;

/// The 20 names of flags in the order of the contract.
const FLAGS: [&str; 20] = [
    "seed_mode",
    "upload_mode",
    "share_mode",
    "apply_ip_filter",
    "paused",
    "auto_managed",
    "duplicate_is_error",
    "update_subscribe",
    "super_seeding",
    "sequential_download",
    "stop_when_ready",
    "override_trackers",
    "override_web_seeds",
    "need_save_resume",
    "disable_dht",
    "disable_lsd",
    "disable_pex",
    "no_verify_files",
    "default_dont_download",
    "i2p_torrent",
];

/// The members of a torrent in a list, `category` aside.
const ROW: [&str; 31] = [
    "active_duration",
    "all_time_download",
    "all_time_upload",
    "category",
    "download_rate",
    "error",
    "eta",
    "finished_duration",
    "flags",
    "info_hash",
    "last_download",
    "last_upload",
    "list_peers",
    "list_seeds",
    "metadata",
    "moving_storage",
    "name",
    "num_peers",
    "num_seeds",
    "progress",
    "queue_position",
    "ratio",
    "save_path",
    "seeding_duration",
    "session",
    "size",
    "state",
    "tags",
    "total",
    "total_done",
    "upload_rate",
];

fn post(app: &App<'_>, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let request = Request { method: "POST", target, headers, body: Some(body) };
    request.send(&app.api.host).expect("the server answers")
}

/// A request as it stands in the contract, with the token where integrations put it.
#[track_caller]
fn raw(app: &App<'_>, body: &str) -> Answer {
    let token = format!("Bearer {}", app.api.token);
    let answer = post(app, "/api/v1/jsonrpc", &[("Authorization", &token)], body.as_bytes());
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_ordered(&answer.json());
    answer
}

/// Section 3: keys are in alphabetical order at every level.
#[track_caller]
fn assert_ordered(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(assert_ordered),
        Value::Object(members) => {
            let names: Vec<&String> = members.keys().collect();
            assert!(names.is_sorted(), "{names:?}");
            members.values().for_each(assert_ordered);
        }
        _ => {}
    }
}

#[track_caller]
fn rpc(app: &App<'_>, method: &str, params: Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    raw(app, &request.to_string()).json()
}

/// The result of a call that must succeed.
#[track_caller]
fn result(app: &App<'_>, method: &str, params: Value) -> Value {
    let answer = rpc(app, method, params);
    assert_eq!((&answer["id"], &answer["jsonrpc"]), (&json!(7), &json!("2.0")), "{answer}");
    let members = answer.as_object().unwrap();
    assert!(members.contains_key("result"), "{method}: {answer}");
    members["result"].clone()
}

/// A call that must fail with a method's own error.
#[track_caller]
fn assert_fails(app: &App<'_>, method: &str, params: Value, code: i64, message: &str) -> Value {
    let answer = rpc(app, method, params.clone());
    let error = &answer["error"];
    let told = (error["code"].as_i64(), error["message"].as_str());
    assert_eq!(told, (Some(code), Some(message)), "{method} {params}: {answer}");
    assert_eq!(answer["id"], 7, "{answer}");
    assert!(error.as_object().unwrap().contains_key("data"), "{answer}");
    error["data"].clone()
}

/// A call that must fail because of its parameters: told without id.
#[track_caller]
fn assert_wrong_params(app: &App<'_>, method: &str, params: Value) {
    let answer = rpc(app, method, params.clone());
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["error"], "{method} {params}: {answer}");
    assert_eq!(answer["error"]["code"], -32603, "{method} {params}: {answer}");
    assert_eq!(answer["error"]["message"], "Internal error");
    assert!(answer["error"]["data"].is_string());
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A torrent whose payload is in the download directory.
fn seeded(home: &Home, name: &str, seed: u64) -> Torrent {
    let content = payload(seed, 100 * KIB);
    std::fs::write(home.downloads.join(name), &content).unwrap();
    Recipe::named(name).single(&content)
}

fn downloads(home: &Home) -> &str {
    home.downloads.to_str().unwrap()
}

#[track_caller]
fn add(app: &App<'_>, torrent: &Torrent, more: Value) -> Value {
    let mut params = json!({"ti": base64(&torrent.file), "save_path": downloads(app.home)});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let added = result(app, "torrents.add", params);
    assert_eq!(added, json!({"info_hash": [torrent.hash, null]}));
    added["info_hash"].clone()
}

#[track_caller]
fn list(app: &App<'_>, params: Value) -> Vec<Value> {
    result(app, "torrents.list", params)["torrents"].as_array().unwrap().clone()
}

#[track_caller]
fn find_row(app: &App<'_>, hash: &str) -> Option<Value> {
    let rows = list(app, json!({"page_size": 1000, "include_metadata": ["*"]}));
    rows.into_iter().find(|row| row["info_hash"][0] == hash)
}

#[track_caller]
fn row(app: &App<'_>, hash: &str) -> Value {
    find_row(app, hash).unwrap_or_else(|| panic!("{hash} is not in the list"))
}

/// After a start, torrents come one after another.
#[track_caller]
fn wait_row(app: &App<'_>, hash: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || find_row(app, hash).filter(&is_so))
}

#[track_caller]
fn wait_seeding(app: &App<'_>, hash: &str) -> Value {
    wait_row(app, hash, "seeding", |row| row["state"] == 5 && row["progress"] == 1.0)
}

fn has_flag(row: &Value, flag: &str) -> bool {
    row["flags"].as_array().unwrap().iter().any(|one| one == flag)
}

/// Section 3, to the byte.
#[test]
fn the_envelope_is_that_of_the_contract() {
    let home = Home::new();
    let app = home.start();
    for (sent, answered) in [
        (
            r#"{"method":"plugins.list","params":{}}"#,
            r#"{"id":null,"jsonrpc":"2.0","result":{"plugins":[]}}"#,
        ),
        (
            r#"{"jsonrpc":"1.0","id":"x","method":"plugins.list","params":{"unknown":1}}"#,
            r#"{"id":"x","jsonrpc":"2.0","result":{"plugins":[]}}"#,
        ),
        (
            r#"{"id":[1,{"b":1,"a":null}],"method":"presets.list","params":{}}"#,
            r#"{"id":[1,{"a":null,"b":1}],"jsonrpc":"2.0","result":{}}"#,
        ),
        (
            r#"{"id":7,"method":"torrents.pause","params":{"info_hash":"12345678901234567890"}}"#,
            r#"{"error":{"code":-1,"data":null,"message":"Torrent not found in any session"},"id":7,"jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"id":7,"method":"session.pause","params":{}}"#,
            r#"{"error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        (
            r#"[{"id":7,"method":"plugins.list","params":{}}]"#,
            r#"{"error":{"code":-32600,"data":"batches are not supported","message":"Invalid Request"}}"#,
        ),
        (
            r#"{"id":7,"params":{}}"#,
            r#"{"error":{"code":-32600,"data":"`method` is missing","message":"Invalid Request"}}"#,
        ),
        (
            r#"{"id":7,"method":null,"params":{}}"#,
            r#"{"error":{"code":-32600,"data":"`method` is not a string","message":"Invalid Request"}}"#,
        ),
        (
            r#"{"id":7,"method":"plugins.list"}"#,
            r#"{"error":{"code":-32603,"data":"key 'params' not found","message":"Internal error"}}"#,
        ),
        (
            r#"{"id":7,"method":"plugins.list","params":[]}"#,
            r#"{"error":{"code":-32603,"data":"`params` is not an object","message":"Internal error"}}"#,
        ),
    ] {
        assert_eq!(raw(&app, sent).text(), answered, "{sent}");
    }
    for broken in ["", "{", "nonsense", "{\"a\":\"\u{1}\"}"] {
        let text = raw(&app, broken).text();
        let begin = r#"{"error":{"code":-32700,"data":""#;
        assert!(text.starts_with(begin), "{text}");
        assert!(text.ends_with(r#"","message":"Parse error"}}"#), "{text}");
    }
    let deep = raw(&app, &format!("{{\"id\":{}", "[".repeat(1000))).json();
    assert_eq!(deep["error"]["code"], -32700);
}

/// Section 1: routes, and what they are for.
#[test]
fn only_the_documented_routes_are_there() {
    let home = Home::new();
    let app = home.start();
    let get = |target: &str| {
        Request { method: "GET", target, ..Request::default() }.send(&app.api.host).unwrap()
    };
    let system = get("/api/v1/system");
    assert_eq!((system.status, &*system.text()), (200, r#"{"status":"setup"}"#));
    assert_eq!(get("/api/v1/jsonrpc").status, 404);
    assert_eq!(get("/api/v1/system/").status, 404);
    let token = format!("Bearer {}", app.api.token);
    let slash = post(&app, "/api/v1/jsonrpc/", &[("Authorization", &token)], b"{}");
    assert_eq!(slash.status, 404);
    let slash = post(&app, "/api/v1/events", &[("Authorization", &token)], b"{}");
    assert_eq!(slash.status, 404, "events are read");
}

/// Section 1: a base path, with the slashes that people write.
#[test]
fn a_base_path_stands_before_every_route() {
    let home = Home::new().set("api.base_path", "porla/here/");
    let app = home.start();
    let get = |target: &str| {
        let answer = Request { method: "GET", target, ..Request::default() }.send(&app.api.host);
        answer.unwrap().status
    };
    assert_eq!(get("/porla/here/api/v1/system"), 200);
    assert_eq!(get("/porla/here/api/v1/system/"), 404);
    assert_eq!(get("/porla/hereapi/v1/system"), 404);
    assert_eq!(get("/porla/api/v1/system"), 404);
    let token = [("Authorization", &*format!("Bearer {}", app.api.token))];
    let body = br#"{"id":1,"method":"torrents.count","params":{}}"#;
    let counted = post(&app, "/porla/here/api/v1/jsonrpc", &token, body);
    assert_eq!(counted.json()["result"]["count"], 0);
    // Whoever comes past the proxy, as our own command line does, needs no base path.
    assert_eq!(get("/api/v1/system"), 200);
    assert!(home.run(&["ls"]).status.success());
}

/// Section 2, and rules W3, W4: without a token nothing happens, and the places for one.
#[test]
fn w4_the_token_is_looked_for_where_porla_looks() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, "a.bin", 1);
    let params = json!({"ti": base64(&torrent.file), "save_path": downloads(&home)});
    let body = json!({"id": 1, "method": "torrents.add", "params": params}).to_string();
    let call = |headers: &[(&str, &str)]| post(&app, "/api/v1/jsonrpc", headers, body.as_bytes());
    let bearer = format!("Bearer {}", app.api.token);
    for headers in [
        &[][..],
        &[("Authorization", "Bearer wrong")],
        &[("X-Porla-Token", "Bearer")],
        &[("Authorization", &app.api.token)],
        &[("Authorization", &bearer), ("X-Porla-Token", "Bearer other")],
    ] {
        let refused = call(headers);
        assert_eq!((refused.status, &*refused.text()), (401, "Unauthorized"), "{headers:?}");
        assert_eq!(refused.header("content-type"), Some("text/plain"));
    }
    assert_eq!(list(&app, json!({})), [] as [Value; 0]);

    let read = json!({"id": 1, "method": "torrents.count", "params": {}}).to_string();
    let cookie = format!("a=b; porla-auth-token={}", app.api.token);
    let seven = format!("1234567{}", app.api.token);
    for headers in [
        &[("X-Porla-Token", &*bearer)][..],
        &[("Authorization", &seven)],
        &[("Cookie", &cookie), ("Content-Type", "application/json")],
    ] {
        let fine = post(&app, "/api/v1/jsonrpc", headers, read.as_bytes());
        let expected = r#"{"id":1,"jsonrpc":"2.0","result":{"count":0}}"#;
        assert_eq!((fine.status, &*fine.text()), (200, expected), "{headers:?}");
    }
    // Rule W7: a page may make a browser send the cookie, but not this type.
    let forged = post(&app, "/api/v1/jsonrpc", &[("Cookie", &cookie)], read.as_bytes());
    assert_eq!(forged.status, 415);
}

/// A home whose store holds a token for each of these scopes, the scope's name being its secret.
fn home_with_tokens(scopes: &[Scope]) -> Home {
    let home = Home::new();
    DirBuilder::new().mode(0o700).create(&home.state).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Store::open(&home.state.join("state.db"), "boot").unwrap().store;
    for (number, scope) in (1..).zip(scopes) {
        let record = TokenRecord {
            id: TokenId::Made([number; 8]),
            name: scope.name().into(),
            digest: Sha256::digest(scope.name()).into(),
            scopes: Scopes::of(&[*scope]),
            created_at: 0,
            expires_at: None,
        };
        runtime.block_on(store.add_token(record)).unwrap();
    }
    runtime.block_on(store.close(true)).unwrap();
    home
}

/// Rule W4: which scope is needed stands in the body, and is judged before anything is done.
#[test]
fn w4_a_token_that_grants_too_little_changes_nothing() {
    let home = home_with_tokens(&[Scope::Read, Scope::Tracker, Scope::Client]);
    let app = home.start();
    let torrent = seeded(&home, "demo", 9);
    add(&app, &torrent, json!({}));
    wait_seeding(&app, &torrent.hash);
    let call = |token: &str, method: &str, params: &Value| {
        let bearer = format!("Bearer {token}");
        let body = json!({"id": 1, "method": method, "params": params}).to_string();
        post(&app, "/api/v1/jsonrpc", &[("X-Porla-Token", &bearer)], body.as_bytes())
    };
    let one = json!({"info_hash": torrent.hash});
    let all = json!({"info_hashes": [torrent.hash], "remove_data": true});
    for (token, method, params, needed) in [
        ("read", "torrents.remove", &all, "client"),
        ("tracker", "torrents.pause", &one, "client"),
        ("read", "sessions.pause", &one, "client"),
        ("client", "webui.install", &one, "admin"),
    ] {
        let refused = call(token, method, params);
        let text = format!("Forbidden: this needs a token that grants {needed}");
        assert_eq!((refused.status, &*refused.text()), (403, &*text), "{token} {method}");
    }
    assert!(!has_flag(&wait_seeding(&app, &torrent.hash), "paused"));
    assert_eq!(result(&app, "sessions.list", json!({}))["sessions"][0]["is_paused"], false);
    assert_eq!(call("read", "torrents.count", &one).json()["result"]["count"], 1);
    assert_eq!(call("read", "no.such.method", &one).json()["error"]["code"], -32601);
    assert_eq!(call("client", "torrents.remove", &all).json()["result"], Value::Null);
    assert_eq!(list(&app, json!({})), [] as [Value; 0]);
}

/// Section 2: the first user, and logging in.
#[test]
fn users_are_made_once_and_log_in() {
    let home = Home::new();
    let app = home.start();
    let init = |body: &str| post(&app, "/api/v1/auth/init", &[], body.as_bytes());
    let login = |body: &str| post(&app, "/api/v1/auth/login", &[], body.as_bytes());
    let user = r#"{"username":"ann","password":"pw"}"#;
    let missing = init(r#"{"username":"ann"}"#);
    assert_eq!((missing.status, &*missing.text()), (400, "Missing 'username' or 'password'"));
    assert_eq!(init("{").status, 400);
    assert_eq!(login(user).text(), r#"{"error":"invalid_auth"}"#);
    let made = init(user);
    assert_eq!((made.status, &*made.text()), (200, "{\"ok\": true }"));
    assert_eq!(made.header("content-type"), None);
    let again = init(user);
    assert_eq!((again.status, &*again.text()), (400, "Already initialized"));
    assert_eq!(again.header("content-type"), Some("text/plain"));
    let system = app.api.get("/api/v1/system");
    assert_eq!(system.text(), r#"{"status":"ok"}"#);

    let wrong = login(r#"{"username":"ann","password":"other"}"#);
    assert_eq!((wrong.status, &*wrong.text()), (200, r#"{"error":"invalid_auth"}"#));
    let missing = login("{}");
    assert_eq!((missing.status, &*missing.text()), (400, "Invalid request"));
    let answer = login(user);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let cookie =
        format!("porla-auth-token={token}; Path=/; HttpOnly; Max-Age=86400; SameSite=Strict");
    assert_eq!(answer.header("set-cookie"), Some(&*cookie));
    let call = r#"{"id":1,"method":"torrents.count","params":{}}"#;
    let bearer = format!("Bearer {token}");
    let fine = post(&app, "/api/v1/jsonrpc", &[("X-Porla-Token", &bearer)], call.as_bytes());
    assert_eq!(fine.json()["result"]["count"], 0);
}

/// Section 6: what a torrent looks like in a list, and the errors of adding.
#[test]
#[expect(clippy::too_many_lines, reason = "walks a table of the contract, row by row")]
fn torrents_are_added_and_listed_as_in_the_contract() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, "demo", 2);
    let (ti, path) = (base64(&torrent.file), downloads(&home).to_owned());
    let fails =
        |params, code, message: &str| assert_fails(&app, "torrents.add", params, code, message);
    fails(json!({"ti": "%%%", "save_path": path}), -1, "Failed to bdecode 'ti' parameter");
    fails(json!({"ti": base64(b"x"), "save_path": path}), -1, "Failed to bdecode 'ti' parameter");
    let data = fails(
        json!({"ti": base64(b"d4:infoi1ee"), "save_path": path}),
        -2,
        "Failed to parse torrent_info from bdecoded data",
    );
    assert!(data.is_string());
    let bad = json!({"magnet_uri": "magnet:?xt=urn:btih:xyz", "save_path": path});
    fails(bad, -3, "Could not parse 'magnet_uri' param");
    fails(json!({"save_path": path}), -4, "Either 'ti' or 'magnet_uri' must be set");
    fails(json!({"ti": ti}), -4, "'save_path' missing");
    // Rule F1.
    fails(json!({"ti": ti, "save_path": "/etc"}), -4, "Failed to add torrent");
    assert_wrong_params(&app, "torrents.add", json!({"ti": 5}));
    assert_eq!(result(&app, "torrents.count", json!({})), json!({"count": 0}));

    let labels = json!({
        "category": "iso", "tags": ["b", "a", "b"], "session": "nobody looks at this",
        "metadata": {"z": [1, {"y": 2, "x": 1.5}], "k": null}, "preset": "unknown",
        "upload_limit": 50_000, "max_connections": 33, "max_uploads": 7,
    });
    add(&app, &torrent, labels);
    fails(json!({"ti": ti, "save_path": path}), -3, "Torrent already in session 'default'");
    let row = wait_seeding(&app, &torrent.hash);
    let names: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(names, ROW);
    for (name, value) in [
        ("category", json!("iso")),
        ("error", json!(null)),
        ("eta", json!(-1)),
        ("info_hash", json!([torrent.hash, null])),
        ("last_download", json!(-1)),
        ("metadata", json!({"k": null, "z": [1, {"x": 1.5, "y": 2}]})),
        ("moving_storage", json!(false)),
        ("name", json!("demo")),
        ("progress", json!(1.0)),
        ("queue_position", json!(-1)),
        ("ratio", json!(0.0)),
        ("save_path", json!(path)),
        ("session", json!("default")),
        ("size", json!(100 * KIB)),
        ("state", json!(5)),
        ("tags", json!(["a", "b"])),
        ("total", json!(100 * KIB)),
        ("total_done", json!(100 * KIB)),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    let text = raw(&app, r#"{"method":"torrents.list","params":{}}"#).text();
    assert!(text.contains("\"progress\":1.0,"), "{text}");
    assert!(text.contains("\"ratio\":0.0,"), "{text}");
    assert!(text.contains("\"metadata\":{},"), "{text}");
    let flags: Vec<&str> = FLAGS.into_iter().filter(|flag| has_flag(&row, flag)).collect();
    assert_eq!(row["flags"], json!(flags), "in the order of the contract");
    assert!(has_flag(&row, "auto_managed") && !has_flag(&row, "paused"), "{row}");

    let properties = result(&app, "torrents.properties.get", json!({"info_hash": torrent.hash}));
    let told = |name: &str| properties[name].as_i64().unwrap();
    assert_eq!(
        [told("upload_limit"), told("max_connections"), told("max_uploads")],
        [50_000, 33, 7]
    );
    let mut sorted = FLAGS;
    sorted.sort_unstable();
    let names: Vec<&String> = properties["flags"].as_object().unwrap().keys().collect();
    assert_eq!(names, sorted);
}

/// Section 6: order, pages, filters, and PQL.
#[test]
#[expect(clippy::too_many_lines, reason = "walks a table of the contract, row by row")]
fn lists_are_sorted_filtered_and_paged() {
    let home = Home::new();
    let app = home.start();
    let mut all = Vec::new();
    for (name, category, tag) in [("b", "one", "x"), ("a", "two", "x"), ("C", "two", "y")] {
        let torrent = seeded(&home, name, 10 + all.len() as u64);
        add(&app, &torrent, json!({"category": category, "tags": [tag]}));
        wait_seeding(&app, &torrent.hash);
        all.push(torrent);
    }
    let names = |params: Value| -> Vec<String> {
        let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
        list(&app, params).iter().map(name).collect()
    };
    assert_eq!(names(json!({"order_by": "name"})), ["C", "a", "b"]);
    assert_eq!(names(json!({"order_by": "name", "order_by_dir": "down"})), ["b", "a", "C"]);
    assert_eq!(names(json!({})), ["b", "a", "C"], "seeding ones stay in the order of adding");
    let page = json!({"order_by": "name", "page": 1, "page_size": 2});
    let whole = result(&app, "torrents.list", page);
    assert_eq!(whole["torrents"][0]["name"], "b");
    let rest = |name: &str| whole[name].clone();
    assert_eq!(
        ["order_by", "order_by_dir", "page", "page_size", "torrents_total"].map(rest),
        [json!("name"), json!("asc"), json!(1), json!(2), json!(3)]
    );
    assert_eq!(names(json!({"page": 3, "page_size": 1})), [] as [&str; 0], "exactly at the end");
    let fails =
        |params, code, message: &str| assert_fails(&app, "torrents.list", params, code, message);
    fails(json!({"page": 4, "page_size": 1}), -2, "Invalid page - too large.");
    fails(json!({"order_by": "info_hash"}), -1, "Invalid field in 'order_by'");

    let filtered = |filters: Value| names(json!({"order_by": "name", "filters": filters}));
    assert_eq!(filtered(json!({"category": "two"})), ["C", "a"]);
    assert_eq!(filtered(json!({"tags": "x"})), ["a", "b"]);
    assert_eq!(filtered(json!({"category": "two", "tags": "x"})), ["a"], "all of them count");
    assert_eq!(filtered(json!({"save_path": downloads(&home)})).len(), 3);
    assert_eq!(filtered(json!({"save_path": "/nowhere"})).len(), 0);
    assert_eq!(filtered(json!({"session": "default"})).len(), 3);
    assert_eq!(filtered(json!({"unknown": "x", "tags": 5, "query": ""})).len(), 3);
    for (query, found) in [
        ("category = \"two\" and tags contains \"x\"", &["a"][..]),
        ("name = \"a\" or name = \"b\" and size > 1gb", &["a"]),
        ("is:seeding and not is:paused", &["C", "a", "b"]),
        ("progress = 1.0 and size >= 100kb", &["C", "a", "b"]),
        ("is:downloading", &[]),
    ] {
        assert_eq!(filtered(json!({"query": query})), found, "{query}");
    }
    let counted = result(&app, "torrents.list", json!({"filters": {"category": "one"}}));
    assert_eq!(
        (&counted["torrents_total"], &counted["torrents_total_unfiltered"]),
        (&json!(1), &json!(3))
    );
    let answer = rpc(&app, "torrents.list", json!({"filters": {"query": "size >"}}));
    assert_eq!(answer["error"]["code"], -1000, "{answer}");
    assert!(answer["error"]["data"]["pos"].is_i64(), "{answer}");

    let overview = result(&app, "torrents.overview", json!({}));
    assert_eq!(
        overview,
        json!({"sessions": {"default": {
            "torrents_per_category": {"one": 1, "two": 2},
            "torrents_per_state": {"seeding": 3},
            "torrents_per_tag": {"x": 2, "y": 1},
            "torrents_per_tracker": {},
            "torrents_total": 3,
        }}})
    );
}

/// Sections 4 and 6: what is done to a torrent, and how each hash finds it.
#[test]
#[expect(clippy::too_many_lines, reason = "walks a table of the contract, row by row")]
fn torrents_are_stopped_checked_moved_and_removed() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, "demo", 3);
    let hash = add(&app, &torrent, json!({}));
    wait_seeding(&app, &torrent.hash);
    for way in [json!(torrent.hash), json!(torrent.hash.to_uppercase()), hash.clone()] {
        let one = json!({"info_hash": way});
        assert_eq!(result(&app, "torrents.pause", one.clone()), Value::Null);
        wait_row(&app, &torrent.hash, "paused", |row| has_flag(row, "paused"));
        assert_eq!(result(&app, "torrents.resume", one), Value::Null);
        wait_row(&app, &torrent.hash, "running", |row| !has_flag(row, "paused"));
    }
    let unknown = "Torrent not found in any session";
    for method in [
        "torrents.pause",
        "torrents.resume",
        "torrents.recheck",
        "torrents.files.list",
        "torrents.peers.list",
        "torrents.trackers.list",
        "torrents.properties.get",
        "torrents.properties.set",
        "torrents.metadata.list",
        "torrents.queue.top",
        "torrents.get",
    ] {
        for nobody in [json!("00"), json!(["0".repeat(40), null]), json!(null), json!([null, null])]
        {
            assert_fails(&app, method, json!({"info_hash": nobody}), -1, unknown);
        }
        assert_wrong_params(&app, method, json!({}));
    }
    let one = json!({"info_hash": hash});
    assert_eq!(result(&app, "torrents.recheck", one.clone()), Value::Null);
    wait_seeding(&app, &torrent.hash);

    let files = result(&app, "torrents.files.list", one.clone());
    let path = home.downloads.join("demo");
    assert_eq!(
        files,
        json!({"files": [{
            "absolute_path": path.to_str().unwrap(), "first_block_node": 7, "first_piece_node": 1,
            "flags": 0, "name": "demo", "num_blocks": 7, "num_pieces": 2, "offset": 0,
            "path": "demo", "size": 100 * KIB,
        }]})
    );
    assert_eq!(result(&app, "torrents.peers.list", one.clone()), json!({"peers": []}));
    let peers = json!([["not an address", 5], ["127.0.0.1", 0], ["127.0.0.1", 70_000]]);
    let add_peers = json!({"info_hash": hash, "peers": peers});
    assert_eq!(result(&app, "torrents.peers.add", add_peers), json!(true));
    assert_wrong_params(&app, "torrents.peers.add", json!({"info_hash": hash}));

    let there = home.downloads.join("there");
    let wish = |path: &str| json!({"info_hash": hash, "path": path, "flags": "nonsense"});
    // Rule F1.
    let outside = rpc(&app, "torrents.move", wish("/etc"));
    assert_eq!(outside["error"]["code"], -1, "{outside}");
    assert_eq!(result(&app, "torrents.move", wish(there.to_str().unwrap())), Value::Null);
    wait_row(&app, &torrent.hash, "moved", |row| row["save_path"] == there.to_str().unwrap());
    wait_for("the file is there", || there.join("demo").exists().then_some(()));

    let all = json!({"info_hashes": ["0".repeat(40), hash], "remove_data": true});
    assert_wrong_params(&app, "torrents.remove", json!({"info_hashes": [hash]}));
    assert_eq!(result(&app, "torrents.remove", all), Value::Null);
    assert_eq!(list(&app, json!({})), [] as [Value; 0]);
    assert!(!there.join("demo").exists());
}

/// Sections 4 and 6: a magnet link has no files yet, and is found by its hash.
#[test]
fn a_magnet_link_has_no_files_before_its_metadata() {
    let home = Home::new();
    let app = home.start();
    let v1 = "ab".repeat(20);
    let uri = format!("magnet:?xt=urn:btih:{v1}&dn=nothing");
    let trackers = json!(["http://127.0.0.1:9/announce"]);
    let params = json!({"magnet_uri": uri, "save_path": downloads(&home), "trackers": trackers});
    let added = result(&app, "torrents.add", params);
    assert_eq!(added["info_hash"], json!([v1, null]));
    let one = json!({"info_hash": v1});
    assert_fails(&app, "torrents.files.list", one.clone(), -2, "Failed to lock torrent file");
    let row = wait_row(&app, &v1, "asking for metadata", |row| row["state"] == 2);
    assert_eq!((&row["size"], &row["name"]), (&json!(-1), &json!("nothing")));
    let told = result(&app, "torrents.trackers.list", one);
    assert_eq!(told["trackers"][0]["url"], "http://127.0.0.1:9/announce");
    assert_eq!(told["trackers"].as_array().unwrap().len(), 1);
}

/// Section 6: properties, and rule F10: a private torrent stays private.
#[test]
fn f10_properties_are_set_and_a_private_torrent_stays_private() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, "demo", 4);
    let hash = add(&app, &torrent, json!({}));
    wait_seeding(&app, &torrent.hash);
    let properties =
        |hash: &Value| result(&app, "torrents.properties.get", json!({"info_hash": hash}));
    let set = |more: Value| {
        let mut params = json!({"info_hash": hash});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(result(&app, "torrents.properties.set", params), Value::Null);
    };
    set(json!({
        "download_limit": 10_000, "upload_limit": 20_000, "max_connections": 9, "max_uploads": 5,
        "flags": {"sequential_download": true, "disable_dht": true, "unknown": true,
                  "update_subscribe": false},
    }));
    let told = properties(&hash);
    assert_eq!(
        ["download_limit", "upload_limit", "max_connections", "max_uploads"]
            .map(|name| told[name].as_i64().unwrap()),
        [10_000, 20_000, 9, 5]
    );
    let flag = |told: &Value, name: &str| told["flags"][name].as_bool().unwrap();
    assert!(flag(&told, "sequential_download") && flag(&told, "disable_dht"));
    // The program's own flag stayed, so that lists hear of the change.
    wait_row(&app, &torrent.hash, "told of", |row| has_flag(row, "sequential_download"));
    set(json!({"flags": {"disable_dht": false, "paused": true}}));
    let told = properties(&hash);
    assert!(!flag(&told, "disable_dht") && flag(&told, "sequential_download"));
    wait_row(&app, &torrent.hash, "paused", |row| has_flag(row, "paused"));

    let content = payload(5, 100 * KIB);
    std::fs::write(home.downloads.join("secret"), &content).unwrap();
    let private = Recipe::named("secret").private().announce("http://127.0.0.1:9/announce");
    let private = private.single(&content);
    let trackers = json!({"ti": base64(&private.file), "save_path": downloads(&home),
                          "trackers": ["http://127.0.0.1:8/announce"]});
    assert_fails(&app, "torrents.add", trackers, -4, "Failed to add torrent");
    let hash = add(&app, &private, json!({}));
    wait_seeding(&app, &private.hash);
    let loosen = json!({"info_hash": hash, "flags": {"disable_dht": false}});
    let refused = rpc(&app, "torrents.properties.set", loosen);
    assert_eq!(refused["error"]["code"], -1, "{refused}");
    let more = json!({"info_hash": hash, "url": "http://127.0.0.1:8/announce"});
    let refused = rpc(&app, "torrents.trackers.add", more);
    assert_eq!(refused["error"]["code"], -1, "{refused}");
}

/// Section 5: every field, with what our own tracker told.
#[test]
fn trackers_are_told_in_every_field_with_what_they_said() {
    let own = OwnTracker::new("public");
    let app = own.home.start();
    let content = payload(6, 100 * KIB);
    std::fs::write(own.home.downloads.join("demo"), &content).unwrap();
    let url = own.url("http");
    let torrent = Recipe::named("demo").announce(&url).single(&content);
    let hash = add(&app, &torrent, json!({}));
    wait_seeding(&app, &torrent.hash);
    let one = json!({"info_hash": hash});
    assert_wrong_params(&app, "torrents.trackers.list", json!({}));
    let told = wait_for("the tracker answered", || {
        let told = result(&app, "torrents.trackers.list", one.clone());
        let tracker = told["trackers"][0].clone();
        (tracker["verified"] == true
            && tracker["endpoints"][0]["info_hashes"][0]["scrape_complete"] == 1)
            .then_some(tracker)
    });
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let monotonic_s: i64 = uptime.split('.').next().unwrap().parse().unwrap();
    // `source`: libtorrent 2.0 says so of every tracker that is there when a torrent is added.
    assert_eq!(
        [&told["fail_limit"], &told["source"], &told["tier"], &told["trackerid"], &told["url"]],
        [&json!(0), &json!(4), &json!(0), &json!(""), &json!(url)]
    );
    let endpoints = told["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 1, "one listen socket");
    assert_eq!(endpoints[0]["enabled"], true);
    assert_eq!(endpoints[0]["local_endpoint"], json!(["127.0.0.1", app.peer_port]));
    let [v1, v2] = &endpoints[0]["info_hashes"].as_array().unwrap()[..] else {
        panic!("both hashes: {told}");
    };
    assert_eq!(
        *v2,
        json!({
            "complete_sent": false, "fails": 0, "last_error": null, "message": "",
            "min_announce": i32::MIN, "next_announce": i32::MIN, "scrape_complete": -1,
            "scrape_downloaded": -1, "scrape_incomplete": -1, "start_sent": false,
            "updating": false,
        })
    );
    let next = v1["next_announce"].as_i64().unwrap();
    assert!((monotonic_s + 1000..monotonic_s + 2500).contains(&next), "{next} {monotonic_s}");
    for (name, value) in [
        ("fails", json!(0)),
        ("last_error", json!(null)),
        ("message", json!("")),
        ("scrape_complete", json!(1)),
        ("scrape_incomplete", json!(0)),
        ("start_sent", json!(true)),
        ("updating", json!(false)),
    ] {
        assert_eq!(v1[name], value, "{name}: {told}");
    }
}

/// Section 5: the error of a tracker that is not there is a text, and nothing is verified.
#[test]
fn a_dead_tracker_is_told_with_its_error() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, "demo", 16);
    let dead = "http://127.0.0.1:9/announce";
    let hash = add(&app, &torrent, json!({"trackers": [dead]}));
    let failed = wait_for("the dead tracker failed", || {
        let told = result(&app, "torrents.trackers.list", json!({"info_hash": hash}));
        let tracker = told["trackers"][0].clone();
        let fails = tracker["endpoints"][0]["info_hashes"][0]["fails"].as_i64();
        fails.is_some_and(|fails| fails > 0).then_some(tracker)
    });
    let announce = &failed["endpoints"][0]["info_hashes"][0];
    assert!(announce["fails"].as_i64().is_some_and(|fails| fails > 0), "{failed}");
    assert!(announce["last_error"].is_string(), "{failed}");
    assert_eq!((&failed["verified"], &failed["url"]), (&json!(false), &json!(dead)), "{failed}");
    let more = "http://127.0.0.1:8/announce";
    let wish = json!({"info_hash": hash, "url": more});
    assert_eq!(result(&app, "torrents.trackers.add", wish), Value::Null);
    wait_for("the new tracker is listed", || {
        let told = result(&app, "torrents.trackers.list", json!({"info_hash": hash}));
        let added = told["trackers"][1].clone();
        (added["url"] == more && added["source"] == 2 && added["tier"] == 1).then_some(())
    });
}

/// Rules D1, D2: what is written on a torrent survives a kill, and goes with the torrent.
#[test]
fn d1_labels_survive_a_kill_and_go_with_the_torrent() {
    let home = Home::new();
    let torrent = seeded(&home, "demo", 7);
    let labels = json!({
        "category": "iso", "tags": ["a"], "metadata": {"k": 1}, "max_connections": 12,
    });
    let app = home.start();
    add(&app, &torrent, labels.clone());
    app.kill();

    let app = home.start();
    let row = wait_seeding(&app, &torrent.hash);
    for name in ["category", "tags", "metadata"] {
        assert_eq!(row[name], labels[name], "{name}");
    }
    let one = json!({"info_hash": torrent.hash});
    let metadata = result(&app, "torrents.metadata.list", one.clone());
    assert_eq!(metadata, json!({"metadata": {"k": 1}}));
    assert_eq!(result(&app, "torrents.properties.get", one)["max_connections"], 12);
    let gone = json!({"info_hashes": [torrent.hash], "remove_data": false});
    result(&app, "torrents.remove", gone);
    add(&app, &torrent, json!({}));
    let row = wait_seeding(&app, &torrent.hash);
    assert_eq!((row.get("category"), &row["tags"]), (None, &json!([])));
    app.kill();
}

/// Section 6: while somebody else adds or removes the same torrent, it is waited for, and exactly
/// one of many adds it.
#[test]
fn of_many_who_add_one_torrent_one_does_and_the_others_are_told_that_it_is_there() {
    let home = Home::new();
    let app = home.start();
    let torrent = seeded(&home, "demo", 40);
    let params = json!({"ti": base64(&torrent.file), "save_path": downloads(&home)});
    for _ in 0..5 {
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let add = || rpc(&app, "torrents.add", params.clone());
            let all: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let there = json!({"code": -3, "data": null,
                           "message": "Torrent already in session 'default'"});
        let (added, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.get("result").is_some());
        assert_eq!(added.len(), 1, "{answers:?}");
        assert!(refused.iter().all(|answer| answer["error"] == there), "{refused:?}");

        // An add that meets a removal comes before or after it, and says which.
        let remove = json!({"info_hashes": [torrent.hash], "remove_data": false});
        let meanwhile = std::thread::scope(|scope| {
            let removed = scope.spawn(|| result(&app, "torrents.remove", remove.clone()));
            let added = rpc(&app, "torrents.add", params.clone());
            removed.join().unwrap();
            added
        });
        let count = result(&app, "torrents.count", json!({}))["count"].clone();
        let expected = i32::from(meanwhile.get("result").is_some());
        assert!(expected == 1 || meanwhile["error"] == there, "{meanwhile}");
        assert_eq!(count, expected, "{meanwhile}");
        result(&app, "torrents.remove", remove);
    }
}

/// Section 6: presets come from the configuration, the default one first.
#[test]
fn presets_are_applied_before_what_the_caller_says() {
    let home = Home::new();
    let there = home.downloads.join("films");
    let home = home
        .set("presets.default.category", "any")
        .set("presets.default.upload_limit", 4000)
        .set("presets.films.category", "film")
        .set("presets.films.tags", "x,y")
        .set("presets.films.save_path", there.display())
        .set("presets.other.session", "nowhere");
    let app = home.start();
    let none = Value::Null;
    assert_eq!(
        result(&app, "presets.list", json!({})),
        json!({
            "default": {
                "$hidden": none, "category": "any", "download_limit": none,
                "max_connections": none, "max_uploads": none, "save_path": none,
                "session": none, "tags": none, "upload_limit": 4000,
            },
            "films": {
                "$hidden": none, "category": "film", "download_limit": none,
                "max_connections": none, "max_uploads": none, "save_path": there,
                "session": none, "tags": ["x", "y"], "upload_limit": none,
            },
            "other": {
                "$hidden": none, "category": none, "download_limit": none,
                "max_connections": none, "max_uploads": none, "save_path": none,
                "session": "nowhere", "tags": none, "upload_limit": none,
            },
        })
    );
    let torrent = seeded(&home, "demo", 8);
    let ti = base64(&torrent.file);
    let elsewhere = json!({"ti": ti, "preset": "other", "save_path": downloads(&home)});
    assert_fails(&app, "torrents.add", elsewhere, -10, "Session not found");
    result(&app, "torrents.add", json!({"ti": ti, "preset": "films", "tags": ["own"]}));
    let row = row(&app, &torrent.hash);
    assert_eq!(
        [&row["category"], &row["tags"], &row["save_path"]],
        [&json!("film"), &json!(["own"]), &json!(there)]
    );
    let properties = result(&app, "torrents.properties.get", json!({"info_hash": torrent.hash}));
    assert_eq!(properties["upload_limit"], 4000);
}

/// Section 6: the methods for the program as a whole.
#[test]
fn sessions_space_versions_and_plugins_are_those_of_the_contract() {
    let home = Home::new().set("client.settings.proxy_password", "s3cret");
    let app = home.start();
    let session = |paused: bool| {
        json!({"sessions": [{
            "is_dht_running": false, "is_listening": true, "is_paused": paused,
            "name": "default", "torrents_total": 0,
        }]})
    };
    assert_eq!(result(&app, "sessions.list", json!({})), session(false));
    assert_eq!(result(&app, "sessions.pause", json!({})), Value::Null);
    assert_eq!(result(&app, "sessions.list", json!({})), session(true));
    assert_eq!(result(&app, "sessions.resume", json!({"name": "default"})), json!(true));
    assert_eq!(result(&app, "sessions.list", json!({})), session(false));
    for method in ["sessions.pause", "sessions.resume", "sessions.settings.list"] {
        assert_fails(&app, method, json!({"name": "x"}), -1, "Session not found");
    }
    let keys = json!({"keys": ["enable_dht", "connections_limit", "user_agent", "proxy_password"]});
    let settings = result(&app, "sessions.settings.list", keys)["settings"].clone();
    assert_eq!(
        (&settings["enable_dht"], &settings["connections_limit"]),
        (&json!(false), &json!(500))
    );
    assert!(settings["user_agent"].as_str().unwrap().starts_with("Cove/"));
    // Rule W11.
    assert_eq!(settings["proxy_password"], "***");
    let all = result(&app, "sessions.settings.list", json!({}));
    assert!(all["settings"].as_object().unwrap().len() > 100);

    let space = result(&app, "fs.space", json!({"path": downloads(&home)}));
    let bytes = |name: &str| space[name].as_u64().unwrap();
    assert!(bytes("available") <= bytes("free") && bytes("free") <= bytes("capacity"));
    assert!(bytes("capacity") > 0 && space["quota"].is_null(), "{space}");
    let gone = home.downloads.join("gone");
    let text = "No such file or directory";
    assert_fails(&app, "fs.space", json!({"path": gone}), -1, text);
    // Rule F1.
    assert_eq!(rpc(&app, "fs.space", json!({"path": "/etc"}))["error"]["code"], -1);
    assert_wrong_params(&app, "fs.space", json!({}));

    let versions = result(&app, "sys.versions", json!({}));
    let names: Vec<&String> = versions.as_object().unwrap().keys().collect();
    let expected =
        ["boost", "libtorrent", "nlohmann_json", "openssl", "porla", "sqlite", "tomlplusplus"];
    assert_eq!(names, expected);
    assert!(versions["libtorrent"]["version"].as_str().unwrap().starts_with("2.0."));
    assert!(versions["boost"]["version"].as_str().unwrap().contains('_'));
    assert!(versions["sqlite"]["version"].as_str().unwrap().starts_with("3."));

    assert_eq!(result(&app, "plugins.list", json!({})), json!({"plugins": []}));
    for method in ["plugins.get", "plugins.configure", "plugins.reload", "plugins.uninstall"] {
        assert_fails(&app, method, json!({"name": "x"}), -1, "Plugin not found");
        assert_wrong_params(&app, method, json!({}));
    }
    let update = "Updating plugins has been removed";
    assert_fails(&app, "plugins.update", json!({"name": "x"}), -2, update);
    let git = json!({"path": "https://192.0.2.1/x.git", "source": "git"});
    assert_fails(&app, "plugins.install", git, -1, "Installing from Git has been removed");
    assert_fails(&app, "webui.install", json!({"data": ""}), -1, "Web UI not enabled");
}

/// Section 9: what the later line added, as far as it is served.
#[test]
fn what_the_later_line_added_is_served() {
    let home = Home::new();
    let app = home.start();
    let files = [("one", payload(1, 70 * KIB)), ("two", payload(2, 30 * KIB))];
    for (name, content) in &files {
        let path = home.downloads.join("folder").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let torrent = Recipe::named("folder").folder(&files);
    let hash = add(&app, &torrent, json!({"session_id": 1}));
    wait_seeding(&app, &torrent.hash);
    let one = json!({"info_hash": hash, "session_id": 1});
    assert_eq!(result(&app, "torrents.get", one.clone())["name"], "folder");
    assert_eq!(
        result(&app, "torrents.count", json!({"filters": {"category": "x"}})),
        json!({"count": 0})
    );
    let progress = result(&app, "torrents.files.progress", one.clone());
    assert_eq!(progress, json!({"progress": [70 * KIB, 30 * KIB]}));
    assert_eq!(result(&app, "torrents.pieces.get", one.clone()), json!({"pieces": [1, 1]}));
    let priorities = result(&app, "torrents.files.priorities", one.clone());
    assert_eq!(priorities, json!({"priorities": [4, 4]}));
    let wish = json!({"info_hash": hash, "priorities": [0, 7]});
    assert_eq!(result(&app, "torrents.files.prioritize", wish), Value::Null);
    let priorities = result(&app, "torrents.files.priorities", one.clone());
    assert_eq!(priorities, json!({"priorities": [0, 7]}));
    let wrong = json!({"info_hash": hash, "priorities": [4, 8]});
    assert_eq!(rpc(&app, "torrents.files.prioritize", wrong)["error"]["code"], -1);

    let rename = json!({"info_hash": hash, "index": 1, "name": "folder/three"});
    assert_eq!(result(&app, "torrents.files.rename", rename), Value::Null);
    let files = result(&app, "torrents.files.list", one.clone());
    assert_eq!(files["files"][1]["path"], "folder/three");
    assert!(home.downloads.join("folder/three").exists());
    // Rules F1, F2.
    let outside = json!({"info_hash": hash, "index": 1, "name": "../three"});
    assert_eq!(rpc(&app, "torrents.files.rename", outside)["error"]["code"], -1);

    for direction in ["top", "up", "down", "bottom"] {
        assert_eq!(result(&app, &format!("torrents.queue.{direction}"), one.clone()), Value::Null);
    }
    let place = json!({"info_hash": hash, "position": 0});
    assert_eq!(result(&app, "torrents.queue.set", place), Value::Null);
    let place = json!({"info_hash": hash, "position": -1});
    assert_eq!(rpc(&app, "torrents.queue.set", place)["error"]["code"], -1);

    let get = json!({"key": "ui"});
    assert_eq!(result(&app, "kv.get", get.clone()), json!({"value": null}));
    let set = json!({"key": "ui", "value": {"b": [1], "a": "x"}});
    assert_eq!(result(&app, "kv.set", set), Value::Null);
    assert_eq!(result(&app, "kv.get", get), json!({"value": {"a": "x", "b": [1]}}));
}

/// Section 9: presets are added, changed and removed, kept over a kill, and obeyed.
#[test]
fn d1_presets_are_changed_while_the_program_runs_and_stay() {
    let home = Home::new().set("presets.fixed.category", "fixed");
    let app = home.start();
    let id = result(&app, "presets.add", json!({"name": "films"}))["id"].clone();
    assert!(id.as_i64().is_some_and(|id| id > 0), "{id}");
    let again = "there is a preset `films` already";
    assert_fails(&app, "presets.add", json!({"name": "films"}), -1, again);
    assert_wrong_params(&app, "presets.add", json!({}));
    for name in ["", "a.b", "a\nb"] {
        let refused = rpc(&app, "presets.add", json!({"name": name}));
        assert_eq!(refused["error"]["code"], -1, "{name:?}: {refused}");
    }
    let there = home.downloads.join("films");
    let wish = json!({
        "id": id, "category": "film", "tags": ["b,c", "a"], "save_path": there,
        "upload_limit": 4000, "max_uploads": 7, "session_id": 1,
    });
    assert_eq!(result(&app, "presets.update", wish), json!({}));
    let taken = json!({"name": "films", "max_uploads": null});
    assert_eq!(result(&app, "presets.update", taken), json!({}));
    let wrong = json!({"id": id, "session_id": 2});
    assert_fails(&app, "presets.update", wrong, -1, "Session not found");
    let other = json!({"id": id, "name": "other"});
    assert_eq!(rpc(&app, "presets.update", other)["error"]["code"], -1);
    let expected = json!({"preset": {
        "category": "film", "download_limit": null, "id": id, "is_default": false,
        "max_connections": null, "max_uploads": null, "metadata": {}, "name": "films",
        "save_path": there, "session_id": 1, "tags": ["b,c", "a"], "upload_limit": 4000,
    }});
    assert_eq!(result(&app, "presets.get", json!({"id": id})), expected);
    app.kill();

    let app = home.start();
    assert_eq!(result(&app, "presets.get", json!({"name": "films"})), expected);
    let torrent = seeded(&home, "demo", 41);
    let wish = json!({"ti": base64(&torrent.file), "preset": "films"});
    result(&app, "torrents.add", wish);
    let row = row(&app, &torrent.hash);
    assert_eq!([&row["category"], &row["save_path"]], [&json!("film"), &json!(there)]);
    assert_eq!(row["tags"], json!(["a", "b,c"]));

    assert_eq!(result(&app, "presets.remove", json!({"id": id})), json!({}));
    for method in ["presets.get", "presets.update", "presets.remove"] {
        assert_fails(&app, method, json!({"id": id}), -1, "Preset not found");
    }
    let fixed = json!({"name": "fixed"});
    let refused = rpc(&app, "presets.remove", fixed.clone());
    assert!(refused["error"]["message"].as_str().unwrap().contains("remove it there"));
    assert_eq!(result(&app, "presets.get", fixed)["preset"]["category"], "fixed");
    let names: Vec<String> =
        result(&app, "presets.list", json!({})).as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["fixed"]);
}

/// Section 9: sessions and their settings by number too, and changes that are in force and kept.
#[test]
fn d1_settings_of_a_session_are_changed_and_stay() {
    let home = Home::new();
    let app = home.start();
    let session = result(&app, "sessions.get", json!({"id": 1}))["session"].clone();
    assert_eq!((&session["id"], &session["name"]), (&json!(1), &json!("default")));
    assert!(session["settings"].as_object().unwrap().len() > 100);
    for method in ["sessions.get", "sessions.settings.get", "sessions.settings.set"] {
        let nobody = json!({"id": 2, "settings": {"connections_limit": 5}});
        assert_fails(&app, method, nobody, -1, "Session not found");
    }
    let wish = json!({"id": 1, "settings": {"connections_limit": 77, "user_agent": "me"}});
    assert_eq!(result(&app, "sessions.settings.set", wish), Value::Null);
    let told = |app: &App<'_>| {
        let settings = result(app, "sessions.settings.get", json!({"name": "default"}));
        [&settings["settings"]["connections_limit"], &settings["settings"]["user_agent"]]
            .map(Clone::clone)
    };
    assert_eq!(told(&app), [json!(77), json!("me")]);
    for wrong in [json!({"conections_limit": 5}), json!({"user_agent": 5}), json!({"a.b": 5})] {
        let wish = json!({"settings": {"connections_limit": 78}});
        let mut wish = wish;
        wish["settings"].as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let refused = rpc(&app, "sessions.settings.set", wish);
        assert_eq!(refused["error"]["code"], -1, "{refused}");
    }
    assert_wrong_params(&app, "sessions.settings.set", json!({"id": 1}));
    assert_eq!(told(&app), [json!(77), json!("me")], "all or none");
    app.kill();
    let app = home.start();
    assert_eq!(told(&app), [json!(77), json!("me")]);
}

/// Section 9: users, logins and keys as methods.
#[test]
fn users_and_keys_are_made_by_methods_too() {
    let home = Home::new();
    let app = home.start();
    assert_eq!(result(&app, "sys.status", json!({})), json!({"status": "setup"}));
    let ann = json!({"username": "ann", "password": "pw"});
    assert_wrong_params(&app, "auth.init", json!({"username": "ann"}));
    assert_eq!(result(&app, "auth.init", ann.clone()), json!({}));
    assert_fails(&app, "auth.init", ann.clone(), -1, "Auth already initialized.");
    assert_eq!(result(&app, "sys.status", json!({})), json!({"status": "ok"}));
    let wrong = json!({"username": "ann", "password": "other"});
    assert_fails(&app, "auth.login", wrong, -1, "Invalid username/password.");
    let login = result(&app, "auth.login", ann);
    let count = |token: &str| {
        let body = r#"{"id":1,"method":"torrents.count","params":{}}"#;
        let bearer = format!("Bearer {token}");
        post(&app, "/api/v1/jsonrpc", &[("X-Porla-Token", &bearer)], body.as_bytes()).status
    };
    assert_eq!(count(login["token"].as_str().unwrap()), 200);

    let made = result(&app, "auth.keys.create", json!({"name": "indexer"}));
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let later = json!({"name": "brief", "expires_at": 4_102_444_800_i64});
    result(&app, "auth.keys.create", later);
    let keys = result(&app, "auth.keys.list", json!({}))["keys"].clone();
    let keys = keys.as_array().unwrap();
    let named = |name: &str| keys.iter().find(|key| key["name"] == name).unwrap();
    let (endless, brief) = (named("indexer"), named("brief"));
    assert!(endless["created_at"].as_i64().is_some_and(|at| at > 1_700_000_000), "{endless}");
    assert_eq!((&endless["expires_at"], &endless["id"]), (&Value::Null, &made["id"]));
    assert_eq!((&brief["expires_at"], keys.len()), (&json!(4_102_444_800_i64), 2));
    assert!(keys.iter().all(|one| !one.to_string().contains(key)), "rule W11");
    assert_eq!(count(key), 200);
    let more = json!({"id": 1, "method": "auth.keys.create", "params": {"name": "more"}});
    let bearer = format!("Bearer {key}");
    let headers = [("X-Porla-Token", &*bearer)];
    let refused = post(&app, "/api/v1/jsonrpc", &headers, more.to_string().as_bytes());
    assert_eq!(refused.status, 403, "a key makes no keys");
    for wrong in
        [json!({"name": "indexer"}), json!({"name": ""}), json!({"name": "x", "expires_at": 5})]
    {
        assert_eq!(rpc(&app, "auth.keys.create", wrong)["error"]["code"], -1);
    }
    assert_eq!(result(&app, "auth.keys.remove", json!({"id": id})), json!({}));
    assert_eq!(count(key), 401);
    for gone in [id, "nonsense"] {
        assert_fails(&app, "auth.keys.remove", json!({"id": gone}), -1, "Key not found");
    }
    assert_fails(&app, "mmdb.lookup", json!({"values": ["8.8.8.8"]}), -1, "MMDB file not loaded.");
    assert_fails(&app, "plugins.remove", json!({"id": 5}), -1, "Plugin not found");
}

/// Follows the events of Porla, and checks how the stream begins.
fn follow(app: &App<'_>) -> Events {
    let cookie = format!("a=b; porla-auth-token={}", app.api.token);
    let headers = vec![("Cookie", cookie)];
    let request = Request { method: "GET", target: "/api/v1/events", headers, body: None };
    let incoming = request.open(&app.api.host).unwrap();
    assert_eq!(incoming.status, 200);
    assert_eq!(incoming.header("content-type"), Some("text/event-stream"));
    assert_eq!(incoming.header("cache-control"), Some("no-cache, no-transform"));
    let mut events = Events::of(incoming);
    let hello = events.next().unwrap();
    assert_eq!((&*hello.name, hello.data), ("hello", json!({})));
    events
}

/// Section 7: what is told of a torrent, without ids and without a past.
#[test]
fn events_are_those_of_the_contract() {
    let home = Home::new();
    let app = home.start();
    let mut events = follow(&app);
    let torrent = seeded(&home, "demo", 42);
    let hash = add(&app, &torrent, json!({}));
    let update = json!({"info_hashes": [hash], "session": "default"});
    let one = json!({"info_hash": hash});
    let told = json!({"info_hash": hash, "session": "default"});
    let first = events.next().unwrap();
    assert_eq!((&*first.name, &first.data), ("state_update", &update), "no event of the adding");
    wait_seeding(&app, &torrent.hash);
    // What changes twice between two looks of the server is one event or none, so that it has to
    // have been seen running; its other stream says when.
    Events::follow(&app.api, None).until("it is seen seeding", |event| {
        let torrents = &event.data["torrents"];
        torrents[0]["state"] == "seeding" || torrents[&torrent.hash]["state"] == "seeding"
    });
    for (method, event) in
        [("torrents.pause", "torrent_paused"), ("torrents.resume", "torrent_resumed")]
    {
        result(&app, method, one.clone());
        let seen = events.until(event, |seen| seen.name == event);
        assert_eq!((&seen.data, &seen.id), (&told, &None));
        let after = events.next().unwrap();
        assert_eq!((&*after.name, &after.data), ("state_update", &update));
    }
    let late = follow(&app);
    let all = json!({"info_hashes": [hash], "remove_data": false});
    result(&app, "torrents.remove", all);
    for mut events in [events, late] {
        let mut names = Vec::new();
        let seen = events.until("it is removed", |seen| {
            names.push(seen.name.clone());
            seen.name == "torrent_removed"
        });
        assert_eq!(seen.data, told);
        assert!(names.iter().all(|name| name != "torrent_resumed"), "no past: {names:?}");
    }
}

/// Rules D16 and W13: the stream ends with the program and when its token is revoked, without a
/// word, since the original has none.
#[test]
fn w13_events_end_with_their_token_and_with_the_program() {
    let home = Home::new();
    let app = home.start();
    let made = result(&app, "auth.keys.create", json!({"name": "reader"}));
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let headers = vec![("X-Porla-Token", bearer)];
    let request = Request { method: "GET", target: "/api/v1/events", headers, body: None };
    let mut of_key = Events::of(request.open(&app.api.host).unwrap());
    assert_eq!(of_key.next().unwrap().name, "hello");
    let mut other = follow(&app);
    result(&app, "auth.keys.remove", json!({"id": made["id"]}));
    assert!(of_key.next().is_none(), "the token is revoked");
    app.terminate();
    assert!(other.next().is_none(), "the program ends");
    app.stop();
}
