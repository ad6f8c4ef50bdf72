//! What is to leave through a port.

use sluice_common::offload::{Buffer, Train};
use sluice_common::wire::{Bytes, EtherType, ethernet};

use super::parcels::{Kept, Parcels, Segments, frames};
use crate::observe::SideCounts;
use crate::port::{FramePort, fitting};
use crate::xsk::{Frame, Packet, Pool};

/// Packets on their way out through one port: those that wait, and how many more there may be.
///
/// Its share of the frames is its own. When it is used up, what else is to leave is dropped where it came from,
/// so that a port which does not send takes nothing from the other direction.
///
/// Each flow has one way out, or its packets would change places: where the port has a socket, untagged IP leaves by that,
/// and all else by the transmit ring.
#[derive(Debug)]
pub(super) struct Outbound<'u> {
    /// What waits for slots of the transmit ring.
    ring: Vec<Frame<'u, Packet>>,
    /// What waits for room in the port's socket, if it has one.
    socket: Option<Parcels<'u>>,
    /// How many frames they all have.
    frames: usize,
    /// Frames that are being sent.
    in_rings: usize,
    share: usize,
}

impl<'u> Outbound<'u> {
    /// What is to leave by a transmit ring: nothing yet; up to `share` frames.
    pub(super) fn by_ring(share: usize) -> Self {
        let ring = Vec::with_capacity(share);
        Self { ring, socket: None, frames: 0, in_rings: 0, share }
    }

    /// What is to leave through `port`.
    pub(super) fn through(port: &mut impl FramePort<'u>, share: usize) -> Self {
        let socket = port.socket().map(|_| Parcels::new(share));
        Self { socket, ..Self::by_ring(share) }
    }

    /// How many frames the packets have that wait.
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// How many packets wait.
    pub(super) fn packets(&self) -> usize {
        self.ring.len() + self.socket.as_ref().map_or(0, Parcels::packets)
    }

    /// Whether the next packet finds enough slots.
    pub(super) fn has_one_for(&self, slots: usize) -> bool {
        self.ring.first().is_some_and(|next| next.frames() <= slots)
    }

    /// How many frames more may leave.
    pub(super) const fn room(&self) -> usize {
        self.share.saturating_sub(self.frames + self.in_rings)
    }

    /// Adds a packet for which there is room.
    pub(super) fn push(&mut self, packet: Frame<'u, Packet>) {
        debug_assert!(packet.frames() <= self.room(), "the room was asked for before");
        self.frames += packet.frames();
        match &mut self.socket {
            Some(parcels) if is_untagged_ip(packet.head()) => parcels.push(packet),
            _ => self.ring.push(packet),
        }
    }

    /// Whether trains may leave whole.
    pub(super) const fn takes_trains(&self) -> bool {
        self.socket.is_some()
    }

    /// Adds a train that leaves whole. It comes back where its packets are to leave as they came, or there is no room
    /// for all of them.
    pub(super) fn push_train(&mut self, train: Train<Frame<'u, Packet>>) -> Kept<'u> {
        self.push_whole(train, Parcels::push_train)
    }

    /// The same for a train that is to become `segments`.
    pub(super) fn push_uncut(
        &mut self,
        train: Train<Frame<'u, Packet>>,
        segments: Segments,
    ) -> Kept<'u> {
        self.push_whole(train, |parcels, train| parcels.push_uncut(train, segments))
    }

    fn push_whole(
        &mut self,
        train: Train<Frame<'u, Packet>>,
        push: impl FnOnce(&mut Parcels<'u>, Train<Frame<'u, Packet>>) -> Kept<'u>,
    ) -> Kept<'u> {
        let room = self.room();
        let Some(parcels) = &mut self.socket else { return Err(train) };
        let frames = frames(&train);
        if frames > room {
            return Err(train);
        }
        push(parcels, train)?;
        self.frames += frames;
        Ok(())
    }

    /// A turn begins: what was sent has come back.
    pub(super) fn look(&mut self, port: &mut impl FramePort<'u>) {
        self.in_rings = port.outbound();
    }

    /// Gives the port what it has room for. Returns how many packets.
    pub(super) fn leave(
        &mut self,
        port: &mut impl FramePort<'u>,
        pool: &mut Pool<'u>,
        counts: &mut SideCounts,
    ) -> usize {
        let before = self.packets();
        let frames = leave_by_ring(&mut self.ring, port, counts);
        self.frames -= frames;
        self.in_rings += frames;
        if let (Some(parcels), Some(socket)) = (&mut self.socket, port.socket()) {
            self.frames -= parcels.leave(socket, pool, counts);
        }
        before - self.packets()
    }

    /// The packets that wait for the ring, for another place to wait in.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Frame<'u, Packet>> {
        self.frames -= self.ring.iter().map(Frame::frames).sum::<usize>();
        self.ring.drain(..)
    }

    /// Storage of trains that have left whole.
    pub(super) fn spent(&mut self) -> impl Iterator<Item = Vec<Frame<'u, Packet>>> {
        self.socket.iter_mut().flat_map(Parcels::spent)
    }

    /// Drops what waits. Returns how many packets.
    pub(super) fn abandon(&mut self, pool: &mut Pool<'u>) -> usize {
        let dropped = self.packets();
        pool.extend(self.take().flat_map(Frame::release));
        if let Some(parcels) = &mut self.socket {
            parcels.abandon(pool);
        }
        self.frames = 0;
        dropped
    }
}

/// Whether the kernel finds the flow of this packet, by which it chooses the NIC's queue for what a packet socket sends.
/// Of a tagged one it reads something else for the IP header (`packet_parse_headers`, `net/packet/af_packet.c`, moves
/// where `__skb_flow_dissect` begins), so that packets of one flow would leave by several queues.
fn is_untagged_ip(head: &[u8]) -> bool {
    let kind = head.be16(ethernet::ETHERTYPE).map(EtherType);
    matches!(kind, Some(EtherType::IPV4 | EtherType::IPV6))
}

/// Gives the ring what it has slots for. Returns how many frames.
fn leave_by_ring<'u>(
    packets: &mut Vec<Frame<'u, Packet>>,
    port: &mut impl FramePort<'u>,
    counts: &mut SideCounts,
) -> usize {
    let leaving = fitting(packets, port.transmit_room());
    let mut frames = 0;
    for packet in &packets[..leaving] {
        frames += packet.frames();
        counts.sent_bytes += packet.total_len() as u64;
    }
    counts.sent_packets += leaving as u64;
    let left = port.transmit(packets);
    debug_assert_eq!(left, leaving, "nobody else takes slots");
    frames
}
