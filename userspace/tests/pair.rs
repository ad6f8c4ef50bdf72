//! Wire mode's data path on real sockets, without a supervisor: two ports over one UMEM, and hosts on either side.
//! Needs root.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use sluice::config::{Idle, Transmit, XdpMode, ZeroCopy};
use sluice::pipeline::{
    Answers, End, NoHost, Report, WireConfig, WireHandle, WireHelper, WireWorker,
};
use sluice::steer::{Buffers, Peer, Steering, insert_socket};
use sluice::xsk::{
    FRAME_MTU, FrameCount, Heartbeat, QueueConfig, RingSize, Umem, XskPort, open_pair,
};
use sluice_common::Side;
use sluice_common::answer::AnswerFrom;
use sluice_common::classify::{Action, Rule};
use sluice_common::offload::GroConfig;
use sluice_common::stage::Forward;
use sluice_lab::{
    A, A_V6, B, B_V4, Capture, LEFT, RIGHT, WireLab, WireWiring, connect, mss, transfer, wait_until,
};

const FRAMES: u32 = 8192;
const RING: u32 = 1024;
/// More than the rings hold, several times over.
const FILE: u64 = 24 << 20;
/// Bounds a hang; nothing is measured against it.
const LIMIT: Duration = Duration::from_secs(10);

/// A worker between the lab's two wires, running until told to stop.
struct Bench<'u> {
    worker: WireWorker<'u, XskPort<'u>, NoHost, Forward>,
    handle: WireHandle<Forward>,
    helpers: Vec<(WireHelper<'u, Forward>, WireHandle<Forward>)>,
    heartbeats: [Arc<Heartbeat>; 2],
    _steering: [Steering; 2],
}

fn mapped() -> Umem {
    let (frames, ring) = (FrameCount::new(FRAMES).unwrap(), RingSize::new(RING).unwrap());
    Umem::map(frames, ring, 1).unwrap().remove(0)
}

fn wanted(iface: &str, multi_buffer: bool) -> QueueConfig {
    QueueConfig {
        iface: iface.into(),
        queue: 0,
        ring: RingSize::new(RING).unwrap(),
        zero_copy: ZeroCopy::Never,
        transmit: Transmit::Ring,
        multi_buffer,
        busy_poll: None,
    }
}

impl<'u> Bench<'u> {
    /// To be made in the namespace of the two ports.
    fn open(umem: &'u Umem, mtus: [u16; 2], mode: XdpMode, helpers: u32) -> Result<Self> {
        let large = mtus.map(|mtu| usize::from(mtu) > FRAME_MTU);
        let sg = large.contains(&true);
        let mut pool = umem.pool();
        let (ports, _) = open_pair(umem, &mut pool, [&wanted(LEFT, sg), &wanted(RIGHT, sg)])?;
        let mut steering = large.map(|large| {
            Steering::load_for(if large { Buffers::Several } else { Buffers::One }).unwrap()
        });
        let names = [LEFT, RIGHT];
        for side in Side::BOTH {
            let program = &mut steering[side.index()];
            let other = side.other().index();
            let index = nix::net::if_::if_nametoindex(names[other])?;
            program.set_peer(Some(Peer { index, mtu: mtus[other].into() }))?;
            program.set_rules(&[Rule::any(Action::Steer)], Duration::from_millis(500))?;
            insert_socket(program.xsk_map_fd(), 0, ports[side.index()].as_fd())?;
        }
        for (program, name) in steering.iter_mut().zip(names) {
            program.attach(name, mode)?;
        }
        let heartbeats = steering
            .each_ref()
            .map(|program| Arc::new(Heartbeat::map(program.heartbeat_fd(), 1).unwrap()));
        let beats = heartbeats.each_ref().map(|heartbeat| heartbeat.beat(0));
        let config = WireConfig {
            queue: 0,
            gro: GroConfig { hash_keys: [1, 2, 3, 4], ..GroConfig::default() },
            mtus,
            translate: true,
            flows: 1024,
            answers: Answers { from: AnswerFrom::default(), per_second: 1000 },
            idle: Idle::Adaptive,
            fail_open: Duration::from_millis(500),
        };
        let (mut worker, handle) = WireWorker::new(config, pool, ports, NoHost, Forward, beats)?;
        let helpers = (1..=helpers).map(|n| worker.helper(n, Forward)).collect::<Result<_, _>>()?;
        Ok(Self { worker, handle, helpers, heartbeats, _steering: steering })
    }

