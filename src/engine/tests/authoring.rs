//! Making torrents.

use std::fs;

use sha1::Digest;
use sha1::Sha1;

use super::rig::Rig;
use super::rig::SEEDING;
use super::rig::author;
use super::rig::limits;
use super::rig::make_share;
use super::rig::noise;
use super::rig::request;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::TrackerEntry;
use crate::engine::waker::Progress;

fn paths(description: &bridge::Description) -> Vec<&str> {
    let whole = description.files.iter().filter(|file| !file.is_padding);
    whole.map(|file| file.path.as_str()).collect()
}

#[test]
fn what_was_asked_for_is_in_the_torrent() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&make_share(folder.path()), true, true);
    request.trackers = vec![
        TrackerEntry { url: "http://one.invalid/announce".into(), tier: 0 },
        TrackerEntry { url: "http://two.invalid/announce".into(), tier: 1 },
    ];
    request.web_seeds = vec!["http://seed.invalid/".into()];
    request.is_private = true;
    request.comment = "for a friend".into();
    let made = author(&request);
    let bytes = made.metadata_bytes().unwrap();
    let read = bridge::parse_torrent(&bytes, &limits()).unwrap().describe().unwrap();
    assert!(read.hashes.has_v1 && read.hashes.has_v2 && read.is_private && read.has_folder);
    assert_eq!(read.comment, "for a friend");
    assert_eq!(read.web_seeds, ["http://seed.invalid/"]);
    let tiers: Vec<_> = read.trackers.iter().map(|t| (t.url.as_str(), t.tier)).collect();
    let wanted = [("http://one.invalid/announce", 0), ("http://two.invalid/announce", 1)];
    assert_eq!(tiers, wanted);
    assert_eq!(read.total_size, made.describe().unwrap().total_size);
    assert_eq!(read.piece_length, 16 << 10);
    assert_eq!(paths(&read), ["share/a.bin", "share/c.txt", "share/inner/b.bin"]);
    assert_eq!(made.describe().unwrap().save_path, folder.path().to_str().unwrap());
}

/// The `pieces` of a v1 torrent's info dictionary.
fn piece_hashes(torrent: &[u8]) -> &[u8] {
    let key = b"6:pieces";
    let at = torrent.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    let colon = at + torrent[at..].iter().position(|&byte| byte == b':').unwrap();
    let length: usize = std::str::from_utf8(&torrent[at..colon]).unwrap().parse().unwrap();
    &torrent[colon + 1..][..length]
}

/// Pieces are hashed in twos: with one left over, with a last one that is shorter, with one that
/// goes across the files' ends, and larger than what is read at once.
#[test]
fn every_piece_has_the_hash_of_its_bytes() {
    let sizes: [&[usize]; 6] =
        [&[64], &[1 << 16], &[3 << 16, 1], &[(1 << 17) + 64], &[100_001, 200_002, 7], &[3 << 20]];
    for (round, sizes) in sizes.iter().enumerate() {
        for piece_length in [1 << 14, 1 << 16, 1 << 19] {
            let folder = tempfile::tempdir().unwrap();
            let share = folder.path().join("share");
            fs::create_dir(&share).unwrap();
            let mut content = Vec::new();
            for (file, size) in sizes.iter().enumerate() {
                let bytes = noise(*size, (round * 10 + file) as u64);
                fs::write(share.join(file.to_string()), &bytes).unwrap();
                content.extend(bytes);
            }
            let mut request = request(&share, true, false);
            request.piece_length = piece_length;
            let torrent = author(&request).metadata_bytes().unwrap();
            let wanted: Vec<u8> =
                content.chunks(piece_length as usize).flat_map(Sha1::digest).collect();
            assert!(piece_hashes(&torrent) == wanted, "{sizes:?} in pieces of {piece_length}");
        }
    }
}

#[test]
fn the_same_folder_gives_the_same_torrent() {
    for (make_v1, make_v2) in [(true, false), (false, true), (true, true)] {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let hashes = [one, two].map(|folder| {
            let share = make_share(folder.path());
            author(&request(&share, make_v1, make_v2)).describe().unwrap().hashes
        });
        assert_eq!((hashes[0].v1, hashes[0].v2), (hashes[1].v1, hashes[1].v2));
        assert_eq!((hashes[0].has_v1, hashes[0].has_v2), (make_v1, make_v2));
    }
}

#[test]
fn only_the_listed_files_are_in_the_torrent() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&make_share(folder.path()), true, false);
    request.files.retain(|file| file.path == "a.bin");
    let made = author(&request).describe().unwrap();
    assert_eq!(paths(&made), ["share/a.bin"]);
    assert!(made.has_folder);
}

/// Trackers that ask for a mark of their own get a torrent that nobody else's is.
#[test]
fn a_source_makes_another_torrent_of_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&make_share(folder.path()), true, false);
    let plain = author(&request);
    request.source = "COVE".into();
    let marked = author(&request);
    assert!(marked.metadata_bytes().unwrap().windows(16).any(|w| w == b"6:source4:COVEee"));
    assert_ne!(plain.describe().unwrap().hashes.v1, marked.describe().unwrap().hashes.v1);
}

