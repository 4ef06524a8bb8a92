//! A reader of server-sent events.

use serde_json::Value;

use crate::common::api::Api;
use crate::common::http::Answer;
use crate::common::http::Incoming;
use crate::common::http::Request;

/// One event.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A stream of events.
pub(crate) struct Events {
    incoming: Incoming,
    text: String,
}

impl Events {
    /// Follows `/v1/events`; after the event `last`, if there is one.
    #[track_caller]
    pub(crate) fn follow(api: &Api, last: Option<&str>) -> Self {
        let opened = Self::try_follow(api, last);
        opened.unwrap_or_else(|refused| panic!("{}: {}", refused.status, refused.text()))
    }

    /// As [`Events::follow`]; the answer, when it is no stream.
    pub(crate) fn try_follow(api: &Api, last: Option<&str>) -> Result<Self, Answer> {
        let mut headers = vec![("X-Api-Key", api.token.clone())];
        headers.extend(last.map(|id| ("Last-Event-ID", id.to_owned())));
        Self::try_open(api, "/v1/events", headers)
    }

    /// The stream at `target`; the answer, when it is no stream.
    pub(crate) fn try_open(
        api: &Api,
        target: &str,
        headers: Vec<(&str, String)>,
    ) -> Result<Self, Answer> {
        let request = Request { method: "GET", target, headers, body: None };
        let incoming = request.open(&api.host).expect("the server answers");
        if incoming.status != 200 {
            return Err(incoming.finish().expect("a refusal is whole"));
        }
        assert_eq!(incoming.header("content-type"), Some("text/event-stream"));
        Ok(Self::of(incoming))
    }

    /// The stream that somebody opened.
    pub(crate) fn of(incoming: Incoming) -> Self {
        Self { incoming, text: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = event(&self.next_frame()?) {
                return Some(event);
            }
        }
    }

    /// The lines of the next event or comment as they came; `None` when the stream has ended.
    pub(crate) fn next_frame(&mut self) -> Option<String> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(frame);
            }
            let chunk = self.incoming.next_chunk().expect("the stream ends in order")?;
            self.text.push_str(&String::from_utf8(chunk).expect("events are UTF-8"));
        }
    }

    /// The next event that is as wished.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&Event) -> bool) -> Event {
        loop {
            match self.next() {
                Some(event) if is_so(&event) => return event,
                Some(_) => {}
                None => panic!("the stream ended before: {what}"),
            }
        }
    }

    /// All parts of the snapshot, and the id that it ends with.
    #[track_caller]
    pub(crate) fn snapshot(&mut self) -> (Vec<Value>, String) {
        let mut parts = Vec::new();
        loop {
            let event = self.next().expect("a snapshot");
            assert_eq!(event.name, "snapshot");
            parts.push(event.data);
            if let Some(id) = event.id {
                return (parts, id);
            }
        }
    }
}

/// `None` for a comment.
fn event(frame: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in frame.lines() {
        match line.split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut event.name),
            Some(("id", id)) => event.id = Some(id.to_owned()),
            Some(("data", data)) => event.data = serde_json::from_str(data).expect("data is JSON"),
            _ => {}
        }
    }
    (!event.name.is_empty()).then_some(event)
}
