//! What changes, as it changes: server-sent events.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream;
use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::events_wire;
use crate::dialects::native::events_wire::Delta;
use crate::dialects::native::events_wire::SnapshotPart;
use crate::dialects::native::problem::Kind;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::domain::token::Scope;
use crate::http::Behind;
use crate::http::End;
use crate::http::Feed;
use crate::http::Reply;
use crate::http::STREAMS_MAX;
use crate::service::events::EventId;
use crate::service::events::Reader;
use crate::service::events::Snapshot;

/// The name of this API among those that word changes.
const API: &str = "native";
/// Torrents or swarms in one event of a snapshot, about 100 KiB: it is made as it is sent, so that
/// one that nobody reads costs no more than this.
const PART_ROWS: usize = 100;
/// Seconds until a stream may be tried again when all are taken.
const RETRY_AFTER_S: u32 = 5;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[Route {
    method: "GET",
    path: "/v1/events",
    needs: Scope::Read,
    query: &["last_event_id"],
    run: |request| Box::pin(follow(request)),
}];

#[derive(OpenApi)]
#[openapi(
    paths(follow),
    components(schemas(Delta, SnapshotPart)),
    tags((name = "events", description = "What changes, as it changes"))
)]
struct Document;

/// Follows what changes
///
/// Server-sent events. First come one or more `snapshot` events, which together hold everything;
/// then a `delta` event for every change, at most one a second, and at once when a torrent's state
/// changes. A delta holds only members that changed. An `end` event is the last one and says why:
/// `slow` (the reader fell too far behind), `stopping` (the server stops) or `revoked` (the token
/// is no longer good). A reader that comes back with the id of the last event it saw gets the
/// deltas since then and no snapshot, as long as they are still there.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(("last_event_id" = Option<String>, Query,
            description = "The same as the header `Last-Event-ID`, which wins")),
    responses((status = 200, description = "Events until somebody hangs up; their data is a \
                                            SnapshotPart, a Delta or an End",
               body = String, content_type = "text/event-stream")))]
async fn follow(request: Request<'_>) -> Outcome {
    let Some(place) = request.native.streams.enter() else {
        let message = format!("{STREAMS_MAX} event streams are open, which is the most: end one");
        return Err(Problem::new(Kind::Busy, message).retry_after(RETRY_AFTER_S));
    };
    let services = request.services();
    let (snapshot, reader) = services.events.subscribe(last_seen(&request));
    let revoked = Box::pin(services.auth.ended(&request.grant));
    let feed =
        Feed { events: Box::pin(events(snapshot, reader)), revoked, farewell, has_comments: true };
    Ok(Reply::new(200).events(place, feed))
}

/// What the reader saw last. An id that is none of ours is taken for a very old one.
fn last_seen(request: &Request<'_>) -> Option<EventId> {
    let shown = request.call.header("last-event-id").or_else(|| request.query("last_event_id"));
    shown.and_then(|id| id.parse().ok())
}

fn events(
    snapshot: Option<Snapshot>,
    reader: Reader,
) -> impl Stream<Item = Result<Bytes, Behind>> + Send {
    let parts = snapshot.into_iter().flat_map(|snapshot| {
        let count = snapshot.torrents.len().max(snapshot.swarms.len()).div_ceil(PART_ROWS).max(1);
        (0..count).map(move |part| events_wire::part(&snapshot, part, count, PART_ROWS))
    });
    stream::iter(parts.map(Ok)).chain(stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next_words(API, events_wire::delta).await {
            Ok(words) => Some((Ok(words), Some(reader))),
            Err(_) => Some((Err(Behind), None)),
        }
    }))
}

fn farewell(why: End) -> Bytes {
    Bytes::from_static(match why {
        End::Slow => b"event: end\ndata: {\"reason\":\"slow\"}\n\n",
        End::Stopping => b"event: end\ndata: {\"reason\":\"stopping\"}\n\n",
        End::Revoked => b"event: end\ndata: {\"reason\":\"revoked\"}\n\n",
    })
}
