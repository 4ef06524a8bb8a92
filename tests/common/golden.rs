//! Requests with their whole answers, as files under `tests/golden/`. `COVE_GOLDEN=write` writes
//! what the program answers now; the difference is a change of contract and is to be read as one.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::common::http::Answer;

/// Headers that are a part of the contract; the others are the server's own.
const SHOWN: [&str; 9] = [
    "content-type",
    "content-disposition",
    "content-range",
    "accept-ranges",
    "content-length",
    "retry-after",
    "server",
    "content-security-policy",
    "x-frame-options",
];

/// The files of one story.
pub(crate) struct Golden {
    folder: PathBuf,
    /// Members whose value is another one at each run.
    volatile: Vec<&'static str>,
    /// What is another text at each run, and what stands for it.
    hidden: Vec<(String, &'static str)>,
    wrong: Vec<String>,
}

/// A request as it stands in a golden file.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    /// A line about the body; empty when there is none.
    pub(crate) body: &'a str,
}

impl Golden {
    /// The files in `folder`, below `tests/golden/`.
    pub(crate) fn of(folder: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
        Self { folder, volatile: Vec::new(), hidden: Vec::new(), wrong: Vec::new() }
    }

    /// Leaves out the numbers of these members.
    pub(crate) fn volatile(mut self, members: &[&'static str]) -> Self {
        self.volatile.extend(members);
        self
    }

    /// Shows `name` in the place of `text`.
    pub(crate) fn hide(mut self, text: impl Into<String>, name: &'static str) -> Self {
        self.hidden.push((text.into(), name));
        self
    }

    /// Compares an answer with the file of this name, or writes it when told to.
    pub(crate) fn check(&mut self, name: &str, asked: &Asked<'_>, answer: &Answer) {
        let text = self.show(asked, answer);
        let path = self.folder.join(format!("{name}.txt"));
        if std::env::var("COVE_GOLDEN").is_ok_and(|wish| wish == "write") {
            fs::create_dir_all(&self.folder).unwrap();
            fs::write(path, text).unwrap();
            return;
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        if golden != text {
            self.wrong.push(format!("--- {name} is\n{text}--- and should be\n{golden}"));
        }
    }

    /// Fails when an answer was another one.
    #[track_caller]
    pub(crate) fn finish(self) {
        assert!(self.wrong.is_empty(), "\n{}", self.wrong.join("\n"));
    }

    fn show(&self, asked: &Asked<'_>, answer: &Answer) -> String {
        let mut text = format!("{} {}\n", asked.method, self.without_hidden(asked.target));
        if !asked.body.is_empty() {
            text.push_str(&format!("{}\n", self.without_hidden(asked.body)));
        }
        let body = self.shown_body(answer);
        text.push_str(&format!("\n{}\n", answer.status));
        for name in SHOWN {
            // The length of a body with volatile members says nothing.
            let says = name != "content-length" || body.starts_with('(');
            if let Some(value) = answer.header(name).filter(|_| says) {
                text.push_str(&format!("{name}: {value}\n"));
            }
        }
        text.push_str(&format!("\n{body}\n"));
        text
    }

    fn shown_body(&self, answer: &Answer) -> String {
        let kind = answer.header("content-type").unwrap_or_default();
        let is_text = kind.contains("json") || kind.starts_with("text/");
        if !is_text && !answer.body.is_empty() {
            return format!("({} bytes)", answer.body.len());
        }
        let text = self.without_hidden(&answer.text());
        self.volatile.iter().fold(text, |text, member| masked(&text, member))
    }

    fn without_hidden(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, (hidden, name)| text.replace(hidden, name))
    }
}

/// The text with the numbers of a member left out.
fn masked(text: &str, member: &str) -> String {
    let start = format!("\"{member}\":");
    let mut parts = text.split(&start);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let blank = if part.starts_with(' ') { " " } else { "" };
        let end = part.find([',', '}', ']']).unwrap_or(part.len());
        out.push_str(&format!("{start}{blank}*{}", &part[end..]));
    }
    out
}
