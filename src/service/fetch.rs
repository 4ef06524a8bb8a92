//! Gets the torrent behind a link: `magnet:` as it is, `http:` and `https:` from the network
//! (rule F6), `file:` from the import directories (rule F5).
//!
//! A link comes from outside, so what it names may be chosen to reach what only this machine can
//! reach. Every address is checked after it is resolved and the connection goes to that very
//! address; redirects are taken one by one through the same check. Errors never repeat what was
//! read (rule F8).

use std::io;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::UNIX_EPOCH;

use tokio::sync::Semaphore;
use url::Url;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::service::adding::Source;
use crate::service::fetch_guard::Guard;
use crate::service::paths::LastLink;
use crate::service::paths::Roots;

/// Redirects followed before giving up (rule F6).
const REDIRECTS_MAX: u32 = 3;

/// How long a server may take to tell the time.
const CLOCK_LIMIT: Duration = Duration::from_secs(3);

/// Fetches at one time; each holds a thread of the blocking pool.
const FETCHES_MAX: usize = 8;

/// Longest link, in bytes: a magnet link with some hundred trackers fits.
const URI_BYTES_MAX: usize = 64 * 1_024;

/// Longest header of an answer, in bytes.
const HEADER_BYTES_MAX: usize = 32 * 1_024;

/// Which links may be followed, and how far.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Which private addresses may be reached.
    pub private: PrivateAccess,
    /// Directories that `file:` links may name files in; empty = `file:` is off.
    pub import_dirs: Vec<PathBuf>,
    /// Largest torrent file, in bytes (rule F4).
    pub bytes_max: u64,
    /// Limit for everything from the name look-up to the last byte, redirects included.
    pub timeout: Duration,
}

/// Which addresses of the home network, and of this machine, may be fetched from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PrivateAccess {
    /// None.
    #[default]
    Refused,
    /// Only when the link names one of these hosts or addresses.
    Hosts(Vec<String>),
    /// All.
    Allowed,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            private: PrivateAccess::Refused,
            import_dirs: Vec::new(),
            bytes_max: 10 * 1_024 * 1_024,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Gets torrents by link. Cheap to clone.
#[derive(Clone)]
pub struct Fetch {
    inner: Arc<Inner>,
}

struct Inner {
    config: FetchConfig,
    imports: Roots,
    slots: Semaphore,
}

/// A link of a kind that is followed.
#[derive(Debug, PartialEq, Eq)]
enum Link {
    Magnet(String),
    /// http, https or file.
    Remote(Url),
}

impl Link {
    fn parse(uri: &str) -> Result<Self> {
        let uri = uri.trim();
        if uri.len() > URI_BYTES_MAX || uri.contains(char::is_control) {
            return Err(Error::invalid("invalid uri"));
        }
        if is_magnet(uri) {
            return Ok(Self::Magnet(uri.to_owned()));
        }
        let url = Url::parse(uri).map_err(|_| Error::invalid("invalid uri"))?;
        if !matches!(url.scheme(), "http" | "https" | "file") {
            return Err(Error::invalid("invalid uri: only magnet, http, https and file are known"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid("a link with a user name or password is not followed"));
        }
        Ok(Self::Remote(url))
    }
}

/// What one request came to.
enum Answer {
    Body(Vec<u8>),
    Redirect(String),
}

impl Fetch {
    /// A fetcher with these limits.
    pub fn new(config: FetchConfig) -> Self {
        let imports = Roots::new(config.import_dirs.clone(), Vec::new());
        Self { inner: Arc::new(Inner { config, imports, slots: Semaphore::new(FETCHES_MAX) }) }
    }

    /// The torrent that `uri` names; a link that leads to a magnet link gives that. The bytes of a
    /// torrent file are limited but not yet parsed.
    ///
    /// # Errors
    /// Invalid for a link of another kind, and for a server or file that gives no torrent;
    /// Forbidden for an address or file that may not be reached; Busy when it takes too long.
    pub async fn torrent(&self, uri: &str) -> Result<Source> {
        match Link::parse(uri)? {
            Link::Magnet(uri) => Ok(Source::Magnet(uri)),
            Link::Remote(url) => self.on_a_thread(url).await,
        }
    }

