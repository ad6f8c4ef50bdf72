//! Sums of bytes.

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
    /// its word (RFC 1071 §2, "byte order independence").
    #[inline]
    #[must_use]
    pub const fn swapped(self) -> Self {
        Self(self.0.swap_bytes())
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

/// The sum of `bytes`; an odd last byte counts as the upper half of a word.
#[inline]
#[must_use]
pub fn sum(bytes: &[u8]) -> Sum {
    naive(bytes)
}

/// Copies `from` to `to` and sums it in the same pass.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn copy(from: &[u8], to: &mut [u8]) -> Sum {
    to.copy_from_slice(from);
    sum(from)
}

/// [`sum`] in the plainest words: the oracle of the tests.
#[must_use]
pub fn naive(bytes: &[u8]) -> Sum {
    bytes.chunks(2).fold(Sum::default(), |sum, word| {
        sum + Sum::of(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]))
    })
}
