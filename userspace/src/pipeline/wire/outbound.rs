//! What is to leave through a port.

use sluice_common::offload::Buffer;

use crate::observe::SideCounts;
use crate::port::{FramePort, fitting};
use crate::xsk::{Frame, Packet, Pool};

/// Packets on their way out through one port: those that wait for slots of its transmit ring, and how many more
/// there may be.
///
/// Its share of the frames is its own. When it is used up, what else is to leave is dropped where it came from,
/// so that a port which does not send takes nothing from the other direction.
#[derive(Debug)]
pub(super) struct Outbound<'u> {
    staged: Vec<Frame<'u, Packet>>,
    /// How many frames the staged packets have.
    frames: usize,
    /// Frames that are being sent.
    in_rings: usize,
    share: usize,
}

impl<'u> Outbound<'u> {
    /// Nothing yet; up to `share` frames.
    pub(super) fn new(share: usize) -> Self {
        Self { staged: Vec::with_capacity(share), frames: 0, in_rings: 0, share }
    }

    /// How many frames the packets have that wait.
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// How many packets wait.
    pub(super) const fn packets(&self) -> usize {
        self.staged.len()
    }

    /// Whether the next packet finds enough slots.
    pub(super) fn has_one_for(&self, slots: usize) -> bool {
        self.staged.first().is_some_and(|next| next.frames() <= slots)
    }

    /// How many frames more may leave.
    pub(super) const fn room(&self) -> usize {
        self.share.saturating_sub(self.frames + self.in_rings)
    }

    /// Adds a packet for which there is room.
    pub(super) fn push(&mut self, packet: Frame<'u, Packet>) {
        debug_assert!(packet.frames() <= self.room(), "the room was asked for before");
        self.frames += packet.frames();
        self.staged.push(packet);
    }

    /// A turn begins: what was sent has come back.
    pub(super) fn look(&mut self, port: &mut impl FramePort<'u>) {
        self.in_rings = port.outbound();
    }

    /// Gives the port what it has slots for. Returns how many packets.
    pub(super) fn leave(
        &mut self,
        port: &mut impl FramePort<'u>,
        counts: &mut SideCounts,
    ) -> usize {
        let leaving = fitting(&self.staged, port.transmit_room());
        for packet in &self.staged[..leaving] {
            self.frames -= packet.frames();
            self.in_rings += packet.frames();
            counts.sent_bytes += packet.total_len() as u64;
        }
        counts.sent_packets += leaving as u64;
        let left = port.transmit(&mut self.staged);
        debug_assert_eq!(left, leaving, "nobody else takes slots");
        leaving
    }

    /// The packets that wait, for another place to wait in.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Frame<'u, Packet>> {
        self.frames = 0;
        self.staged.drain(..)
    }

    /// Drops what waits. Returns how many packets.
    pub(super) fn abandon(&mut self, pool: &mut Pool<'u>) -> usize {
        let dropped = self.packets();
        pool.extend(self.take().flat_map(Frame::release));
        dropped
    }
}
