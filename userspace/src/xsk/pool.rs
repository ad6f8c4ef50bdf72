//! The frames a worker can use.

use super::frame::{Frame, Free};
use super::umem::Umem;

/// The free frames of one UMEM.
///
/// It belongs to the worker, not to a port, so that a frame received on one port can leave through
/// another. Last in, first out: the frame that was used last is the one still in the cache.
#[derive(Debug)]
pub struct Pool<'u> {
    umem: &'u Umem,
    free: Vec<Frame<'u, Free>>,
}

impl<'u> Pool<'u> {
    /// Holds `free`, all frames of `umem`, and never needs more room than that.
    pub(super) const fn new(umem: &'u Umem, free: Vec<Frame<'u, Free>>) -> Self {
        Self { umem, free }
    }

    /// Another pool of the same UMEM that holds nothing yet, for a worker that frames are handed to.
    #[must_use]
    pub fn branch(&self) -> Self {
        Self { umem: self.umem, free: Vec::with_capacity(self.umem.frames().get() as usize) }
    }

    /// The UMEM its frames are parts of.
    #[must_use]
    pub const fn umem(&self) -> &'u Umem {
        self.umem
    }

    /// A free frame, or `None` when there is none.
    pub fn take(&mut self) -> Option<Frame<'u, Free>> {
        self.free.pop()
    }

    /// Takes a frame back.
    pub fn give(&mut self, frame: Frame<'u, Free>) {
        self.free.push(frame);
    }

    /// How many frames are free.
    #[must_use]
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// Whether no frame is free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }
}

impl<'u> Extend<Frame<'u, Free>> for Pool<'u> {
    fn extend<I: IntoIterator<Item = Frame<'u, Free>>>(&mut self, frames: I) {
        self.free.extend(frames);
    }
}

/// The pool ends with its UMEM's use; its frames are not lost, they are no longer needed.
impl Drop for Pool<'_> {
    fn drop(&mut self) {
        for frame in self.free.drain(..) {
            frame.surrender();
        }
    }
}
