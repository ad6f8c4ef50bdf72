//! The memory that user space and the kernel share.

use std::fmt;
use std::num::NonZeroU32;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use thiserror::Error;
use xsk_rs::FrameDesc;
use xsk_rs::config::{FrameSize, QueueSize, UmemConfig};

use super::frame::Frame;
use super::links::Links;
use super::pages::{HugePages, Pages};
use super::pool::Pool;
use super::size::{FrameCount, RingSize};

/// Bytes of a frame. Half of it would do for an MTU of 1,500 and save memory; a whole page serves
/// any MTU up to [`FRAME_MTU`] and never straddles two.
pub const FRAME_SIZE: usize = 4096;

/// Bytes before a packet in its frame: what the kernel keeps for XDP programs that grow a header
/// (`XDP_PACKET_HEADROOM`, `include/uapi/linux/bpf.h`).
pub const HEADROOM: usize = 256;

/// Bytes a packet can have in one frame.
const ROOM: usize = FRAME_SIZE - HEADROOM;

/// Bytes before the IP header: Ethernet and two VLAN tags.
const LINK: usize = 22;

/// Largest IP packet that fits one frame behind Ethernet and two VLAN tags. A larger one spans several,
/// which the driver has to be able to do (multi-buffer).
pub const FRAME_MTU: usize = ROOM - LINK;

/// Largest IP packet of a wire: nine KiB, the most that Ethernet adapters agree on.
pub const MAX_MTU: usize = 9_216;

/// Most frames of one packet: what the largest IP packet takes. A wire has none so large, but a veth
/// peer that leaves segmentation to others sends them. Copy mode can send as many (`MAX_SKB_FRAGS` + 1,
/// `include/linux/skbuff.h`).
pub const MOST_PIECES: usize = (LINK + 65_535).div_ceil(ROOM);

/// A region of frames, shared with the kernel or (in tests) with nobody.
///
/// It hands out each frame once, as a value, and is otherwise only looked at: what may be read and
/// written is decided by who has a [`Frame`].
pub struct Umem {
    base: NonNull<u8>,
    frames: FrameCount,
    backing: Backing,
    pages: Pages,
    links: Links,
    pool_taken: AtomicBool,
    lost: AtomicU32,
}

enum Backing {
    Kernel { umem: xsk_rs::Umem, descriptors: Box<[FrameDesc]> },
    Heap(#[expect(dead_code, reason = "owns the memory that `base` points to")] Vec<u8>),
}

// SAFETY: `base` is only ever turned into bytes through `bytes` and `bytes_mut`, whose callers have
// to hold the frame in question; everything else in here is `Send` and `Sync` by itself.
unsafe impl Send for Umem {}
// SAFETY: as above: two threads that share a `Umem` hold different frames.
unsafe impl Sync for Umem {}

impl Umem {
    /// Maps one UMEM for each of `queues` queues, with `ring` slots in its fill and completion rings:
    /// in huge pages where there are enough, else in ordinary ones ([`pages`](Self::pages) tells).
    /// One warning says how to reserve the huge pages that all of them want.
    ///
    /// # Errors
    /// The kernel refuses: no permission, or no memory it may lock.
    pub fn map(frames: FrameCount, ring: RingSize, queues: usize) -> Result<Vec<Self>, UmemError> {
        let bytes = frames.get() as usize * FRAME_SIZE;
        let huge = HugePages::read();
        let pages = huge.pages_for(bytes, queues);
        if let Pages::Ordinary { advice } = &pages {
            tracing::warn!("packet memory is in ordinary pages: {advice}");
        }
        (0..queues).map(|_| Self::map_one(frames, ring, pages.clone())).collect()
    }

