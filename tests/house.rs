//! The house test: `src/` read as text. It fails when a module names one it may not use, when a
//! file grows too long, or when a word appears outside its room. The floors and rooms are those of
//! `docs/ARCHITECTURE.md`; changing the house means changing both in one commit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Each module with what it may use.
const FLOORS: [(&str, &[&str]); 8] = [
    ("domain", &[]),
    ("engine", &["domain"]),
    ("store", &["domain"]),
    ("tracker", &["domain"]),
    ("service", &["domain", "engine", "store", "tracker"]),
    ("http", &["domain"]),
    ("dialects", &["domain", "service", "http"]),
    ("app", &["domain", "engine", "store", "tracker", "service", "http", "dialects"]),
];

/// Lines of a file, its tests aside.
const LINES_MAX: usize = 500;

/// Words that are in no file, anywhere: open points go to the issue list.
const FORBIDDEN: [&str; 6] = ["TODO", "FIXME", "XXX", "todo!(", "dbg!(", "unimplemented!("];

/// Words with the rooms they may be in: the beginnings of paths below `src/`.
const ROOMS: [(&str, &[&str]); 7] = [
    ("warp::", &["http/"]),
    ("hyper::", &["http/"]),
    ("rustls::", &["http/tls.rs", "app/cli/pinned.rs"]),
    ("rusqlite", &["store/"]),
    (
        "unsafe ",
        &[
            "app/start_code.rs",
            "engine/ffi.rs",
            "engine/ffi_details.rs",
            "tracker/prefetch.rs",
            "tracker/udp_batch.rs",
        ],
    ),
    ("libtorrent_sys", &["engine/"]),
    ("cxx::", &["engine/"]),
];

/// A source file: its path below `src/` and its lines without comments and tests.
struct Source {
    path: String,
    lines: Vec<(usize, String)>,
    all: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let all = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        Source { lines: code(&all), path, all }
    };
    files.into_iter().map(read).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|end| end == "rs") => files.push(path),
            false => {}
        }
    }
}

/// Numbered lines up to the tests, without comments.
fn code(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |at: &usize| {
        lines[*at].trim() == "#[cfg(test)]"
            && lines.get(at + 1).is_some_and(|next| next.starts_with("mod tests {"))
    };
    let end = (0..lines.len()).find(is_tests).unwrap_or(lines.len());
    let without_comment = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        false => line.split(" // ").next().unwrap_or_default().to_owned(),
    };
    lines[..end].iter().map(|line| without_comment(line)).zip(1..).map(|(l, n)| (n, l)).collect()
}

impl Source {
    /// The module it belongs to; `None` for `lib.rs` and `main.rs`.
    fn floor(&self) -> Option<&str> {
        self.path.split_once('/').map(|(floor, _)| floor)
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    fn is_in(&self, rooms: &[&str]) -> bool {
        rooms.iter().any(|room| self.path.starts_with(room))
    }
}

/// The modules that a line names after `crate::`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// What is wrong with the imports of a file.
fn wrong_imports(source: &Source) -> Vec<String> {
    let Some(floor) = source.floor() else { return Vec::new() };
    let table: BTreeMap<&str, &[&str]> = FLOORS.into_iter().collect();
    let Some(allowed) = table.get(floor) else {
        return vec![format!("{}: module `{floor}` is on no floor", source.path)];
    };
    let mut wrong = Vec::new();
    for (number, line) in &source.lines {
        for module in named(line) {
            let is_known = table.contains_key(module);
            if is_known && module != floor && !allowed.contains(&module) {
                wrong.push(format!("{}:{number}: {floor} may not use {module}", source.path));
            }
        }
        if line.contains("use crate::{") {
            wrong.push(format!("{}:{number}: one module a line", source.path));
        }
    }
    wrong.extend(wrong_neighbours(source));
    wrong
}

/// A dialect does not use another one.
fn wrong_neighbours(source: &Source) -> Vec<String> {
    let Some(rest) = source.path.strip_prefix("dialects/") else { return Vec::new() };
    let Some((own, _)) = rest.split_once('/') else { return Vec::new() };
    let foreign = |line: &str| {
        line.split("crate::dialects::").skip(1).any(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = &rest[..end];
            name != own && name.starts_with(|c: char| c.is_lowercase())
        })
    };
    let wrong = source.lines.iter().filter(|(_, line)| foreign(line));
    wrong.map(|(number, _)| format!("{}:{number}: names another dialect", source.path)).collect()
}

