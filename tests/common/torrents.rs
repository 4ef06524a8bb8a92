//! Payload and the torrents for it: v1 made here, v2 and hybrid by a foreign program.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use sha1::Digest as _;
use sha1::Sha1;

use crate::common::bencode::Value;
use crate::common::bencode::dict;
use crate::common::bencode::text;
use crate::common::random::Random;
use crate::common::wait_for;

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// A v1 torrent with what is needed to judge whoever downloads it.
#[derive(Clone)]
pub(crate) struct Torrent {
    /// The bytes of the .torrent file.
    pub(crate) file: Vec<u8>,
    /// The info-hash, 40 hex digits.
    pub(crate) hash: String,
    pub(crate) name: String,
    pub(crate) piece_bytes: usize,
    /// The SHA-1 of every piece.
    pub(crate) pieces: Vec<[u8; 20]>,
}

/// How a torrent is to be made.
pub(crate) struct Recipe<'a> {
    pub(crate) name: &'a str,
    pub(crate) piece_bytes: usize,
    pub(crate) is_private: bool,
    pub(crate) announce: Option<&'a str>,
}

impl<'a> Recipe<'a> {
    pub(crate) fn named(name: &'a str) -> Self {
        Self { name, piece_bytes: 64 * KIB, is_private: false, announce: None }
    }

    pub(crate) fn announce(self, url: &'a str) -> Self {
        Self { announce: Some(url), ..self }
    }

    pub(crate) fn private(self) -> Self {
        Self { is_private: true, ..self }
    }

    pub(crate) fn pieces_of(self, piece_bytes: usize) -> Self {
        Self { piece_bytes, ..self }
    }

    /// A torrent of one file.
    pub(crate) fn single(&self, payload: &[u8]) -> Torrent {
        let mut info = self.info(payload);
        info.set("length", Value::Int(payload.len() as i64));
        self.finish(info, payload)
    }

    /// A torrent of several files, each a path and its content.
    pub(crate) fn folder(&self, files: &[(&str, Vec<u8>)]) -> Torrent {
        let whole: Vec<u8> = files.iter().flat_map(|(_, content)| content).copied().collect();
        let entry = |(path, content): &(&str, Vec<u8>)| {
            let parts = path.split('/').map(text).collect();
            dict([("length", Value::Int(content.len() as i64)), ("path", Value::List(parts))])
        };
        let mut info = self.info(&whole);
        info.set("files", Value::List(files.iter().map(entry).collect()));
        self.finish(info, &whole)
    }

    fn info(&self, payload: &[u8]) -> Value {
        let pieces: Vec<u8> = hashes(payload, self.piece_bytes).concat();
        let mut info = dict([
            ("name", text(self.name)),
            ("piece length", Value::Int(self.piece_bytes as i64)),
            ("pieces", text(pieces)),
        ]);
        if self.is_private {
            info.set("private", Value::Int(1));
        }
        info
    }

    fn finish(&self, info: Value, payload: &[u8]) -> Torrent {
        Torrent {
            hash: info_hash(&info),
            name: self.name.to_owned(),
            piece_bytes: self.piece_bytes,
            pieces: hashes(payload, self.piece_bytes),
            file: metainfo(info, self.announce),
        }
    }
}

impl Torrent {
    /// A magnet link without trackers.
    pub(crate) fn magnet(&self) -> String {
        format!("magnet:?xt=urn:btih:{}", self.hash)
    }

    /// A magnet link with a tracker.
    pub(crate) fn magnet_by(&self, announce: &str) -> String {
        use percent_encoding::NON_ALPHANUMERIC;
        let url = percent_encoding::utf8_percent_encode(announce, NON_ALPHANUMERIC);
        format!("{}&tr={url}", self.magnet())
    }

    /// Writes the .torrent into `directory` and tells where.
    pub(crate) fn save(&self, directory: &Path) -> PathBuf {
        let path = directory.join(format!("{}.torrent", self.hash));
        fs::write(&path, &self.file).expect("a torrent can be written");
        path
    }
}

/// A .torrent file around an info dictionary of any kind.
pub(crate) fn metainfo(info: Value, announce: Option<&str>) -> Vec<u8> {
    let mut whole = dict([("info", info)]);
    if let Some(url) = announce {
        whole.set("announce", text(url));
    }
    whole.encode()
}

/// The v1 info-hash of an info dictionary.
pub(crate) fn info_hash(info: &Value) -> String {
    hex(&Sha1::digest(info.encode()))
}

/// The SHA-1 of each piece.
pub(crate) fn hashes(payload: &[u8], piece_bytes: usize) -> Vec<[u8; 20]> {
    payload.chunks(piece_bytes).map(|piece| Sha1::digest(piece).into()).collect()
}

/// Payload that is the same for the same seed.
pub(crate) fn payload(seed: u64, bytes: usize) -> Vec<u8> {
    Random::from_seed(seed).bytes(bytes)
}

/// `count` torrents of one small piece each, and their payload in `directory`.
pub(crate) fn many_small(directory: &Path, count: usize, seed: u64) -> Vec<Torrent> {
    let make = |number: usize| {
        let (name, content) =
            (format!("small-{number:05}.bin"), payload(seed + number as u64, 999));
        fs::write(directory.join(&name), &content).expect("payload can be written");
        Recipe::named(&name).pieces_of(16 * KIB).single(&content)
    };
    (0..count).map(make).collect()
}

/// The SHA-256 of a file's content.
pub(crate) fn sha256(path: &Path) -> String {
    let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // The two crates are built on different versions of the trait.
    hex(&<sha2::Sha256 as sha2::Digest>::digest(content))
}

/// Waits until a foreign client's copy of a file is like the original: it counts a piece, and calls
/// itself complete, before the bytes are written.
#[track_caller]
pub(crate) fn wait_copied(original: &Path, copy: &Path) {
    let wanted = sha256(original);
    wait_for(&format!("{} is written", copy.display()), || {
        (copy.is_file() && sha256(copy) == wanted).then_some(())
    });
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
