//! How a worker ends, and what it says at the end.

use super::life::{Life, Work};
use super::worker::Turn;
use crate::observe::{Counts, Latency, Times};

/// Nanoseconds a worker may take to finish what it has begun. A healthy one needs microseconds;
/// a missing completion must not use up the second in which a stop is to be over.
const DRAIN_FOR: u64 = 200_000_000;

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Stopped,
    /// The network interface is gone.
    WireGone,
    /// The TUN device is gone.
    HostGone,
}

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// At work.
    Running,
    /// It gives no sign of life any more, so that nothing new is steered to it, and finishes.
    Draining {
        /// Why.
        end: End,
        /// When it has to be over.
        until: u64,
    },
    /// It is over.
    Ended(End),
}

/// What a worker says at its end.
#[derive(Debug)]
pub struct Report {
    /// Its queue.
    pub queue: u32,
    /// Why it ended.
    pub end: End,
    /// What it counted; the ledger in it is the final one.
    pub counts: Counts,
    /// Times from receive ring to hand-over since they were last asked for.
    pub times: Box<Times>,
}

/// How workers end.
pub(super) trait Stop: Work {
    /// Begins to end. What has been taken is handed over, and what cannot go within a fifth of a second is
    /// dropped and counted.
    fn begin_stop(&mut self, end: End, now: u64) {
        let life = self.life();
        match &mut life.phase {
            Phase::Running => {
                life.phase = Phase::Draining { end, until: now.saturating_add(DRAIN_FOR) };
                life.end_signs_of_life();
            }
            // A port that vanishes meanwhile is the better reason.
            Phase::Draining { end: known @ End::Stopped, .. } => *known = end,
            Phase::Draining { .. } | Phase::Ended(_) => {}
        }
    }

    /// The end of a turn that has moved `moved` packets.
    fn conclude(&mut self, moved: usize, now: u64) -> Turn {
        if let Phase::Draining { end, until } = self.life().phase
            && (now >= until || moved == 0 && self.is_drained(end))
        {
            self.abandon();
            self.life().latency.settle(now);
            self.life().phase = Phase::Ended(end);
            self.housekeep(now);
        }
        match self.life().phase {
            Phase::Ended(_) => Turn::Ended,
            _ if moved > 0 => Turn::Busy,
            _ => Turn::Idle,
        }
    }
}

impl<W: Work + ?Sized> Stop for W {}

impl Life {
    /// What the worker says at its end.
    pub(super) fn report(mut self) -> Report {
        let end = match self.phase {
            Phase::Ended(end) | Phase::Draining { end, .. } => end,
            Phase::Running => End::Stopped,
        };
        let times = self.latency.swap(Latency::empty());
        Report { queue: self.queue, end, counts: self.counts, times }
    }
}
