//! The way to the running server: finds it and its token, speaks its own API at `/v1`, and turns what
//! goes wrong into a sentence and an exit code.

use std::fmt::Display;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use ureq::Agent;
use ureq::Body;
use ureq::RequestBuilder;
use ureq::http::Response;
use url::Host;
use url::Url;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::native_wire;
use crate::app::cli::native_wire::Downloads;
use crate::app::cli::native_wire::NewTorrent;
use crate::app::cli::pinned;
use crate::app::cli::wire;
use crate::app::config::Config;
use crate::app::state_dir;

/// How long one request may take. Adding by URL may fetch, removing waits for the disk.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is read, in bytes: far above a list of 100,000 torrents.
const MAX_ANSWER_BYTES: u64 = 512 << 20;

/// A server and the token for it.
pub(super) struct Client {
    agent: Agent,
    /// Without a slash at the end.
    base: String,
    token: Option<String>,
}

impl Client {
    /// The server that the context means: `--url`, else the one that holds the state directory,
    /// else the configured address.
    ///
    /// The token is the configured one, else that in the state directory; the latter is shown
    /// only to a server that holds this state directory, never to whoever took its port.
    pub(super) fn find(context: &Context) -> Result<Self, Failure> {
        let config = context.load()?.config;
        let is_held = state_dir::is_held(&config.state_dir);
        let announced = if is_held { wire::api_file(&config.state_dir) } else { None };
        let base = match (&context.url, &announced) {
            (Some(url), _) => checked_url(url)?,
            (None, Some(api)) => checked_url(&api.url)?,
            (None, None) => configured_url(&config, is_held)?,
        };
        let is_own = context.url.is_none() && announced.is_some();
        let may_see_file = is_held && (is_own || is_loopback(&base));
        let kept = || {
            if may_see_file { kept_token(&config.state_dir) } else { None }
        };
        let token = config.api.token.clone().or_else(kept);
        let is_here = is_own || is_loopback(&base);
        match &config.api.tls.certificate {
            Some(certificate) if is_here && base.scheme() == "https" => {
                let agent = pinned::agent(agent_config(), certificate)
                    .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
                Ok(Self::with(agent, base.as_str(), token))
            }
            _ => Ok(Self::new(base.as_str(), token)),
        }
    }

    /// The server at `base`.
    pub(super) fn new(base: &str, token: Option<String>) -> Self {
        Self::with(Agent::new_with_config(agent_config()), base, token)
    }

    fn with(agent: Agent, base: &str, token: Option<String>) -> Self {
        Self { agent, base: base.trim_end_matches('/').into(), token }
    }

    /// All torrents.
    pub(super) fn downloads(&self) -> Result<Downloads, Failure> {
        self.understood(&self.get(&["torrents"], &[("fields", Downloads::FIELDS)])?)
    }

