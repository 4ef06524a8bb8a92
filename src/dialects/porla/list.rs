//! Lists of torrents: filtered, sorted, a page at a time.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::errors::More;
use crate::dialects::porla::json::Hash;
use crate::dialects::porla::json::Object;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::list_wire::Count;
use crate::dialects::porla::list_wire::Counted;
use crate::dialects::porla::list_wire::Filters;
use crate::dialects::porla::list_wire::Get;
use crate::dialects::porla::list_wire::List;
use crate::dialects::porla::list_wire::Page;
use crate::dialects::porla::list_wire::Row;
use crate::dialects::porla::list_wire::RowError;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Status;
use crate::domain::torrent::Torrent;
use crate::domain::torrent_flags::TorrentFlags;
use crate::service::access::unix_now_s;
use crate::service::filter::Around;
use crate::service::filter::Filter;
use crate::service::labels::LabelSet;

/// The order of a list when none is named.
const ORDER: &str = "queue_position";
/// Torrents of a page when nothing is said.
const PAGE_SIZE: i64 = 50;
/// The error of a query, and where it is wrong.
const QUERY_ERROR: i32 = -1000;

impl Porla {
    pub(super) async fn list(&self, params: Params) -> Outcome {
        let wish: List = params.read()?;
        let order_by = wish.order_by.as_deref().unwrap_or(ORDER);
        let direction = wish.order_by_dir.as_deref().unwrap_or("asc");
        let key = key_of(order_by).ok_or_else(|| Failure::of(-1, "Invalid field in 'order_by'"))?;
        let all = self.services.torrents.list();
        let unfiltered = all.len();
        let mut torrents = self.filtered(all, &wish.filters)?;
        sort(&mut torrents, key, direction == "asc");
        let (page, page_size) = (wish.page.unwrap_or(0), wish.page_size.unwrap_or(PAGE_SIZE));
        let shown = page_of(&torrents, page, page_size)?;
        let names = wish.include_metadata.unwrap_or_default();
        let now_s = unix_now_s();
        let labels: Vec<_> =
            shown.iter().map(|torrent| self.services.labels.get(torrent.id)).collect();
        let rows = shown.iter().zip(&labels);
        answer(&Page {
            order_by,
            order_by_dir: direction,
            page,
            page_size,
            torrents: rows.map(|(torrent, labels)| row(torrent, labels, &names, now_s)).collect(),
            torrents_total: torrents.len(),
            torrents_total_unfiltered: unfiltered,
        })
    }

    pub(super) async fn count(&self, params: Params) -> Outcome {
        let wish: Count = params.read()?;
        let torrents = self.filtered(self.services.torrents.list(), &wish.filters)?;
        answer(&Counted { count: torrents.len() })
    }

    pub(super) async fn get(&self, params: Params) -> Outcome {
        let wish: Get = params.read()?;
        let torrent = self.find(&wish.info_hash)?;
        let labels = self.services.labels.get(torrent.id);
        let names = wish.include_metadata.unwrap_or_default();
        answer(&row(&torrent, &labels, &names, unix_now_s()))
    }

    /// Those that pass every filter.
    fn filtered(
        &self,
        torrents: Vec<Arc<Torrent>>,
        filters: &Filters,
    ) -> Result<Vec<Arc<Torrent>>, Failure> {
        if *filters == Filters::default() {
            return Ok(torrents);
        }
        let query = filters.query.as_deref().map(Filter::parse).transpose();
        let query = query.map_err(|error| Failure::Method {
            code: QUERY_ERROR,
            message: error.message,
            more: More::Position(i64::try_from(error.position).unwrap_or(-1)),
        })?;
        let labels = &self.services.labels;
        let around = Around {
            now_s: unix_now_s(),
            category: &|id| labels.get(id).category.clone(),
            tags: &|id| labels.get(id).tags.clone(),
            swarm: &|_| None,
        };
        let passes = |torrent: &Arc<Torrent>| {
            let is = |wish: &Option<String>, value: &str| {
                wish.as_deref().is_none_or(|wish| wish == value)
            };
            let own = labels.get(torrent.id);
            is(&filters.save_path, &torrent.save_path)
                && is(&filters.session, &torrent.session)
                && (filters.category.is_none() || filters.category == own.category)
                && filters.tags.as_ref().is_none_or(|tag| own.tags.contains(tag))
                && query.as_ref().is_none_or(|query| query.passes(torrent, &around))
        };
        Ok(torrents.into_iter().filter(passes).collect())
    }
}

/// What a list is sorted by.
enum Key {
    Number(f64),
    Text(Arc<str>),
}

/// The value of a field, and whether the torrent is to come last in either direction.
type KeyOf = fn(&Torrent) -> (Key, bool);

