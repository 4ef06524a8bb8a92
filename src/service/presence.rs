//! Whether a torrent's files are as long as the pieces that it claims, so that it may run without
//! being checked (rules D10, D11). Only names and lengths are looked at, never the content.

use std::fs;
use std::io;
use std::path::Path;

use crate::domain::bitfield::Bitfield;
use crate::domain::metadata::File;
use crate::domain::metadata::Metadata;
use crate::service::paths::Roots;

/// What a torrent says it has, and where.
pub(crate) struct Claim<'a> {
    pub(crate) save_path: &'a Path,
    /// `None` = not known yet, so nothing is claimed.
    pub(crate) metadata: Option<&'a Metadata>,
    pub(crate) pieces: &'a Bitfield,
    /// By file, 0 = not wanted; empty = all wanted.
    pub(crate) priorities: &'a [u8],
}

/// Nothing, or the first thing that is missing in words for people. Blocks.
pub(crate) fn missing(roots: &Roots, claim: &Claim<'_>) -> Option<String> {
    if roots.is_root_missing(claim.save_path) {
        return Some(unmounted(claim.save_path));
    }
    let metadata = claim.metadata?;
    let mut wanted = metadata.files.iter().enumerate().filter(|(index, file)| {
        // The pieces of an unwanted file lie in libtorrent's part file.
        !file.is_padding && claim.priorities.get(*index).copied().unwrap_or(4) > 0
    });
    wanted.find_map(|(_, file)| lacks(claim, metadata, file))
}

fn unmounted(save_path: &Path) -> String {
    format!("the directory `{}` is missing; is its disk mounted?", save_path.display())
}

fn lacks(claim: &Claim<'_>, metadata: &Metadata, file: &File) -> Option<String> {
    let needed = needed_bytes(claim, metadata, file);
    if needed == 0 {
        return None;
    }
    match fs::metadata(claim.save_path.join(&file.path)) {
        Ok(found) if found.len() >= needed => None,
        Ok(found) => {
            let (has, of) = (found.len(), file.size_bytes);
            Some(format!("the file `{}` was cut to {has} of {of} bytes", file.path))
        }
        Err(_) if !claim.save_path.is_dir() => Some(unmounted(claim.save_path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("the file `{}` is missing", file.path))
        }
        Err(error) => Some(format!("cannot look at the file `{}`: {error}", file.path)),
    }
}

/// How long `file` must be to hold its last claimed piece.
fn needed_bytes(claim: &Claim<'_>, metadata: &Metadata, file: &File) -> u64 {
    let Some((first, last)) = metadata.pieces_of(file) else { return 0 };
    let claimed = (first..=last).rev().find(|piece| claim.pieces.has(*piece));
    claimed.map_or(0, |piece| {
        let end = (u64::from(piece) + 1) * u64::from(metadata.piece_length);
        (end - file.offset_bytes).min(file.size_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_files() -> Metadata {
        let file = |path: &str, offset_bytes| File {
            path: path.into(),
            size_bytes: 15,
            offset_bytes,
            is_padding: false,
        };
        let files = vec![file("t/a", 0), file("t/b", 15)];
        Metadata { files, piece_length: 10, piece_count: 3, ..Metadata::default() }
    }

    fn said(save_path: &Path, pieces: &[u32], priorities: &[u8]) -> String {
        let metadata = two_files();
        let mut have = Bitfield::from_bytes(Vec::new(), 3);
        pieces.iter().for_each(|piece| have.set(*piece));
        let claim = Claim { save_path, metadata: Some(&metadata), pieces: &have, priorities };
        missing(&Roots::new(vec!["/".into()], Vec::new()), &claim).unwrap_or_default()
    }

    #[test]
    fn d11_a_root_that_is_gone_is_missed_even_if_nothing_is_claimed() {
        let directory = tempfile::tempdir().unwrap();
        let (root, disk) = (directory.path().to_owned(), directory.path().join("disk"));
        let roots = Roots::new(vec![root, disk.clone()], Vec::new());
        let save_path = disk.join("films");
        let pieces = Bitfield::default();
        let claim =
            Claim { save_path: &save_path, metadata: None, pieces: &pieces, priorities: &[] };
        assert!(missing(&roots, &claim).is_some_and(|text| text.contains("mounted")));
        fs::create_dir(&disk).unwrap();
        assert_eq!(missing(&roots, &claim), None);
    }

    #[test]
    fn d10_what_is_claimed_must_be_there_in_full_length() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        assert!(said(&root.join("gone"), &[0], &[]).contains("is its disk mounted?"));
        assert_eq!(said(&root.join("gone"), &[], &[]), "", "nothing claimed, nothing missing");
        assert_eq!(said(root, &[0], &[]), "the file `t/a` is missing");
        fs::create_dir(root.join("t")).unwrap();
        fs::write(root.join("t/a"), [0; 12]).unwrap();
        assert_eq!(said(root, &[0], &[]), "");
        // Piece 1 is the end of one file and the beginning of the other.
        assert_eq!(said(root, &[0, 1], &[]), "the file `t/a` was cut to 12 of 15 bytes");
        fs::write(root.join("t/a"), [0; 15]).unwrap();
        assert_eq!(said(root, &[0, 1], &[]), "the file `t/b` is missing");
        assert_eq!(said(root, &[0, 1], &[4, 0]), "", "an unwanted file need not be there");
        fs::write(root.join("t/b"), [0; 15]).unwrap();
        assert_eq!(said(root, &[0, 1, 2], &[]), "");
    }
}
