//! Packets that come early (profile `reorder`): beyond a gap in the sequence, which others may still fill.
//!
//! They are held aside, with the train they are to join, in the order in which they came. Whenever the
//! train grows, those that follow it now join it. If what is missing does not come in time, or too many
//! wait for it, or anything else of the flow comes that cannot wait, all of the flow goes: the train first,
//! the others in the order in which they came. So packets change places only towards the sequence (G23).

use alloc::vec::Vec;
use core::mem;

use super::coalescer::{Arrival, Coalescer, Sink};
use crate::flow::FlowKey;
use crate::offload::Buffer;
use crate::offload::packet::Examined;
use crate::offload::rules::{Place, place};
use crate::reason::FlushReason;

impl<H: Buffer> Coalescer<H> {
    /// A packet of a flow whose train is at `slot` joins it, is held aside, or lets all of the flow go.
    pub(super) fn arrange(&mut self, slot: u32, arrival: Arrival<H>, out: &mut impl Sink<H>) {
        let Some(train) = self.table.train(slot) else { return };
        let most = self.config.reorder.packets;
        match place(&train.held, &arrival.examined, most) {
            Place::Early if train.early.len() < most => self.hold_aside(slot, arrival),
            Place::Early => self.restart(slot, arrival, FlushReason::GapFull, out),
            _ if train.early.is_empty() => self.join(slot, arrival, out),
            Place::Next => self.fill(slot, arrival, out),
            Place::Elsewhere => self.restart(slot, arrival, FlushReason::Sequence, out),
        }
    }

    /// Releases the train at `slot` and all that waits with it.
    pub(super) fn dismiss(&mut self, slot: u32, reason: FlushReason, out: &mut impl Sink<H>) {
        let early = self.take_early(slot);
        self.release(slot, reason, out);
        let Some(lane) = early.first().map(Arrival::lane) else {
            return;
        };
        self.admit_all(early, out);
        if let Some(slot) = self.slot_of(lane) {
            self.release(slot, reason, out);
        }
    }

    fn restart(
        &mut self,
        slot: u32,
        arrival: Arrival<H>,
        reason: FlushReason,
        out: &mut impl Sink<H>,
    ) {
        self.dismiss(slot, reason, out);
        self.start(arrival, out);
    }

    fn hold_aside(&mut self, slot: u32, arrival: Arrival<H>) {
        let Some(train) = self.table.train_mut(slot) else { return };
        if train.early.is_empty() {
            train.early = self.aside.pop().unwrap_or_default();
        }
        let now = arrival.now;
        self.held += 1;
        self.pieces += arrival.examined.pieces;
        train.early.push(arrival);
        self.await_gap(slot, now);
    }

    /// The gap before the first packet that came early has so long to be filled.
    fn await_gap(&mut self, slot: u32, now: u64) {
        let Some(train) = self.table.train_mut(slot) else { return };
        if let Some(first) = train.early.first() {
            train.waits = true;
            self.wheel.update(slot, now, first.now.saturating_add(self.config.reorder.time));
        }
    }

    /// The next packet has come, and with it the turn of those that follow it.
    fn fill(&mut self, slot: u32, arrival: Arrival<H>, out: &mut impl Sink<H>) {
        let (lane, now) = (arrival.lane(), arrival.now);
        let mut early = self.take_early(slot);
        let mut expected = end(&arrival.examined);
        self.join(slot, arrival, out);
        while let Some(next) = take_next(&mut early, expected) {
            expected = end(&next.examined);
            self.admit(Arrival { now, ..next }, out);
        }
        match self.slot_of(lane) {
            Some(slot) if !early.is_empty() && all_ahead(&early, expected) => {
                if let Some(train) = self.table.train_mut(slot) {
                    train.early = early;
                }
                self.await_gap(slot, now);
            }
            // The train has gone, or some can never join it: a packet and its repetition.
            _ => self.admit_all(early, out),
        }
    }

    /// Where the train of a flow is held.
    fn slot_of(&self, (flow, hash): (Option<FlowKey>, u64)) -> Option<u32> {
        self.table.find(hash, flow.as_ref()?)
    }

    /// Those of the train at `slot` that came early. They still count as held.
    fn take_early(&mut self, slot: u32) -> Vec<Arrival<H>> {
        let Some(train) = self.table.train_mut(slot) else { return Vec::new() };
        if !train.early.is_empty() {
            train.waits = false;
        }
        mem::take(&mut train.early)
    }

    /// Lets them go the way of packets without this profile, in the order in which they came.
    fn admit_all(&mut self, mut early: Vec<Arrival<H>>, out: &mut impl Sink<H>) {
        for arrival in early.drain(..) {
            self.admit(arrival, out);
        }
        if early.capacity() > 0 {
            self.aside.push(early);
        }
    }

    /// A packet that was held aside joins the train of its flow, or starts one.
    fn admit(&mut self, arrival: Arrival<H>, out: &mut impl Sink<H>) {
        self.held -= 1;
        self.pieces -= arrival.examined.pieces;
        match self.slot_of(arrival.lane()) {
            Some(slot) => self.join(slot, arrival, out),
            None => self.start(arrival, out),
        }
    }
}

impl<H> Arrival<H> {
    /// Its flow, which an arrival always has, and that one's hash.
    fn lane(&self) -> (Option<FlowKey>, u64) {
        (self.examined.flow, self.hash)
    }
}

/// The sequence number after a packet.
fn end(packet: &Examined) -> u32 {
    packet.seq.wrapping_add(packet.payload_len)
}

/// Takes out the packet that begins at `expected`, as long as none lies behind it.
fn take_next<H>(early: &mut Vec<Arrival<H>>, expected: u32) -> Option<Arrival<H>> {
    let next = early.iter().position(|arrival| arrival.examined.seq == expected)?;
    all_ahead(early, expected).then(|| early.remove(next))
}

/// Whether none lies behind `expected`: half of the sequence numbers do.
fn all_ahead<H>(early: &[Arrival<H>], expected: u32) -> bool {
    early.iter().all(|arrival| arrival.examined.seq.wrapping_sub(expected) < 1 << 31)
}
