//! Host mode against the kernel's own stack on the same wire.
//!
//! What is compared is what a second of the host's CPU time carries: it is what offloads are for. The peer, which has another
//! CPU, sends real packets, of at most the MTU.

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

/// The kernel cuts just before the interface, in what it sends itself.
const GSO: &str = "gso on";

/// Which way data goes, as the host under test sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

fn receive(context: &Context) -> Scenario {
    let state = |name, what, carrier| state(name, what, GSO, carrier, Way::In);
    let states = vec![
        state("sluice", "host mode", Carrier::Sluice("auto")),
        state("sluice-ring", "the same by the transmit ring", Carrier::Sluice("ring")),
        state("gro", "the kernel, merging", Carrier::Kernel { merging: true }),
        state("plain", "the kernel, without merging", Carrier::Kernel { merging: false }),
    ];
    scenario(context, "host-receive", "iperf3 over IPv4, received", states)
}

fn send(context: &Context) -> Scenario {
    let kernel = Carrier::Kernel { merging: true };
    let state = |name, what, features, carrier| state(name, what, features, carrier, Way::Out);
    let states = vec![
        state("sluice", "host mode", GSO, Carrier::Sluice("auto")),
        state("sluice-ring", "the same by the transmit ring", GSO, Carrier::Sluice("ring")),
        state("gso", "the kernel, cutting last", GSO, kernel),
        state("plain", "the kernel, cutting in TCP", "gso off", kernel),
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

fn state(
    name: &'static str,
    what: &'static str,
    features: &'static str,
    carrier: Carrier,
    way: Way,
) -> State {
    State::new(name, what, move |context| {
        let (hosts, seconds) = (Hosts::of(context)?, context.seconds());
        Ok(Box::new(move |streams| {
            let lab = hosts.lab(features)?;
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
