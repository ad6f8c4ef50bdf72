//! Host mode against the kernel's own stack on the same wire.
//!
//! What is compared is what a second of CPU time carries, both ends together: it is what offloads are for. The peer sends
//! real packets, of at most the MTU.

use anyhow::Result;
use sluice_lab::{DUT_V4, Lab};

use super::context::Context;
use super::hosts::{Carrier, Hosts};
use super::iperf;
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE, numbers};

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

fn receive(context: &Context) -> Scenario {
    let state = |name, what, carrier| state(name, what, carrier, Way::In);
    let states = vec![
        state("sluice", "host mode", Carrier::Sluice("auto")),
        state("sluice-ring", "the same by the transmit ring", Carrier::Sluice("ring")),
        state("gro", "the kernel, merging", Carrier::Kernel("gro on")),
        state("plain", "the kernel, without GRO", Carrier::Kernel("gro off")),
    ];
    scenario(context, "host-receive", "iperf3 over IPv4, received", states)
}

fn send(context: &Context) -> Scenario {
    let state = |name, what, carrier| state(name, what, carrier, Way::Out);
    let states = vec![
        state("sluice", "host mode", Carrier::Sluice("auto")),
        state("sluice-ring", "the same by the transmit ring", Carrier::Sluice("ring")),
        state("gso", "the kernel, cutting last", Carrier::Kernel("gso on")),
        state("plain", "the kernel, cutting in TCP", Carrier::Kernel("gso off")),
    ];
    scenario(context, "host-send", "iperf3 over IPv4, sent", states)
}

fn scenario(context: &Context, name: &str, what: &str, states: Vec<State>) -> Scenario {
    let points = iperf::streams(context);
    let (name, what) = (name.to_owned(), what.to_owned());
    let (unit, better, varies) = ("GB/CPU-second", Better::More, "streams");
    let beside = &["Gbit/s"];
    Scenario { name, what, unit, better, varies, points, states, beside }
}

fn state(name: &'static str, what: &'static str, carrier: Carrier, way: Way) -> State {
    State::new(name, what, move |context| {
        let (hosts, seconds) = (Hosts::of(context)?, context.seconds());
        Ok(Box::new(move |streams| {
            let lab = hosts.lab()?;
            hosts.carry(&lab, carrier, "", || measure(&hosts, &lab, way, streams, seconds))
        }) as Measure)
    })
}

fn measure(hosts: &Hosts, lab: &Lab, way: Way, streams: u64, seconds: u64) -> Result<Numbers> {
    let _server = hosts.serve(lab)?;
    let more = if way == Way::Out { "--reverse" } else { "" };
    let (told, busy) =
        hosts.cost(|| iperf::measure(&lab.peer, DUT_V4.into(), streams, seconds, more))?;
    Ok(numbers([
        (VALUE, told.bytes as f64 / 1e9 / busy),
        ("Gbit/s", told.received / 1e9),
        ("retransmits", told.retransmits as f64),
    ]))
}
