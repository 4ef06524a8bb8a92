//! What every torrent looks like now: written by the engine thread alone, read by everybody.
//!
//! A row is an `Arc` that is replaced as a whole, so a reader holds the lock for one clone.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;

use tokio::sync::watch;

use crate::domain::hash::AnyHash;
use crate::domain::hash::Sha256Hash;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Torrent;
use crate::engine::outside::Noted;
use crate::engine::pulse::Pulse;
use crate::engine::slots::OpenSession;

/// A number that the engine gave a torrent when it was added; grows, so it orders by age.
pub(crate) type Token = u64;

/// All torrents of all sessions.
pub(crate) struct Board {
    rows: RwLock<Rows>,
    changed: watch::Sender<u64>,
    /// Beats as long as the engine thread does its work.
    pub(crate) pulse: Pulse,
    /// What is known of the way to us.
    pub(crate) outside: Noted,
    sessions: RwLock<Arc<[OpenSession]>>,
}

#[derive(Default)]
struct Rows {
    by_token: BTreeMap<Token, Arc<Torrent>>,
    by_id: HashMap<TorrentId, Token>,
    by_v2: HashMap<Sha256Hash, Token>,
    revision: u64,
}

impl Board {
    pub(crate) fn new() -> Self {
        let (rows, changed) = (RwLock::default(), watch::Sender::new(0));
        let sessions = RwLock::new(Arc::new([]) as Arc<[OpenSession]>);
        Self { rows, changed, pulse: Pulse::default(), outside: Noted::default(), sessions }
    }

