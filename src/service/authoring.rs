//! Making a torrent of a file or folder under the download roots.
//!
//! Nothing is added or kept: who wants that does it with what comes out. The files are looked at
//! before and after they are hashed, so that a torrent never mixes two states of them.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::InfoHashes;
use crate::domain::share::FileMark;
pub use crate::domain::share::Format;
use crate::engine;
use crate::engine::AuthorPlan;
pub use crate::engine::HashMeter;
use crate::engine::Prepared;
use crate::service::folder::Folder;
pub use crate::service::folder::SKIPPED;
use crate::service::paths::Roots;
use crate::service::torrents::check_tracker;

/// Pieces shorter than this cost more than they help.
const PIECE_BYTES_MIN: u32 = 16 << 10;
/// Longer pieces are chosen only for what would have too many.
const PIECE_BYTES_USUAL_MAX: u32 = 16 << 20;
/// What the engine takes at most.
const PIECE_BYTES_MAX: u32 = 256 << 20;
/// Up to here a torrent file stays small, and a piece is fetched soon.
const PIECES_WANTED: u64 = 2048;
/// With more a torrent file grows past what other clients take.
const PIECES_USUAL_MAX: u64 = 131_072;
/// Pieces of one torrent (rule F4).
const PIECES_MAX: u64 = 2_097_152;
/// Bytes of a comment or a source.
const TEXT_MAX: usize = 4096;

/// A torrent whose place another one takes, with the files that it was made of.
#[derive(Clone, Debug, Default)]
pub struct Former {
    /// The .torrent file.
    pub torrent_file: Vec<u8>,
    /// Its files as they were hashed; empty when that is not known, and nothing is taken over.
    pub files: Vec<FileMark>,
}

/// What to make a torrent of, and how.
#[derive(Clone, Debug, Default)]
pub struct AuthorWish {
    /// The file or folder; relative to the first root, or absolute.
    pub path: String,
    /// Another name than that of the file or folder.
    pub name: Option<String>,
    /// Which BitTorrent it speaks.
    pub format: Format,
    /// Bytes of a piece, a power of two from 16 KiB to 256 MiB; `None` = by size.
    pub piece_bytes: Option<u32>,
    /// BEP 27: peers only from its trackers.
    pub is_private: bool,
    /// Announce URLs in tiers.
    pub trackers: Vec<Vec<String>>,
    /// URLs of servers that have the files too (BEP 19).
    pub web_seeds: Vec<String>,
    /// For people.
    pub comment: String,
    /// The mark that some trackers ask for.
    pub source: String,
    /// Names left out, `*` for anything; `None` = [`SKIPPED`].
    pub skip: Option<Vec<String>>,
    /// What it takes the place of: files that are as they were are not hashed again, and pieces
    /// stay as long as they may.
    pub former: Option<Former>,
}

/// A torrent that was made and belongs to nobody yet.
pub struct Made {
    /// Complete and verified, with the place of its files.
    pub prepared: Prepared,
    /// What was found before and after.
    pub folder: Folder,
    /// The file or folder, links resolved.
    pub source: PathBuf,
}

impl Made {
    /// Its info-hashes.
    pub fn hashes(&self) -> InfoHashes {
        self.prepared.hashes
    }

    /// The .torrent file.
    ///
    /// # Errors
    /// Internal, never expected.
    pub fn torrent_file(&self) -> Result<Vec<u8>> {
        let file = self.prepared.metadata_bytes();
        file.ok_or_else(|| Error::internal("a torrent that was made has no metadata"))
    }
}

/// Makes torrents, one at a time, each with all processors; a cheap handle.
#[derive(Clone)]
pub struct Authoring {
    roots: Roots,
    turn: Arc<Semaphore>,
}

/// What is settled before a byte is read.
struct Settled {
    plan: AuthorPlan,
    folder: Folder,
    source: PathBuf,
    skip: Vec<String>,
}

