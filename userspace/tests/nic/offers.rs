//! Native or generic, zero-copy or copy, as the driver has it.

use anyhow::{Result, ensure};
use serde_json::Value;
use sluice_lab::Sluice;

use crate::bed::{Bed, NIC};
use crate::driver::{Offers, offers};

#[test]
fn the_driver_does_what_it_is_known_for_and_it_is_said() -> Result<()> {
    let bed = Bed::new()?;
    let offers = offers(&bed.lab.dut, NIC)?;
    let told = bed.features()?;
    let xdp = [("reported", true), ("native", offers.native), ("zero_copy", offers.says_zero_copy)];
    for (what, offered) in xdp {
        ensure!(told["xdp"][what] == offered, "{what}: {:#}", told["xdp"]);
    }
    ensure!(told["xdp"]["program"] == 0, "there is a program already");
    bed.with_sluice(|sluice| {
        runs_as_offered(sluice, offers, &told)?;
        ensure!(bed.features()?["xdp"]["program"] != 0, "the program is not seen");
        Ok(())
    })
}

fn runs_as_offered(sluice: &Sluice, offers: Offers, told: &Value) -> Result<()> {
    let stats = sluice.stats()?.0;
    let mode = if offers.native { "native" } else { "generic" };
    ensure!(stats["ports"][0]["xdp"] == mode, "not {mode}: {:#}", stats["ports"]);
    let queues = stats["ports"][0]["queues"].as_array().cloned().unwrap_or_default();
    ensure!(queues.len() as u64 == told["queues"], "every queue is served: {}", queues.len());
    for queue in &queues {
        ensure!(queue["zero_copy"] == offers.zero_copy, "{queue:#}");
        ensure!(queue["reason"].is_null() == offers.zero_copy, "why not is said: {queue:#}");
    }
    // The same in words, when it starts.
    let log = sluice.log();
    let copy = if offers.zero_copy { "zero-copy mode" } else { "copy mode: " };
    for line in [format!("{NIC} queue 0: {copy}"), format!("program attached, {mode} mode")] {
        ensure!(log.contains(&line), "no `{line}` in the log");
    }
    Ok(())
}
