//! A packet joins, starts or passes; trains go.

use alloc::vec::Vec;
use core::mem;

use super::express::{self, Glance, Ip, Lead, V4, V6, Version};
use super::spacing::Spacing;
use super::table::Table;
use super::wheel::Wheel;
use crate::flow::FlowKey;
use crate::offload::packet::{Examined, examine};
use crate::offload::rules::{self, Held, Ids, Next};
use crate::offload::{Buffer, GroConfig, Hold, Profile, Train};
use crate::reason::FlushReason;

/// An open train waits for twice the mean gap of its flow: less would miss every second packet, more
/// would delay the last one of a row for little.
const PATIENCE: u64 = 2;

/// Where released trains go.
pub trait Sink<H> {
    /// Takes `train`, released because of `reason`.
    fn train(&mut self, train: Train<H>, reason: FlushReason);
}

impl<H, F: FnMut(Train<H>, FlushReason)> Sink<H> for F {
    fn train(&mut self, train: Train<H>, reason: FlushReason) {
        self(train, reason);
    }
}

/// Merges consecutive packets of one flow into trains.
///
/// It holds packets by their handles `H` and never copies them. All storage is made in
/// [`new`](Self::new); the time a packet takes does not grow with the number of flows. Times are in
/// nanoseconds of any clock that does not run backwards.
///
/// ```
/// use sluice_common::offload::{Coalescer, GroConfig, Hold, Train};
/// use sluice_common::reason::FlushReason;
///
/// /// One turn of a loop that allocates nothing: `kept` has room for what a burst can release.
/// fn turn<'p>(
///     coalescer: &mut Coalescer<&'p [u8]>,
///     burst: &[&'p [u8]],
///     now: u64,
///     kept: &mut Vec<Train<&'p [u8]>>,
/// ) {
///     let mut sink = |train: Train<&'p [u8]>, _: FlushReason| kept.push(train);
///     for packet in burst {
///         coalescer.push(packet, now, &mut sink);
///     }
///     coalescer.end_of_burst(now, &mut sink);
///     for train in kept.drain(..) {
///         // Here it is sent, or handed on.
///         coalescer.recycle(train.into_packets());
///     }
/// }
///
/// // A train may wait up to 50 µs for its flow's next packet.
/// let hold = Hold::Adaptive { ceiling: 50_000 };
/// let mut coalescer = Coalescer::new(GroConfig { hold, ..GroConfig::default() });
/// turn(&mut coalescer, &[&[0; 60]], 0, &mut Vec::with_capacity(64));
/// assert_eq!(coalescer.deadline(), None, "what is not IP is not held");
/// ```
#[derive(Debug)]
pub struct Coalescer<H> {
    pub(super) config: GroConfig,
    pub(super) table: Table<Slot<H>>,
    pub(super) wheel: Wheel,
    spacing: Spacing,
    /// Storage for trains.
    spare: Vec<Vec<H>>,
    /// Storage for packets that come early.
    pub(super) aside: Vec<Vec<Arrival<H>>>,
    pub(super) held: usize,
    /// Pieces of the packets that are held.
    pub(super) pieces: usize,
    /// Whether the express lane is open.
    express: bool,
}

/// A train that is held. First what each packet that joins looks at.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Slot<H> {
    /// What recognises the next packet.
    lead: Lead,
    packets: Vec<H>,
    pub(super) held: Held,
    /// When its first packet came.
    born: u64,
    /// Packets beyond a gap, in the order in which they came. Only the profile `reorder` has any.
    pub(super) early: Vec<Arrival<H>>,
    /// Whether it was to be held beyond a burst.
    pub(super) waits: bool,
}

