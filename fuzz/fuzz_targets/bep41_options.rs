//! Any bytes behind an announce (BEP 41): no path is longer than what came.
#![no_main]

use cove::tracker::udp_wire::url_data;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|options: &[u8]| {
    let path = url_data(options);
    assert!(path.as_bytes().len() <= options.len());
    let Some(key) = path.key() else { return };
    assert!(!key.is_empty() && !key.contains(&b'/') && !key.contains(&b'?'));
    assert!(path.as_bytes().windows(key.len()).any(|part| part == key));
});
