//! Which pieces a stream needs next, and how soon: plain arithmetic, no waiting.
//!
//! A player reads the head of a file, often its tail (where some formats keep their index), and
//! then goes on from a cursor. Those pieces get deadlines, 10 ms apart, in the order of need.

use std::ops::Range;

use crate::domain::bitfield::Bitfield;
use crate::domain::metadata::File;
use crate::domain::metadata::Metadata;

const HEADER_BYTES: u64 = 5 << 20;
const FOOTER_BYTES: u64 = 1 << 20;
/// Share of the file to have before playing: one in twenty.
const PREBUFFER_SHARE: u64 = 20;
/// More than this ahead serves no player and would starve the pieces at the cursor.
const PREBUFFER_BYTES_MAX: u64 = 64 << 20;
/// Pieces at the cursor that go before head and tail: somebody waits for exactly those.
const CURSOR_PIECES: u64 = 4;
/// Pieces ahead of the cursor that are hurried, as Tribler does it.
const WINDOW_PIECES: u32 = 31;
/// The window in bytes when pieces are small: 31 pieces of 16 KiB would be half a second of film.
const WINDOW_BYTES_MIN: u64 = 8 << 20;
/// Deadlines in one request, so that tiny pieces cannot flood the engine.
const DEADLINES_MAX: usize = 1_024;
const DEADLINE_STEP_MS: u32 = 10;

/// A piece and how soon it is needed, in milliseconds.
pub(crate) type Deadline = (u32, u32);

/// How much of what a stream needs first is there, each 0 to 1; 1 when nothing is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamProgress {
    /// Pieces of the prebuffer, anywhere in it.
    pub prebuffer: f64,
    /// Pieces of the prebuffer without a gap from its start.
    pub prebuffer_consecutive: f64,
    /// Pieces of the first 5 MiB.
    pub header: f64,
    /// Pieces of the last MiB.
    pub footer: f64,
}

/// One file of a torrent, with the pieces that are there.
#[derive(Clone, Copy)]
pub(crate) struct FileView<'a> {
    /// What the torrent file says.
    pub(crate) metadata: &'a Metadata,
    /// The file streamed.
    pub(crate) file: &'a File,
    /// Verified pieces.
    pub(crate) have: &'a Bitfield,
}

