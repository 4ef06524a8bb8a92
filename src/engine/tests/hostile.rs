//! What strangers may send: nothing of it leaves the save path, takes long or takes us down.

use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use proptest::prelude::*;

use super::bencode::dict;
use super::bencode::file;
use super::bencode::folder;
use super::bencode::int;
use super::bencode::list;
use super::bencode::pieces;
use super::bencode::symlink;
use super::bencode::text;
use super::rig::Rig;
use super::rig::again;
use super::rig::limits;
use super::rig::noise;
use super::rig::seeder;
use super::rig::tree;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::AlertKind;
use crate::engine::ffi::bridge::Description;

fn parse(torrent: &[u8]) -> Result<Description, String> {
    let parsed = bridge::parse_torrent(torrent, &limits()).map_err(|error| error.to_string())?;
    Ok(parsed.describe().unwrap())
}

fn names(torrent: &[u8]) -> Vec<String> {
    parse(torrent).unwrap().files.into_iter().map(|file| file.path).collect()
}

/// Adds it, writes whatever libtorrent writes for it, and tells what is there.
fn written(torrent: &[u8]) -> Vec<String> {
    let mut rig = Rig::new();
    let inner = rig.path().join("save");
    let mut params = bridge::parse_torrent(torrent, &limits()).unwrap();
    params.pin_mut().set_options(&super::rig::options(&inner)).unwrap();
    rig.add(params, 1);
    rig.wait_for_status(1, |status| status.stage != 7);
    rig.session.pin_mut().remove(1).unwrap();
    rig.wait_for(AlertKind::Removed, 1);
    tree(rig.path())
}

/// Rule F2.
#[test]
fn names_stay_below_the_save_path() {
    let torrent = folder(
        b"../../etc",
        &[
            file(&[b"..", b"..", b"etc", b"passwd"], 0),
            file(&[b"/etc/shadow"], 0),
            file(&[b"a/../../b"], 0),
            file(&[b".", b"dot"], 0),
            file(&[b"", b"empty"], 0),
            file(&[b"nul\0byte"], 10),
        ],
    );
    for name in names(&torrent) {
        assert!(!name.starts_with('/') && !name.contains('\0'), "{name:?}");
        assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")), "{name:?}");
    }
    for path in written(&torrent) {
        assert!(path.starts_with("save"), "{path}");
    }
}

/// Rule F2.
#[test]
fn control_and_direction_characters_do_not_reach_the_disk() {
    let torrent = folder(
        "na\u{202e}me\u{2066}".as_bytes(),
        &[
            file(&["gpj.\u{202e}exe\u{2069}".as_bytes()], 0),
            file(&[b"line\nbreak\x7f\x1b[31m"], 0),
            file(&["c1\u{9b}31m\u{61c}".as_bytes()], 10),
        ],
    );
    let description = parse(&torrent).unwrap();
    let on_disk = written(&torrent);
    for file in &description.files {
        assert!(!file.path.chars().any(|c| c.is_control()), "{:?}", file.path);
        assert!(!file.path.contains(['\u{202e}', '\u{2066}', '\u{2069}', '\u{61c}']));
    }
    assert_eq!(description.name, "name");
    // The names in the API are the names on disk.
    for file in description.files.iter().filter(|file| file.size == 0) {
        assert!(on_disk.contains(&format!("save/{}", file.path)), "{on_disk:?} {}", file.path);
    }
}

/// Rule F2.
#[test]
fn two_files_never_share_a_path() {
    let torrent = folder(
        b"x",
        &[
            file(&[b"same"], 0),
            file(&[b"same"], 0),
            file(&[b"SAME"], 0),
            file(&["sa\u{2066}me".as_bytes()], 0),
            file(&[b"dir", b"inner"], 0),
            file(&[b"dir"], 10),
        ],
    );
    let mut found: Vec<_> = names(&torrent).iter().map(|name| name.to_lowercase()).collect();
    assert!(!found.contains(&"x/dir".to_owned()), "{found:?}");
    found.sort();
    let count = found.len();
    found.dedup();
    assert_eq!((count, found.len()), (6, 6), "{found:?}");
}

