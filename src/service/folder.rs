//! What a file or folder holds that is to be shared: which files, how long, when changed.
//!
//! Read before a torrent is made and again after it, so that what changed meanwhile is noticed.
//! No symbolic link is followed: it may lead to what was never meant to be shared.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::Digest;
use sha2::Sha256;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::share::FileMark;

/// Files of one torrent (rule F4).
const FILES_MAX: usize = 100_000;
/// Folders inside folders (rule F2).
const DEPTH_MAX: usize = 100;

/// Names that people do not mean to share: what file managers, NAS systems and synchronisers put
/// beside the user's files, and downloads that are not complete. `*` stands for anything.
pub const SKIPPED: [&str; 33] = [
    ".DS_Store",
    "._*",
    ".AppleDouble",
    ".Spotlight-V100",
    ".fseventsd",
    ".Trashes",
    ".Trash-*",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    ".@__thumb",
    ".stfolder",
    ".stversions",
    ".syncthing.*.tmp",
    "~syncthing~*.tmp",
    ".nfs*",
    ".fuse_hidden*",
    "~$*",
    "*.part",
    "*.parts",
    "*.partial",
    "*.crdownload",
    "*.aria2",
    "*.!qB",
    "*.!ut",
    "*.!bt",
];

/// The files of a folder, or one file, as they were found. Equal when nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// In the order of the torrent, which is the same on every machine.
    files: Vec<Found>,
    /// Names that were skipped, and what is neither file nor folder.
    left_out: u32,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// Below the folder, `/` between parts; empty when it is the source itself.
    path: String,
    size_bytes: u64,
    modified: (i64, i64),
    inode: u64,
}

/// A file that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Below the folder; empty when it is the source itself.
    pub path: String,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Its size or time is another one.
    Changed,
    /// It was not there.
    New,
    /// It is not there any more.
    Gone,
}

impl ChangeKind {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match self.kind {
            _ if path.is_empty() => f.write_str("the file was changed"),
            ChangeKind::Changed => write!(f, "`{path}` was changed"),
            ChangeKind::New => write!(f, "`{path}` is new"),
            ChangeKind::Gone => write!(f, "`{path}` is gone"),
        }
    }
}

impl Folder {
    /// Looks at `source`, a file or a folder. Of a folder, names that fit a pattern of `skip` are
    /// left out with all below them. `goes_on` is asked at every entry.
    ///
    /// # Errors
    /// `NotFound`; Invalid for what cannot be in a torrent; Conflict for what cannot be read.
    pub fn read(source: &Path, skip: &[String], goes_on: &dyn Fn() -> Result<()>) -> Result<Self> {
        let found = fs::symlink_metadata(source).map_err(|error| unreadable(source, &error))?;
        let mut folder = Self { files: Vec::new(), left_out: 0 };
        if found.is_file() {
            folder.files.push(Found::new(String::new(), &found));
        } else if found.is_dir() {
            folder.walk(source, "", skip, goes_on, 0)?;
            // By parts, not by characters: `a/b` before `a.b`, as a file tree is ordered.
            folder.files.sort_by(|one, other| one.parts().cmp(other.parts()));
        } else {
            let message = format!("`{}` is neither a file nor a folder", source.display());
            return Err(Error::invalid(message));
        }
        if folder.size_bytes() == 0 {
            return Err(Error::invalid(format!("`{}` holds no data", source.display())));
        }
        Ok(folder)
    }

