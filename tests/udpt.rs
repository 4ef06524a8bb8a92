//! UDPT's API, word for word: the tables of its contract in their order, and its examples by curl.

use std::process::Command;

use crate::common::announcer::Announcer;
use crate::common::announcer::IH;
use crate::common::announcer::PID2;
use crate::common::announcer::leech;
use crate::common::announcer::seed;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::golden::Asked;
use crate::common::golden::Golden;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::http::send_raw;
use crate::common::process::find_program;
use crate::common::process::skip;

const HEX: &str = "1234567890123456789012345678901234567890";
const UNKNOWN: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
const DENIED: &str = "Unhandled rejection: Err { reason: \"Access Denied\" }";
const OK: &str = "{\"status\":\"ok\"}";

fn home(mode: &str) -> Home {
    Home::new().set("tracker.mode", mode).set("tracker.udp.bind", "127.0.0.1:0")
}

/// A call without the token, unless `target` has one.
fn call(app: &App<'_>, method: &str, target: &str, body: Option<(&str, &[u8])>) -> Answer {
    let headers = body.map(|(kind, _)| ("Content-Type", kind.to_owned()));
    let headers = headers.into_iter().filter(|(_, kind)| !kind.is_empty()).collect();
    let body = body.map(|(_, bytes)| bytes);
    Request { method, target, headers, body }.send(&app.api.host).unwrap()
}

fn with_token(app: &App<'_>, path: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}token={}", app.api.token)
}

fn get(app: &App<'_>, path: &str) -> Answer {
    call(app, "GET", &with_token(app, path), None)
}

fn delete(app: &App<'_>, hash: &str) -> String {
    call(app, "DELETE", &with_token(app, &format!("/t/{hash}")), None).text()
}

fn post(app: &App<'_>, hash: &str, json: &str) -> Answer {
    let target = with_token(app, &format!("/t/{hash}"));
    call(app, "POST", &target, Some(("application/json", json.as_bytes())))
}

#[track_caller]
fn assert_text(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, &*answer.text()), (status, text));
    let kind = (!text.is_empty()).then_some("text/plain; charset=utf-8");
    assert_eq!(answer.header("content-type"), kind);
}

/// Section 2, rule W4: the token is judged first, by the query alone, and a refused call changes
/// nothing.
#[test]
fn w4_without_the_token_nothing_happens() {
    assert_eq!(DENIED.len(), 52);
    let home = home("listed");
    let app = home.start();
    let flag = Some(("application/json", &b"{\"is_flagged\":true}"[..]));
    let one = format!("/t/{HEX}");
    for target in ["/t", "/t/", "/t?token=", &one, &format!("{one}/deeper"), "/t/nonsense"] {
        assert_text(&call(&app, "GET", target, None), 500, DENIED);
    }
    assert_text(&call(&app, "POST", &one, flag), 500, DENIED);
    assert_text(&call(&app, "DELETE", &one, None), 500, DENIED);
    assert_text(&call(&app, "POST", &format!("{one}?token=wrong"), flag), 500, DENIED);
    assert_eq!(get(&app, "/t").text(), "[]");
}

