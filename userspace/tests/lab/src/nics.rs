//! Two NICs that a cable joins, each in a namespace of its own.

use std::process::Command;

use anyhow::{Context, Result};

use crate::namespace::checked;
use crate::veth::End;
use crate::{DUT_V4, DUT_V6, HANG, Lab, Namespace, PEER_V4, PEER_V6, wait_until};

impl Lab {
    /// A lab of two NICs of this machine that are cabled to each other: `dut` becomes the device under test's, `peer`
    /// the other host's. They keep their names and their offloads, and are this machine's again when the lab goes.
    ///
    /// # Errors
    /// Without root or `ip`, where there are no such NICs, or no carrier.
    pub fn of_nics(dut: &str, peer: &str) -> Result<Self> {
        let lab = Self { peer: Namespace::new("peer")?, dut: Namespace::new("dut")? };
        let ends = [
            (End { host: &lab.peer, link: peer }, PEER_V4, PEER_V6),
            (End { host: &lab.dut, link: dut }, DUT_V4, DUT_V6),
        ];
        for (end, v4, v6) in ends {
            move_in(end)?;
            end.up(v4, v6)?;
        }
        ends.iter().try_for_each(|(end, ..)| end.await_carrier())?;
        Ok(lab)
    }
}

/// Waits for a NIC that is on its way back from another namespace: the kernel gives it back in the background once that
/// has gone.
fn move_in(end: End<'_>) -> Result<()> {
    let mut refused = None;
    let moved = wait_until("the NIC is there", HANG, || {
        let mut ip = Command::new("ip");
        let moved = checked(ip.args(["link", "set", end.link, "netns", end.host.name()]));
        moved.map_err(|error| refused = Some(error)).ok()
    });
    moved.map(drop).with_context(|| refused.map_or_else(String::new, |error| format!("{error:#}")))
}
