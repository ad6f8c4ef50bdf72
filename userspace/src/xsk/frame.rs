//! A frame user space owns is a value; a frame the kernel owns is no value at all.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use sluice_common::offload::Buffer;

use super::links::Piece;
use super::umem::{FRAME_SIZE, HEADROOM, MOST_PIECES, Umem};

/// Bytes the CPU fetches at a time.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// Most lines of a packet that are asked for beforehand: as many as one of full size has, for the checksum is summed over
/// all of it. Of a larger one the hardware has seen by then that the bytes are read in their order.
#[cfg(target_arch = "x86_64")]
const PREFETCHED: usize = 24;

/// State of a [`Frame`] that holds nothing yet.
#[derive(Debug)]
pub enum Free {}

/// State of a [`Frame`] that holds a packet, or the beginning of one that spans several.
#[derive(Debug)]
pub enum Packet {}

/// One UMEM frame, owned; with a packet that spans several, all of them.
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
///
/// Nor can one that has become a part of a packet:
///
/// ```compile_fail,E0382
/// use sluice::xsk::{FrameCount, Umem};
/// let umem = Umem::heap(FrameCount::new(2).unwrap());
/// let mut pool = umem.pool();
/// let mut packet = pool.take().unwrap().copy_from(b"head");
/// let rest = pool.take().unwrap().copy_from(b"rest");
/// packet.append(rest);
/// pool.extend(rest.release()); // use of moved value
/// ```
#[must_use = "a frame that is dropped is lost: give it back to the pool or to a ring"]
pub struct Frame<'u, S> {
    umem: &'u Umem,
    /// When its packet was received, nanoseconds of the caller's clock.
    received: u64,
    /// Offset of its first byte in the UMEM.
    at: u32,
    /// Bytes of its packet in this frame.
    len: u16,
    /// How many frames follow it that have the rest of the packet. The first of them is the one that
    /// the UMEM's links name after this one, and so on.
    more: u16,
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
        Self { umem, received: 0, at, len: 0, more: 0, state: PhantomData }
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
        Self { umem, received, at: offset, len, more: 0, state: PhantomData }
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

    /// Asks the CPU for the packet, which is going to be read soon.
    #[inline]
    pub fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        for line in 0..usize::from(self.len).div_ceil(CACHE_LINE).min(PREFETCHED) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let start = self.umem.address(self.at).wrapping_add(line * CACHE_LINE);
            // SAFETY: a hint, which reads and writes nothing and cannot fault, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast()) };
        }
    }

    /// How many frames the packet spans, at least one.
    #[must_use]
    pub const fn frames(&self) -> usize {
        1 + self.more as usize
    }

    /// Puts the frames of `rest` behind its own: they are one packet from now on.
    ///
    /// # Panics
    /// If they are more than [`MOST_PIECES`], or of another UMEM.
    pub fn append(&mut self, rest: Self) {
        assert!(std::ptr::eq(self.umem, rest.umem), "a frame of another UMEM");
        let frames = self.frames() + rest.frames();
        assert!(frames <= MOST_PIECES, "a packet has up to {MOST_PIECES} pieces, not {frames}");
        let last = self.places().last().unwrap_or(self.place());
        self.umem.links().put(last.at, rest.place());
        self.more = (frames - 1) as u16;
        rest.surrender();
    }

    /// The part of it that its first frame has, and the part that the others have.
    pub fn split_first(mut self) -> (Self, Option<Self>) {
        let rest = (self.more > 0).then(|| {
            let Piece { at, len } = self.umem.links().after(self.at);
            let Self { umem, received, more, state, .. } = self;
            Self { umem, received, at, len, more: more - 1, state }
        });
        self.more = 0;
        (self, rest)
    }

    /// Its frames without the packet.
    pub fn release(self) -> Frames<'u> {
        Frames(Some(self))
    }

    fn emptied(self) -> Frame<'u, Free> {
        debug_assert_eq!(self.more, 0, "the others are not to be lost");
        let mut frame = self.with(0);
        frame.at = frame.at - frame.at % FRAME_SIZE as u32 + HEADROOM as u32;
        frame
    }

    const fn place(&self) -> Piece {
        Piece { at: self.at, len: self.len }
    }

    /// Where the pieces behind the first stand.
    fn places(&self) -> impl Iterator<Item = Piece> {
        let mut before = self.at;
        (0..self.more).map(move |_| {
            let place = self.umem.links().after(before);
            before = place.at;
            place
        })
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
    /// Ends the value without losing its frames: they are somebody else's from here. Returns the offset
    /// of the first.
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
        let Self { umem, received, at, more, .. } = *old;
        Frame { umem, received, at, len, more, state: PhantomData }
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

    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: each frame was a value with this place when `append` took it, and belongs to this one
        // since: nobody else can have changed its link or have its memory.
        self.places().map(|Piece { at, len }| unsafe { self.umem.bytes(at, len.into()) })
    }

    fn pieces(&self) -> usize {
        self.frames()
    }
}

