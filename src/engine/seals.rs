//! Seals: what the files of a share looked like when they were hashed. The disk sends no byte of one
//! that looks otherwise.

use std::collections::HashMap;
use std::pin::Pin;

use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::File;
use crate::domain::metadata::Metadata;
use crate::domain::share::FileMark;
use crate::engine::Engine;
use crate::engine::actor::Actor;
use crate::engine::actor::unknown;
use crate::engine::ffi::bridge::Session;
use crate::engine::ffi_details::bridge::FileSeal;
use crate::engine::message::Message;
use crate::engine::prepared::Prepared;
use crate::engine::prepared::refused;

/// What no file is like.
const LIKE_NO_FILE: FileSeal = FileSeal { size: -1, modified_s: 0, modified_ns: 0 };

impl Prepared {
    /// Has nothing of a file sent that is not as `marks` say, nor of one that they do not name. No
    /// marks: nothing is known yet, and everything is sent.
    ///
    /// # Errors
    /// Internal, never expected.
    pub fn seal(&mut self, marks: &[FileMark]) -> Result<()> {
        let seals = self.metadata.as_deref().map(|metadata| seals(metadata, marks));
        let seals = seals.unwrap_or_default();
        self.params.pin_mut().seal(&seals).map_err(refused)
    }
}

impl Engine {
    /// The files of a torrent that was sealed are as `marks` say from now on.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when it cannot run; Busy.
    pub async fn renew_seal(&self, id: TorrentId, marks: Vec<FileMark>) -> Result<()> {
        self.ask(|reply| Message::RenewSeal { id, marks, reply }).await
    }
}

impl Actor {
    pub(crate) fn renew_seal(&mut self, id: TorrentId, marks: &[FileMark]) -> Result<()> {
        if let Some(held) = self.held(id) {
            return held.seal(marks);
        }
        let row = self.board.token(id).and_then(|token| self.board.row(token));
        let metadata = row.ok_or_else(|| unknown(id))?.metadata.clone().unwrap_or_default();
        let seals = seals(&metadata, marks);
        let renew = move |session: Pin<&mut Session>, token| session.renew_seal(token, &seals);
        self.run_work(id, renew).map(drop)
    }
}

/// The marks in the order of the torrent, padding included.
fn seals(metadata: &Metadata, marks: &[FileMark]) -> Vec<FileSeal> {
    if marks.is_empty() {
        return Vec::new();
    }
    let by_path: HashMap<&str, &FileMark> =
        marks.iter().map(|mark| (mark.path.as_str(), mark)).collect();
    let mark = |file: &File| by_path.get(metadata.path_below(file));
    metadata
        .files
        .iter()
        .map(|file| mark(file).map_or(LIKE_NO_FILE, |mark| seal_of(mark)))
        .collect()
}

fn seal_of(mark: &FileMark) -> FileSeal {
    let (modified_s, modified_ns) = mark.modified;
    let size = i64::try_from(mark.size_bytes).unwrap_or(LIKE_NO_FILE.size);
    FileSeal { size, modified_s, modified_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(has_folder: bool, paths: &[&str]) -> Metadata {
        let file = |path: &&str| File {
            path: (*path).into(),
            size_bytes: 1,
            offset_bytes: 0,
            is_padding: path.contains(".pad"),
        };
        let files = paths.iter().map(file).collect();
        Metadata { files, has_folder, ..Metadata::default() }
    }

    fn mark(path: &str, second: i64) -> FileMark {
        FileMark { path: path.into(), size_bytes: 1, modified: (second, 7) }
    }

    fn seconds(metadata: &Metadata, marks: &[FileMark]) -> Vec<Option<i64>> {
        let second = |seal: FileSeal| (seal != LIKE_NO_FILE).then_some(seal.modified_s);
        seals(metadata, marks).into_iter().map(second).collect()
    }

    #[test]
    fn every_file_gets_its_own_mark_by_its_path_below_the_folder() {
        let folder = metadata(true, &["film/b/c", "film/.pad/3", "film/a", "film/new"]);
        let marks = [mark("a", 1), mark("b/c", 2), mark("gone", 3)];
        assert_eq!(seconds(&folder, &marks), [Some(2), None, Some(1), None]);
        assert_eq!(seconds(&metadata(false, &["film.mkv"]), &[mark("", 4)]), [Some(4)]);
        assert_eq!(seconds(&folder, &[]), [], "nothing is known");
    }
}