    fn map_one(frames: FrameCount, ring: RingSize, pages: Pages) -> Result<Self, UmemError> {
        let count = NonZeroU32::new(frames.get()).expect("a frame count is never 0");
        let size = QueueSize::new(ring.get()).expect("a ring size is a power of two");
        let frame_size = FrameSize::new(FRAME_SIZE as u32).expect("above the kernel's minimum");
        let config = UmemConfig::builder()
            .frame_size(frame_size)
            .fill_queue_size(size)
            .comp_queue_size(size)
            .build()
            .expect("a power of two, with room behind the headroom");
        let error = |source| UmemError { frames: frames.get(), source };
        let map = |huge| xsk_rs::Umem::new(config, count, huge).map_err(error);
        let (pages, mapped) = match pages {
            Pages::Huge => map(true).map_or_else(
                // Others were quicker, or a control group forbids them.
                |refused| (Pages::Ordinary { advice: refused.cause() }, map(false)),
                |mapped| (Pages::Huge, Ok(mapped)),
            ),
            other => (other, map(false)),
        };
        let (umem, descriptors) = mapped?;
        let base = base_of(&umem, descriptors[0]);
        let backing = Backing::Kernel { umem, descriptors: descriptors.into() };
        Ok(Self::new(base, frames, backing, pages))
    }

    /// A UMEM the kernel knows nothing of, for tests without root.
    #[must_use]
    pub fn heap(frames: FrameCount) -> Self {
        let mut memory = vec![0; frames.get() as usize * FRAME_SIZE];
        let base = NonNull::new(memory.as_mut_ptr()).expect("a vector's pointer is never null");
        Self::new(base, frames, Backing::Heap(memory), Pages::Heap)
    }

    fn new(base: NonNull<u8>, frames: FrameCount, backing: Backing, pages: Pages) -> Self {
        let (pool_taken, lost) = (AtomicBool::new(false), AtomicU32::new(0));
        let links = Links::new(frames.get());
        Self { base, frames, backing, pages, links, pool_taken, lost }
    }

    /// All its frames.
    ///
    /// # Panics
    /// When called again: each frame is handed out once.
    #[must_use]
    pub fn pool(&self) -> Pool<'_> {
        assert!(!self.pool_taken.swap(true, Ordering::Relaxed), "a UMEM has one pool");
        let offsets = (0..self.frames.get()).rev().map(|index| index * FRAME_SIZE as u32);
        // SAFETY: every offset is inside, no two are in one frame, and the flag above lets this
        // happen once: no frame has been a value or the kernel's before.
        Pool::new(self, offsets.map(|offset| unsafe { Frame::mint(self, offset) }).collect())
    }

    /// How many frames it has.
    #[must_use]
    pub const fn frames(&self) -> FrameCount {
        self.frames
    }

    /// How many frames each direction can count on: what is on its way in may use all but these, and
    /// so may what is on its way out. A quarter leaves a full ring of either with the usual sizes (a
    /// quarter of 8,192 frames is a ring of 2,048), and half of the frames for whoever is quicker.
    #[must_use]
    pub const fn reserve(&self) -> u32 {
        if self.frames.get() < 4 { 1 } else { self.frames.get() / 4 }
    }

    /// What it is made of.
    #[must_use]
    pub const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Frames whose value was dropped instead of given back. Always 0, or there is a bug.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn count_lost(&self, frames: u32) {
        self.lost.fetch_add(frames, Ordering::Relaxed);
    }

    /// Which frame follows which.
    pub(super) const fn links(&self) -> &Links {
        &self.links
    }

    /// Bytes of all frames together.
    pub(super) const fn len(&self) -> usize {
        self.frames.get() as usize * FRAME_SIZE
    }

    /// What a socket is opened on; `None` on the heap.
    pub(super) const fn kernel(&self) -> Option<&xsk_rs::Umem> {
        match &self.backing {
            Backing::Kernel { umem, .. } => Some(umem),
            Backing::Heap(_) => None,
        }
    }

