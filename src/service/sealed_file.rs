//! Files as streams read them. One of a share comes with its mark, and no byte of it is handed out
//! that was read when it looked otherwise: streams are read beside the disk, which guards what peers
//! are sent (`engine/seals.rs`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::metadata::File as FileEntry;
use crate::domain::share::FileMark;
use crate::domain::torrent::Torrent;
use crate::service::folder;
use crate::service::paths::LastLink;
use crate::service::paths::Roots;
use crate::service::shares::Shares;

/// What is to be done about a share whose files were changed.
pub(super) const MEND: &str =
    "bring it back as it was, or share it anew with `cove share republish`";

/// An open file, with what it is to look like if it is one of a share.
pub(super) struct SealedFile {
    file: File,
    mark: Option<FileMark>,
}

impl SealedFile {
    /// One of a torrent that is no share.
    pub(super) fn plain(file: File) -> Self {
        Self { file, mark: None }
    }

    /// Opens a file of a share, unless it was changed; `None` for a torrent that is no share. The
    /// store is asked here and not when the file is read.
    ///
    /// # Errors
    /// Conflict for a file that is not as it was shared, or that cannot be opened; Forbidden.
    pub(super) async fn of_share(
        shares: &Shares,
        roots: &Roots,
        (torrent, entry): (&Torrent, &FileEntry),
    ) -> Result<Option<Self>> {
        let Some(marks) = shares.marks(torrent.id).await? else { return Ok(None) };
        let metadata = torrent.metadata.as_deref();
        let below = metadata.map_or("", |metadata| metadata.path_below(entry)).to_owned();
        let mark = marks.into_iter().find(|mark| mark.path == below);
        let (roots, path) = (roots.clone(), entry.path.clone());
        let save_path = torrent.save_path.clone();
        let open = move || open(&roots, (save_path.as_ref().as_ref(), &path), mark);
        let opened = tokio::task::spawn_blocking(open).await;
        opened.map_err(|_| Error::internal("opening a file panicked"))?.map(Some)
    }

    /// Whether it is one of a share.
    pub(super) fn is_sealed(&self) -> bool {
        self.mark.is_some()
    }

    /// `length` bytes at `position`; a file that ends before is an error, not a short answer, and so
    /// is one that is not as its mark says.
    ///
    /// It is looked at after it was read: the system notes the time of a write before it takes the
    /// bytes, so whatever was read of one has changed the time by then.
    pub(super) fn read(&self, position: u64, length: u64) -> io::Result<Bytes> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut chunk = vec![0; length];
        self.file.read_exact_at(&mut chunk, position)?;
        match self.is_as_marked()? {
            true => Ok(Bytes::from(chunk)),
            false => Err(io::Error::other("the file was changed after it was shared")),
        }
    }

    fn is_as_marked(&self) -> io::Result<bool> {
        let Some(mark) = &self.mark else { return Ok(true) };
        Ok(folder::is_like(&self.file.metadata()?, mark))
    }
}

fn open(
    roots: &Roots,
    (save_path, path): (&Path, &str),
    mark: Option<FileMark>,
) -> Result<SealedFile> {
    let gone = || Error::conflict(format!("`{path}` is not there any more; {MEND}"));
    let changed = || Error::conflict(format!("`{path}` was changed after it was shared; {MEND}"));
    let file = roots.open_file(save_path, path, LastLink::Follow);
    let file =
        file.map_err(|error| if error.kind() == ErrorKind::NotFound { gone() } else { error })?;
    // What no mark names was not there when the share was made.
    let sealed = SealedFile { file, mark: Some(mark.ok_or_else(changed)?) };
    match sealed.is_as_marked() {
        Ok(true) => Ok(sealed),
        Ok(false) => Err(changed()),
        Err(error) => Err(Error::conflict(format!("cannot look at `{path}`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    use super::*;

    fn written(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, content).unwrap();
        (dir, path)
    }

    /// Rule F9: a truncated file ends the stream with an error and not the process.
    #[test]
    fn f9_a_truncated_file_is_an_error() {
        let (_dir, path) = written(b"0123456789");
        let file = SealedFile::plain(File::open(&path).unwrap());
        assert_eq!(file.read(2, 3).unwrap(), Bytes::from_static(b"234"));
        fs::write(&path, b"0123").unwrap();
        let error = file.read(2, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_file_of_a_share_is_read_only_while_it_is_as_its_mark_says() {
        let (_dir, path) = written(b"0123456789");
        let found = fs::metadata(&path).unwrap();
        let modified = (found.mtime(), found.mtime_nsec());
        let mark = FileMark { path: String::new(), size_bytes: 10, modified };
        let file = File::open(&path).unwrap();
        let sealed = SealedFile { file, mark: Some(mark) };
        assert_eq!(sealed.read(0, 2).unwrap(), Bytes::from_static(b"01"));
        let writer = File::options().write(true).open(&path).unwrap();
        writer.write_all_at(b"x", 9).unwrap();
        let then = found.modified().unwrap();
        // One nanosecond is another time, in either direction.
        for time in [then + Duration::from_nanos(1), then - Duration::from_nanos(1)] {
            writer.set_modified(time).unwrap();
            assert!(sealed.read(0, 2).is_err());
        }
        writer.set_modified(then).unwrap();
        assert!(sealed.read(0, 2).is_ok());
        writer.set_len(11).unwrap();
        writer.set_modified(then).unwrap();
        assert!(sealed.read(0, 2).is_err(), "another size");
    }
}
