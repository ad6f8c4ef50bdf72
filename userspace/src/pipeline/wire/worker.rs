//! What a worker owns, and what one turn is.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use arrayvec::ArrayVec;
use nix::poll::{PollFd, PollFlags};
use sluice_common::Side;
use sluice_common::offload::{Buffer, GroConfig};
use sluice_common::reason::DropReason;
use sluice_common::stage::Stage;

use super::config::WireConfig;
use super::crew::Crew;
use super::desk::Desk;
use super::engine::Engine;
use super::handle::WireHandle;
use super::helper::WireHelper;
use super::no_host::NoHost;
use super::outbound::Outbound;
use super::relay::LENT;
use crate::observe::{Counts, Ledger};
use crate::pipeline::burst::Held;
use crate::pipeline::life::{Life, MOST_WATCHED, Work};
use crate::pipeline::run::run;
use crate::pipeline::stop::{End, Report, Stop};
use crate::pipeline::to_host::Backlog;
use crate::pipeline::worker::{BURST, Turn};
use crate::port::{FramePort, HostPort, Liveness, Rings};
use crate::xsk::{Beat, Frame, MAX_MTU, Packet, Pool};

/// Parts that the frames are shared in: coming in and going out, by either port. None can take another's, so that
/// each port always has frames to receive into and neither direction starves the other.
const PARTS: u32 = 4;

/// The worker of queue *i* of both ports, its frames and its counters.
///
/// [`turn`](Self::turn) is exactly one iteration of its loop and neither allocates nor blocks.
pub struct WireWorker<'u, N, T, S> {
    ports: [N; 2],
    host: T,
    pool: Pool<'u>,
    engine: Engine<'u, S>,
    outbound: [Outbound<'u>; 2],
    backlog: Backlog<'u>,
    life: Life,
    burst: Vec<Frame<'u, Packet>>,
    /// Of a burst, what belongs to no helper.
    own: Vec<Frame<'u, Packet>>,
    /// Frames of each of the four parts.
    share: usize,
    config: WireConfig,
    /// Whom flows are handed to.
    crew: Option<Crew<'u>>,
}

