//! The side of the wire: single packets in frames, through four rings.

use super::SuperPort;
use crate::xsk::{Frame, Packet, Pool};

/// Whether the device behind a port is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It is, up or down.
    Alive,
    /// It is gone, and will not come back to this port.
    Gone,
}

/// Frames in the four rings of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rings {
    /// Given to receive into, and not yet used.
    pub fill: u32,
    /// Received, and not yet taken.
    pub receive: u32,
    /// Given to send, and not yet sent.
    pub transmit: u32,
    /// Sent, and not yet taken back.
    pub completion: u32,
}

impl Rings {
    /// Frames on their way in.
    #[must_use]
    pub const fn inbound(&self) -> u32 {
        self.fill + self.receive
    }

    /// Frames on their way out.
    #[must_use]
    pub const fn outbound(&self) -> u32 {
        self.transmit + self.completion
    }
}

/// What the kernel counts for a socket (`XDP_STATISTICS`, `struct xdp_statistics`), in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Dropped for another reason than the next ones.
    pub rx_dropped: u64,
    /// Dropped because a frame was given that is none.
    pub rx_invalid: u64,
    /// Dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// Times the kernel found the fill ring empty.
    pub rx_fill_empty: u64,
    /// Not sent because a frame was given that is none.
    pub tx_invalid: u64,
    /// Times the kernel found the transmit ring empty.
    pub tx_ring_empty: u64,
}

/// What was taken out of a receive ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Packets that are on the burst now.
    pub packets: usize,
    /// Packets that were dropped because they span more than [`MOST_PIECES`](crate::xsk::MOST_PIECES)
    /// frames, which are free again.
    pub too_long: usize,
}

/// One queue of a network interface: an AF_XDP socket, or memory in tests.
///
/// It moves frames and decides nothing. No method blocks, allocates or fails: what cannot be done now
/// is done less, and the caller sees how much.
pub trait FramePort<'u> {
    /// The way out beside the transmit ring.
    type Socket: SuperPort;

    /// The way out beside the transmit ring, where the port has one. Packets begin with their link header.
    fn socket(&mut self) -> Option<&mut Self::Socket>;

    /// Takes received packets, oldest first, stamps them `now` and puts them on `burst` until its
    /// capacity is used or the ring is empty. A packet may span several frames; one whose end is not in
    /// the ring yet waits for it, and its frames count as in the ring.
    fn receive(
        &mut self,
        pool: &mut Pool<'u>,
        burst: &mut Vec<Frame<'u, Packet>>,
        now: u64,
    ) -> Taken;

    /// Free slots of the transmit ring.
    fn transmit_room(&mut self) -> usize;

    /// All slots of the transmit ring.
    fn transmit_slots(&self) -> usize;

    /// Gives packets to the kernel to send, in order, as many as there is room for, each whole; they
    /// leave `packets` from the front. Each frame takes a slot. Returns how many packets.
    fn transmit(&mut self, packets: &mut Vec<Frame<'u, Packet>>) -> usize;

    /// Frames on their way out ([`Rings::outbound`]), from what this side knows without a look at the rings.
    fn outbound(&self) -> usize;

    /// Gives the kernel free frames to receive into until it has up to `most` on their way in
    /// ([`Rings::inbound`]), or as many as it can make use of. Returns how many it was given.
    fn fill(&mut self, pool: &mut Pool<'u>, most: usize) -> usize;

    /// Takes back the frames of packets that were sent. Returns how many frames.
    fn complete(&mut self, pool: &mut Pool<'u>) -> usize;

    /// Tells the kernel to look at the rings, where it asks to be told.
    fn doorbell(&mut self) -> Liveness;

    /// Where the frames are that user space does not own.
    fn rings(&mut self) -> Rings;

    /// What the kernel has counted since the port was opened. A system call.
    fn statistics(&mut self) -> Statistics;
}

/// How many of `packets`, from the first on, take no more than `slots`, each whole.
#[must_use]
pub fn fitting(packets: &[Frame<'_, Packet>], slots: usize) -> usize {
    let mut left = slots;
    let fits = |packet: &&Frame<'_, Packet>| match left.checked_sub(packet.frames()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    packets.iter().take_while(fits).count()
}
