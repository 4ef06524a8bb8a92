//! Torrents and magnets that nobody should make (rules F1-F4): none writes outside its root, none
//! takes the process down, and the names shown are the names on the disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::bencode::Value;
use crate::common::bencode::dict;
use crate::common::bencode::text;
use crate::common::http::Answer;
use crate::common::raw_seeder;
use crate::common::raw_seeder::Manner;
use crate::common::torrents::KIB;
use crate::common::torrents::hashes;
use crate::common::torrents::info_hash;
use crate::common::torrents::metainfo;
use crate::common::torrents::payload;
use crate::common::tracker::Tracker;

const PIECE: usize = 16 * KIB;

/// A home in a directory of its own whose every entry is known, to see what else appears.
struct Cage {
    home: Home,
    tracker: Tracker,
    outside: BTreeSet<PathBuf>,
}

impl Cage {
    fn new() -> Self {
        // Plain connections only: the seeder of these tests speaks no encryption.
        let home = Home::new().set("client.settings.out_enc_policy", 2);
        let mut cage = Self { home, tracker: Tracker::start(), outside: BTreeSet::new() };
        cage.outside = cage.entries_outside();
        cage
    }

    /// Everything beside the download and the state directory.
    fn entries_outside(&self) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(self.home.outer.path()).unwrap().flatten();
        let ours = [self.home.downloads.clone(), self.home.state.clone()];
        entries.map(|entry| entry.path()).filter(|path| !ours.contains(path)).collect()
    }

    #[track_caller]
    fn assert_nothing_escaped(&self, what: &str) {
        let now = self.entries_outside();
        let new: Vec<_> = now.difference(&self.outside).collect();
        assert!(new.is_empty(), "{what} wrote {new:?}");
        let above = self.home.outer.path().ancestors().skip(1);
        for directory in above.map(Path::to_path_buf).chain(["/etc".into(), "/".into()]) {
            let escaped = directory.join("cove-escape");
            assert!(!escaped.exists(), "{what} wrote {}", escaped.display());
        }
    }
}

/// The info dictionary of a torrent with these files, each a path in parts.
fn folder(name: impl AsRef<[u8]>, files: &[(Vec<Vec<u8>>, usize)]) -> (Value, Vec<u8>) {
    let content = payload(700, files.iter().map(|(_, size)| size).sum());
    let entry = |(path, size): &(Vec<Vec<u8>>, usize)| {
        let parts = path.iter().map(text).collect();
        dict([("length", Value::Int(*size as i64)), ("path", Value::List(parts))])
    };
    let info = dict([
        ("name", text(name)),
        ("piece length", Value::Int(PIECE as i64)),
        ("pieces", text(hashes(&content, PIECE).concat())),
        ("files", Value::List(files.iter().map(entry).collect())),
    ]);
    (info, content)
}

fn parts(path: &[&str]) -> Vec<Vec<u8>> {
    path.iter().map(|part| part.as_bytes().to_vec()).collect()
}

/// Names that lead elsewhere, that hide what they are, or that no file system takes.
fn evil_paths(cage: &Cage) -> Vec<Vec<Vec<u8>>> {
    let absolute = cage.home.outer.path().join("cove-escape").display().to_string();
    let long = "n".repeat(300);
    let mut paths: Vec<Vec<Vec<u8>>> = vec![
        parts(&["..", "cove-escape"]),
        parts(&["..", "..", "cove-escape"]),
        parts(&["a", "..", "..", "..", "cove-escape"]),
        parts(&["../cove-escape"]),
        parts(&["../../../../../../etc/cove-escape"]),
        parts(&["..\\..\\cove-escape"]),
        parts(&[&absolute]),
        parts(&["/", "etc", "cove-escape"]),
        parts(&["", "cove-escape"]),
        parts(&[".", ".", "cove-escape"]),
        parts(&["nul\0byte"]),
        parts(&["line\nfeed\u{1b}[2J"]),
        parts(&["\u{202e}gpj.exe"]),
        parts(&[&long]),
        parts(&["CON"]),
        parts(&["  .. "]),
        parts(&["..", ""]),
        parts(&["~", "x"]),
        parts(&["%2e%2e", "cove-escape"]),
        parts(&["\u{ff0e}\u{ff0e}", "cove-escape"]),
    ];
    paths.push(vec![b"\xff\xfe\xc0\xaf..\xc0\xaf".to_vec()]);
    paths.push(vec![]);
    paths
}