    /// The descriptor of the frame at `offset`, with `len` bytes at its home.
    pub(super) fn descriptor(&self, offset: u32, len: usize) -> FrameDesc {
        let Backing::Kernel { umem, descriptors } = &self.backing else {
            unreachable!("only a socket asks, and a socket is opened on the kernel's UMEM")
        };
        let mut descriptor = descriptors[offset as usize / FRAME_SIZE];
        // SAFETY: the descriptor is this UMEM's own, and the caller is giving the frame away: nobody
        // else looks at it. The slice that is made here is not read.
        unsafe { umem.data_mut(&mut descriptor) }.cursor().set_pos(len);
        descriptor
    }

    /// Where the byte at `offset` is. Nothing may be read or written there but as [`bytes`](Self::bytes) says.
    pub(super) const fn address(&self, offset: u32) -> *const u8 {
        self.base.as_ptr().wrapping_add(offset as usize)
    }

    /// `len` bytes from `offset`.
    ///
    /// # Safety
    /// They lie in one frame that the caller owns, and nobody writes to them for `'a`.
    pub(super) unsafe fn bytes<'a>(&self, offset: u32, len: usize) -> &'a [u8] {
        // SAFETY: inside the region (the caller), which lives as long as any frame of it.
        let start = unsafe { self.base.add(offset as usize) };
        // SAFETY: initialised (the kernel and the heap give zeroed memory), valid for `len` (the
        // caller), and not written to meanwhile (the caller).
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    /// `len` bytes from `offset`, to write.
    ///
    /// # Safety
    /// They lie in one frame that the caller owns, and nobody else looks at them for `'a`.
    pub(super) unsafe fn bytes_mut<'a>(&self, offset: u32, len: usize) -> &'a mut [u8] {
        // SAFETY: inside the region (the caller), which lives as long as any frame of it.
        let start = unsafe { self.base.add(offset as usize) };
        // SAFETY: initialised, valid for `len`, and the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), len) }
    }
}

/// Where the region begins. `xsk-rs` tells only where packets begin.
fn base_of(umem: &xsk_rs::Umem, first: FrameDesc) -> NonNull<u8> {
    // SAFETY: `first` is the descriptor of this UMEM's first frame, which nobody uses yet.
    let data = unsafe { umem.data(&first) };
    let home = data.contents().as_ptr().addr();
    // The pointer to the whole region was exposed when it was handed to the kernel.
    NonNull::new(ptr::with_exposed_provenance_mut(home - HEADROOM)).expect("mapped, so not null")
}

impl fmt::Debug for Umem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Umem")
            .field("frames", &self.frames)
            .field("pages", &self.pages)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// The kernel does not give packet memory.
#[derive(Debug, Error)]
#[error(
    "cannot map {frames} frames of {FRAME_SIZE} bytes as packet memory: it takes CAP_NET_RAW, and \
     CAP_IPC_LOCK or `ulimit -l unlimited`, and as much free memory"
)]
pub struct UmemError {
    frames: u32,
    source: xsk_rs::umem::UmemCreateError,
}

impl UmemError {
    fn cause(&self) -> String {
        let cause = std::error::Error::source(&self.source).map(ToString::to_string);
        format!("huge pages are refused: {}", cause.unwrap_or_else(|| self.source.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameCount, Umem};

    #[test]
    fn the_pool_has_every_frame_once() {
        let umem = Umem::heap(FrameCount::new(64).unwrap());
        let mut pool = umem.pool();
        let mut starts: Vec<_> = std::iter::from_fn(|| pool.take())
            .map(|mut frame| {
                let start = frame.space().as_ptr().addr();
                frame.surrender();
                start
            })
            .collect();
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts.len(), 64);
    }

    #[test]
    #[should_panic(expected = "a UMEM has one pool")]
    fn the_pool_is_handed_out_once() {
        let umem = Umem::heap(FrameCount::new(2).unwrap());
        let _first = umem.pool();
        let _second = umem.pool();
    }
}
