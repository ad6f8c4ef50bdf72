//! Host mode against the kernel's own stack on the same wire.
//!
//! What is compared is what a second of CPU time carries, both ends together: it is what offloads are for. The peer sends
//! real packets, of at most the MTU.

use anyhow::Result;
use sluice_lab::{DUT, DUT_V4, Iperf, Lab, Sluice, Wiring};

use super::context::Context;
use super::cpu;
use super::iperf::{self, PORT};
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE, numbers};
use crate::run::program;

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    vec![receive(context), send(context)]
}

/// Which way data goes, as the host under test sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Who carries it: Sluice, or the kernel with these features of the interface set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// By this way (`transmit`).
    Sluice(&'static str),
    Kernel(&'static str),
}

fn receive(context: &Context) -> Scenario {
    let states = vec![
        state("sluice", "host mode", Carrier::Sluice("auto"), Way::In),
        state("sluice-ring", "the same by the transmit ring", Carrier::Sluice("ring"), Way::In),
        state("gro", "the kernel, merging", Carrier::Kernel("gro on"), Way::In),
        state("plain", "the kernel, without GRO", Carrier::Kernel("gro off"), Way::In),
    ];
    scenario(context, "host-receive", "iperf3 over IPv4, received", states)
}

fn send(context: &Context) -> Scenario {
    let states = vec![
        state("sluice", "host mode", Carrier::Sluice("auto"), Way::Out),
        state("sluice-ring", "the same by the transmit ring", Carrier::Sluice("ring"), Way::Out),
        state("gso", "the kernel, cutting last", Carrier::Kernel("gso on"), Way::Out),
        state("plain", "the kernel, cutting in TCP", Carrier::Kernel("gso off"), Way::Out),
    ];
    scenario(context, "host-send", "iperf3 over IPv4, sent", states)
}

fn scenario(context: &Context, name: &str, what: &str, states: Vec<State>) -> Scenario {
    let points = iperf::streams(context);
    let (name, what) = (name.to_owned(), what.to_owned());
    let (unit, better, varies) = ("GB/CPU-second", Better::More, "streams");
    Scenario { name, what, unit, better, varies, points, states, beside: &[] }
}

fn state(name: &'static str, what: &'static str, carrier: Carrier, way: Way) -> State {
    State::new(name, what, move |context| {
        let sluice = context.sluice()?;
        let seconds = context.seconds();
        Ok(Box::new(move |streams| {
            let lab = Lab::wired(Wiring { queues: 1, ..Wiring::default() })?;
            match carrier {
                Carrier::Sluice(transmit) => {
                    let config = program::sending_by(transmit, &program::server(DUT, PORT));
                    let mut sluice = Sluice::start(&lab.dut, &sluice, &config)?;
                    let numbers = carried(&lab, way, streams, seconds)?;
                    sluice.ensure_sound()?;
                    sluice.stop()?;
                    Ok(numbers)
                }
                Carrier::Kernel(features) => {
                    lab.dut.exec("ethtool", &format!("-K {DUT} {features}"))?;
                    carried(&lab, way, streams, seconds)
                }
            }
        }) as Measure)
    })
}

/// The server is on the host under test, so that one rule names both ways of its connections.
fn carried(lab: &Lab, way: Way, streams: u64, seconds: u64) -> Result<Numbers> {
    let _server = Iperf::server(&lab.dut, PORT)?;
    let more = if way == Way::Out { "--reverse" } else { "" };
    let measure = || iperf::measure(&lab.peer, DUT_V4.into(), streams, seconds, more);
    let (told, busy) = cpu::cost(measure)?;
    Ok(numbers([
        (VALUE, told.bytes as f64 / 1e9 / busy),
        ("Gbit/s", told.received / 1e9),
        ("retransmits", told.retransmits as f64),
    ]))
}
