//! What is done with packets, whichever worker has them.

use sluice_common::Side;
use sluice_common::offload::{Coalescer, GroConfig};
use sluice_common::reason::FlushReason;
use sluice_common::stage::Stage;
use sluice_common::translate::MssTable;

use super::config::{WireConfig, WireSettings};
use super::desk::Desk;
use super::egress::{Egress, Way};
use super::too_large::TooLarge;
use crate::port::HostPort;
use crate::xsk::{Frame, Packet};

/// How long an announced MSS is remembered without a packet of its connection, in nanoseconds: two hours and a bit,
/// when TCP's own keep-alive would have asked (RFC 9293 §3.8.4).
const REMEMBERED_FOR: u64 = 7_300_000_000_000;

/// The coalescers of both directions, and the way of the trains they release.
///
/// The two directions are two coalescers: packets that came in by different ports never merge (G1).
pub(super) struct Engine<'u, S> {
    coalescers: [Coalescer<Frame<'u, Packet>>; 2],
    way: Way<'u, S>,
}

impl<'u, S: Stage> Engine<'u, S> {
    /// All its memory is allocated here.
    pub(super) fn new(config: &WireConfig, stage: S) -> Self {
        let translate = config.translate && config.mtus[0] != config.mtus[1];
        // Without it nothing is ever looked up.
        let flows = if translate { config.flows } else { 0 };
        let way = Way {
            stage,
            mtus: config.mtus,
            translate,
            announced: MssTable::new(flows, config.gro.hash_keys, REMEMBERED_FOR),
            too_large: TooLarge::new(config.answers),
            spent: Vec::with_capacity(2 * (config.gro.flows + config.gro.spare_trains)),
        };
        Self { coalescers: [(); 2].map(|()| Coalescer::new(config.gro)), way }
    }

    /// Takes packets that came in by `side`.
    pub(super) fn push(
        &mut self,
        side: Side,
        packets: impl Iterator<Item = Frame<'u, Packet>>,
        now: u64,
        desk: Desk<'_, 'u, impl HostPort>,
    ) {
        let mut egress = Egress { side, way: &mut self.way, desk, now };
        let coalescer = &mut self.coalescers[side.index()];
        for packet in packets {
            coalescer.push(packet, now, &mut egress);
            while let Some(storage) = egress.way.spent.pop() {
                coalescer.recycle(storage);
            }
        }
    }

    /// Lets go what is not to be held longer than to the end of the burst, and what is more than `most` pieces.
    pub(super) fn end_of_burst(
        &mut self,
        side: Side,
        most: usize,
        now: u64,
        desk: Desk<'_, 'u, impl HostPort>,
    ) {
        let coalescer = &mut self.coalescers[side.index()];
        let mut egress = Egress { side, way: &mut self.way, desk, now };
        coalescer.end_of_burst(now, &mut egress);
        if coalescer.held_pieces() > most {
            coalescer.flush(FlushReason::Capacity, &mut egress);
        }
        self.recycle(side);
    }

    /// Lets everything go that came in by `side`.
    pub(super) fn flush(
        &mut self,
        side: Side,
        reason: FlushReason,
        now: u64,
        desk: Desk<'_, 'u, impl HostPort>,
    ) {
        let mut egress = Egress { side, way: &mut self.way, desk, now };
        self.coalescers[side.index()].flush(reason, &mut egress);
        self.recycle(side);
    }

    /// Coalesces by `gro` from the next packet on; what is held goes first.
    pub(super) fn switch(
        &mut self,
        side: Side,
        gro: &GroConfig,
        now: u64,
        desk: Desk<'_, 'u, impl HostPort>,
    ) {
        let mut egress = Egress { side, way: &mut self.way, desk, now };
        self.coalescers[side.index()].switch(gro, &mut egress);
        self.recycle(side);
    }

    /// Treats trains by `settings` from the next one on.
    pub(super) fn settle(&mut self, settings: WireSettings<S>) {
        self.way.stage = settings.stage;
        self.way.too_large.switch(settings.answers);
    }

    fn recycle(&mut self, side: Side) {
        let coalescer = &mut self.coalescers[side.index()];
        self.way.spent.drain(..).for_each(|storage| coalescer.recycle(storage));
    }

    /// Gives storage back that was spent elsewhere.
    pub(super) fn recycle_spent(&mut self, spent: impl Iterator<Item = Vec<Frame<'u, Packet>>>) {
        let coalescer = &mut self.coalescers[Side::A.index()];
        spent.for_each(|storage| coalescer.recycle(storage));
    }

    /// How many packets are held that came in by `side`.
    pub(super) fn held(&self, side: Side) -> usize {
        self.coalescers[side.index()].held()
    }

    /// How many frames they have.
    pub(super) fn held_frames(&self, side: Side) -> usize {
        self.coalescers[side.index()].held_pieces()
    }

    /// When a train is due.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.coalescers.iter().filter_map(Coalescer::deadline).min()
    }
}