/// Rules F1 and F2, with the payload really written: each name is downloaded from a seeder that
/// knows nothing of names.
#[test]
fn f1_f2_no_name_leads_out_of_the_root() {
    let cage = Cage::new();
    let mut app = cage.home.start();
    for (number, path) in evil_paths(&cage).into_iter().enumerate() {
        let what = format!(
            "path {number} {:?}",
            path.iter().map(|p| String::from_utf8_lossy(p)).collect::<Vec<_>>()
        );
        // An empty file is made at once, one with bytes when they come.
        let empty = [path.clone(), vec![b"empty".to_vec()]].concat();
        let name = format!("folder-{number}");
        let (info, content) =
            folder(&name, &[(path, 2 * PIECE), (empty, 0), (parts(&["good.bin"]), 99)]);
        download(&cage, &app, &info, content, &what);
        app.assert_alive(&what);
        cage.assert_nothing_escaped(&what);
    }
}

/// Rule F2: the same for the name of the torrent, which is a file or the top directory.
#[test]
fn f2_no_torrent_name_leads_out_of_the_root() {
    let cage = Cage::new();
    let mut app = cage.home.start();
    let outer = cage.home.outer.path().join("cove-escape").display().to_string();
    let names = [
        "../cove-escape",
        "..",
        ".",
        "",
        "/",
        &outer,
        "a/../../cove-escape",
        "x\0y",
        "\u{202e}fdp",
        "..\\cove-escape",
        "\u{7f}",
        "....//cove-escape",
    ];
    for name in names {
        let (mut info, content) = folder(name, &[(parts(&["inside.bin"]), PIECE)]);
        download(&cage, &app, &info, content, name);
        cage.assert_nothing_escaped(name);
        let content = payload(701, 2 * PIECE);
        info = dict([
            ("name", text(name)),
            ("piece length", Value::Int(PIECE as i64)),
            ("pieces", text(hashes(&content, PIECE).concat())),
            ("length", Value::Int(content.len() as i64)),
        ]);
        download(&cage, &app, &info, content, name);
        app.assert_alive(name);
        cage.assert_nothing_escaped(name);
    }
}

/// Downloads a torrent, unless it is refused, and compares the names shown with those on the disk.
fn download(cage: &Cage, app: &App<'_>, info: &Value, content: Vec<u8>, what: &str) {
    let port = raw_seeder::serve(&info_hash(info), content, PIECE, Manner::default());
    cage.tracker.give(port);
    let answer = app.api.put_file(&metainfo(info.clone(), Some(&cage.tracker.url)));
    if answer.status != 200 {
        assert_refused(&answer, what);
        return;
    }
    let hash = crate::common::api::added(&answer);
    app.api.wait_seeding(&hash);
    let row = app.api.download(&hash);
    assert_printable(row["name"].as_str().unwrap(), what);
    let listed = app.api.get(&format!("/downloads/{hash}/files")).json();
    for file in listed["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        assert_printable(name, what);
        let is_there = candidates(&cage.home.downloads, row["name"].as_str().unwrap(), name);
        assert!(is_there, "{what}: `{name}` is shown but not on the disk");
    }
    app.api.remove(&hash, true);
}

/// Whether a file that the API names is there, in the torrent's top directory or alone.
fn candidates(downloads: &Path, torrent: &str, file: &str) -> bool {
    downloads.join(torrent).join(file).is_file() || downloads.join(file).is_file()
}

/// Rule F2: no control or direction-override characters, no way up, no absolute part.
#[track_caller]
fn assert_printable(name: &str, what: &str) {
    let is_bad = |c: char| {
        c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    assert!(!name.chars().any(is_bad), "{what}: shown as {name:?}");
    let is_plain = |part: &str| part != ".." && part != "." && part.len() <= 255;
    assert!(name.split('/').all(is_plain) && !name.starts_with('/'), "{what}: shown as {name:?}");
}

#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    assert!((400..=507).contains(&answer.status), "{what}: {}", answer.status);
    let json = answer.json();
    assert!(!json["error"].is_null(), "{what}: {json}");
    assert!(!json.to_string().contains(".rs:"), "no source locations (W14): {json}");
}