/// Rule F2.
#[test]
fn a_part_of_a_path_has_at_most_255_bytes() {
    let long = "ü".repeat(400) + ".mkv";
    let torrent = folder(long.as_bytes(), &[file(&[long.as_bytes()], 0), file(&[b"b"], 1)]);
    for name in names(&torrent) {
        assert!(name.split('/').all(|part| part.len() <= 255), "{}", name.len());
    }
    assert!(names(&torrent)[0].ends_with(".mkv"));
    assert!(written(&torrent).len() > 2);
}

#[test]
fn names_that_are_not_text_become_text() {
    let torrent = folder(b"\xff\xfe", &[file(&[b"\xc3\x28\xf5", b"a\xed\xa0\x80"], 10)]);
    let description = parse(&torrent).unwrap();
    assert!(!description.name.is_empty());
    assert!(!description.files[0].path.is_empty());
}

/// Rule F3.
#[test]
fn symlinks_are_not_created() {
    let torrent = folder(
        b"x",
        &[
            symlink(&[b"link"], &[b"..", b"..", b"etc", b"passwd"]),
            symlink(&[b"inner"], &[b"data"]),
            file(&[b"data"], 10),
            file(&[b"nothing"], 0),
        ],
    );
    let found = written(&torrent);
    assert!(found.contains(&"save/x/nothing".to_owned()), "{found:?}");
    assert!(!found.iter().any(|path| path.ends_with('@')), "{found:?}");
    assert!(found.contains(&"save/x/link".to_owned()), "an empty file in its place: {found:?}");
}

/// Rules F2 and F3 for a magnet, whose names come from a peer past our parser.
#[test]
fn the_names_of_a_magnet_are_as_clean() {
    let files = [
        file(&["gpj.\u{2066}exe".as_bytes()], 10),
        file(&[b"same"], 0),
        file(&[b"same"], 0),
        symlink(&[b"link"], &[b"..", b"x"]),
        file(&[b"..", b"..", b"up"], 0),
    ];
    let torrent = folder(b"x", &files);
    let mut from = Rig::new();
    let mut params = bridge::parse_torrent(&torrent, &limits()).unwrap();
    let expected = params.describe().unwrap();
    let link = params.magnet_link().unwrap();
    params.pin_mut().set_options(&from.options()).unwrap();
    from.add(params, 1);

    let mut to = Rig::new();
    let inner = to.path().join("save");
    let mut magnet = bridge::parse_magnet(&link).unwrap();
    magnet.pin_mut().set_options(&super::rig::options(&inner)).unwrap();
    to.add(magnet, 2);
    let port = from.port();
    to.session.pin_mut().connect_peer(2, "127.0.0.1", port).unwrap();
    to.wait_for(AlertKind::MetadataReceived, 2);
    to.wait_for_status(2, |status| status.has_metadata && status.stage == 3);

    let told = to.session.description(2).unwrap();
    let on_disk = tree(to.path());
    assert!(on_disk.iter().all(|path| path.starts_with("save")), "{on_disk:?}");
    assert!(!on_disk.iter().any(|path| path.ends_with('@')), "{on_disk:?}");
    assert!(!told.files.iter().any(|file| file.path.contains('\u{2066}')), "{told:?}");
    let mut paths: Vec<_> = told.files.iter().map(|file| &file.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), expected.files.len(), "no path twice: {told:?}");
    for file in told.files.iter().filter(|file| file.size == 0 && !file.path.ends_with("link")) {
        assert!(on_disk.contains(&format!("save/{}", file.path)), "{on_disk:?} {}", file.path);
    }
    // And they stay so after a restart.
    to.session.pin_mut().save_resume(2, true, false).unwrap();
    let saved = to.wait_for(AlertKind::ResumeData, 2);
    let back = bridge::parse_resume(&saved.data, &saved.metadata).unwrap().describe().unwrap();
    let paths = |d: &Description| d.files.iter().map(|f| f.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&back), paths(&told));
}

