//! Where torrents may write and what may be deleted: the download roots (rules F1 and F3).
//!
//! A path from outside becomes a checked one here, once: absolute, symbolic links resolved, under
//! a root. Whatever opens or deletes a file walks down from the root one directory at a time
//! without following links, so that a link swapped in after the check leads nowhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::domain::error::Error;
use crate::domain::error::Result;

/// Longest path taken from outside, in bytes; Linux's `PATH_MAX`.
const PATH_BYTES_MAX: usize = 4_096;

/// Directories of the system that never hold payload, whatever the roots say (rule F1).
pub const SYSTEM_DIRECTORIES: [&str; 3] = ["/proc", "/sys", "/dev"];

const OPEN_DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// The directories that payload may lie in, and those that it may not. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Roots {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    roots: Vec<PathBuf>,
    forbidden: Vec<PathBuf>,
}

/// What to do when the last part of a path is a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// Follow it, as long as its target is under a root.
    Follow,
    /// Refuse it.
    Refuse,
}

impl Roots {
    /// Roots and the directories refused even inside them (state, configuration), all absolute.
    ///
    /// None needs to exist yet: links in them are resolved at each use, since a disk may be
    /// mounted later.
    pub fn new(roots: Vec<PathBuf>, forbidden: Vec<PathBuf>) -> Self {
        let forbidden = SYSTEM_DIRECTORIES.iter().map(PathBuf::from).chain(forbidden).collect();
        Self { inner: Arc::new(Inner { roots, forbidden }) }
    }

    /// The roots as configured.
    pub(super) fn all(&self) -> &[PathBuf] {
        &self.inner.roots
    }

    /// The checked form of a directory that somebody wishes for (rule F1): absolute, links
    /// resolved as far as it exists, under a root. A relative wish is meant from the first root.
    ///
    /// # Errors
    /// Invalid for a wish that is no path (empty, NUL, `..`, too long); Forbidden when it lies
    /// outside the roots or in a refused directory.
    pub fn resolve(&self, wish: &str) -> Result<PathBuf> {
        if wish.is_empty() || wish.contains('\0') || wish.len() > PATH_BYTES_MAX {
            return Err(Error::invalid("a destination is a path of 1 to 4096 bytes without NUL"));
        }
        if Path::new(wish).components().any(|part| part == Component::ParentDir) {
            return Err(Error::invalid(format!("destination `{wish}` contains `..`")));
        }
        let first = self.inner.roots.first().ok_or_else(|| outside(wish))?;
        let absolute = first.join(wish);
        self.refuse_forbidden(&absolute, wish)?;
        let real = real_path(&absolute).map_err(|_| outside(wish))?;
        self.refuse_forbidden(&real, wish)?;
        self.root_of(&real).ok_or_else(|| outside(wish))?;
        if real.to_str().is_none() {
            return Err(Error::invalid(format!(
                "destination `{wish}` leads to a name not in UTF-8"
            )));
        }
        Ok(real)
    }

    /// As [`Roots::resolve`], for a directory that must be there already.
    ///
    /// # Errors
    /// As [`Roots::resolve`]; `NotFound` when it is missing or no directory.
    pub fn resolve_existing(&self, wish: &str) -> Result<PathBuf> {
        let real = self.resolve(wish)?;
        match real.is_dir() {
            true => Ok(real),
            false => Err(Error::not_found(format!("directory `{wish}` does not exist"))),
        }
    }