/// Section 3, row by row.
#[test]
fn each_failure_has_its_status_and_text() {
    let home = home("public");
    let app = home.start();
    let mut golden = Golden::of("udpt/failures").hide(app.api.token.clone(), "{token}");
    let one = format!("/t/{UNKNOWN}");
    let long = format!("{{\"x\":\"{}\",\"is_flagged\":true}}", "x".repeat(4096));
    let deep = "[".repeat(100);
    let json = |body| Some(("application/json", body));
    let rows: [(&str, &str, &str, Option<(&str, &str)>); 27] = [
        ("unknown-torrent", "GET", &one, None),
        ("malformed-hash", "GET", "/t/xyz", None),
        ("short-hash", "GET", &one[..41], None),
        ("two-slashes", "GET", "/t//", None),
        ("deeper", "GET", &format!("{one}/peers"), None),
        ("put", "PUT", "/t", None),
        ("patch", "PATCH", "/t", None),
        ("options", "OPTIONS", "/t", None),
        ("head", "HEAD", "/t", None),
        ("delete-all", "DELETE", "/t", None),
        ("post-all", "POST", "/t", json("{\"is_flagged\":true}")),
        ("post-malformed-hash", "POST", "/t/xyz", json("{\"is_flagged\":true}")),
        ("limit-text", "GET", "/t?limit=x", None),
        ("limit-negative", "GET", "/t?limit=-1", None),
        ("limit-empty", "GET", "/t?limit=", None),
        ("limit-over-32-bits", "GET", "/t?limit=4294967296", None),
        ("offset-text", "GET", "/t?offset=x", None),
        ("offset-empty", "GET", "/t?offset=", None),
        ("post-too-large", "POST", &one, json(&long)),
        ("post-form", "POST", &one, Some(("application/x-www-form-urlencoded", "a=b"))),
        ("post-text", "POST", &one, Some(("text/plain", "{\"is_flagged\":true}"))),
        ("post-no-member", "POST", &one, json("{}")),
        ("post-wrong-type", "POST", &one, json("{\"is_flagged\":\"x\"}")),
        ("post-bad-json", "POST", &one, json("{\"is_flagged\":")),
        ("post-too-deep", "POST", &one, json(&deep)),
        ("delete-unknown", "DELETE", &one, None),
        ("list-empty", "GET", "/t", None),
    ];
    for (name, method, path, body) in rows {
        let target = with_token(&app, path);
        let sent = body.map(|(kind, text)| (kind, text.as_bytes()));
        let answer = call(&app, method, &target, sent);
        let shown = body.map(|(kind, text)| format!("{kind}: {}", &text[..text.len().min(40)]));
        let asked = Asked { method, target: &target, body: &shown.unwrap_or_default() };
        golden.check(name, &asked, &answer);
    }
    golden.finish();
}

/// Section 3: a body whose length is not told.
#[test]
fn a_chunked_body_needs_a_length() {
    let home = home("public");
    let app = home.start();
    let target = with_token(&app, &format!("/t/{HEX}"));
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nnull\r\n0\r\n\r\n",
        app.api.host
    );
    let answer = send_raw(&app.api.host, request.as_bytes()).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 411 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nA content-length header is required"), "{answer}");
    assert_eq!(get(&app, "/t").text(), "[]");
}

/// Section 3: outside `/t` nothing is UDPT's but the page, which needs no token.
#[test]
fn the_front_page_needs_no_token() {
    let home = home("public");
    let app = home.start();
    let page = call(&app, "GET", "/", None);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("server").unwrap().starts_with("cove/"));
    assert!(page.header("content-security-policy").is_some(), "W10");
    assert!(!page.text().contains(&app.api.token));
    assert_eq!(call(&app, "GET", &with_token(&app, "/nothing"), None).status, 404);
}

/// Sections 4 and 5: the list and one torrent, member for member, and paging.
#[test]
fn lists_and_torrents_are_as_the_contract_shows_them() {
    let home = home("public");
    let app = home.start();
    let asker = Announcer::new(app.tracker_udp[0]);
    asker.announce(&leech(51413, *b"-TR2940-mnopqrstuvwx"));
    asker.announce(&seed(6882, PID2));
    for first in 1..=3u8 {
        let mut hash = IH;
        hash[0] = first;
        asker.announce(&crate::common::announcer::UdpAnnounce {
            info_hash: hash,
            ..leech(6881, PID2)
        });
    }
    let mut golden =
        Golden::of("udpt/lists").hide(app.api.token.clone(), "{token}").volatile(&["updated"]);
    for (name, path) in [
        ("list", "/t".to_owned()),
        ("list-slash", "/t/".to_owned()),
        ("page", "/t?offset=1&limit=2".to_owned()),
        ("limit-zero", "/t?limit=0".to_owned()),
        ("past-the-end", "/t?offset=99".to_owned()),
        ("limit-beyond-the-cap", "/t?limit=4294967295".to_owned()),
        ("torrent", format!("/t/{HEX}")),
        ("torrent-slash", format!("/t/{HEX}/")),
        ("torrent-upper-case", format!("/t/{}", HEX.to_uppercase())),
    ] {
        let target = with_token(&app, &path);
        let answer = call(&app, "GET", &target, None);
        golden.check(name, &Asked { method: "GET", target: &target, body: "" }, &answer);
    }
    golden.finish();
    let peers = get(&app, &format!("/t/{HEX}")).json()["peers"].clone();
    let [identity, state] = &peers[0].as_array().unwrap()[..] else { panic!("a pair") };
    assert_eq!(identity["client"], "Transmission");
    // An age in milliseconds, not a moment.
    assert!(state["updated"].as_u64().unwrap() < 60_000);
    assert_eq!(state["ip"], "127.0.0.1:51413");
}