/// The frames of a packet that is no longer needed, one after the other.
#[must_use = "frames that are dropped are lost: give them back to the pool"]
#[derive(Debug)]
pub struct Frames<'u>(Option<Frame<'u, Packet>>);

impl<'u> Iterator for Frames<'u> {
    type Item = Frame<'u, Free>;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.0.take()?.split_first();
        self.0 = rest;
        Some(first.emptied())
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
        self.umem.count_lost(1 + u32::from(self.more));
    }
}

impl<S> fmt::Debug for Frame<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("at", &self.at)
            .field("len", &self.len)
            .field("more", &self.more)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sluice_common::offload::Buffer;

    use super::{Frame, Free, Packet};
    use crate::xsk::{FrameCount, MOST_PIECES, Pool, Umem};

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
        pool.extend(packets.into_iter().flat_map(Frame::release));
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

    /// A packet of `pieces` frames, the n-th with n bytes of n.
    fn packet<'u>(pool: &mut Pool<'u>, pieces: u8) -> Frame<'u, Packet> {
        let mut piece = |n: u8| pool.take().unwrap().copy_from(&vec![n; n.into()]);
        let mut packet = piece(1);
        (2..=pieces).for_each(|n| packet.append(piece(n)));
        packet
    }

    #[test]
    fn a_packet_in_several_frames_has_all_of_them() {
        let umem = Umem::heap(FrameCount::new(32).unwrap());
        let mut pool = umem.pool();
        let [mut whole, tail] = [5, 3].map(|pieces| packet(&mut pool, pieces));
        whole.append(tail);
        let lengths: Vec<_> = whole.rest().map(<[u8]>::len).collect();
        assert_eq!(lengths, [2, 3, 4, 5, 1, 2, 3]);
        assert!(whole.rest().all(|piece| piece.iter().all(|&byte| byte > 0)));
        assert_eq!((whole.pieces(), whole.total_len()), (8, 15 + 6));
        let (first, rest) = whole.split_first();
        let rest = rest.unwrap();
        assert_eq!((first.frames(), first.head(), rest.head()), (1, &[1][..], &[2; 2][..]));
        pool.extend(first.release().chain(rest.release()));
        assert_eq!((pool.len(), umem.lost()), (32, 0));
    }

    #[test]
    fn each_frame_of_a_packet_comes_back_once() {
        let umem = Umem::heap(FrameCount::new(32).unwrap());
        let mut pool = umem.pool();
        for round in 0..50 {
            let packets: Vec<_> = (1..7).map(|pieces| packet(&mut pool, pieces)).collect();
            pool.extend(packets.into_iter().flat_map(Frame::release));
            assert_eq!((pool.len(), umem.lost()), (32, 0), "round {round}");
        }
        let mut places: Vec<_> = std::iter::from_fn(|| pool.take()).map(Frame::surrender).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 32);
    }

    #[test]
    fn a_dropped_packet_is_counted_as_lost_with_every_frame() {
        let umem = Umem::heap(FrameCount::new(16).unwrap());
        let mut pool = umem.pool();
        drop(packet(&mut pool, 4));
        assert_eq!(umem.lost(), 4);
        let mut frames = packet(&mut pool, 3).release();
        pool.extend(frames.next());
        drop(frames);
        assert_eq!((umem.lost(), pool.len()), (4 + 2, 16 - 6));
    }

    #[test]
    #[should_panic(expected = "up to 18 pieces, not 19")]
    fn a_packet_has_no_more_pieces_than_the_largest_ip_packet_takes() {
        let umem = Umem::heap(FrameCount::new(32).unwrap());
        packet(&mut umem.pool(), MOST_PIECES as u8 + 1).surrender();
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
        pool.extend(moved.release());
    }
}
