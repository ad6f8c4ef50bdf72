//! NICs that cables join, those of each host in a namespace of its own.

use std::process::Command;

use anyhow::{Context, Result};

use crate::namespace::checked;
use crate::veth::End;
use crate::{
    A_V4, A_V6, B_V4, B_V6, DUT_V4, DUT_V6, HANG, Lab, Namespace, PEER_V4, PEER_V6, WireLab,
    wait_until,
};

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

impl WireLab {
    /// A lab of four NICs of this machine, of which the first two are cabled to each other and so are the last two:
    /// host `a`'s, both ports of the device under test, and host `b`'s. They keep their names and their offloads, and are
    /// this machine's again when the lab goes.
    ///
    /// # Errors
    /// As [`Lab::of_nics`].
    pub fn of_nics([a, left, right, b]: [&str; 4]) -> Result<Self> {
        let lab = Self::of([Namespace::new("a")?, Namespace::new("dut")?, Namespace::new("b")?]);
        let hosts = [
            (End { host: &lab.a, link: a }, A_V4, A_V6),
            (End { host: &lab.b, link: b }, B_V4, B_V6),
        ];
        let ports = [left, right].map(|link| End { host: &lab.dut, link });
        for (end, v4, v6) in hosts {
            move_in(end)?;
            end.up(v4, v6)?;
        }
        for port in ports {
            move_in(port)?;
            port.up_bare()?;
        }
        let ends = hosts.iter().map(|(end, ..)| end).chain(&ports);
        ends.into_iter().try_for_each(|end| end.await_carrier())?;
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
