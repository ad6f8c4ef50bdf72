//! The bare AF_XDP path: Sluice's port against a minimal loop straight on the rings.

use anyhow::ensure;
use sluice_lab::{DUT, Lab, Wiring};

use super::context::Context;
use super::program;
use super::scenario::{Better, Measure, Scenario, State, VALUE};

/// Bytes of a packet.
const SIZES: [u64; 2] = [64, 1500];

/// All of them.
pub(super) fn scenarios(_: &Context) -> Vec<Scenario> {
    vec![
        scenario("receive", "packets that the kernel feeds into queue 0, received and let go"),
        scenario("transmit", "packets that leave through queue 0"),
        scenario("reflect", "packets that the kernel feeds into queue 0, sent back"),
    ]
}

fn scenario(name: &'static str, what: &str) -> Scenario {
    let states = vec![
        state("sluice", "frames, pool and port", name),
        state("minimal", "the limit: descriptors from ring to ring", name),
    ];
    Scenario {
        name: format!("raw-{name}"),
        what: format!("{what}; copy mode, veth"),
        unit: "million packets/s",
        better: Better::More,
        varies: "bytes",
        points: SIZES.to_vec(),
        states,
        beside: &[],
    }
}

/// The loop has one CPU, and what feeds or takes its packets another one.
fn state(with: &'static str, what: &'static str, scenario: &'static str) -> State {
    State::new(with, what, move |context| {
        let program = context.program("sluice-bench")?;
        let [cpu, other] = [0, 1].map(|number| context.cpu(number));
        ensure!(cpu != other, "one CPU only: the loop is to have one and its feeder another");
        let seconds = context.seconds();
        Ok(Box::new(move |size| {
            let lab = Lab::wired(Wiring { queues: 1, ..Wiring::default() })?;
            let mut command = lab.dut.command(&program);
            let loads = format!("raw {scenario} --iface {DUT} --with {with} --size {size} --json");
            command.args(loads.split_whitespace());
            command.args(["--zero-copy", "never", "--cores", &format!("{cpu},{other}")]);
            command.args(["--seconds", &seconds.to_string()]);
            let mut numbers = program::told(&mut command)?;
            if let Some(value) = numbers.get_mut(VALUE) {
                *value /= 1e6;
            }
            Ok(numbers)
        }) as Measure)
    })
}