/// Rule F4.
#[test]
fn limits_are_kept() {
    let many: Vec<_> = (0..20).map(|i| file(&[format!("{i}").as_bytes()], 1)).collect();
    let torrent = folder(b"x", &many);
    let refuse = |change: &dyn Fn(&mut bridge::ParseLimits)| {
        let mut tight = limits();
        change(&mut tight);
        bridge::parse_torrent(&torrent, &tight).err().map(|error| error.to_string()).unwrap()
    };
    assert_eq!(refuse(&|l| l.files = 19), "it has more than 19 files");
    assert_eq!(refuse(&|l| l.bytes = 100), "it is larger than 100 bytes");
    assert!(refuse(&|l| l.tokens = 30).contains("limit"));
    assert!(refuse(&|l| l.depth = 3).contains("depth"));
    let long = pieces(b"x", &[file(&[b"a"], 40 << 14)], 40);
    let mut tight = limits();
    tight.pieces = 39;
    let refused = bridge::parse_torrent(&long, &tight).err().unwrap().to_string();
    assert!(refused.contains("piece"), "{refused}");
    assert!(bridge::parse_torrent(&long, &limits()).is_ok());
}

/// Rule F4.
#[test]
fn deep_nesting_is_refused() {
    let nested = [b"l".repeat(200_000), b"e".repeat(200_000)].concat();
    let refused = parse(&nested).unwrap_err();
    assert!(refused.contains("depth"), "{refused}");
    let path: Vec<&[u8]> = vec![b"d"; 150];
    let refused = parse(&folder(b"x", &[file(&path, 10)])).unwrap_err();
    assert!(refused.contains("deeper than 100 folders"), "{refused}");
}

/// Rule F4: many equal names must not cost the square of their number, neither in a torrent file
/// nor where libtorrent reads the info dictionary alone, as for a magnet.
#[test]
fn equal_names_by_the_thousand_take_seconds_at_most() {
    let begun = Instant::now();
    let equal = |_| [file(&[b"same"], 0), file(&["sa\u{2066}me".as_bytes()], 0)];
    let files: Vec<_> = (0..30_000).flat_map(equal).chain([file(&[b"a"], 10)]).collect();
    let refused = parse(&folder(b"x", &files)).unwrap_err();
    assert!(refused.ends_with("files share a name"), "{refused}");

    let info = dict(&[
        ("files", list(&files)),
        ("name", text(b"x")),
        ("piece length", int(16 << 10)),
        ("pieces", text(&[7; 20])),
    ]);
    let resume = [
        b"d11:file-format22:libtorrent resume file4:info".as_slice(),
        &info,
        // Of zeros: libtorrent takes that for none and compares nothing.
        b"9:info-hash20:",
        &[0; 20],
        b"e",
    ];
    let resume = bridge::parse_resume(&resume.concat(), &[]).unwrap().describe().unwrap();
    let distinct: HashSet<_> = resume.files.iter().map(|file| &file.path).collect();
    assert_eq!(distinct.len(), 60_001);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn nonsense_is_refused_in_words() {
    let huge = dict(&[
        ("length", int(i64::MAX)),
        ("name", text(b"x")),
        ("piece length", int(16 << 10)),
        ("pieces", text(&[7; 20])),
    ]);
    let zero_piece = dict(&[
        ("length", int(10)),
        ("name", text(b"x")),
        ("piece length", int(0)),
        ("pieces", text(&[7; 20])),
    ]);
    let good = folder(b"x", &[file(&[b"a"], 10)]);
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("a number", int(1)),
        ("a list", list(&[])),
        ("no info", dict(&[])),
        ("info is text", dict(&[("info", text(b"x"))])),
        ("negative size", folder(b"x", &[file(&[b"a"], -1)])),
        ("huge size", dict(&[("info", huge)])),
        ("piece length 0", dict(&[("info", zero_piece)])),
        ("no files", folder(b"x", &[])),
        ("file without a path", folder(b"x", &[dict(&[("length", int(1))])])),
        ("too few hashes", folder(b"x", &[file(&[b"a"], 1 << 20)])),
        ("cut short", good[..good.len() - 9].to_vec()),
    ] {
        let refused = parse(&bytes).err().unwrap_or_else(|| panic!("{what} was taken"));
        assert!(!refused.is_empty(), "{what}");
    }
}