    /// What a web server says of the time, in Unix seconds. Asks for nothing else, and only where
    /// torrents may be fetched from (rule F6).
    ///
    /// # Errors
    /// Invalid or Forbidden, when it cannot be asked; Busy when it takes too long.
    pub async fn clock(&self, url: &Url) -> Result<i64> {
        let (inner, url) = (Arc::clone(&self.inner), url.clone());
        let slow = || Error::busy("the server took too long to tell the time");
        let _slot = self.inner.slots.acquire().await.map_err(|_| slow())?;
        let asked = tokio::task::spawn_blocking(move || inner.clock(&url));
        let answer = tokio::time::timeout(CLOCK_LIMIT, asked).await.map_err(|_| slow())?;
        answer.map_err(|_| Error::internal("asking for the time panicked"))?
    }

    /// Neither name look-up nor disk may hold up the runtime.
    async fn on_a_thread(&self, url: Url) -> Result<Source> {
        let inner = Arc::clone(&self.inner);
        let deadline = Instant::now() + inner.config.timeout;
        let slow = || Error::busy("the link took too long to answer");
        let work = async {
            let _slot = self.inner.slots.acquire().await.map_err(|_| slow())?;
            let work = tokio::task::spawn_blocking(move || match url.scheme() {
                "file" => inner.import(&url),
                _ => inner.download(url, deadline),
            });
            work.await.map_err(|_| Error::internal("the fetching thread panicked"))?
        };
        tokio::time::timeout_at(deadline.into(), work).await.map_err(|_| slow())?
    }
}

impl Inner {
    fn import(&self, url: &Url) -> Result<Source> {
        if self.config.import_dirs.is_empty() {
            return Err(Error::invalid(
                "file links are off; name a directory in client.import_dirs",
            ));
        }
        let is_here = url.host_str().is_none_or(|host| host == "localhost");
        let path = url.to_file_path().ok().filter(|_| is_here);
        let path = path.as_deref().and_then(Path::to_str);
        let inside = path.and_then(|path| path.strip_prefix('/'));
        let inside = inside.ok_or_else(|| Error::invalid("invalid uri"))?;
        let file = self.imports.open_file(Path::new("/"), inside, LastLink::Refuse);
        let file = file.map_err(|error| match error.kind() {
            ErrorKind::Forbidden => {
                Error::forbidden("the link names no regular file in client.import_dirs")
            }
            _ => error,
        })?;
        let unreadable = |_| Error::invalid("the file cannot be read");
        into_source(self.read_limited(file).map_err(unreadable)??)
    }

    fn clock(&self, url: &Url) -> Result<i64> {
        let guard = Guard::new(url, &self.config.private);
        let answer = agent(CLOCK_LIMIT, guard.clone()).head(url.as_str()).call();
        let answer = answer.map_err(|error| failure(error, &guard))?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok());
        seconds.ok_or_else(|| Error::invalid("the server does not tell the time"))
    }

    fn download(&self, mut url: Url, deadline: Instant) -> Result<Source> {
        for _ in 0..=REDIRECTS_MAX {
            let target = match self.request(&url, deadline)? {
                Answer::Body(body) => return into_source(body),
                Answer::Redirect(target) => target,
            };
            let next = url.join(&target).map_err(|_| Error::invalid("the redirect is no link"))?;
            url = match Link::parse(next.as_str())? {
                Link::Magnet(_) => return Ok(Source::Magnet(target)),
                Link::Remote(next) => checked_redirect(&url, next)?,
            };
        }
        Err(Error::invalid(format!("more than {REDIRECTS_MAX} redirects")))
    }

    fn request(&self, url: &Url, deadline: Instant) -> Result<Answer> {
        let guard = Guard::new(url, &self.config.private);
        let left = deadline.saturating_duration_since(Instant::now());
        let agent = agent(left, guard.clone());
        let failed = |error| failure(error, &guard);
        let response = agent.get(url.as_str()).call().map_err(failed)?;
        let status = response.status();
        if status.is_redirection() {
            let target = response.headers().get("location").and_then(|value| value.to_str().ok());
            let target = target.ok_or_else(|| Error::invalid("a redirect without a target"))?;
            return Ok(Answer::Redirect(target.to_owned()));
        }
        if !status.is_success() {
            return Err(Error::invalid(format!("the server answered {}", status.as_u16())));
        }
        let body = response.into_body().into_reader();
        let cut_off = |error: io::Error| failure(ureq::Error::from(error), &guard);
        self.read_limited(body).map_err(cut_off)?.map(Answer::Body)
    }

