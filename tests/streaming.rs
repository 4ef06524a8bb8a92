//! Streaming a file while it downloads: verified bytes only, by range.

use serde_json::json;

use crate::common::app::App;
use crate::common::payload;
use crate::common::peer::Peer;

const SIZE: usize = 6 << 20;

#[test]
fn a_file_is_streamed_while_it_downloads() {
    let mut seeder = Peer::start();
    let source = tempfile::tempdir().unwrap();
    let bytes = payload(9, SIZE);
    std::fs::write(source.path().join("film.mp4"), &bytes).unwrap();
    let torrent = source.path().join("film.torrent");
    let hash = seeder.author(&source.path().join("film.mp4"), "v1", &torrent, json!({}));
    // Slow enough that the end of the file is not there when the stream asks for it.
    seeder.seed(&hash, &torrent, source.path(), 4 << 20);
    let app = App::start();
    app.add_file(&torrent, "");
    seeder.connect(&hash, app.peer_port);
    let path = format!("/api/downloads/{hash}/stream/0");
    let range = |range: &str| app.call_as("GET", &path, None, &[("range", range)]);
    let tail = range("bytes=-1000");
    assert_eq!((tail.status, &tail.body[..]), (206, &bytes[SIZE - 1000..]));
    let told = format!("bytes {}-{}/{SIZE}", SIZE - 1000, SIZE - 1);
    assert_eq!(tail.header("content-range"), Some(told.as_str()));
    let middle = range("bytes=3000000-3999999");
    assert_eq!((middle.status, &middle.body[..]), (206, &bytes[3_000_000..4_000_000]));
    let whole = app.get(&path);
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    for wrong in ["bytes=99999999-", "bytes=9-1", "pieces=1-2"] {
        let refused = range(wrong);
        assert_eq!(refused.status, 416, "{wrong}");
        let told = format!("bytes */{SIZE}");
        assert_eq!(refused.header("content-range"), Some(told.as_str()), "{wrong}");
    }
    let none = app.get(&format!("/api/downloads/{hash}/stream/7"));
    assert_eq!(none.status, 404, "{}", none.text());
}
