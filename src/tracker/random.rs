//! Random numbers for choosing peers: fast, seeded by the operating system, not for secrets.

/// A small generator (wyrand); each thread has its own.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Seeded by the operating system; by the address of a local should that fail.
    pub fn from_os() -> Self {
        let here = 0u8;
        Self(getrandom::u64().unwrap_or(std::ptr::from_ref(&here) as usize as u64))
    }

    /// Always the same numbers.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (wide >> 64) as u64 ^ wide as u64
    }

    /// A number below `end`; 0 when `end` is 0. Unbiased enough: off by less than end / 2^64.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }
}