    fn walk(
        &mut self,
        directory: &Path,
        inside: &str,
        skip: &[String],
        goes_on: &dyn Fn() -> Result<()>,
        depth: usize,
    ) -> Result<()> {
        if depth > DEPTH_MAX {
            let message = format!("`{inside}` is more than {DEPTH_MAX} folders deep");
            return Err(Error::invalid(message));
        }
        for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, &error))? {
            goes_on()?;
            let entry = entry.map_err(|error| unreadable(directory, &error))?;
            let name = entry.file_name().into_string().map_err(|name| {
                let name = name.to_string_lossy().into_owned();
                Error::invalid(format!("the name `{inside}{name}` is not UTF-8; rename or skip it"))
            })?;
            if skip.iter().any(|pattern| fits(pattern, &name)) {
                self.left_out += 1;
                continue;
            }
            let (path, whole) = (format!("{inside}{name}"), entry.path());
            let found = fs::symlink_metadata(&whole).map_err(|error| unreadable(&whole, &error))?;
            if found.is_dir() {
                self.walk(&whole, &format!("{path}/"), skip, goes_on, depth + 1)?;
            } else if found.is_file() {
                self.put(Found::new(path, &found))?;
            } else {
                self.left_out += 1;
            }
        }
        Ok(())
    }

    fn put(&mut self, found: Found) -> Result<()> {
        if self.files.len() == FILES_MAX {
            return Err(Error::invalid(format!("a torrent holds at most {FILES_MAX} files")));
        }
        self.files.push(found);
        Ok(())
    }

    /// Each file below the folder with its size; one with an empty name for a single file.
    pub fn files(&self) -> Vec<(String, u64)> {
        self.files.iter().map(|file| (file.path.clone(), file.size_bytes)).collect()
    }

    /// Bytes of all files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// How many entries were left out: skipped names, links, pipes.
    pub fn left_out(&self) -> u32 {
        self.left_out
    }

    /// The first file that `now` has otherwise, in words; `None` when nothing was changed.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let pairs = self.files.iter().zip(&now.files);
        for (then, now) in pairs {
            match then.path.cmp(&now.path) {
                _ if then == now => {}
                std::cmp::Ordering::Equal if then.path.is_empty() => {
                    return Some("the file was changed".into());
                }
                std::cmp::Ordering::Equal => return Some(format!("`{}` was changed", then.path)),
                _ if now.parts().lt(then.parts()) => {
                    return Some(format!("`{}` is new", now.path));
                }
                _ => return Some(format!("`{}` is gone", then.path)),
            }
        }
        let (had, has) = (self.files.len(), now.files.len());
        let gone = self.files.get(has).map(|file| format!("`{}` is gone", file.path));
        gone.or_else(|| now.files.get(had).map(|file| format!("`{}` is new", file.path)))
    }

    /// Each file with what tells whether it changed, to be compared much later.
    pub fn marks(&self) -> Vec<FileMark> {
        self.files.iter().map(Found::mark).collect()
    }

    /// For each file, whether it is as it was among `then`.
    pub fn unchanged_since(&self, then: &[FileMark]) -> Vec<bool> {
        let then: BTreeMap<&str, &FileMark> =
            then.iter().map(|mark| (mark.path.as_str(), mark)).collect();
        let is_same = |file: &Found| then.get(&*file.path).is_some_and(|was| **was == file.mark());
        self.files.iter().map(is_same).collect()
    }

    /// Every file that is not as it was among `then`, by name.
    pub fn changes_since(&self, then: &[FileMark]) -> Vec<FileChange> {
        let mut gone: BTreeMap<&str, &FileMark> =
            then.iter().map(|mark| (mark.path.as_str(), mark)).collect();
        let mut changes = Vec::new();
        for file in &self.files {
            let kind = match gone.remove(&*file.path) {
                Some(was) if *was == file.mark() => continue,
                Some(_) => ChangeKind::Changed,
                None => ChangeKind::New,
            };
            changes.push(FileChange { path: file.path.clone(), kind });
        }
        let left = gone.into_keys();
        changes.extend(left.map(|path| FileChange { path: path.into(), kind: ChangeKind::Gone }));
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        changes
    }

    /// A digest of names, sizes and times, to be compared much later.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in &self.files {
            digest.update((file.path.len() as u64).to_le_bytes());
            digest.update(&file.path);
            digest.update(file.size_bytes.to_le_bytes());
            digest.update(file.modified.0.to_le_bytes());
            digest.update(file.modified.1.to_le_bytes());
        }
        digest.finalize().into()
    }

    /// Makes the content of every file durable, so that a record may claim it (rule D3).
    ///
    /// # Errors
    /// Conflict, with the system's text.
    pub fn sync(&self, source: &Path) -> Result<()> {
        for file in &self.files {
            let whole =
                if file.path.is_empty() { source.to_owned() } else { source.join(&file.path) };
            let synced = File::open(&whole).and_then(|file| file.sync_all());
            synced.map_err(|error| unreadable(&whole, &error))?;
        }
        Ok(())
    }
}

/// Whether a file is what its mark says.
pub(super) fn is_like(found: &fs::Metadata, mark: &FileMark) -> bool {
    (found.len(), (found.mtime(), found.mtime_nsec())) == (mark.size_bytes, mark.modified)
}

impl Found {
    fn new(path: String, found: &fs::Metadata) -> Self {
        let modified = (found.mtime(), found.mtime_nsec());
        Self { path, size_bytes: found.len(), modified, inode: found.ino() }
    }

    fn mark(&self) -> FileMark {
        let (path, size_bytes, modified) = (self.path.clone(), self.size_bytes, self.modified);
        FileMark { path, size_bytes, modified }
    }

    fn parts(&self) -> std::str::Split<'_, char> {
        self.path.split('/')
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::not_found(format!("there is no file or folder `{}`", path.display()))
        }
        _ => Error::conflict(format!("cannot read `{}`: {text}", path.display())),
    }
}

