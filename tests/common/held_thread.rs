//! One thread of the program held still, while all others go on: what a hanging disk does to it.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use crate::common::app::App;
use crate::common::process::Process;
use crate::common::process::skip;

/// A thread that stands still until this is dropped.
pub(crate) struct HeldThread(Process);

impl HeldThread {
    /// Holds the thread `name`; `None`, said out loud, where the system does not allow it.
    #[track_caller]
    pub(crate) fn of(app: &App<'_>, name: &str) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/hold_thread.py");
        let python = std::env::var_os("TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.arg(script).arg(app.pid().to_string()).arg(name);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(child) = spawned else {
            skip("holding a thread", "python3", true);
            return None;
        };
        let mut process = Process(child);
        let out = process.0.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("the holder writes text");
        if line.trim() == "held" {
            return Some(Self(process));
        }
        let status = process.0.wait().expect("the holder can be waited for");
        assert_eq!(status.code(), Some(3), "the holder failed");
        skip("holding a thread", "ptrace", false);
        None
    }

    /// Lets it go.
    pub(crate) fn release(mut self) {
        self.0.kill();
    }
}
