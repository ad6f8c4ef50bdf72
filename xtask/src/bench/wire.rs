//! Wire mode between two hosts, against what else could forward there.
//!
//! The hosts send real packets: their segmentation and checksum offloads are off. What forwards has one CPU; both hosts,
//! their stacks and both ends of iperf3, have another one.

use std::net::IpAddr;

use anyhow::Result;
use sluice_lab::{A_V4, B_V4, B_V6, Iperf, Namespace};

use super::between::{BUSY, Between, Middle, lab};
use super::context::Context;
use super::iperf::{self, PORT};
use super::pin;
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE, numbers};
use super::testpmd::Testpmd;

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    vec![tcp4(context), tcp6(context), fill(context), cut(context)]
}

/// What a transfer is between, and which way it goes.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    mtu: [u32; 2],
    server: IpAddr,
    /// Whether the host that connects sends.
    from_a: bool,
}

fn tcp4(context: &Context) -> Scenario {
    let transfer = Transfer { mtu: [1500; 2], server: B_V4.into(), from_a: true };
    let states = vec![
        state("sluice", "wire mode", Between::Sluice, transfer),
        state("sluice-ring", "the same by the transmit rings", Between::SluiceRing, transfer),
        state("bridge", "the kernel's bridge", Between::Bridge, transfer),
        state("bridge-gro", "the same, merging", Between::BridgeMerging, transfer),
        state("router", "the kernel's router", Between::Router, transfer),
        state("router-gro", "the same, merging", Between::RouterMerging, transfer),
        state("testpmd", "DPDK's io forwarding on AF_XDP", Between::Testpmd(Testpmd::Io), transfer),
        state(
            "testpmd-csum",
            "its GRO and GSO on AF_XDP, whose driver names no packet's type, so that nothing merges",
            Between::Testpmd(Testpmd::Csum),
            transfer,
        ),
        state(
            "testpmd-tap",
            "its GRO and GSO on TAP devices, bridged to the wires",
            Between::Testpmd(Testpmd::Tap),
            transfer,
        ),
    ];
    scenario(context, "wire-tcp4", "iperf3 over IPv4, MTU 1,500 on both sides", states)
}

fn tcp6(context: &Context) -> Scenario {
    let transfer = Transfer { mtu: [1500; 2], server: B_V6.into(), from_a: true };
    let states = vec![
        state("sluice", "wire mode", Between::Sluice, transfer),
        state("bridge", "the kernel's bridge", Between::Bridge, transfer),
        state("bridge-gro", "the same, merging", Between::BridgeMerging, transfer),
        state("testpmd", "DPDK's io forwarding on AF_XDP", Between::Testpmd(Testpmd::Io), transfer),
    ];
    scenario(context, "wire-tcp6", "iperf3 over IPv6, MTU 1,500 on both sides", states)
}

/// Nothing else that is compared fills packets: a router that merges cuts to what the sender chose.
fn fill(context: &Context) -> Scenario {
    let transfer = Transfer { mtu: [9000, 1500], server: A_V4.into(), from_a: false };
    let what = "iperf3 over IPv4 from MTU 1,500 to MTU 9,000";
    scenario(context, "wire-fill", what, unequal(transfer))
}

fn cut(context: &Context) -> Scenario {
    let transfer = Transfer { mtu: [9000, 1500], server: B_V4.into(), from_a: true };
    let what = "iperf3 over IPv4 from MTU 9,000 to MTU 1,500";
    scenario(context, "wire-cut", what, unequal(transfer))
}

fn unequal(transfer: Transfer) -> Vec<State> {
    vec![
        state("sluice", "wire mode, which fills and cuts", Between::Sluice, transfer),
        state("router-gro", "the kernel's router, merging", Between::RouterMerging, transfer),
    ]
}

fn scenario(context: &Context, name: &str, what: &str, states: Vec<State>) -> Scenario {
    let points = iperf::streams(context);
    let (name, what) = (name.to_owned(), what.to_owned());
    let (unit, better, varies) = ("Gbit/s", Better::More, "streams");
    Scenario { name, what, unit, better, varies, points, states, beside: &BUSY }
}

fn state(name: &'static str, what: &'static str, between: Between, transfer: Transfer) -> State {
    State::new(name, what, move |context| {
        between.ensure_there()?;
        let middle = Middle::of(context)?;
        let seconds = context.seconds();
        Ok(Box::new(move |streams| transfer.measure(between, &middle, streams, seconds)) as Measure)
    })
}

impl Transfer {
    /// Each measurement has a lab of its own: nothing that one leaves behind is met by the next.
    fn measure(
        self,
        between: Between,
        middle: &Middle,
        streams: u64,
        seconds: u64,
    ) -> Result<Numbers> {
        let lab = lab(self.mtu, middle)?;
        let (client, server) = if self.from_a { (&lab.a, &lab.b) } else { (&lab.b, &lab.a) };
        between.forward(&lab, middle, || {
            pin::to(middle.other, || self.iperf(client, server, streams, seconds))?
        })
    }

    fn iperf(
        self,
        client: &Namespace,
        server: &Namespace,
        streams: u64,
        seconds: u64,
    ) -> Result<Numbers> {
        let _server = Iperf::server(server, PORT)?;
        let told = iperf::measure(client, self.server, streams, seconds, "--omit 1")?;
        Ok(numbers([(VALUE, told.received / 1e9), ("retransmits", told.retransmits as f64)]))
    }
}
