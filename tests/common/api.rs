//! The program's API as a client of Tribler's would use it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::common::DEADLINE;
use crate::common::http::Answer;
use crate::common::http::Incoming;
use crate::common::http::Request;
use crate::common::torrents::Torrent;
use crate::common::wait_at_most;

/// The server and its token.
#[derive(Clone)]
pub(crate) struct Api {
    /// Address and port.
    pub(crate) host: String,
    pub(crate) token: String,
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        Self { host: host.to_owned(), token: token.to_owned() }
    }

    /// Any request, with the token; an error when the connection breaks.
    pub(crate) fn try_call(
        &self,
        method: &str,
        target: &str,
        kind: &str,
        body: Option<&[u8]>,
    ) -> std::io::Result<Answer> {
        let mut headers = vec![("X-Api-Key", self.token.clone())];
        if body.is_some() {
            headers.push(("Content-Type", kind.to_owned()));
        }
        Request { method, target, headers, body }.send(&self.host)
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.try_call("GET", target, "", None).expect("the server answers")
    }

    /// What is there; it must be.
    #[track_caller]
    pub(crate) fn json(&self, target: &str) -> Value {
        let answer = self.get(target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }

    #[track_caller]
    pub(crate) fn call(&self, method: &str, target: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let answer = self.try_call(method, target, "application/json", Some(body.as_bytes()));
        answer.expect("the server answers")
    }

    /// `PUT` of the bytes of a torrent file.
    pub(crate) fn try_put_file(&self, file: &[u8], query: &str) -> std::io::Result<Answer> {
        let target = format!("/api/downloads{query}");
        self.try_call("PUT", &target, "application/x-bittorrent", Some(file))
    }

    #[track_caller]
    pub(crate) fn put_file(&self, file: &[u8]) -> Answer {
        self.try_put_file(file, "").expect("the server answers")
    }

    /// Adds a torrent to the download directory; returns its hash as the server tells it.
    #[track_caller]
    pub(crate) fn add(&self, file: &[u8]) -> String {
        added(&self.put_file(file))
    }

    #[track_caller]
    pub(crate) fn add_to(&self, file: &[u8], destination: &Path) -> String {
        let path = destination.to_str().expect("test paths are UTF-8");
        let encoded =
            percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
        let answer = self.try_put_file(file, &format!("?destination={encoded}"));
        added(&answer.expect("the server answers"))
    }

    /// Adds a link with further members.
    #[track_caller]
    pub(crate) fn add_uri(&self, uri: &str, more: Value) -> String {
        added(&self.put_uri(uri, more))
    }

    #[track_caller]
    pub(crate) fn put_uri(&self, uri: &str, more: Value) -> Answer {
        let mut body = json!({ "uri": uri });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        self.call("PUT", "/downloads", &body)
    }

    /// Adds many at once over several connections; fails when one is refused.
    #[track_caller]
    pub(crate) fn add_many(&self, torrents: &[Torrent]) {
        std::thread::scope(|scope| {
            for part in torrents.chunks(torrents.len().div_ceil(8).max(1)) {
                scope.spawn(move || part.iter().for_each(|torrent| drop(self.add(&torrent.file))));
            }
        });
    }

    #[track_caller]
    pub(crate) fn patch(&self, hash: &str, body: &Value) -> Value {
        let answer = self.call("PATCH", &format!("/downloads/{hash}"), body);
        assert_eq!(answer.status, 200, "PATCH {body}: {}", answer.text());
        answer.json()
    }

    #[track_caller]
    pub(crate) fn remove(&self, hash: &str, remove_data: bool) {
        let body = json!({ "remove_data": remove_data });
        let answer = self.call("DELETE", &format!("/downloads/{hash}"), &body);
        assert_eq!(answer.status, 200, "DELETE: {}", answer.text());
    }

    /// The whole answer to `GET /downloads`, in the form of 8.x that hides nothing.
    #[track_caller]
    pub(crate) fn listing(&self, query: &str) -> Value {
        let answer = self.get(&format!("/api/downloads{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// All torrents by hash.
    #[track_caller]
    pub(crate) fn downloads(&self) -> BTreeMap<String, Value> {
        by_hash(self.listing(""))
    }

    /// All torrents by hash, each with the bitmap of its pieces.
    #[track_caller]
    pub(crate) fn downloads_with_pieces(&self) -> BTreeMap<String, Value> {
        by_hash(self.listing("?get_pieces=1"))
    }

    /// One torrent.
    #[track_caller]
    pub(crate) fn download(&self, hash: &str) -> Value {
        let found = self.downloads().remove(hash);
        found.unwrap_or_else(|| panic!("{hash} is not in the list"))
    }

    /// Waits until a torrent is as wished; shows it when it never is.
    #[track_caller]
    pub(crate) fn wait(&self, hash: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.wait_at_most(DEADLINE, hash, what, is_so)
    }

    #[track_caller]
    pub(crate) fn wait_at_most(
        &self,
        limit: Duration,
        hash: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let begin = std::time::Instant::now();
        loop {
            let row = self.downloads().remove(hash);
            match row {
                Some(row) if is_so(&row) => return row,
                row => assert!(begin.elapsed() < limit, "{hash} is not {what}: {row:?}"),
            }
            std::thread::sleep(crate::common::LOOK_EVERY);
        }
    }

    /// Waits until a torrent is complete and serving.
    #[track_caller]
    pub(crate) fn wait_seeding(&self, hash: &str) -> Value {
        self.wait(hash, "seeding", is_seeding)
    }

    /// Waits until every stored torrent is loaded and none is being looked at.
    #[track_caller]
    pub(crate) fn wait_settled(&self, limit: Duration) -> BTreeMap<String, Value> {
        wait_at_most(limit, "all torrents are loaded", || {
            let listing = self.listing("");
            let is_loaded = listing["checkpoints"]["all_loaded"] == true;
            let rows = by_hash(listing);
            (is_loaded && !rows.values().any(is_unsettled)).then_some(rows)
        })
    }

    /// Opens a stream of a file.
    #[track_caller]
    pub(crate) fn stream(&self, hash: &str, index: usize, range: Option<&str>) -> Incoming {
        let mut headers = vec![("X-Api-Key", self.token.clone())];
        headers.extend(range.map(|range| ("Range", range.to_owned())));
        let target = format!("/api/downloads/{hash}/stream/{index}");
        let request = Request { method: "GET", target: &target, headers, body: None };
        request.open(&self.host).expect("the server answers")
    }
}

/// The hash in the answer to an addition.
#[track_caller]
pub(crate) fn added(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "not added: {}", answer.text());
    let json = answer.json();
    assert_eq!(json["started"], true, "{json}");
    json["infohash"].as_str().expect("an added torrent has a hash").to_owned()
}

pub(crate) fn is_seeding(row: &Value) -> bool {
    row["status"] == "SEEDING" && row["progress"].as_f64() == Some(1.0)
}

/// Whether a torrent is still on its way into the session, or is being hashed.
fn is_unsettled(row: &Value) -> bool {
    let unsettled = ["LOADING", "HASHCHECKING", "WAITING_FOR_HASHCHECK", "ALLOCATING_DISKSPACE"];
    unsettled.iter().any(|status| row["status"] == *status)
}

/// Which pieces a row with `get_pieces` claims.
#[track_caller]
pub(crate) fn claimed_pieces(row: &Value) -> Vec<usize> {
    use base64::Engine as _;
    let text = row["pieces"].as_str().unwrap_or_default();
    let bitmap = base64::engine::general_purpose::STANDARD.decode(text).expect("pieces are base64");
    let bits = bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0));
    bits.enumerate().filter(|(_, is_set)| *is_set).map(|(piece, _)| piece).collect()
}

fn by_hash(listing: Value) -> BTreeMap<String, Value> {
    let Value::Object(mut listing) = listing else { panic!("a list is an object") };
    let Some(Value::Array(rows)) = listing.remove("downloads") else { panic!("no `downloads`") };
    let hash = |row: &Value| row["infohash"].as_str().unwrap_or_default().to_owned();
    rows.into_iter().map(|row| (hash(&row), row)).collect()
}
