//! The generator that has the kernel repeat one packet (`BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18).
//!
//! It is the fastest there is without hardware: no skb, no socket and no copy. All its packets are the same, so
//! there is nothing to tell losses by.

use std::time::Duration;

use anyhow::{Context, Result};
use sluice::steer::{Peer, Steering};

use crate::clock;
use crate::generate::Amount;
use crate::link::Wanted;
use crate::pace::Pace;
use crate::report::GenReport;
use crate::traffic::Traffic;
use crate::until::Until;

/// Packets the kernel is asked for at once. Asking costs it some dozen pages and 20 µs; and nothing can stop it
/// before it has sent as many.
const AT_ONCE: u64 = 1 << 15;
/// Larger than any packet that fits a page.
const MTU: u32 = 9_216;

/// Has the kernel send the next packet of `traffic` out of the interface, again and again.
///
/// The other end of a veth pair takes such packets only with an XDP program, such as the sink's, or with GRO.
///
/// # Errors
/// Where the kernel or the driver cannot do it.
///
/// # Panics
/// Never.
pub fn generate(wanted: &Wanted, traffic: &mut Traffic, amount: Amount) -> Result<GenReport> {
    let index = wanted.index()?;
    let mut steering = Steering::load()?;
    // Nothing is steered: the program forwards everything, as it does in wire mode without a worker.
    steering.set_rules(&[], Duration::from_secs(1))?;
    steering.set_peer(Some(Peer { index, mtu: MTU }))?;
    let mut packet = vec![0; traffic.longest()];
    let len = traffic.write(0, &mut packet);
    let begin = clock::now();
    let pace = Pace::new(begin, amount.rate);
    let until = Until::new(amount.bounds, begin);
    let (mut sent, mut now) = (0, begin);
    while !until.is_over(sent, now) {
        let wanted = pace.due(now).saturating_sub(sent).min(AT_ONCE);
        let repeat = until.allows(wanted, sent, now);
        if repeat > 0 {
            let repeat = u32::try_from(repeat).expect("no more than at once");
            steering.run_live(&packet[..len], index, repeat).context("--live-frames")?;
            sent += u64::from(repeat);
        }
        now = clock::now();
    }
    Ok(GenReport::new(sent, sent * len as u64, clock::seconds(begin, now), 0))
}