/// Section 4: without a limit 1,000 are listed, and never more than 4,000.
#[test]
fn a_list_is_cut_at_its_limits() {
    let home = home("listed");
    let app = home.start();
    let hashes: Vec<String> = (0..1002).map(|number| format!("{number:040x}")).collect();
    std::thread::scope(|scope| {
        for part in hashes.chunks(126) {
            let app = &app;
            scope.spawn(move || part.iter().for_each(|hash| app.whitelist(hash)));
        }
    });
    let count = |query: &str| get(&app, &format!("/t{query}")).json().as_array().unwrap().len();
    assert_eq!((count(""), count("?limit=2000"), count("?offset=1000")), (1000, 1002, 2));
}

/// Section 6: both states and both wishes; the answer holds what the source and what the document
/// promise.
#[test]
fn a_post_adds_flags_and_unflags() {
    let home = home("listed");
    let app = home.start();
    let asker = Announcer::new(app.tracker_udp[0]);
    let refused = || asker.try_announce(&leech(6881, PID2)).unwrap_err();
    assert_eq!(refused(), "Torrent not authorized");

    // Unknown, false: created, as the document says of a static tracker.
    let added = post(&app, HEX, "{\"is_flagged\":false}");
    let row = format!(
        "\"info_hash\":\"{HEX}\",\"is_flagged\":false,\"completed\":0,\"seeders\":0,\"leechers\":0"
    );
    assert_eq!(added.text(), format!("{{\"status\":\"ok\",{row},\"peers\":[]}}"));
    assert_eq!(added.header("content-type"), Some("application/json"));
    assert_eq!(get(&app, "/t").text(), format!("[{{{row}}}]"));
    asker.announce(&leech(6881, PID2));

    // Known, true: flagged, its peers gone and refused. A flagged one stays flagged.
    for _ in 0..2 {
        let flagged = post(&app, HEX, "{\"is_flagged\":true,\"more\":1}").json();
        assert_eq!((&flagged["status"], &flagged["is_flagged"]), (&"ok".into(), &true.into()));
        assert_eq!(flagged["peers"], serde_json::json!([]));
        assert_eq!(refused(), "Torrent flagged");
    }
    assert_eq!(asker.scrape(IH), (0, 0, 0), "section 8: zeros, not an error");

    // Known, null: unflagged, and served again.
    assert_eq!(post(&app, HEX, "null").json()["is_flagged"], false);
    asker.announce(&leech(6881, PID2));

    // Unknown, true: created and flagged; unflagging is what registers it.
    assert_eq!(post(&app, UNKNOWN, "{\"is_flagged\":true}").json()["is_flagged"], true);
    assert_eq!(post(&app, UNKNOWN, "{\"is_flagged\":false}").status, 200);
    assert_eq!(get(&app, &format!("/t/{UNKNOWN}")).status, 200);
}

/// Section 12: an empty body stands for false, whatever type curl gives it.
#[test]
fn an_empty_body_is_taken_as_false() {
    let home = home("listed");
    let app = home.start();
    let target = with_token(&app, &format!("/t/{HEX}"));
    let bodies: [Option<(&str, &[u8])>; 4] = [
        None,
        Some(("", b"")),
        Some(("application/json", b"")),
        Some(("application/x-www-form-urlencoded", b"")),
    ];
    for body in bodies {
        let answer = call(&app, "POST", &target, body);
        assert_eq!((answer.status, &answer.json()["status"]), (200, &"ok".into()), "{body:?}");
        assert_eq!(delete(&app, HEX), OK);
    }
}

