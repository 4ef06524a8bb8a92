//! The house test: `docs/ARCHITECTURE.md` as a program. Reads the source as text.

use std::path::Path;
use std::path::PathBuf;

const LINES_MAX: usize = 500;

/// Which modules of ours each module may name.
const FLOORS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("engine", &["domain", "engine"]),
    ("store", &["domain", "store"]),
    ("service", &["domain", "engine", "store", "service"]),
    ("http", &["domain", "http"]),
    ("dialects", &["domain", "service", "http", "dialects"]),
    ("app", &["domain", "engine", "store", "service", "http", "dialects", "app"]),
];

/// Words and the only files (by path prefix) that may say them.
const ROOMS: &[(&str, &[&str])] = &[
    ("warp::", &["http/"]),
    ("hyper::", &["http/"]),
    ("rusqlite", &["store/"]),
    ("ffi::bridge", &["engine/"]),
    ("unsafe ", &["engine/ffi.rs"]),
];

/// Files that may name serde: an API's shape, the table's, the configuration's.
const SERDE: &[&str] = &["wire.rs", "config", "json.rs", "client.rs", "store/rows.rs"];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 30, "the source is elsewhere");
    found
}

/// The code without its tests and comments.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    body.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_floor_names_only_lower_floors() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let Some((_, allowed)) =
            FLOORS.iter().find(|(floor, _)| name.starts_with(&format!("{floor}/")))
        else {
            continue;
        };
        for part in code(&text).split("crate::").skip(1) {
            let module = part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            if !allowed.contains(&module) {
                wrong.push(format!("{name} names crate::{module}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_dialect_names_no_other_dialect() {
    for (name, text) in sources() {
        let mut parts = name.split('/');
        if parts.next() != Some("dialects") {
            continue;
        }
        let (Some(own), Some(_)) = (parts.next(), parts.next()) else { continue };
        for part in code(&text).split("crate::dialects::").skip(1) {
            let module = part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let is_shared = module.chars().next().is_some_and(char::is_uppercase);
            assert!(module == own || is_shared, "{name} names the dialect {module}");
        }
    }
}

#[test]
fn names_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let code = code(&text);
        for (word, rooms) in ROOMS {
            if code.contains(word) && !rooms.iter().any(|room| name.starts_with(room)) {
                wrong.push(format!("{name} names {word}"));
            }
        }
        let may_serde = SERDE.iter().any(|part| name.contains(part));
        if code.contains("serde::") && !may_serde {
            wrong.push(format!("{name} names serde"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_and_words_keep_the_rules() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text).lines().count();
        if lines > LINES_MAX && !name.ends_with("tests.rs") {
            wrong.push(format!("{name} has {lines} lines"));
        }
        for word in ["TODO", "FIXME", "todo!(", "unimplemented!(", "dbg!(", "use crate::{"] {
            if text.contains(word) {
                wrong.push(format!("{name} says {word}"));
            }
        }
        if !text.trim_start().starts_with("//!") {
            wrong.push(format!("{name} does not say what it is for"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
