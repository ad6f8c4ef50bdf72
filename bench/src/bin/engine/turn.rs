//! A whole worker in wire mode, between two ports made of memory.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use sluice::config::Idle;
use sluice::pipeline::{Answers, NoHost, WireConfig, WireWorker};
use sluice::port::FramePort;
use sluice::sim::MemPort;
use sluice::xsk::{Frame, FrameCount, Heartbeat, Packet, Pool, RingSize, Umem};
use sluice_bench::MSS;
use sluice_bench::link::pin;
use sluice_bench::meter::Stopwatch;
use sluice_bench::said::Said;
use sluice_bench::stream::{FILL, FRAME, HEADER, Header, Stream};
use sluice_common::answer::AnswerFrom;
use sluice_common::offload::{GroConfig, Hold};
use sluice_common::stage::Forward;

use crate::Load;

/// Turns of a worker that forwards, its checksums verified. What the other ends of the ports do is left out: packets
/// are delivered, and those that were sent collected, while the time does not count.
#[derive(Debug, clap::Args)]
pub(crate) struct Turn {
    #[command(flatten)]
    load: Load,
    #[arg(long, value_enum, default_value_t = By::Sluice)]
    by: By,
    /// A worker on each of these CPUs, all at the same time; without it, one worker.
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<usize>,
}

/// Who does it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The worker.
    Sluice,
    /// The limit: the same ring operations on the same ports, and nothing in between.
    Rings,
}

/// The default of the configuration, on either side.
const FRAMES: u32 = 8192;
const RING: u32 = 2048;
/// Packets that a worker takes from a port in one turn.
const BURST: usize = 64;
/// Nanoseconds of virtual time a turn lasts.
const TURN: u64 = 5_000;

impl Turn {
    /// The rates of all workers together.
    pub(crate) fn measure(&self) -> Result<Said> {
        let each = if self.cpus.is_empty() { vec![self.one()] } else { self.on_all_cpus()? };
        let rate = each.iter().map(|nanoseconds| 1000.0 / nanoseconds).sum();
        let mean = each.iter().sum::<f64>() / each.len() as f64;
        Ok(Said::value(rate).and("ns_per_packet", mean))
    }

    fn on_all_cpus(&self) -> Result<Vec<f64>> {
        let ready = Barrier::new(self.cpus.len());
        let worker = &|cpu| {
            let pinned = pin(cpu);
            // Also who cannot measure: the others wait for all.
            ready.wait();
            pinned.map(|()| self.one())
        };
        thread::scope(|scope| {
            let workers: Vec<_> =
                self.cpus.iter().map(|&cpu| scope.spawn(move || worker(cpu))).collect();
            workers.into_iter().map(|worker| worker.join().expect("it does not panic")).collect()
        })
    }

    /// Nanoseconds a packet, of one worker that has everything to itself.
    fn one(&self) -> f64 {
        let umem = Umem::heap(FrameCount::new(2 * FRAMES).expect("a power of two"));
        match self.by {
            By::Sluice => self.worker(&umem),
            By::Rings => self.rings(&umem),
        }
    }

    fn worker(&self, umem: &Umem) -> f64 {
        let heartbeats = [(); 2].map(|()| Arc::new(Heartbeat::unwatched(1).expect("memory")));
        let beats = heartbeats.each_ref().map(|heartbeat| heartbeat.beat(0));
        let (pool, host) = (umem.pool(), NoHost);
        let made = WireWorker::new(config(), pool, ports(), host, Forward, beats);
        // While there is a handle the worker goes on.
        let (mut worker, _handle) = made.expect("descriptors");
        let mut now = TURN;
        worker.turn(now);
        self.passes(|headers, packet, stopwatch| {
            worker.ports().iter_mut().for_each(|port| deliver(port, headers, packet));
            now += TURN;
            stopwatch.time(|| worker.turn(now));
            worker.ports().iter_mut().for_each(send);
        })
    }

    fn rings(&self, umem: &Umem) -> f64 {
        let (mut pool, mut ports) = (umem.pool(), ports());
        let mut burst = Vec::with_capacity(BURST);
        turn_rings(&mut ports, &mut pool, &mut burst);
        self.passes(|headers, packet, stopwatch| {
            ports.iter_mut().for_each(|port| deliver(port, headers, packet));
            stopwatch.time(|| turn_rings(&mut ports, &mut pool, &mut burst));
            ports.iter_mut().for_each(send);
        })
    }

    /// Both ports get the same bursts.
    fn passes(&self, mut turn: impl FnMut(&[Header], &mut [u8], &mut Stopwatch)) -> f64 {
        let stream = Stream::of(self.load.flows());
        let mut packet = vec![FILL; HEADER + MSS];
        debug_assert_eq!(packet.len(), FRAME);
        self.load.meter().median(2 * stream.len(), |stopwatch| {
            for headers in stream.bursts(self.load.burst().min(BURST)) {
                turn(headers, &mut packet, stopwatch);
            }
        })
    }
}

fn config() -> WireConfig {
    WireConfig {
        queue: 0,
        gro: GroConfig { hold: Hold::Adaptive { ceiling: 30_000 }, ..GroConfig::default() },
        mtus: [1500, 1500],
        translate: true,
        flows: 64,
        answers: Answers { from: AnswerFrom::default(), per_second: 1_000 },
        idle: Idle::Adaptive,
        fail_open: Duration::from_millis(100),
    }
}

fn ports<'u>() -> [MemPort<'u>; 2] {
    [(); 2].map(|()| {
        let mut port = MemPort::new(RingSize::new(RING).expect("a power of two"));
        // It sends when it is told to: not in the worker's time.
        port.stalled = true;
        port.unrecorded = true;
        port
    })
}

fn deliver(port: &mut MemPort<'_>, headers: &[Header], packet: &mut [u8]) {
    for header in headers {
        packet[..HEADER].copy_from_slice(header);
        assert!(port.deliver(packet), "the worker keeps the fill ring full");
    }
}

fn send(port: &mut MemPort<'_>) {
    port.stalled = false;
    port.doorbell();
    port.stalled = true;
}

/// What a turn does with rings.
fn turn_rings<'u>(
    [a, b]: &mut [MemPort<'u>; 2],
    pool: &mut Pool<'u>,
    burst: &mut Vec<Frame<'u, Packet>>,
) {
    for port in [&mut *a, &mut *b] {
        port.complete(pool);
    }
    for (from, to) in [(0, 1), (1, 0)] {
        let ports = [&mut *a, &mut *b];
        let [first, second] = ports;
        let (from, to) = if from < to { (first, second) } else { (second, first) };
        from.receive(pool, burst, TURN);
        to.transmit(burst);
    }
    for port in [a, b] {
        port.fill(pool, FRAMES as usize / 2);
        port.doorbell();
    }
}
