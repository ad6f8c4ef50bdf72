//! A packet in several buffers.

use alloc::vec::Vec;

use crate::offload::Buffer;

/// A packet in as many buffers as it was cut into.
#[derive(Clone, Debug)]
pub struct Cut(Vec<Vec<u8>>);

impl Cut {
    /// `bytes`, cut at each of `places` that lies inside; in order.
    #[must_use]
    pub fn at(bytes: &[u8], places: &[usize]) -> Self {
        let mut pieces = Vec::new();
        let mut begin = 0;
        for &place in places {
            let place = place.clamp(begin, bytes.len());
            pieces.push(bytes[begin..place].to_vec());
            begin = place;
        }
        pieces.push(bytes[begin..].to_vec());
        Self(pieces)
    }

    /// The packet in one piece.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }
}

impl Buffer for Cut {
    fn head(&self) -> &[u8] {
        &self.0[0]
    }

    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        self.0[1..].iter().map(Vec::as_slice)
    }
}
