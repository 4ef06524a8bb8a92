//! What the info dictionary of a torrent says: files, pieces, the private flag.

use crate::domain::bitfield::Bitfield;

/// The immutable part of a torrent, known once its metadata is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Every file in torrent order, padding files included, so that an index means the same to
    /// libtorrent and to us.
    pub files: Vec<File>,
    /// Bytes of every piece but the last.
    pub piece_length: u32,
    /// How many pieces.
    pub piece_count: u32,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// BEP 27: peers only from its trackers.
    pub is_private: bool,
    /// Whether the files lie in a folder of the torrent's name (a multi-file torrent).
    pub has_folder: bool,
    /// Who made it, from the torrent file.
    pub comment: String,
}

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path below the save path, `/` between parts, the torrent's folder first; as it is on disk.
    pub path: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// First byte, counted over all files.
    pub offset_bytes: u64,
    /// A padding file (BEP 47): never on disk, hidden from users.
    pub is_padding: bool,
}

impl Metadata {
    /// The pieces that hold `file`, first to last inclusive; `None` for an empty file.
    pub fn pieces_of(&self, file: &File) -> Option<(u32, u32)> {
        let piece = |byte: u64| u32::try_from(byte / u64::from(self.piece_length.max(1))).ok();
        let last = (file.offset_bytes + file.size_bytes).checked_sub(1)?;
        if file.size_bytes == 0 {
            return None;
        }
        Some((piece(file.offset_bytes)?, piece(last)?))
    }

    /// The path of `file` below the torrent's folder; empty when it has none and is all of it.
    pub fn path_below<'a>(&self, file: &'a File) -> &'a str {
        match self.has_folder {
            true => file.path.split_once('/').map_or("", |(_, below)| below),
            false => "",
        }
    }

    /// Bytes of `file` that lie in pieces of `have`.
    pub fn verified_bytes(&self, file: &File, have: &Bitfield) -> u64 {
        if have.is_full() {
            return file.size_bytes;
        }
        let Some((first, last)) = self.pieces_of(file) else {
            return 0;
        };
        let length = u64::from(self.piece_length);
        let end = file.offset_bytes + file.size_bytes;
        (first..=last)
            .filter(|piece| have.has(*piece))
            .map(|piece| {
                let begin = u64::from(piece) * length;
                (begin + length).min(end) - begin.max(file.offset_bytes)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_only_its_share_of_a_piece() {
        let file = |offset_bytes, size_bytes| File {
            path: "a".into(),
            size_bytes,
            offset_bytes,
            is_padding: false,
        };
        let metadata = Metadata { piece_length: 10, piece_count: 3, ..Metadata::default() };
        let mut have = Bitfield::from_bytes(Vec::new(), 3);
        have.set(1);
        assert_eq!(metadata.verified_bytes(&file(5, 20), &have), 10);
        assert_eq!(metadata.verified_bytes(&file(15, 10), &have), 5);
        assert_eq!(metadata.verified_bytes(&file(10, 0), &have), 0);
        assert_eq!(metadata.verified_bytes(&file(5, 20), &Bitfield::full(3)), 20);
    }
}