impl Authoring {
    /// Of files under these roots.
    pub fn new(roots: Roots) -> Self {
        Self { roots, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Makes a torrent, after those that were asked for before. `meter` tells how far it is and
    /// can end it, as the end of the caller does.
    ///
    /// # Errors
    /// Forbidden outside the roots; `NotFound`; Invalid, for a wish that makes no torrent; Conflict,
    /// when it was cancelled or the files changed meanwhile.
    pub async fn make(&self, wish: AuthorWish, meter: HashMeter) -> Result<Made> {
        let mut own = CancelOnDrop(Some(meter.clone()));
        let closed = |_| Error::internal("no torrents are made any more");
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(closed)?;
        let roots = self.roots.clone();
        let work = move || {
            let _turn = turn;
            settle(&roots, wish, &meter)?.hash(&meter)
        };
        let made = tokio::task::spawn_blocking(work).await;
        own.0 = None;
        made.map_err(|_| Error::internal("making a torrent panicked"))?
    }
}

/// Ends the work of a caller that went away.
struct CancelOnDrop(Option<HashMeter>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(HashMeter::cancel);
    }
}

fn settle(roots: &Roots, wish: AuthorWish, meter: &HashMeter) -> Result<Settled> {
    check_texts(&wish)?;
    let (source, parent) = place(roots, &wish.path)?;
    let skip = wish.skip.unwrap_or_else(|| SKIPPED.map(String::from).to_vec());
    let folder = Folder::read(&source, &skip, &|| goes_on(meter))?;
    check_places(roots, &source, &parent, &folder)?;
    let tiers = (0u8..).zip(wish.trackers);
    let length = match (piece_bytes(wish.piece_bytes, folder.size_bytes()), &wish.former) {
        // What is renewed has grown past what its pieces could hold.
        (Err(_), Some(_)) => usual_piece_bytes(folder.size_bytes()),
        (length, _) => length?,
    };
    let former = wish.former.unwrap_or_default();
    let plan = AuthorPlan {
        path: utf8(&source)?,
        files: folder.files(),
        name: wish.name.unwrap_or_default(),
        piece_bytes: length,
        format: wish.format,
        is_private: wish.is_private,
        trackers: tiers
            .flat_map(|(tier, urls)| urls.into_iter().map(move |url| (url, tier)))
            .collect(),
        web_seeds: wish.web_seeds,
        comment: wish.comment,
        source: wish.source,
        threads: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        unchanged: folder.unchanged_since(&former.files),
        former: former.torrent_file,
    };
    Ok(Settled { plan, folder, source, skip })
}

impl Settled {
    fn hash(self, meter: &HashMeter) -> Result<Made> {
        goes_on(meter)?;
        let outcome = engine::author(&self.plan, meter);
        goes_on(meter)?;
        let now = Folder::read(&self.source, &self.skip, &|| goes_on(meter));
        let changed = |what: &str| {
            let path = self.source.display();
            Error::conflict(format!("`{path}` changed while it was read: {what}"))
        };
        // What went wrong while hashing is often only the trace of a change.
        match now.as_ref().map(|now| self.folder.difference(now)) {
            Ok(None) => {}
            Ok(Some(what)) => return Err(changed(&what)),
            Err(error) => return Err(changed(error.message())),
        }
        Ok(Made { prepared: outcome?, folder: self.folder, source: self.source })
    }
}

fn goes_on(meter: &HashMeter) -> Result<()> {
    if meter.is_cancelled() { Err(engine::cancelled()) } else { Ok(()) }
}

/// The source, links resolved, and the directory it lies in: both under a root, since that
/// directory is where the torrent is at home.
fn place(roots: &Roots, path: &str) -> Result<(PathBuf, PathBuf)> {
    let source = roots.resolve(path)?;
    let parent = source.parent().and_then(Path::to_str).and_then(|up| roots.resolve(up).ok());
    let parent = parent.ok_or_else(|| {
        Error::forbidden(format!(
            "`{path}` is a download root itself: share what is in it, or add the directory above \
             it to client.roots"
        ))
    })?;
    Ok((source, parent))
}

/// No file may lie in a directory that is kept from downloads, such as the state's (rule F1).
fn check_places(roots: &Roots, source: &Path, parent: &Path, folder: &Folder) -> Result<()> {
    let name = source.strip_prefix(parent).unwrap_or(source).to_string_lossy().into_owned();
    let whole = |(path, _): &(String, u64)| match path.is_empty() {
        true => name.clone(),
        false => format!("{name}/{path}"),
    };
    let names: Vec<String> = folder.files().iter().map(whole).collect();
    roots.check_files(parent, names.iter().map(String::as_str))
}

fn check_texts(wish: &AuthorWish) -> Result<()> {
    wish.trackers.iter().flatten().try_for_each(|url| check_tracker(url))?;
    for url in &wish.web_seeds {
        let scheme = url::Url::parse(url).ok().map(|url| url.scheme().to_owned());
        if !matches!(scheme.as_deref(), Some("http" | "https")) {
            return Err(Error::invalid("a web seed begins with http:// or https://"));
        }
    }
    if wish.trackers.len() > usize::from(u8::MAX) {
        return Err(Error::invalid("a torrent has at most 255 tiers of trackers"));
    }
    if wish.comment.len().max(wish.source.len()) > TEXT_MAX {
        return Err(Error::invalid(format!("a comment or source has at most {TEXT_MAX} bytes")));
    }
    Ok(())
}

/// The wished length, checked, or one that fits the size.
fn piece_bytes(wish: Option<u32>, total_bytes: u64) -> Result<u32> {
    let Some(wish) = wish else { return Ok(usual_piece_bytes(total_bytes)) };
    if !wish.is_power_of_two() || !(PIECE_BYTES_MIN..=PIECE_BYTES_MAX).contains(&wish) {
        let message = "the piece size must be a power of two between 16 KiB and 256 MiB";
        return Err(Error::invalid(message));
    }
    if total_bytes / u64::from(wish) >= PIECES_MAX {
        return Err(Error::invalid(format!(
            "with this piece size there are over {PIECES_MAX} pieces"
        )));
    }
    Ok(wish)
}

fn usual_piece_bytes(total_bytes: u64) -> u32 {
    let mut length = PIECE_BYTES_MIN;
    while length < PIECE_BYTES_MAX {
        let pieces = total_bytes / u64::from(length);
        let most = if length < PIECE_BYTES_USUAL_MAX { PIECES_WANTED } else { PIECES_USUAL_MAX };
        if pieces <= most {
            break;
        }
        length *= 2;
    }
    length
}

fn utf8(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| Error::invalid("the path is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::domain::error::ErrorKind;

    /// A root with a folder `share` of three files, and a state directory inside.
    struct House {
        directory: TempDir,
        roots: Roots,
    }

    impl House {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path().join("dl");
            for (name, size) in [("share/a.bin", 200_000), ("share/b/c.bin", 70_000), ("x.part", 5)]
            {
                let file = root.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, vec![7; size]).unwrap();
            }
            fs::create_dir(root.join("share/state")).unwrap();
            let roots = Roots::new(vec![root.clone()], vec![root.join("share/state")]);
            Self { directory, roots }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.directory.path().join("dl").join(name)
        }

        async fn make(&self, wish: AuthorWish) -> Result<Made> {
            Authoring::new(self.roots.clone()).make(wish, HashMeter::default()).await
        }

        async fn refused(&self, wish: AuthorWish) -> Error {
            self.make(wish).await.err().expect("it is refused")
        }
    }

