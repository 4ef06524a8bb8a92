//! Random numbers that a failing test can be repeated with: the seed is printed.

use std::io::Write;

/// A small generator (xorshift64*); good for choosing instants and payload, for nothing else.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The same numbers every time.
    pub(crate) fn from_seed(seed: u64) -> Self {
        // The state must not be 0; the constant spreads small seeds.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Other numbers every time, unless `COVE_TEST_SEED` says which; prints the seed.
    pub(crate) fn announced(test: &str) -> Self {
        let given = std::env::var("COVE_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).expect("the system gives random bytes");
            u64::from(u32::from_le_bytes(bytes))
        });
        let _ = writeln!(std::io::stderr(), "{test}: COVE_TEST_SEED={seed}");
        Self::from_seed(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}
