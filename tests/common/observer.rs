//! Somebody on the wire: reads frames, and speaks to trackers and peers byte by byte
//! (`tests/foreign/observer.py`). Root only.

use std::ffi::OsString;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::common::peer::foreign;
use crate::common::peer::python;
use crate::common::process::Process;
use crate::common::process::skip;

/// The observer.
pub(crate) struct Observer {
    _process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Observer {
    /// Started in a place of a network; `None`, and the test skipped, without Python.
    pub(crate) fn launched_by(test: &str, launcher: Vec<OsString>) -> Option<Self> {
        let Some(python) = python() else {
            skip(test, "Python", true);
            return None;
        };
        let mut words = launcher;
        words.extend([python.into(), foreign("observer.py").into()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python can be started");
        let input = child.stdin.take().expect("standard input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let mut observer = Self { _process: Process(child), input, output };
        observer.ask("ready", json!({}));
        Some(observer)
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, what: &str, mut more: Value) -> Value {
        more["do"] = what.into();
        writeln!(self.input, "{more}").expect("the observer listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the observer answers");
        let answer: Value = serde_json::from_str(&line).expect("the observer answers JSON");
        assert!(answer["failed"].is_null(), "{what}: {}", answer["failed"]);
        answer
    }

    /// How many frames named the info-hash that is watched under `name`, as `kind`.
    #[track_caller]
    pub(crate) fn count(&mut self, name: &str, kind: &str) -> u64 {
        self.ask("counts", json!({ "name": name }))["counts"][kind].as_u64().unwrap_or(0)
    }
}