impl<'u, N: FramePort<'u>, T: HostPort, S: Stage> WireWorker<'u, N, T, S> {
    /// A worker that owns `pool` and the ports, and the handle to talk to it. `beats` are the signs of life that
    /// the ports' XDP programs look for. All its memory is allocated here.
    ///
    /// # Errors
    /// The kernel gives no descriptor to wake it with.
    pub fn new(
        mut config: WireConfig,
        pool: Pool<'u>,
        mut ports: [N; 2],
        host: T,
        stage: S,
        beats: [Beat; 2],
    ) -> io::Result<(Self, WireHandle<S>)> {
        config.mtus = config.mtus.map(|mtu| mtu.min(MAX_MTU as u16));
        config.gro.spare_trains = config.gro.spare_trains.max(2 * BURST);
        let (life, handle) =
            Life::new(config.queue, config.idle, config.fail_open, beats.into_iter().collect())?;
        let share = (pool.umem().frames().get() / PARTS).max(1) as usize;
        let (engine, settler) = Engine::new(&config, stage);
        let worker = Self {
            engine,
            outbound: ports.each_mut().map(|port| Outbound::through(port, share)),
            backlog: Backlog::new(config.gro.flows, share as u32),
            ports,
            host,
            pool,
            life,
            burst: Vec::with_capacity(BURST),
            own: Vec::with_capacity(BURST),
            share,
            config,
            crew: None,
        };
        Ok((worker, WireHandle::new(handle, settler)))
    }

    /// Another worker that flows are handed to from now on, and the handle to talk to it; `number` is what reports
    /// call it by instead of a queue. Call it before the first turn: what is held here by then would be overtaken.
    ///
    /// # Errors
    /// The kernel gives no descriptors to wake them with.
    pub fn helper(
        &mut self,
        number: u32,
        stage: S,
    ) -> io::Result<(WireHelper<'u, S>, WireHandle<S>)> {
        let most = self.share / 2;
        if self.crew.is_none() {
            self.crew = Some(Crew::new(&self.config.gro, most)?);
        }
        let Some(crew) = &mut self.crew else { unreachable!("made just now") };
        let (relay, owner) = (crew.add()?, Arc::clone(&crew.owner));
        // What is lent comes from all four parts.
        self.share = (self.share * PARTS as usize).saturating_sub(LENT) / PARTS as usize;
        let WireConfig { idle, fail_open, gro, .. } = self.config;
        let (life, handle) = Life::new(number, idle, fail_open, ArrayVec::new())?;
        let (engine, settler) = Engine::new(&self.config, stage);
        let helper = WireHelper {
            relay,
            owner,
            engine,
            pool: self.pool.branch(),
            outbound: [(); 2].map(|()| Outbound::by_ring(most + LENT)),
            host: NoHost,
            backlog: Backlog::new(gro.flows, 0),
            life,
            bursts: [(); 2].map(|()| Vec::with_capacity(BURST)),
            most_held: most / 2,
        };
        Ok((helper, WireHandle::new(handle, settler)))
    }

    /// What came in by `side`.
    fn receive(&mut self, side: Side, now: u64) -> usize {
        let port = &mut self.ports[side.index()];
        let taken = port.receive(&mut self.pool, &mut self.burst, now);
        let counts = &mut self.life.counts.sides[side.index()];
        counts.received_packets += (taken.packets + taken.too_long) as u64;
        counts.received_bytes += self.burst.iter().map(|one| one.total_len() as u64).sum::<u64>();
        counts.dropped[DropReason::TooManyPieces.index()] += taken.too_long as u64;
        self.share_out(side);
        let held = Held { most: self.share / 2, stopping: self.life.is_stopping() };
        let (engine, burst, desk) = self.parts();
        engine.take(side, burst, held, now, desk);
        taken.packets + taken.too_long
    }

    /// Leaves on the burst what belongs to no helper.
    fn share_out(&mut self, side: Side) {
        let Some(crew) = &mut self.crew else { return };
        for packet in self.burst.drain(..) {
            let own = crew.share(side, packet, &mut self.pool, &mut self.life.counts);
            self.own.extend(own);
        }
        std::mem::swap(&mut self.burst, &mut self.own);
    }

    /// What handles packets, what has come, and what they are handled with.
    fn parts(&mut self) -> (&mut Engine<'u, S>, &mut Vec<Frame<'u, Packet>>, Desk<'_, 'u, T>) {
        let desk = Desk {
            pool: &mut self.pool,
            outbound: &mut self.outbound,
            host: &mut self.host,
            backlog: &mut self.backlog,
            counts: &mut self.life.counts,
            latency: &mut self.life.latency,
        };
        (&mut self.engine, &mut self.burst, desk)
    }

    /// What comes back from helpers.
    fn welcome_home(&mut self) -> usize {
        let Some(crew) = &mut self.crew else { return 0 };
        crew.owner.awake();
        crew.exchange(&mut self.pool, &mut self.outbound, &mut self.life.counts)
    }

    /// What waits for the local kernel, if a stage has handed it anything.
    fn retry_host(&mut self) {
        self.parts().2.way_to_host().retry();
        self.engine.recycle_spent(self.backlog.spent());
    }

    /// What is to leave through `side`.
    fn leave(&mut self, side: Side) -> usize {
        let counts = &mut self.life.counts.sides[side.index()];
        let outbound = &mut self.outbound[side.index()];
        let left = outbound.leave(&mut self.ports[side.index()], &mut self.pool, counts);
        self.engine.recycle_spent(outbound.spent());
        left
    }

    /// Whether something waits that there are slots for now.
    fn may_leave(&mut self, side: Side) -> bool {
        let slots = self.ports[side.index()].transmit_room();
        self.outbound[side.index()].has_one_for(slots)
    }

    /// Lets the kernel receive on at `side`, as far as its share goes.
    fn refill(&mut self, side: Side) {
        let handed = self.crew.as_ref().map_or(0, Crew::handed);
        let held = self.engine.held_frames(side) + handed;
        self.ports[side.index()].fill(&mut self.pool, self.share.saturating_sub(held));
    }

    /// Where every frame is.
    #[must_use]
    pub fn ledger(&mut self) -> Ledger {
        let umem = self.pool.umem();
        let [a, b] = self.ports.each_mut().map(FramePort::rings);
        let held: usize = Side::BOTH.iter().map(|&side| self.engine.held_frames(side)).sum();
        let staged: usize = self.outbound.iter().map(Outbound::frames).sum();
        Ledger {
            total: umem.frames().get(),
            free: self.pool.len() as u32,
            held: held as u32,
            backlog: (staged + self.backlog.frames()) as u32,
            handed: self.crew.as_ref().map_or(0, Crew::away) as u32,
            rings: Rings {
                fill: a.fill + b.fill,
                receive: a.receive + b.receive,
                transmit: a.transmit + b.transmit,
                completion: a.completion + b.completion,
            },
            lost: umem.lost(),
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.life.counts
    }

    /// Packets that came in by `side` and are held.
    #[must_use]
    pub fn held(&self, side: Side) -> usize {
        self.engine.held(side)
    }

    /// Packets that wait for slots to leave through `side`.
    #[must_use]
    pub fn waiting(&self, side: Side) -> usize {
        self.outbound[side.index()].packets()
    }

    /// Its ports, for tests that are the other ends.
    pub const fn ports(&mut self) -> &mut [N; 2] {
        &mut self.ports
    }

    /// The local kernel, for tests that are it.
    pub const fn host(&mut self) -> &mut T {
        &mut self.host
    }
}

