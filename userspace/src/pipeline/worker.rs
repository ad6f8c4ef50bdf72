//! What a worker owns, and what one turn is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sluice_common::offload::{Buffer, Coalescer, GroConfig};
use sluice_common::reason::{DropReason, FlushReason};

use super::command::{Command, Handle, Mailbox};
use super::idle::IdlePolicy;
use super::stop::{End, Phase};
use super::to_host::{Backlog, SLICES, ToHost};
use super::to_wire::Outbox;
use crate::config;
use crate::observe::{Counts, Latency, Ledger, WorkerCounters};
use crate::port::{FramePort, HostPort, Liveness, NextHops};
use crate::xsk::{Beat, Frame, MAX_MTU, Packet, Pool};

/// Packets moved in each direction in one turn. Fewer, and a turn's fixed cost shows; more, and a
/// burst in one direction makes the other wait.
pub(super) const BURST: usize = 64;

/// Nanoseconds between two signs of life: a hundredth of the default fail-open time, and long enough
/// that workers do not fight for the cache line.
const BEAT_EVERY: u64 = 1_000_000;

/// Nanoseconds between two rounds of housekeeping. Counters are looked at by people; a command may
/// wait this long.
const HOUSEKEEPING_EVERY: u64 = 10_000_000;

/// How a worker is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The queue it owns of every port.
    pub queue: u32,
    /// How it coalesces.
    pub gro: GroConfig,
    /// Largest IP packet on the wire, in bytes; not above [`MAX_MTU`].
    pub mtu: usize,
    /// What it does when there is nothing to do.
    pub idle: config::Idle,
    /// How old its sign of life may get.
    pub fail_open: Duration,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It moved something.
    Busy,
    /// There was nothing to do.
    Idle,
    /// The worker has ended: [`Worker::report`] says why, and where its frames are.
    Ended,
}

/// One worker: queue *i* of every port, its frames and its counters.
///
/// [`turn`](Self::turn) is exactly one iteration of its loop and neither allocates nor blocks.
pub struct Worker<'u, N, T, R> {
    pub(super) config: WorkerConfig,
    pub(super) wire: N,
    pub(super) host: T,
    pub(super) hops: R,
    pub(super) pool: Pool<'u>,
    pub(super) coalescer: Coalescer<Frame<'u, Packet>>,
    pub(super) backlog: Backlog<'u>,
    pub(super) outbox: Outbox<'u>,
    pub(super) idle: IdlePolicy,
    pub(super) phase: Phase,
    pub(super) counts: Counts,
    pub(super) latency: Latency,
    pub(super) mailbox: Mailbox,
    burst: Vec<Frame<'u, Packet>>,
    beat: Beat,
    beaten: u64,
    housekept: u64,
}

