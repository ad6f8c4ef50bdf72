//! The coalescer (GRO).

use alloc::vec::Vec;

use super::{GroConfig, Train, packet::shape_of_one};
use crate::reason::FlushReason;

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
/// [`new`](Self::new). Times are in nanoseconds of any clock that does not run backwards.
#[derive(Debug)]
pub struct Coalescer<H> {
    config: GroConfig,
    spare: Vec<Vec<H>>,
}

impl<H: AsRef<[u8]>> Coalescer<H> {
    /// A coalescer that holds nothing.
    #[must_use]
    pub fn new(config: GroConfig) -> Self {
        let spare = (0..config.flows + config.spare_trains)
            .map(|_| Vec::with_capacity(config.max_segments))
            .collect();
        Self { config, spare }
    }

    /// Takes a packet that arrived at `now`. It joins the train of its flow, starts one, or goes on as it
    /// came, after whatever is held of its flow.
    pub fn push(&mut self, packet: H, _now: u64, out: &mut impl Sink<H>) {
        let shape = shape_of_one(packet.as_ref(), &self.config);
        let mut packets =
            self.spare.pop().unwrap_or_else(|| Vec::with_capacity(self.config.max_segments));
        packets.push(packet);
        out.train(Train::new(packets, shape), FlushReason::NotMergeable);
    }

    /// Releases what is not to be held longer than to the end of the burst, or is due at `now`.
    pub fn end_of_burst(&mut self, _now: u64, _out: &mut impl Sink<H>) {}

    /// Releases everything, oldest train first.
    pub fn flush(&mut self, _reason: FlushReason, _out: &mut impl Sink<H>) {}

    /// When [`end_of_burst`](Self::end_of_burst) is to be called again at the latest; `None` while
    /// nothing is held.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        None
    }

    /// How many packets are held.
    #[must_use]
    pub fn held(&self) -> usize {
        0
    }

    /// Takes back the storage of a train whose packets have gone.
    pub fn recycle(&mut self, mut packets: Vec<H>) {
        packets.clear();
        if self.spare.len() < self.spare.capacity() {
            self.spare.push(packets);
        }
    }
}
