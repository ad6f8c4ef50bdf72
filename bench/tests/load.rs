//! The generator at one end of a wire, the sink at the other. Needs root.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use sluice_bench::report::{GenReport, PingReport, RawReport, SinkReport};
use sluice_bench::stamp::Stamp;
use sluice_bench::template::{Common, Kind, stamp_of};
use sluice_bench::traffic::{Load, Traffic};
use sluice_bench::window::Window;
use sluice_lab::{
    A, Capture, DUT, DUT_V4, Direction, Impairment, LEFT, Lab, Namespace, PEER, Process, WireLab,
    WireWiring, Wiring,
};

const BENCH: &str = env!("CARGO_BIN_EXE_sluice-bench");
/// Bounds a hang; nothing is measured against it.
const LIMIT: Duration = Duration::from_secs(30);

/// A sink that counts already.
struct Sink {
    process: Process,
    output: ChildStdout,
}

impl Sink {
    fn start(host: &Namespace, arguments: &str) -> Result<Self> {
        let mut command = host.command(BENCH);
        command.args(["sink", "--json"]).args(arguments.split_whitespace());
        let mut process = host.spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let output = process.child().stdout.take().context("it was piped")?;
        let mut said = String::new();
        let stderr = process.child().stderr.take().context("it was piped")?;
        BufReader::new(stderr).read_line(&mut said)?;
        ensure!(said.starts_with("counting"), "the sink says: {said}");
        Ok(Self { process, output })
    }

    /// What it has counted when it ends by itself, or is told to.
    fn report(mut self, told: Option<Signal>) -> Result<SinkReport> {
        told.map_or(Ok(()), |signal| self.process.signal(signal))?;
        let status = self.process.wait(LIMIT)?;
        ensure!(status.success(), "the sink ends with {status}");
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }
}

fn generate(host: &Namespace, arguments: &str) -> Result<GenReport> {
    let told = host.exec(BENCH, &format!("gen --json {arguments}"))?;
    Ok(serde_json::from_str(&told)?)
}

fn lab() -> Result<Lab> {
    Lab::wired(Wiring { queues: 1, ..Wiring::default() })
}

#[test]
fn what_is_sent_at_a_moderate_rate_arrives_whole_and_in_order() -> Result<()> {
    let lab = lab()?;
    for kind in ["udp --size 64", "tcp --size 1514 --train 32", "udp --imix"] {
        let sink = Sink::start(&lab.dut, &format!("--iface {DUT} --count 6000"))?;
        // A receiver that waits a while for a CPU still has room for what comes meanwhile.
        let amount = "--flows 12 --rate 4000 --count 6000";
        let sent = generate(&lab.peer, &format!("--iface {PEER} --kind {kind} {amount}"))?;
        let counted = sink.report(None)?;
        assert_eq!((sent.packets, sent.unsent), (6000, 0), "{kind}");
        assert_eq!((counted.packets, counted.bytes), (6000, sent.bytes), "{kind}: {counted:?}");
        let wrong = [counted.lost, counted.reordered, counted.duplicates, counted.missed];
        assert_eq!((wrong, counted.unstamped, counted.flows), ([0; 4], 0, 12), "{kind}");
        assert!(counted.per_flow.iter().all(|flow| flow.packets > 0), "{kind}");
    }
    Ok(())
}

#[test]
fn a_packet_socket_counts_the_same_until_it_is_told_to_stop() -> Result<()> {
    let lab = lab()?;
    let sink = Sink::start(&lab.dut, &format!("--iface {DUT} --packet-socket --count 500"))?;
    generate(&lab.peer, &format!("--iface {PEER} --rate 4000 --count 500"))?;
    let counted = sink.report(None)?;
    assert_eq!((counted.packets, counted.lost, counted.flows), (500, 0, 1));
    let idle = Sink::start(&lab.dut, &format!("--iface {DUT} --packet-socket"))?;
    assert_eq!(idle.report(Some(Signal::SIGTERM))?.packets, 0);
    Ok(())
}

/// Packets of two flows, in this order of their numbers.
fn packets(order: &[usize]) -> Result<Vec<Vec<u8>>> {
    let common = Common {
        macs: [[0xff; 6], [4; 6]],
        destination: ([198, 19, 0, 1].into(), 5001),
        kind: Kind::Udp,
    };
    let source = [198, 18, 0, 1].into();
    let load = Load { common, source, flows: 2, train: 1, sizes: vec![100] };
    let mut traffic = Traffic::made(load)?;
    let mut next = || {
        let mut packet = vec![0; 100];
        traffic.write(1, &mut packet);
        packet
    };
    let highest = order.iter().max().context("there are some")?;
    let all: Vec<_> = (0..=*highest).map(|_| next()).collect();
    Ok(order.iter().map(|&number| all[number].clone()).collect())
}

#[test]
fn what_is_lost_late_or_repeated_is_told_flow_by_flow() -> Result<()> {
    let lab = lab()?;
    let peer = Capture::open(&lab.peer, PEER)?;
    // Even ones are flow 0's: its second is lost, its third late. Flow 1's fourth comes twice.
    let packets = packets(&[0, 1, 3, 6, 4, 5, 7, 7, 8, 9])?;
    let sink = Sink::start(&lab.dut, &format!("--iface {DUT} --count {}", packets.len()))?;
    packets.iter().try_for_each(|packet| peer.inject(packet))?;
    let counted = sink.report(None)?;
    let told = |flow: usize| {
        let flow = &counted.per_flow[flow];
        [flow.packets, flow.lost, flow.reordered, flow.duplicates]
    };
    assert_eq!((told(0), told(1)), ([4, 1, 1, 0], [5, 0, 0, 1]), "{counted:?}");
    Ok(())
}

