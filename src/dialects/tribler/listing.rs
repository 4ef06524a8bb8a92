//! The whole list as one text, made again only where something changed.
//!
//! A list of thousands of torrents is asked for every second or two while most of them do nothing.
//! The last text is kept with the place of every row: when nothing changed it is handed out as it
//! is, else unchanged rows are copied from it. It costs about 1.5 KiB a torrent and generation
//! that is in use.

use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;

use crate::dialects::tribler::Generation;
use crate::domain::hash::TorrentId;
use crate::service::settings::SessionFacts;

/// Room for a row of which nothing is known yet, in bytes.
const ROW_BYTES: usize = 1_536;

/// The last text of each generation.
#[derive(Default)]
pub(super) struct Listings {
    seven: Mutex<Option<Arc<Listing>>>,
    eight: Mutex<Option<Arc<Listing>>>,
}

/// What a list shows is fixed by these: the torrents, the streams, how many are loaded, and the
/// configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListKey {
    pub(super) torrents: u64,
    pub(super) streams: u64,
    pub(super) loading: (usize, usize),
    pub(super) facts: SessionFacts,
}

/// A list as it was once.
pub(super) struct Listing {
    key: ListKey,
    rows: Vec<Row>,
    body: Bytes,
}

struct Row {
    id: TorrentId,
    mark: u64,
    place: Range<usize>,
}

/// A torrent to be listed: what names it, and a mark that changes with whatever its row shows.
pub(super) trait Listed {
    fn id(&self) -> TorrentId;
    fn mark(&self) -> u64;
    fn write(&self, out: &mut Vec<u8>);
}

impl Listings {
    /// The text of `generation`, if it is of `key`.
    pub(super) fn of(&self, generation: Generation, key: ListKey) -> Option<Bytes> {
        self.last(generation).filter(|listing| listing.key == key).map(|last| last.body.clone())
    }

    /// The text of `key` with these rows, between `head` and `tail`; kept for the next time.
    pub(super) fn render(
        &self,
        generation: Generation,
        key: ListKey,
        rows: impl ExactSizeIterator<Item = impl Listed>,
        tail: &[u8],
    ) -> Bytes {
        let listing = Listing::new(key, rows, tail, self.last(generation).as_deref());
        let body = listing.body.clone();
        let kept = Some(Arc::new(listing));
        *self.place(generation).lock().unwrap_or_else(PoisonError::into_inner) = kept;
        body
    }

    fn last(&self, generation: Generation) -> Option<Arc<Listing>> {
        self.place(generation).lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn place(&self, generation: Generation) -> &Mutex<Option<Arc<Listing>>> {
        match generation {
            Generation::Seven => &self.seven,
            Generation::Eight => &self.eight,
        }
    }
}

impl Listing {
    fn new(
        key: ListKey,
        listed: impl ExactSizeIterator<Item = impl Listed>,
        tail: &[u8],
        last: Option<&Self>,
    ) -> Self {
        let room = last.map_or(0, |last| last.body.len()).max(listed.len() * ROW_BYTES);
        let mut body = Vec::with_capacity(room + tail.len() + 64);
        body.extend_from_slice(b"{\"downloads\": [");
        let mut rows = Vec::with_capacity(listed.len());
        let mut known = Known::new(last);
        for (place, torrent) in listed.enumerate() {
            if place > 0 {
                body.extend_from_slice(b", ");
            }
            let start = body.len();
            let (id, mark) = (torrent.id(), torrent.mark());
            match known.text(place, id, mark) {
                Some(text) => body.extend_from_slice(text),
                None => torrent.write(&mut body),
            }
            rows.push(Row { id, mark, place: start..body.len() });
        }
        body.extend_from_slice(b"]");
        body.extend_from_slice(tail);
        body.shrink_to_fit();
        Self { key, rows, body: Bytes::from(body) }
    }
}

/// The rows of the last list; by place first, since torrents seldom come and go.
struct Known<'a> {
    last: Option<&'a Listing>,
    by_id: Option<HashMap<TorrentId, usize>>,
}

impl<'a> Known<'a> {
    fn new(last: Option<&'a Listing>) -> Self {
        Self { last, by_id: None }
    }

    fn text(&mut self, place: usize, id: TorrentId, mark: u64) -> Option<&'a [u8]> {
        let last = self.last?;
        let row = match last.rows.get(place) {
            Some(row) if row.id == id => row,
            _ => {
                let index = || last.rows.iter().zip(0..).map(|(row, at)| (row.id, at)).collect();
                last.rows.get(*self.by_id.get_or_insert_with(index).get(&id)?)?
            }
        };
        (row.mark == mark).then(|| &last.body[row.place.clone()])
    }
}

/// A mark over everything that `parts` hold.
pub(super) fn mark_of(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct One<'a>(u8, u64, &'a Cell<u32>);

    impl Listed for One<'_> {
        fn id(&self) -> TorrentId {
            TorrentId([self.0; 20])
        }

        fn mark(&self) -> u64 {
            self.1
        }

        fn write(&self, out: &mut Vec<u8>) {
            self.2.set(self.2.get() + 1);
            out.extend_from_slice(format!("{}.{}", self.0, self.1).as_bytes());
        }
    }

    fn key(torrents: u64) -> ListKey {
        ListKey { torrents, streams: 0, loading: (0, 0), facts: SessionFacts::default() }
    }

    #[test]
    fn only_changed_rows_are_written_again() {
        let (listings, written) = (Listings::default(), Cell::new(0));
        let render = |number: u64, rows: &[(u8, u64)]| {
            written.set(0);
            let rows = rows.iter().map(|(id, mark)| One(*id, *mark, &written));
            let body = listings.render(Generation::Seven, key(number), rows, b"}");
            (String::from_utf8(body.to_vec()).unwrap(), written.get())
        };
        assert_eq!(render(1, &[]), ("{\"downloads\": []}".into(), 0));
        let (text, count) = render(2, &[(1, 1), (2, 1), (3, 1)]);
        assert_eq!((text.as_str(), count), ("{\"downloads\": [1.1, 2.1, 3.1]}", 3));
        let (text, count) = render(3, &[(1, 1), (2, 2), (3, 1)]);
        assert_eq!((text.as_str(), count), ("{\"downloads\": [1.1, 2.2, 3.1]}", 1));
        let (text, count) = render(4, &[(2, 2), (3, 1), (4, 1)]);
        assert_eq!((text.as_str(), count), ("{\"downloads\": [2.2, 3.1, 4.1]}", 1));
    }

    #[test]
    fn a_kept_text_is_only_for_its_key_and_generation() {
        let listings = Listings::default();
        let none = Cell::new(0);
        listings.render(Generation::Seven, key(1), [One(1, 1, &none)].into_iter(), b"}");
        assert!(listings.of(Generation::Seven, key(1)).is_some());
        assert!(listings.of(Generation::Seven, key(2)).is_none());
        assert!(listings.of(Generation::Eight, key(1)).is_none());
    }
}
