//! One connection: hyper serves warp's service of the listener's role on it.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::TryFutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use socket2::TcpKeepalive;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tower_service::Service as _;
use warp::Reply as _;
use warp::http::Request;
use warp::reply::Response;

use crate::http::HttpLimits;
use crate::http::accept::Service;
use crate::http::accept::Shared;
use crate::http::api;
use crate::http::connections::Place;
use crate::http::express::Express;
use crate::http::link::Link;
use crate::http::link::attend;
use crate::http::reply::IsLive;
use crate::http::tls::Tls;
use crate::http::tracker;
use crate::http::watched::Watched;
use crate::http::watched::WatchedBody;

/// How long a connection of the API is quiet before the system asks whether its other end is there.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// Who is at each end of a connection; IPv4 is never in IPv6 form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Serves a connection to its end; `place` is given back then.
pub(crate) async fn serve(
    socket: TcpStream,
    tls: Option<Tls>,
    ends: Ends,
    shared: Arc<Shared>,
    place: Place,
) {
    // Answers go out in one piece, so waiting for more to send would only delay them.
    let _ = socket.set_nodelay(true);
    if matches!(shared.service, Service::Api(_)) {
        // A stream of events may be silent for hours: who vanished without a word is noticed by this.
        let _ =
            SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER));
    }
    serve_until_end(socket, tls, ends, &shared, place.link()).await;
    shared.reserve.refill();
}

/// `None` when it ended before a request could come.
async fn serve_until_end(
    socket: TcpStream,
    tls: Option<Tls>,
    ends: Ends,
    shared: &Shared,
    link: &Arc<Link>,
) -> Option<()> {
    let limits = &shared.limits;
    // Whoever sends nothing costs no buffers. The box is for him too: a task is as large as the
    // largest of its steps.
    let mut first = [0];
    attend(socket.peek(&mut first), None, link, limits).await?.ok()?;
    match tls {
        None => Box::pin(serve_plain(socket, ends, shared, link)).await,
        Some(tls) => {
            Box::pin(async {
                let shaken = attend(tls.accept(socket), None, link, limits).await;
                let Some(Ok(socket)) = shaken else { return };
                serve_plain(socket, ends, shared, link).await;
            })
            .await
        }
    }
    Some(())
}

async fn serve_plain<I>(mut socket: I, ends: Ends, shared: &Shared, link: &Arc<Link>)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    match &shared.service {
        Service::Api(api) => {
            let service = warp::service(api::filter(Arc::clone(api), ends));
            let answer = |request| service.clone().call(request);
            let io = watched(socket, link, Bytes::new());
            run(io, answer, server(&shared.limits), link, &shared.limits).await;
        }
        Service::Tracker(tracker) => {
            let express = Express::new(&mut socket, tracker, ends, link);
            let ended = attend(express, Some(Express::finish), link, &shared.limits).await;
            let Some(Some(ahead)) = ended else { return };
            let service = warp::service(tracker::filter(Arc::clone(tracker), ends));
            let answer = |mut request| {
                tracker::note_forwarded(&mut request, tracker);
                ready(at_once(service.clone().call(request)))
            };
            // Answers are small: one piece is cheaper to send than head and body apart.
            let mut server = server(&shared.limits);
            server.writev(false);
            run(watched(socket, link, ahead), answer, server, link, &shared.limits).await;
        }
    }
}

fn watched<I>(socket: I, link: &Arc<Link>, ahead: Bytes) -> TokioIo<Watched<I>> {
    TokioIo::new(Watched { socket, link: Arc::clone(link), ahead })
}

fn server(limits: &HttpLimits) -> http1::Builder {
    let mut server = http1::Builder::new();
    server.max_buf_size(limits.head_bytes.max(8192)).half_close(false);
    if let Some(headers) = limits.headers {
        server.max_headers(headers);
    }
    server
}

/// The outcome of a future that waits for nothing: moving it into a task costs more than it does.
fn at_once(
    answer: impl Future<Output = Result<Response, Infallible>>,
) -> Result<Response, Infallible> {
    let unfinished = || Ok(warp::http::StatusCode::INTERNAL_SERVER_ERROR.into_response());
    answer.now_or_never().unwrap_or_else(unfinished)
}

async fn run<I, A, F>(
    io: TokioIo<Watched<I>>,
    answer: A,
    server: http1::Builder,
    link: &Arc<Link>,
    limits: &HttpLimits,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response, Infallible>>,
{
    let service = service_fn(|request: Request<Incoming>| {
        link.request_began();
        let link = Arc::clone(link);
        answer(request).map_ok(|response| {
            let is_live = response.extensions().get::<IsLive>().is_some();
            response.map(|body| WatchedBody { body, link, is_live })
        })
    });
    let finish = |connection: Pin<&mut http1::Connection<_, _>>| connection.graceful_shutdown();
    attend(server.serve_connection(io, service), Some(finish), link, limits).await;
}