    /// Checks that every file of a torrent would lie under a root and outside the refused
    /// directories, links that exist below `save_path` resolved (rules F1, F3). `files` are
    /// relative, `/` between parts.
    ///
    /// # Errors
    /// As [`Roots::resolve`], for the first file that does not.
    pub fn check_files<'a>(
        &self,
        save_path: &Path,
        files: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let mut parents = BTreeSet::new();
        for file in files {
            let relative = relative_path(file)?;
            let whole = save_path.join(relative);
            self.refuse_forbidden(&whole, file)?;
            let is_new = whole.parent().is_some_and(|parent| parents.insert(parent.to_owned()));
            if is_new || is_link(&whole) {
                let real = real_path(&whole).map_err(|_| outside(file))?;
                self.refuse_forbidden(&real, file)?;
                self.root_of(&real).ok_or_else(|| outside(file))?;
            }
        }
        Ok(())
    }

    /// Whether the root that `save_path` was taken under is not there now: a disk that is not
    /// mounted, in whose place nothing may be written (rule D11).
    pub fn is_root_missing(&self, save_path: &Path) -> bool {
        let roots = self.inner.roots.iter().filter(|root| save_path.starts_with(root));
        let nearest = roots.max_by_key(|root| root.as_os_str().len());
        nearest.is_some_and(|root| !root.is_dir())
    }

    /// Opens a regular file for reading; `file` is relative to `save_path`.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, Forbidden when it leads outside the roots or is no
    /// regular file, Conflict with the system's text otherwise.
    pub fn open_file(&self, save_path: &Path, file: &str, last: LastLink) -> Result<File> {
        let whole = save_path.join(relative_path(file)?);
        let real = match last {
            LastLink::Follow => real_path(&whole),
            LastLink::Refuse => real_parent(&whole),
        }
        .map_err(|_| outside(file))?;
        self.refuse_forbidden(&real, file)?;
        let (root, inside) = self.root_of(&real).ok_or_else(|| outside(file))?;
        open_regular(&root, &inside).map_err(|error| match error {
            Errno::NOENT => Error::not_found(format!("file `{file}` does not exist")),
            Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => {
                Error::forbidden(format!("`{file}` is not a regular file"))
            }
            other => Error::conflict(format!("cannot open `{file}`: {}", system_text(other))),
        })
    }

    /// Deletes `files` of one torrent below `save_path` and the directories that are empty
    /// afterwards (rule F3). No link is followed, nothing but regular files is unlinked, and
    /// `save_path` itself stays. Files that are gone already are fine.
    ///
    /// # Errors
    /// Forbidden when `save_path` is not under a root; else the first failure, after trying all.
    pub fn delete_files(&self, save_path: &Path, files: &[String]) -> Result<()> {
        let wish = save_path.to_str().ok_or_else(|| outside("the save path"))?;
        let real = self.resolve(wish)?;
        let (root, inside) = self.root_of(&real).ok_or_else(|| outside(wish))?;
        let top = match open_directory(&root, &inside) {
            Ok(top) => top,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(not_removed(wish, error)),
        };
        let mut first_failure = Ok(());
        let mut directories = BTreeSet::new();
        for file in files {
            let relative = relative_path(file)?;
            directories.extend(relative.ancestors().skip(1).map(Path::to_owned));
            if let Err(error) = unlink_regular(&top, &relative) {
                first_failure = first_failure.and(Err(not_removed(file, error)));
            }
        }
        remove_empty(&top, &directories);
        first_failure
    }

    /// The root that `real` lies under, links resolved, and the rest of the path.
    fn root_of(&self, real: &Path) -> Option<(PathBuf, PathBuf)> {
        self.inner.roots.iter().find_map(|root| {
            let root = real_path(root).ok()?;
            let inside = real.strip_prefix(&root).ok()?.to_owned();
            Some((root, inside))
        })
    }

    fn refuse_forbidden(&self, path: &Path, wish: &str) -> Result<()> {
        let holds = |directory: &PathBuf| {
            path.starts_with(directory)
                || real_path(directory).is_ok_and(|real| path.starts_with(real))
        };
        if self.inner.forbidden.iter().any(holds) {
            return Err(Error::forbidden(format!(
                "`{wish}` is in a directory kept from downloads"
            )));
        }
        Ok(())
    }
}

fn outside(wish: &str) -> Error {
    Error::forbidden(format!("`{wish}` is not inside the download roots; add it to client.roots"))
}

fn not_removed(file: &str, error: Errno) -> Error {
    Error::conflict(format!("cannot remove `{file}`: {}", system_text(error)))
}

/// The system's words without Rust's `(os error 13)`.
fn system_text(error: Errno) -> String {
    let text = io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// `file` as a path of plain names.
fn relative_path(file: &str) -> Result<PathBuf> {
    let path = Path::new(file);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if file.is_empty() || file.contains('\0') || !path.components().all(is_plain) {
        return Err(Error::invalid(format!("`{}` is no file name", file.escape_debug())));
    }
    Ok(path.components().collect())
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

/// `path` with the links of its existing part resolved; what does not exist yet is appended.
///
/// A link whose target is missing is an error: whoever creates the target later would decide where
/// the rest ends up.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_link(path) => {
            real_parent(path)
        }
        Err(error) => Err(error),
    }
}