impl<H: Buffer> Coalescer<H> {
    /// A coalescer that holds nothing.
    #[must_use]
    pub fn new(config: GroConfig) -> Self {
        let ceiling = match config.hold {
            Hold::EndOfBurst => 0,
            Hold::AtMost(ceiling) | Hold::Adaptive { ceiling } => ceiling,
        };
        let reorders = config.profile == Profile::Reorder;
        let ceiling = if reorders { ceiling.max(config.reorder.time) } else { ceiling };
        let aside = || Vec::with_capacity(config.reorder.packets);
        let storage = || Vec::with_capacity(config.max_segments.max(1));
        Self {
            table: Table::new(config.flows, config.hash_keys),
            wheel: Wheel::new(config.flows.max(1), ceiling),
            spacing: Spacing::new(config.flows.max(1), ceiling),
            spare: (0..config.flows + config.spare_trains).map(|_| storage()).collect(),
            aside: (0..if reorders { config.flows } else { 0 }).map(|_| aside()).collect(),
            held: 0,
            pieces: 0,
            express: express::is_open(&config),
            config,
        }
    }

    /// Takes a packet that arrived at `now`. It joins the train of its flow, starts one, or goes on as it
    /// came, after whatever is held of its flow.
    #[inline]
    pub fn push(&mut self, packet: H, now: u64, out: &mut impl Sink<H>) {
        let looked_at = self.express && packet.pieces() == 1;
        match Version::of(packet.head()).filter(|_| looked_at) {
            Some(Version::V4) => self.push_over::<V4>(packet, now, out),
            Some(Version::V6) => self.push_over::<V6>(packet, now, out),
            None => self.push_super(packet, 0, now, out),
        }
    }

    /// Takes a packet that may take the express lane over this version of IP.
    #[inline]
    fn push_over<I: Ip>(&mut self, packet: H, now: u64, out: &mut impl Sink<H>) {
        let Some(glance) = Glance::<I>::of(packet.head()) else {
            return self.push_super(packet, 0, now, out);
        };
        if !glance.checksum_holds(packet.head(), self.config.rx_checksum) {
            return self.push_super(packet, 0, now, out);
        }
        let flow = glance.flow();
        let hash = self.table.hash(&flow);
        let Some((slot, train)) = self.table.find_hash(hash) else {
            let (held, lead) = (glance.held(), glance.lead());
            return self.begin(packet, held, lead, (flow, hash), now, out);
        };
        // Whose header is the train's is of its flow, too.
        match train.next(&glance, &self.config) {
            Some((next, ids)) => {
                train.held.go_on(next.payload_len, ids);
                train.packets.push(packet);
                self.held += 1;
                self.pieces += 1;
                let due = due(self.config.hold, &mut self.spacing, hash, train.born, now);
                train.waits |= due > now;
                self.wheel.update(slot, now, due);
            }
            None => self.push_super(packet, 0, now, out),
        }
    }

    /// Takes a packet that is a super-packet already, whose segments carry `segment_size` bytes (G20).
    /// 0 says that it is none.
    pub fn push_super(&mut self, packet: H, segment_size: u16, now: u64, out: &mut impl Sink<H>) {
        let examined = examine(&packet, segment_size, &self.config);
        let (Some(flow), false) = (&examined.flow, examined.refusal.is_some() && self.held == 0)
        else {
            return self.pass(packet, &examined, out);
        };
        let hash = self.table.hash(flow);
        let slot = self.table.find(hash, flow);
        let arrival = Arrival { packet, examined, hash, now };
        match (slot, examined.refusal) {
            (None, None) => self.start(arrival, out),
            (None, Some(_)) => self.pass(arrival.packet, &examined, out),
            (Some(slot), None) if self.config.profile == Profile::Reorder => {
                self.arrange(slot, arrival, out);
            }
            (Some(slot), None) => self.join(slot, arrival, out),
            (Some(slot), Some(reason)) => {
                self.dismiss(slot, reason, out);
                self.pass(arrival.packet, &examined, out);
            }
        }
    }

    /// Releases what is not to be held longer than to the end of the burst, or is due at `now`.
    pub fn end_of_burst(&mut self, now: u64, out: &mut impl Sink<H>) {
        if self.config.hold == Hold::EndOfBurst && self.config.profile != Profile::Reorder {
            return self.flush(FlushReason::EndOfBurst, out);
        }
        while let Some(slot) = self.wheel.due(now) {
            let reason = match self.table.train(slot) {
                Some(train) if !train.early.is_empty() => FlushReason::GapTimeout,
                Some(train) if train.waits => FlushReason::Timeout,
                _ => FlushReason::EndOfBurst,
            };
            self.dismiss(slot, reason, out);
        }
    }

