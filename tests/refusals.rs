//! What is refused before any API sees it has the form of the API that was meant (rules W5, W6).

use crate::common::app::Home;
use crate::common::http::Answer;
use crate::common::http::Request;

/// A path of each family, with the content type and body of a refusal of this text there.
fn families(text: &str) -> Vec<(&'static str, &'static str, String)> {
    let plain = "text/plain; charset=utf-8";
    let problem = format!(
        "{{\"type\":\"/v1/docs#forbidden\",\"title\":\"Forbidden\",\"status\":403,\
         \"detail\":\"{text}\"}}"
    );
    let object = format!("{{\"error\": {{\"handled\": true, \"message\": \"{text}\"}}}}");
    let bencoded = format!("d14:failure reason{}:{text}e", text.len());
    vec![
        ("/v1/torrents", "application/problem+json", problem),
        ("/api/v1/jsonrpc", "text/plain", text.to_owned()),
        ("/api/v1/stats", plain, text.to_owned()),
        ("/api/stats", plain, text.to_owned()),
        ("/t", plain, text.to_owned()),
        ("/downloads", "application/json", format!("{{\"error\": \"{text}\"}}")),
        ("/api/downloads", "application/json", object.clone()),
        ("/nothing/of/anybody", "application/json", object),
        ("/announce", "text/plain", bencoded),
        ("/metrics", plain, format!("{text}\n")),
        ("/health", plain, format!("{text}\n")),
        ("/", plain, format!("{text}\n")),
    ]
}

/// Rules W5, W6: before the token is looked at, on every path.
#[test]
fn w5_w6_each_family_refuses_foreign_names_and_pages_in_its_own_form() {
    let home = Home::new();
    let app = home.start();
    let ask = |method: &str, target: &str, header: (&'static str, &str)| -> Answer {
        let headers = vec![("X-Api-Key", app.api.token.clone()), (header.0, header.1.to_owned())];
        Request { method, target, headers, body: None }.send(&app.api.host).unwrap()
    };
    let name = "this host name is not allowed here; add it to `api.allowed_hosts` to allow it";
    let origin = "this origin is not allowed here; add it to `api.allowed_origins` to allow it";
    let site = "requests from other sites are refused";
    for (header, text) in [
        (("Host", "evil.example"), name),
        (("Origin", "http://evil.example"), origin),
        (("Sec-Fetch-Site", "cross-site"), site),
    ] {
        for (path, kind, body) in families(text) {
            for method in ["GET", "POST"] {
                let answer = ask(method, path, header);
                let found = (answer.status, answer.header("content-type"), answer.text());
                assert_eq!(found, (403, Some(kind), body.clone()), "{method} {path}");
            }
            let head = ask("HEAD", path, header);
            assert_eq!((head.status, head.header("content-type")), (403, Some(kind)), "{path}");
        }
    }
}

/// Torrust's answers at `/api/v1` name the request, those that come early too (section 6 of its
/// contract).
#[test]
fn an_early_refusal_names_the_request_where_answers_do() {
    let home = Home::new();
    let app = home.start();
    let ask = |target: &str, id: Option<&str>| -> Option<String> {
        let mut headers = vec![("Host", "evil.example".to_owned())];
        headers.extend(id.map(|id| ("X-Request-Id", id.to_owned())));
        let request = Request { method: "GET", target, headers, body: None };
        let answer = request.send(&app.api.host).unwrap();
        assert_eq!(answer.status, 403, "{}", answer.text());
        answer.header("x-request-id").map(str::to_owned)
    };
    assert_eq!(ask("/api/v1/stats", Some("mine")).as_deref(), Some("mine"));
    let (one, other) = (ask("/api/v1/stats", None), ask("/api/v1/stats", None));
    assert!(one.as_ref().is_some_and(|id| id.len() == 36) && one != other, "{one:?} {other:?}");
    for without in ["/api/stats", "/v1/torrents", "/downloads"] {
        assert_eq!(ask(without, Some("mine")), None, "{without}");
    }
    let unread = app.api.get("/api/v1/torrent/%ff");
    assert_eq!(unread.header("x-request-id").map(str::len), Some(36));
}

/// A path that is no text is still somebody's, by what of it can be read.
#[test]
fn a_path_that_is_no_text_is_refused_by_the_family_it_begins_with() {
    let home = Home::new();
    let app = home.start();
    let problem = app.api.get("/v1/torrents/%ff");
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem.json()["type"], "/v1/docs#invalid");
    assert_eq!((problem.status, &problem.json()["status"]), (400, &400.into()));
    let seven = app.api.get("/downloads/%ff");
    assert_eq!((seven.status, &*seven.text()), (400, "{\"error\": \"the path is not UTF-8\"}"));
    let torrust = app.api.get("/api/v1/torrent/%ff");
    assert_eq!((torrust.status, &*torrust.text()), (400, "the path is not UTF-8"));
}
