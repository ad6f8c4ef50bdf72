//! A burst of received packets on its way through a coalescer, whichever worker has it.

use sluice_common::offload::{Coalescer, Sink};
use sluice_common::reason::FlushReason;

use super::ahead::ahead;
use crate::xsk::{Frame, Packet};

/// Where trains go, and where their storage comes back from.
pub(super) trait Outlet<'u>: Sink<Frame<'u, Packet>> {
    /// Gives the coalescer the storage of trains that have gone.
    fn recycle(&mut self, coalescer: &mut Coalescer<Frame<'u, Packet>>);
}

/// What may be held when a burst has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// So many pieces of packets, else everything goes.
    pub(super) most: usize,
    /// Nothing: the worker ends.
    pub(super) stopping: bool,
}

/// Takes a burst, and lets go what is not to be held longer than to its end.
pub(super) fn take<'u>(
    coalescer: &mut Coalescer<Frame<'u, Packet>>,
    burst: &mut Vec<Frame<'u, Packet>>,
    held: Held,
    now: u64,
    out: &mut impl Outlet<'u>,
) {
    for packet in ahead(burst) {
        coalescer.push(packet, now, out);
        out.recycle(coalescer);
    }
    coalescer.end_of_burst(now, out);
    if coalescer.held_pieces() > held.most {
        coalescer.flush(FlushReason::Capacity, out);
    }
    if held.stopping {
        coalescer.flush(FlushReason::Shutdown, out);
    }
    out.recycle(coalescer);
}
