//! Torrents written by hand, as no honest program would.

pub(super) fn text(value: &[u8]) -> Vec<u8> {
    [value.len().to_string().as_bytes(), b":", value].concat()
}

pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [b"l".as_slice(), &items.concat(), b"e"].concat()
}

pub(super) fn int(value: i64) -> Vec<u8> {
    format!("i{value}e").into_bytes()
}

/// A dictionary, whose keys must come sorted.
pub(super) fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<_> =
        items.iter().map(|(key, value)| [text(key.as_bytes()), value.clone()].concat()).collect();
    [b"d".as_slice(), &items.concat(), b"e"].concat()
}

pub(super) fn file(path: &[&[u8]], length: i64) -> Vec<u8> {
    let path: Vec<_> = path.iter().map(|part| text(part)).collect();
    dict(&[("length", int(length)), ("path", list(&path))])
}

pub(super) fn symlink(path: &[&[u8]], target: &[&[u8]]) -> Vec<u8> {
    let parts = |of: &[&[u8]]| list(&of.iter().map(|part| text(part)).collect::<Vec<_>>());
    let (path, target) = (parts(path), parts(target));
    dict(&[("attr", text(b"l")), ("length", int(0)), ("path", path), ("symlink path", target)])
}

/// A torrent of many files; one piece of 16 KiB whose hash nobody can meet.
pub(super) fn folder(name: &[u8], files: &[Vec<u8>]) -> Vec<u8> {
    pieces(name, files, 1)
}

pub(super) fn pieces(name: &[u8], files: &[Vec<u8>], count: usize) -> Vec<u8> {
    let info = dict(&[
        ("files", list(files)),
        ("name", text(name)),
        ("piece length", int(16 << 10)),
        ("pieces", text(&vec![7; 20 * count])),
    ]);
    dict(&[("info", info)])
}
