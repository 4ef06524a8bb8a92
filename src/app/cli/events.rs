//! `cove events`: what changes, a line an event, until interrupted.

use std::io::BufRead;
use std::io::Write;

use clap::Args;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire;
use crate::app::logging;

/// Arguments of `cove events`.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// One event while it is read.
#[derive(Default)]
struct Event {
    name: String,
    id: String,
    data: String,
}

/// Prints events as they come; as JSON, one object a line.
pub(super) fn run(
    args: &EventsArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let stream = Client::find(context)?.follow(&["events"])?;
    let (mut event, mut seen) = (Event::default(), 0);
    for line in stream.lines() {
        let line = line.map_err(|error| {
            Failure::new(Exit::Unreachable, format!("the server's events broke off: {error}"))
        })?;
        if !line.is_empty() {
            event.take(&line);
            continue;
        }
        let whole = std::mem::take(&mut event);
        if whole.data.is_empty() {
            continue;
        }
        print(&whole, context.is_json, out)?;
        seen += 1;
        if args.count.is_some_and(|count| seen >= count) {
            return Ok(());
        }
    }
    Ok(())
}

impl Event {
    fn take(&mut self, line: &str) {
        let Some((field, value)) = line.split_once(':') else { return };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" => value.clone_into(&mut self.id),
            "data" => self.data.push_str(value),
            _ => {}
        }
    }
}

fn print(event: &Event, is_json: bool, out: &mut impl Write) -> Result<(), Failure> {
    match is_json {
        true => {
            let line = native_wire::event_json(&event.name, &event.id, &event.data)
                .ok_or_else(|| Failure::new(Exit::Error, "the server's event is no JSON"))?;
            writeln!(out, "{line}")?;
        }
        false => {
            let (name, data) = (logging::escape(&event.name), logging::escape_json(&event.data));
            writeln!(out, "{name} {data}")?;
        }
    }
    // A reader in a pipe wants it now.
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_from_its_lines() {
        let mut event = Event::default();
        for line in [": a comment", "id: 1-2", "event:delta", "data: {\"a\":", "data:1}", "x"] {
            event.take(line);
        }
        assert_eq!((event.name.as_str(), event.id.as_str()), ("delta", "1-2"));
        let mut out = Vec::new();
        print(&event, false, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "delta {\"a\":1}\n");
    }
}
