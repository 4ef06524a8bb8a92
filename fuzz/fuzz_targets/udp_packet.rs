//! Any datagram: it is a request or it is not, and what is read from it was in it.
#![no_main]

use cove::tracker::udp_wire::Request;
use libfuzzer_sys::fuzz_target;

/// Bytes before the first thing that is not in every request.
const HEAD: usize = 16;
/// Bytes of an announce without options.
const ANNOUNCE: usize = 98;

fuzz_target!(|datagram: &[u8]| {
    let Some(request) = Request::parse(datagram) else { return };
    assert!(datagram.len() >= HEAD, "a request is no shorter than its head");
    match request {
        Request::Connect { transaction } => {
            assert_eq!(transaction.to_be_bytes(), datagram[12..HEAD]);
        }
        Request::Announce(announce) => {
            assert_eq!(announce.info_hash.0, datagram[HEAD..36]);
            assert_eq!(announce.port.to_be_bytes(), datagram[96..ANNOUNCE]);
            assert_eq!(announce.options, &datagram[ANNOUNCE..]);
        }
        Request::Scrape { hashes, .. } => {
            assert_eq!(hashes.len(), (datagram.len() - HEAD) / 20);
            assert!(datagram[HEAD..].starts_with(hashes.as_flattened()));
        }
    }
});