/// Rule W7: what a page could send unasked is refused.
#[test]
fn w7_a_browser_must_say_that_it_sends_json() {
    let home = home("listed");
    let app = home.start();
    let target = with_token(&app, &format!("/t/{HEX}"));
    let headers = vec![("Cookie", "a=b".to_owned())];
    let request = Request { method: "POST", target: &target, headers, body: Some(b"") };
    assert_eq!(request.send(&app.api.host).unwrap().status, 415);
    assert_eq!(get(&app, "/t").text(), "[]");
}

/// Section 7: dropped once, flagged or not; in a public tracker it returns with an announce.
#[test]
fn a_delete_drops_and_says_when_there_was_nothing() {
    let home = home("public");
    let app = home.start();
    let gone = "{\"status\":\"err\",\"reason\":\"failed to delete torrent\"}";
    let asker = Announcer::new(app.tracker_udp[0]);
    asker.announce(&leech(6881, PID2));
    assert_eq!((&*delete(&app, HEX), &*delete(&app, HEX)), (OK, gone));
    post(&app, HEX, "{\"is_flagged\":true}");
    let body = Some(("text/plain", &b"ignored"[..]));
    let answer = call(&app, "DELETE", &with_token(&app, &format!("/t/{HEX}")), body);
    assert_eq!((answer.status, answer.text().as_str()), (200, OK));
    assert_eq!(get(&app, &format!("/t/{HEX}")).status, 405);
    asker.announce(&leech(6881, PID2));
    assert_eq!(get(&app, &format!("/t/{HEX}")).status, 200);
}

/// Rule D1: what was acknowledged outlives a kill, and what was dropped does not come back.
#[test]
fn d1_flags_and_drops_survive_a_kill() {
    let home = home("listed");
    let app = home.start();
    post(&app, HEX, "{\"is_flagged\":true}");
    post(&app, UNKNOWN, "null");
    let third = "f".repeat(40);
    post(&app, &third, "null");
    delete(&app, &third);
    let before = get(&app, "/t").text();
    app.kill();
    let app = home.start();
    assert_eq!(get(&app, "/t").text(), before);
    assert_eq!(get(&app, "/t").json().as_array().unwrap().len(), 2);
}

/// The four examples as a script would have them, by curl.
#[test]
fn curl_lists_adds_flags_and_drops() {
    let Some(curl) = find_program("curl") else { return skip("UDPT by curl", "curl", true) };
    let home = home("listed");
    let app = home.start();
    let token = &app.api.token;
    let base = format!("http://{}/t", app.api.host);
    let run = |arguments: &[&str]| {
        let output = Command::new(&curl).args(["-s", "-S"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let one = format!("{base}/{HEX}?token={token}");
    let json = "Content-Type: application/json";
    let added = run(&["-X", "POST", "-H", json, "-d", "{\"is_flagged\": false}", &one]);
    assert!(added.starts_with("{\"status\":\"ok\","), "{added}");
    let flagged = run(&["-X", "POST", "-H", json, "-d", "{\"is_flagged\": true}", &one]);
    assert!(flagged.contains("\"is_flagged\":true"), "{flagged}");
    let list = run(&[&format!("{base}?token={token}&limit=1")]);
    assert!(list.contains(HEX) && list.starts_with("[{"), "{list}");
    assert!(run(&[&one]).ends_with("\"peers\":[]}"));
    assert_eq!(run(&["-X", "POST", "-d", "is_flagged=true", &one]), UNSUPPORTED);
    assert_eq!(run(&["-X", "DELETE", &one]), OK);
    assert_eq!(run(&[&format!("{base}?token=no")]), DENIED);
}

const UNSUPPORTED: &str = "The request's content-type is not supported";
