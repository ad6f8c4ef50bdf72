//! Which frame follows which in a packet that spans several.

use std::sync::atomic::{AtomicU64, Ordering};

use super::umem::FRAME_SIZE;

/// Where the bytes of one piece of a packet stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Offset of its first byte in the UMEM.
    pub(super) at: u32,
    /// How many there are.
    pub(super) len: u16,
}

/// For each frame of a UMEM the piece that follows its own, where one does.
///
/// An entry belongs to whoever owns its frame, like the frame's memory: it is written by that owner and
/// read by the next, and whatever hands a frame over orders the two. The atomics are there so that
/// sharing the table takes no `unsafe`; on the machines that matter they are plain loads and stores.
pub(super) struct Links(Box<[AtomicU64]>);

impl Links {
    /// A table for that many frames.
    pub(super) fn new(frames: u32) -> Self {
        Self((0..frames).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes that `piece` follows the one that stands in the frame with the byte at `offset`.
    pub(super) fn put(&self, offset: u32, piece: Piece) {
        let value = u64::from(piece.at) | u64::from(piece.len) << 32;
        self.0[offset as usize / FRAME_SIZE].store(value, Ordering::Relaxed);
    }

    /// What was noted last for the frame with the byte at `offset`.
    pub(super) fn after(&self, offset: u32) -> Piece {
        let value = self.0[offset as usize / FRAME_SIZE].load(Ordering::Relaxed);
        Piece { at: value as u32, len: (value >> 32) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_of_a_frame_stands_for_it() {
        let links = Links::new(3);
        let [first, last] = [Piece { at: u32::MAX, len: u16::MAX }, Piece { at: 1, len: 0 }];
        links.put(0, first);
        links.put(2 * FRAME_SIZE as u32, last);
        assert_eq!(links.after(FRAME_SIZE as u32 - 1), first);
        assert_eq!(links.after(3 * FRAME_SIZE as u32 - 1), last);
    }
}
