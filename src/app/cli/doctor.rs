//! `cove doctor`: whether everything around the program is as it should be. Asks the running
//! server; without one it looks itself, and makes nothing by that.

use std::io;
use std::io::Write;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::doctor_wire::CheckLine;
use crate::app::cli::doctor_wire::Report;
use crate::app::cli::native_wire;
use crate::app::doctor;
use crate::app::logging;
use crate::app::state_dir;
use crate::service::doctor::Verdict;
use crate::service::doctor::look_alone;

/// Prints what was found; a fault ends in a failure of its own.
pub(super) fn run(context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let config = context.load()?.config;
    let is_here = context.url.is_none() && !state_dir::is_held(&config.state_dir);
    let (report, is_alone) = match Client::find(context).and_then(|client| ask(&client)) {
        Ok(report) => (report, false),
        // What has the configured port may be another program: that is for the doctor too.
        Err(failure) if is_here && matches!(failure.exit, Exit::Unreachable | Exit::Error) => {
            (Report::of(&look_alone(&doctor::plan(&config))), true)
        }
        Err(failure) => return Err(failure),
    };
    if context.is_json {
        let text = native_wire::shown_json(&report.to_json()).unwrap_or_default();
        writeln!(out, "{text}")?;
    } else {
        if is_alone {
            writeln!(out, "no server runs here: this is what can be seen without one")?;
        }
        show(&report, out)?;
    }
    out.flush()?;
    let faults = report.checks.iter().filter(|check| check.verdict == Verdict::Fault.name());
    match faults.count() {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Unwell, "1 fault was found")),
        count => Err(Failure::new(Exit::Unwell, format!("{count} faults were found"))),
    }
}

fn ask(client: &Client) -> Result<Report, Failure> {
    client.understood(&client.get(&["doctor"], &[])?)
}

fn show(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let width = |text: fn(&CheckLine) -> &str| {
        report.checks.iter().map(|check| text(check).chars().count()).max().unwrap_or_default()
    };
    let (names, verdicts) = (width(|check| &check.name), width(|check| &check.verdict));
    for check in &report.checks {
        let [verdict, name, sentence] =
            [&check.verdict, &check.name, &check.sentence].map(|text| logging::escape(text));
        writeln!(out, "{verdict:verdicts$}  {name:names$}  {sentence}")?;
        if let Some(mend) = &check.mend {
            let indent = verdicts + names + 4;
            writeln!(out, "{:indent$}-> {}", "", logging::escape(mend))?;
        }
    }
    Ok(())
}