#[test]
fn another_name_leaves_the_files_where_they_are() {
    for (make_v1, make_v2) in [(true, false), (false, true), (true, true)] {
        let mut rig = Rig::new();
        let file = rig.path().join("disk name.bin");
        fs::write(&file, noise(100_000, 3)).unwrap();
        for (token, path) in [(1, file), (2, make_share(rig.path()))] {
            let mut request = request(&path, make_v1, make_v2);
            request.name = "torrent name".into();
            let mut made = author(&request);
            assert_eq!(made.describe().unwrap().name, "torrent name");
            let bytes = made.metadata_bytes().unwrap();
            let plain = bridge::parse_torrent(&bytes, &limits()).unwrap().describe().unwrap();
            assert!(plain.files[0].path.starts_with("torrent name"), "{plain:?}");
            made.pin_mut().set_options(&rig.options()).unwrap();
            rig.add(made, token);
            rig.wait_for_stage(token, SEEDING);
        }
    }
}

#[test]
fn the_piece_length_follows_the_size_when_not_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&make_share(folder.path()), true, false);
    request.piece_length = 0;
    let made = author(&request).describe().unwrap();
    assert!(made.piece_length.is_power_of_two() && made.piece_length >= 16 << 10);
}

/// Issue 5: what lies in files that did not change is not read again, where the layout allows, and
/// the torrent is the one that hashing all of it gives.
#[test]
fn hashes_of_files_that_did_not_change_are_taken_over() {
    const PIECE: u64 = 16 << 10;
    for (make_v1, make_v2) in [(true, false), (true, true), (false, true)] {
        let folder = tempfile::tempdir().unwrap();
        let share = folder.path().join("share");
        fs::create_dir(&share).unwrap();
        // Whole pieces, so that in v1 every file begins with one.
        for (name, pieces) in [("a", 3), ("b", 5), ("c", 2)] {
            fs::write(share.join(name), noise(pieces << 14, pieces as u64)).unwrap();
        }
        fs::write(share.join("d"), noise(100, 9)).unwrap();
        let request = || request(&share, make_v1, make_v2);
        let former = author(&request()).metadata_bytes().unwrap();

        let renewed = |unchanged: &[&str]| {
            let mut renewal = request();
            renewal.former = former.clone();
            for file in &mut renewal.files {
                file.is_unchanged = unchanged.contains(&file.path.as_str());
            }
            let progress = Progress::default();
            let made = bridge::author(&renewal, &progress).unwrap();
            let all = author(&request()).describe().unwrap();
            let own = made.describe().unwrap().hashes;
            assert_eq!((own.v1, own.v2), (all.hashes.v1, all.hashes.v2), "{unchanged:?}");
            assert_eq!(progress.pieces(), (all.piece_count, all.piece_count));
            progress.hashed_bytes()
        };
        assert_eq!(renewed(&["a", "b", "c", "d"]), 0);
        fs::write(share.join("b"), noise(5 << 14, 77)).unwrap();
        assert_eq!(renewed(&["a", "c", "d"]), 5 * PIECE);
        // One piece less before them: the later ones are found where they are now.
        fs::write(share.join("b"), noise(4 << 14, 78)).unwrap();
        assert_eq!(renewed(&["a", "c", "d"]), 4 * PIECE);
        fs::remove_file(share.join("a")).unwrap();
        assert_eq!(renewed(&["c", "d"]), 4 * PIECE);
        // A byte more: in v1 nothing behind it lies as it did; elsewhere each file stands alone.
        fs::write(share.join("b"), noise((4 << 14) + 1, 79)).unwrap();
        let hashed = renewed(&["c", "d"]);
        match make_v2 {
            false => assert!(hashed > 5 * PIECE, "{hashed}"),
            true => assert!(hashed <= 5 * PIECE, "{hashed}"),
        }
    }
}

#[test]
fn progress_is_told_and_can_cancel() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big.bin");
    fs::write(&file, noise(4 << 20, 4)).unwrap();
    for (make_v1, make_v2) in [(true, false), (false, true)] {
        let request = request(&file, make_v1, make_v2);
        let progress = Progress::default();
        bridge::author(&request, &progress).unwrap();
        assert_eq!(progress.pieces(), (256, 256));

        let stopped = Progress::default();
        stopped.cancel();
        let refused = bridge::author(&request, &stopped).err().unwrap();
        assert_eq!(refused.to_string(), "cancelled");
        assert_eq!(stopped.pieces(), (1, 256));
    }
}

#[test]
fn what_cannot_be_made_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |change: &dyn Fn(&mut bridge::AuthorRequest)| {
        let mut wish = request(&make_share(folder.path()), true, false);
        change(&mut wish);
        bridge::author(&wish, &Progress::default()).err().unwrap().to_string()
    };
    assert!(refuse(&|r| r.path = "/nowhere/at/all".into()).contains("No such file"));
    assert_eq!(refuse(&|r| r.path = "share".into()), "the path must be absolute");
    assert_eq!(refuse(&|r| r.path = "/".into()), "the path must be absolute");
    assert_eq!(refuse(&|r| r.make_v1 = false), "a torrent is v1, v2 or both");
    for odd in [1, 12_345, 8 << 10, 48 << 10, 1 << 31] {
        assert!(refuse(&|r| r.piece_length = odd).starts_with("the piece length must"), "{odd}");
    }
    let empty = refuse(&|r| r.files.clear());
    assert!(empty.ends_with("holds no data"), "{empty}");
}
