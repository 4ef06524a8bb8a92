//! The accept loop: limits, timers, and one task a connection.
//!
//! A connection is in one of three phases: reading a head, answering, idle. hyper's own header
//! timer would also run while a connection idles, so the phases are watched here instead.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use warp::Filter;
use warp::http::HeaderMap;
use warp::http::Method;
use warp::http::Request;
use warp::path::FullPath;

use crate::http::Handler;
use crate::http::HttpConfig;
use crate::http::HttpLimits;
use crate::http::body;
use crate::http::call::Call;
use crate::http::connections::Connections;
use crate::http::connections::Counted;
use crate::http::guard::Guard;
use crate::http::reply::Reply;

/// How long to wait after an accept that failed, such as for want of descriptors (rule D18).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a connection's phase is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a refused connection may take to hear why.
const REFUSE_TIME: Duration = Duration::from_secs(1);
/// What a connection past the limits is told.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
    Content-Type: application/json\r\nRetry-After: 5\r\nContent-Length: 74\r\n\r\n\
    {\"error\": {\"handled\": true, \"message\": \"too many connections; try later\"}}";

/// What every connection shares.
#[derive(Clone)]
struct Shared {
    handler: Handler,
    guard: Arc<Guard>,
    limits: HttpLimits,
    connections: Connections,
    stop: watch::Receiver<bool>,
}

/// Who is at the other end; travels in a request's extensions.
#[derive(Clone, Copy)]
struct PeerAddress(SocketAddr);

pub(crate) async fn run(
    listeners: Vec<TcpListener>,
    config: HttpConfig,
    handler: Handler,
    stop: watch::Receiver<bool>,
) {
    let bound = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let guard = Guard::new(bound, &config.allowed_hosts, &config.allowed_origins, &machine);
    let limits = config.limits;
    let shared = Shared {
        handler,
        guard: Arc::new(guard),
        connections: Connections::new(limits.connections, limits.connections_per_address),
        limits,
        stop,
    };
    join_all(listeners.into_iter().map(|listener| accept(listener, shared.clone()))).await;
}

async fn accept(listener: TcpListener, shared: Shared) {
    let mut tasks = JoinSet::new();
    let mut stop = shared.stop.clone();
    loop {
        tokio::select! {
            () = told(&mut stop) => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => enter(&mut tasks, socket, peer, &shared),
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.limits.stop_time, all_ended).await.is_err() {
        tracing::info!("ending connections that are still open");
    }
}

/// Ends when the server is to stop, also when whoever would say so is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn enter(tasks: &mut JoinSet<()>, socket: TcpStream, peer: SocketAddr, shared: &Shared) {
    match shared.connections.enter(peer.ip()) {
        Some(counted) => drop(tasks.spawn(serve(socket, peer, shared.clone(), counted))),
        None => drop(tasks.spawn(refuse(socket))),
    }
}

async fn refuse(mut socket: TcpStream) {
    let told = async {
        socket.write_all(TOO_MANY).await?;
        socket.shutdown().await
    };
    let _ = tokio::time::timeout(REFUSE_TIME, told).await;
}

/// What a connection is doing, and since when.
#[derive(Clone, Copy)]
enum Phase {
    Head(Instant),
    Answering,
    Idle(Instant),
}

#[derive(Clone)]
struct Watch(Arc<Mutex<Phase>>);

impl Watch {
    fn get(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn bytes_came(&self) {
        if matches!(self.get(), Phase::Idle(_)) {
            self.set(Phase::Head(Instant::now()));
        }
    }

    fn is_late(&self, limits: &HttpLimits) -> bool {
        match self.get() {
            Phase::Head(since) => since.elapsed() > limits.head_time,
            Phase::Answering => false,
            Phase::Idle(since) => since.elapsed() > limits.idle_time,
        }
    }
}

async fn serve(socket: TcpStream, peer: SocketAddr, shared: Shared, _counted: Counted) {
    let _ = socket.set_nodelay(true);
    let watch = Watch(Arc::new(Mutex::new(Phase::Head(Instant::now()))));
    let io = TokioIo::new(Watched { socket, watch: watch.clone() });
    let answer = warp::service(filter(shared.clone()));
    let phases = watch.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        phases.set(Phase::Answering);
        request.extensions_mut().insert(PeerAddress(peer));
        let (answer, done) = (answer.clone(), Done(phases.clone()));
        async move {
            let response = call(answer, request).await;
            Ok::<_, Infallible>(response.map(|body| Guarded { body, _done: done }))
        }
    });
    let connection = http1::Builder::new()
        .max_headers(shared.limits.headers)
        .max_buf_size(shared.limits.head_bytes.max(8192))
        .half_close(false)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let mut stop = shared.stop.clone();
    let mut is_stopping = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = told(&mut stop), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                if watch.is_late(&shared.limits) {
                    return;
                }
            }
        }
    }
}

/// Calls warp's service, which never fails.
async fn call<S>(mut answer: S, request: Request<Incoming>) -> warp::reply::Response
where
    S: tower_service::Service<
            Request<Incoming>,
            Response = warp::reply::Response,
            Error = Infallible,
        >,
{
    match answer.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The one filter: any request becomes a call.
fn filter(
    shared: Shared,
) -> impl Filter<Extract = (warp::reply::Response,), Error = warp::Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<PeerAddress>())
        .and(warp::body::stream())
        .then(move |method, path: FullPath, query: String, headers, peer: PeerAddress, stream| {
            let incoming = body::incoming(stream);
            let shared = shared.clone();
            async move {
                let request = Parts { method, path, query, headers, peer: peer.0, incoming };
                answer(&shared, request).await.into_response()
            }
        })
}

struct Parts {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    peer: SocketAddr,
    incoming: body::Incoming,
}

async fn answer(shared: &Shared, request: Parts) -> Reply {
    if let Err(refused) = shared.guard.check(&request.headers) {
        return plain_refusal(403, &refused.0);
    }
    let Parts { method, path, query, headers, peer, incoming } = request;
    let is_head = method == Method::HEAD;
    let Some(call) = Call::new(method, path.as_str(), &query, headers, peer, incoming) else {
        return plain_refusal(400, "the path is not UTF-8");
    };
    let reply = limited(shared, call).await;
    if is_head { reply.without_body() } else { reply }
}

/// The handler's answer, within its time. A change runs to its end even when its caller goes away
/// or time is up, so that nothing is left half-done.
async fn limited(shared: &Shared, call: Call) -> Reply {
    let is_change = !matches!(*call.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let work = (shared.handler)(call);
    let limit = shared.limits.request_time;
    let late = || plain_refusal(408, "the request took too long; try again");
    if !is_change {
        return tokio::time::timeout(limit, work).await.unwrap_or_else(|_| late());
    }
    match tokio::time::timeout(limit, tokio::spawn(work)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => plain_refusal(500, "internal error"),
        Err(_) => late(),
    }
}

/// A refusal before any dialect could word it.
fn plain_refusal(status: u16, message: &str) -> Reply {
    let text = format!("{{\"error\": {{\"handled\": true, \"message\": \"{message}\"}}}}");
    Reply::new(status).json_bytes(text.into_bytes())
}

/// Marks the connection idle when the answer's body is gone.
struct Done(Watch);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.set(Phase::Idle(Instant::now()));
    }
}

/// A body that says when it is gone.
struct Guarded<B> {
    body: B,
    _done: Done,
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Guarded<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that tells the watch when bytes of a next request come.
struct Watched {
    socket: TcpStream,
    watch: Watch,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.watch.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
