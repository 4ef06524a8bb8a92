//! The real program, started on free ports in a directory that vanishes.

use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::common::until;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cove");

/// A running program.
pub(crate) struct App {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) peer_port: u16,
    /// Holds state, downloads and whatever the test puts there; shared with a restarted program.
    pub(crate) home: Arc<TempDir>,
    options: Vec<String>,
}

/// What a call came to.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A command line that serves from `home`, with `options` as `key=value`.
pub(crate) fn serve_command(home: &Path, options: &[String]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("serve").arg("--state-dir").arg(home.join("state"));
    let fixed = ["api.bind=127.0.0.1:0", "client.listen=127.0.0.1:0"].map(str::to_owned);
    let off = ["dht", "lsd", "upnp", "natpmp"].map(|name| format!("client.{name}=false"));
    let downloads = format!("client.download_dir={}", home.join("downloads").display());
    for option in fixed.iter().chain(&off).chain([&downloads]).chain(options) {
        command.arg("--set").arg(option);
    }
    command.env_remove("COVE_LOG").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

impl App {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with more options, each `key=value`.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let home = tempfile::Builder::new().prefix("cove-test-").tempdir().unwrap();
        Self::start_in(Arc::new(home), options.iter().map(|&option| option.to_owned()).collect())
    }

    pub(crate) fn start_in(home: Arc<TempDir>, options: Vec<String>) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(home.path().join("log"));
        let child = serve_command(home.path(), &options).stderr(log.unwrap()).spawn().unwrap();
        let mut app =
            Self { child, url: String::new(), token: String::new(), peer_port: 0, home, options };
        app.wait_ready();
        app
    }

    fn wait_ready(&mut self) {
        let file = self.home.path().join("state/api.json");
        let pid = u64::from(self.child.id());
        let told: Value = until("the program is ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the program ended with {status}: {}", self.log());
            }
            let told: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            (told["pid"] == pid).then_some(told)
        });
        self.url = told["url"].as_str().unwrap().to_owned();
        self.peer_port = u16::try_from(told["peer_port"].as_u64().unwrap()).unwrap();
        let token = std::fs::read_to_string(self.home.path().join("state/api-token")).unwrap();
        self.token = token.trim().to_owned();
    }

    /// Everything the program logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// A path in the test's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn downloads(&self) -> PathBuf {
        self.path("downloads")
    }

    /// kill -9, and the same directory again.
    pub(crate) fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start_in(Arc::clone(&self.home), std::mem::take(&mut self.options))
    }

    /// Asks politely to end; the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, Some(body.to_string().into_bytes()))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, Some(body.to_string().into_bytes()))
    }

    pub(crate) fn delete(&self, path: &str, body: &Value) -> Answer {
        self.call("DELETE", path, Some(body.to_string().into_bytes()))
    }

    /// Adds a .torrent file; its info-hash. `query` such as `selected_files=0`.
    pub(crate) fn add_file(&self, torrent: &Path, query: &str) -> String {
        let body = std::fs::read(torrent).unwrap();
        let answer = self.call_as(
            "PUT",
            &format!("/api/downloads?{query}"),
            Some(body),
            &[("content-type", "application/x-bittorrent")],
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["infohash"].as_str().unwrap().to_owned()
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Answer {
        self.call_as(method, path, body, &[])
    }

    /// Any call, with the token and more headers.
    pub(crate) fn call_as(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut all = vec![("x-api-key", self.token.as_str())];
        all.extend_from_slice(headers);
        call(&format!("{}{path}", self.url), method, body, &all)
    }

    /// The row of one download; `None` when it is not listed.
    pub(crate) fn row(&self, hash: &str) -> Option<Value> {
        self.rows("").into_iter().find(|row| row["infohash"] == hash)
    }

    pub(crate) fn rows(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/downloads?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["downloads"].as_array().unwrap().clone()
    }

    /// Waits until the download has `status`.
    pub(crate) fn until_status(&self, hash: &str, status: &str) -> Value {
        let mut last = Value::Null;
        let begin = std::time::Instant::now();
        while begin.elapsed() < crate::common::LIMIT {
            last = self.row(hash).unwrap_or(Value::Null);
            if last["status"] == status {
                return last;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never {status}: {last}\n{}", self.log());
    }

    /// Runs `cove` against this program.
    pub(crate) fn cove(&self, arguments: &[&str]) -> Output {
        let state = self.path("state");
        Command::new(PROGRAM).arg("--state-dir").arg(state).args(arguments).output().unwrap()
    }

    /// Stops or resumes.
    pub(crate) fn set_state(&self, hash: &str, state: &str) {
        let answer = self.patch(&format!("/api/downloads/{hash}"), &json!({ "state": state }));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP call with exactly these headers.
pub(crate) fn call(
    url: &str,
    method: &str,
    body: Option<Vec<u8>>,
    headers: &[(&str, &str)],
) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(crate::common::LIMIT))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = match body {
        Some(body) => agent.run(request.body(body).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    let mut response = response.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let mut bytes = Vec::new();
    response.body_mut().as_reader().read_to_end(&mut bytes).unwrap();
    Answer { status: response.status().as_u16(), body: bytes, headers }
}
