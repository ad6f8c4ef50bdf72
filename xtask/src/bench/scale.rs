//! What more flows, more rules and more workers cost.

use super::context::Context;
use super::engine;
use super::scenario::{Better, Scenario};

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    vec![flows(context)]
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
    }
}