    /// Releases everything, oldest train first.
    pub fn flush(&mut self, reason: FlushReason, out: &mut impl Sink<H>) {
        while let Some(slot) = self.table.oldest() {
            self.dismiss(slot, reason, out);
        }
    }

    /// Takes over from `to` what may change in mid-work: what is merged, by which profile, and what is thought
    /// of checksums; sizes, times and keys stay. What is held goes first, oldest train first: a train keeps to
    /// the rules it began with.
    pub fn switch(&mut self, to: &GroConfig, out: &mut impl Sink<H>) {
        let GroConfig { enabled, udp, profile, rx_checksum, .. } = *to;
        let switched = GroConfig { enabled, udp, profile, rx_checksum, ..self.config };
        if switched != self.config {
            self.flush(FlushReason::Switched, out);
            self.express = express::is_open(&switched);
            self.config = switched;
        }
    }

    /// When [`end_of_burst`](Self::end_of_burst) is to be called again at the latest; `None` while
    /// nothing is held.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.wheel.earliest()
    }

    /// How many packets are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many pieces the packets that are held have.
    #[must_use]
    pub fn held_pieces(&self) -> usize {
        self.pieces
    }

    /// Takes back the storage of a train whose packets have gone.
    pub fn recycle(&mut self, mut packets: Vec<H>) {
        packets.clear();
        if self.spare.len() < self.spare.capacity() {
            self.spare.push(packets);
        }
    }

    /// For how many more trains it has storage.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.spare.len()
    }

    /// G23: a train goes if the packet does not fit, and the packet starts the next one.
    pub(super) fn join(&mut self, slot: u32, arrival: Arrival<H>, out: &mut impl Sink<H>) {
        let Some(Slot { held, packets, .. }) = self.table.train(slot) else { return };
        let ends = [packets.first(), packets.last()];
        let ends = ends.map(|packet| packet.map(Buffer::head).unwrap_or_default());
        let bytes = arrival.packet.head();
        match rules::join(held, ends, &arrival.examined, bytes, &self.config) {
            Ok(ids) => self.append(slot, arrival, ids, out),
            Err(reason) => {
                self.release(slot, reason, out);
                self.start(arrival, out);
            }
        }
    }

    fn append(&mut self, slot: u32, arrival: Arrival<H>, ids: Ids, out: &mut impl Sink<H>) {
        let Arrival { packet, examined, hash, now, .. } = arrival;
        let Some(train) = self.table.train_mut(slot) else { return };
        train.held.extend(&examined, ids);
        train.packets.push(packet);
        self.held += 1;
        self.pieces += examined.pieces;
        // A packet that closes the train counts for the flow's spacing like any other.
        let due = due(self.config.hold, &mut self.spacing, hash, train.born, now);
        if let Some(reason) = rules::closing(&train.held, &examined, &self.config) {
            return self.release(slot, reason, out);
        }
        train.waits |= due > now;
        self.wheel.update(slot, now, due);
    }

    pub(super) fn start(&mut self, arrival: Arrival<H>, out: &mut impl Sink<H>) {
        let Arrival { packet, examined, hash, now } = arrival;
        let held = Held::new(&examined);
        if let Some(reason) = rules::closing(&held, &examined, &self.config) {
            // It counts for the flow's spacing like any other.
            due(self.config.hold, &mut self.spacing, hash, now, now);
            return self.emit_one(packet, &held, reason, out);
        }
        let leads = self.express && examined.pieces == 1;
        let lead = if leads { Lead::of(packet.head()) } else { Lead::default() };
        if let Some(flow) = examined.flow {
            self.begin(packet, held, lead, (flow, hash), now, out);
        }
    }

    /// Holds a train of one, which is open. What it is given is made where it is kept: as a call it would copy all of it.
    #[inline(always)]
    fn begin(
        &mut self,
        packet: H,
        held: Held,
        lead: Lead,
        (flow, hash): (FlowKey, u64),
        now: u64,
        out: &mut impl Sink<H>,
    ) {
        let due = due(self.config.hold, &mut self.spacing, hash, now, now);
        if let (true, Some(oldest)) = (self.table.is_full(), self.table.oldest()) {
            self.dismiss(oldest, FlushReason::Capacity, out);
        }
        let packets = self.storage_with(packet);
        if let Some((slot, train)) = self.table.insert(hash, flow) {
            train.begin(held, lead, packets);
            (train.born, train.waits) = (now, due > now);
            self.wheel.insert(slot, now, due);
            self.held += 1;
            self.pieces += held.pieces;
        }
    }

    /// A packet that takes no part goes on as it came.
    fn pass(&mut self, packet: H, examined: &Examined, out: &mut impl Sink<H>) {
        let reason = examined.refusal.unwrap_or(FlushReason::NotMergeable);
        self.emit_one(packet, &Held::new(examined), reason, out);
    }

    pub(super) fn release(&mut self, slot: u32, reason: FlushReason, out: &mut impl Sink<H>) {
        if let Some(Slot { held, packets, .. }) = self.table.remove(slot) {
            self.wheel.remove(slot);
            self.held -= packets.len();
            self.pieces -= held.pieces;
            let packets = mem::take(packets);
            out.train(Train::new(packets, held.shape(self.config.profile)), reason);
        }
    }

    fn emit_one(&mut self, packet: H, held: &Held, reason: FlushReason, out: &mut impl Sink<H>) {
        let packets = self.storage_with(packet);
        out.train(Train::new(packets, held.shape(self.config.profile)), reason);
    }

    /// Storage that holds `packet`. New storage is made only for a sink that keeps more trains than
    /// [`GroConfig::spare_trains`] says.
    fn storage_with(&mut self, packet: H) -> Vec<H> {
        let mut packets = self.spare.pop().unwrap_or_default();
        packets.reserve(self.config.max_segments.max(1));
        packets.push(packet);
        packets
    }
}

