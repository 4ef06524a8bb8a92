//! The APIs that Cove speaks: from the first parts of a path to the dialect that owns it.
//!
//! A dialect turns a call into service calls and the result into its own JSON. None of them
//! decides anything that another one would decide too.

pub mod tribler;

use std::pin::Pin;
use std::sync::Arc;

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::Tribler;
use crate::http::Call;
use crate::http::Handlers;
use crate::http::Reply;
use crate::http::TrackerCall;
use crate::service::Services;

/// What the configuration says about the session that some API repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionFacts {
    /// Limit of all downloads together, bytes/s, 0 = none.
    pub download_limit: u32,
    /// Limit of all uploads together, bytes/s, 0 = none.
    pub upload_limit: u32,
    /// Whether peers are looked for in the DHT.
    pub has_dht: bool,
    /// Whether peers tell each other of peers.
    pub has_pex: bool,
}

/// What the server calls for every request, by the role of the listener that it came to.
pub fn handlers(services: Services, facts: SessionFacts) -> Handlers {
    let tribler = Arc::new(Tribler::new(services, facts));
    let api = move |call| {
        let tribler = Arc::clone(&tribler);
        Box::pin(async move { answer(&tribler, call).await }) as Pin<Box<_>>
    };
    Handlers { api: Arc::new(api), tracker: Arc::new(answer_tracker) }
}

async fn answer(tribler: &Tribler, call: Call) -> Reply {
    let segments: Vec<&str> = call.segments().iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["downloads", ..] => tribler.answer(Generation::Seven, call).await,
        ["api", "downloads", ..] => tribler.answer(Generation::Eight, call).await,
        _ => tribler::unknown_path(&call),
    }
}

/// The tracker's listeners serve this and nothing else.
fn answer_tracker(call: &TrackerCall<'_>) -> Reply {
    match call.method().as_str() {
        // The announce dialect answers here, by `call.path()` and `call.query()`.
        "GET" | "HEAD" => Reply::new(404),
        _ => Reply::new(405).header("allow", "GET, HEAD"),
    }
}
