//! How much of a torrent is sent for what is there of it.

/// A ratio of bytes sent to bytes that are there, in thousandths, so that it can be kept and compared
/// exactly. 0 stands for "no end" where it is a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u32);

/// Beyond it a limit is none, for whoever reads it.
const MAX: f64 = 1_000_000.0;

impl Ratio {
    /// Of thousandths.
    pub fn of_thousandths(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// Of a number; `None` when it is negative, above a million, or none. What is not 0 stays so.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to a thousand million, as was just looked at"
    )]
    pub fn of(number: f64) -> Option<Self> {
        match number {
            0.0 => Some(Self(0)),
            number if (0.0..=MAX).contains(&number) => {
                Some(Self((number * 1_000.0).round().max(1.0) as u32))
            }
            _ => None,
        }
    }

    /// In thousandths.
    pub fn thousandths(self) -> u32 {
        self.0
    }

    /// As a number.
    pub fn number(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }

    /// Whether, as a limit, it is reached when `sent` bytes were sent of `there`. Without a byte
    /// there is nothing to seed.
    pub fn is_reached(self, sent: u64, there: u64) -> bool {
        let wanted = u128::from(there) * u128::from(self.0);
        wanted > 0 && u128::from(sent) * 1_000 >= wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_read_back_as_what_it_was() {
        for number in [0.0, 0.001, 1.5, 2.0, 1_000_000.0] {
            assert_eq!(Ratio::of(number).map(Ratio::number), Some(number));
        }
        assert_eq!(Ratio::of(0.000_01), Some(Ratio(1)), "not without an end");
        for wrong in [-0.5, f64::NAN, f64::INFINITY, 1_000_001.0] {
            assert_eq!(Ratio::of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_reached_by_what_was_sent_of_what_is_there() {
        let limit = Ratio::of(1.5).unwrap();
        assert!(!limit.is_reached(1_499, 1_000) && limit.is_reached(1_500, 1_000));
        assert!(!limit.is_reached(5, 0), "nothing is there");
        assert!(!Ratio::default().is_reached(u64::MAX, 1), "no end");
        assert!(Ratio(u32::MAX).is_reached(u64::MAX, 1));
    }
}
