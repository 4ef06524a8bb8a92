//! A key of the configuration as it stands while the program runs.

use crate::domain::error::Error;
use crate::domain::error::Result;

/// Between the items of a list that is kept; no item holds it.
const SEPARATOR: char = '\u{1f}';

/// What a key can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the key has no value and no default.
    Nothing,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Texts.
    List(Vec<String>),
}

impl Value {
    /// As it is kept: a text begins with a quotation mark and a list with a bracket, which sets them
    /// apart from the others.
    ///
    /// # Errors
    /// Invalid, for what no key that can be changed holds.
    pub fn to_kept(&self) -> Result<String> {
        match self {
            Self::Bool(on) => Ok(on.to_string()),
            Self::Number(number) => Ok(number.to_string()),
            Self::Text(text) => Ok(format!("\"{text}")),
            Self::List(items) => {
                let is_odd = |item: &String| item.is_empty() || item.contains(char::is_control);
                if items.iter().any(is_odd) {
                    return Err(Error::invalid("an item is empty or has control characters"));
                }
                Ok(format!("[{}", items.join(&SEPARATOR.to_string())))
            }
            Self::Nothing => Err(Error::invalid(
                "the value is a text, a whole number, true or false, or a list of texts",
            )),
        }
    }

    /// What was kept; `None` when it is nothing that [`Value::to_kept`] makes.
    pub fn from_kept(kept: &str) -> Option<Self> {
        if let Some(items) = kept.strip_prefix('[') {
            let items = items.split(SEPARATOR).filter(|item| !item.is_empty());
            return Some(Self::List(items.map(str::to_owned).collect()));
        }
        match kept.strip_prefix('"') {
            Some(text) => Some(Self::Text(text.to_owned())),
            None if kept == "true" => Some(Self::Bool(true)),
            None if kept == "false" => Some(Self::Bool(false)),
            None => kept.parse().ok().map(Self::Number),
        }
    }
}

/// Where a value comes from; a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File,
    /// Changed while the program ran, and kept.
    Changed,
    /// A variable of the environment.
    Environment,
    /// The command line.
    CommandLine,
}

impl SourceKind {
    /// Its name in APIs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Changed => "changed",
            Self::Environment => "environment",
            Self::CommandLine => "command_line",
        }
    }

    /// Whether it wins over a change while the program runs.
    pub fn is_pinned(self) -> bool {
        self > Self::Changed
    }
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its full name, such as `client.limits.upload_bytes_per_s`.
    pub key: String,
    /// Its value; a secret that is set is masked.
    pub value: Value,
    /// Where it comes from.
    pub source: SourceKind,
    /// The same for people: the path of the file, the name of the variable or of the flag.
    pub source_detail: String,
    /// Whether it can be changed now, with effect at once.
    pub can_change: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_as_what_it_was() {
        let texts = ["", "true", "17", "\"", "a\nb"].map(|text| Value::Text(text.to_owned()));
        let others = [Value::Bool(true), Value::Bool(false), Value::Number(-17)];
        for value in texts.into_iter().chain(others) {
            assert_eq!(Value::from_kept(&value.to_kept().unwrap()), Some(value));
        }
        for items in [&[][..], &["a"], &["a,b", "[c", "\"d"]] {
            let list = Value::List(items.iter().map(|item| (*item).to_owned()).collect());
            assert_eq!(Value::from_kept(&list.to_kept().unwrap()), Some(list));
        }
        for item in ["", "a\u{1f}b"] {
            assert!(Value::List(vec![item.to_owned()]).to_kept().is_err());
        }
        assert!(Value::Nothing.to_kept().is_err());
        assert_eq!(Value::from_kept("maybe"), None);
    }

    #[test]
    fn a_change_wins_over_the_file_and_not_over_the_environment() {
        assert!(SourceKind::Changed > SourceKind::File && !SourceKind::Changed.is_pinned());
        assert!(SourceKind::Environment.is_pinned() && SourceKind::CommandLine.is_pinned());
    }
}
