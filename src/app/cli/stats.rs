//! `cove stats`: figures of the running server.

use std::io::Write;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::StatsLines;
use crate::app::cli::table;
use crate::app::logging;

/// Prints them.
pub(super) fn run(context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let body = client.get(&["stats"], &[])?;
    if context.is_json {
        return client.print_json(&body, out);
    }
    let stats: StatsLines = client.understood(&body)?;
    Ok(show(&stats, out)?)
}

#[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
fn show(stats: &StatsLines, out: &mut impl Write) -> std::io::Result<()> {
    let StatsLines { version, process, client, tracker } = stats;
    let memory = process.resident.map_or_else(|| "-".to_owned(), table::size);
    let version = logging::escape(version);
    let uptime = table::duration(process.uptime as f64);
    writeln!(out, "cove {version}, up {uptime}, memory {memory}, processor {:.1} s", process.cpu)?;
    writeln!(
        out,
        "torrents {}: {} downloading, {} seeding, {} checking, {} stopped, {} failed",
        client.torrents,
        client.downloading,
        client.seeding,
        client.checking,
        client.stopped,
        client.failed
    )?;
    let [down, up, downloaded, uploaded] =
        [client.download_rate, client.upload_rate, client.downloaded, client.uploaded]
            .map(table::size);
    writeln!(out, "down {down}/s, up {up}/s, received {downloaded}, sent {uploaded}")?;
    writeln!(
        out,
        "tracker {} swarms, {} seeders, {} leechers, completed {} times",
        tracker.swarms, tracker.seeders, tracker.leechers, tracker.completed
    )?;
    let mut rows = vec![["requests", "connections", "announces", "scrapes"].map(str::to_owned)];
    rows.extend(tracker.requests.iter().map(|(transport, figures)| {
        let figures = [figures.connections, figures.announces, figures.scrapes];
        let [connections, announces, scrapes] = figures.map(|figure| figure.to_string());
        [logging::escape(transport).into_owned(), connections, announces, scrapes]
    }));
    table::write(out, &rows)?;
    let refused: u64 = tracker.refused.values().sum();
    writeln!(out, "refused {refused}, malformed {}", tracker.malformed)
}
