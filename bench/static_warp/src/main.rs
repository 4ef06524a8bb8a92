//! Answers every `GET /announce` with the same bytes: what warp costs when there is nothing to do.
//!
//!     static_warp 127.0.0.1:6969

use std::net::SocketAddr;

use warp::Filter as _;

/// As many peers as an answer of the benchmark's swarms holds in the mean: 20 peers each, and
/// seeders are told of leechers only.
const PEERS: usize = 9;

#[tokio::main]
async fn main() {
    let bind = std::env::args().nth(1).expect("usage: static_warp IP:PORT");
    let bind: SocketAddr = bind.parse().expect("an address with a port");
    let mut body = format!("d8:completei5e10:incompletei5e8:intervali1800e5:peers{}:", 6 * PEERS);
    body.push_str(&"\u{1}".repeat(6 * PEERS));
    body.push('e');
    let route = warp::path("announce").and(warp::get()).map(move || {
        let headers = warp::http::Response::builder().header("Content-Type", "text/plain");
        headers.body(body.clone())
    });
    warp::serve(route).run(bind).await;
}
