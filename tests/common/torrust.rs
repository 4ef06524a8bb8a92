//! The tracker's whitelist and keys, by Torrust's API as its scripts use it.

use crate::common::app::App;
use crate::common::http::Answer;
use crate::common::http::Request;

impl App<'_> {
    /// A key of the tracker that is good for so many seconds.
    pub(crate) fn make_key(&self, seconds: u64) -> String {
        let made = self.torrust("POST", &format!("/api/v1/key/{seconds}"));
        made.json()["key"].as_str().expect("a key").to_owned()
    }

    /// Lets in nobody with the key any more.
    pub(crate) fn remove_key(&self, key: &str) {
        self.torrust("DELETE", &format!("/api/v1/key/{key}"));
    }

    /// Puts a swarm (40 hex digits) on the tracker's whitelist.
    pub(crate) fn whitelist(&self, hash: &str) {
        self.torrust("POST", &format!("/api/v1/whitelist/{hash}"));
    }

    /// A call of Torrust's API that must succeed.
    #[track_caller]
    pub(crate) fn torrust(&self, method: &str, path: &str) -> Answer {
        let answer = self.try_torrust(method, path);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer
    }

    /// A call of Torrust's API with the right token.
    pub(crate) fn try_torrust(&self, method: &str, path: &str) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{mark}token={}", self.api.token);
        let request = Request { method, target: &target, ..Request::default() };
        request.send(&self.api.host).expect("an answer")
    }
}
