//! What a filter can ask of a torrent: flags, numbers, texts. Also what lists are sorted by.

use std::borrow::Cow;

use crate::domain::remote_tracker::RemoteTracker;
use crate::domain::torrent::Stage;
use crate::domain::torrent::State;
use crate::domain::torrent::Torrent;
use crate::service::filter::Around;

/// A yes or no of a torrent.
pub(super) type FlagOf = fn(&Torrent) -> bool;
/// A number of a torrent; `None` while it is not known.
pub(super) type NumberOf = for<'a> fn(&Torrent, &Around<'a>) -> Option<f64>;
/// A text of a torrent; `None` when it has none.
pub(super) type TextOf = for<'t, 'a> fn(&'t Torrent, &Around<'a>) -> Option<Cow<'t, str>>;

/// The field that is a set of texts: only `contains` asks it.
pub(super) const TAGS: &str = "tags";

/// What `is:` takes. `downloading`, `finished`, `moving`, `paused` and `seeding` are Porla's, by
/// libtorrent's state: a paused torrent may well be `seeding` too.
pub(super) const FLAGS: &[(&str, FlagOf)] = &[
    ("active", |t| t.status.download_rate > 0 || t.status.upload_rate > 0),
    ("auto_managed", |t| t.status.is_auto_managed),
    ("checking", |t| t.state() == State::Checking),
    ("complete", Torrent::is_complete),
    ("downloading", |t| t.status.stage == Stage::Downloading),
    ("error", |t| !t.status.error.is_empty()),
    ("finished", |t| t.status.stage == Stage::Finished),
    ("metadata", |t| t.metadata.is_some()),
    ("moving", |t| t.status.is_moving),
    ("paused", |t| t.status.is_paused),
    ("private", |t| t.metadata.as_ref().is_some_and(|metadata| metadata.is_private)),
    ("queued", |t| t.state() == State::Queued),
    ("seeding", |t| t.status.stage == Stage::Seeding),
    ("stopped", |t| t.state() == State::Stopped),
];

#[expect(clippy::cast_precision_loss, reason = "sizes are below 2^53 (rule F4)")]
fn whole(value: u64) -> Option<f64> {
    Some(value as f64)
}

#[expect(clippy::cast_precision_loss, reason = "Unix seconds are far below 2^53")]
fn signed(value: i64) -> Option<f64> {
    Some(value as f64)
}

/// A moment; one that has not been is not known.
fn moment(at: i64) -> Option<f64> {
    signed(at).filter(|_| at > 0)
}

fn duration(seconds: u64) -> Option<f64> {
    whole(seconds)
}

/// Fields with a number: bytes, bytes/s, seconds, Unix seconds or counts. The first ones are
/// Porla's.
pub(super) const NUMBERS: &[(&str, NumberOf)] = &[
    ("active_duration", |t, _| duration(t.status.active_s)),
    ("age", |t, around| signed(around.now_s.saturating_sub(t.status.added_at))),
    ("download_rate", |t, _| Some(t.status.download_rate.into())),
    ("finished_duration", |t, _| duration(t.status.finished_s)),
    ("progress", |t, _| Some(t.status.progress.into())),
    ("ratio", |t, _| Some(t.status.ratio())),
    ("seeding_duration", |t, _| duration(t.status.seeding_s)),
    ("size", |t, _| t.metadata.as_ref().and_then(|metadata| whole(metadata.total_bytes))),
    ("upload_rate", |t, _| Some(t.status.upload_rate.into())),
    ("added_at", |t, _| moment(t.status.added_at)),
    ("availability", |t, _| Some(t.status.availability.into()).filter(|copies| *copies >= 0.0)),
    ("completed_at", |t, _| moment(t.status.completed_at)),
    ("connected_peers", |t, _| Some(t.status.connected_peers.into())),
    ("connected_seeders", |t, _| Some(t.status.connected_seeds.into())),
    ("done", |t, _| whole(t.status.wanted_done_bytes)),
    ("download_limit", |t, _| Some(t.status.download_limit.into())),
    ("downloaded", |t, _| whole(t.status.all_time_download_bytes)),
    ("eta", |t, _| t.status.eta_s().and_then(whole)),
    ("files", |t, _| {
        let files = &t.metadata.as_ref()?.files;
        whole(files.iter().filter(|file| !file.is_padding).count() as u64)
    }),
    ("last_download_at", |t, _| moment(t.status.last_download_at)),
    ("last_upload_at", |t, _| moment(t.status.last_upload_at)),
    ("leechers", |t, _| Some(t.status.leechers().into())),
    ("left", |t, _| whole(t.status.wanted_bytes.saturating_sub(t.status.wanted_done_bytes))),
    ("queue_position", |t, _| {
        Some(t.status.queue_position.into()).filter(|position| *position >= 0.0)
    }),
    ("seeders", |t, _| Some(t.status.seeders().into())),
    ("swarm_completed", |t, around| (around.swarm)(t.id).map(|counts| counts.completed.into())),
    ("swarm_leechers", |t, around| (around.swarm)(t.id).map(|counts| counts.leechers.into())),
    ("swarm_seeders", |t, around| (around.swarm)(t.id).map(|counts| counts.seeders.into())),
    ("upload_limit", |t, _| Some(t.status.upload_limit.into())),
    ("uploaded", |t, _| whole(t.status.all_time_upload_bytes)),
    ("wanted", |t, _| whole(t.status.wanted_bytes)),
];

/// Fields with a text. `category`, `name` and `save_path` are Porla's.
pub(super) const TEXTS: &[(&str, TextOf)] = &[
    ("category", |t, around| (around.category)(t.id).map(Cow::Owned)),
    ("name", |t, _| Some(Cow::Borrowed(&t.name))),
    ("save_path", |t, _| Some(Cow::Borrowed(&t.save_path))),
    ("comment", |t, _| t.metadata.as_ref().map(|metadata| Cow::Borrowed(&*metadata.comment))),
    ("error", |t, _| Some(Cow::Borrowed(&*t.status.error)).filter(|error| !error.is_empty())),
    ("info_hash", |t, _| Some(Cow::Owned(t.id.to_string()))),
    ("info_hash_v2", |t, _| t.hashes.v2().map(|v2| Cow::Owned(v2.to_string()))),
    ("session", |t, _| Some(Cow::Borrowed(&t.session))),
    ("state", |t, _| Some(Cow::Borrowed(t.state().name()))),
    ("tracker", |t, _| {
        // All of them as one text, so that `contains` finds any. Only the hosts: what follows may
        // be a passkey, which nobody may find out by guessing.
        let hosts: Vec<&str> = t.trackers.iter().map(RemoteTracker::host).collect();
        Some(Cow::Owned(hosts.join(" ")))
    }),
];

/// The entry of this name.
pub(super) fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}
