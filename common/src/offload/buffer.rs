//! What the engine wants of a packet's buffer.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::iter;

/// The bytes of one packet, in one piece or in several.
///
/// The engine holds buffers and lends their bytes out; it never copies or keeps packet memory of its own. A
/// port whose packets may span buffers (jumbo frames through multi-buffer AF_XDP) has a handle for all of
/// them.
pub trait Buffer {
    /// The first piece. All headers have to stand in it: a packet whose headers do not takes no part.
    fn head(&self) -> &[u8];

    /// The pieces that follow it, in order.
    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        iter::empty()
    }

    /// How many pieces there are.
    fn pieces(&self) -> usize {
        1 + self.rest().count()
    }

    /// Bytes in all pieces.
    fn total_len(&self) -> usize {
        self.head().len() + self.rest().map(<[u8]>::len).sum::<usize>()
    }
}

impl Buffer for Vec<u8> {
    fn head(&self) -> &[u8] {
        self
    }
}

impl Buffer for Box<[u8]> {
    fn head(&self) -> &[u8] {
        self
    }
}

impl Buffer for [u8] {
    fn head(&self) -> &[u8] {
        self
    }
}

impl<B: Buffer + ?Sized> Buffer for &B {
    fn head(&self) -> &[u8] {
        (**self).head()
    }

    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        (**self).rest()
    }
}
