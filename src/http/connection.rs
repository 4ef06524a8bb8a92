//! One connection: hyper serves warp's service of the listener's role on it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use warp::http::Request;

use crate::http::HttpLimits;
use crate::http::accept::Service;
use crate::http::accept::Shared;
use crate::http::api;
use crate::http::connections::Place;
use crate::http::link::Link;
use crate::http::link::Served;
use crate::http::link::attend;
use crate::http::tracker;
use crate::http::watched::Watched;
use crate::http::watched::WatchedBody;

/// Who is at each end of a connection; IPv4 is never in IPv6 form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Serves a connection to its end; `place` is given back then.
pub(crate) async fn serve(socket: TcpStream, ends: Ends, shared: Arc<Shared>, place: Place) {
    // Answers go out in one piece, so waiting for more to send would only delay them.
    let _ = socket.set_nodelay(true);
    match &shared.service {
        Service::Api(api) => {
            let answer = warp::service(api::filter(Arc::clone(api), ends));
            run(socket, answer, place.link(), &shared.limits).await;
        }
        Service::Tracker(tracker) => {
            let answer = warp::service(tracker::filter(Arc::clone(tracker), ends));
            run(socket, answer, place.link(), &shared.limits).await;
        }
    }
    shared.reserve.refill();
}

async fn run<I, S>(socket: I, answer: S, link: &Arc<Link>, limits: &HttpLimits)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: tower_service::Service<
            Request<Incoming>,
            Response = warp::reply::Response,
            Error = Infallible,
        > + Clone,
{
    let io = TokioIo::new(Watched { socket, link: Arc::clone(link) });
    let service = service_fn(|request: Request<Incoming>| {
        link.request_began();
        let answer = answer.clone().call(request);
        async move {
            let link = Arc::clone(link);
            Ok::<_, Infallible>(answer.await?.map(|body| WatchedBody { body, link }))
        }
    });
    let connection = http1::Builder::new()
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes.max(8192))
        .half_close(false)
        .serve_connection(io, service);
    attend(connection, link, limits).await;
}

impl<I, S> Served for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: http_body::Body + 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
