//! What lies below the download roots, for choosing a directory or files from afar, and writing a
//! file there (rule F1).
//!
//! The roots are all there is: above them is only the list of them. A link is shown as what it
//! leads to, and not at all when that is outside.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::Access;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::service::paths::Roots;

/// Entries that are looked at for one answer.
const ENTRIES_MAX: usize = 10_000;

/// Looks below the roots; a cheap handle.
#[derive(Clone, Debug)]
pub struct Browse {
    roots: Roots,
}

/// A file or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in its directory; a root's is its path.
    pub name: String,
    /// Its whole path, links resolved.
    pub path: String,
    /// Whether it can be looked into.
    pub is_directory: bool,
}

/// What is in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The directory; `None` for the list of the roots.
    pub directory: Option<String>,
    /// The directory above it; `None` for a root and for the list of them.
    pub parent: Option<String>,
    /// Directories first, each part by name.
    pub entries: Vec<Entry>,
}

/// How far below a directory to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// In it alone.
    Here,
    /// In what is below it too.
    All,
}

impl Browse {
    /// Below these roots.
    pub fn new(roots: Roots) -> Self {
        Self { roots }
    }

    /// The directory that `wish` names, or the nearest one above it; an empty wish and `/` mean
    /// the list of the roots.
    ///
    /// # Errors
    /// Invalid and Forbidden as [`Roots::resolve`]; Invalid for a directory of too many entries;
    /// Conflict when it cannot be read.
    pub async fn directory(&self, wish: &str) -> Result<Listing> {
        let (roots, wish) = (self.roots.clone(), wish.to_owned());
        aside(move || directory(&roots, &wish)).await
    }

    /// The regular files in the directory that `wish` names, by path.
    ///
    /// # Errors
    /// As [`Browse::directory`]; `NotFound` when it is not there.
    pub async fn files(&self, wish: &str, depth: Depth) -> Result<Vec<Entry>> {
        let (roots, wish) = (self.roots.clone(), wish.to_owned());
        aside(move || files(&roots, &wish, depth)).await
    }

    /// The directory that `wish` names, links resolved; `None` when it is not there.
    ///
    /// # Errors
    /// Invalid and Forbidden as [`Roots::resolve`].
    pub async fn existing(&self, wish: &str) -> Result<Option<String>> {
        let (roots, wish) = (self.roots.clone(), wish.to_owned());
        aside(move || match roots.resolve_existing(&wish) {
            Ok(real) => Ok(text(&real)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Whether a directory could take something of this name that is not there yet; the directory
    /// may be one that would be made. Writes nothing.
    ///
    /// # Errors
    /// Invalid and Forbidden as [`Roots::resolve`].
    pub async fn could_take(&self, directory: &str, name: &str) -> Result<bool> {
        let roots = self.roots.clone();
        let (directory, name) = (directory.to_owned(), name.to_owned());
        aside(move || could_take(&roots, &directory, &name)).await
    }

    /// Writes a file in a directory that is there; an older one of the name gives way at once and
    /// whole.
    ///
    /// # Errors
    /// Invalid for what is no file name; `NotFound`; Forbidden; `StorageFull`; Conflict.
    pub async fn write_file(&self, directory: &str, name: &str, content: Vec<u8>) -> Result<()> {
        let roots = self.roots.clone();
        let (directory, name) = (directory.to_owned(), name.to_owned());
        aside(move || write_file(&roots, &directory, &name, &content)).await
    }
}

/// Whether nothing of the name is there, and the directory, or the nearest one above it, can be
/// written.
fn could_take(roots: &Roots, directory: &str, name: &str) -> Result<bool> {
    let mut real = roots.resolve(directory)?;
    if real.join(name).symlink_metadata().is_ok() {
        return Ok(false);
    }
    while real.symlink_metadata().is_err() {
        match above(roots, &real) {
            Some(parent) => real = parent,
            None => return Ok(false),
        }
    }
    let can_write = || rustix::fs::access(&real, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    Ok(real.is_dir() && can_write())
}

/// Writes aside, then renames: a reader sees the old file or the new one.
fn write_file(roots: &Roots, directory: &str, name: &str, content: &[u8]) -> Result<()> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if !is_plain || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!("`{}` is no file name", name.escape_debug())));
    }
    let directory = roots.resolve_existing(directory)?;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(ErrorKind::StorageFull, format!("no space left for `{name}`"))
        }
        kind => Error::conflict(format!("cannot write `{name}`: {kind}")),
    };
    let new = directory.join(format!(".{name}.{}.new", std::process::id()));
    let mut file = File::create_new(&new).map_err(failed)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&new, directory.join(name)));
    if renamed.is_err() {
        let _ = fs::remove_file(&new);
    }
    renamed.map_err(failed)
}

/// A disk may be slow: not for the runtime.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::internal("looking into a directory panicked"))?
}

fn directory(roots: &Roots, wish: &str) -> Result<Listing> {
    if matches!(wish, "" | "/") {
        return Ok(list_of_roots(roots));
    }
    let mut real = roots.resolve(wish)?;
    while !real.is_dir() {
        match above(roots, &real) {
            Some(parent) => real = parent,
            None => return Ok(list_of_roots(roots)),
        }
    }
    let mut entries = entries_of(roots, &real, &mut 0)?;
    entries.sort_unstable_by(|a, b| (!a.is_directory, &a.name).cmp(&(!b.is_directory, &b.name)));
    let parent = above(roots, &real).as_deref().and_then(text);
    Ok(Listing { directory: text(&real), parent, entries })
}

