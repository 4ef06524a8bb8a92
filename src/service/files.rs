//! Files of torrents as streams: bytes in order, each sent once its piece is verified.
//!
//! A stream hurries the pieces it needs next and waits for them. Files are read with positioned
//! reads and never mapped: a file that somebody truncates would end the process (rule F9). Of a share
//! no byte is sent that was changed since it was shared.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::watch;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Torrent;
use crate::engine::Engine;
use crate::service::paths::LastLink;
use crate::service::paths::Roots;
use crate::service::sealed_file::MEND;
use crate::service::sealed_file::SealedFile;
use crate::service::shares::Shares;
use crate::service::stream_plan::FileView;
use crate::service::stream_plan::StreamProgress;
use crate::service::torrents::Torrents;

/// The first read of a stream: small, so that a player sees bytes early.
const FIRST_CHUNK_BYTES: u64 = 256 * 1_024;

/// Every later read.
const CHUNK_BYTES: u64 = 1_024 * 1_024;

/// libtorrent's highest file priority.
const PRIORITY_TOP: u8 = 7;

/// libtorrent's ordinary file priority.
const PRIORITY_NORMAL: u8 = 4;

/// Opens files of torrents for streaming. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    torrents: Torrents,
    roots: Roots,
    shares: Shares,
    streams: Mutex<HashMap<TorrentId, ActiveStream>>,
    changes: AtomicU64,
}

/// The newest stream of a torrent; dropping `_stop` ends its reader.
struct ActiveStream {
    number: u64,
    file_index: usize,
    start: u64,
    _stop: watch::Sender<()>,
}

/// A file that may be read once.
pub struct OpenFile {
    /// Length in bytes.
    pub size_bytes: u64,
    /// Its last name, without directories.
    pub name: String,
    files: Files,
    id: TorrentId,
    file_index: usize,
    /// Open already, when it is one of a share.
    file: Option<Arc<SealedFile>>,
}

