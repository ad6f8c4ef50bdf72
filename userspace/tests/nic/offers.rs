//! Native or generic, zero-copy or copy, as the driver has it.

use anyhow::Result;

use crate::bed::{Bed, NIC};
use crate::driver::offers;

#[test]
fn the_driver_does_what_it_is_known_for_and_it_is_said() -> Result<()> {
    let bed = Bed::new()?;
    let offers = offers(&bed.lab.dut, NIC)?;
    let told = bed.features()?;
    assert_eq!(told["xdp"]["reported"], true);
    assert_eq!(told["xdp"]["native"], offers.native, "{:#}", told["xdp"]);
    assert_eq!(told["xdp"]["zero_copy"], offers.says_zero_copy, "{:#}", told["xdp"]);
    assert_eq!(told["xdp"]["program"], 0);

    let sluice = bed.start()?;
    let stats = sluice.stats()?.0;
    let mode = if offers.native { "native" } else { "generic" };
    assert_eq!(stats["ports"][0]["xdp"], mode, "{:#}", stats["ports"]);
    let queues = stats["ports"][0]["queues"].as_array().cloned().unwrap_or_default();
    assert_eq!(queues.len() as u64, told["queues"], "every queue is served");
    for queue in &queues {
        assert_eq!(queue["zero_copy"], offers.zero_copy, "{queue:#}");
        assert_eq!(queue["reason"].is_null(), offers.zero_copy, "why not is said: {queue:#}");
    }
    // The same in words, when it starts.
    let log = sluice.log();
    let copy = if offers.zero_copy { "zero-copy mode" } else { "copy mode: " };
    for line in [format!("{NIC} queue 0: {copy}"), format!("program attached, {mode} mode")] {
        assert!(log.contains(&line), "no `{line}` in\n{log}");
    }
    assert!(bed.features()?["xdp"]["program"] != 0);
    bed.stop(sluice)
}
