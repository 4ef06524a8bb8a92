//! From resume data to a durable record, payload first (rule D3).
//!
//! A record that claims pieces is committed only after the files that hold them were synced. What
//! is claimed already is not synced again.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::domain::bitfield::Bitfield;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::engine::Saved;
use crate::store::ResumeRecord;
use crate::store::Store;

/// Resume records that may wait between the engine and the store.
pub const RECORDS_WAITING_MAX: usize = 1024;
/// Records made durable in one commit.
const BATCH_MAX: usize = 128;

/// Writes resume data until the engine has no more; end with it before the store is closed.
pub async fn run(store: Store, mut records: mpsc::Receiver<Saved>) {
    let mut claimed = Claimed::default();
    let mut batch = Vec::new();
    while records.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (next, work) = (std::mem::take(&mut claimed), std::mem::take(&mut batch));
        let Ok((next, synced)) = tokio::task::spawn_blocking(move || sync_all(next, work)).await
        else {
            return;
        };
        claimed = next;
        join_all(synced.into_iter().map(|record| keep(&store, record))).await;
    }
}

/// What the durable record of each torrent claims, and whether its payload could not be synced.
#[derive(Default)]
struct Claimed {
    pieces: HashMap<TorrentId, Arc<Bitfield>>,
    suspects: BTreeSet<TorrentId>,
}

struct Synced {
    saved: Saved,
    payload_synced: bool,
}

fn sync_all(mut claimed: Claimed, batch: Vec<Saved>) -> (Claimed, Vec<Synced>) {
    let synced = batch.into_iter().map(|saved| {
        let payload_synced = sync_one(&mut claimed, &saved);
        Synced { saved, payload_synced }
    });
    let synced = synced.collect();
    (claimed, synced)
}

/// Whether everything the record claims is on the disk.
///
/// A sync that failed once is never believed again (rule D9): the system reports the loss only
/// once, so the torrent stays suspect until it was checked after a start.
fn sync_one(claimed: &mut Claimed, saved: &Saved) -> bool {
    let before = claimed.pieces.insert(saved.id, Arc::clone(&saved.pieces));
    let before = before.filter(|_| !saved.was_checked);
    if let Some(metadata) = &saved.metadata
        && let Err(error) = sync_payload(saved, metadata, before.as_deref())
    {
        tracing::error!(%error, torrent = %saved.id,
            "cannot make a torrent's files durable; it is checked after the next restart");
        claimed.suspects.insert(saved.id);
    }
    !claimed.suspects.contains(&saved.id)
}

fn sync_payload(saved: &Saved, metadata: &Metadata, before: Option<&Bitfield>) -> io::Result<()> {
    let root = Path::new(&*saved.save_path);
    let mut directories = BTreeSet::new();
    for file in newly_claimed(metadata, &saved.pieces, before) {
        let path = root.join(&file.path);
        if sync_file(&path)? {
            note_directories(root, &path, &mut directories);
        }
    }
    sync_file(&root.join(format!(".{}.parts", saved.id)))?;
    for directory in directories {
        sync_file(&directory)?;
    }
    Ok(())
}

/// Files with a piece that the last record did not claim; all when there was none.
fn newly_claimed<'a>(
    metadata: &'a Metadata,
    pieces: &'a Bitfield,
    before: Option<&'a Bitfield>,
) -> impl Iterator<Item = &'a crate::domain::metadata::File> {
    metadata.files.iter().filter(|file| !file.is_padding).filter(move |file| {
        let (Some(before), Some((first, last))) = (before, metadata.pieces_of(file)) else {
            return true;
        };
        // Before the first status the pieces are unknown, not absent.
        pieces.is_empty() || (first..=last).any(|piece| pieces.has(piece) && !before.has(piece))
    })
}

/// Syncs one file; false when there is none (nothing was written to it yet).
fn sync_file(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => file.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A new file is durable only with the entries that lead to it.
fn note_directories(root: &Path, path: &Path, directories: &mut BTreeSet<PathBuf>) {
    for directory in path.ancestors().skip(1) {
        directories.insert(directory.to_owned());
        if directory == root {
            return;
        }
    }
}

async fn keep(store: &Store, record: Synced) {
    let Synced { saved, payload_synced } = record;
    let result = store
        .save_resume(ResumeRecord {
            id: saved.id,
            resume: saved.resume,
            metadata_file: saved.metadata_file,
            name: saved.name.to_string(),
            save_path: saved.save_path.to_string(),
            payload_synced,
            claimed_pieces: saved.pieces.count(),
        })
        .await;
    if let Err(error) = &result {
        tracing::error!(%error, torrent = %saved.id, "cannot save a torrent's progress");
    }
    for waiter in saved.waiters {
        let _ = waiter.send(outcome(&result, payload_synced));
    }
}

fn outcome(result: &Result<()>, payload_synced: bool) -> Result<()> {
    result.clone()?;
    if payload_synced {
        return Ok(());
    }
    Err(Error::internal("the torrent's files could not be made durable"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metadata::File as TorrentFile;

    fn metadata() -> Metadata {
        let file = |path: &str, offset_bytes| TorrentFile {
            path: path.into(),
            size_bytes: 10,
            offset_bytes,
            is_padding: false,
        };
        Metadata {
            files: vec![file("t/a", 0), file("t/b", 10)],
            piece_length: 10,
            piece_count: 2,
            ..Metadata::default()
        }
    }

    /// Rule D3: only what is newly claimed needs the disk, and everything when that is unknown.
    #[test]
    fn files_of_newly_claimed_pieces_are_synced() {
        let metadata = metadata();
        let mut first = Bitfield::from_bytes(Vec::new(), 2);
        first.set(0);
        let names = |pieces: &Bitfield, before: Option<&Bitfield>| -> Vec<String> {
            newly_claimed(&metadata, pieces, before).map(|file| file.path.clone()).collect()
        };
        assert_eq!(names(&Bitfield::full(2), Some(&first)), ["t/b"]);
        assert_eq!(names(&first, Some(&first)), [""; 0]);
        assert_eq!(names(&Bitfield::full(2), None), ["t/a", "t/b"]);
        assert_eq!(names(&Bitfield::default(), Some(&first)), ["t/a", "t/b"]);
    }

    /// Rule D3: a new file's directories up to the save path are synced with it.
    #[test]
    fn directories_of_new_files_are_synced() {
        let mut found = BTreeSet::new();
        note_directories(Path::new("/r"), Path::new("/r/t/s/a"), &mut found);
        let wanted = ["/r", "/r/t", "/r/t/s"].map(PathBuf::from);
        assert_eq!(found, BTreeSet::from(wanted));
    }
}
