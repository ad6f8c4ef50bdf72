//! A frame user space owns is a value; a frame the kernel owns is no value at all.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use sluice_common::offload::Buffer;

use super::umem::{FRAME_SIZE, HEADROOM, Umem};

/// State of a [`Frame`] that holds nothing yet.
#[derive(Debug)]
pub enum Free {}

/// State of a [`Frame`] that holds a packet.
#[derive(Debug)]
pub enum Packet {}

/// One UMEM frame, owned.
///
/// Neither `Copy` nor `Clone`: whoever has the value has the memory. It ends in the
/// [`Pool`](super::Pool) or in a ring of a [`FramePort`](crate::port::FramePort); one that is dropped
/// anywhere else is lost to the UMEM for good, and counted ([`Umem::lost`]).
///
/// A frame given away cannot be used again:
///
/// ```compile_fail,E0382
/// use sluice::xsk::{FrameCount, Umem};
/// let umem = Umem::heap(FrameCount::new(2).unwrap());
/// let mut pool = umem.pool();
/// let frame = pool.take().unwrap();
/// pool.give(frame);
/// pool.give(frame); // use of moved value
/// ```
#[must_use = "a frame that is dropped is lost: give it back to the pool or to a ring"]
pub struct Frame<'u, S> {
    umem: &'u Umem,
    /// When its packet was received, nanoseconds of the caller's clock.
    received: u64,
    /// Offset of its first byte in the UMEM.
    at: u32,
    /// Bytes of its packet.
    len: u16,
    state: PhantomData<S>,
}

impl<'u> Frame<'u, Free> {
    /// The frame that `offset` lies in, now owned by the caller.
    ///
    /// # Safety
    /// `offset` lies inside `umem`, and the frame it lies in is owned by nobody: no value of it is
    /// alive, and the kernel has given it back (a completion ring returned it) or has never had it.
    pub(super) unsafe fn mint(umem: &'u Umem, offset: u32) -> Self {
        debug_assert!((offset as usize) < umem.len(), "offset {offset} outside the UMEM");
        let at = offset - offset % FRAME_SIZE as u32 + HEADROOM as u32;
        Self { umem, received: 0, at, len: 0, state: PhantomData }
    }

    /// Bytes a packet can have.
    pub const CAPACITY: usize = FRAME_SIZE - HEADROOM;

    /// The room for a packet, [`CAPACITY`](Self::CAPACITY) bytes of whatever was there before.
    pub fn space(&mut self) -> &mut [u8] {
        // SAFETY: a frame's value is the only way to its memory, this borrow is exclusive, and from
        // `at` (`mint` put it `HEADROOM` behind the frame's start) `CAPACITY` bytes remain.
        unsafe { self.umem.bytes_mut(self.at, Self::CAPACITY) }
    }

    /// The same frame, with its first `len` bytes as its packet.
    ///
    /// # Panics
    /// If `len` is more than [`CAPACITY`](Self::CAPACITY).
    pub fn into_packet(self, len: usize) -> Frame<'u, Packet> {
        assert!(len <= Self::CAPACITY, "a frame holds {} bytes, not {len}", Self::CAPACITY);
        self.with(len as u16)
    }

    /// The same frame, with a copy of `bytes` as its packet.
    ///
    /// # Panics
    /// If `bytes` is longer than [`CAPACITY`](Self::CAPACITY).
    pub fn copy_from(mut self, bytes: &[u8]) -> Frame<'u, Packet> {
        self.space()[..bytes.len()].copy_from_slice(bytes);
        self.into_packet(bytes.len())
    }
}

impl<'u> Frame<'u, Packet> {
    /// The packet of `len` bytes at `offset`, now owned by the caller.
    ///
    /// # Safety
    /// As for a free frame; a receive ring returned it, and `len` bytes from `offset` lie in one frame.
    pub(super) unsafe fn mint_packet(umem: &'u Umem, offset: u32, len: u16, received: u64) -> Self {
        debug_assert!(offset as usize % FRAME_SIZE + usize::from(len) <= FRAME_SIZE);
        debug_assert!((offset as usize) < umem.len(), "offset {offset} outside the UMEM");
        Self { umem, received, at: offset, len, state: PhantomData }
    }

    /// When it was received, in nanoseconds of the caller's clock; 0 when it was not received.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// The same packet, received at `now`.
    pub fn stamped(mut self, now: u64) -> Self {
        self.received = now;
        self
    }

