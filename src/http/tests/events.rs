//! Event streams over real sockets (rules W13, D16).

use futures_util::StreamExt;
use futures_util::stream;

use super::*;
use crate::http::Behind;
use crate::http::End;
use crate::http::EventStreams;
use crate::http::Feed;
use crate::http::STREAMS_MAX;

fn farewell(why: End) -> Bytes {
    Bytes::from(format!("event: end\ndata: {why:?}\n\n"))
}

/// `/quiet` says one thing and waits, `/flood` never stops, `/behind` is told it is too slow,
/// `/revoked` loses its token.
async fn feed(call: Call, streams: EventStreams) -> Reply {
    let Some(place) = streams.enter() else { return Reply::new(503).bytes("no place") };
    let hello = stream::iter([Ok(Bytes::from_static(b"data: hello\n\n"))]);
    let path = call.segments().first().map(String::as_str);
    let mut feed = Feed {
        events: Box::pin(hello.chain(stream::pending())),
        revoked: Box::pin(std::future::pending()),
        farewell,
        has_comments: true,
    };
    match path {
        Some("flood") => {
            let event = Bytes::from(format!("data: {}\n\n", "x".repeat(64 << 10)));
            feed.events = Box::pin(stream::repeat_with(move || Ok(event.clone())));
        }
        Some("behind") => feed.events = Box::pin(stream::iter([Err(Behind)])),
        Some("revoked") => feed.revoked = Box::pin(std::future::ready(())),
        _ => {}
    }
    Reply::new(200).events(place, feed)
}

fn start_feeds(api_limits: HttpLimits) -> Lab {
    let server = Server::bind(config(api_limits, HttpLimits::tracker())).unwrap();
    let address = server.addresses(Role::Api)[0];
    let tracker = server.addresses(Role::Tracker)[0];
    let (stop, stopping) = watch::channel(false);
    let streams = EventStreams::new(stopping.clone());
    let handlers = Handlers {
        api: Arc::new(move |call| Box::pin(feed(call, streams.clone()))),
        tracker: Arc::new(echo_raw),
        refuse: Arc::new(refuse),
    };
    Lab { address, tracker, stop, task: tokio::spawn(server.run(handlers, stopping)) }
}

async fn listen(lab: &Lab) -> TcpStream {
    let mut socket = lab.connect().await;
    socket.write_all(b"GET /quiet HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut socket, "data: hello").await;
    socket
}

async fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    while !all.contains(text) {
        let count = timeout(LIMIT, socket.read(&mut buffer)).await.unwrap().unwrap();
        assert!(count > 0, "closed before `{text}`: {all}");
        all.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    all
}

/// Rule W13: 64 streams, and one that ends makes room. The time of a request is not theirs.
#[tokio::test]
async fn w13_the_stream_past_the_limit_is_refused_and_told_so() {
    let limits = HttpLimits {
        connections_per_address: 256,
        request_time: Duration::from_millis(100),
        idle_time: Duration::from_millis(100),
        ..HttpLimits::default()
    };
    let lab = start_feeds(limits);
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        open.push(listen(&lab).await);
    }
    let refused = lab.get("/quiet").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.ends_with("no place"), "{refused}");
    drop(open.pop());
    let served = async {
        loop {
            let mut socket = lab.connect().await;
            socket.write_all(b"GET /quiet HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut buffer = [0; 4096];
            let count = socket.read(&mut buffer).await.unwrap();
            if buffer[..count].starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(LIMIT, served).await.unwrap();
}

/// Rule W13: whoever is behind, or loses the token, is told so before the stream ends.
#[tokio::test]
async fn w13_a_stream_ends_with_its_last_event() {
    let lab = start_feeds(HttpLimits::default());
    for (path, why) in [("/behind", "data: Slow\n\n"), ("/revoked", "data: Revoked\n\n")] {
        let answer = lab.get(path).await;
        assert!(answer.contains("content-type: text/event-stream"), "{answer}");
        assert!(answer.contains(why) && answer.ends_with("0\r\n\r\n"), "{path}: {answer}");
    }
}

/// Rule W13: a reader that takes nothing is cut off, and its place is free again.
#[tokio::test]
async fn w13_a_reader_that_does_not_read_is_cut_off() {
    let limits = HttpLimits { stall_time: Duration::from_millis(300), ..HttpLimits::default() };
    let lab = start_feeds(limits);
    let mut stuck = lab.connect().await;
    stuck.write_all(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // The flood fills every buffer on the way; the connection then ends without our reading.
    let cut = async {
        while stuck.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, cut).await.expect("the connection was never ended");
}

/// Rule D16: streams end with the server, at once and with a last event.
#[tokio::test]
async fn d16_streams_end_with_the_server() {
    let lab = start_feeds(HttpLimits::default());
    let mut socket = listen(&lab).await;
    lab.stop.send_replace(true);
    let rest = all_of(&mut socket).await;
    assert!(rest.contains("data: Stopping"), "{rest}");
    timeout(LIMIT, lab.task).await.expect("the server did not stop").unwrap();
}
