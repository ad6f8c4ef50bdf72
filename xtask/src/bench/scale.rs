//! What more flows, more rules and more workers cost.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use nix::unistd::Uid;

use super::context::Context;
use super::engine;
use super::program;
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE};

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    vec![flows(context), rules(), rules_xdp(), workers(), memory(), announced()]
}

/// Packets taken from a ring at once.
const BURST: u64 = 64;

const FLOWS: [u64; 7] = [1, 10, 100, 1_000, 10_000, 65_536, 100_000];
const QUICK_FLOWS: [u64; 2] = [1, 1_000];
/// Beyond, DPDK takes minutes: it looks through all flows for that of a packet.
const DPDK_FLOWS: u64 = 10_000;

/// The table has room for all of them up to 65,536.
fn flows(context: &Context) -> Scenario {
    let [sluice, dpdk] = engine::held_states(BURST);
    Scenario {
        name: "scale-flows".to_owned(),
        what: "trains held for eight rounds of the flows, 65,536 trains at most".to_owned(),
        unit: "ns/packet",
        better: Better::Less,
        varies: "flows",
        points: if context.quick { QUICK_FLOWS.to_vec() } else { FLOWS.to_vec() },
        states: vec![sluice, dpdk.up_to(DPDK_FLOWS)],
        beside: &[],
    }
}

/// As many as a set can have, at the most.
const RULES: [u64; 3] = [1, 8, 64];

fn rules() -> Scenario {
    by_rules(
        "scale-rules",
        "steering rules looked up in user space, the last of them matches",
        [
            state("sluice", "`classify`", &["classify"], "--rules"),
            state("loop", "one rule after the other", &["classify", "--by", "loop"], "--rules"),
        ],
    )
}

fn rules_xdp() -> Scenario {
    by_rules(
        "scale-rules-xdp",
        "runs of the XDP program, timed by the kernel: parsed, looked up, counted, dropped",
        [
            state("sluice", "with its rules", &["xdp"], "--rules"),
            state("blind", "the limit: nothing is looked at", &["xdp", "--by", "blind"], "--rules"),
        ]
        .map(by_root),
    )
}

/// The same, which only root can do.
fn by_root(state: State) -> State {
    let State { prepare, .. } = state;
    let prepare = Box::new(|context: &Context| {
        ensure!(Uid::effective().is_root(), "only root loads XDP programs: run this as root");
        prepare(context)
    });
    State { prepare, ..state }
}

fn by_rules(name: &str, what: &str, states: [State; 2]) -> Scenario {
    Scenario {
        name: name.to_owned(),
        what: what.to_owned(),
        unit: "ns/packet",
        better: Better::Less,
        varies: "rules",
        points: RULES.to_vec(),
        states: states.into(),
        beside: &[],
    }
}

/// A state that the program `engine` measures; `varies` is what it is told the point with.
fn state(
    name: &'static str,
    what: &'static str,
    args: &'static [&str],
    varies: &'static str,
) -> State {
    State::new(name, what, move |context| {
        let (program, cpu) = (context.program("engine")?, context.cpu(0));
        let millis = context.millis().to_string();
        Ok(Box::new(move |point| {
            let said = [varies, &point.to_string(), "--millis", &millis];
            let args: Vec<_> = args.iter().chain(&said).map(|&one| one.to_owned()).collect();
            program::measure(&program, &args, cpu)
        }))
    })
}

const WORKERS: [u64; 2] = [1, 2];

fn workers() -> Scenario {
    Scenario {
        name: "scale-workers".to_owned(),
        what: "workers of a wire, each on a CPU, ports and packets of its own; 64 flows each"
            .to_owned(),
        unit: "million packets/s",
        better: Better::More,
        varies: "workers",
        points: WORKERS.to_vec(),
        states: vec![
            at_work("sluice", "all at the same time", turns),
            at_work("alone", "the limit: one at work alone, times their number", |one, workers| {
                let mut numbers = turns(one, 1)?;
                numbers.entry(VALUE.to_owned()).and_modify(|rate| *rate *= workers as f64);
                Ok(numbers)
            }),
        ],
        beside: &[],
    }
}

/// What a worker is measured with.
struct Turns {
    program: PathBuf,
    cpus: Vec<usize>,
    millis: u64,
}

fn at_work(
    name: &'static str,
    what: &'static str,
    measure: fn(&Turns, u64) -> Result<Numbers>,
) -> State {
    State::new(name, what, move |context| {
        let cpus: Vec<_> = (0..WORKERS.len()).map(|number| context.cpu(number)).collect();
        ensure!(cpus[0] != cpus[1], "one CPU only: each worker is to have one");
        let turns = Turns { program: context.program("engine")?, cpus, millis: context.millis() };
        Ok(Box::new(move |workers| measure(&turns, workers)) as Measure)
    })
}

/// All packets of so many workers.
fn turns(turns: &Turns, workers: u64) -> Result<Numbers> {
    let Turns { program, cpus, millis } = turns;
    let cpus: Vec<_> = cpus.iter().take(workers as usize).map(ToString::to_string).collect();
    let mut command = Command::new(program);
    command.args(["turn", "--flows", "64", "--cpus", &cpus.join(",")]);
    program::told(command.args(["--millis", &millis.to_string()]))
}

/// The coalescer holds 65,536 trains at most, DPDK one less.
const HELD: [u64; 4] = [1, 100, 10_000, 65_535];
const REMEMBERED: [u64; 4] = [1, 100, 10_000, 100_000];

fn memory() -> Scenario {
    let dpdk = engine::dpdk("dpdk", "`rte_gro_ctx_create`, a packet a flow", BURST, "gro-memory");
    by_memory(
        "scale-memory",
        "heap of the coalescer, with room for a train of each flow",
        HELD,
        [kept("sluice", "and for 128 packets in it", "coalescer"), dpdk],
    )
}

fn announced() -> Scenario {
    by_memory(
        "scale-memory-announced",
        "heap of what wire mode remembers of receivers",
        REMEMBERED,
        [
            kept("sluice", "`MssTable`, bounded", "announced"),
            kept("map", "the standard library's map, which grows", "map"),
        ],
    )
}

fn by_memory(name: &str, what: &str, points: [u64; 4], states: [State; 2]) -> Scenario {
    Scenario {
        name: name.to_owned(),
        what: what.to_owned(),
        unit: "bytes/flow",
        better: Better::Less,
        varies: "flows",
        points: points.into(),
        states: states.into(),
        beside: &[],
    }
}

/// A state that the program `memory` measures.
fn kept(name: &'static str, what: &'static str, of: &'static str) -> State {
    State::new(name, what, move |context| {
        let (program, cpu) = (context.program("memory")?, context.cpu(0));
        Ok(Box::new(move |flows| {
            let args = [of, "--flows", &flows.to_string()].map(str::to_owned);
            program::measure(&program, &args, cpu)
        }))
    })
}
