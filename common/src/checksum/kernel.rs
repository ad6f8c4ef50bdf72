//! Sums of bytes: the loops.

use super::Sum;
#[cfg(all(target_arch = "x86_64", not(target_os = "none")))]
use super::avx2::Avx2;

/// Bytes per turn of the wide loop: sixteen 32-bit words, a shape that the compiler turns into vector additions. Half
/// as many leave the adders waiting for each other; twice as many do not fit into the registers of SSE2.
pub(super) const BLOCK: usize = 64;

/// Bytes that blocks pay for. Of fewer, as headers have, the words are summed before there is an answer to which registers
/// there are, and before the sums of the lanes are added up.
const LONG: usize = 2 * BLOCK;

/// Blocks after which the sums are taken out: the halves of sixteen words of so many, of 0xFFFF each, still add up to less
/// than 2^32.
pub(super) const MOST: usize = 1 << 11;

/// Sums of 32-bit words, each in two parts, as three additions and shifts for each are fewer than it takes to widen
/// the words to 64 bits.
#[derive(Clone, Copy, Default)]
struct Lanes {
    /// Of the words, modulo 2^32.
    whole: [u32; BLOCK / 4],
    /// Of their upper halves. It tells what `whole` has lost.
    upper: [u32; BLOCK / 4],
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, block: &[u8; BLOCK]) {
        let lanes = self.whole.iter_mut().zip(&mut self.upper);
        for ((whole, upper), word) in lanes.zip(block.as_chunks::<4>().0) {
            let word = u32::from_ne_bytes(*word);
            *whole = whole.wrapping_add(word);
            *upper = upper.wrapping_add(word >> 16);
        }
    }

    /// The sum of the 16-bit halves.
    #[inline(always)]
    fn total(&self) -> u64 {
        let lanes = self.whole.iter().zip(&self.upper);
        let halves = lanes.map(|(whole, upper)| [whole.wrapping_sub(upper << 16), *upper]);
        halves.flatten().map(u64::from).sum()
    }
}

/// The sum of `bytes`; an odd last byte counts as the upper half of a word.
#[inline]
#[must_use]
pub fn sum(bytes: &[u8]) -> Sum {
    if bytes.len() < LONG {
        return fold(sum_words(bytes));
    }
    #[cfg(all(target_arch = "x86_64", not(target_os = "none")))]
    if let Some(avx2) = Avx2::found() {
        return fold(avx2.sum(bytes));
    }
    fold(sum_blocks(bytes))
}

/// Copies `from` to `to` and sums it in the same pass.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn copy(from: &[u8], to: &mut [u8]) -> Sum {
    assert_eq!(from.len(), to.len(), "a copy fills its destination");
    if from.len() < LONG {
        to.copy_from_slice(from);
        return fold(sum_words(from));
    }
    #[cfg(all(target_arch = "x86_64", not(target_os = "none")))]
    if let Some(avx2) = Avx2::found() {
        return fold(avx2.copy(from, to));
    }
    fold(copy_blocks(from, to))
}

/// [`sum`], not yet folded.
#[inline(always)]
fn sum_blocks(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut total = sum_words(rest);
    for blocks in blocks.chunks(MOST) {
        let mut lanes = Lanes::default();
        for block in blocks {
            lanes.add(block);
        }
        total += lanes.total();
    }
    total
}

/// [`copy`], its sum not yet folded.
#[inline(always)]
fn copy_blocks(from: &[u8], to: &mut [u8]) -> u64 {
    let (blocks, rest) = from.as_chunks::<BLOCK>();
    let (out, out_rest) = to.as_chunks_mut::<BLOCK>();
    out_rest.copy_from_slice(rest);
    let mut total = sum_words(rest);
    for (blocks, out) in blocks.chunks(MOST).zip(out.chunks_mut(MOST)) {
        let mut lanes = Lanes::default();
        for (block, out) in blocks.iter().zip(out) {
            // Read once: for all the compiler knows, the write might change what is summed.
            let block = *block;
            lanes.add(&block);
            *out = block;
        }
        total += lanes.total();
    }
    total
}

/// What blocks are too large for: eight bytes at a time, then four, two, one. A header of 20 bytes ends with four.
#[inline(always)]
pub(super) fn sum_words(bytes: &[u8]) -> u64 {
    let (words, mut tail) = bytes.as_chunks::<8>();
    let mut total: u64 = words.iter().map(|word| halves(u64::from_ne_bytes(*word))).sum();
    if let Some((word, rest)) = tail.split_first_chunk::<4>() {
        total += u64::from(u32::from_ne_bytes(*word));
        tail = rest;
    }
    if let Some((word, rest)) = tail.split_first_chunk::<2>() {
        total += u64::from(u16::from_ne_bytes(*word));
        tail = rest;
    }
    if let [last] = tail {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total
}

#[inline(always)]
const fn halves(word: u64) -> u64 {
    (word & 0xffff_ffff) + (word >> 32)
}

/// Folds a sum of native-order words to 16 bits. The order of bytes does not matter to the sum, but
/// that the result is swapped like the words were (RFC 1071 §2 (B)).
#[inline(always)]
const fn fold(sum: u64) -> Sum {
    let sum = halves(halves(sum));
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    Sum::of(u16::from_be(sum as u16))
}

/// [`sum`] in the plainest words: the oracle of the tests.
#[must_use]
pub fn naive(bytes: &[u8]) -> Sum {
    bytes.chunks(2).fold(Sum::default(), |sum, word| {
        sum + Sum::of(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    /// Bytes without a pattern that a wrong order of words could hide in.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    fn assert_agrees(bytes: &[u8]) {
        let expected = naive(bytes);
        assert_eq!(sum(bytes), expected, "sum of {} bytes", bytes.len());
        let mut out = vec![0; bytes.len()];
        assert_eq!(copy(bytes, &mut out), expected, "copy of {} bytes", bytes.len());
        assert_eq!(out, bytes);
        // What a CPU without wide registers does, too.
        out.fill(0);
        let narrow = [sum_blocks(bytes), copy_blocks(bytes, &mut out)];
        assert_eq!(narrow.map(fold), [expected; 2], "{} bytes", bytes.len());
        assert_eq!(out, bytes);
    }

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        assert_eq!(naive(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), Sum::of(0xddf2));
    }

    #[test]
    fn every_length_at_every_alignment_agrees_with_the_oracle() {
        let bytes = noise(300);
        for start in 0..=BLOCK {
            for end in start..=bytes.len() {
                assert_agrees(&bytes[start..end]);
            }
        }
    }

    #[test]
    fn the_largest_packet_of_all_ones_does_not_overflow() {
        for len in [65_534, 65_535, 1 << 20] {
            assert_agrees(&vec![0xff; len]);
        }
        assert_eq!(sum(&[0; 100]), Sum::of(0));
        assert_eq!(sum(&[0xff; 100]), Sum::of(0xffff));
    }

    proptest! {
        #[test]
        fn any_bytes_agree_with_the_oracle(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            assert_agrees(&bytes);
        }

        #[test]
        fn sums_of_pieces_add_up_to_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len()));
            prop_assert_eq!(sum(head).then(sum(tail), head.len()), naive(&bytes));
        }
    }
}
