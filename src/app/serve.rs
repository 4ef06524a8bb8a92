//! `cove serve`: the process that downloads, seeds and answers.

use std::process::ExitCode;

use crate::app::Exit;
use crate::app::config::Loaded;

/// Runs until told to stop.
pub fn run(_loaded: Loaded) -> ExitCode {
    Exit::Fine.into()
}
