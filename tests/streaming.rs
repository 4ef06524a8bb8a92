//! Streams while a file still downloads: the bytes that are sent are the right ones, and none is
//! sent before its piece was verified (section 9 of the contract; rule F9).

use std::fs;

use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Request;
use crate::common::peer::Peer;
use crate::common::torrents::KIB;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;

const SIZE: usize = 12 * MIB;

/// Bytes a second of a seeder that needs most of a minute for the film: what a busy machine takes
/// to read one answer is then no part of what a test says.
const TRICKLE: usize = 256 * KIB;

/// A film on a slow foreign seeder.
struct Cinema {
    content: Vec<u8>,
    torrent: Torrent,
    peer: Peer,
    _there: tempfile::TempDir,
    _tracker: Tracker,
}

impl Cinema {
    fn open(test: &str, seed: u64, bytes_per_s: usize) -> Option<Self> {
        let mut peer = Peer::start(test)?;
        let (tracker, there) = (Tracker::start(), tempfile::tempdir().unwrap());
        let content = payload(seed, SIZE);
        fs::write(there.path().join("film.mkv"), &content).unwrap();
        let torrent = Recipe::named("film.mkv").announce(&tracker.url).single(&content);
        peer.seed(&torrent, there.path(), bytes_per_s as u64);
        tracker.give(peer.port);
        Some(Self { content, torrent, peer, _there: there, _tracker: tracker })
    }
}

#[test]
fn the_end_of_a_film_comes_long_before_the_film() {
    let Some(cinema) = Cinema::open("stream the end", 200, TRICKLE) else { return };
    let home = Home::new();
    let app = home.start();
    let hash = app.api.add(&cinema.torrent.file);

    let start = SIZE - 300 * KIB;
    let answer = app.api.stream(&hash, 0, Some(&format!("bytes={start}-"))).finish().unwrap();

    assert_eq!(answer.status, 206);
    let range = format!("bytes {start}-{}/{SIZE}", SIZE - 1);
    assert_eq!(answer.header("content-range"), Some(range.as_str()));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("content-type"), Some("video/x-matroska"));
    assert!(answer.body == cinema.content[start..], "the bytes are those of the film");
    let done = app.api.download(&hash)["progress"].as_f64().unwrap();
    assert!(done < 1.0, "it came while the rest was still under way");
}

#[test]
fn a_whole_film_streams_while_it_downloads() {
    let Some(mut cinema) = Cinema::open("stream everything", 201, TRICKLE) else { return };
    let home = Home::new();
    let app = home.start();
    let hash = app.api.add(&cinema.torrent.file);

    let mut stream = app.api.stream(&hash, 0, None);
    assert_eq!((stream.status, stream.header("content-length")), (200, Some("12582912")));
    let beginning = stream.take(256 * KIB).unwrap();
    assert!(beginning == cinema.content[..256 * KIB]);
    assert!(app.api.download(&hash)["progress"].as_f64() < Some(1.0));
    cinema.peer.ask("limit", json!({ "id": cinema.torrent.hash, "upload_limit": 0 }));
    let rest = stream.finish_after(256 * KIB);

    assert!(rest == cinema.content[256 * KIB..], "the bytes are those of the film");
}

/// Rule F9 and section 9: what lies on the disk unverified is not sent. Here the file is full of
/// wrong bytes before the first piece arrives.
#[test]
fn only_verified_bytes_are_sent() {
    let Some(cinema) = Cinema::open("only verified bytes", 202, 0) else { return };
    let home = Home::new();
    fs::write(home.downloads.join("film.mkv"), vec![0x55; SIZE]).unwrap();
    let app = home.start();
    let hash = app.api.add(&cinema.torrent.file);

    let start = 5 * MIB + 123;
    let wanted = format!("bytes={start}-{}", start + MIB - 1);
    let answer = app.api.stream(&hash, 0, Some(&wanted)).finish().unwrap();

    assert_eq!((answer.status, answer.body.len()), (206, MIB));
    assert!(answer.body == cinema.content[start..start + MIB], "the bytes are those of the film");
}

/// Section 9: opening a stream resumes a stopped download.
#[test]
fn a_stream_resumes_a_stopped_download() {
    let Some(cinema) = Cinema::open("stream resumes", 203, 0) else { return };
    let home = Home::new();
    let app = home.start();
    let hash = app.api.add(&cinema.torrent.file);
    app.api.patch(&hash, &json!({ "state": "stop" }));
    app.api.wait(&hash, "stopped", |row| row["status"] == "STOPPED");

    let answer = app.api.stream(&hash, 0, Some("bytes=0-99")).finish().unwrap();

    assert!(answer.body == cinema.content[..100]);
    assert_ne!(app.api.download(&hash)["status"], "STOPPED");
}

/// Section 9, the rows of 8.x, on a complete file.
#[test]
fn ranges_are_answered_as_the_contract_says() {
    let home = Home::new();
    let content = payload(204, 300_000);
    fs::write(home.downloads.join("a.bin"), &content).unwrap();
    let torrent = Recipe::named("a.bin").single(&content);
    let app = home.start();
    let hash = app.api.add(&torrent.file);
    app.api.wait_seeding(&hash);

    let fine = [
        ("bytes=0-9", 0..10),
        ("bytes=5-", 5..300_000),
        ("bytes=299990-400000", 299_990..300_000),
        ("bytes=-10", 299_990..300_000),
    ];
    for (range, part) in fine {
        let answer = app.api.stream(&hash, 0, Some(range)).finish().unwrap();
        let told = format!("bytes {}-{}/300000", part.start, part.end - 1);
        assert_eq!((answer.status, answer.header("content-range")), (206, Some(told.as_str())));
        assert!(answer.body == content[part], "{range}");
    }
    for range in ["bytes=300000-", "bytes=9-0", "bytes=0-1,5-6", "items=0-9", "bytes=-0", "x"] {
        let answer = app.api.stream(&hash, 0, Some(range)).finish().unwrap();
        let told = answer.header("content-range");
        assert_eq!((answer.status, told), (416, Some("bytes */300000")), "{range}");
    }
    assert_eq!(app.api.stream(&hash, 1, None).status, 404, "an index out of range");
    assert_eq!(head_status(&app, &hash), 500, "HEAD is refused");
}

fn head_status(app: &App<'_>, hash: &str) -> u16 {
    let target = format!("/api/downloads/{hash}/stream/0");
    let headers = vec![("X-Api-Key", app.api.token.clone())];
    let request = Request { method: "HEAD", target: &target, headers, body: None };
    request.send(&app.api.host).unwrap().status
}

/// Rule D16: a stream that waits for pieces nobody has ends with the program.
#[test]
fn d16_a_waiting_stream_does_not_hold_up_the_stop() {
    let home = Home::new();
    let torrent = Recipe::named("a.bin").single(&payload(205, MIB));
    let app = home.start();
    let hash = app.api.add(&torrent.file);
    let stream = app.api.stream(&hash, 0, None);
    assert_eq!(stream.status, 200);

    app.stop();

    assert!(stream.finish().is_err(), "what was promised did not come");
}
