//! Sums. An operation is one sum.

use std::hint::black_box;

use sluice_common::checksum;

use crate::Case;
use crate::meter::repeated;

pub(crate) const CASES: &[Case] = &[
    ("checksum_64", || sum(64)),
    ("checksum_1448", || sum(1448)),
    ("checksum_9000", || sum(9000)),
    ("checksum_and_copy_1448", || {
        let (bytes, mut out) = (noise(1448), vec![0; 1448]);
        repeated(|| checksum::copy(black_box(&bytes), black_box(&mut out)))
    }),
];

fn sum(len: usize) -> usize {
    let bytes = noise(len);
    repeated(|| checksum::sum(black_box(&bytes)))
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7) as u8).collect()
}