/// Nothing yet.
impl<H> Default for Slot<H> {
    fn default() -> Self {
        let (packets, early) = (Vec::new(), Vec::new());
        let held = Held::default();
        Self { held, lead: Lead::default(), packets, early, born: 0, waits: false }
    }
}

impl<H> Slot<H> {
    /// Makes it the train of `packets`; nothing has come early.
    #[inline]
    fn begin(&mut self, held: Held, lead: Lead, packets: Vec<H>) {
        debug_assert!(self.packets.is_empty() && self.early.is_empty(), "the last one has gone");
        (self.held, self.lead, self.packets) = (held, lead, packets);
    }

    /// What is to be known of a packet that goes on where the train ends.
    #[inline]
    fn next(&self, glance: &Glance<'_, impl Ip>, config: &GroConfig) -> Option<(Next, Ids)> {
        let next = self.lead.next(glance)?;
        rules::goes_on(&self.held, &next, config).map(|ids| (next, ids))
    }
}

/// A packet on its way to its flow's train.
#[derive(Debug)]
pub(super) struct Arrival<H> {
    pub(super) packet: H,
    /// With the flow, which it has.
    pub(super) examined: Examined,
    pub(super) hash: u64,
    pub(super) now: u64,
}

/// G25: when a train that began at `born` and got a packet at `now` is due; `now` itself says that it is
/// not held beyond the burst.
#[inline]
fn due(hold: Hold, spacing: &mut Spacing, hash: u64, born: u64, now: u64) -> u64 {
    match hold {
        Hold::EndOfBurst => now,
        Hold::AtMost(time) => born.saturating_add(time),
        Hold::Adaptive { ceiling } => {
            let latest = born.saturating_add(ceiling);
            match spacing.observe(hash, now) {
                // Who cannot come in time is not waited for.
                Some(gap) if now.saturating_add(gap) <= latest => {
                    now.saturating_add(PATIENCE * gap).min(latest)
                }
                _ => now,
            }
        }
    }
}
