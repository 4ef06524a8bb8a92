//! Fits what a source says to the shape of the configuration.
//!
//! The shape is that of the defaults: their keys are the known keys, their types the expected
//! types. So a new key needs one field and one default, and nothing here.

use std::path::Path;

use figment::value::Dict;
use figment::value::Empty;
use figment::value::Tag;
use figment::value::Value;

use crate::app::config_paths;
use crate::app::config_presets;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::setting::Value as Given;

/// The table whose keys are libtorrent's, so not known here.
const FREE_TABLE: &str = "client.settings";

/// The table whose keys are names of presets.
const PRESETS: &str = "presets";

/// The key that is true, false or a list.
const BOOL_OR_LIST: &str = "client.fetch_private";

/// Keys that hold paths; relative ones are made absolute.
const PATHS: [&str; 8] = [
    "state_dir",
    "client.download_dir",
    "client.roots",
    "client.import_dirs",
    "api.tls.certificate",
    "api.tls.key",
    "tracker.http.tls.certificate",
    "tracker.http.tls.key",
];

/// The known keys with their defaults.
#[derive(Debug)]
pub(crate) struct Schema {
    defaults: Dict,
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Section,
    Bool,
    Number,
    Text,
    List,
    BoolOrList,
    Setting,
}

/// Where a value stands, for messages, and what relative paths in it start from.
struct Place<'a> {
    key: &'a str,
    source: &'a str,
    base: &'a Path,
}

impl Schema {
    /// The shape of these defaults.
    pub(crate) fn new(defaults: Dict) -> Self {
        Self { defaults }
    }

    /// The defaults themselves.
    pub(crate) fn defaults(&self) -> &Dict {
        &self.defaults
    }

    /// A table from a file, every value fitted; `base` is what relative paths start from.
    ///
    /// # Errors
    /// Invalid, for the first unknown key or wrong type.
    pub(crate) fn fit_table(&self, table: Dict, source: &str, base: &Path) -> Result<Dict> {
        self.fit_section("", table, &Place { key: "", source, base })
    }

    /// One key with its value as text, as tables inside each other.
    ///
    /// # Errors
    /// Invalid, for an unknown key or a text that is not of the key's type.
    pub(crate) fn fit_text(
        &self,
        key: &str,
        text: &str,
        source: &str,
        base: &Path,
    ) -> Result<Dict> {
        let place = Place { key, source, base };
        let kind = self.kind(key).ok_or_else(|| self.unknown(&place))?;
        Ok(nested(key, place.fit(kind, place.read(kind, text)?)?))
    }

    /// One key with a value that a program gave, as tables inside each other. Not for paths.
    ///
    /// # Errors
    /// Invalid, for an unknown key or a value that is not of the key's type.
    pub(crate) fn fit_value(&self, key: &str, value: &Given, source: &str) -> Result<Dict> {
        let place = Place { key, source, base: Path::new("/") };
        let kind = self.kind(key).ok_or_else(|| self.unknown(&place))?;
        let value = match value {
            Given::Bool(on) => Value::from(*on),
            Given::Number(number) => Value::from(*number),
            Given::Text(text) => Value::from(text.as_str()),
            Given::List(items) => Value::from(items.clone()),
            Given::Nothing => return Err(place.wrong(kind)),
        };
        Ok(nested(key, place.fit(kind, value)?))
    }

    fn fit_section(&self, prefix: &str, table: Dict, place: &Place<'_>) -> Result<Dict> {
        let mut fitted = Dict::new();
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let place = Place { key: &key, ..*place };
            let kind = self.kind(&key).ok_or_else(|| self.unknown(&place))?;
            let value = match (kind, value) {
                (Kind::Section, Value::Dict(tag, inner)) => {
                    Value::Dict(tag, self.fit_section(&key, inner, &place)?)
                }
                (kind, value) => place.fit(kind, value)?,
            };
            fitted.insert(name, value);
        }
        Ok(fitted)
    }

    /// What `key` holds; `None` for an unknown key.
    fn kind(&self, key: &str) -> Option<Kind> {
        if key == BOOL_OR_LIST {
            return Some(Kind::BoolOrList);
        }
        if let Some(name) = key.strip_prefix(FREE_TABLE).and_then(|rest| rest.strip_prefix('.')) {
            return (!name.is_empty() && !name.contains('.')).then_some(Kind::Setting);
        }
        if let Some(name) = key.strip_prefix(PRESETS).and_then(|rest| rest.strip_prefix('.')) {
            return match name.split_once('.') {
                None => (!name.is_empty()).then_some(Kind::Section),
                Some((_, key)) => config_presets::example(key).as_ref().map(Self::kind_of),
            };
        }
        let mut parts = key.split('.');
        let first = self.defaults.get(parts.next()?)?;
        let value = parts.try_fold(first, |table, part| table.as_dict()?.get(part))?;
        Some(Self::kind_of(value))
    }

    fn kind_of(value: &Value) -> Kind {
        match value {
            Value::Dict(..) => Kind::Section,
            Value::Bool(..) => Kind::Bool,
            Value::Num(..) => Kind::Number,
            Value::Array(..) => Kind::List,
            // A key without a default is a text that may be absent.
            Value::String(..) | Value::Char(..) | Value::Empty(..) => Kind::Text,
        }
    }

    fn unknown(&self, place: &Place<'_>) -> Error {
        let hint = match self.nearest(place.key) {
            Some(known) => format!("; did you mean `{known}`?"),
            None => String::new(),
        };
        Error::invalid(format!("unknown key `{}` from {}{hint}", place.key, place.source))
    }

    /// The known key that looks most like `key`.
    fn nearest(&self, key: &str) -> Option<String> {
        let mut known = Vec::new();
        collect_keys("", &self.defaults, &mut known);
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let distance = |known: &String| {
            let whole = strsim::damerau_levenshtein(key, known);
            // The right name in the wrong section, or in none, is one mistake.
            whole.min(1 + 2 * strsim::damerau_levenshtein(&last(key), &last(known)))
        };
        let nearest = known.into_iter().min_by_key(distance)?;
        (distance(&nearest) <= 3.max(key.len() / 3)).then_some(nearest)
    }
}

