//! What a worker owns, and what one turn is.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use arrayvec::ArrayVec;
use nix::poll::{PollFd, PollFlags};
use sluice_common::offload::{Buffer, Coalescer, GroConfig};
use sluice_common::reason::DropReason;

use super::burst::{Held, Outlet, take};
use super::command::Handle;
use super::give::SLICES;
use super::life::{Life, MOST_WATCHED, Work};
use super::run::run;
use super::stop::{End, Report, Stop};
use super::to_host::{Backlog, ToHost};
use super::to_wire::Outbox;
use crate::config;
use crate::observe::{Counts, Ledger};
use crate::port::{FramePort, HostPort, Liveness, NextHops};
use crate::xsk::{Beat, Frame, MAX_MTU, Packet, Pool};

/// Packets moved in each direction in one turn. Fewer, and a turn's fixed cost shows; more, and a
/// burst in one direction makes the other wait.
pub(super) const BURST: usize = 64;

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
    pub(super) life: Life,
    burst: Vec<Frame<'u, Packet>>,
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
        let beats = [beat].into_iter().collect();
        let (life, handle) = Life::new(config.queue, config.idle, config.fail_open, beats)?;
        let worker = Self {
            coalescer: Coalescer::new(config.gro),
            backlog: Backlog::new(config.gro.flows, pool.umem().reserve()),
            outbox: Outbox::new(wire.transmit_slots().min(pool.umem().reserve() as usize)),
            wire,
            host,
            hops,
            pool,
            life,
            burst: Vec::with_capacity(BURST),
            config,
        };
        Ok((worker, handle))
    }

    /// Wire → host. Returns how many packets came in or went out of the backlog.
    fn receive(&mut self, now: u64) -> usize {
        let before = self.life.counts.to_host_packets;
        self.inbound().2.retry();
        let taken = self.wire.receive(&mut self.pool, &mut self.burst, now);
        let came_in = taken.packets + taken.too_long;
        let counts = &mut self.life.counts;
        counts.from_wire_packets += came_in as u64;
        counts.from_wire_bytes += self.burst.iter().map(|one| one.total_len() as u64).sum::<u64>();
        counts.dropped_inbound[DropReason::TooManyPieces.index()] += taken.too_long as u64;
        let held = Held { most: self.backlog.limit(), stopping: self.life.is_stopping() };
        let (coalescer, burst, mut out) = self.inbound();
        take(coalescer, burst, held, now, &mut out);
        came_in.max((self.life.counts.to_host_packets - before) as usize)
    }

    /// What holds received packets, what has come, and the way to the host.
    fn inbound(
        &mut self,
    ) -> (&mut Coalescer<Frame<'u, Packet>>, &mut Vec<Frame<'u, Packet>>, ToHost<'_, 'u, T>) {
        let out = ToHost {
            host: &mut self.host,
            pool: &mut self.pool,
            backlog: &mut self.backlog,
            counts: &mut self.life.counts,
            latency: &mut self.life.latency,
        };
        (&mut self.coalescer, &mut self.burst, out)
    }

    /// Lets the kernel receive on, as far as the frames on their way in leave the reserve alone.
    fn refill(&mut self) {
        let umem = self.pool.umem();
        let most = (umem.frames().get() - umem.reserve()) as usize;
        let held = self.coalescer.held_pieces() + self.backlog.frames();
        self.wire.fill(&mut self.pool, most.saturating_sub(held));
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
            handed: 0,
            rings: self.wire.rings(),
            lost: umem.lost(),
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.life.counts
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

impl<'u, N, T, R> Worker<'u, N, T, R>
where
    N: FramePort<'u> + AsFd,
    T: HostPort + AsFd,
    R: NextHops,
{
    /// One iteration. `now` is the time in nanoseconds of `CLOCK_MONOTONIC`, read once.
    pub fn turn(&mut self, now: u64) -> Turn {
        Work::turn(self, now)
    }

    /// Begins to end. What has been received is handed over, what the host has sent is sent, and
    /// what cannot go within a fifth of a second is dropped and counted.
    pub fn begin_stop(&mut self, end: End, now: u64) {
        Stop::begin_stop(self, end, now);
    }

    /// Works until it is told to stop, or a device vanishes.
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
}

impl<'u, N, T, R> Work for Worker<'u, N, T, R>
where
    N: FramePort<'u> + AsFd,
    T: HostPort + AsFd,
    R: NextHops,
{
    fn life(&mut self) -> &mut Life {
        &mut self.life
    }

    fn work(&mut self, now: u64) -> usize {
        let back = self.wire.complete(&mut self.pool);
        let moved = self.receive(now) + self.send(now) + back;
        self.refill();
        if self.wire.doorbell() == Liveness::Gone {
            self.begin_stop(End::WireGone, now);
        }
        moved
    }

    fn gauge(&mut self) {
        self.life.counts.statistics = self.wire.statistics();
        self.life.counts.ledger = self.ledger();
    }

    fn switch(&mut self, gro: &GroConfig, _now: u64) {
        let (coalescer, _, mut out) = self.inbound();
        coalescer.switch(gro, &mut out);
        out.recycle(coalescer);
    }

    fn is_drained(&mut self, end: End) -> bool {
        let nothing_to_hand_over = self.backlog.frames() == 0 && self.coalescer.held() == 0;
        let nothing_to_send = !self.has_waiting() && self.wire.outbound() == 0;
        nothing_to_hand_over && (nothing_to_send || end == End::WireGone)
    }

    fn abandon(&mut self) {
        let (coalescer, _, mut out) = self.inbound();
        out.abandon();
        out.recycle(coalescer);
        self.abandon_waiting();
    }

    fn deadline(&self) -> Option<u64> {
        self.coalescer.deadline()
    }

    fn is_stuck(&mut self) -> bool {
        self.wire.rings().transmit > 0 || self.has_waiting() || self.backlog.frames() > 0
    }

    fn watch<'s>(&'s self, descriptors: &mut ArrayVec<PollFd<'s>, MOST_WATCHED>) {
        descriptors.push(PollFd::new(self.wire.as_fd(), PollFlags::POLLIN));
        // A packet of the host waits: more of them change nothing.
        if !self.has_waiting() {
            descriptors.push(PollFd::new(self.host.as_fd(), PollFlags::POLLIN));
        }
    }
}

/// What no port can do is not asked for.
fn within_limits<T: HostPort>(mut config: WorkerConfig) -> WorkerConfig {
    config.mtu = config.mtu.min(MAX_MTU);
    config.gro.max_segments = config.gro.max_segments.clamp(1, SLICES.min(T::MAX_SLICES) - 1);
    config.gro.spare_trains = config.gro.spare_trains.max(2 * BURST);
    config
}