/// Words outside their rooms.
fn wrong_words(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in &source.lines {
        for (word, rooms) in ROOMS {
            // `unsafe_code` is a lint's name.
            if line.contains(word) && !source.is_in(rooms) {
                wrong.push(format!("{}:{number}: `{word}` is not for this room", source.path));
            }
        }
        if line.contains("serde") && !knows_serde(&source.path) {
            wrong.push(format!("{}:{number}: serde is not for this file", source.path));
        }
    }
    wrong
}

/// Serde stays where bytes become values: wires, configuration, JSON, the store.
fn knows_serde(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_named = ["json.rs", "client.rs", "openapi.rs"].contains(&file);
    is_named
        || file == "wire.rs"
        || file.ends_with("_wire.rs")
        || file.starts_with("config")
        || path.starts_with("store/")
}

#[track_caller]
fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn house_imports_point_down() {
    assert_none(sources().iter().filter(|s| !s.is_test()).flat_map(wrong_imports).collect());
}

#[test]
fn house_words_stay_in_their_rooms() {
    assert_none(sources().iter().filter(|s| !s.is_test()).flat_map(wrong_words).collect());
}

#[test]
fn house_files_have_one_subject() {
    let sources = sources();
    let long = sources.iter().filter(|source| !source.is_test() && source.lines.len() > LINES_MAX);
    assert_none(
        long.map(|source| format!("{}: {} lines", source.path, source.lines.len())).collect(),
    );
}

#[test]
fn house_every_module_says_what_it_is_for() {
    let sources = sources();
    let silent =
        sources.iter().filter(|source| !source.is_test() && !source.all.starts_with("//! "));
    assert_none(silent.map(|source| format!("{}: no `//!`", source.path)).collect());
}

#[test]
fn house_open_points_are_not_in_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "vendor"] {
        collect(&root.join(folder), &mut files);
    }
    for folder in ["cpp", "cpp/disk"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().flatten().map(|entry| entry.path());
        files.extend(entries.filter(|path| path.is_file()));
    }
    // This file names the words.
    files.retain(|file| !file.ends_with("tests/house.rs"));
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let found = FORBIDDEN.iter().filter(|word| line.contains(*word));
            wrong.extend(found.map(|word| format!("{}:{number}: {word}", file.display())));
        }
    }
    assert_none(wrong);
}

/// The test itself can fail.
#[test]
fn house_a_broken_rule_is_found() {
    let source =
        |path: &str, text: &str| Source { path: path.into(), lines: code(text), all: text.into() };
    let upward = source("domain/x.rs", "//! X.\nuse crate::store::Store;\n");
    assert_eq!(wrong_imports(&upward), ["domain/x.rs:2: domain may not use store"]);
    let braces = source("service/x.rs", "use crate::{a, b};");
    assert_eq!(wrong_imports(&braces).len(), 1);
    let neighbour = source("dialects/porla/mod.rs", "use crate::dialects::tribler::wire;");
    assert_eq!(wrong_imports(&neighbour), ["dialects/porla/mod.rs:1: names another dialect"]);
    let own = source("dialects/tribler/mod.rs", "use crate::dialects::SessionFacts;");
    assert_none(wrong_imports(&own));
    let sql = source("service/x.rs", "use rusqlite::Connection;\n#[derive(serde::Serialize)]");
    assert_eq!(wrong_words(&sql).len(), 2);
    let comment = source("domain/x.rs", "// as crate::store does with serde\nlet a = 1;");
    assert_none([wrong_imports(&comment), wrong_words(&comment)].concat());
    let tests = source("domain/x.rs", "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}");
    assert_none(wrong_imports(&tests));
    assert!(
        source("engine/x.rs", "    unsafe { call() }")
            .lines
            .iter()
            .any(|(_, l)| l.contains("unsafe "))
    );
}
