//! What changed between two looks: torrents and swarms that came, changed or went.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::hash::TorrentId;
use crate::domain::swarm::SwarmSummary;
use crate::domain::torrent::Torrent;
use crate::service::events::Changed;
use crate::service::events::Labelled;
use crate::service::events::Look;

/// Brings `known` up to date and tells what that changed.
pub(super) fn torrents_changed(
    present: Vec<Labelled>,
    known: &mut BTreeMap<TorrentId, Labelled>,
    look: Look,
) -> Vec<(TorrentId, Changed<Labelled>)> {
    let mut changed = Vec::new();
    for torrent in &present {
        let before = known.get(&torrent.id);
        let is_to_tell = before.is_none_or(|before| match look {
            Look::AtAll => !is_same(before, torrent),
            Look::AtStates => state_of(before) != state_of(torrent),
        });
        if is_to_tell {
            let before = known.insert(torrent.id, torrent.clone());
            changed.push((torrent.id, Changed { before, after: Some(torrent.clone()) }));
        }
    }
    if known.len() > present.len() {
        let there: HashSet<TorrentId> = present.iter().map(|t| t.id).collect();
        let gone: Vec<TorrentId> =
            known.keys().filter(|id| !there.contains(*id)).copied().collect();
        for id in gone {
            changed.push((id, Changed { before: known.remove(&id), after: None }));
        }
    }
    changed.sort_unstable_by_key(|(id, _)| *id);
    changed
}

/// Whether nothing differs that any API shows in a list; pieces and connections are not of it.
fn is_same(before: &Labelled, after: &Labelled) -> bool {
    let (old, new) = (&before.labels, &after.labels);
    let is_same_wish = before.seed_ratio == after.seed_ratio;
    let is_same_label = Arc::ptr_eq(old, new) || old == new;
    is_same_label && is_same_wish && is_same_torrent(&before.torrent, &after.torrent)
}

fn is_same_torrent(before: &Arc<Torrent>, after: &Arc<Torrent>) -> bool {
    Arc::ptr_eq(before, after)
        || before.revision == after.revision
        || (before.status == after.status
            && before.name == after.name
            && before.save_path == after.save_path
            && before.metadata.is_some() == after.metadata.is_some()
            && before.file_priorities == after.file_priorities
            && Arc::ptr_eq(&before.trackers, &after.trackers))
}

/// What is told at once when it changes.
fn state_of(torrent: &Torrent) -> impl PartialEq + '_ {
    let status = &torrent.status;
    let has_metadata = torrent.metadata.is_some();
    (status.stage, status.is_paused, status.is_moving, status.error.as_str(), has_metadata)
}

/// Brings `known` up to date and tells what that changed; `present` is in the order of the hashes.
pub(super) fn swarms_changed(
    present: Vec<SwarmSummary>,
    known: &mut BTreeMap<TorrentId, SwarmSummary>,
) -> Vec<(TorrentId, Changed<SwarmSummary>)> {
    values_changed(present.into_iter().map(|one| (one.info_hash, one)).collect(), known)
}

/// Brings `known` up to date and tells what that changed, in the order of the keys.
pub(super) fn values_changed<K: Ord + Clone, V: PartialEq + Clone>(
    present: BTreeMap<K, V>,
    known: &mut BTreeMap<K, V>,
) -> Vec<(K, Changed<V>)> {
    let mut gone = std::mem::take(known);
    let mut changed = Vec::new();
    for (key, after) in &present {
        let before = gone.remove(key);
        if before.as_ref() != Some(after) {
            changed.push((key.clone(), Changed { before, after: Some(after.clone()) }));
        }
    }
    *known = present;
    let left = gone.into_iter();
    changed.extend(left.map(|(key, before)| (key, Changed { before: Some(before), after: None })));
    changed.sort_by(|(one, _), (other, _)| one.cmp(other));
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::swarm::SwarmCounts;

    #[test]
    fn swarms_that_came_changed_and_went_are_told() {
        let swarm = |byte, seeders| SwarmSummary {
            info_hash: TorrentId([byte; 20]),
            counts: SwarmCounts { seeders, ..SwarmCounts::default() },
            is_flagged: false,
        };
        let mut known = BTreeMap::new();
        let first = swarms_changed(vec![swarm(1, 1), swarm(2, 1), swarm(3, 1)], &mut known);
        assert!(first.len() == 3 && first.iter().all(|(_, one)| one.before.is_none()));
        let next = swarms_changed(vec![swarm(2, 2), swarm(3, 1), swarm(4, 1)], &mut known);
        let told: Vec<_> = next
            .iter()
            .map(|(hash, one)| (hash.0[0], one.before.is_some(), one.after.is_some()))
            .collect();
        assert_eq!(told, [(1, true, false), (2, true, true), (4, false, true)]);
        assert_eq!(known.len(), 3);
    }
}
