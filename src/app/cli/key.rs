//! `cove key`: the keys that let their holders announce to our own tracker.

use std::io::Write;

use clap::Args;
use clap::Subcommand;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire;
use crate::app::cli::native_wire::KeyLine;
use crate::app::cli::native_wire::KeyWish;
use crate::app::cli::native_wire::Keys;
use crate::app::cli::native_wire::NewKey;
use crate::app::cli::table;
use crate::app::logging;

/// What `cove key` does.
#[derive(Debug, Subcommand)]
pub(super) enum KeyAction {
    /// Make a key and print it; it is shown this once
    Add(NewArgs),
    /// List the keys by how they begin
    Ls,
    /// Forget a key
    Rm(RmArgs),
}

/// Arguments of `cove key add`.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// For how many seconds it is good; for ever when left out
    #[arg(long, value_name = "SECONDS")]
    valid_for: Option<u64>,
    /// 32 letters and digits of your own choice
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// Arguments of `cove key rm`.
#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// The key, or enough of its beginning
    #[arg(value_name = "KEY")]
    key: String,
}

/// Does what was asked for.
pub(super) fn run(
    action: &KeyAction,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    match action {
        KeyAction::Add(args) => {
            let wish = KeyWish { valid_s: args.valid_for, key: args.key.as_deref() };
            let body = client.post(&["keys"], &native_wire::key_body(&wish))?;
            if context.is_json {
                return client.print_json(&body, out);
            }
            let made: NewKey = client.understood(&body)?;
            writeln!(out, "{}", logging::escape(&made.key))?;
        }
        KeyAction::Ls => {
            let body = client.get(&["keys"], &[])?;
            if context.is_json {
                return client.print_json(&body, out);
            }
            let list: Keys = client.understood(&body)?;
            let mut rows = vec![["key", "valid until"].map(str::to_owned)];
            rows.extend(list.keys.iter().map(row));
            table::write(out, &rows)?;
        }
        KeyAction::Rm(args) => {
            client.delete(&["keys", &args.key])?;
            let prefix: String = args.key.chars().take(4).collect();
            writeln!(out, "removed {}...", logging::escape(&prefix))?;
        }
    }
    Ok(())
}

fn row(key: &KeyLine) -> [String; 2] {
    let end = match (key.valid_until, key.is_expired) {
        (None, _) => "for ever".to_owned(),
        (Some(end), false) => end.to_string(),
        (Some(end), true) => format!("{end} (over)"),
    };
    [format!("{}...", logging::escape(&key.prefix)), end]
}
