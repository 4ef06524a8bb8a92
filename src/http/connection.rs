//! One connection: its phases, its timers, and hyper, which serves warp's service on it.
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
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Instant;
use warp::http::Request;

use crate::http::HttpLimits;
use crate::http::accept::Service;
use crate::http::accept::Shared;
use crate::http::accept::told;
use crate::http::api;
use crate::http::connections::Counted;
use crate::http::tracker;

/// How often a connection's phase is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Who is at each end of a connection; IPv4 is never in IPv6 form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

pub(crate) async fn serve(socket: TcpStream, ends: Ends, shared: Arc<Shared>, _counted: Counted) {
    let _ = socket.set_nodelay(true);
    match &shared.service {
        Service::Api(api) => {
            let answer = warp::service(api::filter(Arc::clone(api), ends));
            run(socket, answer, &shared).await;
        }
        Service::Tracker(tracker) => {
            let answer = warp::service(tracker::filter(Arc::clone(tracker), ends));
            run(socket, answer, &shared).await;
        }
    }
}

async fn run<S>(socket: TcpStream, answer: S, shared: &Shared)
where
    S: tower_service::Service<
            Request<Incoming>,
            Response = warp::reply::Response,
            Error = Infallible,
        > + Clone,
{
    let watch = Watch(Arc::new(Mutex::new(Phase::Head(Instant::now()))));
    let io = TokioIo::new(Watched { socket, watch: watch.clone() });
    let phases = watch.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        phases.set(Phase::Answering);
        let (mut answer, done) = (answer.clone(), Done(phases.clone()));
        async move {
            let response = answer.call(request).await?;
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
