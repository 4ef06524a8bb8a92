//! The order of a list: several fields, each up or down.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::torrent::Torrent;
use crate::service::filter::Around;
use crate::service::filter::fields;
use crate::service::filter::fields::FlagOf;
use crate::service::filter::fields::NumberOf;
use crate::service::filter::fields::TextOf;

/// Fields in one order; more say nothing new.
const FIELDS_MAX: usize = 8;

/// By what a list is sorted; the first field counts most.
#[derive(Clone, Debug, Default)]
pub struct Order {
    keys: Vec<Key>,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    field: Field,
    is_down: bool,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Number(NumberOf),
    Text(TextOf),
    Flag(FlagOf),
}

/// A torrent's value of a field; what is not known comes first.
enum Value<'a> {
    Number(Option<f64>),
    Text(Option<Cow<'a, str>>),
}

impl Order {
    /// Names of fields with commas, `-` before one that goes down; empty leaves a list as it is.
    ///
    /// # Errors
    /// Invalid, naming the field that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let names: Vec<&str> = text.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        if names.len() > FIELDS_MAX {
            return Err(Error::invalid(format!("a list is sorted by at most {FIELDS_MAX} fields")));
        }
        let keys = names.into_iter().map(Key::parse).collect::<Result<_>>()?;
        Ok(Self { keys })
    }

    /// The best `count` torrents in this order; those that are equal stay as they were.
    ///
    /// Only as many as are asked for are sorted: a page of 100 costs little more than looking at
    /// each torrent once.
    pub fn first(
        &self,
        torrents: Vec<Arc<Torrent>>,
        count: usize,
        around: &Around<'_>,
    ) -> Vec<Arc<Torrent>> {
        if self.keys.is_empty() {
            return torrents.into_iter().take(count).collect();
        }
        let mut rows: Vec<(usize, Vec<Value<'_>>)> = torrents
            .iter()
            .enumerate()
            .map(|(place, torrent)| (place, self.values(torrent, around)))
            .collect();
        let compare = |a: &(usize, Vec<Value<'_>>), b: &(usize, Vec<Value<'_>>)| {
            self.compare(&a.1, &b.1).then(a.0.cmp(&b.0))
        };
        if count < rows.len() {
            rows.select_nth_unstable_by(count, compare);
            rows.truncate(count);
        }
        rows.sort_unstable_by(compare);
        rows.into_iter().map(|(place, _)| Arc::clone(&torrents[place])).collect()
    }

    fn values<'a>(&self, torrent: &'a Torrent, around: &Around<'_>) -> Vec<Value<'a>> {
        self.keys
            .iter()
            .map(|key| match key.field {
                Field::Number(field) => Value::Number(field(torrent, around)),
                Field::Text(field) => Value::Text(field(torrent, around)),
                Field::Flag(field) => Value::Number(Some(f64::from(u8::from(field(torrent))))),
            })
            .collect()
    }

    fn compare(&self, left: &[Value<'_>], right: &[Value<'_>]) -> Ordering {
        for ((key, left), right) in self.keys.iter().zip(left).zip(right) {
            let order = match (left, right) {
                (Value::Number(Some(left)), Value::Number(Some(right))) => left.total_cmp(right),
                (Value::Number(left), Value::Number(right)) => left.is_some().cmp(&right.is_some()),
                (Value::Text(left), Value::Text(right)) => left.cmp(right),
                _ => Ordering::Equal,
            };
            if order != Ordering::Equal {
                return if key.is_down { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self> {
        let name = text.strip_prefix('-').unwrap_or(text);
        let number = fields::find(fields::NUMBERS, name).map(Field::Number);
        let text_field = || fields::find(fields::TEXTS, name).map(Field::Text);
        let flag = || fields::find(fields::FLAGS, name).map(Field::Flag);
        let field = number.or_else(text_field).or_else(flag);
        let field = field
            .ok_or_else(|| Error::invalid(format!("lists cannot be sorted by a field `{name}`")))?;
        Ok(Self { field, is_down: text.starts_with('-') })
    }
}
