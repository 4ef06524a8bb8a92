//! Finds libtorrent 2.0.8 or newer and tells cargo and the bridge how to use it. Downloads nothing.
//!
//! Order: `LIBTORRENT_PREFIX`; the cache that `make libtorrent` fills; pkg-config.

use std::env;
use std::path::Path;
use std::path::PathBuf;
use std::process::exit;

/// The oldest libtorrent with `disk_write_mode` and everything else the bridge needs.
const OLDEST: &str = "2.0.8";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["LIBTORRENT_PREFIX", "PKG_CONFIG_PATH", "XDG_CACHE_HOME"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let prefix = env::var_os("LIBTORRENT_PREFIX").map(PathBuf::from).or_else(cached);
    if let Some(prefix) = &prefix {
        search_in(prefix);
    }
    let found = pkg_config::Config::new()
        .atleast_version(OLDEST)
        .statik(prefix.is_some())
        .env_metadata(true)
        .probe("libtorrent-rasterbar");
    match found {
        Ok(library) => hand_on(&library),
        Err(error) => explain(&error),
    }
}

/// Where `make libtorrent` puts its build, if it is there.
fn cached() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))?;
    let prefix = cache.join("cove/libtorrent-2.0.11");
    prefix.join("lib/pkgconfig/libtorrent-rasterbar.pc").exists().then_some(prefix)
}

/// Puts the prefix before everything pkg-config would find by itself.
fn search_in(prefix: &Path) {
    let mut paths: Vec<PathBuf> =
        ["lib/pkgconfig", "lib64/pkgconfig"].iter().map(|part| prefix.join(part)).collect();
    if let Some(others) = env::var_os("PKG_CONFIG_PATH") {
        paths.extend(env::split_paths(&others));
    }
    if let Ok(joined) = env::join_paths(paths) {
        // SAFETY: a build script has one thread.
        unsafe { env::set_var("PKG_CONFIG_PATH", joined) };
    }
}

/// Publishes what the bridge must be compiled with, as `DEP_TORRENT_RASTERBAR_*`.
fn hand_on(library: &pkg_config::Library) {
    let includes: Vec<String> =
        library.include_paths.iter().map(|path| path.display().to_string()).collect();
    let defines: Vec<String> = library
        .defines
        .iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        })
        .collect();
    // The bridge speaks with the OpenSSL that libtorrent uses.
    if defines.iter().any(|define| define == "TORRENT_USE_OPENSSL") {
        println!("cargo::rustc-link-lib=ssl");
        println!("cargo::rustc-link-lib=crypto");
    }
    println!("cargo::metadata=INCLUDE={}", includes.join(";"));
    println!("cargo::metadata=DEFINES={}", defines.join(";"));
    println!("cargo::metadata=VERSION={}", library.version);
}

fn explain(error: &pkg_config::Error) -> ! {
    println!(
        "cargo::error=libtorrent {OLDEST} or newer was not found. Install it with pkg-config: \
         Debian and Ubuntu `apt-get install pkg-config libtorrent-rasterbar-dev`, Fedora \
         `dnf install pkgconf rb_libtorrent-devel`, Arch `pacman -S pkgconf libtorrent-rasterbar`, \
         Alpine `apk add pkgconf libtorrent-rasterbar-dev`; or set LIBTORRENT_PREFIX"
    );
    eprintln!("{error}");
    exit(1);
}
