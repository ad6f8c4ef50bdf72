//! A worker between two wires, and an audit after every turn.

use std::sync::Arc;
use std::time::Duration;

use sluice::config::Idle;
use sluice::pipeline::{Answers, End, Turn, WireConfig, WireHandle, WireWorker};
use sluice::sim::{MemHost, MemPort, audit_wire};
use sluice::xsk::{FrameCount, Heartbeat, RingSize, Umem};
use sluice_common::Side;
use sluice_common::answer::AnswerFrom;
use sluice_common::offload::GroConfig;
use sluice_common::reason::DropReason;
use sluice_common::stage::{Forward, Stage};

pub(crate) type Simulated<'u, S> = WireWorker<'u, MemPort<'u>, MemHost, S>;

pub(crate) fn umem(frames: u32) -> Umem {
    Umem::heap(FrameCount::new(frames).unwrap())
}

pub(crate) fn config(mtus: [u16; 2]) -> WireConfig {
    WireConfig {
        queue: 0,
        gro: GroConfig { hash_keys: [1, 2, 3, 4], ..GroConfig::default() },
        mtus,
        translate: true,
        flows: 64,
        answers: Answers { from: AnswerFrom::default(), per_second: 1_000 },
        idle: Idle::Adaptive,
        fail_open: Duration::from_millis(100),
    }
}

pub(crate) struct Rig<'u, S = Forward> {
    pub(crate) worker: Simulated<'u, S>,
    pub(crate) handle: WireHandle<S>,
    pub(crate) heartbeats: [Arc<Heartbeat>; 2],
    pub(crate) now: u64,
}

impl<'u> Rig<'u> {
    /// Both sides with the same MTU, and a stage that forwards.
    pub(crate) fn new(umem: &'u Umem, ring: u32) -> Self {
        Self::with(umem, ring, config([1500, 1500]), Forward)
    }
}

impl<'u, S: Stage> Rig<'u, S> {
    /// With rings of `ring` slots, filled.
    pub(crate) fn with(umem: &'u Umem, ring: u32, config: WireConfig, stage: S) -> Self {
        Self::made(umem, ring, config, stage, || None)
    }

    /// The same, each port with a socket.
    pub(crate) fn with_sockets(umem: &'u Umem, ring: u32, config: WireConfig, stage: S) -> Self {
        Self::made(umem, ring, config, stage, || Some(MemHost::default()))
    }

    fn made(
        umem: &'u Umem,
        ring: u32,
        config: WireConfig,
        stage: S,
        socket: fn() -> Option<MemHost>,
    ) -> Self {
        let heartbeats = [(); 2].map(|()| Arc::new(Heartbeat::unwatched(1).unwrap()));
        let beats = heartbeats.each_ref().map(|heartbeat| heartbeat.beat(0));
        let multi_buffer = config.mtus.iter().any(|&mtu| usize::from(mtu) > sluice::xsk::FRAME_MTU);
        let ports = [(); 2].map(|()| {
            let mut port = MemPort::new(RingSize::new(ring).unwrap());
            port.multi_buffer = multi_buffer;
            port.socket = socket();
            port
        });
        let host = MemHost::default();
        let (worker, handle) =
            WireWorker::new(config, umem.pool(), ports, host, stage, beats).unwrap();
        let mut rig = Self { worker, handle, heartbeats, now: 0 };
        rig.turn();
        rig
    }

    pub(crate) fn port(&mut self, side: Side) -> &mut MemPort<'u> {
        &mut self.worker.ports()[side.index()]
    }

    /// A packet comes in by `side`.
    #[track_caller]
    pub(crate) fn deliver(&mut self, side: Side, packet: &[u8]) {
        assert!(self.port(side).deliver(packet), "there is no room for it");
    }

    /// What has left through `side`, oldest first.
    pub(crate) fn left(&mut self, side: Side) -> Vec<Vec<u8>> {
        self.port(side).wire.iter().map(<[u8]>::to_vec).collect()
    }

    /// A microsecond passes, and the worker has a turn.
    pub(crate) fn turn(&mut self) -> Turn {
        self.now += 1_000;
        let turn = self.worker.turn(self.now);
        audit_wire(&mut self.worker, &[]).unwrap();
        turn
    }

    /// The same, where somebody else keeps a part of the books.
    pub(crate) fn turn_unaudited(&mut self) -> Turn {
        self.now += 1_000;
        self.worker.turn(self.now)
    }

    /// Turns until one moves nothing.
    pub(crate) fn settle(&mut self) {
        while self.turn() == Turn::Busy {}
    }

    /// Stops it, which takes less than a second.
    pub(crate) fn stop(&mut self) {
        let now = self.now;
        self.worker.begin_stop(End::Stopped, now);
        while self.turn() != Turn::Ended {
            self.now += 1_000_000;
            assert!(self.now - now < 1_000_000_000, "a second is over: {}", self.worker.ledger());
        }
    }

    pub(crate) fn dropped(&self, side: Side, reason: DropReason) -> u64 {
        self.worker.counts().sides[side.index()].dropped[reason.index()]
    }
}
