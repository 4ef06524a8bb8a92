//! The JSON of Tribler's events, in the frames of both generations.

use serde::Serialize;

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::json;
use crate::domain::hash::TorrentId;

/// Our own, since there is no Tribler here whose version it could be.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Something that is told.
pub(super) enum Happened<'a> {
    /// The first event of each stream.
    Start,
    /// All wanted pieces of a torrent are there.
    Finished { infohash: TorrentId, name: &'a str },
    /// A torrent does something else now.
    StatusChanged { infohash: TorrentId, status: &'static str },
    /// The program ends.
    Stopping,
    /// Why a stream ends before its reader goes away.
    Trouble(&'static str),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Start { public_key: &'static str, version: &'static str },
    Finished { infohash: String, name: &'a str, hidden: bool },
    StatusChanged { infohash: String, status: &'static str },
    State { state: &'static str },
    Error { error: &'static str },
}

/// A `data:` line of 7.x.
#[derive(Serialize)]
struct Data<'a> {
    topic: &'static str,
    /// The first event has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<[(); 0]>,
    kwargs: Details<'a>,
}

/// `GET /api/events/info`.
#[derive(Serialize)]
pub(super) struct Info {
    public_key: &'static str,
    version: &'static str,
    sessions: usize,
}

/// What the first event tells, and how many streams are open.
pub(super) fn info(sessions: usize) -> Info {
    Info { public_key: "", version: VERSION, sessions }
}

/// One whole event.
pub(super) fn event(generation: Generation, happened: &Happened<'_>) -> Vec<u8> {
    let (topic, kwargs) = worded(happened);
    match generation {
        Generation::Seven => {
            let args = (!matches!(happened, Happened::Start)).then_some([]);
            let data = json::text(&Data { topic, args, kwargs });
            [b"data: ", data.as_slice(), b"\n\n"].concat()
        }
        Generation::Eight => {
            let data = json::text(&kwargs);
            [b"event: ", topic.as_bytes(), b"\ndata: ", &data, b"\n\n"].concat()
        }
    }
}

fn worded<'a>(happened: &Happened<'a>) -> (&'static str, Details<'a>) {
    match *happened {
        Happened::Start => ("events_start", Details::Start { public_key: "", version: VERSION }),
        Happened::Finished { infohash, name } => {
            let infohash = infohash.to_string();
            ("torrent_finished", Details::Finished { infohash, name, hidden: false })
        }
        Happened::StatusChanged { infohash, status } => {
            let infohash = infohash.to_string();
            ("torrent_status_changed", Details::StatusChanged { infohash, status })
        }
        Happened::Stopping => ("tribler_shutdown_state", Details::State { state: "Shutting down" }),
        Happened::Trouble(error) => ("tribler_exception", Details::Error { error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 11: the forms of both generations.
    #[test]
    fn an_event_has_the_form_of_its_generation() {
        let text = |generation, happened: &Happened<'_>| {
            String::from_utf8(event(generation, happened)).unwrap()
        };
        let kwargs = format!("{{\"public_key\": \"\", \"version\": \"{VERSION}\"}}");
        assert_eq!(
            text(Generation::Seven, &Happened::Start),
            format!("data: {{\"topic\": \"events_start\", \"kwargs\": {kwargs}}}\n\n")
        );
        assert_eq!(
            text(Generation::Eight, &Happened::Start),
            format!("event: events_start\ndata: {kwargs}\n\n")
        );
        let finished = Happened::Finished { infohash: TorrentId([1; 20]), name: "ü" };
        let kwargs = format!(
            "{{\"infohash\": \"{}\", \"name\": \"\\u00fc\", \"hidden\": false}}",
            "01".repeat(20)
        );
        assert_eq!(
            text(Generation::Seven, &finished),
            format!(
                "data: {{\"topic\": \"torrent_finished\", \"args\": [], \"kwargs\": {kwargs}}}\n\n"
            )
        );
        assert_eq!(
            text(Generation::Eight, &finished),
            format!("event: torrent_finished\ndata: {kwargs}\n\n")
        );
    }
}