#[expect(clippy::cast_precision_loss, reason = "sizes are below 2^53 (rule F4)")]
fn key_of(field: &str) -> Option<KeyOf> {
    let key: KeyOf = match field {
        "download_rate" => |torrent| number(f64::from(torrent.status.download_rate)),
        "eta" => |torrent| negative_last(eta(&torrent.status) as f64),
        "list_peers" => |torrent| number(f64::from(torrent.status.known_peers)),
        "list_seeds" => |torrent| number(f64::from(torrent.status.known_seeds)),
        "name" => |torrent| (Key::Text(Arc::clone(&torrent.name)), false),
        "num_peers" => |torrent| number(f64::from(torrent.status.connected_peers)),
        "num_seeds" => |torrent| number(f64::from(torrent.status.connected_seeds)),
        "progress" => |torrent| number(f64::from(torrent.status.progress)),
        "queue_position" => |torrent| negative_last(f64::from(torrent.status.queue_position)),
        "ratio" => |torrent| number(ratio(&torrent.status)),
        "save_path" => |torrent| (Key::Text(Arc::clone(&torrent.save_path)), false),
        "size" => |torrent| number(size(torrent) as f64),
        "total" => |torrent| number(total(torrent) as f64),
        "total_done" => |torrent| number(torrent.status.done_bytes as f64),
        "upload_rate" => |torrent| number(f64::from(torrent.status.upload_rate)),
        _ => return None,
    };
    Some(key)
}

fn number(value: f64) -> (Key, bool) {
    (Key::Number(value), false)
}

fn negative_last(value: f64) -> (Key, bool) {
    (Key::Number(value), value < 0.0)
}

/// Sorts by a field; those that are equal stay in the order of adding.
fn sort(torrents: &mut Vec<Arc<Torrent>>, key: KeyOf, ascending: bool) {
    let mut keyed: Vec<((Key, bool), Arc<Torrent>)> =
        torrents.drain(..).map(|torrent| (key(&torrent), torrent)).collect();
    keyed.sort_by(|((left, left_last), _), ((right, right_last), _)| {
        let order = match (left, right) {
            (Key::Number(left), Key::Number(right)) => left.total_cmp(right),
            (Key::Text(left), Key::Text(right)) => left.cmp(right),
            _ => Ordering::Equal,
        };
        let order = if ascending { order } else { order.reverse() };
        left_last.cmp(right_last).then(order)
    });
    torrents.extend(keyed.into_iter().map(|(_, torrent)| torrent));
}

fn page_of(torrents: &[Arc<Torrent>], page: i64, size: i64) -> Result<&[Arc<Torrent>], Failure> {
    let too_large = || Failure::of(-2, "Invalid page - too large.");
    let size = usize::try_from(size.max(0)).unwrap_or(usize::MAX);
    let page = usize::try_from(page).map_err(|_| too_large())?;
    let rest = torrents.get(page.saturating_mul(size)..).ok_or_else(too_large)?;
    Ok(&rest[..size.min(rest.len())])
}

/// One torrent as lists show it.
fn row<'a>(torrent: &'a Torrent, labels: &LabelSet, names: &[String], now_s: i64) -> Row<'a> {
    let status = &torrent.status;
    let ago = |at: i64| if at > 0 { (now_s - at).max(0) } else { -1 };
    Row {
        active_duration: status.active_s,
        all_time_download: status.all_time_download_bytes,
        all_time_upload: status.all_time_upload_bytes,
        category: labels.category.clone(),
        download_rate: status.download_rate,
        error: (!status.error.is_empty())
            .then_some(RowError { message: &status.error, value: status.error_value }),
        eta: eta(status),
        finished_duration: status.finished_s,
        flags: flags(status),
        info_hash: Hash(torrent.hashes),
        last_download: ago(status.last_download_at),
        last_upload: ago(status.last_upload_at),
        list_peers: status.known_peers,
        list_seeds: status.known_seeds,
        metadata: match names.is_empty() {
            true => Object::default(),
            false => Object::from_text(&labels.metadata).only(names),
        },
        moving_storage: status.is_moving,
        name: &torrent.name,
        num_peers: status.connected_peers,
        num_seeds: status.connected_seeds,
        progress: f64::from(if status.progress.is_finite() { status.progress } else { 0.0 }),
        queue_position: status.queue_position,
        ratio: ratio(status),
        save_path: &torrent.save_path,
        seeding_duration: status.seeding_s,
        session: &torrent.session,
        size: size(torrent),
        state: state(status.stage),
        tags: labels.tags.clone(),
        total: total(torrent),
        total_done: status.done_bytes,
        upload_rate: status.upload_rate,
    }
}

/// The names of the flags that are set. What was asked for last counts before what libtorrent told
/// last.
fn flags(status: &Status) -> Vec<&'static str> {
    let flags = status
        .flags
        .with(TorrentFlags::PAUSED, status.is_paused)
        .with(TorrentFlags::AUTO_MANAGED, status.is_auto_managed);
    flags.each().filter_map(|(name, is_set)| is_set.then_some(name)).collect()
}

