//! `cove completions`: what a shell needs to complete our commands.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use crate::app::cli;
use crate::app::cli::Failure;

/// Arguments of `cove completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

/// Prints the completion script.
pub(super) fn run(args: &CompletionsArgs, out: &mut impl Write) -> Result<(), Failure> {
    // The generator panics when its target fails, so it does not get standard output.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::tree(), "cove", &mut script);
    out.write_all(&script)?;
    Ok(())
}