    fn wish(path: &str) -> AuthorWish {
        AuthorWish { path: path.into(), ..AuthorWish::default() }
    }

    #[tokio::test]
    async fn what_is_wished_for_is_in_the_torrent() {
        let house = House::new();
        for (format, has_v1, has_v2) in
            [(Format::V1, true, false), (Format::Hybrid, true, true), (Format::V2, false, true)]
        {
            let wish = AuthorWish {
                format,
                is_private: true,
                trackers: vec![
                    vec!["udp://nas.example:6969/announce".into()],
                    vec!["http://nas.example:6969/announce".into()],
                ],
                comment: "for a friend".into(),
                source: "COVE".into(),
                ..wish("share")
            };
            let made = house.make(wish).await.unwrap();
            assert_eq!(
                (made.hashes().v1().is_some(), made.hashes().v2().is_some()),
                (has_v1, has_v2)
            );
            let read = Prepared::from_torrent(&made.torrent_file().unwrap()).unwrap();
            let metadata = read.metadata.unwrap();
            assert!(metadata.is_private && metadata.has_folder);
            assert_eq!(metadata.comment, "for a friend");
            let tiers: Vec<u8> = read.trackers.iter().map(|tracker| tracker.tier).collect();
            assert_eq!((tiers, &*read.name), (vec![0, 1], "share"));
            let own = made.prepared;
            assert!(own.pieces.is_full() && !own.pieces.is_empty());
            assert_eq!(Path::new(&*own.save_path), house.at("").canonicalize().unwrap());
        }
    }

