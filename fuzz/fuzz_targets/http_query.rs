//! Any query of an announce or a scrape over HTTP: a value or a fixed sentence.
#![no_main]

use cove::dialects::announce::wire::SCRAPE_MAX;
use cove::dialects::announce::wire::parse_announce;
use cove::dialects::announce::wire::parse_scrape;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &[u8]| {
    if let Ok(announce) = parse_announce(query) {
        assert!(has(query, b"info_hash=") && has(query, b"peer_id=") && has(query, b"port="));
        assert!(decoded_has(query, &announce.info_hash.0));
    }
    if let Ok(hashes) = parse_scrape(query) {
        assert!(!hashes.is_empty() && hashes.len() <= SCRAPE_MAX);
        assert!(hashes.iter().all(|hash| decoded_has(query, &hash.0)));
    }
});

fn has(query: &[u8], name: &[u8]) -> bool {
    query.windows(name.len()).any(|part| part == name)
}

/// Whether the bytes are in the query, escapes undone.
fn decoded_has(query: &[u8], bytes: &[u8]) -> bool {
    let mut rest = query;
    let mut decoded = Vec::with_capacity(query.len());
    while let Some((&first, after)) = rest.split_first() {
        let escape = match rest {
            [b'%', high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, left) = escape.map_or((first, after), |(h, l)| (h << 4 | l, &rest[3..]));
        decoded.push(byte);
        rest = left;
    }
    has(&decoded, bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}
