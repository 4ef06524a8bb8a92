//! `GET /events`: what happens, as server-sent events in Tribler's words (section 11).
//!
//! 7.x sends only `data:` lines that hold the topic, 8.x a line `event:` beside them. There are no
//! comments, which readers of 7.x take for broken JSON, and no replay: whoever comes back sees what
//! happens from then on.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::events_wire;
use crate::dialects::tribler::events_wire::Happened;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::status;
use crate::domain::token::Grant;
use crate::domain::torrent::Torrent;
use crate::http::Behind;
use crate::http::End;
use crate::http::Feed;
use crate::http::Reply;
use crate::http::STREAMS_MAX;
use crate::service::events::Change;
use crate::service::events::Reader;

impl Tribler {
    /// `GET /events`
    pub(super) fn events(&self, generation: Generation, grant: &Grant) -> Result<Reply, Refusal> {
        let busy = || Refusal::handled(503, format!("{STREAMS_MAX} event streams are open"));
        let place = self.streams.enter().ok_or_else(busy)?;
        let (_, reader) = self.services.events.subscribe(None);
        let feed = Feed {
            events: Box::pin(words(generation, reader)),
            revoked: Box::pin(self.services.auth.ended(grant)),
            farewell: match generation {
                Generation::Seven => |end| farewell(Generation::Seven, end),
                Generation::Eight => |end| farewell(Generation::Eight, end),
            },
            has_comments: false,
        };
        Ok(Reply::new(200).events(place, feed))
    }

    /// `GET /api/events/info`: what the first event tells, and how many streams are open.
    pub(super) fn events_info(&self) -> Reply {
        json_reply(json::text(&events_wire::info(self.streams.open())))
    }
}

fn words(
    generation: Generation,
    reader: Reader,
) -> impl Stream<Item = Result<Bytes, Behind>> + Send {
    let start = events_wire::event(generation, &Happened::Start);
    let (name, make) = api(generation);
    let changes = stream::unfold(Some(reader), move |reader| async move {
        let mut reader = reader?;
        match reader.next_words(name, make).await {
            Ok(words) => Some((Ok(words), Some(reader))),
            Err(_) => Some((Err(Behind), None)),
        }
    });
    futures_util::StreamExt::chain(stream::iter([Ok(Bytes::from(start))]), changes)
}

/// The name of a generation among those that word changes, and its words.
fn api(generation: Generation) -> (&'static str, fn(&Change) -> Vec<u8>) {
    match generation {
        Generation::Seven => ("tribler 7", |change| told(Generation::Seven, change)),
        Generation::Eight => ("tribler 8", |change| told(Generation::Eight, change)),
    }
}

/// What a change comes to: torrents that were downloaded and are complete now, and in 8.x those with
/// another status.
fn told(generation: Generation, change: &Change) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, changed) in &change.torrents {
        let Some(after) = &changed.after else { continue };
        let before = changed.before.as_deref();
        let status = |torrent: &Torrent| status::of(&torrent.status, generation).0;
        let status_before = before.map_or(status::LOADING.0, status);
        if generation == Generation::Eight && status_before != status(after) {
            let happened = Happened::StatusChanged { infohash: *id, status: status(after) };
            out.extend(events_wire::event(generation, &happened));
        }
        if is_finished(before, after) {
            let happened = Happened::Finished { infohash: *id, name: &after.name };
            out.extend(events_wire::event(generation, &happened));
        }
    }
    out
}

/// Whether it became complete by a download. What was only found on the disk is no news, and neither
/// is a magnet link's metadata, with which nothing is missing while no file is wanted.
fn is_finished(before: Option<&Torrent>, after: &Torrent) -> bool {
    let was_complete = before.is_some_and(Torrent::is_complete);
    let status = &after.status;
    let is_downloaded = status.session_download_bytes > 0 && status.done_bytes > 0;
    !was_complete && after.is_complete() && is_downloaded
}

fn farewell(generation: Generation, end: End) -> Bytes {
    let happened = match end {
        End::Stopping => Happened::Stopping,
        End::Slow => Happened::Trouble("events are read too slowly"),
        End::Revoked => Happened::Trouble("the key is no longer valid"),
    };
    events_wire::event(generation, &happened).into()
}
