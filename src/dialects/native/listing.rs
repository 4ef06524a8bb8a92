//! Lists of torrents: filtered, sorted, in pages; the text of each row kept until it changes.
//!
//! A list of thousands is asked for every second or two while most torrents do nothing. A row is
//! kept for about 1.2 KiB a torrent, once this API is asked for lists at all.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;

use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::torrents_wire::TorrentRow;
use crate::dialects::native::torrents_wire::Wishes;
use crate::dialects::native::torrents_wire::list_head;
use crate::dialects::native::wire;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Torrent;
use crate::service::Services;
use crate::service::access::unix_now_s;
use crate::service::filter::Around;
use crate::service::filter::Filter;
use crate::service::filter::Order;
use crate::service::labels::LabelSet;

/// Rows of torrents that are gone; past it they are forgotten.
const GONE_ROWS_MAX: usize = 1_024;
/// Room for a row of which nothing is known yet, in bytes.
const ROW_BYTES: usize = 1_280;

/// The query parameters of a list.
pub(super) const QUERY: &[&str] = &["filter", "sort", "offset", "limit", "fields"];

/// The rows as they were last written.
#[derive(Default)]
pub(super) struct Rows {
    kept: DashMap<TorrentId, Kept>,
}

/// A row, and what it was written from.
struct Kept {
    mark: u64,
    labels: Arc<LabelSet>,
    row: Bytes,
}

/// Which torrents a list shows, and what of them.
pub(super) struct Wish {
    filter: Option<Filter>,
    order: Order,
    offset: usize,
    limit: usize,
    fields: Option<Vec<&'static str>>,
}

impl Wish {
    /// What the query asks for.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, Problem> {
        let number = "a whole number, 0 or more";
        Ok(Self {
            filter: request.query("filter").map(Filter::parse).transpose()?,
            order: Order::parse(request.query("sort").unwrap_or_default())?,
            offset: request.parsed("offset", number)?.unwrap_or(0),
            limit: request.parsed("limit", number)?.unwrap_or(usize::MAX),
            fields: request.query("fields").map(chosen).transpose()?,
        })
    }
}

/// The members that `fields` names.
fn chosen(fields: &str) -> Result<Vec<&'static str>, Problem> {
    let known = TorrentRow::MEMBERS;
    let member = |name: &str| {
        known.iter().copied().find(|member| *member == name).ok_or_else(|| {
            let known = known.join(", ");
            Problem::invalid(format!("`fields` names no member `{name}`; there are {known}"))
        })
    };
    fields.split(',').map(|name| member(name.trim())).collect()
}

impl Rows {
    /// The list that is wished for.
    pub(super) fn list(&self, services: &Services, wish: &Wish) -> Vec<u8> {
        let (to_load, loaded) = services.torrents.load_progress();
        let all = services.torrents.list();
        let count = all.len();
        let passing = passing(services, all, wish.filter.as_ref());
        let total = passing.len();
        let end = wish.offset.saturating_add(wish.limit);
        let page = looking_around(services, |around| wish.order.first(passing, end, around));
        let page = page.get(wish.offset..).unwrap_or_default();
        let mut body = list_head(total, wish.offset, to_load.saturating_sub(loaded));
        body.reserve(page.len() * ROW_BYTES);
        for (place, torrent) in page.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            let row = self.row(services, torrent);
            match &wish.fields {
                Some(fields) => append_members(&mut body, &row, fields),
                None => body.extend_from_slice(&row),
            }
        }
        body.extend_from_slice(b"]}");
        self.forget_gone(services, count);
        body
    }

    /// One torrent as JSON.
    pub(super) fn row(&self, services: &Services, torrent: &Torrent) -> Bytes {
        let swarm = services.swarms.get(&torrent.id);
        let seed_ratio = services.torrents.seed_ratio(torrent.id);
        let mark = mark_of((
            torrent.revision,
            seed_ratio,
            swarm.map(|swarm| {
                let counts = swarm.counts;
                (counts.seeders, counts.leechers, counts.completed, swarm.is_flagged)
            }),
        ));
        let labels = services.labels.get(torrent.id);
        // Other labels are another value, whatever they say.
        let is_fresh = |kept: &Kept| kept.mark == mark && Arc::ptr_eq(&kept.labels, &labels);
        if let Some(kept) = self.kept.get(&torrent.id).filter(|kept| is_fresh(kept)) {
            return kept.row.clone();
        }
        let wishes = Wishes { labels: &labels, seed_ratio };
        let row = Bytes::from(wire::text(&TorrentRow::of(torrent, swarm.as_ref(), wishes)));
        self.kept.insert(torrent.id, Kept { mark, labels, row: row.clone() });
        row
    }

    fn forget_gone(&self, services: &Services, present: usize) {
        if self.kept.len() <= present + GONE_ROWS_MAX {
            return;
        }
        let ids: std::collections::HashSet<TorrentId> =
            services.torrents.list().iter().map(|torrent| torrent.id).collect();
        self.kept.retain(|id, _| ids.contains(id));
    }
}

/// The torrents that a filter lets through.
pub(super) fn passing(
    services: &Services,
    mut all: Vec<Arc<Torrent>>,
    filter: Option<&Filter>,
) -> Vec<Arc<Torrent>> {
    if let Some(filter) = filter {
        looking_around(services, |around| all.retain(|torrent| filter.passes(torrent, around)));
    }
    all
}

/// With what filters and orders know of a torrent besides itself.
fn looking_around<T>(services: &Services, work: impl FnOnce(&Around<'_>) -> T) -> T {
    let labels = &services.labels;
    work(&Around {
        now_s: unix_now_s(),
        category: &|id| labels.get(id).category.clone(),
        tags: &|id| labels.get(id).tags.clone(),
        swarm: &|id| services.swarms.get(&id).map(|swarm| swarm.counts),
    })
}

fn mark_of(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// Appends `row`, an object without blanks between its parts, with only these members.
fn append_members(out: &mut Vec<u8>, row: &[u8], fields: &[&str]) {
    out.push(b'{');
    let mut is_first = true;
    for member in members(row) {
        let name = member.split(|byte| *byte == b'"').nth(1).unwrap_or_default();
        if fields.iter().any(|field| field.as_bytes() == name) {
            if !is_first {
                out.push(b',');
            }
            out.extend_from_slice(member);
            is_first = false;
        }
    }
    out.push(b'}');
}

/// The members of an object, `"name":value` each.
fn members(object: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inner = object.get(1..object.len().saturating_sub(1)).unwrap_or_default();
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    inner.split(move |byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            b',' => return !in_text && depth == 0,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(row: &str, fields: &[&str]) -> String {
        let mut out = Vec::new();
        append_members(&mut out, row.as_bytes(), fields);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_are_cut_out_whole_whatever_they_hold() {
        let row = r#"{"a":"x,\"},{\\","b":{"c":[1,2],"a":3},"d":null,"e":[{"f":"]"}]}"#;
        assert_eq!(cut(row, &["a", "d"]), r#"{"a":"x,\"},{\\","d":null}"#);
        assert_eq!(cut(row, &["b"]), r#"{"b":{"c":[1,2],"a":3}}"#);
        assert_eq!(cut(row, &["e", "b", "a", "d"]), row);
        assert_eq!(cut(row, &["c", "f"]), "{}");
        assert_eq!(cut("{}", &["a"]), "{}");
    }

    #[test]
    fn fields_are_known_by_name() {
        assert_eq!(chosen("name, size").unwrap(), ["name", "size"]);
        assert!(chosen("name,colour").is_err());
    }
}
