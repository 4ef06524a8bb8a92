//! `cove whitelist`: the swarms that our own tracker serves while it is listed.

use std::io::Write;

use clap::Args;
use clap::Subcommand;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::Whitelist;
use crate::app::logging;

/// What `cove whitelist` does.
#[derive(Debug, Subcommand)]
pub(super) enum WhitelistAction {
    /// Put swarms on the whitelist
    Add(Hashes),
    /// Print the whitelist, an info-hash a line
    Ls,
    /// Take swarms off the whitelist
    Rm(Hashes),
}

/// Swarms by name.
#[derive(Debug, Args)]
pub(super) struct Hashes {
    /// Their info-hashes
    #[arg(required = true, value_name = "HASH")]
    hashes: Vec<String>,
}

/// Does what was asked for; stops at the first that fails.
pub(super) fn run(
    action: &WhitelistAction,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    match action {
        WhitelistAction::Add(args) => {
            for hash in &args.hashes {
                client.put(&["whitelist", hash])?;
                writeln!(out, "listed {}", logging::escape(hash))?;
            }
        }
        WhitelistAction::Ls => {
            let body = client.get(&["whitelist"], &[])?;
            if context.is_json {
                return client.print_json(&body, out);
            }
            let list: Whitelist = client.understood(&body)?;
            for hash in &list.info_hashes {
                writeln!(out, "{}", logging::escape(hash))?;
            }
        }
        WhitelistAction::Rm(args) => {
            for hash in &args.hashes {
                client.delete(&["whitelist", hash])?;
                writeln!(out, "removed {}", logging::escape(hash))?;
            }
        }
    }
    Ok(())
}