/// Seconds until all that is wanted is there; -1 when nothing comes or nothing is missing.
fn eta(status: &Status) -> i64 {
    match status.wanted_bytes.saturating_sub(status.wanted_done_bytes) {
        0 => -1,
        left => left
            .checked_div(status.download_rate.into())
            .and_then(|seconds| i64::try_from(seconds).ok())
            .unwrap_or(-1),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of byte counts for people")]
fn ratio(status: &Status) -> f64 {
    match status.all_time_download_bytes {
        0 => 0.0,
        down => status.all_time_upload_bytes as f64 / down as f64,
    }
}

/// Bytes of all files; -1 before the metadata is known.
fn size(torrent: &Torrent) -> i64 {
    let size = torrent.metadata.as_ref().map(|metadata| metadata.total_bytes);
    size.and_then(|size| i64::try_from(size).ok()).unwrap_or(-1)
}

fn total(torrent: &Torrent) -> u64 {
    torrent.metadata.as_ref().map_or(0, |metadata| metadata.total_bytes)
}

/// libtorrent's number of a state. It has none for a torrent that it has not seen yet.
fn state(stage: Stage) -> u8 {
    match stage {
        Stage::Checking => 1,
        Stage::Metadata => 2,
        Stage::Downloading => 3,
        Stage::Finished => 4,
        Stage::Seeding => 5,
        Stage::Loading | Stage::CheckingResume => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bitfield::Bitfield;
    use crate::domain::hash::InfoHashes;
    use crate::domain::hash::Sha1Hash;

    fn torrent(name: &str, status: Status) -> Arc<Torrent> {
        let hashes = InfoHashes::new(Some(Sha1Hash([1; 20])), None).unwrap();
        Arc::new(Torrent {
            id: hashes.id(),
            hashes,
            session: "default".into(),
            name: name.into(),
            save_path: "/srv".into(),
            metadata: None,
            file_priorities: Arc::new([]),
            pieces: Arc::new(Bitfield::default()),
            trackers: Arc::new([]),
            status,
            revision: 0,
        })
    }

    fn in_queue(name: &str, queue_position: i32) -> Arc<Torrent> {
        torrent(name, Status { queue_position, ..Status::default() })
    }

    fn names(torrents: &[Arc<Torrent>]) -> Vec<String> {
        torrents.iter().map(|torrent| torrent.name.to_string()).collect()
    }

    /// Section 6: negative places sort last both ways, names bytewise.
    #[test]
    fn the_order_is_that_of_the_contract() {
        let mut torrents = vec![in_queue("b", -1), in_queue("a", 1), in_queue("Z", 0)];
        for (field, ascending, expected) in [
            ("queue_position", true, ["Z", "a", "b"]),
            ("queue_position", false, ["a", "Z", "b"]),
            ("name", true, ["Z", "a", "b"]),
            ("name", false, ["b", "a", "Z"]),
        ] {
            sort(&mut torrents, key_of(field).unwrap(), ascending);
            assert_eq!(names(&torrents), expected, "{field} {ascending}");
        }
        for field in [
            "download_rate",
            "eta",
            "list_peers",
            "list_seeds",
            "num_peers",
            "num_seeds",
            "progress",
            "ratio",
            "save_path",
            "size",
            "total",
            "total_done",
            "upload_rate",
        ] {
            assert!(key_of(field).is_some(), "{field}");
        }
        assert!(key_of("id").is_none());
    }

    /// Section 6: a page may begin exactly at the end, and not after it.
    #[test]
    fn a_page_beyond_the_end_is_an_error() {
        let torrents = [in_queue("a", 0), in_queue("b", 1)];
        let count = |page, size| page_of(&torrents, page, size).map(<[_]>::len).ok();
        assert_eq!(count(0, 50), Some(2));
        assert_eq!(count(1, 1), Some(1));
        assert_eq!(count(2, 1), Some(0));
        assert_eq!(count(3, 1), None);
        assert_eq!(count(-1, 1), None);
        assert_eq!(count(i64::MAX, i64::MAX), None);
        assert_eq!(count(0, -5), Some(0));
    }

    #[test]
    fn odd_numbers_are_those_of_the_contract() {
        let none = torrent("a", Status { progress: f32::NAN, ..Status::default() });
        let row = row(&none, &LabelSet::default(), &[], 100);
        assert_eq!((row.eta, row.size, row.total, row.last_upload), (-1, -1, 0, -1));
        assert_eq!((row.ratio, row.progress, row.state), (0.0, 0.0, 7));
        let half = Status {
            wanted_bytes: 100,
            wanted_done_bytes: 50,
            download_rate: 10,
            last_download_at: 88,
            is_auto_managed: true,
            flags: TorrentFlags(1 << 3 | 1 << 4),
            ..Status::default()
        };
        let half = torrent("a", half);
        let row = super::row(&half, &LabelSet::default(), &[], 100);
        assert_eq!((row.eta, row.last_download), (5, 12));
        assert_eq!(row.flags, ["apply_ip_filter", "auto_managed"]);
    }
}