/// Rule F2: two files never share a path.
#[test]
fn f2_files_of_one_name_do_not_overwrite_each_other() {
    let cage = Cage::new();
    let app = cage.home.start();
    let same = parts(&["same.bin"]);
    let (info, content) = folder("twins", &[(same.clone(), PIECE), (same, PIECE)]);
    let (first, second) = (content[..PIECE].to_vec(), content[PIECE..].to_vec());
    let hash = info_hash(&info);
    cage.tracker.give(raw_seeder::serve(&hash, content, PIECE, Manner::default()));
    let answer = app.api.put_file(&metainfo(info, Some(&cage.tracker.url)));
    if answer.status != 200 {
        return assert_refused(&answer, "two files of one name");
    }
    app.api.wait_seeding(&hash);
    let found: Vec<Vec<u8>> = fs::read_dir(cage.home.downloads.join("twins"))
        .unwrap()
        .flatten()
        .map(|entry| fs::read(entry.path()).unwrap())
        .collect();
    assert!(found.contains(&first) && found.contains(&second), "both are there");
}

/// Rule F3: symbolic links in a torrent (BEP 47) are not made.
#[test]
fn f3_links_in_a_torrent_are_not_made() {
    let cage = Cage::new();
    let mut app = cage.home.start();
    let (mut info, content) = folder("links", &[(parts(&["good.bin"]), PIECE)]);
    let link = |target: &[&str]| {
        dict([
            ("attr", text("l")),
            ("length", Value::Int(0)),
            ("path", Value::List(vec![text("link")])),
            ("symlink path", Value::List(target.iter().map(text).collect())),
        ])
    };
    let good =
        dict([("length", Value::Int(PIECE as i64)), ("path", Value::List(vec![text("good.bin")]))]);
    for target in [vec!["..", "..", "state", "api-token"], vec!["/etc/passwd"], vec!["good.bin"]] {
        info.set("files", Value::List(vec![good.clone(), link(&target)]));
        let hash = info_hash(&info);
        cage.tracker.give(raw_seeder::serve(&hash, content.clone(), PIECE, Manner::default()));
        let answer = app.api.put_file(&metainfo(info.clone(), Some(&cage.tracker.url)));
        if answer.status == 200 {
            app.api.wait_seeding(&hash);
            let found = fs::symlink_metadata(cage.home.downloads.join("links/link"));
            assert!(!found.is_ok_and(|found| found.is_symlink()), "{target:?}");
            for index in 0..2 {
                let stream = app.api.stream(&hash, index, None);
                let token = app.api.token.as_bytes();
                let body = stream.finish().map(|answer| answer.body).unwrap_or_default();
                assert!(!body.windows(token.len()).any(|window| window == token), "{target:?}");
            }
            app.api.remove(&hash, true);
        }
        app.assert_alive("a torrent with links");
    }
    assert!(cage.home.state.join("api-token").exists(), "nothing foreign was removed");
}

/// Structures that are wrong in themselves (rule F4): refused, quickly, without harm.
#[test]
fn f4_impossible_torrents_are_refused() {
    let cage = Cage::new();
    let mut app = cage.home.start();
    for (what, file) in impossible() {
        let begin = Instant::now();
        let sent = app.api.try_put_file(&file, "");
        // A server may hang up on a body it does not want.
        if let Ok(answer) = sent {
            assert_refused(&answer, what);
        }
        // Rule F4: 5 s of parsing at most, and the answer.
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}: {:?}", begin.elapsed());
        app.assert_alive(what);
    }
    assert_eq!(app.api.downloads().len(), 0);
    cage.assert_nothing_escaped("impossible torrents");
}

fn impossible() -> Vec<(&'static str, Vec<u8>)> {
    let (good, _) = folder("x", &[(parts(&["a"]), PIECE)]);
    let with = |key: &str, value: Value| {
        let mut info = good.clone();
        info.set(key, value);
        metainfo(info, None)
    };
    let file = |length: i64| {
        Value::List(vec![dict([
            ("length", Value::Int(length)),
            ("path", Value::List(vec![text("a")])),
        ])])
    };
    let names = |count: usize| {
        let one = |number: usize| {
            dict([
                ("length", Value::Int(0)),
                ("path", Value::List(vec![text(format!("{number}"))])),
            ])
        };
        Value::List((0..count).map(one).collect())
    };
    vec![
        ("nothing", Vec::new()),
        ("no bencoding", b"this is no torrent".to_vec()),
        ("a cut torrent", metainfo(good.clone(), None)[..80].to_vec()),
        ("no info", dict([("announce", text("http://127.0.0.1/announce"))]).encode()),
        ("an info that is a list", dict([("info", Value::List(vec![]))]).encode()),
        ("a negative length", with("files", file(-1))),
        ("a length of 2^62", with("files", file(1 << 62))),
        ("piece length 0", with("piece length", Value::Int(0))),
        ("a negative piece length", with("piece length", Value::Int(-16_384))),
        ("an enormous piece length", with("piece length", Value::Int(1 << 60))),
        ("pieces that are no hashes", with("pieces", text("short"))),
        ("too few pieces", with("pieces", text(""))),
        ("too many files", with("files", names(100_001))),
        ("no files", with("files", Value::List(vec![]))),
        ("nesting without end", [b"d4:info".as_slice(), &b"l".repeat(100_000)].concat()),
        ("deep lists", deep(5_000)),
        ("more than 10 MiB", with("comment", text(vec![b'x'; 10 << 20]))),
        (
            "a number of 10,000 digits",
            [b"d4:infoi".as_slice(), &b"9".repeat(10_000), b"ee"].concat(),
        ),
        ("a text longer than the file", b"d4:info999999999:x".to_vec()),
    ]
}

