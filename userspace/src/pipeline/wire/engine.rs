//! What is done with packets, whichever worker has them.

use crossbeam::channel::Receiver;
use sluice_common::Side;
use sluice_common::offload::{Coalescer, GroConfig};
use sluice_common::stage::Stage;
use sluice_common::translate::MssTable;

use super::config::{WireConfig, WireSettings};
use super::desk::Desk;
use super::egress::{Egress, Way};
use super::handle::Settler;
use super::too_large::TooLarge;
use crate::pipeline::burst::{Held, Outlet, take};
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
    settings: Receiver<WireSettings<S>>,
}

impl<'u, S: Stage> Engine<'u, S> {
    /// One of these, and what gives it other settings. All its memory is allocated here.
    pub(super) fn new(config: &WireConfig, stage: S) -> (Self, Settler<S>) {
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
        let (settler, settings) = Settler::new();
        let coalescers = [(); 2].map(|()| Coalescer::new(config.gro));
        (Self { coalescers, way, settings }, settler)
    }

    /// Takes a burst of packets that came in by `side`.
    pub(super) fn take(
        &mut self,
        side: Side,
        burst: &mut Vec<Frame<'u, Packet>>,
        held: Held,
        now: u64,
        desk: Desk<'_, 'u, impl HostPort>,
    ) {
        let mut egress = Egress { side, way: &mut self.way, desk, now };
        take(&mut self.coalescers[side.index()], burst, held, now, &mut egress);
    }

    /// Coalesces by `gro` from the next packet on; what is held goes first.
    pub(super) fn switch(&mut self, gro: &GroConfig, now: u64, desk: Desk<'_, 'u, impl HostPort>) {
        let mut egress = Egress { side: Side::A, way: &mut self.way, desk, now };
        for side in Side::BOTH {
            egress.side = side;
            let coalescer = &mut self.coalescers[side.index()];
            coalescer.switch(gro, &mut egress);
            egress.recycle(coalescer);
        }
    }

    /// Treats trains from the next one on by the settings that have come, if any have.
    pub(super) fn settle(&mut self) {
        if let Ok(WireSettings { stage, answers }) = self.settings.try_recv() {
            self.way.stage = stage;
            self.way.too_large.switch(answers);
        }
    }

    /// Gives storage back that was spent elsewhere.
    pub(super) fn recycle_spent(&mut self, spent: impl Iterator<Item = Vec<Frame<'u, Packet>>>) {
        for storage in spent {
            // Whose it was is not known: it goes where most is missing.
            let [a, b] = &mut self.coalescers;
            let poorer = if a.spare() < b.spare() { a } else { b };
            poorer.recycle(storage);
        }
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
