//! The listeners: what each of them serves, and how they end.

use crate::common::app::Home;
use crate::common::http::Request;
use crate::common::http::send_raw;

fn with_tracker() -> Home {
    Home::new().set("tracker.http.bind", "127.0.0.1:0")
}

fn get(target: &str) -> Request<'_> {
    Request { method: "GET", target, ..Request::default() }
}

#[test]
fn the_trackers_listener_has_no_api() {
    let home = with_tracker();
    let app = home.start();
    let tracker = app.tracker_http[0].to_string();
    let token = || vec![("X-Api-Key", app.api.token.clone())];

    for target in ["/downloads", "/api/downloads", "/"] {
        let request = Request { headers: token(), ..get(target) };
        assert_eq!(request.send(&tracker).unwrap().status, 404, "{target}");
    }
    let any_name = b"GET / HTTP/1.1\r\nHost: tracker.example\r\nConnection: close\r\n\r\n";
    let answer = String::from_utf8(send_raw(&tracker, any_name).unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

/// Rule D16: a kept connection to the tracker does not hold up the end.
#[test]
fn d16_both_kinds_of_listeners_end() {
    let home = with_tracker();
    let app = home.start();
    let tracker = app.tracker_http[0].to_string();
    let kept = get("/").open(&tracker).unwrap();
    assert_eq!(kept.status, 404);

    app.stop();

    assert!(get("/").send(&tracker).is_err(), "nobody listens any more");
}
