//! Compiles the bridge in `cpp/` with the flags libtorrent itself was built with.

use std::path::Path;

/// Everything cxx hands to the C++ compiler.
const SOURCES: &[&str] = &[
    "alerts",
    "author",
    "certificates",
    "details",
    "disk/buffers",
    "disk/disk",
    "disk/file",
    "disk/hashing",
    "disk/jobs",
    "disk/moving",
    "disk/open_files",
    "disk/part_file",
    "disk/pieces",
    "disk/resume",
    "disk/roots",
    "disk/seals",
    "disk/storage",
    "disk/workers",
    "gate",
    "guard",
    "hashing",
    "names",
    "outgoing_ports",
    "parse",
    "receive_window",
    "reuse",
    "sealing",
    "session",
    "sha1_pair",
    "torrents",
    "utp_policy",
];

fn main() {
    let mut build = cxx_build::bridges(["src/engine/ffi.rs", "src/engine/ffi_details.rs"]);
    build
        .std("c++17")
        .include("cpp")
        .opt_level(2)
        .flag_if_supported("-Wno-deprecated-declarations");
    // The defines change the library's ABI: all of them, or nothing works.
    for define in variable("DEP_TORRENT_RASTERBAR_DEFINES").split(';').filter(|d| !d.is_empty()) {
        let (name, value) = define.split_once('=').map_or((define, None), |(n, v)| (n, Some(v)));
        build.define(name, value);
    }
    for path in variable("DEP_TORRENT_RASTERBAR_INCLUDE").split(';').filter(|p| !p.is_empty()) {
        build.include(Path::new(path));
    }
    for source in SOURCES {
        build.file(format!("cpp/{source}.cpp"));
    }
    build.compile("cove-bridge");
    println!("cargo::rerun-if-changed=cpp");
    println!("cargo::rerun-if-changed=src/engine/ffi.rs");
    println!("cargo::rerun-if-changed=src/engine/ffi_details.rs");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