impl<'u, N, T, S> WireWorker<'u, N, T, S>
where
    N: FramePort<'u> + AsFd,
    T: HostPort,
    S: Stage,
{
    /// One iteration. `now` is the time in nanoseconds of `CLOCK_MONOTONIC`, read once.
    pub fn turn(&mut self, now: u64) -> Turn {
        Work::turn(self, now)
    }

    /// Begins to end. What has come in leaves, and what cannot within a fifth of a second is dropped and counted.
    pub fn begin_stop(&mut self, end: End, now: u64) {
        Stop::begin_stop(self, end, now);
    }

    /// Works until it is told to stop, or a port vanishes.
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

impl<'u, N, T, S> Work for WireWorker<'u, N, T, S>
where
    N: FramePort<'u> + AsFd,
    T: HostPort,
    S: Stage,
{
    fn life(&mut self) -> &mut Life {
        &mut self.life
    }

    fn work(&mut self, now: u64) -> usize {
        let mut moved = 0;
        for (port, outbound) in self.ports.iter_mut().zip(&mut self.outbound) {
            moved += port.complete(&mut self.pool);
            outbound.look(port);
        }
        self.retry_host();
        moved += self.welcome_home();
        moved += Side::BOTH.map(|side| self.receive(side, now)).iter().sum::<usize>();
        moved += Side::BOTH.map(|side| self.leave(side)).iter().sum::<usize>();
        Side::BOTH.iter().for_each(|&side| self.refill(side));
        if let Some(crew) = &mut self.crew {
            crew.prompt(&mut self.pool);
        }
        let gone = self.ports.iter_mut().map(FramePort::doorbell);
        if gone.filter(|&liveness| liveness == Liveness::Gone).count() > 0 {
            self.begin_stop(End::WireGone, now);
        }
        // A wake-up has made room for what waits: nothing else would tell.
        moved + Side::BOTH.map(|side| usize::from(self.may_leave(side))).iter().sum::<usize>()
    }

    fn gauge(&mut self) {
        for (port, counts) in self.ports.iter_mut().zip(&mut self.life.counts.sides) {
            counts.statistics = port.statistics();
        }
        self.life.counts.ledger = self.ledger();
        self.engine.settle();
    }

    fn switch(&mut self, gro: &GroConfig, now: u64) {
        let (engine, _, desk) = self.parts();
        engine.switch(gro, now, desk);
    }

    fn is_drained(&mut self, end: End) -> bool {
        let nothing_here =
            Side::BOTH.iter().all(|&side| self.held(side) == 0) && self.backlog.frames() == 0;
        let nothing_to_send = Side::BOTH.iter().all(|&side| self.waiting(side) == 0)
            && self.ports.iter().all(|port| port.outbound() == 0);
        let rests = nothing_here && (nothing_to_send || end == End::WireGone);
        // Nothing comes any more, so nothing has to be handed over.
        rests
            && self.crew.as_mut().is_none_or(|crew| {
                crew.close();
                crew.away() == 0
            })
    }

    fn abandon(&mut self) {
        self.parts().2.way_to_host().abandon();
        if let Some(crew) = &mut self.crew {
            crew.recall(&mut self.pool);
        }
        for (outbound, counts) in self.outbound.iter_mut().zip(&mut self.life.counts.sides) {
            counts.unsent_packets += outbound.abandon(&mut self.pool) as u64;
        }
    }

    fn deadline(&self) -> Option<u64> {
        self.engine.deadline()
    }

    fn is_stuck(&mut self) -> bool {
        let waits = Side::BOTH.iter().any(|&side| self.waiting(side) > 0);
        waits
            || self.backlog.frames() > 0
            || self.ports.iter_mut().any(|port| port.rings().transmit > 0)
    }

    fn may_sleep(&mut self) -> bool {
        self.crew.as_ref().is_none_or(|crew| {
            crew.owner.announce_sleep();
            crew.is_quiet()
        })
    }

    fn watch<'s>(&'s self, descriptors: &mut ArrayVec<PollFd<'s>, MOST_WATCHED>) {
        let crew = self.crew.iter().map(|crew| PollFd::new(crew.owner.as_fd(), PollFlags::POLLIN));
        descriptors.extend(crew);
        descriptors
            .extend(self.ports.iter().map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN)));
    }
}