    /// Counts while reading: a stated length may be missing or false.
    fn read_limited(&self, source: impl Read) -> io::Result<Result<Vec<u8>>> {
        let mut bytes = Vec::new();
        source.take(self.config.bytes_max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > self.config.bytes_max {
            let limit = self.config.bytes_max;
            return Ok(Err(Error::invalid(format!("a torrent file has at most {limit} bytes"))));
        }
        Ok(Ok(bytes))
    }
}

/// An agent for one request: no proxy from the environment, which would connect for us to what
/// nobody checked; no redirects, no cookies, no compression, no connection kept.
fn agent(timeout: Duration, guard: Guard) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(HEADER_BYTES_MAX)
        .max_idle_connections(0)
        .user_agent(concat!("cove/", env!("CARGO_PKG_VERSION")))
        .build();
    let connector = ureq::unversioned::transport::DefaultConnector::default();
    ureq::Agent::with_parts(config, connector, guard)
}

fn checked_redirect(from: &Url, to: Url) -> Result<Url> {
    match (from.scheme(), to.scheme()) {
        ("https", "http") => Err(Error::forbidden("a redirect from https to http is not followed")),
        (_, "http" | "https") => Ok(to),
        _ => Err(Error::forbidden("a redirect to something else than http is not followed")),
    }
}

/// The failure in our words: the library's could carry text from the network.
fn failure(error: ureq::Error, guard: &Guard) -> Error {
    if let Some(address) = guard.refused() {
        return refused(address);
    }
    match error {
        ureq::Error::Timeout(_) => Error::busy("the link took too long to answer"),
        ureq::Error::HostNotFound => Error::invalid("the link's host has no address"),
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::TimedOut => Error::busy("the link took too long to answer"),
            io::ErrorKind::ConnectionRefused => Error::invalid("the link's host refused"),
            io::ErrorKind::InvalidData => Error::invalid("the link's certificate is not valid"),
            _ => Error::invalid("the link's host cannot be reached or has no address"),
        },
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
            Error::invalid("the link's certificate is not valid")
        }
        _ => Error::invalid("the link's host does not answer as a web server does"),
    }
}

fn refused(address: IpAddr) -> Error {
    Error::forbidden(format!(
        "the link leads to {address}, a private address; allow its host in client.fetch_private"
    ))
}

fn is_magnet(uri: &str) -> bool {
    uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"))
}

