//! `cove ls`: the torrents of the running server as a table, chosen and sorted by the server.

use std::io;
use std::io::IsTerminal;
use std::io::Write;

use clap::Args;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::TorrentLine;
use crate::app::cli::native_wire::TorrentPage;
use crate::app::cli::table;
use crate::app::logging;

/// Columns of a name on a terminal; a pipe gets all of it.
const NAME_COLUMNS: usize = 44;

const HEADINGS: [&str; 9] =
    ["name", "size", "done", "status", "down", "up", "peers", "eta", "ratio"];

/// Arguments of `cove ls`.
#[derive(Debug, Default, Args)]
pub(super) struct LsArgs {
    /// Only torrents that pass, such as 'is:downloading and size > 1gb'
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Fields with commas, - before one that goes down, such as -ratio,name
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    sort: Option<String>,
    /// No more than so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
}

/// Prints the list.
pub(super) fn run(args: &LsArgs, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let limit = args.limit.map(|limit| limit.to_string());
    let query: Vec<(&str, &str)> =
        [("filter", &args.filter), ("sort", &args.sort), ("limit", &limit)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect();
    let body = client.get(&["torrents"], &query)?;
    if context.is_json {
        return client.print_json(&body, out);
    }
    let name_columns = if io::stdout().is_terminal() { NAME_COLUMNS } else { usize::MAX };
    Ok(show(&client.understood(&body)?, name_columns, out)?)
}

fn show(list: &TorrentPage, name_columns: usize, out: &mut impl Write) -> io::Result<()> {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(list.torrents.iter().map(|torrent| row(torrent, name_columns)));
    table::write(out, &rows)?;
    for torrent in &list.torrents {
        if let Some(error) = &torrent.error {
            writeln!(out, "{}: {}", logging::escape(&torrent.name), logging::escape(error))?;
        }
    }
    let shown = list.torrents.len() as u64;
    if shown < list.total {
        writeln!(out, "{shown} of {} torrents", list.total)?;
    }
    if list.loading > 0 {
        writeln!(out, "{} torrents are still being loaded", list.loading)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn row(torrent: &TorrentLine, name_columns: usize) -> [String; 9] {
    let name = logging::escape(&torrent.name);
    let shown = match name.chars().count() > name_columns {
        true => name.chars().take(name_columns.saturating_sub(1)).chain(['…']).collect(),
        false => name.into_owned(),
    };
    [
        shown,
        torrent.size.map_or("-".into(), table::size),
        table::percent(torrent.progress),
        logging::escape(&torrent.state).into_owned(),
        table::rate(torrent.download_rate),
        table::rate(torrent.upload_rate),
        torrent.connected_peers.to_string(),
        torrent.eta.map_or("-".into(), |eta| table::duration(eta as f64)),
        table::ratio(torrent.ratio, torrent.downloaded),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::cli::native_wire;

    #[test]
    fn the_table_shows_what_matters_and_no_foreign_escape_sequence() {
        let body = br#"{"total": 5, "loading": 1, "torrents": [
            {"info_hash": "aa", "name": "long\u001b[2J name of a torrent", "progress": 0.5,
             "state": "error", "size": 2048, "download_rate": 1536, "upload_rate": 0, "eta": 61,
             "connected_peers": 3, "ratio": 0.0, "downloaded": 0, "error": "disk\u009bfull"},
            {"name": "b", "progress": 1, "state": "seeding", "size": null, "download_rate": 0,
             "upload_rate": 0, "eta": null, "connected_peers": 0, "ratio": 2, "downloaded": 5,
             "error": null}]}"#;
        let mut out = Vec::new();
        show(&native_wire::read(body).unwrap(), 12, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "long\\u{1b}[… 2.0 KiB 50.0 % error 1.5 KiB/s - 3 1 min 1 s ∞"
        );
        assert!(lines[2].ends_with("2.00"));
        assert_eq!(lines[3], "long\\u{1b}[2J name of a torrent: disk\\u{9b}full");
        assert_eq!(lines[4], "2 of 5 torrents");
        assert_eq!(lines[5], "1 torrents are still being loaded");
    }
}
