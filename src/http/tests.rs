//! The server over real sockets, with limits small enough to meet them at once.

mod events;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::domain::network::Network;
use crate::http::BodyError;
use crate::http::BodyLimits;
use crate::http::Call;
use crate::http::Handlers;
use crate::http::HttpConfig;
use crate::http::HttpLimits;
use crate::http::Listener;
use crate::http::Reply;
use crate::http::Role;
use crate::http::Server;
use crate::http::Tls;
use crate::http::TlsFiles;
use crate::http::TrackerCall;
use crate::http::Unanswered;

const LIMIT: Duration = Duration::from_secs(20);

struct Lab {
    address: SocketAddr,
    tracker: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Echoes what it understood; `/body` reads, `/never` never ends, `/hang` never answers.
async fn echo(mut call: Call) -> Reply {
    let first = call.segments().first().cloned().unwrap_or_default();
    match first.as_str() {
        "body" => match call.json(1000).await {
            Ok(body) => Reply::new(200).bytes(body),
            Err(BodyError::TooLarge) => Reply::new(413),
            Err(BodyError::Late) => Reply::new(408),
            Err(_) => Reply::new(400),
        },
        "never" => {
            let endless = futures_util::stream::repeat_with(|| Ok(Bytes::from_static(b"x")));
            Reply::new(200).stream(1 << 40, endless)
        }
        "hang" => std::future::pending().await,
        "panic" => panic!("as the test wishes"),
        _ => {
            let told = format!(
                "{} {:?} slash={} a={:?}",
                call.method(),
                call.segments(),
                call.trailing_slash(),
                call.query("a")
            );
            Reply::new(200).bytes(told.into_bytes())
        }
    }
}

fn start(limits: HttpLimits) -> Lab {
    start_all(config(limits, HttpLimits::tracker()))
}

/// One listener of each role.
fn config(api_limits: HttpLimits, tracker_limits: HttpLimits) -> HttpConfig {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = |role| Listener { address, role, tls: None };
    HttpConfig {
        listeners: vec![listener(Role::Api), listener(Role::Tracker)],
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        base_path: String::new(),
        body_limits: BodyLimits::default(),
        tracker_proxies: Vec::new(),
        api_limits,
        tracker_limits,
    }
}

fn start_all(config: HttpConfig) -> Lab {
    let server = Server::bind(config).unwrap();
    let address = server.addresses(Role::Api)[0];
    let tracker = server.addresses(Role::Tracker)[0];
    let (stop, stopping) = watch::channel(false);
    let handlers = Handlers {
        api: Arc::new(|call| Box::pin(echo(call))),
        tracker: Arc::new(echo_raw),
        refuse: Arc::new(refuse),
    };
    Lab { address, tracker, stop, task: tokio::spawn(server.run(handlers, stopping)) }
}

/// Tells what is refused, and where.
fn refuse(path: &str, why: &Unanswered) -> Reply {
    let told = format!("{path}: {}", why.message);
    why.complete(Reply::new(why.status).bytes(told.into_bytes()))
}

fn echo_raw(call: &TrackerCall<'_>) -> Reply {
    if call.path() == "/client" {
        return Reply::new(200).bytes(format!("{:?}", call.client()).into_bytes());
    }
    let (peer, local) = (call.peer().ip(), call.local());
    let told = format!("{} {} {} {peer} {local}", call.method(), call.path(), call.query());
    Reply::new(200).header("content-type", "text/plain").bytes(told.into_bytes())
}

impl Lab {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` on a connection of its own and returns everything until the server closes.
    async fn send(&self, request: &[u8]) -> String {
        send(self.address, request).await
    }

    async fn get(&self, path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        self.send(head.as_bytes()).await
    }
}

async fn send(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close while we still write.
    let _ = socket.write_all(request).await;
    all_of(&mut socket).await
}

async fn all_of(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(LIMIT, socket.read_to_end(&mut bytes)).await.expect("the server never closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_request_becomes_a_call_and_carries_the_safe_headers() {
    let lab = start(HttpLimits::default());
    let reply = lab.get("/a%20b/c/?a=1%2b2&a=3").await;
    assert!(reply.contains(r#"GET ["a b", "c"] slash=true a=Some("1+2")"#), "{reply}");
    // Rule W10.
    for header in ["x-content-type-options: nosniff", "cache-control: no-store"] {
        assert!(reply.contains(header), "{reply}");
    }
}

/// Rules W5, W6: refused before the handler.
#[tokio::test]
async fn foreign_names_are_refused() {
    let lab = start(HttpLimits::default());
    for head in ["Host: evil.example", "Host: localhost\r\nOrigin: http://evil.example", "X: y"] {
        let request = format!("GET / HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n");
        let reply = lab.send(request.as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 403"), "{head}: {reply}");
        assert!(!reply.contains("GET ["), "{head}: {reply}");
        assert!(reply.contains("/: "), "worded by what was handed in: {reply}");
    }
}

/// What no handler answers is worded by what was handed in, with the path that was asked for.
#[tokio::test]
async fn a_refusal_before_the_handler_has_the_words_that_were_handed_in() {
    let limits = HttpLimits { request_time: Duration::from_millis(100), ..HttpLimits::default() };
    let lab = start(limits);
    let unread = lab.get("/a/%ff").await;
    assert!(unread.starts_with("HTTP/1.1 400"), "{unread}");
    assert!(unread.ends_with("/a/%ff: the path is not UTF-8"), "{unread}");
    for method in ["GET", "POST"] {
        let request =
            format!("{method} /hang HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let late = lab.send(request.as_bytes()).await;
        assert!(late.starts_with("HTTP/1.1 503") && late.contains("retry-after: 5"), "{late}");
        assert!(late.ends_with("/hang: the answer takes too long; try again"), "{late}");
    }
    let request = b"POST /panic HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let broken = lab.send(request).await;
    assert!(broken.starts_with("HTTP/1.1 500"), "{broken}");
    assert!(broken.ends_with("/panic: internal error"), "{broken}");
}

/// A tracker is reached under any name, from any page; what came is handed on as it was.
#[tokio::test]
async fn the_tracker_answers_under_any_name_with_what_came() {
    let lab = start(HttpLimits::default());
    for head in ["Host: any.example", "Host: x\r\nOrigin: http://any.example", "X: y"] {
        let request = format!("GET /a%20b?h=%ff+1 HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n");
        let reply = send(lab.tracker, request.as_bytes()).await;
        let told = format!("GET /a%20b h=%ff+1 127.0.0.1 {}", lab.tracker);
        assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with(&told), "{head}: {reply}");
        assert!(!reply.contains("nosniff"), "{reply}");
    }
    let head = b"HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n";
    let reply = send(lab.tracker, head).await;
    assert!(!reply.contains("content-length: 0") && reply.ends_with("\r\n\r\n"), "{reply}");
}

/// Announces that come whole are answered before hyper sees them, and in the same words.
#[tokio::test]
async fn a_connection_of_the_tracker_goes_to_hyper_where_it_must() {
    let lab = start(HttpLimits::default());
    let mut socket = TcpStream::connect(lab.tracker).await.unwrap();
    let first = b"GET /a?h=%00 HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HT";
    socket.write_all(first).await.unwrap();
    let end = format!("GET /b  127.0.0.1 {}", lab.tracker);
    let mut told = String::new();
    while !told.ends_with(&end) {
        let mut bytes = [0; 1024];
        let came = timeout(LIMIT, socket.read(&mut bytes)).await.unwrap().unwrap();
        told.push_str(std::str::from_utf8(&bytes[..came]).unwrap());
        assert!(came > 0, "{told}");
    }
    let rest = b"TP/1.1\r\n\r\nPOST /d HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
        GET /e HTTP/1.1\r\nConnection: close\r\n\r\n";
    socket.write_all(rest).await.unwrap();
    told.push_str(&all_of(&mut socket).await);

    let answers: Vec<&str> = told.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    let bodies = ["GET /a h=%00", "GET /b ", "GET /c ", "POST /d ", "GET /e "];
    assert_eq!(answers.len(), bodies.len(), "{told}");
    for (answer, body) in answers.iter().zip(bodies) {
        let (head, told) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(told, format!("{body} 127.0.0.1 {}", lab.tracker));
        let names: Vec<_> = head.lines().filter_map(|line| line.split(':').next()).collect();
        let usual = ["content-type", "content-length", "date"];
        // hyper says once more that it closes.
        assert!(names.iter().filter(|name| **name != "connection").eq(&usual), "{head}");
        assert!(head.contains(&format!("content-length: {}", told.len())), "{head}");
        let date = head.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    }
}

/// Rule W12: a proxy's word counts, and only a trusted one's.
#[tokio::test]
async fn the_client_of_a_trusted_proxy_is_known() {
    let local: Network = "127.0.0.1".parse().unwrap();
    let ask = async |lab: &Lab, lines: &str| {
        let request = format!("GET /client HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
        send(lab.tracker, request.as_bytes()).await
    };
    let plain = || config(HttpLimits::default(), HttpLimits::tracker());
    let lines = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n";
    let lab = start_all(HttpConfig { tracker_proxies: vec![local], ..plain() });
    assert!(ask(&lab, lines).await.ends_with("Ok(192.0.2.2)"));
    assert!(ask(&lab, "").await.ends_with("Err(Missing)"));
    let lab = start_all(plain());
    assert!(ask(&lab, lines).await.ends_with("Ok(127.0.0.1)"));
}

/// Neither role's callers can use up the other's connections.
#[tokio::test]
async fn each_role_has_its_own_limits() {
    let one = HttpLimits { connections: 1, ..HttpLimits::tracker() };
    let lab = start_all(config(HttpLimits { connections: 1, ..HttpLimits::default() }, one));
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut sockets = [lab.connect().await, TcpStream::connect(lab.tracker).await.unwrap()];
    for _ in 0..2 {
        for socket in &mut sockets {
            socket.write_all(request).await.unwrap();
            assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
        }
    }
    let close = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert!(send(lab.tracker, close).await.starts_with("HTTP/1.1 200"));
    let [mut of_api, mut of_tracker] = sockets;
    assert_eq!(all_of(&mut of_tracker).await, "");
    of_api.write_all(request).await.unwrap();
    assert!(of_api.read(&mut [0; 4096]).await.unwrap() > 0);
}

/// Rule W9: a chunked body is counted while it is read.
#[tokio::test]
async fn a_body_past_its_limit_is_refused_unread() {
    let lab = start(HttpLimits::default());
    let mut request = b"POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Connection: close\r\n\r\n"
        .to_vec();
    for _ in 0..100 {
        request.extend_from_slice(b"400\r\n");
        request.extend_from_slice(&[b'a'; 0x400]);
        request.extend_from_slice(b"\r\n");
    }
    assert!(lab.send(&request).await.starts_with("HTTP/1.1 413"));
    let deep = "[".repeat(900);
    let request = format!(
        "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\
         Connection: close\r\n\r\n{deep}"
    );
    assert!(lab.send(request.as_bytes()).await.starts_with("HTTP/1.1 400"));
}

/// Rule W9: 200 headers, and a head past its bytes.
#[tokio::test]
async fn a_head_past_its_limits_is_refused() {
    let lab = start(HttpLimits::default());
    let headers = "X-A: b\r\n".repeat(200);
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    assert!(lab.send(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let long = format!("GET /?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20));
    let reply = lab.send(long.as_bytes()).await;
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{reply}");
    assert!(lab.get("/").await.starts_with("HTTP/1.1 200"));
}

/// Rule W9: slow heads are closed, and nobody else waits for them.
#[tokio::test]
async fn slow_heads_are_closed_and_others_are_served() {
    let limits = HttpLimits { head_time: Duration::from_millis(300), ..HttpLimits::default() };
    let lab = start(limits);
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut socket = lab.connect().await;
        socket.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        slow.push(socket);
    }
    assert!(lab.get("/").await.starts_with("HTTP/1.1 200"));
    for socket in &mut slow {
        assert_eq!(all_of(socket).await, "");
    }
}

/// Rule W12: a handshake has the head's time, and no more.
#[tokio::test]
async fn a_slow_handshake_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: dir.path().join("c.pem"), key: dir.path().join("k.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let limits = HttpLimits { head_time: Duration::from_millis(300), ..HttpLimits::default() };
    let mut config = config(limits, HttpLimits::tracker());
    config.listeners[0].tls = Some(Tls::load(&files).unwrap());
    let lab = start_all(config);
    let begin = std::time::Instant::now();
    // The beginning of a handshake, and nothing.
    let beginnings: [&[u8]; 2] = [&[22, 3, 1, 1, 0, 1], &[]];
    for bytes in beginnings {
        lab.send(bytes).await;
    }
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    assert_eq!(lab.send(b"GET / HTTP/1.1\r\n\r\n").await.find("HTTP/"), None);
}

/// Rule W9: an idle connection outlives the head's time, and ends with its own.
#[tokio::test]
async fn an_idle_connection_is_kept_for_its_own_time() {
    let limits = HttpLimits {
        head_time: Duration::from_millis(100),
        idle_time: Duration::from_millis(1500),
        ..HttpLimits::default()
    };
    let lab = start(limits);
    let mut socket = lab.connect().await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut answer = [0; 4096];
    for _ in 0..2 {
        socket.write_all(request).await.unwrap();
        assert!(timeout(LIMIT, socket.read(&mut answer)).await.unwrap().unwrap() > 0);
        // Longer than the head may take: what is measured here is time itself.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(all_of(&mut socket).await, "");
}

/// Rule W9: connections of one address, all of them with an answer under way.
#[tokio::test]
async fn connections_past_the_limit_are_told_so() {
    let lab = start(HttpLimits { connections_per_address: 2, ..HttpLimits::default() });
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = lab.connect().await;
        socket.write_all(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(socket.read(&mut [0; 100]).await.unwrap() > 0);
        held.push(socket);
    }
    let refused = lab.get("/").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.ends_with("try later\n"), "{refused}");
    drop(held);
    let served = async {
        while !lab.get("/").await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, served).await.unwrap();
}

/// Rule W9: who only waits gives way, and who was served before gives way last.
#[tokio::test]
async fn a_waiting_connection_gives_way_to_a_new_one() {
    let lab = start(HttpLimits { connections_per_address: 2, ..HttpLimits::default() });
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut served = lab.connect().await;
    served.write_all(request).await.unwrap();
    assert!(served.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut slow = lab.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();

    assert!(lab.get("/").await.starts_with("HTTP/1.1 200"));

    assert_eq!(all_of(&mut slow).await, "", "it was closed long before its time");
    served.write_all(request).await.unwrap();
    assert!(served.read(&mut [0; 4096]).await.unwrap() > 0);
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let lab = start(HttpLimits::default());
    let request = b"HEAD /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let reply = lab.send(request).await;
    assert!(reply.contains("content-length: ") && reply.ends_with("\r\n\r\n"), "{reply}");
    assert!(!reply.contains("content-length: 0"), "{reply}");
}

/// Rule W9: a handler that does not end is ended, and so is a body that does not come.
#[tokio::test]
async fn a_request_past_its_time_is_answered() {
    let limits = HttpLimits { request_time: Duration::from_millis(200), ..HttpLimits::default() };
    let lab = start(limits);
    assert!(lab.get("/hang").await.starts_with("HTTP/1.1 503"));
    let cut = b"POST /body HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Content-Length: 9\r\n\r\n12";
    assert!(lab.send(cut).await.starts_with("HTTP/1.1 408"));
}

/// Rule D16: a stream without end does not keep the server.
#[tokio::test]
async fn stopping_ends_streams_after_their_time() {
    let lab = start(HttpLimits { stop_time: Duration::from_millis(300), ..HttpLimits::default() });
    let mut socket = lab.connect().await;
    socket.write_all(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(socket.read(&mut [0; 100]).await.unwrap() > 0);
    lab.stop.send_replace(true);
    timeout(LIMIT, lab.task).await.expect("the server did not stop").unwrap();
    for address in [lab.address, lab.tracker] {
        assert!(TcpStream::connect(address).await.is_err());
    }
}

/// Rule D13: the listener is named.
#[tokio::test]
async fn a_port_in_use_is_named() {
    let lab = start(HttpLimits::default());
    for (address, role, key) in
        [(lab.address, Role::Api, "api.bind"), (lab.tracker, Role::Tracker, "tracker.http.bind")]
    {
        let listeners = vec![Listener { address, role, tls: None }];
        let config =
            HttpConfig { listeners, ..config(HttpLimits::default(), HttpLimits::tracker()) };
        let refused = Server::bind(config).err().unwrap().to_string();
        assert!(refused.contains(&address.to_string()) && refused.contains(key), "{refused}");
    }
}
