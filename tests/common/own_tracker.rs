//! The program's own tracker: turned on, and opened to whom it should serve.

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::aria2::free_port;

/// A home whose tracker listens on loopback, over UDP and HTTP on one port.
pub(crate) struct OwnTracker {
    pub(crate) home: Home,
    pub(crate) port: u16,
}

impl OwnTracker {
    /// In `mode`: `public`, `listed`, `private` or `private_listed`.
    pub(crate) fn new(mode: &str) -> Self {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let home = Home::new()
            .set("tracker.mode", mode)
            .set("tracker.udp.bind", &address)
            .set("tracker.http.bind", &address);
        Self { home, port }
    }

    /// Where to announce over `scheme`, `udp` or `http`.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/announce", self.port)
    }
}

/// A key of a private tracker, for an hour.
#[track_caller]
pub(crate) fn make_key(app: &App<'_>) -> String {
    let answer = post(app, "key/3600");
    answer["key"].as_str().unwrap_or_else(|| panic!("no key in {answer}")).to_owned()
}

/// Lets a tracker of listed torrents serve one.
#[track_caller]
pub(crate) fn whitelist(app: &App<'_>, hash: &str) {
    assert_eq!(post(app, &format!("whitelist/{hash}"))["status"], "ok");
}

/// A call of Torrust's API.
#[track_caller]
fn post(app: &App<'_>, what: &str) -> serde_json::Value {
    let target = format!("/api/v1/{what}?token={}", app.api.token);
    let answer = app.api.try_call("POST", &target, "", None).expect("the server answers");
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    answer.json()
}
