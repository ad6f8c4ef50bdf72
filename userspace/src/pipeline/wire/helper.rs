//! A worker without ports: it does for another what that one would do itself.

use std::os::fd::AsFd;
use std::sync::Arc;

use arrayvec::ArrayVec;
use nix::poll::{PollFd, PollFlags};
use sluice_common::Side;
use sluice_common::offload::{Buffer, GroConfig};
use sluice_common::stage::Stage;

use super::desk::Desk;
use super::engine::Engine;
use super::no_host::NoHost;
use super::outbound::Outbound;
use super::relay::{Home, KEPT, Relay, Waker};
use crate::pipeline::burst::Held;
use crate::pipeline::life::{Life, MOST_WATCHED, Work};
use crate::pipeline::run::run;
use crate::pipeline::stop::{End, Report, Stop};
use crate::pipeline::to_host::Backlog;
use crate::pipeline::worker::{BURST, Turn};
use crate::xsk::{Frame, Packet, Pool};

/// A worker that flows are handed to, since its owner's queue has more of them than one core carries.
///
/// A stage of it that hands a train to the local kernel is refused: only who owns ports has one.
pub struct WireHelper<'u, S> {
    pub(super) relay: Arc<Relay<'u>>,
    pub(super) owner: Arc<Waker>,
    pub(super) engine: Engine<'u, S>,
    /// What it was lent, and what it has emptied.
    pub(super) pool: Pool<'u>,
    pub(super) outbound: [Outbound<'u>; 2],
    pub(super) host: NoHost,
    pub(super) backlog: Backlog<'u>,
    pub(super) life: Life,
    /// Packets of each side, between the queue and the coalescers.
    pub(super) bursts: [Vec<Frame<'u, Packet>>; 2],
    /// Frames that may be held.
    pub(super) most_held: usize,
}

impl<'u, S: Stage> WireHelper<'u, S> {
    /// One iteration. `now` is the time in nanoseconds of `CLOCK_MONOTONIC`, read once.
    pub fn turn(&mut self, now: u64) -> Turn {
        Work::turn(self, now)
    }

    /// Begins to end. What it was handed goes home.
    pub fn begin_stop(&mut self, end: End, now: u64) {
        Stop::begin_stop(self, end, now);
    }

    /// Works until it is told to stop.
    #[must_use]
    pub fn run(mut self) -> Report {
        run(&mut self);
        self.report()
    }

    /// What it says at the end.
    #[must_use]
    pub fn report(self) -> Report {
        self.life.report()
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn counts(&self) -> &crate::observe::Counts {
        &self.life.counts
    }

    /// Packets that came in by `side` and are held.
    #[must_use]
    pub fn held(&self, side: Side) -> usize {
        self.engine.held(side)
    }

    fn take(&mut self) -> usize {
        let short = KEPT.saturating_sub(self.pool.len());
        self.pool.extend(self.relay.borrow().take(short));
        let mut taken = 0;
        for (side, packet) in self.relay.take(BURST) {
            let counts = &mut self.life.counts.sides[side.index()];
            counts.taken_packets += 1;
            counts.received_bytes += packet.total_len() as u64;
            self.bursts[side.index()].push(packet);
            taken += 1;
        }
        taken
    }

    fn desk(&mut self) -> (&mut Engine<'u, S>, Desk<'_, 'u, NoHost>) {
        let desk = Desk {
            pool: &mut self.pool,
            outbound: &mut self.outbound,
            host: &mut self.host,
            backlog: &mut self.backlog,
            counts: &mut self.life.counts,
            latency: &mut self.life.latency,
        };
        (&mut self.engine, desk)
    }

    fn handle(&mut self, side: Side, now: u64) {
        let mut burst = std::mem::take(&mut self.bursts[side.index()]);
        let held = Held { most: self.most_held, stopping: self.life.is_stopping() };
        let (engine, desk) = self.desk();
        engine.take(side, &mut burst, held, now, desk);
        self.bursts[side.index()] = burst;
        self.engine.recycle_spent(self.backlog.spent());
    }

    /// Gives back what is to leave, and the frames beyond those it may need in the next turn.
    fn send_home(&mut self, keep: usize) -> usize {
        let mut sent = 0;
        for side in Side::BOTH {
            for packet in self.outbound[side.index()].take() {
                self.relay.send_home(Home::Leaves(side, packet));
                sent += 1;
            }
        }
        while self.pool.len() > keep {
            let Some(frame) = self.pool.take() else { break };
            self.relay.send_home(Home::Free(frame));
            sent += 1;
        }
        if sent > 0 {
            self.owner.wake();
        }
        sent
    }
}

impl<S: Stage> Work for WireHelper<'_, S> {
    fn life(&mut self) -> &mut Life {
        &mut self.life
    }

    fn work(&mut self, now: u64) -> usize {
        self.relay.helper.awake();
        let taken = self.take();
        Side::BOTH.iter().for_each(|&side| self.handle(side, now));
        let keep = if self.life.is_stopping() { 0 } else { KEPT };
        taken + self.send_home(keep)
    }

    fn gauge(&mut self) {
        self.engine.settle();
    }

    fn switch(&mut self, gro: &GroConfig, now: u64) {
        let (engine, desk) = self.desk();
        engine.switch(gro, now, desk);
    }

    fn is_drained(&mut self, _: End) -> bool {
        let held = Side::BOTH.iter().any(|&side| self.held(side) > 0);
        self.relay.is_over() && !held && self.pool.is_empty()
    }

    fn abandon(&mut self) {
        self.send_home(0);
    }

    fn deadline(&self) -> Option<u64> {
        self.engine.deadline()
    }

    fn is_stuck(&mut self) -> bool {
        false
    }

    fn may_sleep(&mut self) -> bool {
        self.relay.helper.announce_sleep();
        self.relay.is_empty()
    }

    fn watch<'s>(&'s self, descriptors: &mut ArrayVec<PollFd<'s>, MOST_WATCHED>) {
        descriptors.push(PollFd::new(self.relay.helper.as_fd(), PollFlags::POLLIN));
    }
}
