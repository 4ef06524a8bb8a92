//! `cove whitelist`: the swarms that our own tracker serves while it is listed.

use std::io::Write;

use clap::Args;
use clap::Subcommand;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::Flags;
use crate::app::cli::NoArgs;
use crate::app::cli::With;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::Whitelist;
use crate::app::logging;

/// What `cove whitelist` does.
#[derive(Debug, Subcommand)]
pub(super) enum WhitelistAction {
    /// Put swarms on the whitelist
    Add(With<Hashes>),
    /// Print the whitelist, an info-hash a line
    Ls(With<NoArgs>),
    /// Take swarms off the whitelist
    Rm(With<Hashes>),
}

/// Swarms by name.
#[derive(Debug, Args)]
pub(super) struct Hashes {
    /// Their info-hashes
    #[arg(required = true, value_name = "HASH")]
    hashes: Vec<String>,
}

impl WhitelistAction {
    /// The flags after the command.
    pub(super) fn flags(&self) -> &Flags {
        match self {
            Self::Add(with) | Self::Rm(with) => &with.flags,
            Self::Ls(with) => &with.flags,
        }
    }
}

/// Does what was asked for; stops at the first that fails.
pub(super) fn run(
    action: &WhitelistAction,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    match action {
        WhitelistAction::Add(with) => {
            for hash in &with.args.hashes {
                client.put(&["whitelist", hash])?;
                writeln!(out, "listed {}", logging::escape(hash))?;
            }
        }
        WhitelistAction::Ls(_) => {
            let body = client.get(&["whitelist"], &[])?;
            if context.is_json {
                return client.print_json(&body, out);
            }
            let list: Whitelist = client.understood(&body)?;
            for hash in &list.info_hashes {
                writeln!(out, "{}", logging::escape(hash))?;
            }
        }
        WhitelistAction::Rm(with) => {
            for hash in &with.args.hashes {
                client.delete(&["whitelist", hash])?;
                writeln!(out, "removed {}", logging::escape(hash))?;
            }
        }
    }
    Ok(())
}
