//! The events of Porla (section 7), in the frames of server-sent events. Members stand in
//! alphabetical order, as in the original.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dialects::porla::json::Hash;
use crate::domain::torrent::Torrent;
use crate::service::events::Change;

/// What every stream begins with.
pub(super) const HELLO: &[u8] = b"event: hello\ndata: {}\n\n";

/// Torrents of one session that changed.
#[derive(Serialize)]
struct StateUpdate<'a> {
    info_hashes: Vec<Hash>,
    session: &'a str,
}

/// Something happened to one torrent.
#[derive(Serialize)]
struct Happened<'a> {
    info_hash: Hash,
    session: &'a str,
}

/// A change in Porla's events: what happened to single torrents, then which changed at all. Empty
/// when no torrent did.
pub(super) fn words(change: &Change) -> Vec<u8> {
    let mut text = Vec::new();
    let mut changed: BTreeMap<&str, Vec<Hash>> = BTreeMap::new();
    for (_, torrent) in &change.torrents {
        let (before, after) = (torrent.before.as_deref(), torrent.after.as_deref());
        if let Some(name) = happened(before, after) {
            let told = after.or(before).map(|torrent| Happened {
                info_hash: Hash(torrent.hashes),
                session: &torrent.session,
            });
            append(&mut text, name, &told);
        }
        if let Some(after) = after {
            changed.entry(&after.session).or_default().push(Hash(after.hashes));
        }
    }
    for (session, info_hashes) in changed {
        append(&mut text, "state_update", &StateUpdate { info_hashes, session });
    }
    text
}

/// The name of the event that a change of one torrent is, if it is one; there is none for a torrent
/// that is new.
fn happened(before: Option<&Torrent>, after: Option<&Torrent>) -> Option<&'static str> {
    let Some(after) = after else { return Some("torrent_removed") };
    match (before?.status.is_paused, after.status.is_paused) {
        (false, true) => Some("torrent_paused"),
        (true, false) => Some("torrent_resumed"),
        _ => None,
    }
}

fn append(text: &mut Vec<u8>, event: &str, data: &impl Serialize) {
    text.extend_from_slice(format!("event: {event}\ndata: ").as_bytes());
    // Writing to memory cannot fail, and no wire struct has a fallible field.
    let written = serde_json::to_writer(&mut *text, data);
    debug_assert!(written.is_ok(), "{written:?}");
    text.extend_from_slice(b"\n\n");
}
