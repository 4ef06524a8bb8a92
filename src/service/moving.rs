//! Torrents' files on their way to another directory, and the end of a move that a crash cut short
//! (rule D20).
//!
//! The disk moves first and the record follows. In between, and in the middle of many files, the
//! record says where the files were; so where they are going is durable before the first of them
//! moves.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Mutex;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::engine::Prepared;
use crate::service::paths::Roots;
use crate::service::properties::MoveMode;
use crate::service::torrents::Torrents;
use crate::service::torrents::payload_files;

/// How long a caller waits for files to be moved; a longer move goes on by itself.
const MOVE_LIMIT: Duration = Duration::from_secs(10);

/// The moves of each torrent, counted: who forgets one must not forget the next, even when it goes
/// to the same place.
pub(super) type Moves = DashMap<TorrentId, Arc<Mutex<u64>>>;

impl Torrents {
    /// Moves the files under a root (rule F1). A move that takes long goes on by itself.
    ///
    /// # Errors
    /// `NotFound`; Forbidden; Invalid with the system's text.
    pub async fn move_storage(&self, id: TorrentId, destination: &str) -> Result<()> {
        let torrent = self.get(id)?;
        let path = self.resolve_existing(destination).await?;
        self.drop_completed_dir(&torrent).await?;
        // Whoever no longer waits does not end it.
        let torrents = self.clone();
        let moving = async move { torrents.relocate(id, path, MoveMode::FailIfExists).await };
        match tokio::time::timeout(MOVE_LIMIT, tokio::spawn(moving)).await {
            Ok(outcome) => outcome.map_err(|_| Error::internal("moving files panicked"))?,
            Err(_) => Ok(()),
        }
    }

    /// Moves the files to a directory that was checked, and answers when the store knows it.
    ///
    /// # Errors
    /// `NotFound`; Invalid with the system's text; `StorageFull`; Busy.
    pub(super) async fn relocate(&self, id: TorrentId, path: String, mode: MoveMode) -> Result<()> {
        if mode == MoveMode::FailIfExists {
            self.refuse_in_the_way(id, &path).await?;
        }
        let number = self.begin_noted_move(id, &path).await?;
        match self.inner.engine.move_storage(id, path, mode).await {
            // Where it went is where it is from now on.
            Ok(()) => self.inner.engine.save(id).await,
            // Perhaps the program is ending and the disk goes on.
            Err(error) if error.kind() == ErrorKind::Busy => Err(error),
            // Nothing was moved, or all of it was taken back.
            Err(error) => {
                self.forget_move(id, number).await?;
                Err(error)
            }
        }
    }

    /// Keeps how a move that was cut short has ended, once the engine was given the torrent.
    pub(super) fn settle_move(&self, id: TorrentId) {
        let torrents = self.clone();
        tokio::runtime::Handle::current().spawn(async move {
            let kept = match torrents.inner.engine.save(id).await {
                Ok(()) => torrents.forget_move(id, 0).await,
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
                tracing::warn!(%error, torrent = %id, "cannot keep where its files are");
            }
        });
    }

    /// The disk looks again; but only what is known before anything is noted can never be taken for
    /// a file of the torrent after a crash, and the disk does not say which file it is.
    async fn refuse_in_the_way(&self, id: TorrentId, path: &str) -> Result<()> {
        let torrent = self.get(id)?;
        if *torrent.save_path == *path {
            return Ok(());
        }
        let files = payload_files(id, torrent.metadata.as_deref());
        let to = Path::new(path).to_owned();
        let look = move || files.into_iter().find(|file| is_there(&to.join(file)));
        let found = tokio::task::spawn_blocking(look).await;
        match found.map_err(|_| Error::internal("looking at files panicked"))? {
            Some(file) => {
                let message = format!("cannot move the files: `{file}` is in `{path}` already");
                Err(Error::invalid(message))
            }
            None => Ok(()),
        }
    }

    async fn begin_noted_move(&self, id: TorrentId, path: &str) -> Result<u64> {
        let count = Arc::clone(&self.inner.moves.entry(id).or_default());
        let (mut count, path) = (count.lock().await, path.to_owned());
        *count += 1;
        self.change_options(id, move |options| options.moving_to.clone_from(&path)).await?;
        Ok(*count)
    }

    /// Forgets the move of this number; 0 = one of before the start.
    async fn forget_move(&self, id: TorrentId, number: u64) -> Result<()> {
        let count = Arc::clone(&self.inner.moves.entry(id).or_default());
        let count = count.lock().await;
        match *count == number {
            true => self.change_options(id, |options| options.moving_to.clear()).await,
            false => Ok(()),
        }
    }
}

