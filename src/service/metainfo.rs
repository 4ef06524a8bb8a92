//! A .torrent file with other announce URLs: the same torrent for somebody else (rule F11).
//!
//! Only the outermost dictionary is taken apart and put together; everything in it, the info
//! dictionary above all, stays byte by byte as it is.

use std::collections::BTreeMap;

use percent_encoding::AsciiSet;
use percent_encoding::CONTROLS;
use percent_encoding::utf8_percent_encode;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::InfoHashes;

/// Containers inside containers (rule F4).
const DEPTH_MAX: usize = 100;
/// What cannot stand in a parameter of a magnet link.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// `file` with the announce URLs of `tiers` in place of its own.
///
/// # Errors
/// Internal, when it is no .torrent file.
pub(crate) fn with_trackers(file: &[u8], tiers: &[Vec<String>]) -> Result<Vec<u8>> {
    let mut members =
        members(file).ok_or_else(|| Error::internal("a kept torrent file cannot be read"))?;
    let (announce, list) = (encoded_first(tiers), encoded_list(tiers));
    members.remove(&b"announce"[..]);
    members.remove(&b"announce-list"[..]);
    if let Some(announce) = &announce {
        members.insert(b"announce", announce);
        members.insert(b"announce-list", &list);
    }
    let mut whole = vec![b'd'];
    for (key, value) in members {
        whole.extend(format!("{}:", key.len()).bytes());
        whole.extend_from_slice(key);
        whole.extend_from_slice(value);
    }
    whole.push(b'e');
    Ok(whole)
}

/// A magnet link (BEP 9, BEP 52) with these trackers.
pub(crate) fn magnet(hashes: &InfoHashes, name: &str, tiers: &[Vec<String>]) -> String {
    let v1 = hashes.v1().map(|hash| format!("xt=urn:btih:{hash}"));
    // The multihash of SHA-256: its number and its length before it.
    let v2 = hashes.v2().map(|hash| format!("xt=urn:btmh:1220{hash}"));
    let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let trackers = tiers.iter().flatten().map(|url| format!("tr={}", escape(url)));
    let name = format!("dn={}", escape(name));
    let parts: Vec<String> = v1.into_iter().chain(v2).chain([name]).chain(trackers).collect();
    format!("magnet:?{}", parts.join("&"))
}

fn encoded_first(tiers: &[Vec<String>]) -> Option<Vec<u8>> {
    tiers.iter().flatten().next().map(|url| encoded(url))
}

fn encoded_list(tiers: &[Vec<String>]) -> Vec<u8> {
    let tier = |urls: &Vec<String>| {
        let urls: Vec<u8> = urls.iter().flat_map(|url| encoded(url)).collect();
        [b"l", &urls[..], b"e"].concat()
    };
    let tiers: Vec<u8> = tiers.iter().flat_map(tier).collect();
    [b"l", &tiers[..], b"e"].concat()
}

fn encoded(text: &str) -> Vec<u8> {
    format!("{}:{text}", text.len()).into_bytes()
}

/// The members of a dictionary as they stand there.
fn members(file: &[u8]) -> Option<BTreeMap<&[u8], &[u8]>> {
    let mut rest = file.strip_prefix(b"d")?;
    let mut members = BTreeMap::new();
    while *rest.first()? != b'e' {
        let (key, after) = text(rest)?;
        let length = value_length(after, 0)?;
        let (value, after) = after.split_at_checked(length)?;
        members.insert(key, value);
        rest = after;
    }
    (rest.len() == 1).then_some(members)
}

/// A text at the beginning of `from`, and what follows it.
fn text(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = from.iter().take(20).position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&from[..colon]).ok()?.parse().ok()?;
    from[colon + 1..].split_at_checked(length)
}

/// How many bytes the value at the beginning of `from` has.
fn value_length(from: &[u8], depth: usize) -> Option<usize> {
    match *from.first()? {
        b'i' => from.iter().position(|byte| *byte == b'e').map(|end| end + 1),
        b'l' | b'd' if depth < DEPTH_MAX => {
            let mut at = 1;
            while *from.get(at)? != b'e' {
                at += value_length(from.get(at..)?, depth + 1)?;
            }
            Some(at + 1)
        }
        b'0'..=b'9' => text(from).map(|(_, after)| from.len() - after.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hash::Sha1Hash;
    use crate::domain::hash::Sha256Hash;

    const INFO: &str = "4:infod6:lengthi3e4:name1:a12:piece lengthi16384e6:pieces20:\
        ####################7:privatei1ee";

    /// Rule F11.
    #[test]
    fn f11_only_the_announce_urls_change() {
        let old = format!("d8:announce6:http:/13:announce-listll6:http:/ee7:comment1:x{INFO}e");
        let tiers = [vec!["udp://a/k".to_owned(), "http://a/k".to_owned()], vec!["x".to_owned()]];
        let list = "13:announce-listll9:udp://a/k10:http://a/kel1:xee";
        let new = format!("d8:announce9:udp://a/k{list}7:comment1:x{INFO}e");
        assert_eq!(with_trackers(old.as_bytes(), &tiers).unwrap(), new.as_bytes());
        let bare = with_trackers(new.as_bytes(), &[]).unwrap();
        assert_eq!(bare, format!("d7:comment1:x{INFO}e").as_bytes());
    }

    #[test]
    fn what_is_no_torrent_file_is_refused() {
        let deep = [b"d1:a".to_vec(), vec![b'l'; 1000], vec![b'e'; 1001]].concat();
        for file in [&b""[..], b"d", b"i1e", b"d1:ae", b"d1:a9:xe", b"d1:ai1eee", &deep] {
            assert!(with_trackers(file, &[]).is_err());
        }
    }

    #[test]
    fn a_magnet_link_names_both_hashes_and_hides_nothing_in_a_name() {
        let hashes = InfoHashes::new(Some(Sha1Hash([1; 20])), Some(Sha256Hash([2; 32]))).unwrap();
        let link = magnet(&hashes, "a&tr=x y", &[vec!["udp://n:1/announce/K".into()]]);
        let (v1, v2) = ("01".repeat(20), "02".repeat(32));
        assert_eq!(
            link,
            format!(
                "magnet:?xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}&dn=a%26tr%3Dx%20y\
                 &tr=udp://n:1/announce/K"
            )
        );
    }
}