    /// The answer to `GET` of a path below `/v1`.
    pub(super) fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
        let request = self.prepare(self.agent.get(self.below(path)));
        self.read(request.query_pairs(query.iter().copied()).call())
    }

    /// The answer to `POST` of JSON to a path below `/v1`.
    pub(super) fn post(&self, path: &[&str], body: &[u8]) -> Result<Vec<u8>, Failure> {
        let request = self.prepare(self.agent.post(self.below(path)));
        self.read(request.content_type("application/json").send(body))
    }

    /// The answer to `PUT` of nothing to a path below `/v1`.
    pub(super) fn put(&self, path: &[&str]) -> Result<Vec<u8>, Failure> {
        self.read(self.prepare(self.agent.put(self.below(path))).send_empty())
    }

    /// The answer to `DELETE` of a path below `/v1`.
    pub(super) fn delete(&self, path: &[&str]) -> Result<Vec<u8>, Failure> {
        self.read(self.prepare(self.agent.delete(self.below(path))).call())
    }

    /// The answer to `PATCH` of JSON to a path below `/v1`.
    pub(super) fn patch(&self, path: &[&str], body: &[u8]) -> Result<Vec<u8>, Failure> {
        let request = self.prepare(self.agent.patch(self.below(path)));
        self.read(request.content_type("application/json").send(body))
    }

    /// The answer to `GET` of a path below `/v1` that goes on until somebody ends it.
    pub(super) fn follow(&self, path: &[&str]) -> Result<impl BufRead + use<>, Failure> {
        let request = self.prepare(self.agent.get(self.below(path)));
        let answer = request.config().timeout_global(None).build().call();
        match answer {
            Ok(answer) if answer.status().as_u16() == 200 => {
                Ok(BufReader::new(answer.into_body().into_reader()))
            }
            refused => Err(self.read(refused).err().unwrap_or_else(|| self.strange())),
        }
    }

    /// An answer in a form for us.
    pub(super) fn understood<T: native_wire::Read>(&self, body: &[u8]) -> Result<T, Failure> {
        native_wire::read(body).ok_or_else(|| self.strange())
    }

    /// Prints an answer for programs.
    pub(super) fn print_json(&self, body: &[u8], out: &mut impl Write) -> Result<(), Failure> {
        let text = native_wire::shown_json(body).ok_or_else(|| self.strange())?;
        Ok(writeln!(out, "{text}")?)
    }

    fn below(&self, path: &[&str]) -> String {
        let part = |part: &&str| format!("/{}", utf8_percent_encode(part, NON_ALPHANUMERIC));
        format!("{}/v1{}", self.base, path.iter().map(part).collect::<String>())
    }

    /// Adds a magnet link or a URL; returns the info-hash.
    pub(super) fn add_uri(&self, uri: &str, wish: &NewTorrent) -> Result<String, Failure> {
        self.added(&self.post(&["torrents"], &native_wire::torrent_body(uri, wish))?)
    }

    /// Adds the content of a torrent file; returns the info-hash.
    pub(super) fn add_file(&self, file: &[u8], wish: &NewTorrent) -> Result<String, Failure> {
        let request = self.prepare(self.agent.post(self.below(&["torrents"])));
        let request = request.query_pairs(wish.pairs());
        self.added(&self.read(request.content_type("application/x-bittorrent").send(file))?)
    }

    /// Removes a torrent, and its files `with_data`; returns when that is done.
    pub(super) fn remove(&self, hash: &str, with_data: bool) -> Result<(), Failure> {
        let request = self.prepare(self.agent.delete(self.below(&["torrents", hash])));
        self.read(request.query("with_data", with_data.to_string()).call()).map(drop)
    }

    fn prepare<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("X-Api-Key", token),
            None => request,
        }
    }

    fn added(&self, body: &[u8]) -> Result<String, Failure> {
        Ok(self.understood::<native_wire::Added>(body)?.info_hash)
    }

    /// The body of a good answer; anything else as a failure.
    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Vec<u8>, Failure> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let wait_s = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let wait_s = wait_s.and_then(|text| text.trim().parse::<u32>().ok());
        let body = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let said = wire::refusal(&body).unwrap_or_else(|| format!("HTTP status {status}"));
        Err(match status {
            401 => Failure::new(Exit::Unauthorized, self.refused_token()),
            // Told only to those whose token is refused (rule W8).
            429 => Failure::new(Exit::Unauthorized, self.locked_out(wait_s)),
            404 => Failure::new(Exit::NotFound, said),
            _ => Failure::new(Exit::Error, format!("the server at {} says: {said}", self.base)),
        })
    }

    fn unreachable(&self, error: &dyn Display) -> Failure {
        let base = &self.base;
        let message = format!("cannot reach the server at {base} ({error}); is it running?");
        Failure::new(Exit::Unreachable, message)
    }

    fn refused_token(&self) -> String {
        let base = &self.base;
        match &self.token {
            Some(_) => format!("the server at {base} refused the token; check COVE_API__TOKEN"),
            None => format!("the server at {base} wants a token; give it in COVE_API__TOKEN"),
        }
    }

    fn locked_out(&self, wait_s: Option<u32>) -> String {
        let wait = wait_s.map_or("a minute".to_owned(), |wait_s| format!("{wait_s} s"));
        format!("{}; too many were wrong: wait {wait} before the next try", self.refused_token())
    }

    /// The failure of an answer that makes no sense.
    pub(super) fn strange(&self) -> Failure {
        let message = format!("what answers at {} is no cove server", self.base);
        Failure::new(Exit::Error, message)
    }
}

