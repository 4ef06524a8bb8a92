//! Logs: to standard error, for people or as JSON, with nothing in them that moves a terminal.
//!
//! Names of torrents, peers and trackers come from strangers. So every line is escaped as a whole
//! just before it is written (rule W11), whatever the code that logged it did. There are no
//! colours for the same reason: then every escape sequence in a line is foreign.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::io::Write;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::app::config::LogConfig;
use crate::app::config::LogFormat;
use crate::app::config::LogLevel;
use crate::domain::error::Error;
use crate::domain::error::Result;

/// The variable whose filter wins over the configured level.
pub const FILTER_VARIABLE: &str = "COVE_LOG";

/// Starts logging for the whole process; call it once.
///
/// # Errors
/// Invalid, when `COVE_LOG` is no filter; Internal, when logging was started before.
pub fn init(config: &LogConfig) -> Result<()> {
    let wish = std::env::var(FILTER_VARIABLE).ok();
    let filter = filter(config.level, wish.as_deref())?;
    let started = match config.format {
        LogFormat::Human => tracing::subscriber::set_global_default(human(filter, io::stderr)),
        LogFormat::Json => tracing::subscriber::set_global_default(json(filter, io::stderr)),
    };
    started.map_err(|_| Error::internal("logging was started twice"))
}

/// `text` with control and direction-override characters written out as `\u{..}`, so that it
/// stays on its line and does nothing to a terminal.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_as(text, Form::Rust)
}

/// As [`escape`], for a line of JSON, whose reader turns the characters back.
pub fn escape_json(line: &str) -> Cow<'_, str> {
    escape_as(line, Form::Json)
}

/// Our own modules at `level`, libraries only from `warn` on; a filter in `wish` wins.
fn filter(level: LogLevel, wish: Option<&str>) -> Result<Targets> {
    if let Some(wish) = wish.filter(|wish| !wish.trim().is_empty()) {
        if wish.contains('[') {
            // Taken for a target of that name, it would silence the log.
            return Err(Error::invalid(format!(
                "{FILTER_VARIABLE} takes `TARGET=LEVEL` with commas, such as \
                 `cove::engine=debug,info`, and no spans or fields in brackets"
            )));
        }
        let wrong = |error: ParseError| {
            Error::invalid(format!("{FILTER_VARIABLE} is no log filter: {error}"))
        };
        return wish.trim().parse().map_err(wrong);
    }
    let (libraries, ours) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::WARN, LevelFilter::INFO),
        LogLevel::Debug => (LevelFilter::WARN, LevelFilter::DEBUG),
        LogLevel::Trace => (LevelFilter::WARN, LevelFilter::TRACE),
    };
    Ok(Targets::new().with_default(libraries).with_target("cove", ours))
}

fn human<W: Write + 'static>(
    filter: Targets,
    target: fn() -> W,
) -> impl tracing::Subscriber + Send + Sync {
    let lines = fmt::layer()
        .with_ansi(false)
        // Its own report of a failed write would go to the same closed pipe, and panic.
        .log_internal_errors(false)
        .with_writer(Escaping { target, form: Form::Rust });
    registry().with(filter).with(lines)
}

fn json<W: Write + 'static>(
    filter: Targets,
    target: fn() -> W,
) -> impl tracing::Subscriber + Send + Sync {
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(Escaping { target, form: Form::Json });
    registry().with(filter).with(lines)
}

/// How an escaped character is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// `\u{9b}`
    Rust,
    /// `\u009b`, which a JSON reader turns back.
    Json,
}

/// Makes writers that escape each line on its way to the target.
struct Escaping<W> {
    target: fn() -> W,
    form: Form,
}

/// Writes one log line a call, as tracing-subscriber hands it over.
struct EscapingWriter<W> {
    target: W,
    form: Form,
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Escaping<W> {
    type Writer = EscapingWriter<W>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter { target: (self.target)(), form: self.form }
    }
}

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = escape_as(body, self.form).into_owned();
        escaped.push('\n');
        // One write a line, so that lines of several threads do not mix.
        self.target.write_all(escaped.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

fn escape_as(text: &str, form: Form) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !is_harmful(c) {
            safe.push(c);
            continue;
        }
        let code = u32::from(c);
        // Writing into a String cannot fail.
        let _ = match form {
            Form::Rust => write!(safe, "\\u{{{code:x}}}"),
            Form::Json => write!(safe, "\\u{code:04x}"),
        };
    }
    Cow::Owned(safe)
}

/// Control characters, line separators, and what turns the direction of text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Rule W11: what a stranger named cannot break the line or move the terminal.
    #[test]
    fn w11_control_characters_of_a_name_are_escaped_in_both_forms() {
        let name = "a\x1b[31m\nINFO forged\u{9b}2J\u{202e}\r\x07";
        let human_line = logged(name, LogFormat::Human);
        let json_line = logged(name, LogFormat::Json);
        for line in [&human_line, &json_line] {
            let body = line.strip_suffix('\n').unwrap();
            assert!(!body.contains(is_harmful), "{body:?}");
            assert!(body.contains("INFO forged"));
        }
        let in_json = r#""name":"a\u001b[31m\nINFO forged\u009b2J\u202e\r\u0007""#;
        assert!(json_line.contains(in_json), "{json_line}");
    }

    #[test]
    fn harmless_text_is_left_alone() {
        assert!(matches!(escape("Ünïcode 日本 🎬"), Cow::Borrowed(_)));
        assert_eq!(escape("a\tb"), "a\\u{9}b");
    }

    #[test]
    fn the_filter_of_the_environment_wins_and_must_be_one() {
        let of = |level, wish| filter(level, wish).unwrap().to_string();
        assert_eq!(of(LogLevel::Debug, None), of(LogLevel::Debug, Some(" ")));
        assert!(of(LogLevel::Debug, None).contains("cove=debug"));
        assert_eq!(of(LogLevel::Error, Some("cove::engine=trace")), "cove::engine=trace");
        assert!(filter(LogLevel::Info, Some("cove=loud")).is_err());
        assert!(filter(LogLevel::Info, Some("cove[span]=info")).is_err());
    }

    fn logged(name: &str, format: LogFormat) -> String {
        static LINE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        struct Line;
        impl Write for Line {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                LINE.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let say = || tracing::info!(name = %name, "added");
        let filter = Targets::new().with_default(LevelFilter::INFO);
        match format {
            LogFormat::Human => tracing::subscriber::with_default(human(filter, || Line), say),
            LogFormat::Json => tracing::subscriber::with_default(json(filter, || Line), say),
        }
        String::from_utf8(std::mem::take(&mut *LINE.lock().unwrap())).unwrap()
    }
}
