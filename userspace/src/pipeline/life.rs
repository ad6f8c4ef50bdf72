//! What every worker has besides its work: signs of life, counts, commands, an end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use nix::poll::PollFd;
use sluice_common::offload::GroConfig;

use super::command::{Command, Handle, Mailbox};
use super::idle::IdlePolicy;
use super::stop::{End, Phase, Stop};
use super::worker::Turn;
use crate::config::Idle;
use crate::observe::{Counts, Latency, WorkerCounters};
use crate::xsk::Beat;

/// Nanoseconds between two signs of life: a hundredth of the default fail-open time, and long enough
/// that workers do not fight for the cache line.
const BEAT_EVERY: u64 = 1_000_000;

/// Nanoseconds between two rounds of housekeeping. Counters are looked at by people; a command may
/// wait this long.
const HOUSEKEEPING_EVERY: u64 = 10_000_000;

/// Most descriptors that wake a sleeping worker: its handle's, those of its ports, and its helpers'.
pub(super) const MOST_WATCHED: usize = 4;

/// A worker but for its work.
pub(super) struct Life {
    pub(super) phase: Phase,
    pub(super) counts: Counts,
    pub(super) latency: Latency,
    pub(super) mailbox: Mailbox,
    pub(super) idle: IdlePolicy,
    pub(super) queue: u32,
    /// One for each XDP program that steers to it.
    beats: ArrayVec<Beat, 2>,
    beaten: u64,
    housekept: u64,
}

impl Life {
    /// The life of the worker of `queue`, and the handle to talk to it.
    ///
    /// # Errors
    /// The kernel gives no descriptor to wake it with.
    pub(super) fn new(
        queue: u32,
        idle: Idle,
        fail_open: Duration,
        beats: ArrayVec<Beat, 2>,
    ) -> io::Result<(Self, Handle)> {
        let counters = Arc::new(WorkerCounters::default());
        let (handle, mailbox) = Handle::new(queue, counters)?;
        let life = Self {
            phase: Phase::Running,
            counts: Counts::default(),
            latency: Latency::default(),
            mailbox,
            idle: IdlePolicy::new(idle, fail_open),
            queue,
            beats,
            beaten: 0,
            housekept: 0,
        };
        Ok((life, handle))
    }

    fn begin_turn(&mut self, now: u64) {
        self.counts.turns += 1;
        self.latency.settle(now);
        let due = now.saturating_sub(self.beaten) >= BEAT_EVERY || self.beaten == 0;
        if due && self.phase == Phase::Running {
            self.beats.iter().for_each(|beat| beat.alive(now));
            self.beaten = now;
        }
    }

    pub(super) fn end_signs_of_life(&self) {
        self.beats.iter().for_each(Beat::stop);
    }

    /// Whether it gives no sign of life any more.
    pub(super) fn is_stopping(&self) -> bool {
        self.phase != Phase::Running
    }

    /// A command is there: the next turn looks.
    pub(super) const fn expect_command(&mut self) {
        self.housekept = 0;
    }
}

/// What differs between workers. The rest is made of it.
pub(super) trait Work {
    fn life(&mut self) -> &mut Life;

    /// Moves what there is to move at `now`. Returns how many packets; none says that there was nothing to do.
    fn work(&mut self, now: u64) -> usize;

    /// Brings the counts up to date that are looked up and not counted: statistics and ledger.
    fn gauge(&mut self);

    /// Coalesces by `gro` from the next packet on. What is held goes first, behind what waits already, so that
    /// nothing changes places.
    fn switch(&mut self, gro: &GroConfig, now: u64);

    /// Whether nothing is left that could go anywhere, where `end` is why the worker ends.
    fn is_drained(&mut self, end: End) -> bool;

    /// Drops what is left, with a reason.
    fn abandon(&mut self);

    /// When there is something to do even if nothing comes.
    fn deadline(&self) -> Option<u64>;

    /// Whether something waits for the other side, of which nothing wakes a worker.
    fn is_stuck(&mut self) -> bool;

    /// It is about to sleep: whether it may, nobody having given it something to do meanwhile.
    fn may_sleep(&mut self) -> bool {
        true
    }

    /// Adds what wakes a worker that sleeps.
    fn watch<'s>(&'s self, descriptors: &mut ArrayVec<PollFd<'s>, MOST_WATCHED>);

    /// One iteration.
    fn turn(&mut self, now: u64) -> Turn {
        if matches!(self.life().phase, Phase::Ended(_)) {
            return Turn::Ended;
        }
        self.life().begin_turn(now);
        let moved = self.work(now);
        let life = self.life();
        life.counts.busy_turns += u64::from(moved > 0);
        if now.saturating_sub(life.housekept) >= HOUSEKEEPING_EVERY {
            self.housekeep(now);
        }
        self.conclude(moved, now)
    }

    /// Publishes the counts and does what it is told; no more can be waiting than the mailbox holds.
    fn housekeep(&mut self, now: u64) {
        self.gauge();
        let life = self.life();
        life.housekept = now;
        life.mailbox.counters.publish(&life.counts);
        while let Some(command) = self.life().mailbox.take() {
            match command {
                Command::Stop => self.begin_stop(End::Stopped, now),
                Command::Times(empty) => {
                    let life = self.life();
                    life.mailbox.answer(life.latency.swap(empty));
                }
                Command::Switch(gro) => {
                    self.switch(&gro, now);
                    self.life().mailbox.has_switched();
                }
            }
        }
    }
}
