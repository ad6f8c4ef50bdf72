//! The coalescers: one for each interface, as each queue of a port has one.

use std::rc::Rc;

use sluice_common::offload::{Coalescer, GroConfig, Sink, Train};
use sluice_common::reason::FlushReason;

use super::burst::{Burst, Bursts};
use super::packet::{Numbered, Packet};

/// Most packets held before all of them go, as in a worker with the default number of frames.
const MOST_HELD: usize = 2_048;

/// A train that was released, why and when.
pub(super) struct Released {
    pub(super) train: Train<Numbered>,
    pub(super) reason: FlushReason,
    /// Nanoseconds, on the capture's clock.
    pub(super) time: u64,
}

/// What is released at one time.
struct Releases {
    time: u64,
    released: Vec<Released>,
}

impl Sink<Numbered> for Releases {
    fn train(&mut self, train: Train<Numbered>, reason: FlushReason) {
        self.released.push(Released { train, reason, time: self.time });
    }
}

/// The coalescers of all interfaces, and the bursts they see.
pub(super) struct Lanes {
    config: GroConfig,
    bursts: Bursts,
    lanes: Vec<Option<Lane>>,
}

/// The coalescer of one interface.
struct Lane {
    coalescer: Coalescer<Numbered>,
    burst: Option<Burst>,
    /// No clock of a coalescer runs backwards; that of a capture may.
    now: u64,
}

impl Lanes {
    pub(super) const fn new(config: GroConfig, bursts: Bursts) -> Self {
        Self { config, bursts, lanes: Vec::new() }
    }

    /// Time passes until `time`: bursts end, and trains are due.
    pub(super) fn advance(&mut self, time: u64, mut out: impl FnMut(&Released)) {
        for lane in self.lanes.iter_mut().flatten() {
            lane.advance(time, &self.bursts, &mut out);
        }
    }

    /// A packet arrives. All that was due before it has gone.
    pub(super) fn push(&mut self, packet: &Rc<Packet>, mut out: impl FnMut(&Released)) {
        let config = GroConfig { link: packet.link.link(), ..self.config };
        if self.lanes.len() <= packet.interface {
            self.lanes.resize_with(packet.interface + 1, || None);
        }
        let lane = self.lanes[packet.interface].get_or_insert_with(|| Lane::new(config));
        lane.push(packet, &self.bursts, &mut out);
    }

    /// The capture ends: the last bursts do, and what is held waits for its deadline in vain.
    pub(super) fn finish(&mut self, out: impl FnMut(&Released)) {
        self.advance(u64::MAX, out);
    }

    /// Whatever is held goes, for lack of room.
    pub(super) fn make_room(&mut self, mut out: impl FnMut(&Released)) {
        for lane in self.lanes.iter_mut().flatten() {
            lane.release(lane.now, &mut out, |coalescer, released| {
                coalescer.flush(FlushReason::Capacity, released);
            });
        }
    }
}

impl Lane {
    fn new(config: GroConfig) -> Self {
        Self { coalescer: Coalescer::new(config), burst: None, now: 0 }
    }

    fn advance(&mut self, time: u64, bursts: &Bursts, out: &mut impl FnMut(&Released)) {
        if self.burst.is_some_and(|burst| burst.is_over(time, bursts)) {
            self.end_burst(out);
        }
        // A worker looks all the time: what is due between two bursts goes when it is.
        while self.burst.is_none()
            && let Some(due) = self.coalescer.deadline()
            && due < time
        {
            self.now = self.now.max(due);
            self.end_of_burst(due, out);
        }
    }

    fn push(&mut self, packet: &Rc<Packet>, bursts: &Bursts, out: &mut impl FnMut(&Released)) {
        let time = packet.time.max(self.now);
        if !self.burst.as_mut().is_some_and(|burst| burst.take(time, bursts)) {
            self.end_burst(out);
            self.burst = Some(Burst::new(time));
        }
        self.now = time;
        let start = self.burst.map_or(time, |burst| burst.start);
        self.release(time, out, |coalescer, released| {
            coalescer.push(Numbered(Rc::clone(packet)), start, released);
        });
        if self.coalescer.held() > MOST_HELD {
            self.release(time, out, |coalescer, released| {
                coalescer.flush(FlushReason::Capacity, released);
            });
        }
    }

    fn end_burst(&mut self, out: &mut impl FnMut(&Released)) {
        if let Some(burst) = self.burst.take() {
            self.end_of_burst(burst.last, out);
        }
    }

    fn end_of_burst(&mut self, now: u64, out: &mut impl FnMut(&Released)) {
        self.release(now, out, |coalescer, released| coalescer.end_of_burst(now, released));
    }

    /// Lets `work` release trains, shows them and gives their storage back.
    fn release(
        &mut self,
        time: u64,
        out: &mut impl FnMut(&Released),
        work: impl FnOnce(&mut Coalescer<Numbered>, &mut Releases),
    ) {
        let mut releases = Releases { time, released: Vec::new() };
        work(&mut self.coalescer, &mut releases);
        for released in releases.released {
            out(&released);
            self.coalescer.recycle(released.train.into_packets());
        }
    }
}