/// A body may be a torrent file or the text of a magnet link.
fn into_source(body: Vec<u8>) -> Result<Source> {
    let text = std::str::from_utf8(&body).map(str::trim).unwrap_or_default();
    if is_magnet(text) && text.len() <= URI_BYTES_MAX && !text.contains(char::is_control) {
        return Ok(Source::Magnet(text.to_owned()));
    }
    if body.first() != Some(&b'd') {
        return Err(Error::invalid("the link leads to no torrent file"));
    }
    Ok(Source::File(body))
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::io::BufReader;
    use std::io::Write;
    use std::net::SocketAddr;
    use std::net::TcpListener;
    use std::net::TcpStream;

    use proptest::prelude::*;

    use super::*;

    /// A web server on loopback that answers every request by its path, until the test ends.
    fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { continue };
                let rest = lines.by_ref().map_while(std::result::Result::ok);
                let _: Vec<String> = rest.take_while(|line| !line.is_empty()).collect();
                answer(first.split(' ').nth(1).unwrap_or_default(), &mut connection);
            }
        });
        address
    }

    fn send(connection: &mut TcpStream, head: &str, body: &[u8]) {
        let _ = write!(connection, "HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
        let _ = connection.write_all(body);
    }

    fn fetch(hosts: &[&str]) -> Fetch {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Fetch::new(FetchConfig {
            private: PrivateAccess::Hosts(hosts),
            bytes_max: 1_000,
            ..FetchConfig::default()
        })
    }

    async fn refusal(fetch: &Fetch, uri: &str) -> Error {
        fetch.torrent(uri).await.unwrap_err()
    }

    #[tokio::test]
    async fn f6_loopback_is_refused_unless_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "0.0.0.0"] {
            let error = refusal(&fetch(&[]), &format!("http://{host}:{port}/a")).await;
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{host}: {error}");
        }
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let address = serve(|_, connection| send(connection, "200 OK", b"d4:infodee"));
        for private in [PrivateAccess::Allowed, PrivateAccess::Hosts(vec!["127.0.0.1".into()])] {
            let fetch = Fetch::new(FetchConfig { private, ..FetchConfig::default() });
            let source = fetch.torrent(&format!("http://{address}/a")).await;
            assert_eq!(source.unwrap(), Source::File(b"d4:infodee".to_vec()));
        }
    }

    #[tokio::test]
    async fn f6_every_redirect_is_checked_again() {
        let address = serve(|path, connection| {
            let target = match path {
                "/metadata" => "http://169.254.169.254/latest",
                "/named" => "http://localhost:1/",
                "/file" => "file:///etc/passwd",
                "/user" => "http://user:pass@127.0.0.1/",
                "/magnet" => "magnet:?xt=urn:btih:0000000000000000000000000000000000000000",
                "/3" => "/2",
                "/2" => "/1",
                "/1" => "/0",
                "/0" => return send(connection, "200 OK", b"de"),
                _ => "/3",
            };
            send(connection, &format!("302 Found\r\nlocation: {target}"), b"");
        });
        let fetch = fetch(&["127.0.0.1"]);
        let at = |path: &str| format!("http://{address}{path}");
        for (path, kind) in [
            ("/metadata", ErrorKind::Forbidden),
            ("/named", ErrorKind::Forbidden),
            ("/file", ErrorKind::Forbidden),
            ("/user", ErrorKind::Invalid),
            ("/4", ErrorKind::Invalid),
        ] {
            assert_eq!(refusal(&fetch, &at(path)).await.kind(), kind, "{path}");
        }
        assert_eq!(fetch.torrent(&at("/3")).await.unwrap(), Source::File(b"de".to_vec()));
        let magnet = fetch.torrent(&at("/magnet")).await.unwrap();
        assert!(matches!(magnet, Source::Magnet(uri) if uri.starts_with("magnet:?xt=")));
    }

    #[test]
    fn f6_https_does_not_become_http() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (secure, plain) = (url("https://a.example/"), url("http://a.example/"));
        let refused = checked_redirect(&secure, plain.clone()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
        assert_eq!(checked_redirect(&plain, secure.clone()), Ok(secure));
    }

    #[tokio::test]
    async fn f6_a_body_is_counted_while_it_is_read() {
        let address = serve(|path, connection| match path {
            "/stated" => send(connection, "200 OK\r\ncontent-length: 5000", &[b'd'; 5_000]),
            "/chunked" => {
                let chunk = [b"3e8\r\n".as_slice(), &[b'd'; 1_000], b"\r\n"].concat();
                send(connection, "200 OK\r\ntransfer-encoding: chunked", &chunk.repeat(3));
            }
            "/fits" => send(connection, "200 OK", &[b'd'; 1_000]),
            _ => send(connection, "200 OK", &[b'd'; 1_001]),
        });
        let fetch = fetch(&["127.0.0.1"]);
        for path in ["/stated", "/chunked", "/unstated"] {
            let error = refusal(&fetch, &format!("http://{address}{path}")).await;
            assert!(error.message().contains("at most 1000 bytes"), "{path}: {error}");
        }
        assert!(fetch.torrent(&format!("http://{address}/fits")).await.is_ok());
    }

    #[tokio::test]
    async fn f6_a_slow_server_is_left_after_the_limit() {
        let address = serve(|_, connection| {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while connection.write_all(b"d").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let config = FetchConfig {
            private: PrivateAccess::Allowed,
            timeout: Duration::from_millis(200),
            ..FetchConfig::default()
        };
        let begin = Instant::now();
        let error = refusal(&Fetch::new(config), &format!("http://{address}/")).await;
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn f8_errors_do_not_repeat_what_was_read() {
        let address = serve(|path, connection| match path {
            "/status" => send(connection, "404 SECRET", b"SECRET"),
            "/garbage" => drop(connection.write_all(b"SECRET SECRET\r\n\r\n")),
            _ => send(connection, "200 OK", b"SECRET"),
        });
        for path in ["/body", "/status", "/garbage"] {
            let error = refusal(&fetch(&["127.0.0.1"]), &format!("http://{address}{path}")).await;
            assert_eq!(error.kind(), ErrorKind::Invalid, "{path}");
            assert!(!error.message().contains("SECRET"), "{path}: {error}");
        }
    }

    #[tokio::test]
    async fn a_body_may_be_a_magnet_link() {
        let address = serve(|_, connection| send(connection, "200 OK", b" magnet:?xt=urn:x\n"));
        let source = fetch(&["127.0.0.1"]).torrent(&format!("http://{address}/")).await;
        assert_eq!(source.unwrap(), Source::Magnet("magnet:?xt=urn:x".into()));
    }

    #[tokio::test]
    async fn f5_files_are_read_only_from_import_directories() {
        let dir = tempfile::tempdir().unwrap();
        let imports = dir.path().join("in");
        std::fs::create_dir(&imports).unwrap();
        std::fs::write(imports.join("a b.torrent"), b"de").unwrap();
        std::fs::write(imports.join("large"), [b'd'; 1_001]).unwrap();
        std::fs::write(dir.path().join("out"), b"de").unwrap();
        std::os::unix::fs::symlink(dir.path().join("out"), imports.join("link")).unwrap();
        let at = |name: &str| format!("file://{}/{name}", dir.path().display());
        assert_eq!(refusal(&fetch(&[]), &at("in/a%20b.torrent")).await.kind(), ErrorKind::Invalid);
        let config =
            FetchConfig { import_dirs: vec![imports], bytes_max: 1_000, ..FetchConfig::default() };
        let fetch = Fetch::new(config);
        let source = fetch.torrent(&at("in/a%20b.torrent")).await;
        assert_eq!(source.unwrap(), Source::File(b"de".to_vec()));
        for (name, kind) in [
            ("out", ErrorKind::Forbidden),
            ("missing", ErrorKind::Forbidden),
            ("in/../out", ErrorKind::Forbidden),
            ("in/link", ErrorKind::Forbidden),
            ("in/missing", ErrorKind::NotFound),
            ("in/large", ErrorKind::Invalid),
            ("in", ErrorKind::Forbidden),
            ("in/a%00b", ErrorKind::Invalid),
        ] {
            assert_eq!(refusal(&fetch, &at(name)).await.kind(), kind, "{name}");
        }
        for uri in ["file:///dev/zero", "file:///proc/self/environ", "file://host/x"] {
            assert!(fetch.torrent(uri).await.is_err(), "{uri}");
        }
    }

    #[test]
    fn f5_other_kinds_of_links_are_refused() {
        let long = "a".repeat(URI_BYTES_MAX + 1);
        for uri in [
            "",
            "x",
            "/a.torrent",
            "ftp://a/",
            "data:,x",
            "javascript:1",
            "gopher://a/",
            "http://",
            "magnet:?\u{1}",
            "http://user@a/",
            "http://u:p@a/",
            &long,
        ] {
            assert_eq!(Link::parse(uri).unwrap_err().kind(), ErrorKind::Invalid, "{uri}");
        }
        assert!(matches!(Link::parse(" MAGNET:?xt=x "), Ok(Link::Magnet(_))));
    }

    proptest! {
        #[test]
        fn no_link_is_too_odd(uri: String, tail in "[a-z0-9:/@?#\\[\\]%.]{0,40}") {
            let _ = Link::parse(&uri);
            if let Ok(Link::Remote(url)) = Link::parse(&format!("http:{tail}")) {
                prop_assert!(url.username().is_empty() && url.has_host());
            }
        }
    }
}
