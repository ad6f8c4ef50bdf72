//! The kernel's offloads, one by one, beside Sluice: what a gigabyte costs, how fast it goes, how long a round trip takes.
//!
//! Only the host under test differs; the peer sends real packets, and cuts last what it sends.

use std::path::PathBuf;

use anyhow::Result;
use sluice_lab::{DUT_V4, Lab};

use super::context::Context;
use super::hosts::{Carrier, Hosts};
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE, numbers};
use super::{iperf, latency};

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
            state("sluice", "host mode", Carrier::Sluice("auto")),
            state("none", "the kernel without", Carrier::Kernel(NONE)),
            state("tso", "the interface cuts: veth hands it over whole", Carrier::Kernel(TSO)),
            state("gso", "the kernel cuts last", Carrier::Kernel(GSO)),
            state("gro", "the kernel merges", Carrier::Kernel(GRO)),
            state("gso-gro", "the kernel cuts last and merges", Carrier::Kernel(BOTH)),
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
    hosts: Hosts,
    bench: PathBuf,
    seconds: u64,
}

fn state(name: &'static str, what: &'static str, carrier: Carrier) -> State {
    State::new(name, what, move |context| {
        let bench = context.program("sluice-bench")?;
        let rig = Rig { hosts: Hosts::of(context)?, bench, seconds: context.seconds() };
        Ok(Box::new(move |streams| {
            let lab = rig.hosts.lab()?;
            rig.hosts.carry(&lab, carrier, &datagrams(), || rig.measure(&lab, streams))
        }) as Measure)
    })
}

impl Rig {
    /// Round trips first, while nothing else is sent.
    fn measure(&self, lab: &Lab, streams: u64) -> Result<Numbers> {
        let round_trip = {
            let echo = || latency::echo(&lab.dut, &self.bench, DUT_V4);
            let ping = || latency::ping(&lab.peer, &self.bench, DUT_V4, 64, self.seconds);
            let _echo = self.hosts.of_dut(echo)?;
            self.hosts.of_peer(ping)?[VALUE]
        };
        let _server = self.hosts.serve(lab)?;
        let transfer = |more| {
            self.hosts
                .cost(|| iperf::measure(&lab.peer, DUT_V4.into(), streams, self.seconds, more))
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
