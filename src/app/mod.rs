//! The top floor: reads the command line and the configuration, starts and stops the rest.

mod client_settings;
pub mod config;
mod config_fit;
mod config_log;
mod config_paths;
mod config_presets;
mod config_share;
pub mod config_show;
pub mod config_sources;
mod config_tracker;
mod doctor;
pub mod logging;
pub mod serve;
mod services;
mod settings;
mod sharing;
#[cfg(target_os = "linux")]
mod start_code;
pub mod state_dir;
mod tracker;

mod cli;

use std::process::ExitCode;

/// What the process ends with; each number is part of the program's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Fine = 0,
    /// Something went wrong that has no number of its own.
    Error = 1,
    /// Wrong usage or configuration; clap ends with this number too.
    Usage = 2,
    /// The store cannot be read, or a newer version wrote it (rules D4, D5).
    Store = 3,
    /// Another process works on the state directory (rule D12).
    Held = 4,
    /// A port is in use (rule D13).
    PortInUse = 5,
    /// The server cannot be reached.
    Unreachable = 6,
    /// The server refused the token.
    Unauthorized = 7,
    /// No torrent is named so.
    NotFound = 8,
    /// The doctor found a fault.
    Unwell = 9,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The program: reads the command line, does what it says.
pub fn main() -> ExitCode {
    state_dir::protect_new_files();
    cli::main()
}
