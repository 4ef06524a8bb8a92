//! Section `log` of the configuration; the doc comment of a field is the manual of its key.

use serde::Deserialize;
use serde::Serialize;

/// Section `log`: what is logged to standard error, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogConfig {
    /// `error`, `warn`, `info` (the default), `debug` or `trace`. The environment variable
    /// `COVE_LOG` takes a finer filter, such as `cove::engine=debug,info`, and wins.
    pub level: LogLevel,
    /// `human` (the default) or `json`, one object a line.
    pub format: LogFormat,
}

/// The least important thing that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what went wrong.
    Error,
    /// And what may go wrong.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And everything else.
    Trace,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// For programs: one JSON object a line.
    Json,
}