fn list_of_roots(roots: &Roots) -> Listing {
    let entry = |path: String| Entry { name: path.clone(), path, is_directory: true };
    let there = roots.all().iter().filter(|root| root.is_dir()).filter_map(|root| text(root));
    Listing { directory: None, parent: None, entries: there.map(entry).collect() }
}

/// The directory above, unless that is outside the roots.
fn above(roots: &Roots, real: &Path) -> Option<PathBuf> {
    roots.resolve(real.parent()?.to_str()?).ok()
}

fn files(roots: &Roots, wish: &str, depth: Depth) -> Result<Vec<Entry>> {
    let mut waiting = vec![roots.resolve_existing(wish)?];
    let (mut found, mut seen) = (Vec::new(), 0);
    while let Some(directory) = waiting.pop() {
        for entry in entries_of(roots, &directory, &mut seen)? {
            let path = Path::new(&entry.path);
            match entry.is_directory {
                false if path.is_file() => found.push(entry),
                // One that a link leads to is below somewhere else, or would never end.
                true if depth == Depth::All && path == directory.join(&entry.name) => {
                    waiting.push(path.to_owned());
                }
                _ => {}
            }
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// What is in a directory and not outside the roots; names that are no text are left out.
fn entries_of(roots: &Roots, directory: &Path, seen: &mut usize) -> Result<Vec<Entry>> {
    let unreadable = |error: io::Error| {
        Error::conflict(format!("cannot read `{}`: {}", directory.display(), error.kind()))
    };
    let mut entries = Vec::new();
    for found in fs::read_dir(directory).map_err(unreadable)? {
        *seen += 1;
        if *seen > ENTRIES_MAX {
            let shown = directory.display();
            return Err(Error::invalid(format!("`{shown}` has more than {ENTRIES_MAX} entries")));
        }
        let found = found.map_err(unreadable)?;
        let (path, name) = (found.path(), found.file_name());
        let real = path.to_str().and_then(|path| roots.resolve(path).ok());
        if let (Some(real), Some(name)) = (real, name.to_str()) {
            let is_directory = real.is_dir();
            let path = text(&real).unwrap_or_default();
            entries.push(Entry { name: name.to_owned(), path, is_directory });
        }
    }
    Ok(entries)
}

fn text(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with a folder, files, the state directory, and links inside and outside.
    fn house() -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["dl", "dl/state", "dl/films", "dl/films/old", "outside"] {
            fs::create_dir(at(name)).unwrap();
        }
        for name in ["dl/b.txt", "dl/films/a.mkv", "dl/films/old/z.mkv", "outside/secret"] {
            fs::write(at(name), b"x").unwrap();
        }
        symlink(at("outside"), at("dl/way-out")).unwrap();
        symlink(at("outside/secret"), at("dl/secret")).unwrap();
        symlink(at("dl"), at("dl/films/round")).unwrap();
        let roots = Roots::new(vec![at("dl")], vec![at("dl/state")]);
        (dir, roots)
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    /// Rule F1: neither the state directory nor what a link leads out to is shown.
    #[test]
    fn f1_nothing_outside_the_roots_is_shown() {
        let (dir, roots) = house();
        let root = dir.path().join("dl");
        let listing = directory(&roots, root.to_str().unwrap()).unwrap();
        assert_eq!(names(&listing.entries), ["films", "b.txt"]);
        assert_eq!(listing.parent, None);
        for outside in ["outside", "dl/way-out", "dl/state"] {
            let wish = dir.path().join(outside);
            let refused = directory(&roots, wish.to_str().unwrap()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Forbidden, "{outside}");
        }
        let top = directory(&roots, "/").unwrap();
        assert_eq!((top.directory, names(&top.entries)), (None, vec![root.to_str().unwrap()]));
    }

    #[test]
    fn a_path_that_is_no_directory_stands_for_the_one_above() {
        let (dir, roots) = house();
        let films = dir.path().join("dl/films");
        for wish in ["dl/films/a.mkv", "dl/films/missing/deeper"] {
            let listing = directory(&roots, dir.path().join(wish).to_str().unwrap()).unwrap();
            assert_eq!(listing.directory.as_deref(), films.to_str());
            assert_eq!(listing.parent.as_deref(), dir.path().join("dl").to_str());
            assert_eq!(names(&listing.entries), ["old", "round", "a.mkv"]);
        }
    }

    /// Rule F1.
    #[test]
    fn f1_a_file_is_written_below_the_roots_only() {
        let (dir, roots) = house();
        let films = dir.path().join("dl/films");
        let films = films.to_str().unwrap();
        write_file(&roots, films, "a.torrent", b"first").unwrap();
        write_file(&roots, films, "a.torrent", b"second").unwrap();
        assert_eq!(fs::read(dir.path().join("dl/films/a.torrent")).unwrap(), b"second");
        let count = fs::read_dir(films).unwrap().count();
        assert_eq!(count, 4, "nothing else is left");
        for name in ["", "..", "../a", "a/b", ".hidden", "a\0", "a\n"] {
            let refused = write_file(&roots, films, name, b"x").unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{name:?}");
        }
        for outside in ["outside", "dl/way-out", "dl/state"] {
            let wish = dir.path().join(outside);
            let refused = write_file(&roots, wish.to_str().unwrap(), "a", b"x").unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Forbidden, "{outside}");
        }
    }

    #[test]
    fn files_are_found_below_and_a_ring_of_links_ends() {
        let (dir, roots) = house();
        let films = dir.path().join("dl/films");
        let films = films.to_str().unwrap();
        assert_eq!(names(&files(&roots, films, Depth::Here).unwrap()), ["a.mkv"]);
        assert_eq!(names(&files(&roots, films, Depth::All).unwrap()), ["a.mkv", "z.mkv"]);
        let missing = files(&roots, &format!("{films}/no"), Depth::All).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
