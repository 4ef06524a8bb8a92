//! Which pieces a torrent has: one bit a piece, most significant bit first (BEP 3).

/// A set of pieces. Bits past `len` in the last byte are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Vec<u8>,
    len: u32,
}

impl Bitfield {
    /// `len` pieces in BEP 3 order; missing bytes count as zero, spare bits are cleared.
    pub fn from_bytes(mut bytes: Vec<u8>, len: u32) -> Self {
        bytes.resize(len.div_ceil(8) as usize, 0);
        if let (Some(last), spare @ 1..) = (bytes.last_mut(), (8 - len % 8) % 8) {
            *last &= 0xff << spare;
        }
        Self { bytes, len }
    }

    /// `len` pieces, all there.
    pub fn full(len: u32) -> Self {
        Self::from_bytes(vec![0xff; len.div_ceil(8) as usize], len)
    }

    /// How many pieces there are in all.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no pieces at all (no metadata yet).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether piece `index` is there; false past the end.
    pub fn has(&self, index: u32) -> bool {
        index < self.len && self.bytes[(index / 8) as usize] & (0x80 >> (index % 8)) != 0
    }

    /// Marks piece `index` as there; ignored past the end.
    pub fn set(&mut self, index: u32) {
        if index < self.len {
            self.bytes[(index / 8) as usize] |= 0x80 >> (index % 8);
        }
    }

    /// How many pieces are there.
    pub fn count(&self) -> u32 {
        self.bytes.iter().map(|byte| byte.count_ones()).sum()
    }

    /// Whether every piece is there, and there is at least one.
    pub fn is_full(&self) -> bool {
        self.len > 0 && self.count() == self.len
    }

    /// The bytes as BEP 3 sends them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_bits_do_not_count() {
        assert_eq!(Bitfield::full(11).count(), 11);
        assert_eq!(Bitfield::full(11).as_bytes(), [0xff, 0xe0]);
        assert_eq!(Bitfield::from_bytes(vec![0x80], 20).as_bytes(), [0x80, 0, 0]);
        let mut some = Bitfield::from_bytes(Vec::new(), 9);
        some.set(8);
        some.set(9);
        assert!(some.has(8) && !some.has(9) && !some.is_full());
    }
}
