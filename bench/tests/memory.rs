//! What is said to be the heap of a flow is at least what it cannot do without.

use std::process::Command;

use serde_json::Value;
use sluice::xsk::{Frame, Packet};
use sluice_common::flow::FlowKey;
use sluice_common::offload::GroConfig;

/// Bytes of heap, in all and for each of so many flows.
fn measured(of: &str, flows: u32) -> [f64; 2] {
    let mut program = Command::new(env!("CARGO_BIN_EXE_memory"));
    let output = program.args([of, "--flows", &flows.to_string()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    ["bytes", "value"].map(|name| said[name].as_f64().unwrap())
}

#[test]
fn all_of_it_is_counted_and_divided_by_the_flows() {
    let train = GroConfig::default().max_segments * size_of::<Frame<'_, Packet>>();
    let key = size_of::<FlowKey>();
    for (of, least) in [("coalescer", train), ("announced", key), ("map", key)] {
        let [bytes, each] = measured(of, 1_000);
        assert_eq!(each, bytes / 1_000.0);
        assert!(each >= least as f64, "{of} does not fit into {each} bytes");
        let [twice, _] = measured(of, 2_000);
        assert!((1.5..2.5).contains(&(twice / bytes)), "{of}: {twice} against {bytes}");
    }
}