impl Files {
    /// Streams of the torrents in `engine`; files are read only under `roots`, and those of
    /// `shares` only while they are as they were shared.
    pub fn new(engine: Engine, torrents: Torrents, roots: Roots, shares: Shares) -> Self {
        let (streams, changes) = (Mutex::default(), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { engine, torrents, roots, shares, streams, changes }) }
    }

    /// Makes file `file_index` ready to be streamed: a stopped torrent is resumed and the file
    /// gets the highest priority, which it keeps.
    ///
    /// # Errors
    /// `NotFound` for an unknown torrent or file, or before the metadata is there; Conflict when
    /// the torrent is in error, which only an explicit resume may clear (rule D10), and when it is a
    /// file of a share that was changed.
    pub async fn open(&self, id: TorrentId, file_index: usize) -> Result<OpenFile> {
        let torrent = self.torrent(id)?;
        let view = view(&torrent, file_index)?;
        if let Some(error) = in_error(&torrent) {
            return Err(error);
        }
        let file = self.open_shared(&torrent, view).await?;
        // A share that is held back since other files of it changed can be read all the same, and
        // is not to run.
        if torrent.status.is_paused && !self.inner.shares.condition(id).is_changed() {
            self.inner.torrents.resume(id).await?;
        }
        let is_top = torrent.file_priorities.get(file_index) == Some(&PRIORITY_TOP);
        if !is_top && !view.is_complete() {
            let wanted = priorities(&torrent, view.metadata.files.len(), file_index);
            self.inner.engine.prioritize_files(id, wanted).await?;
        }
        let name = view.file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let size_bytes = view.file.size_bytes;
        Ok(OpenFile { size_bytes, name, files: self.clone(), id, file_index, file })
    }

    /// The file, when it is one of a share. That it was changed is told to who looks after shares.
    async fn open_shared(
        &self,
        torrent: &Torrent,
        view: FileView<'_>,
    ) -> Result<Option<Arc<SealedFile>>> {
        let Inner { shares, roots, .. } = &*self.inner;
        let file = SealedFile::of_share(shares, roots, (torrent, view.file)).await;
        if file.is_err() {
            shares.doubt(torrent.id);
        }
        Ok(file?.map(Arc::new))
    }

    /// Hurries what a player needs first from byte `start` of a file, without reading it; returns
    /// whether that is new, and how far it is.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub async fn prepare(
        &self,
        id: TorrentId,
        file_index: usize,
        start: u64,
    ) -> Result<(bool, StreamProgress)> {
        let is_same = self
            .streams()
            .get(&id)
            .is_some_and(|active| (active.file_index, active.start) == (file_index, start));
        if !is_same {
            self.open(id, file_index).await?;
            let _ = self.begin(id, file_index, start);
            self.inner.engine.clear_piece_deadlines(id).await?;
        }
        let torrent = self.torrent(id)?;
        let view = view(&torrent, file_index)?;
        let wanted = view.opening(start);
        if !is_same && !wanted.is_empty() {
            self.inner.engine.set_piece_deadlines(id, wanted).await?;
        }
        Ok((!is_same, view.progress(start)))
    }

    /// Ends the stream of a torrent; returns whether there was one.
    ///
    /// # Errors
    /// As the engine reports.
    pub async fn end(&self, id: TorrentId) -> Result<bool> {
        let had = self.streams().remove(&id).is_some();
        if had {
            self.changed();
            self.inner.engine.clear_piece_deadlines(id).await?;
        }
        Ok(had)
    }

    /// How far the running stream of `torrent` is; `None` when none runs.
    pub fn progress(&self, torrent: &Torrent) -> Option<StreamProgress> {
        let (file_index, start) = {
            let streams = self.streams();
            let active = streams.get(&torrent.id)?;
            (active.file_index, active.start)
        };
        Some(view(torrent, file_index).ok()?.progress(start))
    }

    /// Grows whenever a stream begins or ends.
    pub fn revision(&self) -> u64 {
        self.inner.changes.load(Ordering::Acquire)
    }

    fn torrent(&self, id: TorrentId) -> Result<Arc<Torrent>> {
        let torrent = self.inner.engine.get(id);
        torrent.ok_or_else(|| Error::not_found("this download does not exist"))
    }

    /// Registers a stream, which ends an older one of the same torrent.
    fn begin(&self, id: TorrentId, file_index: usize, start: u64) -> (u64, watch::Receiver<()>) {
        let (stop, stopped) = watch::channel(());
        let number = self.changed();
        let active = ActiveStream { number, file_index, start, _stop: stop };
        self.streams().insert(id, active);
        (number, stopped)
    }

    /// Forgets stream `number` unless a newer one took its place; returns whether it did.
    fn forget(&self, id: TorrentId, number: u64) -> bool {
        let mut streams = self.streams();
        let is_ours = streams.get(&id).is_some_and(|active| active.number == number);
        if is_ours {
            streams.remove(&id);
            self.changed();
        }
        is_ours
    }

    fn changed(&self) -> u64 {
        self.inner.changes.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<TorrentId, ActiveStream>> {
        self.inner.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenFile {
    /// The bytes of `range` (cut at the end of the file) in order, as their pieces are verified.
    ///
    /// Waits as long as the reader does. Ends with an error when a newer stream of the same
    /// torrent takes over, the torrent is removed or in error, the file on disk is too short, or it
    /// is one of a share and was changed.
    pub fn read(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let end = range.end.min(self.size_bytes);
        let (number, stopped) = self.files.begin(self.id, self.file_index, range.start);
        let reader = Reader {
            files: self.files,
            id: self.id,
            file_index: self.file_index,
            number,
            stopped,
            position: range.start,
            end,
            chunk_bytes: FIRST_CHUNK_BYTES,
            hurried_from: None,
            file: self.file,
        };
        stream::try_unfold(reader, |mut reader| async move {
            let chunk = reader.next().await?;
            Ok(chunk.map(|chunk| (chunk, reader)))
        })
    }
}

/// One running stream; dropping it, as the server does when the client goes away, ends it.
struct Reader {
    files: Files,
    id: TorrentId,
    file_index: usize,
    number: u64,
    stopped: watch::Receiver<()>,
    position: u64,
    end: u64,
    chunk_bytes: u64,
    /// The cursor's piece when deadlines were last set; `None` before the first time.
    hurried_from: Option<u32>,
    file: Option<Arc<SealedFile>>,
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let (torrent, length) = self.wait_for_bytes().await?;
        let file = self.open_once(&torrent).await?;
        let position = self.position;
        let is_sealed = file.is_sealed();
        let chunk = on_a_thread(move || file.read(position, length)).await;
        if chunk.is_err() && is_sealed {
            self.files.inner.shares.doubt(self.id);
        }
        let chunk = chunk?;
        self.position += length;
        self.chunk_bytes = CHUNK_BYTES;
        Ok(Some(chunk))
    }

    /// The torrent and how many bytes from the cursor on may be sent; at least one.
    async fn wait_for_bytes(&mut self) -> io::Result<(Arc<Torrent>, u64)> {
        let mut changes = self.files.inner.engine.changes();
        loop {
            changes.borrow_and_update();
            if self.stopped.has_changed().is_err() {
                return Err(ended("a newer stream took over"));
            }
            let torrent = self.files.torrent(self.id).map_err(|_| ended("it was removed"))?;
            if !torrent.status.error.is_empty() {
                return Err(ended("the download is in error"));
            }
            let limit = self.chunk_bytes.min(self.end - self.position);
            let view = view(&torrent, self.file_index).map_err(|_| ended("no such file"))?;
            self.hurry(view).await?;
            let ready = view.ready_bytes(self.position, limit);
            if ready > 0 && serves(torrent.status.stage) {
                return Ok((torrent, ready));
            }
            tokio::select! {
                biased;
                _ = self.stopped.changed() => return Err(ended("a newer stream took over")),
                tick = changes.changed() => tick.map_err(|_| ended("the engine stopped"))?,
            }
        }
    }

    /// Moves the deadlines along when the cursor has come to another piece.
    async fn hurry(&mut self, view: FileView<'_>) -> io::Result<()> {
        let piece = view.piece_at(self.position);
        if self.hurried_from == Some(piece) {
            return Ok(());
        }
        let engine = &self.files.inner.engine;
        let wanted = match self.hurried_from {
            Some(_) => view.window(self.position),
            None => view.opening(self.position),
        };
        if self.hurried_from.is_none() {
            engine.clear_piece_deadlines(self.id).await.map_err(io::Error::other)?;
        }
        if !wanted.is_empty() {
            engine.set_piece_deadlines(self.id, wanted).await.map_err(io::Error::other)?;
        }
        self.hurried_from = Some(piece);
        Ok(())
    }

    /// The open file; a move of the torrent does not disturb a stream that has it already.
    async fn open_once(&mut self, torrent: &Torrent) -> io::Result<Arc<SealedFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let view = view(torrent, self.file_index).map_err(io::Error::other)?;
        let (path, save_path) = (view.file.path.clone(), Arc::clone(&torrent.save_path));
        let roots = self.files.inner.roots.clone();
        let open = move || {
            let file = roots.open_file(Path::new(save_path.as_ref()), &path, LastLink::Follow);
            file.map_err(io::Error::other)
        };
        let file = Arc::new(SealedFile::plain(on_a_thread(open).await?));
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.files.forget(self.id, self.number) {
            return;
        }
        let (engine, id) = (self.files.inner.engine.clone(), self.id);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Short and bounded by the engine's own deadline; nobody is left to await it. A failure
            // only leaves some pieces hurried.
            runtime.spawn(async move { engine.clear_piece_deadlines(id).await });
        }
    }
}

