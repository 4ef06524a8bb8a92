//! Whom the client trusts: the system's certificates, read when the first HTTPS tracker is asked
//! (docs/decisions/0011-certificates-when-needed.md).

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;
use sha1::Digest;
use sha1::Sha1;

use crate::common::app::Home;
use crate::common::pki::AUTHORITY;
use crate::common::pki::Pki;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;

/// A tracker behind TLS, and who signed for it.
struct Tracker {
    home: Home,
    pki: Pki,
}

impl Tracker {
    fn new() -> Self {
        let home = Home::new().set("tracker.mode", "public");
        let pki = Pki::new(&home);
        Self { home: pki.on(home), pki }
    }

    /// What a client with these places for its certificates says of this tracker.
    fn as_told_by_a_client_with(&self, bundle: &Path, directory: &Path) -> String {
        let tracker = self.home.start();
        let home = trusting(bundle, directory);
        let client = home.start();
        let url = format!("https://localhost:{}/announce", tracker.tracker_http[0].port());
        let torrent = Recipe::named("a.bin").announce(&url).single(&payload(711, 64 * KIB));
        client.api.add(&torrent.file);
        let row = client.api.wait(&torrent.hash, "its tracker was asked", |row| {
            row["trackers"][0]["status"].as_str().is_some_and(|said| said != "Not contacted yet")
        });
        row["trackers"][0]["status"].as_str().unwrap().to_owned()
    }
}

/// A home whose program finds the system's certificates at these places.
fn trusting(bundle: &Path, directory: &Path) -> Home {
    let place = |name: &str, path: &Path| format!("{name}={}", path.display()).into();
    let launcher: Vec<OsString> =
        vec!["env".into(), place("SSL_CERT_FILE", bundle), place("SSL_CERT_DIR", directory)];
    Home::new().launched_by(launcher)
}

/// The name under which OpenSSL looks for an authority in a directory: the first four bytes,
/// backwards, of the SHA-1 of its name in the canonical form (X509_NAME_hash(3)).
fn hashed_name(authority: &str) -> String {
    let framed = |tag: u8, inner: &[u8]| [&[tag, inner.len() as u8], inner].concat();
    let common_name = [&framed(6, &[0x55, 4, 3])[..], &framed(12, authority.as_bytes())].concat();
    let hash = Sha1::digest(framed(0x31, &framed(0x30, &common_name)));
    format!("{:08x}.0", u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]))
}

#[test]
fn an_https_tracker_is_trusted_through_the_bundle() {
    let tracker = Tracker::new();
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle.pem");
    let stranger = Pki::new(&Home::new());
    fs::write(&bundle, stranger.authority + &tracker.pki.authority).unwrap();

    let said = tracker.as_told_by_a_client_with(&bundle, Path::new("/nonexistent"));

    assert_eq!(said, "Working");
}

#[test]
fn an_https_tracker_is_trusted_through_the_directory() {
    let tracker = Tracker::new();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join(hashed_name(AUTHORITY)), &tracker.pki.authority).unwrap();

    let said = tracker.as_told_by_a_client_with(Path::new("/nonexistent"), place.path());

    assert_eq!(said, "Working");
}

/// The same name with another key, in both places.
#[test]
fn an_https_tracker_of_a_strangers_authority_is_refused() {
    let tracker = Tracker::new();
    let stranger = Pki::new(&Home::new());
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join(hashed_name(AUTHORITY));
    fs::write(&bundle, &stranger.authority).unwrap();

    let said = tracker.as_told_by_a_client_with(&bundle, place.path());

    assert!(said.contains("certificate verify failed"), "{said}");
}

/// Whoever opens a pipe that nobody writes to waits for ever.
#[test]
fn a_start_reads_no_certificates() {
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle.pem");
    rustix::fs::mknodat(CWD, &bundle, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let home = trusting(&bundle, Path::new("/nonexistent"));

    home.start().stop();
}
