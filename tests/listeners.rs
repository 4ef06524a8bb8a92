//! The listeners: what each of them serves, and how they end.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use crate::common::app::Home;
use crate::common::http::Request;
use crate::common::http::send_raw;
use crate::common::wait_for;

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

/// Rule D18: many connections to the tracker use up the descriptors, and the API still answers.
#[test]
fn d18_the_api_answers_when_descriptors_have_run_out() {
    let limited = ["sh", "-c", "ulimit -n 128; exec \"$@\"", "sh"];
    let home = with_tracker()
        .set("tracker.http.max_connections_per_address", 4096)
        .launched_by(limited.map(Into::into).into());
    let mut app = home.start();
    let tracker = app.tracker_http[0];
    let crowd: Vec<_> = (0..300).map(|_| TcpStream::connect(tracker).unwrap()).collect();
    wait_for("descriptors have run out", || {
        app.log().contains("cannot take connections").then_some(())
    });

    for _ in 0..20 {
        assert_eq!(app.api.get("/downloads").status, 200);
    }

    let open = fs::read_dir(format!("/proc/{}/fd", app.pid())).unwrap().count();
    assert!(open > 100, "the crowd is still there: {open}");
    drop(crowd);
    app.assert_alive("a crowd");
}

/// Rule W9: 400 connections that never finish their head are closed within 10 s, and nobody waits
/// for them meanwhile.
#[test]
fn w9_slow_heads_are_closed_and_hold_up_nobody() {
    let home = with_tracker();
    let app = home.start();
    let api: SocketAddr = app.api.host.parse().unwrap();
    for address in [api, app.tracker_http[0]] {
        // A machine that is busy with other tests may be slow once; the server is not.
        let mut rounds = (0..3).map(|_| p99_beside_slow_heads(address));
        assert!(rounds.any(|p99| p99 < Duration::from_millis(100)), "{address}: above 100 ms");
    }
}

fn p99_beside_slow_heads(address: SocketAddr) -> Duration {
    let begin = Instant::now();
    let slow = || {
        let mut socket = TcpStream::connect(address).unwrap();
        // Its place may be another one's already.
        let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost: localh");
        socket
    };
    let crowd: Vec<_> = (0..400).map(|_| slow()).collect();
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            let begin = Instant::now();
            assert_eq!(get("/nothing").send(&address.to_string()).unwrap().status, 404);
            begin.elapsed()
        })
        .collect();
    for mut socket in crowd {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let left = socket.read(&mut [0; 100]);
        let is_closed = left.is_ok_and(|count| count == 0);
        assert!(is_closed || begin.elapsed() < Duration::from_secs(10), "it is still open");
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    times.sort();
    times[times.len() * 99 / 100]
}