impl FileView<'_> {
    /// Whether every piece of the file is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.pieces(0..self.file.size_bytes).all(|piece| self.have.has(piece))
    }

    /// Verified bytes from `position` on without a gap, at most `limit`.
    pub(crate) fn ready_bytes(&self, position: u64, limit: u64) -> u64 {
        let end = (position + limit).min(self.file.size_bytes);
        let missing = self.pieces(position..end).find(|piece| !self.have.has(*piece));
        let Some(missing) = missing else {
            return end.saturating_sub(position);
        };
        let begin_of_missing = u64::from(missing) * u64::from(self.metadata.piece_length);
        begin_of_missing.saturating_sub(self.file.offset_bytes + position)
    }

    /// What to ask for when a stream opens at `start`: some pieces there, head, tail, prebuffer.
    pub(crate) fn opening(&self, start: u64) -> Vec<Deadline> {
        let cursor_bytes = CURSOR_PIECES * u64::from(self.metadata.piece_length);
        let cursor = self.pieces(start..start.saturating_add(cursor_bytes));
        let first = self.pieces(self.header()).chain(self.pieces(self.footer()));
        self.deadlines(cursor.chain(first).chain(self.pieces(self.prebuffer(start))))
    }

    /// What to ask for while a stream reads at `position`.
    pub(crate) fn window(&self, position: u64) -> Vec<Deadline> {
        let length = u64::from(self.metadata.piece_length).max(1);
        let bytes = WINDOW_BYTES_MIN.max(u64::from(WINDOW_PIECES) * length);
        self.deadlines(self.pieces(position..position.saturating_add(bytes)))
    }

    /// How much of what a stream from `start` needs first is there.
    pub(crate) fn progress(&self, start: u64) -> StreamProgress {
        let share = |range: Range<u64>| {
            let all = self.pieces(range.clone()).count();
            ratio(self.pieces(range).filter(|piece| self.have.has(*piece)).count(), all)
        };
        let prebuffer = self.prebuffer(start);
        let all = self.pieces(prebuffer.clone()).count();
        let row = self.pieces(prebuffer.clone()).take_while(|piece| self.have.has(*piece)).count();
        StreamProgress {
            prebuffer: share(prebuffer),
            prebuffer_consecutive: ratio(row, all),
            header: share(self.header()),
            footer: share(self.footer()),
        }
    }

    /// The piece that holds byte `position` of the file.
    pub(crate) fn piece_at(&self, position: u64) -> u32 {
        let length = u64::from(self.metadata.piece_length).max(1);
        u32::try_from((self.file.offset_bytes + position) / length).unwrap_or(u32::MAX)
    }

    fn header(&self) -> Range<u64> {
        0..HEADER_BYTES
    }

    fn footer(&self) -> Range<u64> {
        self.file.size_bytes.saturating_sub(FOOTER_BYTES)..self.file.size_bytes
    }

    fn prebuffer(&self, start: u64) -> Range<u64> {
        let bytes = (self.file.size_bytes / PREBUFFER_SHARE).min(PREBUFFER_BYTES_MAX);
        start..start.saturating_add(bytes)
    }

    /// The pieces that hold `range` of the file's bytes, cut at its end.
    fn pieces(&self, range: Range<u64>) -> Range<u32> {
        let end = range.end.min(self.file.size_bytes);
        if range.start >= end {
            return 0..0;
        }
        let past = self.piece_at(end - 1).saturating_add(1).min(self.metadata.piece_count);
        self.piece_at(range.start)..past
    }

    /// Deadlines for the missing ones of `pieces`, each once, in this order.
    fn deadlines(&self, pieces: impl Iterator<Item = u32>) -> Vec<Deadline> {
        let mut seen = Bitfield::from_bytes(Vec::new(), self.metadata.piece_count);
        let is_new = |piece: &u32| {
            let is_new = !self.have.has(*piece) && !seen.has(*piece);
            seen.set(*piece);
            is_new
        };
        let missing = pieces.filter(is_new).take(DEADLINES_MAX);
        missing.zip(0..).map(|(piece, place)| (piece, place * DEADLINE_STEP_MS)).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of pieces are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A file of 100 MiB that begins half a piece into the torrent; pieces of 1 MiB.
    fn parts() -> (Metadata, File) {
        let file = File {
            path: "t/film.mkv".into(),
            size_bytes: 100 * MIB,
            offset_bytes: MIB / 2,
            is_padding: false,
        };
        let metadata = Metadata {
            files: vec![file.clone()],
            piece_length: 1 << 20,
            piece_count: 101,
            total_bytes: 100 * MIB + MIB / 2,
            ..Metadata::default()
        };
        (metadata, file)
    }

    fn having(pieces: impl IntoIterator<Item = u32>) -> Bitfield {
        let mut have = Bitfield::from_bytes(Vec::new(), 101);
        pieces.into_iter().for_each(|piece| have.set(piece));
        have
    }

    #[test]
    fn only_verified_bytes_without_a_gap_are_ready() {
        let (metadata, file) = parts();
        let have = having([0, 1, 3]);
        let view = FileView { metadata: &metadata, file: &file, have: &have };
        assert_eq!(view.ready_bytes(0, 10 * MIB), MIB / 2 + MIB);
        assert_eq!(view.ready_bytes(0, 100), 100);
        assert_eq!(view.ready_bytes(MIB / 2, 10 * MIB), MIB);
        assert_eq!(view.ready_bytes(MIB * 3 / 2, 10 * MIB), 0);
        assert_eq!(view.ready_bytes(100 * MIB, 10), 0);
        let all = Bitfield::full(101);
        let view = FileView { have: &all, ..view };
        assert_eq!(view.ready_bytes(99 * MIB, 10 * MIB), MIB);
        assert!(view.is_complete() && view.window(0).is_empty() && view.opening(0).is_empty());
    }

    #[test]
    fn a_stream_asks_for_cursor_head_tail_and_prebuffer_ten_ms_apart() {
        let (metadata, file) = parts();
        let have = having([2]);
        let view = FileView { metadata: &metadata, file: &file, have: &have };
        let asked = view.opening(50 * MIB);
        let pieces: Vec<u32> = asked.iter().map(|(piece, _)| *piece).collect();
        assert_eq!(pieces, [50, 51, 52, 53, 54, 0, 1, 3, 4, 5, 99, 100, 55]);
        assert_eq!(asked[0].1, 0);
        assert_eq!(asked[12].1, 120);
        let window = view.window(50 * MIB);
        assert_eq!(window.len(), 32);
        assert_eq!((window[0], window[31]), ((50, 0), (81, 310)));
        assert_eq!(view.window(99 * MIB).len(), 2);
    }

    #[test]
    fn progress_counts_pieces_of_each_part() {
        let (metadata, file) = parts();
        let have = having([0, 1, 2, 50, 52]);
        let view = FileView { metadata: &metadata, file: &file, have: &have };
        let progress = view.progress(50 * MIB);
        assert!((progress.prebuffer - 2.0 / 6.0).abs() < 1e-9);
        assert!((progress.prebuffer_consecutive - 1.0 / 6.0).abs() < 1e-9);
        assert!((progress.header - 0.5).abs() < 1e-9);
        assert!(progress.footer.abs() < 1e-9);
    }

    #[test]
    fn an_empty_file_needs_nothing() {
        let (metadata, mut file) = parts();
        file.size_bytes = 0;
        let have = having([]);
        let view = FileView { metadata: &metadata, file: &file, have: &have };
        assert!(view.is_complete() && view.opening(0).is_empty());
        assert!((view.progress(0).prebuffer - 1.0).abs() < 1e-9);
    }
}
