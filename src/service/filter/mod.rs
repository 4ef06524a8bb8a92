//! The filter language: an expression over the fields of a torrent, compiled once and evaluated
//! against thousands.
//!
//! Porla's query language as it is, and more: `!=`, `icontains`, `NOT`, parentheses, capital
//! letters in keywords, more fields. Whatever Porla accepts means the same here, so both of our
//! dialects use it. `docs/api/native.md` is the manual.

mod fields;
mod lexer;
mod order;
mod parser;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::domain::error::Error;
use crate::domain::hash::TorrentId;
use crate::domain::swarm::SwarmCounts;
use crate::domain::torrent::Torrent;
use crate::service::filter::fields::FlagOf;
use crate::service::filter::fields::NumberOf;
use crate::service::filter::fields::TextOf;
pub use crate::service::filter::order::Order;

/// Characters of a filter; keeps the depth of its tree and the time for a list bounded.
const LENGTH_MAX: usize = 4096;

/// What a filter knows of a torrent besides itself. Looked up only when the expression asks.
pub struct Around<'a> {
    /// The present wall time, Unix seconds.
    pub now_s: i64,
    /// The one category of a torrent; `None` when it has none.
    pub category: &'a dyn Fn(TorrentId) -> Option<String>,
    /// The tags of a torrent.
    pub tags: &'a dyn Fn(TorrentId) -> Vec<String>,
    /// The numbers of our own tracker's swarm; `None` when there is nothing to show.
    pub swarm: &'a dyn Fn(TorrentId) -> Option<SwarmCounts>,
}

impl Around<'_> {
    /// Nothing but the time: no labels and no swarms.
    pub fn at(now_s: i64) -> Self {
        Around { now_s, category: &|_| None, tags: &|_| Vec::new(), swarm: &|_| None }
    }
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Expr,
}

/// Why a text is no filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Characters before the place, 0 = the very beginning.
    pub position: usize,
    /// What is wrong there, for people.
    pub message: String,
}

/// A node of the tree.
#[derive(Clone, Debug)]
enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Flag(FlagOf),
    Number(NumberOf, Compare, f64),
    Text(TextOf, TextTest, String),
    HasTag(String),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How a text is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextTest {
    Compare(Compare),
    Contains,
    /// As `Contains`, with capital letters equal to small ones; the wish is in small ones.
    ContainsAnyCase,
}

impl Filter {
    /// Compiles an expression; an empty one passes everything.
    ///
    /// # Errors
    /// [`FilterError`] with the place of the first mistake.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.chars().count() > LENGTH_MAX {
            let message = format!("a filter has at most {LENGTH_MAX} characters");
            return Err(FilterError { position: LENGTH_MAX, message });
        }
        parser::parse(text).map(|root| Self { root })
    }

    /// Whether a torrent passes.
    pub fn passes(&self, torrent: &Torrent, around: &Around<'_>) -> bool {
        self.root.holds(torrent, around)
    }
}

impl Expr {
    fn holds(&self, torrent: &Torrent, around: &Around<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(torrent, around)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(torrent, around)),
            Self::Not(inner) => !inner.holds(torrent, around),
            Self::Flag(flag) => flag(torrent),
            Self::Number(field, compare, wish) => match field(torrent, around) {
                Some(value) => compare.holds(value.partial_cmp(wish)),
                None => *compare == Compare::Different,
            },
            Self::Text(field, test, wish) => match field(torrent, around) {
                Some(value) => test.holds(&value, wish),
                None => *test == TextTest::Compare(Compare::Different),
            },
            Self::HasTag(wish) => (around.tags)(torrent.id).iter().any(|tag| tag == wish),
        }
    }
}

impl Compare {
    fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        use std::cmp::Ordering::Equal;
        use std::cmp::Ordering::Greater;
        use std::cmp::Ordering::Less;
        match self {
            Self::Equal => order == Some(Equal),
            Self::Different => order != Some(Equal),
            Self::Less => order == Some(Less),
            Self::LessOrEqual => matches!(order, Some(Less | Equal)),
            Self::Greater => order == Some(Greater),
            Self::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
        }
    }
}

impl TextTest {
    fn holds(self, value: &str, wish: &str) -> bool {
        match self {
            Self::Compare(compare) => compare.holds(Some(value.cmp(wish))),
            Self::Contains => value.contains(wish),
            Self::ContainsAnyCase => value.to_lowercase().contains(wish),
        }
    }
}

/// The names that `is:` takes, for manuals and error texts.
pub fn flag_names() -> impl Iterator<Item = &'static str> {
    fields::FLAGS.iter().map(|(name, _)| *name)
}

/// The names of fields with a number, those with a text, and `tags`.
pub fn field_names() -> impl Iterator<Item = &'static str> {
    let numbers = fields::NUMBERS.iter().map(|(name, _)| *name);
    let texts = fields::TEXTS.iter().map(|(name, _)| *name);
    numbers.chain(texts).chain([fields::TAGS])
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.message, self.position)
    }
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::invalid(error.to_string())
    }
}