    /// The same frame without its packet.
    pub fn release(self) -> Frame<'u, Free> {
        let mut frame = self.with(0);
        frame.at = frame.at - frame.at % FRAME_SIZE as u32 + HEADROOM as u32;
        frame
    }

    /// Moves the packet to where a packet to be sent begins, if it begins elsewhere.
    ///
    /// Only the XDP program or the driver can have moved it, by metadata or a changed header.
    pub(super) fn align(&mut self) {
        let home = self.at - self.at % FRAME_SIZE as u32 + HEADROOM as u32;
        if self.at == home {
            return;
        }
        let len = usize::from(self.len).min(Frame::<Free>::CAPACITY);
        let distance = self.at as usize % FRAME_SIZE;
        // SAFETY: the whole frame belongs to this value, and the borrow is exclusive.
        let frame = unsafe { self.umem.bytes_mut(home - HEADROOM as u32, FRAME_SIZE) };
        frame.copy_within(distance..distance + len, HEADROOM);
        (self.at, self.len) = (home, len as u16);
    }
}

impl<'u, S> Frame<'u, S> {
    /// Ends the value without losing the frame: it is the kernel's from here. Returns its offset.
    pub(super) fn surrender(self) -> u32 {
        ManuallyDrop::new(self).at
    }

    /// The UMEM it is a part of.
    #[must_use]
    pub const fn umem(&self) -> &'u Umem {
        self.umem
    }

    fn with<To>(self, len: u16) -> Frame<'u, To> {
        let old = ManuallyDrop::new(self);
        Frame { umem: old.umem, received: old.received, at: old.at, len, state: PhantomData }
    }
}

impl AsRef<[u8]> for Frame<'_, Packet> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a frame's value is the only way to its memory, and `at` and `len` were checked to
        // lie in one frame when it became a packet.
        unsafe { self.umem.bytes(self.at, self.len.into()) }
    }
}

impl Buffer for Frame<'_, Packet> {
    fn head(&self) -> &[u8] {
        self.as_ref()
    }
}

impl AsMut<[u8]> for Frame<'_, Packet> {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `as_ref`, and this borrow is exclusive.
        unsafe { self.umem.bytes_mut(self.at, self.len.into()) }
    }
}

impl<S> Drop for Frame<'_, S> {
    fn drop(&mut self) {
        self.umem.count_lost();
    }
}

impl<S> fmt::Debug for Frame<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("at", &self.at)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Free, Packet};
    use crate::xsk::{FrameCount, Umem};

    #[test]
    fn a_frame_is_24_bytes() {
        assert_eq!(size_of::<Frame<'_, Packet>>(), 24);
        assert_eq!(size_of::<Option<Frame<'_, Free>>>(), 24);
    }

    #[test]
    fn frames_do_not_overlap() {
        let umem = Umem::heap(FrameCount::new(4).unwrap());
        let mut pool = umem.pool();
        let packets: Vec<_> = (0..4u8)
            .map(|fill| pool.take().unwrap().copy_from(&[fill; Frame::<Free>::CAPACITY]))
            .collect();
        for (fill, packet) in packets.iter().enumerate() {
            assert!(packet.as_ref().iter().all(|&byte| usize::from(byte) == fill));
        }
        pool.extend(packets.into_iter().map(Frame::release));
        assert_eq!((pool.len(), umem.lost()), (4, 0));
    }

    #[test]
    fn a_dropped_frame_is_counted_as_lost() {
        let umem = Umem::heap(FrameCount::new(2).unwrap());
        let mut pool = umem.pool();
        drop(pool.take());
        drop(pool.take().unwrap().into_packet(60));
        assert_eq!(umem.lost(), 2);
    }

    #[test]
    fn a_packet_that_begins_elsewhere_is_sent_from_its_home() {
        let umem = Umem::heap(FrameCount::new(2).unwrap());
        let mut pool = umem.pool();
        let mut frame = pool.take().unwrap();
        frame.space()[16..20].copy_from_slice(b"moved"[..4].as_ref());
        let at = frame.surrender() + 16;
        // SAFETY: the frame was surrendered above, and nobody else has seen its offset.
        let mut moved = unsafe { Frame::mint_packet(&umem, at, 4, 7) };
        moved.align();
        assert_eq!(moved.as_ref(), b"move");
        assert_eq!(moved.at as usize % super::FRAME_SIZE, super::HEADROOM);
        pool.give(moved.release());
    }
}