fn deep(depth: usize) -> Vec<u8> {
    [b"d4:info".as_slice(), &b"l".repeat(depth), &b"e".repeat(depth), b"e"].concat()
}

/// Rule F4: many files in a torrent that is allowed do not stop the rest.
#[test]
fn f4_a_torrent_of_many_files_does_not_hold_up_the_others() {
    let cage = Cage::new();
    let app = cage.home.start();
    let files: Vec<_> =
        (0..20_000).map(|n| (parts(&[&format!("d{}", n % 100), &n.to_string()]), 0)).collect();
    let mut files = files;
    files.push((parts(&["one.bin"]), PIECE));
    let (info, _) = folder("crowd", &files);
    let file = metainfo(info, None);
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| app.api.put_file(&file).status);
        let mut slowest = Duration::ZERO;
        while !adding.is_finished() {
            let begin = Instant::now();
            assert_eq!(app.api.get("/downloads").status, 200);
            slowest = slowest.max(begin.elapsed());
        }
        let status = adding.join().unwrap();
        assert!(status == 200 || (400..500).contains(&status), "{status}");
        assert!(slowest < Duration::from_secs(2), "{slowest:?} for a listing meanwhile");
    });
}

/// Magnets of every odd kind: refused or harmless.
#[test]
fn f2_f4_odd_magnets_are_refused_or_harmless() {
    let cage = Cage::new();
    let mut app = cage.home.start();
    let hash = "a".repeat(40);
    let long = "x".repeat(500_000);
    let fine = |more: &str| format!("magnet:?xt=urn:btih:{hash}{more}");
    let links = [
        "magnet:".to_owned(),
        "magnet:?".into(),
        "magnet:?xt=urn:btih:".into(),
        "magnet:?xt=urn:btih:zz".into(),
        format!("magnet:?xt=urn:btih:{}", "z".repeat(40)),
        format!("magnet:?xt=urn:btih:{}", "0".repeat(40)),
        "magnet:?xt=urn:btmh:1220".into(),
        format!("magnet:?xt=urn:btmh:ffff{}", "a".repeat(64)),
        "magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C".into(),
        "magnet:?dn=only+a+name".into(),
        fine("&dn=..%2F..%2Fcove-escape"),
        fine("&dn=%00%1b%5b2J%e2%80%ae"),
        fine(&format!("&dn={long}")),
        fine("&tr=file%3A%2F%2F%2Fetc%2Fpasswd"),
        fine("&tr=javascript%3Aalert(1)&ws=file%3A%2F%2F%2Fetc%2Fpasswd"),
        fine(&"&tr=udp%3A%2F%2F127.0.0.1%3A9%2Fannounce".repeat(2_000)),
        fine("&x.pe=127.0.0.1:0&x.pe=[::1]:99999&x.pe=&x.pe=:::::"),
        fine("&so=0-4294967295,7,-3"),
        fine("&xs=http%3A%2F%2F127.0.0.1%2Fx&as=file%3A%2F%2F%2Fetc%2Fpasswd&kt=%ff"),
        fine("&xt=urn:btih:another"),
        fine("&=&&&==&%"),
    ];
    for link in links {
        let shown: String = link.chars().take(100).collect();
        let answer = app.api.put_uri(&link, json!({}));
        if answer.status == 200 {
            let hash = crate::common::api::added(&answer);
            let row = app.api.download(&hash);
            assert_printable(&row["name"].as_str().unwrap().replace('/', ""), &shown);
            app.api.remove(&hash, true);
        } else {
            assert_refused(&answer, &shown);
        }
        app.assert_alive(&shown);
        cage.assert_nothing_escaped(&shown);
    }
}