impl Place<'_> {
    /// The value that a text stands for.
    fn read(&self, kind: Kind, text: &str) -> Result<Value> {
        let trimmed = text.trim();
        Ok(match kind {
            Kind::Bool => trimmed.parse::<bool>().map(Value::from).map_err(|_| self.wrong(kind))?,
            Kind::Number => {
                trimmed.parse::<u64>().map(Value::from).map_err(|_| self.wrong(kind))?
            }
            Kind::BoolOrList => trimmed.parse::<bool>().map_or(Value::from(text), Value::from),
            Kind::Setting => trimmed
                .parse::<bool>()
                .map(Value::from)
                .or_else(|_| trimmed.parse::<i64>().map(Value::from))
                .unwrap_or_else(|_| Value::from(text)),
            Kind::List | Kind::Text | Kind::Section => Value::from(text),
        })
    }

    /// The value in the one form that the configuration wants, or an error that names the type.
    fn fit(&self, kind: Kind, value: Value) -> Result<Value> {
        match (kind, value) {
            (Kind::Bool | Kind::BoolOrList | Kind::Setting, value @ Value::Bool(..))
            | (Kind::Setting, value @ (Value::String(..) | Value::Char(..))) => Ok(value),
            (Kind::Number, value @ Value::Num(..)) if is_whole(&value, 0) => Ok(value),
            (Kind::Setting, value @ Value::Num(..)) if is_whole(&value, i128::MIN) => Ok(value),
            (Kind::Text, Value::String(tag, text)) => self.text(tag, text),
            (Kind::List | Kind::BoolOrList, Value::String(tag, text)) => {
                let items = split_list(&text).ok_or_else(|| self.wrong(kind))?;
                self.list(kind, tag, items)
            }
            (Kind::List | Kind::BoolOrList, Value::Array(tag, items)) => {
                self.list(kind, tag, items)
            }
            _ => Err(self.wrong(kind)),
        }
    }

    fn text(&self, tag: Tag, text: String) -> Result<Value> {
        if self.key == "api.token" && text.is_empty() {
            return Ok(Value::Empty(tag, Empty::None));
        }
        self.absolute(text).map(|text| Value::String(tag, text))
    }

    fn list(&self, kind: Kind, tag: Tag, items: Vec<Value>) -> Result<Value> {
        let item = |item: Value| match item {
            Value::String(tag, text) => self.absolute(text).map(|text| Value::String(tag, text)),
            _ => Err(self.wrong(kind)),
        };
        let items = items.into_iter().map(item).collect::<Result<Vec<_>>>()?;
        Ok(Value::Array(tag, items))
    }

    /// A path made absolute; any other text unchanged.
    fn absolute(&self, text: String) -> Result<String> {
        if !PATHS.contains(&self.key) {
            return Ok(text);
        }
        config_paths::absolute(&text, self.base)
            .map_err(|why| Error::invalid(format!("`{}` from {}: {why}", self.key, self.source)))
    }

    fn wrong(&self, kind: Kind) -> Error {
        let expected = match kind {
            Kind::Section => "a section: set the keys in it",
            Kind::Bool => "true or false",
            Kind::Number => "a whole number, 0 or more",
            Kind::Text => "a text",
            Kind::List => "a list of texts, or one text with commas",
            Kind::BoolOrList => "true, false, or a list of addresses and networks",
            Kind::Setting => "a text, a whole number, or true or false",
        };
        Error::invalid(format!("`{}` from {}: expected {expected}", self.key, self.source))
    }
}

/// `value` in tables, one for each part of `key`.
fn nested(key: &str, value: Value) -> Dict {
    let nest = |value, part: &str| Value::from(Dict::from([(part.to_owned(), value)]));
    key.rsplit('.').fold(value, nest).into_dict().unwrap_or_default()
}

/// The items of a list in one text: `a, b`, or as TOML writes it, `["a", "b"]`.
///
/// `[` alone does not make it TOML: `[::]:46881` is an address. `None` for broken TOML.
fn split_list(text: &str) -> Option<Vec<Value>> {
    let text = text.trim();
    let inner = text.strip_prefix('[').map(str::trim_start);
    if inner.is_some_and(|inner| inner.starts_with(['"', '\'', ']']) && !inner.starts_with("]:")) {
        return text.parse::<Value>().ok().and_then(Value::into_array);
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(items.map(Value::from).collect())
}

/// Whether a number is whole and at least `min`; figment keeps signed and unsigned ones apart.
fn is_whole(value: &Value, min: i128) -> bool {
    value.to_u128().is_some() || value.to_i128().is_some_and(|number| number >= min)
}

fn collect_keys(prefix: &str, table: &Dict, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if let Some(inner) = value.as_dict() {
            collect_keys(&key, inner, keys);
        }
        keys.push(key);
    }
}
