//! A child process that does not outlive its test.

use std::io::Write;
use std::process::Child;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;

use crate::common::wait_at_most;

/// A process, killed and reaped when dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Sends a signal; a process that is gone gets none.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.0), signal);
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be asked how it is")
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration, what: &str) -> ExitStatus {
        wait_at_most(limit, what, || self.ended())
    }

    /// kill -9, and wait until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says that a test, or a part of one, is not done for want of something.
///
/// Written past the test harness, which would swallow it. With `TEST_REQUIRE=1` a `tool`
/// that is lacking is a failure; what needs root or the kernel's leave never is.
pub(crate) fn skip(what: &str, lacking: &str, is_tool: bool) {
    let required = std::env::var_os("TEST_REQUIRE").is_some_and(|value| value == "1");
    assert!(!(is_tool && required), "{what} needs {lacking}: run scripts/setup.sh test");
    let _ = writeln!(std::io::stderr(), "\nskipped: {what}: needs {lacking}");
}

/// Where a program lies, as the shell would find it.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    let extra = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(extra).map(|dir| dir.join(name)).find(|file| file.is_file())
}