    /// Runs the workers while `body` does; what they say at the end, the owner of the ports first.
    ///
    /// `body` begins when both programs know of a worker: what comes earlier is forwarded past it.
    fn run(self, body: impl FnOnce() -> Result<()>) -> Result<Vec<Report>> {
        let Self { worker, handle, helpers, heartbeats, _steering } = self;
        thread::scope(|scope| {
            let mut handles = vec![handle];
            let mut threads = vec![scope.spawn(move || worker.run())];
            for (helper, handle) in helpers {
                handles.push(handle);
                threads.push(scope.spawn(move || helper.run()));
            }
            let lives = || heartbeats.iter().all(|one| one.last(0) != 0).then_some(());
            let outcome = wait_until("the worker lives", LIMIT, lives).and_then(|()| body());
            handles.iter().for_each(|handle| _ = handle.handle().stop());
            let reports = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            outcome.map(|()| reports)
        })
    }
}

fn lab(mtu: [u32; 2]) -> Result<WireLab> {
    WireLab::wired(WireWiring { queues: 1, mtu, ..WireWiring::default() })
}

/// Lets `body` use a lab whose two wires a worker joins, and makes sure of the books afterwards.
fn joined(
    mtus: [u16; 2],
    mode: XdpMode,
    helpers: u32,
    body: impl FnOnce(&WireLab) -> Result<()> + Send,
) -> Result<Vec<Report>> {
    let lab = lab(mtus.map(u32::from))?;
    let reports = lab.dut.run(|| -> Result<Vec<Report>> {
        let umem = mapped();
        let bench = Bench::open(&umem, mtus, mode, helpers)?;
        bench.run(|| body(&lab))
    })?;
    for report in &reports {
        ensure!(report.end == End::Stopped, "{:?}", report.end);
    }
    let ledger = reports[0].counts.ledger;
    ensure!(ledger.is_balanced() && ledger.handed == 0, "{ledger}");
    Ok(reports)
}

const PORT: u16 = 5000;

fn files(lab: &WireLab) -> Result<()> {
    let v4 = SocketAddr::from((B_V4, PORT));
    transfer(&lab.a, &lab.b, v4, FILE)?;
    let v6 = SocketAddr::from((IpAddr::V6(A_V6), PORT));
    transfer(&lab.b, &lab.a, v6, FILE)
}

#[test]
fn files_cross_unchanged_and_in_the_frames_they_came_in() -> Result<()> {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let reports = joined([1500, 1500], mode, 0, files)?;
        let sides = reports[0].counts.sides;
        ensure!(sides.iter().all(|side| side.recut_packets == 0), "{sides:?}");
        ensure!(sides.iter().all(|side| side.forwarded_packets > 10_000), "{sides:?}");
    }
    Ok(())
}

#[test]
fn between_different_mtus_packets_are_filled_and_cut_and_each_end_hears_its_own_mss() -> Result<()>
{
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let reports = joined([9000, 1500], mode, 0, |lab| {
            files(lab)?;
            let (near, far) = connect(&lab.a, &lab.b, (B_V4, PORT).into())?;
            ensure!(mss(&near)? == 8948, "a sends {} bytes", mss(&near)?);
            ensure!(mss(&far)? == 1448, "b sends {} bytes", mss(&far)?);
            Ok(())
        })?;
        let [a, b] = reports[0].counts.sides;
        ensure!(a.recut_into > 5 * a.recut_packets, "cut: {a:?}");
        ensure!(b.recut_packets > 3 * b.recut_into, "filled: {b:?}");
    }
    Ok(())
}

#[test]
fn a_helper_carries_flows_and_none_of_their_bytes_is_lost() -> Result<()> {
    let reports = joined([1500, 1500], XdpMode::Auto, 1, |lab| {
        for port in 0..8 {
            transfer(&lab.a, &lab.b, (B_V4, PORT + port).into(), FILE / 8)?;
        }
        Ok(())
    })?;
    for report in &reports {
        let sides = report.counts.sides;
        ensure!(sides[0].forwarded_packets > 1_000, "queue {}: {sides:?}", report.queue);
    }
    Ok(())
}

#[test]
fn what_is_not_steered_crosses_too() -> Result<()> {
    joined([1500, 1500], XdpMode::Auto, 0, |lab| {
        let (from, to) = (Capture::open(&lab.a, A)?, Capture::open(&lab.b, B)?);
        let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9], &[0x88, 0xb5], &[7; 50]].concat();
        from.inject(&frame)?;
        let mut buffer = vec![0; 2048];
        for _ in 0..100 {
            if to.next(&mut buffer)?.is_some_and(|seen| seen.bytes == frame) {
                return Ok(());
            }
        }
        anyhow::bail!("a frame of an unknown protocol did not cross")
    })?;
    Ok(())
}
