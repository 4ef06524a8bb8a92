//! What changes, as server-sent events (section 7).

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use crate::dialects::porla::Porla;
use crate::dialects::porla::auth;
use crate::dialects::porla::events_wire;
use crate::dialects::porla::text;
use crate::http::Behind;
use crate::http::Call;
use crate::http::Feed;
use crate::http::Reply;

/// The name of this API among those that word changes.
const API: &str = "porla";
/// Seconds until a stream may be tried again when all are taken.
const RETRY_AFTER_S: u32 = 5;

impl Porla {
    /// A stream of events. It has no snapshot and nothing of the past, as in the original.
    pub(super) fn follow(&self, call: &Call) -> Reply {
        let grant = match auth::check(&self.services.auth, call) {
            Ok(grant) => grant,
            Err(reply) => return *reply,
        };
        let Some(place) = self.streams.enter() else {
            let reply = text(503, "Too many event streams");
            return reply.header("retry-after", &RETRY_AFTER_S.to_string());
        };
        let (_, reader) = self.services.events.subscribe(None);
        let changes = stream::unfold(Some(reader), |reader| async {
            let mut reader = reader?;
            match reader.next_words(API, events_wire::words).await {
                Ok(words) => Some((Ok(words), Some(reader))),
                Err(_) => Some((Err(Behind), None)),
            }
        });
        let hello = stream::once(async { Ok(Bytes::from_static(events_wire::HELLO)) });
        let revoked = Box::pin(self.services.auth.ended(&grant));
        // The original has no event for an end.
        let feed = Feed {
            events: Box::pin(hello.chain(changes)),
            revoked,
            farewell: |_| Bytes::new(),
            has_comments: false,
        };
        Reply::new(200).events(place, feed).header("cache-control", "no-cache, no-transform")
    }
}