/// The real path of the parent, with the last name appended as it is.
fn real_parent(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(real_path(parent)?.join(name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// The directory `inside` below `root`, opened step by step without following links.
fn open_directory(root: &Path, inside: &Path) -> rustix::io::Result<OwnedFd> {
    let mut directory = rustix::fs::open(root, OPEN_DIRECTORY, Mode::empty())?;
    for part in inside.components() {
        directory =
            rustix::fs::openat(&directory, part.as_os_str(), OPEN_DIRECTORY, Mode::empty())?;
    }
    Ok(directory)
}

/// Opens without waiting, so that a pipe in the place of a file blocks nobody.
fn open_regular(root: &Path, inside: &Path) -> rustix::io::Result<File> {
    let name = inside.file_name().ok_or(Errno::ISDIR)?;
    let parent = open_directory(root, inside.parent().unwrap_or(Path::new("")))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(File::from(file)),
        _ => Err(Errno::ISDIR),
    }
}

/// The directory `inside` below `top`, or `None` when it is gone or hidden behind a link.
fn descend(top: &OwnedFd, inside: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    let mut directory = rustix::fs::openat(top, ".", OPEN_DIRECTORY, Mode::empty())?;
    for part in inside.components() {
        let next = rustix::fs::openat(&directory, part.as_os_str(), OPEN_DIRECTORY, Mode::empty());
        directory = match next {
            Ok(next) => next,
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    Ok(Some(directory))
}

fn unlink_regular(top: &OwnedFd, relative: &Path) -> rustix::io::Result<()> {
    let Some(name) = relative.file_name() else {
        return Ok(());
    };
    let Some(parent) = descend(top, relative.parent().unwrap_or(Path::new("")))? else {
        return Ok(());
    };
    match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile => Ok(()),
        Ok(_) => match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            result => result,
        },
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Deepest first; one that is not empty holds something foreign and stays.
fn remove_empty(top: &OwnedFd, directories: &BTreeSet<PathBuf>) {
    for directory in directories.iter().rev() {
        let Some(name) = directory.file_name() else {
            continue;
        };
        let parent = directory.parent().unwrap_or(Path::new(""));
        if let Ok(Some(parent)) = descend(top, parent) {
            let _ = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::domain::error::ErrorKind;

    struct House {
        dir: TempDir,
        roots: Roots,
    }

    impl House {
        /// A root `dl`, a state directory inside it, and `outside` beside it.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["dl", "dl/state", "outside"] {
                fs::create_dir(dir.path().join(name)).unwrap();
            }
            let at = |name: &str| dir.path().join(name);
            let roots = Roots::new(vec![at("dl")], vec![at("dl/state")]);
            Self { dir, roots }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn resolve(&self, name: &str) -> Result<PathBuf> {
            self.roots.resolve(self.at(name).to_str().unwrap())
        }

        fn refusal(&self, name: &str) -> ErrorKind {
            self.resolve(name).unwrap_err().kind()
        }
    }

    #[test]
    fn f1_a_path_under_a_root_is_taken_and_need_not_exist() {
        let house = House::new();
        let real = house.dir.path().canonicalize().unwrap();
        assert_eq!(house.resolve("dl").unwrap(), real.join("dl"));
        assert_eq!(house.resolve("dl/new/deep/").unwrap(), real.join("dl/new/deep"));
        assert_eq!(house.roots.resolve("films").unwrap(), real.join("dl/films"));
        let missing = house.roots.resolve_existing("films").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        std::fs::create_dir(house.at("dl/films")).unwrap();
        assert_eq!(house.roots.resolve_existing("films").unwrap(), real.join("dl/films"));
    }

    #[test]
    fn f1_paths_outside_and_system_paths_are_refused() {
        let house = House::new();
        assert_eq!(house.refusal("outside"), ErrorKind::Forbidden);
        assert_eq!(house.refusal("dl-not"), ErrorKind::Forbidden);
        assert_eq!(house.refusal("dl/../outside"), ErrorKind::Invalid);
        for wish in ["", "a\0b", "..", "../x", &"x/".repeat(3_000)] {
            assert_eq!(house.roots.resolve(wish).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let all = Roots::new(vec!["/".into()], vec![]);
        for wish in ["/proc", "/proc/self/root/tmp", "/sys/kernel", "/dev/shm", "/dev"] {
            assert_eq!(all.resolve(wish).unwrap_err().kind(), ErrorKind::Forbidden, "{wish}");
        }
    }

    #[test]
    fn f1_the_state_directory_is_refused_even_inside_a_root_and_behind_a_link() {
        let house = House::new();
        symlink(house.at("dl/state"), house.at("dl/link")).unwrap();
        for wish in ["dl/state", "dl/state/x", "dl/link", "dl/link/x"] {
            assert_eq!(house.refusal(wish), ErrorKind::Forbidden, "{wish}");
        }
        let files = |names: &[&str]| {
            house.roots.check_files(&house.at("dl"), names.iter().copied()).map_err(|e| e.kind())
        };
        assert_eq!(files(&["state/api-token"]), Err(ErrorKind::Forbidden));
        assert_eq!(files(&["ok/a", "ok/b", "link/c"]), Err(ErrorKind::Forbidden));
        assert_eq!(files(&["ok/a", "../b"]), Err(ErrorKind::Invalid));
        assert_eq!(files(&["ok/a", "ok/b", "c"]), Ok(()));
    }

    #[test]
    fn f1_links_are_resolved_before_the_check() {
        let house = House::new();
        symlink(house.at("outside"), house.at("dl/out")).unwrap();
        symlink(house.at("dl"), house.at("outside/back")).unwrap();
        symlink(house.at("nowhere"), house.at("dl/dangling")).unwrap();
        symlink(house.at("dl/loop"), house.at("dl/loop")).unwrap();
        for wish in ["dl/out", "dl/out/new", "dl/dangling", "dl/dangling/x", "dl/loop"] {
            assert_eq!(house.refusal(wish), ErrorKind::Forbidden, "{wish}");
        }
        let real = house.dir.path().canonicalize().unwrap();
        assert_eq!(house.resolve("outside/back/x").unwrap(), real.join("dl/x"));
    }

    #[test]
    fn w14_a_refusal_names_only_the_wish() {
        let house = House::new();
        symlink(house.at("outside"), house.at("dl/out")).unwrap();
        let message = house.roots.resolve("out").unwrap_err().to_string();
        assert!(message.contains("`out`") && !message.contains("outside/"), "{message}");
        assert!(!message.contains(house.dir.path().to_str().unwrap()));
    }

    #[test]
    fn f3_deleting_takes_the_torrents_files_and_nothing_else() {
        let house = House::new();
        fs::create_dir_all(house.at("dl/t/empty/deep")).unwrap();
        fs::create_dir_all(house.at("dl/t/shared")).unwrap();
        for name in ["dl/t/a", "dl/t/empty/deep/b", "dl/t/shared/mine", "dl/t/shared/foreign"] {
            fs::write(house.at(name), "x").unwrap();
        }
        let files = ["t/a", "t/empty/deep/b", "t/shared/mine", "t/gone"].map(String::from);
        house.roots.delete_files(&house.at("dl"), &files).unwrap();
        assert!(!house.at("dl/t/a").exists() && !house.at("dl/t/empty").exists());
        assert!(house.at("dl/t/shared/foreign").exists() && !house.at("dl/t/shared/mine").exists());
        fs::remove_file(house.at("dl/t/shared/foreign")).unwrap();
        house.roots.delete_files(&house.at("dl"), &files).unwrap();
        assert!(!house.at("dl/t").exists() && house.at("dl").exists());
    }

    #[test]
    fn f3_deleting_follows_no_link() {
        let house = House::new();
        fs::write(house.at("outside/precious"), "x").unwrap();
        fs::create_dir(house.at("dl/t")).unwrap();
        symlink(house.at("outside"), house.at("dl/t/dir")).unwrap();
        symlink(house.at("outside/precious"), house.at("dl/t/file")).unwrap();
        let files = ["t/dir/precious", "t/file"].map(String::from);
        house.roots.delete_files(&house.at("dl"), &files).unwrap();
        assert!(house.at("outside/precious").exists());
        let outside = house.roots.delete_files(&house.at("outside"), &["precious".into()]);
        assert_eq!(outside.unwrap_err().kind(), ErrorKind::Forbidden);
        let upwards = house.roots.delete_files(&house.at("dl"), &["../outside/precious".into()]);
        assert_eq!(upwards.unwrap_err().kind(), ErrorKind::Invalid);
        assert!(house.at("outside/precious").exists());
        house.roots.delete_files(&house.at("dl/never-made"), &["a".into()]).unwrap();
    }

    #[test]
    fn f3_reading_follows_links_only_inside_the_roots() {
        let house = House::new();
        fs::write(house.at("dl/real"), "x").unwrap();
        fs::write(house.at("outside/secret"), "x").unwrap();
        symlink("real", house.at("dl/inner")).unwrap();
        symlink(house.at("outside/secret"), house.at("dl/outer")).unwrap();
        symlink(house.at("outside"), house.at("dl/dir")).unwrap();
        let open = |name: &str, last| {
            house.roots.open_file(&house.at("dl"), name, last).map(drop).map_err(|e| e.kind())
        };
        assert_eq!(open("real", LastLink::Refuse), Ok(()));
        assert_eq!(open("inner", LastLink::Follow), Ok(()));
        assert_eq!(open("inner", LastLink::Refuse), Err(ErrorKind::Forbidden));
        assert_eq!(open("outer", LastLink::Follow), Err(ErrorKind::Forbidden));
        assert_eq!(open("dir/secret", LastLink::Follow), Err(ErrorKind::Forbidden));
        assert_eq!(open("gone", LastLink::Follow), Err(ErrorKind::NotFound));
        assert_eq!(open("state", LastLink::Follow), Err(ErrorKind::Forbidden));
    }

    /// Rules F5, F9: a pipe in the place of a file neither blocks nor is read.
    #[test]
    fn f9_only_regular_files_are_opened() {
        let house = House::new();
        fs::create_dir(house.at("dl/dir")).unwrap();
        let pipe = house.at("dl/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for name in ["dir", "pipe"] {
            let open = house.roots.open_file(&house.at("dl"), name, LastLink::Follow);
            assert_eq!(open.unwrap_err().kind(), ErrorKind::Forbidden, "{name}");
        }
    }
}