    #[tokio::test]
    async fn a_single_file_is_shared_whatever_its_name_and_may_get_another() {
        let house = House::new();
        let wish = AuthorWish { name: Some("notes.txt".into()), ..wish("x.part") };
        let made = house.make(wish).await.unwrap();
        assert_eq!(&*made.prepared.name, "notes.txt");
        assert_eq!(made.prepared.metadata.unwrap().files[0].path, "x.part", "on disk it stays");
    }

    /// Rule F1.
    #[tokio::test]
    async fn nothing_outside_the_roots_becomes_a_torrent() {
        let house = House::new();
        fs::write(house.directory.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", house.at("link")).unwrap();
        for path in ["/etc", "/etc/passwd", "link", house.directory.path().to_str().unwrap()] {
            assert_eq!(house.refused(wish(path)).await.kind(), ErrorKind::Forbidden, "{path}");
        }
        let root = house.refused(wish(house.at("").to_str().unwrap())).await;
        assert!(root.message().contains("is a download root itself"), "{root}");
        fs::write(house.at("share/state/cove.db"), "x").unwrap();
        let state = house.refused(wish("share")).await;
        assert_eq!(state.kind(), ErrorKind::Forbidden, "{state}");
    }

    #[tokio::test]
    async fn what_makes_no_torrent_is_refused_in_words() {
        let house = House::new();
        fs::create_dir(house.at("empty")).unwrap();
        assert!(house.refused(wish("empty")).await.message().ends_with("holds no data"));
        assert_eq!(house.refused(wish("nothing")).await.kind(), ErrorKind::NotFound);
        for piece_bytes in [0, 1, 12_345, 8 << 10, 48 << 10, 1 << 31] {
            let wish = AuthorWish { piece_bytes: Some(piece_bytes), ..wish("share") };
            let refused = house.refused(wish).await;
            assert!(refused.message().starts_with("the piece size must"), "{piece_bytes}");
        }
        let trackers = vec![vec!["ftp://nas.example/".into()]];
        let refused = house.refused(AuthorWish { trackers, ..wish("share") }).await;
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let web_seeds = vec!["file:///etc/passwd".into()];
        let refused = house.refused(AuthorWish { web_seeds, ..wish("share") }).await;
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }

    #[tokio::test]
    async fn it_can_be_watched_and_cancelled() {
        let house = House::new();
        let authoring = Authoring::new(house.roots.clone());
        let meter = HashMeter::default();
        let wish = AuthorWish { piece_bytes: Some(16 << 10), ..wish("share") };
        authoring.make(wish.clone(), meter.clone()).await.unwrap();
        assert_eq!(meter.pieces(), (17, 17));
        let stopped = HashMeter::default();
        stopped.cancel();
        let refused = authoring.make(wish, stopped.clone()).await.err().unwrap();
        assert_eq!(refused.message(), "making the torrent was cancelled");
        assert_eq!(stopped.pieces(), (0, 0));
    }

    /// A torrent never mixes two states of a folder.
    #[test]
    fn a_folder_that_changes_meanwhile_is_refused() {
        let house = House::new();
        let meter = HashMeter::default();
        type Change = fn(&Path);
        let changes: [(Change, &str); 3] = [
            (|share| fs::write(share.join("new"), "new").unwrap(), "`new` is new"),
            (|share| fs::write(share.join("a.bin"), [8; 100]).unwrap(), "`a.bin` was changed"),
            (|share| fs::remove_file(share.join("b/c.bin")).unwrap(), "`b/c.bin` is gone"),
        ];
        for (change, said) in changes {
            let settled = settle(&house.roots, wish("share"), &meter).unwrap();
            change(&house.at("share"));
            let refused = settled.hash(&meter).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Conflict);
            assert!(refused.message().ends_with(said), "{refused}");
        }
    }

    #[test]
    fn pieces_grow_with_the_size() {
        const GIB: u64 = 1 << 30;
        for (size, length) in [
            (1, 16 << 10),
            (32 << 20, 16 << 10),
            (GIB, 512 << 10),
            (4 * GIB, 2 << 20),
            (1024 * GIB, 16 << 20),
            (8192 * GIB, 64 << 20),
            (u64::MAX, 256 << 20),
        ] {
            assert_eq!(usual_piece_bytes(size), length, "{size}");
        }
        assert!(piece_bytes(Some(16 << 10), 1024 * GIB).is_err());
    }
}