#[test]
fn hostile_magnets_are_refused_or_harmless() {
    let hash = "a".repeat(40);
    for link in [
        "",
        "magnet:",
        "magnet:?",
        "http://example.invalid/",
        "magnet:?xt=urn:btih:",
        "magnet:?xt=urn:btih:zz",
        "magnet:?xt=urn:btmh:1220",
        "magnet:?xt=urn:sha1:aaaa",
        "magnet:?dn=%00%ff&xt=",
        &"magnet:?xt=".repeat(10_000),
    ] {
        assert!(bridge::parse_magnet(link).is_err(), "{link}");
    }
    for extra in [
        "&dn=..%2f..%2fetc%2fpasswd%00%e2%80%ae",
        "&dn=%ff%fe",
        "&so=0-4000000000,9999999999999999999",
        "&x.pe=999.1.1.1:99999&x.pe=[::1]:1",
        "&tr=%0d%0aX&ws=%00",
        "&tr.99999999999=http://a.invalid/",
    ] {
        let link = format!("magnet:?xt=urn:btih:{hash}{extra}");
        // Refused or taken: only the process and the name matter.
        let Ok(params) = bridge::parse_magnet(&link) else {
            continue;
        };
        let name = params.describe().unwrap().name;
        assert!(!name.contains(['/', '\0', '\u{202e}']), "{name:?}");
        let mut rig = Rig::new();
        let mut params = params;
        params.pin_mut().set_options(&rig.options()).unwrap();
        rig.add(params, 1);
    }
}

#[test]
fn resume_data_that_is_none_is_refused() {
    let (_rig, params) = seeder(true, true);
    let resume = params.resume_bytes().unwrap();
    let metadata = params.metadata_bytes().unwrap();
    assert!(bridge::parse_resume(&[], &[]).is_err());
    assert!(bridge::parse_resume(&metadata, &[]).is_err());
    assert!(bridge::parse_resume(&resume, b"d4:infodee").is_err());
    for end in (0..resume.len()).step_by(resume.len() / 50 + 1) {
        assert!(bridge::parse_resume(&resume[..end], &metadata).is_err());
    }
}

/// A seeder that sends other bytes than promised is found out, and nothing of it is kept.
#[test]
fn wrong_data_is_told_and_thrown_away() {
    let (mut from, params) = seeder(true, false);
    std::fs::write(from.path().join("share/a.bin"), noise(200_000, 77)).unwrap();
    let mut to = Rig::new();
    let options = to.options();
    to.add(again(&params, &options), 7);
    let port = from.port();
    to.session.pin_mut().connect_peer(7, "127.0.0.1", port).unwrap();
    let failed = to.wait_for(AlertKind::HashFailed, 7);
    assert!((0..13).contains(&failed.number), "{failed:?}");
    assert!(to.statuses[&7].done < 200_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _taken_or_not = parse(&bytes);
        let _taken_or_not = bridge::parse_resume(&bytes, &bytes).is_ok();
    }

    #[test]
    fn a_damaged_torrent_is_parsed_or_refused(at in 0..200_usize, byte in any::<u8>()) {
        let mut torrent = folder(b"x", &[file(&[b"a"], 10), file(&[b"b", b"c"], 20)]);
        let at = at % torrent.len();
        torrent[at] = byte;
        let _taken_or_not = parse(&torrent);
    }

    #[test]
    fn any_text_is_a_magnet_or_refused(text in ".{0,200}") {
        let _taken_or_not = bridge::parse_magnet(&format!("magnet:?{text}")).is_ok();
        let link = format!("magnet:?xt=urn:btih:{}&{text}", "b".repeat(40));
        let _taken_or_not = bridge::parse_magnet(&link).is_ok();
    }
}