/// Ends a move to `target` that was cut short: files that had all gone stay there, and others go
/// back to where the record says. Whether there was something to do. Blocks.
///
/// # Errors
/// With the system's text.
pub(super) fn end(roots: &Roots, prepared: &mut Prepared, target: &str) -> Result<bool> {
    if target.is_empty() || *prepared.save_path == *target || roots.resolve(target).is_err() {
        return Ok(false);
    }
    let source = prepared.save_path.to_string();
    let all = payload_files(prepared.hashes.id(), prepared.metadata.as_deref());
    let (files, part_file) = all.split_at(all.len().saturating_sub(1));
    let any_at = |place: &str| files.iter().any(|file| is_there(&Path::new(place).join(file)));
    if !any_at(target) {
        return Ok(false);
    }
    if any_at(&source) {
        return take(roots, target, &source, &all);
    }
    take(roots, &source, target, part_file)?;
    prepared.set_save_path(target)?;
    Ok(true)
}

/// Renames those of `files` that are below `from` and not below `to`, if any. A move between file
/// systems never leaves such: there nothing is removed before everything is copied.
fn take(roots: &Roots, from: &str, to: &str, files: &[String]) -> Result<bool> {
    let (from, to) = (Path::new(from), Path::new(to));
    roots.check_files(from, files.iter().map(String::as_str))?;
    roots.check_files(to, files.iter().map(String::as_str))?;
    let mut has_taken = false;
    for file in files {
        let (from, to) = (from.join(file), to.join(file));
        if is_there(&from) && !is_there(&to) {
            rename(&from, &to).map_err(|error| {
                let what = format!("cannot move `{}` to `{}`", from.display(), to.display());
                Error::conflict(format!("{what}: {error}"))
            })?;
            has_taken = true;
        }
    }
    Ok(has_taken)
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    struct Rig {
        directory: tempfile::TempDir,
        roots: Roots,
    }

    impl Rig {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let roots = Roots::new(vec![directory.path().to_owned()], Vec::new());
            Self { directory, roots }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn put(&self, name: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name.as_bytes()[name.len() - 1..].repeat(15)).unwrap();
        }

        /// The torrent `t` of the files `a` and `s/b` with its record at `old`.
        fn torrent(&self) -> Prepared {
            let file = b"d4:infod5:filesld6:lengthi15e4:pathl1:aeed6:lengthi15e4:pathl1:s1:beee\
                4:name1:t12:piece lengthi16384e6:pieces20:AAAAAAAAAAAAAAAAAAAAee";
            let mut prepared = Prepared::from_torrent(file).unwrap();
            prepared.set_save_path(self.path("old").to_str().unwrap()).unwrap();
            prepared
        }

        fn end(&self, prepared: &mut Prepared, target: &str) -> bool {
            end(&self.roots, prepared, self.path(target).to_str().unwrap()).unwrap()
        }

        fn has(&self, name: &str) -> bool {
            self.path(name).exists()
        }
    }

    #[test]
    fn d20_files_that_have_all_arrived_stay_there() {
        let rig = Rig::new();
        let mut torrent = rig.torrent();
        let parts = format!(".{}.parts", torrent.hashes.id());
        for name in ["new/t/a", "new/t/s/b", &format!("old/{parts}")] {
            rig.put(name);
        }
        assert!(rig.end(&mut torrent, "new"));
        assert_eq!(*torrent.save_path, *rig.path("new").to_str().unwrap());
        assert!(rig.has(&format!("new/{parts}")), "libtorrent's part file goes with them");
    }

    #[test]
    fn d20_files_of_which_some_had_gone_come_back() {
        let rig = Rig::new();
        let mut torrent = rig.torrent();
        rig.put("new/t/a");
        rig.put("old/t/s/b");
        assert!(rig.end(&mut torrent, "new"));
        assert_eq!(*torrent.save_path, *rig.path("old").to_str().unwrap());
        assert!(rig.has("old/t/a") && !rig.has("new/t/a"));
    }

    #[test]
    fn nothing_is_written_over_and_what_was_not_begun_is_left_alone() {
        let rig = Rig::new();
        let mut torrent = rig.torrent();
        rig.put("old/t/a");
        assert!(!rig.end(&mut torrent, "new"), "nothing is there");
        assert!(!rig.end(&mut torrent, "old") && !rig.end(&mut torrent, "../outside"));
        // A copy to another file system that was cut short.
        rig.put("new/t/a");
        assert!(!rig.end(&mut torrent, "new"));
        assert!(rig.has("old/t/a") && rig.has("new/t/a"));
        assert_eq!(*torrent.save_path, *rig.path("old").to_str().unwrap());
    }
}
