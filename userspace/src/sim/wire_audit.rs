//! The books of a worker of wire mode.

use sluice_common::Side;
use sluice_common::reason::DropReason;
use sluice_common::stage::Stage;

use crate::observe::{Counts, SideCounts};
use crate::pipeline::{WireHelper, WireWorker};
use crate::port::{FramePort, HostPort};

/// What is wrong with a worker's books, if anything is: each frame is somewhere, once; each packet that came in
/// has left in one way or another, was dropped with a reason, or is still here; and what was to leave has left,
/// waits, or was given up.
///
/// A worker that hands flows on is audited together with its `helpers`, after the same turn.
///
/// # Errors
/// The sums that do not agree.
pub fn audit_wire<'u, N, T, S>(
    worker: &mut WireWorker<'u, N, T, S>,
    helpers: &[&WireHelper<'u, S>],
) -> Result<(), String>
where
    N: FramePort<'u>,
    T: HostPort,
    S: Stage,
{
    let (ledger, counts) = (worker.ledger(), *worker.counts());
    if !ledger.is_balanced() {
        return Err(format!("frames: {ledger}"));
    }
    for side in Side::BOTH {
        came(&counts, side, worker.held(side))?;
        for helper in helpers {
            came(helper.counts(), side, helper.held(side))?;
        }
    }
    if helpers.is_empty() {
        went(&counts, Side::BOTH.map(|side| worker.waiting(side)))?;
    }
    Ok(())
}

/// What came in by `side`, `held` packets of which are here.
fn came(counts: &Counts, side: Side, held: usize) -> Result<(), String> {
    let side = &counts.sides[side.index()];
    let gone = side.forwarded_packets
        + side.recut_packets
        + side.fragmented_packets
        + side.answered_packets
        + side.to_host_packets
        + side.handed_packets;
    if side.received_packets + side.taken_packets != gone + dropped(side) + held as u64 {
        return Err(format!("in: {gone} gone, {held} held, {side:?}"));
    }
    Ok(())
}

/// Packets that came in and were dropped; what came back from a helper and found no room did not come in here.
fn dropped(side: &SideCounts) -> u64 {
    let back = side.dropped[DropReason::HandedBackFull.index()];
    side.dropped.iter().sum::<u64>() - back
}

/// What was to leave, through whichever port.
fn went(counts: &Counts, waiting: [usize; 2]) -> Result<(), String> {
    let total = |of: fn(&SideCounts) -> u64| counts.sides.iter().map(of).sum::<u64>();
    let to_leave = total(|side| {
        side.forwarded_packets + side.recut_into + side.fragmented_into + side.answered_packets
    });
    let left = total(|side| side.sent_packets + side.refused_packets + side.unsent_packets);
    let waiting: usize = waiting.iter().sum();
    if to_leave != left + waiting as u64 {
        return Err(format!("out: {to_leave} to leave, {waiting} wait, {:?}", counts.sides));
    }
    Ok(())
}
