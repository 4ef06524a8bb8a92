//! The frame of every record: the version of its form and a checksum over its columns (rule D2).
//!
//! SQLite notices a broken page structure but not a flipped bit in a value; the checksum does, and
//! so one damaged torrent does not pass for a whole one (rule D4).

use rusqlite::Row;
use rusqlite::types::ValueRef;
use sha2::Digest;
use sha2::Sha256;

/// The form in which this program writes its records.
pub(super) const VERSION: i64 = 1;

/// Bytes of SHA-256 that are kept: against accidents, not against attackers.
const CHECKSUM_BYTES: usize = 8;

/// What is wrong with a record, for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) String);

/// A checksum in the making; columns go in one by one, in a fixed order.
#[derive(Clone)]
pub(super) struct Seal(Sha256);

impl Seal {
    /// The checksum of a row of `table`; a row moved to another table does not fit there.
    pub(super) fn of(table: &str) -> Self {
        Self(Sha256::new()).text(table).int(VERSION)
    }

    /// Adds a value with its length, so that neighbours cannot lend each other bytes.
    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    /// Adds a text.
    pub(super) fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    /// Adds a number.
    pub(super) fn int(self, value: i64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// The finished checksum.
    pub(super) fn finish(self) -> [u8; CHECKSUM_BYTES] {
        let mut checksum = [0; CHECKSUM_BYTES];
        checksum.copy_from_slice(&self.0.finalize()[..CHECKSUM_BYTES]);
        checksum
    }
}

/// Reads the columns of a row from left to right and trusts none of them: a column of the wrong
/// type is damage of this record and not an error of the whole read.
pub(super) struct Columns<'row> {
    row: &'row Row<'row>,
    next: usize,
}

impl<'row> Columns<'row> {
    /// Starts at the column with the number `first`.
    pub(super) fn from(row: &'row Row<'row>, first: usize) -> Self {
        Self { row, next: first }
    }

    /// The next column as a number.
    pub(super) fn int(&mut self) -> Result<i64, Damage> {
        match self.value()? {
            ValueRef::Integer(number) => Ok(number),
            _ => Err(self.wrong("no number")),
        }
    }

    /// The next column as a number that must fit into 32 bits without a sign.
    pub(super) fn count(&mut self) -> Result<u32, Damage> {
        let number = self.int()?;
        u32::try_from(number).map_err(|_| self.wrong("out of range"))
    }

    /// The next column as a yes or no.
    pub(super) fn flag(&mut self) -> Result<bool, Damage> {
        match self.int()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.wrong("neither 0 nor 1")),
        }
    }

    /// The next column as text.
    pub(super) fn text(&mut self) -> Result<&'row str, Damage> {
        match self.value()? {
            ValueRef::Text(bytes) => {
                std::str::from_utf8(bytes).map_err(|_| self.wrong("not valid UTF-8"))
            }
            _ => Err(self.wrong("no text")),
        }
    }

    /// The next column as a number that must fit into 32 bits without a sign; `None` for an empty
    /// one.
    pub(super) fn optional_count(&mut self) -> Result<Option<u32>, Damage> {
        let number = self.optional_int()?;
        number.map(u32::try_from).transpose().map_err(|_| self.wrong("out of range"))
    }

    /// The next column as a number; `None` for an empty one.
    pub(super) fn optional_int(&mut self) -> Result<Option<i64>, Damage> {
        match self.value()? {
            ValueRef::Integer(number) => Ok(Some(number)),
            ValueRef::Null => Ok(None),
            _ => Err(self.wrong("no number")),
        }
    }

    /// The next column as text; `None` for an empty one.
    pub(super) fn optional_text(&mut self) -> Result<Option<&'row str>, Damage> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => {
                std::str::from_utf8(bytes).map(Some).map_err(|_| self.wrong("not valid UTF-8"))
            }
            _ => Err(self.wrong("no text")),
        }
    }

    /// The next column as bytes.
    pub(super) fn bytes(&mut self) -> Result<&'row [u8], Damage> {
        self.optional_bytes()?.ok_or_else(|| self.wrong("missing"))
    }

    /// The next column as bytes; `None` for an empty one.
    pub(super) fn optional_bytes(&mut self) -> Result<Option<&'row [u8]>, Damage> {
        match self.value()? {
            ValueRef::Blob(bytes) => Ok(Some(bytes)),
            ValueRef::Null => Ok(None),
            _ => Err(self.wrong("no bytes")),
        }
    }

    /// Compares the next two columns, version and checksum, with `seal`.
    pub(super) fn check(&mut self, seal: Seal) -> Result<(), Damage> {
        let version = self.int()?;
        if version != VERSION {
            return Err(Damage(format!("record version {version} is unknown")));
        }
        if self.bytes()? != seal.finish() {
            return Err(self.wrong("not the checksum of the record"));
        }
        Ok(())
    }

    fn value(&mut self) -> Result<ValueRef<'row>, Damage> {
        self.next += 1;
        let value = self.row.get_ref(self.next - 1);
        value.map_err(|error| Damage(error.to_string()))
    }

    fn wrong(&self, what: &str) -> Damage {
        let column = self.row.as_ref().column_name(self.next - 1).unwrap_or("?");
        Damage(format!("column {column} is {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule D2: a checksum covers every column, its place and its length.
    #[test]
    fn a_checksum_tells_rows_apart_that_have_the_same_bytes() {
        let seal = || Seal::of("torrents");
        let sums = [
            seal().text("ab").text("c").finish(),
            seal().text("a").text("bc").finish(),
            seal().text("abc").finish(),
            seal().text("c").text("ab").finish(),
            Seal::of("settings").text("ab").text("c").finish(),
        ];
        for (place, sum) in sums.iter().enumerate() {
            assert!(!sums[..place].contains(sum));
        }
        assert_eq!(sums[0], seal().text("ab").text("c").finish());
    }
}