fn agent_config() -> ureq::config::Config {
    Agent::config_builder()
        .http_status_as_error(false)
        // The token must not travel to where a redirect or a proxy variable points.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(REQUEST_TIMEOUT))
        .user_agent(concat!("cove/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The address in the configuration; only if somebody is known to be there, or was asked for by
/// name with a token of its own.
fn configured_url(config: &Config, is_held: bool) -> Result<Url, Failure> {
    let nobody = || {
        let state_dir = config.state_dir.display();
        let message = format!(
            "no server runs with the state directory `{state_dir}`: start it with `cove serve`, \
             or say where it is with --url"
        );
        Failure::new(Exit::Unreachable, message)
    };
    if !is_held && config.api.token.is_none() {
        return Err(nobody());
    }
    checked_url(
        &state_dir::local_url(config.api.tls.scheme(), &config.api.bind).ok_or_else(nobody)?,
    )
}

fn checked_url(text: &str) -> Result<Url, Failure> {
    let wrong = || {
        let message = format!("`{text}` is no server address such as http://127.0.0.1:7373");
        Failure::new(Exit::Usage, message)
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    match url.scheme() {
        "http" | "https" if is_plain && url.fragment().is_none() => Ok(url),
        _ => Err(wrong()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

fn kept_token(state_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(state_dir::token_path(state_dir)).ok()?;
    let token = text.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::BufRead;
    use std::io::BufReader;
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;
    use crate::app::config_sources::Environment;
    use crate::app::config_sources::Override;
    use crate::app::config_sources::Wishes;
    use crate::app::state_dir::Addresses;
    use crate::app::state_dir::StateDir;

    const HASH: &str = "9d1e0c9d1e0c9d1e0c9d1e0c9d1e0c9d1e0c9d1e";

    /// What one request looked like on the wire.
    struct Seen {
        line: String,
        headers: BTreeMap<String, String>,
        body: Vec<u8>,
    }

    /// Answers one request and hands over what it was.
    fn answer_once(status: &str, body: &str) -> (String, JoinHandle<Seen>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let serve = move || {
            let mut reader = BufReader::new(listener.accept().unwrap().0);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let split = |line: &String| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            };
            let headers: BTreeMap<_, _> = lines[1..].iter().map(split).collect();
            let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            Seen { line: lines.remove(0), headers, body }
        };
        (url, std::thread::spawn(serve))
    }

    fn client(url: &str) -> Client {
        Client::new(url, Some("secret".into()))
    }

    #[test]
    fn a_uri_goes_as_json_and_a_file_as_it_is() {
        let good = format!(r#"{{"name": "x", "info_hash": "{HASH}"}}"#);
        let wish = NewTorrent {
            save_path: Some("/srv/a b".into()),
            files: Some(vec![0, 2]),
            category: Some("film".into()),
            tags: Some(vec!["a".into(), "b".into()]),
        };

        let (url, server) = answer_once("200 OK", &good);
        assert_eq!(client(&url).add_uri("magnet:?x", &wish).unwrap(), HASH);
        let seen = server.join().unwrap();
        assert_eq!(seen.line, "POST /v1/torrents HTTP/1.1");
        assert_eq!(seen.headers["x-api-key"], "secret");
        assert_eq!(seen.headers["content-type"], "application/json");
        let body = concat!(
            r#"{"uri":"magnet:?x","save_path":"/srv/a b","files":[0,2],"category":"film","#,
            r#""tags":["a","b"]}"#
        );
        assert_eq!(String::from_utf8(seen.body).unwrap(), body);

        let (url, server) = answer_once("200 OK", &good);
        assert_eq!(client(&url).add_file(b"d4:infodee", &wish).unwrap(), HASH);
        let seen = server.join().unwrap();
        let query = seen.line.split(['?', ' ']).nth(2).unwrap();
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [("save_path", "/srv/a b"), ("files", "0,2")];
        let labels = [("category", "film"), ("tags", "a,b")];
        let expected: Vec<_> =
            expected.into_iter().chain(labels).map(|(name, value)| pair(name, value)).collect();
        assert_eq!(pairs, expected);
        assert_eq!(seen.headers["content-type"], "application/x-bittorrent");
        assert_eq!(seen.body, b"d4:infodee");
    }

    #[test]
    fn removing_says_what_happens_to_the_data() {
        let (url, server) = answer_once("204 No Content", "");
        client(&url).remove(HASH, true).unwrap();
        let seen = server.join().unwrap();
        assert_eq!(seen.line, format!("DELETE /v1/torrents/{HASH}?with_data=true HTTP/1.1"));
        assert!(seen.body.is_empty());
    }

    #[test]
    fn every_kind_of_trouble_has_its_exit_code_and_sentence() {
        let object = r#"{"error": {"handled": true, "message": "it is so"}}"#;
        let problem = r#"{"type": "/v1/docs#x", "title": "X", "status": 500, "detail": "why"}"#;
        let cases = [
            ("401 Unauthorized", object, Exit::Unauthorized, "refused the token"),
            ("429 Slow\r\nRetry-After: 37", object, Exit::Unauthorized, "wait 37 s"),
            ("429 Slow", object, Exit::Unauthorized, "refused the token"),
            ("404 Not Found", object, Exit::NotFound, "it is so"),
            ("400 Bad Request", object, Exit::Error, "it is so"),
            ("500 Oops", problem, Exit::Error, "why"),
            ("507 Full", "", Exit::Error, "HTTP status 507"),
            ("302 Found", "", Exit::Error, "HTTP status 302"),
            ("200 OK", "<html>", Exit::Error, "no cove server"),
        ];
        for (status, body, exit, sentence) in cases {
            let (url, server) = answer_once(status, body);
            let failure = client(&url).downloads().map(drop).unwrap_err();
            server.join().unwrap();
            assert_eq!(failure.exit, exit, "{status}");
            assert!(failure.message.contains(sentence), "{status}: {}", failure.message);
            assert!(!failure.message.contains("secret"), "rule W11");
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let failure = client(&format!("http://{free}")).downloads().map(drop).unwrap_err();
        assert_eq!(failure.exit, Exit::Unreachable);
    }

    fn context(state_dir: &Path, set: &[&str], url: Option<&str>) -> Context {
        let mut overrides: Vec<_> = set.iter().map(|one| Override::parse(one).unwrap()).collect();
        let text = state_dir.to_str().unwrap().into();
        overrides.push(Override { flag: "--state-dir", key: "state_dir".into(), text });
        Context {
            wishes: Wishes { config_file: None, overrides },
            environment: Environment { working_dir: state_dir.into(), ..Environment::default() },
            is_json: false,
            url: url.map(str::to_owned),
        }
    }

    /// Rule W2: the token in the state directory is found without being told, and shown to nobody
    /// but the process that holds the directory.
    #[test]
    fn w2_the_kept_token_is_for_the_holder_of_the_directory_only() {
        let dir = tempfile::tempdir().unwrap();
        let found = |set: &[&str], url: Option<&str>| {
            let found = Client::find(&context(dir.path(), set, url));
            found.map(|client| (client.base, client.token)).map_err(|failure| failure.exit)
        };
        let token = |text: &str| Some(text.to_owned());
        std::fs::write(state_dir::token_path(dir.path()), "kept\n").unwrap();
        std::fs::write(state_dir::api_path(dir.path()), r#"{"url":"http://127.0.0.1:9","pid":1}"#)
            .unwrap();

        // Left by a killed server: whoever has the port now gets nothing.
        assert_eq!(found(&[], None), Err(Exit::Unreachable));
        assert_eq!(found(&[], Some("http://127.0.0.1:9")), Ok(("http://127.0.0.1:9".into(), None)));

        let held = StateDir::open(dir.path()).unwrap();
        let starting = found(&[], None).unwrap();
        assert_eq!(starting, ("http://127.0.0.1:7373".into(), token("kept")));
        let url = "http://192.0.2.1:8".into();
        held.announce(&Addresses { url, ..Addresses::default() }).unwrap();
        assert_eq!(found(&[], None).unwrap(), ("http://192.0.2.1:8".into(), token("kept")));
        let elsewhere = found(&[], Some("https://192.0.2.9/")).unwrap();
        assert_eq!(elsewhere, ("https://192.0.2.9".into(), None));
        assert_eq!(found(&["api.token=mine"], None).unwrap().1, token("mine"));
        assert_eq!(found(&[], Some("ftp://x")), Err(Exit::Usage));
    }

    #[test]
    fn without_a_server_here_the_configured_one_is_asked_with_the_configured_token() {
        let dir = tempfile::tempdir().unwrap();
        let set = ["api.bind=192.0.2.1:5,0.0.0.0:6", "api.token=mine"];
        let client = Client::find(&context(dir.path(), &set, None)).unwrap_or_else(|failure| {
            panic!("{}", failure.message);
        });
        assert_eq!(
            (client.base.as_str(), client.token.as_deref()),
            ("http://127.0.0.1:6", Some("mine"))
        );
    }
}