/// Whether what is on disk is known to be what `pieces` says: not while it is being checked.
fn serves(stage: Stage) -> bool {
    matches!(stage, Stage::Downloading | Stage::Finished | Stage::Seeding)
}

fn view(torrent: &Torrent, file_index: usize) -> Result<FileView<'_>> {
    let metadata = torrent.metadata.as_deref();
    let metadata = metadata.ok_or_else(|| Error::not_found("the metadata is not there yet"))?;
    let file = metadata.files.get(file_index).filter(|file| !file.is_padding);
    let file = file.ok_or_else(|| Error::not_found(format!("there is no file {file_index}")))?;
    Ok(FileView { metadata, file, have: &torrent.pieces })
}

fn priorities(torrent: &Torrent, files: usize, top: usize) -> Vec<u8> {
    let present = |file| torrent.file_priorities.get(file).copied().unwrap_or(PRIORITY_NORMAL);
    (0..files).map(|file| if file == top { PRIORITY_TOP } else { present(file) }).collect()
}

/// Why nothing of a torrent is served, when it stands in error.
fn in_error(torrent: &Torrent) -> Option<Error> {
    let (error, failure) = (&torrent.status.error, torrent.status.failure);
    match failure {
        _ if error.is_empty() => None,
        Some(Failure::Changed) => Some(Error::conflict(format!("{error}; {MEND}"))),
        _ => Some(Error::conflict("the download is in error; resume it first")),
    }
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn ended(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, format!("stream ended: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_served_while_the_files_are_checked() {
        for stage in [Stage::Loading, Stage::CheckingResume, Stage::Checking, Stage::Metadata] {
            assert!(!serves(stage), "{stage:?}");
        }
        for stage in [Stage::Downloading, Stage::Finished, Stage::Seeding] {
            assert!(serves(stage), "{stage:?}");
        }
    }
}
