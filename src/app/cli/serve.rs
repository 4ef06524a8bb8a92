//! `cove serve`: from the command line to the running server.

use std::process::ExitCode;

use clap::Args;
use clap::ValueEnum;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::config::LogFormat;
use crate::app::config_sources::Override;
use crate::app::logging;
use crate::app::serve;

/// Arguments of `cove serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Form of the log on standard error, as log.format
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// Loads the configuration, starts the log, and hands over to the server.
pub(super) fn run(args: &ServeArgs, context: &mut Context) -> Result<ExitCode, Failure> {
    if let Some(format) = args.log_format.and_then(|format| format.to_possible_value()) {
        let (key, text) = ("log.format".into(), format.get_name().into());
        context.wishes.overrides.push(Override { flag: "--log-format", key, text });
    }
    let loaded = context.load()?;
    logging::init(&loaded.config.log)
        .map_err(|error| Failure::new(Exit::Usage, error.message()))?;
    if rustix::process::geteuid().is_root() {
        tracing::warn!("running as root: a user of its own would be safer");
    }
    Ok(serve::run(loaded))
}
