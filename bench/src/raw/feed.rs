//! What there is to receive: the kernel runs the XDP program on copies of one packet, on a core of its own.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::Plan;
use crate::link::{Steered, benchmark_addresses, pin};
use crate::stamp::Stamp;
use crate::template::{Common, Filling, Kind, Template};

/// Packets asked for at once: some milliseconds' worth, so that the feeder ends soon after the loop.
const AT_ONCE: u32 = 1 << 14;
/// Any port: everything is steered.
const PORT: u16 = 5001;

/// The packet of a plan: a datagram.
///
/// # Panics
/// Where it has no room for the headers.
pub(super) fn packet(plan: &Plan) -> Vec<u8> {
    let [source, destination] = benchmark_addresses(false);
    let common = Common { macs: MACS, destination: (destination, PORT), kind: Kind::Udp };
    let mut packet = vec![0; plan.size];
    let filling = Filling { source: (source, PORT), seq: 0, stamp: Stamp::default() };
    Template::new(&common, plan.size).write(&filling, &mut packet);
    packet
}

/// Nobody's: a host at the other end of a wire drops what is sent back there as soon as it sees it.
const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]];

/// The smallest packet there is.
pub(super) const fn least() -> usize {
    Template::least(Kind::Udp, false)
}

/// Feeds the plan's queue until `enough`.
pub(super) fn feed(plan: &Plan, steered: &Steered, enough: &AtomicBool) -> Result<()> {
    pin(plan.cores[1])?;
    let (packet, index) = (packet(plan), plan.wanted.index()?);
    while !enough.load(Ordering::Acquire) {
        let run = steered.steering.run_live(&packet, index, AT_ONCE);
        run.context("the kernel must know BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18)")?;
    }
    Ok(())
}
