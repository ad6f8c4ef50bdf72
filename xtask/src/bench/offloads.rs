//! The kernel's offloads, one by one, beside Sluice: what a gigabyte costs, how fast it goes, how long a round trip takes.
//!
//! Only the host under test differs; the peer sends real packets, and cuts last what it sends.

use std::path::PathBuf;

use anyhow::Result;
use sluice_lab::{DUT, DUT_V4, Iperf, Lab, Sluice, Wiring};

use super::context::Context;
use super::iperf::{self, PORT};
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE, numbers};
use super::{cpu, latency};
use crate::run::program;

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    vec![Scenario {
        name: "host-states".to_owned(),
        what: "iperf3 over IPv4, first received and then sent, both together".to_owned(),
        unit: "CPU seconds/GB",
        better: Better::Less,
        varies: "streams",
        points: iperf::streams(context),
        states: vec![
            state("sluice", "host mode, the interface has no offload", NONE, true),
            state("none", "the kernel without", NONE, false),
            state("tso", "the interface cuts: veth hands it over whole", TSO, false),
            state("gso", "the kernel cuts last", GSO, false),
            state("gro", "the kernel merges", GRO, false),
            state("gso-gro", "the kernel cuts last and merges", BOTH, false),
        ],
        beside: &[IN, OUT, IN_COST, OUT_COST, ROUND_TRIP],
    }]
}

const IN: &str = "received, Gbit/s";
const OUT: &str = "sent, Gbit/s";
const IN_COST: &str = "received, CPU s/GB";
const OUT_COST: &str = "sent, CPU s/GB";
const ROUND_TRIP: &str = "round trip, µs";

// TSO leaves the checksum to the interface, too; without it packets have theirs from the kernel.
const NONE: &str = "tx off tso off gso off gro off";
const TSO: &str = "tx on tso on gso on gro off";
const GSO: &str = "tx off tso off gso on gro off";
const GRO: &str = "tx off tso off gso off gro on";
const BOTH: &str = "tx off tso off gso on gro on";

/// What measures, and for how long.
struct Rig {
    sluice: Option<PathBuf>,
    bench: PathBuf,
    seconds: u64,
}

fn state(
    name: &'static str,
    what: &'static str,
    features: &'static str,
    with_sluice: bool,
) -> State {
    State::new(name, what, move |context| {
        let sluice = with_sluice.then(|| context.sluice()).transpose()?;
        let bench = context.program("sluice-bench")?;
        let rig = Rig { sluice, bench, seconds: context.seconds() };
        Ok(Box::new(move |streams| {
            let lab = Lab::wired(Wiring { queues: 1, ..Wiring::default() })?;
            lab.dut.exec("ethtool", &format!("-K {DUT} {features}"))?;
            rig.carried(&lab, streams)
        }) as Measure)
    })
}

impl Rig {
    fn carried(&self, lab: &Lab, streams: u64) -> Result<Numbers> {
        let Some(sluice) = &self.sluice else { return self.measure(lab, streams) };
        let config = program::server(DUT, PORT) + &datagrams();
        let mut sluice = Sluice::start(&lab.dut, sluice, &config)?;
        let numbers = self.measure(lab, streams)?;
        sluice.ensure_sound()?;
        sluice.stop()?;
        Ok(numbers)
    }

    /// Round trips first, while nothing else is sent.
    fn measure(&self, lab: &Lab, streams: u64) -> Result<Numbers> {
        let round_trip = {
            let _echo = latency::echo(&lab.dut, &self.bench, DUT_V4)?;
            latency::ping(&lab.peer, &self.bench, DUT_V4, 64, self.seconds)?[VALUE]
        };
        let _server = Iperf::server(&lab.dut, PORT)?;
        let transfer = |more| {
            cpu::cost(|| iperf::measure(&lab.peer, DUT_V4.into(), streams, self.seconds, more))
        };
        let [received, sent] = [transfer("")?, transfer("--reverse")?];
        let [(gb_in, cpu_in), (gb_out, cpu_out)] =
            [&received, &sent].map(|(told, busy)| (told.bytes as f64 / 1e9, *busy));
        Ok(numbers([
            (VALUE, (cpu_in + cpu_out) / (gb_in + gb_out)),
            (IN, received.0.received / 1e9),
            (OUT, sent.0.received / 1e9),
            (IN_COST, cpu_in / gb_in),
            (OUT_COST, cpu_out / gb_out),
            (ROUND_TRIP, round_trip),
        ]))
    }
}

/// Has Sluice take the round trips as well.
fn datagrams() -> String {
    let port = latency::ECHO;
    format!("\n[[rule]]\nproto = \"udp\"\ndst_port = {port}\naction = \"steer\"\n")
}
