//! How a worker ends, and what it says at the end.

use super::to_host::ToHost;
use super::worker::{Turn, Worker};
use crate::observe::{Counts, Latency, Times};
use crate::port::{FramePort, HostPort, NextHops};

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

impl<'u, N: FramePort<'u>, T: HostPort, R: NextHops> Worker<'u, N, T, R> {
    /// Begins to end. What has been received is handed over, what the host has sent is sent, and
    /// what cannot go within a fifth of a second is dropped and counted.
    pub fn begin_stop(&mut self, end: End, now: u64) {
        match &mut self.phase {
            Phase::Running => {
                self.phase = Phase::Draining { end, until: now.saturating_add(DRAIN_FOR) };
                self.end_sign_of_life();
            }
            // A port that vanishes meanwhile is the better reason.
            Phase::Draining { end: known @ End::Stopped, .. } => *known = end,
            Phase::Draining { .. } | Phase::Ended(_) => {}
        }
    }

    /// The end of a turn that has moved `moved` packets.
    pub(super) fn conclude(&mut self, moved: usize, now: u64) -> Turn {
        if let Phase::Draining { end, until } = self.phase
            && (now >= until || self.is_drained(end, moved))
        {
            self.finish(end, now);
        }
        match self.phase {
            Phase::Ended(_) => Turn::Ended,
            _ if moved > 0 => Turn::Busy,
            _ => Turn::Idle,
        }
    }

    fn is_drained(&mut self, end: End, moved: usize) -> bool {
        let nothing_to_hand_over = self.backlog.frames() == 0 && self.coalescer.held() == 0;
        let nothing_to_send = !self.has_waiting() && self.wire.rings().outbound() == 0;
        moved == 0 && nothing_to_hand_over && (nothing_to_send || end == End::WireGone)
    }

    fn finish(&mut self, end: End, now: u64) {
        let mut out = ToHost {
            host: &mut self.host,
            pool: &mut self.pool,
            backlog: &mut self.backlog,
            counts: &mut self.counts,
            latency: &mut self.latency,
        };
        out.abandon();
        out.recycle(&mut self.coalescer);
        self.abandon_waiting();
        self.latency.settle(now);
        self.phase = Phase::Ended(end);
        self.housekeep(now);
    }

    /// What it says at the end.
    #[must_use]
    pub fn report(mut self) -> Report {
        let end = match self.phase {
            Phase::Ended(end) | Phase::Draining { end, .. } => end,
            Phase::Running => End::Stopped,
        };
        let queue = self.config.queue;
        Report { queue, end, counts: self.counts, times: self.latency.swap(Latency::empty()) }
    }
}