    /// The sessions that run, the default one first.
    pub(crate) fn sessions(&self) -> Arc<[OpenSession]> {
        Arc::clone(&self.sessions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A session runs from now on.
    pub(crate) fn open_session(&self, session: OpenSession) {
        self.change_sessions(|sessions| sessions.push(session));
    }

    /// A session runs no longer.
    pub(crate) fn close_session(&self, number: u32) {
        self.change_sessions(|sessions| sessions.retain(|session| session.number != number));
    }

    /// A session listens at this port, the first of several; 0 when it cannot, `None` when that is
    /// to be seen.
    pub(crate) fn note_port(&self, number: u32, port: Option<u16>) {
        let is_meant = |session: &&mut OpenSession| {
            let is_news = match port {
                Some(0) => session.port.is_none(),
                Some(_) => session.port.unwrap_or(0) == 0,
                None => true,
            };
            session.number == number && is_news
        };
        self.change_sessions(|sessions| {
            sessions.iter_mut().filter(is_meant).for_each(|session| session.port = port);
        });
    }

    /// Whoever follows the rows is told of it: what is done for a torrent depends on its session.
    fn change_sessions(&self, change: impl FnOnce(&mut Vec<OpenSession>)) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = sessions.to_vec();
        change(&mut changed);
        *sessions = changed.into();
        drop(sessions);
        self.write().revision += 1;
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every torrent, in the order of adding.
    pub(crate) fn list(&self) -> Vec<Arc<Torrent>> {
        self.read().by_token.values().cloned().collect()
    }

    /// How many torrents there are.
    pub(crate) fn len(&self) -> usize {
        self.read().by_token.len()
    }

    /// The torrent of this name.
    pub(crate) fn get(&self, id: TorrentId) -> Option<Arc<Torrent>> {
        let rows = self.read();
        rows.by_token.get(rows.by_id.get(&id)?).cloned()
    }

    /// The torrent that somebody means by `hash`: by v1 first, then by v2.
    pub(crate) fn find(&self, hash: &AnyHash) -> Option<Arc<Torrent>> {
        let rows = self.read();
        let token = match hash {
            AnyHash::Short(bytes) => rows.by_id.get(&TorrentId(*bytes)).or_else(|| {
                let same = |v2: &&Sha256Hash| v2.truncated().0 == *bytes;
                rows.by_v2.keys().find(same).and_then(|v2| rows.by_v2.get(v2))
            }),
            AnyHash::Long(long) => rows.by_v2.get(long),
        };
        rows.by_token.get(token?).cloned()
    }

    /// The token of the torrent of this name.
    pub(crate) fn token(&self, id: TorrentId) -> Option<Token> {
        self.read().by_id.get(&id).copied()
    }

    /// Grows with every change of any row.
    pub(crate) fn revision(&self) -> u64 {
        self.read().revision
    }

    /// Ticks after every batch of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Puts a new row; false when a torrent with one of its hashes is there already.
    pub(crate) fn insert(&self, token: Token, mut torrent: Torrent) -> bool {
        let mut rows = self.write();
        let v2 = torrent.hashes.v2();
        if rows.by_id.contains_key(&torrent.id) || v2.is_some_and(|v2| rows.by_v2.contains_key(&v2))
        {
            return false;
        }
        rows.revision += 1;
        torrent.revision = rows.revision;
        rows.by_id.insert(torrent.id, token);
        if let Some(v2) = v2 {
            rows.by_v2.insert(v2, token);
        }
        rows.by_token.insert(token, Arc::new(torrent));
        true
    }

    /// Takes a row away.
    pub(crate) fn remove(&self, token: Token) -> Option<Arc<Torrent>> {
        let mut rows = self.write();
        let torrent = rows.by_token.remove(&token)?;
        rows.by_id.remove(&torrent.id);
        if let Some(v2) = torrent.hashes.v2() {
            rows.by_v2.remove(&v2);
        }
        rows.revision += 1;
        Some(torrent)
    }

    /// Changes one row; ignored when it is gone. A row nobody else holds is changed in place.
    pub(crate) fn update(&self, token: Token, change: impl FnOnce(&mut Torrent)) {
        let mut rows = self.write();
        let revision = rows.revision + 1;
        let Some(row) = rows.by_token.get_mut(&token) else {
            return;
        };
        let torrent = Arc::make_mut(row);
        change(torrent);
        torrent.revision = revision;
        rows.revision = revision;
    }

    /// The row of this token.
    pub(crate) fn row(&self, token: Token) -> Option<Arc<Torrent>> {
        self.read().by_token.get(&token).cloned()
    }

    /// Tells those who wait that rows changed.
    pub(crate) fn announce(&self) {
        let revision = self.revision();
        self.changed.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bitfield::Bitfield;
    use crate::domain::hash::InfoHashes;
    use crate::domain::hash::Sha1Hash;
    use crate::domain::torrent::Status;

    fn torrent(v1: Option<u8>, v2: Option<u8>) -> Torrent {
        let v1 = v1.map(|byte| Sha1Hash([byte; 20]));
        let hashes = InfoHashes::new(v1, v2.map(|byte| Sha256Hash([byte; 32]))).unwrap();
        Torrent {
            id: hashes.id(),
            hashes,
            session: "default".into(),
            name: "a".into(),
            save_path: "/".into(),
            metadata: None,
            file_priorities: Arc::new([]),
            pieces: Arc::new(Bitfield::default()),
            trackers: Arc::new([]),
            status: Status::default(),
            revision: 0,
        }
    }

    #[test]
    fn a_hybrid_is_found_by_each_of_its_names_and_added_once() {
        let board = Board::new();
        assert!(board.insert(1, torrent(Some(1), Some(2))));
        assert!(!board.insert(2, torrent(Some(1), None)));
        assert!(!board.insert(3, torrent(None, Some(2))));
        for hash in ["01".repeat(20), "02".repeat(20), "02".repeat(32)] {
            assert!(board.find(&hash.parse().unwrap()).is_some(), "{hash}");
        }
        board.remove(1);
        assert!(board.find(&AnyHash::Short([2; 20])).is_none() && board.list().is_empty());
    }

    #[test]
    fn an_update_grows_the_revision_and_leaves_held_copies_alone() {
        let board = Board::new();
        board.insert(1, torrent(Some(1), None));
        let mut changes = board.changes();
        let before = board.row(1).unwrap();
        board.update(1, |row| row.status.progress = 0.5);
        board.announce();
        assert!(changes.has_changed().unwrap());
        assert!(*changes.borrow_and_update() == board.revision());
        assert_eq!(before.status.progress, 0.0);
        assert!(board.row(1).unwrap().revision > before.revision);
    }
}
