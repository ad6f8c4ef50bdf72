//! Loops that nothing which does the same work can beat by much: what the engine is measured against.

use multiversion::multiversion;

/// Copies and does nothing else.
pub fn copy(from: &[u8], to: &mut [u8]) {
    to.copy_from_slice(from);
}

/// Copies and sums 32-bit words in one pass, and leaves the result unfolded: no byte order, no odd ends, no
/// lengths that are not a multiple of four.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.2"))]
pub fn copy_and_sum(from: &[u8], to: &mut [u8]) -> u64 {
    let (words, out) = (from.as_chunks::<32>(), to.as_chunks_mut::<32>());
    let mut sums = [0_u64; 8];
    for (block, out) in words.0.iter().zip(out.0) {
        *out = *block;
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<4>().0) {
            *sum += u64::from(u32::from_ne_bytes(*word));
        }
    }
    out.1.copy_from_slice(words.1);
    let rest = words.1.as_chunks::<4>().0.iter();
    rest.fold(sums.iter().sum(), |sum, word| sum + u64::from(u32::from_ne_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use sluice_common::checksum::naive;

    use super::*;

    #[test]
    fn the_fused_loop_does_the_work() {
        let from: Vec<u8> = (0..1448_u32).map(|n| (n * 7) as u8).collect();
        let mut to = vec![0; from.len()];
        let mut sum = copy_and_sum(&from, &mut to);
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        assert_eq!((sum as u16).swap_bytes(), naive(&from).folded());
        assert_eq!(from, to);
    }
}
