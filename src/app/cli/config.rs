//! `cove config`: every key, its value and where it came from.

use std::io::Write;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::wire;
use crate::app::config_show::Row;
use crate::app::logging;

/// Prints the configuration; in the human form, as lines that TOML would read again.
pub(super) fn run(context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let loaded = context.load()?;
    if context.is_json {
        writeln!(out, "{}", wire::config_json(&loaded.rows))?;
        return Ok(());
    }
    let lines: Vec<(String, &Row)> = loaded.rows.iter().map(|row| (line(row), row)).collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default();
    // Long values do not push the sources of all others off the screen.
    let width = width.min(60);
    for (line, row) in lines {
        writeln!(out, "{line:width$}  # {}", logging::escape(&row.source))?;
    }
    Ok(())
}

fn line(row: &Row) -> String {
    let value = wire::value_text(&row.value);
    logging::escape(&format!("{} = {value}", row.key)).into_owned()
}