/// Whether a name fits a pattern, `*` for anything; upper and lower case are the same.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::domain::error::ErrorKind;

    fn read(source: &Path) -> Result<Folder> {
        Folder::read(source, &SKIPPED.map(String::from), &|| Ok(()))
    }

    fn filled(files: &[&str]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let whole = directory.path().join(file);
            fs::create_dir_all(whole.parent().unwrap()).unwrap();
            fs::write(whole, file).unwrap();
        }
        directory
    }

    fn names(folder: &Folder) -> Vec<String> {
        folder.files().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_nobody_means_to_share_is_left_out() {
        let directory = filled(&[
            "film.mkv",
            "sub/a.srt",
            "sub.txt",
            ".DS_Store",
            "THUMBS.DB",
            "sub/@eaDir/x.jpg",
            ".stversions/old/film.mkv",
            "next.mkv.part",
            "next.mkv.!qB",
            "next.CRDOWNLOAD",
            "partial.txt",
        ]);
        symlink("/etc", directory.path().join("etc")).unwrap();
        symlink("/etc/passwd", directory.path().join("passwd")).unwrap();
        let folder = read(directory.path()).unwrap();
        assert_eq!(names(&folder), ["film.mkv", "partial.txt", "sub/a.srt", "sub.txt"]);
        assert_eq!(folder.left_out(), 9);
        let all = Folder::read(directory.path(), &[], &|| Ok(())).unwrap();
        assert_eq!((all.files().len(), all.left_out()), (11, 2), "links stay out");
    }

    #[test]
    fn a_pattern_fits_the_whole_name() {
        for (pattern, name) in
            [("*", ""), ("a*", "a"), ("*.part", "x.part"), (".s.*.tmp", ".s.x.tmp"), ("A", "a")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "ab"),
            ("*.part", "x.part1"),
            ("ab*ba", "aba"),
            (".s.*.tmp", ".s.tmp"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn every_change_is_noticed() {
        let directory = filled(&["a", "b/c", "d"]);
        let at = |name: &str| directory.path().join(name);
        let then = read(directory.path()).unwrap();
        let said = || then.difference(&read(directory.path()).unwrap()).unwrap_or_default();
        assert_eq!(said(), "");
        fs::write(at("b/new"), "new").unwrap();
        assert_eq!(said(), "`b/new` is new");
        fs::remove_file(at("b/new")).unwrap();
        fs::write(at("z"), "new").unwrap();
        assert_eq!(said(), "`z` is new");
        fs::remove_file(at("z")).unwrap();
        fs::rename(at("d"), at("kept")).unwrap();
        assert_eq!(said(), "`d` is gone");
        fs::rename(at("kept"), at("d")).unwrap();
        fs::remove_file(at("d")).unwrap();
        assert_eq!(said(), "`d` is gone");
        fs::write(at("d"), "d").unwrap();
        assert_eq!(said(), "`d` was changed", "the time alone");
        assert_ne!(then.digest(), read(directory.path()).unwrap().digest());
    }

    #[test]
    fn what_changed_is_told_file_by_file() {
        let directory = filled(&["a", "b/c", "d", "e"]);
        let at = |name: &str| directory.path().join(name);
        let then = read(directory.path()).unwrap().marks();
        let now = || read(directory.path()).unwrap();
        assert_eq!(now().changes_since(&then), []);
        assert_eq!(now().unchanged_since(&then), [true; 4]);
        fs::write(at("b/c"), "longer").unwrap();
        fs::remove_file(at("d")).unwrap();
        fs::write(at("b/new"), "new").unwrap();
        let said: Vec<String> =
            now().changes_since(&then).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["`b/c` was changed", "`b/new` is new", "`d` is gone"]);
        // a, b/c, b/new, e
        assert_eq!(now().unchanged_since(&then), [true, false, false, true]);
        assert_eq!(now().unchanged_since(&[]), [false; 4]);
    }

    #[test]
    fn one_file_is_taken_whatever_it_is_called() {
        let directory = filled(&["film.part"]);
        let file = directory.path().join("film.part");
        let then = read(&file).unwrap();
        assert_eq!(then.files(), [(String::new(), 9)]);
        then.sync(&file).unwrap();
        fs::write(&file, "shorter").unwrap();
        assert_eq!(then.difference(&read(&file).unwrap()).unwrap(), "the file was changed");
    }

    #[test]
    fn what_cannot_be_shared_is_refused_in_words() {
        let directory = filled(&["empty/.DS_Store"]);
        let refused = |name: &str| read(&directory.path().join(name)).unwrap_err();
        assert!(refused("empty").message().ends_with("holds no data"));
        assert_eq!(refused("nothing").kind(), ErrorKind::NotFound);
        symlink("/etc", directory.path().join("link")).unwrap();
        assert!(refused("link").message().ends_with("neither a file nor a folder"));
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"caf\xe9");
        fs::create_dir(directory.path().join("odd")).unwrap();
        fs::write(directory.path().join("odd").join(odd), "x").unwrap();
        assert!(refused("odd").message().contains("is not UTF-8"));
        let stopped = Folder::read(directory.path(), &[], &|| Err(Error::conflict("stop")));
        assert_eq!(stopped.unwrap_err().message(), "stop");
    }
}
