//! What is to leave through a port.

use sluice_common::offload::{Buffer, Train};

use super::parcels::{Parcels, Segments};
use crate::observe::SideCounts;
use crate::port::{FramePort, fitting};
use crate::xsk::{Frame, Packet, Pool};

/// Packets on their way out through one port: those that wait, and how many more there may be.
///
/// Its share of the frames is its own. When it is used up, what else is to leave is dropped where it came from,
/// so that a port which does not send takes nothing from the other direction.
#[derive(Debug)]
pub(super) struct Outbound<'u> {
    staged: Staged<'u>,
    /// How many frames the staged packets have.
    frames: usize,
    /// Frames that are being sent.
    in_rings: usize,
    share: usize,
}

/// What waits, by what it waits for.
#[derive(Debug)]
enum Staged<'u> {
    /// Slots of the transmit ring.
    Ring(Vec<Frame<'u, Packet>>),
    /// The port's socket.
    Socket(Parcels<'u>),
}

impl<'u> Outbound<'u> {
    /// What is to leave by a transmit ring: nothing yet; up to `share` frames.
    pub(super) fn by_ring(share: usize) -> Self {
        let staged = Staged::Ring(Vec::with_capacity(share));
        Self { staged, frames: 0, in_rings: 0, share }
    }

    /// What is to leave through `port`.
    pub(super) fn through(port: &mut impl FramePort<'u>, share: usize) -> Self {
        if port.socket().is_none() {
            return Self::by_ring(share);
        }
        Self { staged: Staged::Socket(Parcels::new(share)), frames: 0, in_rings: 0, share }
    }

    /// How many frames the packets have that wait.
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// How many packets wait.
    pub(super) const fn packets(&self) -> usize {
        match &self.staged {
            Staged::Ring(packets) => packets.len(),
            Staged::Socket(parcels) => parcels.packets(),
        }
    }

    /// Whether the next packet finds enough slots.
    pub(super) fn has_one_for(&self, slots: usize) -> bool {
        match &self.staged {
            Staged::Ring(packets) => packets.first().is_some_and(|next| next.frames() <= slots),
            Staged::Socket(_) => false,
        }
    }

    /// How many frames more may leave.
    pub(super) const fn room(&self) -> usize {
        self.share.saturating_sub(self.frames + self.in_rings)
    }

    /// Adds a packet for which there is room.
    pub(super) fn push(&mut self, packet: Frame<'u, Packet>) {
        debug_assert!(packet.frames() <= self.room(), "the room was asked for before");
        self.frames += packet.frames();
        match &mut self.staged {
            Staged::Ring(packets) => packets.push(packet),
            Staged::Socket(parcels) => parcels.push(packet),
        }
    }

    /// Adds a train that leaves whole. It comes back where its packets are to leave as they came, or there is no room
    /// for all of them.
    pub(super) fn push_train(
        &mut self,
        train: Train<Frame<'u, Packet>>,
    ) -> Result<(), Train<Frame<'u, Packet>>> {
        self.push_whole(train, Parcels::push_train)
    }

    /// The same for a train that is to become `segments`.
    pub(super) fn push_uncut(
        &mut self,
        train: Train<Frame<'u, Packet>>,
        segments: Segments,
    ) -> Result<(), Train<Frame<'u, Packet>>> {
        self.push_whole(train, |parcels, train| parcels.push_uncut(train, segments))
    }

    fn push_whole(
        &mut self,
        train: Train<Frame<'u, Packet>>,
        push: impl FnOnce(
            &mut Parcels<'u>,
            Train<Frame<'u, Packet>>,
        ) -> Result<(), Train<Frame<'u, Packet>>>,
    ) -> Result<(), Train<Frame<'u, Packet>>> {
        let frames: usize = train.packets().iter().map(Frame::frames).sum();
        match &mut self.staged {
            Staged::Socket(parcels) if self.frames + frames <= self.share => {
                push(parcels, train)?;
                self.frames += frames;
                Ok(())
            }
            _ => Err(train),
        }
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
        match &mut self.staged {
            Staged::Ring(packets) => {
                let (left, frames) = leave_by_ring(packets, port, counts);
                self.frames -= frames;
                self.in_rings += frames;
                left
            }
            Staged::Socket(parcels) => {
                let Some(socket) = port.socket() else { return 0 };
                self.frames -= parcels.leave(socket, pool, counts);
                before - self.packets()
            }
        }
    }

    /// The packets that wait for a ring, for another place to wait in.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Frame<'u, Packet>> {
        let packets = match &mut self.staged {
            Staged::Ring(packets) => {
                self.frames = 0;
                Some(packets.drain(..))
            }
            Staged::Socket(_) => None,
        };
        packets.into_iter().flatten()
    }

    /// Storage of trains that have left whole.
    pub(super) fn spent(&mut self) -> impl Iterator<Item = Vec<Frame<'u, Packet>>> {
        let parcels = match &mut self.staged {
            Staged::Ring(_) => None,
            Staged::Socket(parcels) => Some(parcels.spent()),
        };
        parcels.into_iter().flatten()
    }

    /// Drops what waits. Returns how many packets.
    pub(super) fn abandon(&mut self, pool: &mut Pool<'u>) -> usize {
        let dropped = self.packets();
        pool.extend(self.take().flat_map(Frame::release));
        if let Staged::Socket(parcels) = &mut self.staged {
            parcels.abandon(pool);
        }
        self.frames = 0;
        dropped
    }
}

/// Gives the ring what it has slots for: how many packets, of how many frames.
fn leave_by_ring<'u>(
    packets: &mut Vec<Frame<'u, Packet>>,
    port: &mut impl FramePort<'u>,
    counts: &mut SideCounts,
) -> (usize, usize) {
    let leaving = fitting(packets, port.transmit_room());
    let mut frames = 0;
    for packet in &packets[..leaving] {
        frames += packet.frames();
        counts.sent_bytes += packet.total_len() as u64;
    }
    counts.sent_packets += leaving as u64;
    let left = port.transmit(packets);
    debug_assert_eq!(left, leaving, "nobody else takes slots");
    (leaving, frames)
}