impl<'u, N: FramePort<'u>, T: HostPort, R: NextHops> Worker<'u, N, T, R> {
    /// A worker that owns `pool` and the ports, and the handle to talk to it. All its memory is
    /// allocated here.
    ///
    /// # Errors
    /// The kernel gives no descriptor to wake it with.
    pub fn new(
        config: WorkerConfig,
        pool: Pool<'u>,
        wire: N,
        host: T,
        hops: R,
        beat: Beat,
    ) -> io::Result<(Self, Handle)> {
        let config = within_limits::<T>(config);
        let counters = Arc::new(WorkerCounters::default());
        let (handle, mailbox) = Handle::new(config.queue, counters)?;
        let worker = Self {
            coalescer: Coalescer::new(config.gro),
            backlog: Backlog::new(config.gro.flows, pool.umem().reserve()),
            outbox: Outbox::new(wire.transmit_slots().min(pool.umem().reserve() as usize)),
            wire,
            host,
            hops,
            pool,
            idle: IdlePolicy::new(config.idle, config.fail_open),
            phase: Phase::Running,
            counts: Counts::default(),
            latency: Latency::default(),
            mailbox,
            burst: Vec::with_capacity(BURST),
            beat,
            beaten: 0,
            housekept: 0,
            config,
        };
        Ok((worker, handle))
    }

    /// One iteration. `now` is the time in nanoseconds of `CLOCK_MONOTONIC`, read once.
    pub fn turn(&mut self, now: u64) -> Turn {
        if matches!(self.phase, Phase::Ended(_)) {
            return Turn::Ended;
        }
        self.counts.turns += 1;
        self.latency.settle(now);
        self.give_sign_of_life(now);
        let back = self.wire.complete(&mut self.pool);
        let moved = self.receive(now) + self.send(now) + back;
        self.refill();
        if self.wire.doorbell() == Liveness::Gone {
            self.begin_stop(End::WireGone, now);
        }
        self.counts.busy_turns += u64::from(moved > 0);
        if now.saturating_sub(self.housekept) >= HOUSEKEEPING_EVERY {
            self.housekeep(now);
        }
        self.conclude(moved, now)
    }

    /// Wire → host. Returns how many packets came in or went out of the backlog.
    fn receive(&mut self, now: u64) -> usize {
        let mut out = ToHost {
            host: &mut self.host,
            pool: &mut self.pool,
            backlog: &mut self.backlog,
            counts: &mut self.counts,
            latency: &mut self.latency,
        };
        let before = out.counts.to_host_packets;
        out.retry();
        let taken = self.wire.receive(out.pool, &mut self.burst, now);
        out.counts.from_wire_packets += taken.too_long as u64;
        out.counts.dropped_inbound[DropReason::TooManyPieces.index()] += taken.too_long as u64;
        for packet in self.burst.drain(..) {
            out.counts.from_wire_packets += 1;
            out.counts.from_wire_bytes += packet.total_len() as u64;
            self.coalescer.push(packet, now, &mut out);
            out.recycle(&mut self.coalescer);
        }
        self.coalescer.end_of_burst(now, &mut out);
        if self.coalescer.held_pieces() > out.backlog.limit() {
            self.coalescer.flush(FlushReason::Capacity, &mut out);
        }
        if self.phase != Phase::Running {
            self.coalescer.flush(FlushReason::Shutdown, &mut out);
        }
        out.recycle(&mut self.coalescer);
        (taken.packets + taken.too_long).max((out.counts.to_host_packets - before) as usize)
    }

    /// Keeps the fill ring full, as far as the frames on their way in leave the reserve alone.
    fn refill(&mut self) {
        let umem = self.pool.umem();
        let most = (umem.frames().get() - umem.reserve()) as usize;
        let held = self.coalescer.held_pieces() + self.backlog.frames();
        let inbound = self.wire.rings().inbound() as usize + held;
        self.wire.fill(&mut self.pool, most.saturating_sub(inbound));
    }

    fn give_sign_of_life(&mut self, now: u64) {
        let due = now.saturating_sub(self.beaten) >= BEAT_EVERY || self.beaten == 0;
        if due && self.phase == Phase::Running {
            self.beat.alive(now);
            self.beaten = now;
        }
    }

    pub(super) fn end_sign_of_life(&self) {
        self.beat.stop();
    }

    /// Publishes the counts and does what it is told; no more can be waiting than the mailbox holds.
    pub(super) fn housekeep(&mut self, now: u64) {
        self.housekept = now;
        self.counts.statistics = self.wire.statistics();
        self.counts.ledger = self.ledger();
        self.mailbox.counters.publish(&self.counts);
        while let Some(command) = self.mailbox.take() {
            match command {
                Command::Stop => self.begin_stop(End::Stopped, now),
                Command::Times(empty) => self.mailbox.answer(self.latency.swap(empty)),
                Command::Switch(gro) => self.switch(&gro),
            }
        }
    }

    /// Coalesces by `gro` from the next packet on. What is held goes to the host first, behind what waits
    /// there already, so that nothing changes places.
    fn switch(&mut self, gro: &GroConfig) {
        let mut out = ToHost {
            host: &mut self.host,
            pool: &mut self.pool,
            backlog: &mut self.backlog,
            counts: &mut self.counts,
            latency: &mut self.latency,
        };
        self.coalescer.switch(gro, &mut out);
        out.recycle(&mut self.coalescer);
        self.mailbox.has_switched();
    }

    /// A command is there: the next turn looks.
    pub(super) const fn expect_command(&mut self) {
        self.housekept = 0;
    }

    /// Whether it gives no sign of life any more.
    pub(super) fn is_stopping(&self) -> bool {
        self.phase != Phase::Running
    }

    /// Where every frame is.
    #[must_use]
    pub fn ledger(&mut self) -> Ledger {
        let umem = self.pool.umem();
        Ledger {
            total: umem.frames().get(),
            free: self.pool.len() as u32,
            held: self.coalescer.held_pieces() as u32,
            backlog: self.backlog.frames() as u32,
            rings: self.wire.rings(),
            lost: umem.lost(),
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Received packets that have not gone to the host yet: those in trains, and the backlog's.
    #[must_use]
    pub fn here(&self) -> usize {
        self.coalescer.held() + self.backlog.packets()
    }

    /// Whether a packet of the host waits for frames or slots.
    #[must_use]
    pub const fn has_waiting(&self) -> bool {
        self.outbox.is_waiting()
    }

    /// Its ports and next hops, for tests that are the other side.
    pub const fn sides(&mut self) -> (&mut N, &mut T, &mut R) {
        (&mut self.wire, &mut self.host, &mut self.hops)
    }
}

/// What no port can do is not asked for.
fn within_limits<T: HostPort>(mut config: WorkerConfig) -> WorkerConfig {
    config.mtu = config.mtu.min(MAX_MTU);
    config.gro.max_segments = config.gro.max_segments.clamp(1, SLICES.min(T::MAX_SLICES) - 1);
    config.gro.spare_trains = config.gro.spare_trains.max(2 * BURST);
    config
}
