//! The engine in memory: each part against DPDK's, and against loops that cannot be beaten.

use super::context::Context;
use super::dpdk;
use super::program;
use super::scenario::{Better, Scenario, State};

const FLOWS: [u64; 5] = [1, 8, 64, 512, 8192];
const QUICK_FLOWS: [u64; 2] = [1, 512];
/// Packets taken from a ring at once.
const BURSTS: [u64; 3] = [32, 64, 256];
const QUICK_BURSTS: [u64; 1] = [64];

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    let bursts: &[u64] = if context.quick { &QUICK_BURSTS } else { &BURSTS };
    let by_burst: [fn(&Context, u64) -> Scenario; 7] =
        [parse, checksum, copy, coalesce, verify, held, segment];
    let each = by_burst.iter().flat_map(|make| bursts.iter().map(|&burst| make(context, burst)));
    each.chain([turn(context)]).collect()
}

fn scenario(context: &Context, name: String, what: String, states: Vec<State>) -> Scenario {
    let points = if context.quick { QUICK_FLOWS.to_vec() } else { FLOWS.to_vec() };
    let (unit, better, varies) = ("ns/packet", Better::Less, "flows");
    Scenario { name, what, unit, better, varies, points, states, beside: &[] }
}

fn parse(context: &Context, burst: u64) -> Scenario {
    let what = format!("headers of TCP packets, bursts of {burst}");
    let states = vec![
        engine("sluice", "`Headers::parse`", burst, &["parse"]),
        engine("memcpy", "the limit: the 66 bytes are copied", burst, &["parse", "--by", "memcpy"]),
    ];
    scenario(context, format!("engine-parse-{burst}"), what, states)
}

fn checksum(context: &Context, burst: u64) -> Scenario {
    let what = format!("sum of 1,448 bytes, bursts of {burst}");
    let states = vec![
        engine("sluice", "`checksum::sum`", burst, &["checksum", "--by", "sum"]),
        engine("memcpy", "the bytes are copied", burst, &["checksum", "--by", "memcpy"]),
    ];
    scenario(context, format!("engine-checksum-{burst}"), what, states)
}

fn copy(context: &Context, burst: u64) -> Scenario {
    let what = format!("copy and sum of 1,448 bytes in one pass, bursts of {burst}");
    let states = vec![
        engine("sluice", "`checksum::copy`", burst, &["checksum", "--by", "copy"]),
        engine("fused", "the limit: a loop for whole words", burst, &["checksum", "--by", "fused"]),
        engine("memcpy", "the bytes are copied", burst, &["checksum", "--by", "memcpy"]),
    ];
    scenario(context, format!("engine-copy-{burst}"), what, states)
}

fn coalesce(context: &Context, burst: u64) -> Scenario {
    let what = format!("full-size TCP packets to trains that end with the burst of {burst}");
    let states = vec![
        engine("sluice", "parses, trusts checksums", burst, &["coalesce"]),
        dpdk("dpdk", "`rte_gro_reassemble_burst`, given the header lengths", burst, "gro"),
    ];
    scenario(context, format!("engine-coalesce-{burst}"), what, states)
}

fn verify(context: &Context, burst: u64) -> Scenario {
    let what = format!("the same with checksums, bursts of {burst}");
    let states = vec![
        engine("sluice", "parses, verifies", burst, &["coalesce", "--verify"]),
        dpdk("dpdk", "the same after a sum over each packet", burst, "gro-verify"),
        engine("memcpy", "the payload is copied", burst, &["checksum", "--by", "memcpy"]),
    ];
    scenario(context, format!("engine-verify-{burst}"), what, states)
}

fn held(context: &Context, burst: u64) -> Scenario {
    let what =
        format!("trains held for eight rounds of the flows, at least four bursts of {burst}");
    scenario(context, format!("engine-held-{burst}"), what, held_states(burst).into())
}

/// Sluice, and DPDK.
pub(super) fn held_states(burst: u64) -> [State; 2] {
    [
        State::new("sluice", "parses, trusts checksums", move |context| {
            let (program, cpu) = (context.program("engine")?, context.cpu(0));
            let load = load(burst, context.millis());
            Ok(Box::new(move |flows| {
                let mut args = vec!["coalesce".to_owned(), "--held".into()];
                args.push((flows * 8 / burst).max(4).to_string());
                args.extend(load(flows));
                program::measure(&program, &args, cpu)
            }))
        }),
        dpdk("dpdk", "`rte_gro_reassemble`, `rte_gro_timeout_flush`", burst, "gro-held"),
    ]
}

fn segment(context: &Context, burst: u64) -> Scenario {
    let what = format!("24 KB super-packets, one a flow, to packets; {burst} at once");
    let states = vec![
        engine("sluice", "headers, copy, checksums", burst, &["segment"]),
        engine(
            "fused",
            "the limit: copy and sum of whole words",
            burst,
            &["segment", "--by", "fused"],
        ),
        engine("memcpy", "the bytes are copied", burst, &["segment", "--by", "memcpy"]),
        dpdk("dpdk", "`rte_gso_segment` and checksums, nothing copied", burst, "gso"),
    ];
    scenario(context, format!("engine-segment-{burst}"), what, states)
}

/// Both ports of a worker get 64 packets a turn.
fn turn(context: &Context) -> Scenario {
    let what = "turns of a wire's worker, 1,500-byte TCP, checksums verified".to_owned();
    let states = vec![
        engine("sluice", "a whole turn", 64, &["turn"]),
        engine("rings", "the limit: its ring operations alone", 64, &["turn", "--by", "rings"]),
    ];
    let one = scenario(context, "engine-turn".to_owned(), what, states);
    Scenario { unit: "million packets/s", better: Better::More, ..one }
}

/// The arguments that say what is measured at a number of flows.
fn load(burst: u64, millis: u64) -> impl Fn(u64) -> Vec<String> {
    move |flows| {
        let said = [("--flows", flows), ("--burst", burst), ("--millis", millis)];
        said.iter().flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]).collect()
    }
}

/// A state that the program `engine` measures.
fn engine(name: &'static str, what: &'static str, burst: u64, args: &'static [&str]) -> State {
    State::new(name, what, move |context| {
        let (program, cpu) = (context.program("engine")?, context.cpu(0));
        let load = load(burst, context.millis());
        Ok(Box::new(move |flows| {
            let args: Vec<_> = args.iter().map(|&one| one.to_owned()).chain(load(flows)).collect();
            program::measure(&program, &args, cpu)
        }))
    })
}

/// A state that `bench/dpdk/engine.c` measures, on the same packets.
pub(super) fn dpdk(
    name: &'static str,
    what: &'static str,
    burst: u64,
    mode: &'static str,
) -> State {
    State::new(name, what, move |context| {
        let (program, cpu, millis) = (dpdk::build("engine")?, context.cpu(0), context.millis());
        let engine = context.program("engine")?;
        Ok(Box::new(move |flows| {
            let headers = dpdk::headers(&engine, flows)?.display().to_string();
            let numbers = [flows, burst, millis].map(|number| number.to_string());
            let args: Vec<_> = [mode.to_owned(), headers].into_iter().chain(numbers).collect();
            program::measure(&program, &args, cpu)
        }))
    })
}
