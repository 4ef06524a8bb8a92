//! The APIs that Cove speaks: from the first parts of a path to the dialect that owns it.
//!
//! A dialect turns a call into service calls and the result into its own JSON. None of them
//! decides anything that another one would decide too.

pub mod announce;
pub mod health;
pub mod invite;
pub mod metrics;
pub mod native;
pub mod porla;
pub mod torrust;
pub mod tribler;
pub mod udpt;

use std::pin::Pin;
use std::sync::Arc;

use crate::dialects::metrics::MetricsAccess;
use crate::dialects::native::Native;
use crate::dialects::porla::Porla;
use crate::dialects::torrust::Torrust;
use crate::dialects::tribler::Tribler;
use crate::dialects::udpt::Udpt;
use crate::http::Call;
use crate::http::EventStreams;
use crate::http::Handlers;
use crate::http::Reply;
use crate::http::TrackerCall;
use crate::http::Unanswered;
use crate::http::unanswered;
use crate::service::Services;
use crate::service::friends::Friends;
use crate::service::swarms::Swarms;

/// What the server calls for every request, by the role of the listener that it came to. All APIs
/// share the places of `streams`.
pub fn handlers(services: Services, streams: EventStreams) -> Handlers {
    let (swarms, for_tracker) = (services.swarms.clone(), services.swarms.clone());
    let friends = services.friends.clone();
    let dialects = Arc::new(Dialects {
        native: Native::new(services.clone(), streams.clone()),
        porla: Porla::new(services.clone(), streams.clone()),
        torrust: Torrust::new(services.clone()),
        udpt: Udpt::new(services.clone()),
        tribler: Tribler::new(services.clone(), streams),
        services,
        swarms,
    });
    let api = move |call| {
        let dialects = Arc::clone(&dialects);
        Box::pin(async move { dialects.answer(call).await }) as Pin<Box<_>>
    };
    Handlers {
        api: Arc::new(api),
        tracker: Arc::new(move |call| answer_tracker(&for_tracker, &friends, call)),
        refuse: Arc::new(refuse),
    }
}

/// Whose a path is.
enum Family {
    Tracker,
    Native,
    Health,
    Metrics,
    Udpt,
    Porla,
    FrontPage,
    Tribler(tribler::Generation),
    Torrust(torrust::Generation),
    Nobody,
}

/// Whose `path` is; `segments` are it between its slashes.
fn family(path: &str, segments: &[&str]) -> Family {
    match segments {
        [] => Family::FrontPage,
        ["announce" | "scrape", ..] if announce::is_tracker_path(path) => Family::Tracker,
        ["v1", ..] => Family::Native,
        ["health"] => Family::Health,
        ["metrics"] => Family::Metrics,
        ["t", ..] => Family::Udpt,
        // Before Torrust, which has the same first two words.
        segments if porla::owns(segments) => Family::Porla,
        segments => match (tribler::generation(segments), torrust::generation(segments)) {
            (Some(generation), _) => Family::Tribler(generation),
            (_, Some(generation)) => Family::Torrust(generation),
            (None, None) => Family::Nobody,
        },
    }
}

/// What no dialect got to see, or gave no answer to, in the words of the API that was meant.
fn refuse(path: &str, why: &Unanswered) -> Reply {
    let segments = unanswered::segments(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let reply = match family(path, &segments) {
        Family::Tracker => announce::refuse(why),
        Family::Native => native::refuse(why),
        Family::Udpt => udpt::refuse(why),
        Family::Porla => porla::refuse(why),
        Family::Torrust(generation) => torrust::refuse(generation, why),
        Family::Tribler(generation) => tribler::refuse(generation, why),
        Family::Nobody => tribler::refuse(tribler::Generation::Eight, why),
        Family::Health | Family::Metrics | Family::FrontPage => Reply::new(why.status)
            .header("content-type", "text/plain; charset=utf-8")
            .bytes(format!("{}\n", why.message)),
    };
    why.complete(reply)
}

/// What speaks each API.
struct Dialects {
    native: Native,
    porla: Porla,
    torrust: Torrust,
    udpt: Udpt,
    tribler: Tribler,
    services: Services,
    swarms: Swarms,
}

impl Dialects {
    fn metrics_access(&self) -> MetricsAccess {
        match self.services.settings.facts().has_open_metrics {
            true => MetricsAccess::Open,
            false => MetricsAccess::Token,
        }
    }

    async fn answer(&self, call: Call) -> Reply {
        let segments: Vec<&str> = call.segments().iter().map(String::as_str).collect();
        match family(call.path(), &segments) {
            Family::Tracker => {
                let (client, local) = (Some(call.peer().ip()), call.local());
                let (path, query) = (call.path(), call.raw_query());
                read_only(call.method().as_str(), || {
                    let request = announce::Request { path, query, client, local };
                    announce::answer(&self.swarms, &request)
                })
            }
            Family::Native => self.native.answer(call).await,
            Family::Health => health::answer(&self.services.health, &call).await,
            Family::Metrics => metrics::answer(&self.services, self.metrics_access(), &call).await,
            Family::Udpt => self.udpt.answer(call).await,
            Family::Porla => self.porla.answer(call).await,
            Family::Tribler(generation) => self.tribler.answer(generation, call).await,
            Family::Torrust(generation) => self.torrust.answer(generation, call).await,
            Family::FrontPage if matches!(call.method().as_str(), "GET" | "HEAD") => {
                udpt::front_page()
            }
            Family::FrontPage | Family::Nobody => tribler::unknown_path(&call),
        }
    }
}

/// The tracker's listeners serve this, the pages of invitations, and nothing else.
fn answer_tracker(swarms: &Swarms, friends: &Friends, call: &TrackerCall<'_>) -> Reply {
    let (client, local) = (call.client().ok(), call.local());
    let (path, query, method) = (call.path(), call.query(), call.method().as_str());
    read_only(method, || match path {
        "/health_check" => Some(torrust::health()),
        _ => announce::answer(swarms, &announce::Request { path, query, client, local })
            .or_else(|| invite::answer(friends, path, method == "HEAD")),
    })
}

/// Only GET and HEAD reach the tracker (vector H21).
fn read_only(method: &str, answer: impl FnOnce() -> Option<Reply>) -> Reply {
    match method {
        "GET" | "HEAD" => answer().unwrap_or_else(|| Reply::new(404)),
        _ => Reply::new(405).header("allow", "GET, HEAD"),
    }
}
