//! The arithmetic of one's complement sums.

use core::iter;
use core::ops::{Add, AddAssign};

/// A one's complement sum of big-endian 16-bit words, folded to 16 bits.
///
/// 0 is the sum of nothing but zeros; any other multiple of 0xFFFF folds to 0xFFFF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u16);

impl Sum {
    /// The sum of one word.
    #[inline]
    #[must_use]
    pub const fn of(word: u16) -> Self {
        Self(word)
    }

    /// The folded sum: what a checksum field holds that is still to be completed.
    #[inline]
    #[must_use]
    pub const fn folded(self) -> u16 {
        self.0
    }

    /// The complement: what a complete checksum field holds.
    #[inline]
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.0
    }

    /// The sum of the same bytes behind an odd number of others: each byte counts in the other half of
    /// its word (RFC 1071 §2 (B)).
    #[inline]
    #[must_use]
    pub const fn swapped(self) -> Self {
        Self(self.0.swap_bytes())
    }

    /// Adds the sum of `bytes` that follow `before` other bytes.
    #[inline]
    #[must_use]
    pub fn then(self, piece: Self, before: usize) -> Self {
        self + if before % 2 == 1 { piece.swapped() } else { piece }
    }
}

impl Add for Sum {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        Self(sum + u16::from(carry))
    }
}

impl AddAssign for Sum {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), Self::add)
    }
}

/// The checksum after one word it covers has changed from `old` to `new` (RFC 1624, equation 3).
///
/// Exact unless all words covered are now 0, which no IP or TCP header is.
#[inline]
#[must_use]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    (Sum(!checksum) + Sum(!old) + Sum(new)).checksum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::naive;
    use super::*;

    #[test]
    fn addition_carries_around() {
        assert_eq!(Sum::of(0xffff) + Sum::of(1), Sum::of(1));
        assert_eq!(Sum::of(0x8000) + Sum::of(0x8000), Sum::of(1));
        assert_eq!(Sum::of(0xfffe) + Sum::of(1), Sum::of(0xffff), "a multiple of 0xFFFF is no 0");
        assert_eq!([Sum::of(1), Sum::of(2), Sum::of(3)].into_iter().sum::<Sum>(), Sum::of(6));
    }

    #[test]
    fn the_example_of_rfc_1624_section_4() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest! {
        #[test]
        fn an_update_equals_a_new_sum(
            mut bytes in prop::collection::vec(any::<u8>(), 20..=60),
            at in 1_usize..10,
            new in any::<[u8; 2]>(),
        ) {
            bytes[0] = 0x45;
            let before = naive(&bytes).checksum();
            let old = [bytes[2 * at], bytes[2 * at + 1]];
            bytes[2 * at..2 * at + 2].copy_from_slice(&new);
            prop_assert_eq!(
                update(before, u16::from_be_bytes(old), u16::from_be_bytes(new)),
                naive(&bytes).checksum()
            );
        }
    }
}
