//! Section `share` of the configuration; the doc comment of a field is the manual of its key.

use serde::Deserialize;
use serde::Serialize;

/// Section `share`: shared folders over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareConfig {
    /// Seconds between two looks at the names, sizes and times of a share's files; every 10 s at
    /// most while somebody is connected to it. Default 3,600; 0 looks on request, at the start, and
    /// when a changed file was to be sent.
    pub look_interval_s: u32,
}

impl Default for ShareConfig {
    fn default() -> Self {
        Self { look_interval_s: 3600 }
    }
}
