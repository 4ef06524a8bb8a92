//! `cove ls`: the torrents of the running server as a table.

use std::io;
use std::io::IsTerminal;
use std::io::Write;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::table;
use crate::app::cli::wire;
use crate::app::cli::wire::Download;
use crate::app::cli::wire::Downloads;
use crate::app::logging;

/// Columns of a name on a terminal; a pipe gets all of it.
const NAME_COLUMNS: usize = 44;

const HEADINGS: [&str; 9] =
    ["name", "size", "done", "status", "down", "up", "peers", "eta", "ratio"];

/// Prints the list.
pub(super) fn run(context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let client = Client::find(context)?;
    if context.is_json {
        let text = wire::listing_json(&client.listing()?)
            .ok_or_else(|| Failure::new(Exit::Error, "the server's answer is no JSON"))?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let name_columns = if io::stdout().is_terminal() { NAME_COLUMNS } else { usize::MAX };
    Ok(show(&client.downloads()?, name_columns, out)?)
}

fn show(list: &Downloads, name_columns: usize, out: &mut impl Write) -> io::Result<()> {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(list.downloads.iter().map(|download| row(download, name_columns)));
    table::write(out, &rows)?;
    for download in list.downloads.iter().filter(|download| !download.error.is_empty()) {
        let error = download.error.trim_matches('\'');
        writeln!(out, "{}: {}", logging::escape(&download.name), logging::escape(error))?;
    }
    if list.checkpoints.loaded < list.checkpoints.total {
        let checkpoints = &list.checkpoints;
        writeln!(out, "{} of {} torrents loaded so far", checkpoints.loaded, checkpoints.total)?;
    }
    Ok(())
}

fn row(download: &Download, name_columns: usize) -> [String; 9] {
    let name = logging::escape(&download.name);
    let shown = match name.chars().count() > name_columns {
        true => name.chars().take(name_columns.saturating_sub(1)).chain(['…']).collect(),
        false => name.into_owned(),
    };
    let rate = |bytes| {
        if bytes == 0 { "-".into() } else { format!("{}/s", table::size(bytes)) }
    };
    [
        shown,
        table::size(download.size),
        table::percent(download.progress),
        logging::escape(&table::status(download)).into_owned(),
        rate(download.speed_down),
        rate(download.speed_up),
        (download.num_connected_peers + download.num_connected_seeds).to_string(),
        table::duration(download.eta),
        table::ratio(download),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_matters_and_no_foreign_escape_sequence() {
        let body = br#"{"downloads": [
            {"infohash": "aa", "name": "long\u001b[2J name of a torrent", "progress": 0.5,
             "status": "STOPPED_ON_ERROR", "size": 2048, "speed_down": 1536, "speed_up": 0,
             "eta": 61, "num_connected_peers": 2, "num_connected_seeds": 1,
             "all_time_ratio": -1, "error": "'disk\u009bfull'"},
            {"infohash": "bb", "name": "b", "progress": 1, "ratio": 2}],
            "checkpoints": {"total": 3, "loaded": 2, "all_loaded": false}}"#;
        let mut out = Vec::new();
        show(&wire::downloads(body).unwrap(), 12, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "long\\u{1b}[… 2.0 KiB 50.0 % stopped on error 1.5 KiB/s - 3 1 min 1 s ∞"
        );
        assert!(lines[2].ends_with("2.00"));
        assert_eq!(lines[3], "long\\u{1b}[2J name of a torrent: disk\\u{9b}full");
        assert_eq!(lines[4], "2 of 3 torrents loaded so far");
    }
}
