//! What all parts of a worker work with: frames, ways out, counts.

use sluice_common::Side;
use sluice_common::offload::Train;
use sluice_common::reason::DropReason;

use super::outbound::Outbound;
use crate::observe::{Counts, Latency, SideCounts};
use crate::pipeline::to_host::{Backlog, ToHost};
use crate::xsk::{Frame, Packet, Pool};

/// What a worker lends to whoever handles its packets.
pub(super) struct Desk<'w, 'u, T> {
    pub(super) pool: &'w mut Pool<'u>,
    /// By the side the packets leave through.
    pub(super) outbound: &'w mut [Outbound<'u>; 2],
    pub(super) host: &'w mut T,
    pub(super) backlog: &'w mut Backlog<'u>,
    pub(super) counts: &'w mut Counts,
    pub(super) latency: &'w mut Latency,
}

impl<'u, T> Desk<'_, 'u, T> {
    /// The counts of the port that `side` is.
    pub(super) const fn side(&mut self, side: Side) -> &mut SideCounts {
        &mut self.counts.sides[side.index()]
    }

    pub(super) const fn out(&mut self, side: Side) -> &mut Outbound<'u> {
        &mut self.outbound[side.index()]
    }

    /// The way to the local kernel.
    pub(super) const fn way_to_host(&mut self) -> ToHost<'_, 'u, T> {
        let Self { pool, host, backlog, counts, latency, .. } = self;
        ToHost { host, pool, backlog, counts, latency }
    }

    /// Drops packets that came in by `side`.
    pub(super) fn count_dropped(&mut self, side: Side, packets: usize, reason: DropReason) {
        self.side(side).dropped[reason.index()] += packets as u64;
    }

    /// Frames to the pool, storage to who collects it.
    pub(super) fn release(&mut self, train: Train<Frame<'u, Packet>>, spent: &mut Spent<'u>) {
        let mut packets = train.into_packets();
        self.pool.extend(packets.drain(..).flat_map(Frame::release));
        spent.push(packets);
    }
}

/// Storage of trains that have gone, on its way back to the coalescer.
pub(super) type Spent<'u> = Vec<Vec<Frame<'u, Packet>>>;