#[test]
fn a_line_that_loses_and_reorders_is_seen_through() -> Result<()> {
    const SENT: u64 = 5000;
    let impairment = Impairment { loss: 0.02, reorder: 0.02, seed: 7 };
    let wire = WireLab::wired(WireWiring {
        queues: 1,
        impairment: Some(impairment),
        ..WireWiring::default()
    })?;
    // Both see what the line lets through: the sink counts, the capture keeps.
    let capture = Capture::open(&wire.dut, LEFT)?;
    let sink = Sink::start(&wire.dut, &format!("--iface {LEFT} --packet-socket"))?;
    generate(&wire.a, &format!("--iface {A} --rate 10000 --count {SENT}"))?;
    let arrived = arrivals(&capture)?;
    let counted = sink.report(Some(Signal::SIGINT))?;
    let mut window = Window::default();
    arrived.iter().for_each(|stamp| window.note(stamp.sequence));
    let seen = window.counts();
    assert_eq!(
        (counted.lost, counted.reordered, counted.duplicates),
        (seen.lost(), seen.reordered, 0)
    );
    assert_eq!(seen.came, arrived.len() as u64);
    assert!(seen.lost() > 0 && seen.reordered > 0, "{seen:?}");
    // What was lost before the first and after the last cannot be seen at this end.
    assert!(seen.came + seen.lost() <= SENT, "{seen:?}");
    Ok(())
}

/// The stamps of what came in, until nothing comes.
fn arrivals(capture: &Capture) -> Result<Vec<Stamp>> {
    let (mut buffer, mut stamps) = (vec![0; 1 << 16], Vec::new());
    while let Some(packet) = capture.next(&mut buffer)? {
        if packet.direction == Direction::In {
            stamps.extend(stamp_of(packet.bytes));
        }
    }
    Ok(stamps)
}

#[test]
fn the_kernel_repeats_a_packet_and_the_sink_counts_it() -> Result<()> {
    let lab = lab()?;
    let sink = Sink::start(&lab.dut, &format!("--iface {DUT} --count 100"))?;
    let sent = generate(&lab.peer, &format!("--iface {PEER} --live-frames --count 100"))?;
    let counted = sink.report(None)?;
    assert_eq!((sent.packets, counted.packets, counted.duplicates), (100, 100, 99));
    Ok(())
}

#[test]
fn a_kernel_without_pktgen_is_told_what_to_do() -> Result<()> {
    let lab = lab()?;
    if std::path::Path::new("/proc/thread-self/net/pktgen").exists() {
        let sent = generate(&lab.peer, &format!("--iface {PEER} --pktgen --count 10"))?;
        assert_eq!(sent.packets, 10);
        return Ok(());
    }
    let refused = generate(&lab.peer, &format!("--iface {PEER} --pktgen --count 10"));
    let text = format!("{:#}", refused.err().context("there is no pktgen")?);
    ensure!(text.contains("modprobe pktgen") && text.contains("--live-frames"), "{text}");
    Ok(())
}

#[test]
fn every_scenario_of_the_bare_path_gives_a_figure_and_leaves_nothing_behind() -> Result<()> {
    let lab = lab()?;
    for scenario in ["receive", "transmit", "reflect"] {
        for with in ["sluice", "minimal"] {
            let what = format!("raw {scenario} --iface {DUT} --with {with}");
            let told =
                lab.dut.exec(BENCH, &format!("{what} --seconds 0.2 --warm-up 0.1 --json"))?;
            let report: RawReport = serde_json::from_str(&told)?;
            ensure!(report.value > 0.0 && report.packets > 0, "{what}: {report:?}");
            ensure!(report.unit == "packets/s", "{report:?}");
            let link = lab.dut.ip(&format!("-details link show {DUT}"))?;
            ensure!(!link.contains("prog/xdp"), "{what} leaves its program: {link}");
        }
    }
    Ok(())
}

#[test]
fn every_request_is_answered_over_a_wire() -> Result<()> {
    let lab = lab()?;
    let mut command = lab.dut.command(BENCH);
    command.args(["echo", &format!("{DUT_V4}:5002")]).stderr(Stdio::piped());
    let mut echo = lab.dut.spawn(&mut command)?;
    let mut said = String::new();
    let stderr = echo.child().stderr.take().context("it was piped")?;
    BufReader::new(stderr).read_line(&mut said)?;
    ensure!(said.starts_with("answering at"), "the echo says: {said}");
    let asked = format!("ping {DUT_V4}:5002 --count 200 --interval 100 --size 1400 --json");
    let report: PingReport = serde_json::from_str(&lab.peer.exec(BENCH, &asked)?)?;
    assert_eq!((report.sent, report.lost, report.size), (200, 0, 1400));
    let latency = report.latency.context("all were answered")?;
    assert_eq!(latency.count, 200);
    let mut times: Vec<_> = report.distribution.iter().map(|(_, time)| *time).collect();
    times.insert(0, latency.min_ns);
    times.push(latency.max_ns);
    assert!(times.is_sorted(), "{times:?}");
    ensure!(echo.stop(LIMIT)?.success(), "the echo ends when it is told to");
    Ok(())
}
