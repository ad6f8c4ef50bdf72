//! What a worker counts: it alone writes, anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;
use sluice_common::reason::{DropReason, FlushReason};

use super::Ledger;
use super::side::{SideCounts, visit_statistics};
use crate::port::Statistics;

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counts of one worker since its start.
        ///
        /// On the way in every packet is accounted for: `from_wire_packets` is `to_host_packets` and
        /// [`dropped_inbound`](Self::dropped_inbound) and what the ledger has as held and in the
        /// backlog. On the way out so is every packet the local kernel gave: `from_host_packets` is
        /// `to_wire_trains`, `to_kernel_trains`, [`dropped_outbound`](Self::dropped_outbound), and at
        /// most one that waits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Trains released, by reason.
            pub released: [u64; FlushReason::COUNT],
            /// Wire packets dropped on the way to the host, by reason.
            pub dropped_inbound: [u64; DropReason::COUNT],
            /// Packets of the host (a super-packet is one) dropped on the way to the wire, by reason.
            pub dropped_outbound: [u64; DropReason::COUNT],
            /// What the kernel counts for the socket.
            pub statistics: Statistics,
            /// Wire mode: what is counted for each port, [`Side::A`](sluice_common::Side::A) first.
            pub sides: [SideCounts; 2],
            /// Where the frames are.
            pub ledger: Ledger,
        }

        impl Default for Counts {
            fn default() -> Self {
                Self {
                    $($name: 0,)+
                    released: [0; FlushReason::COUNT],
                    dropped_inbound: [0; DropReason::COUNT],
                    dropped_outbound: [0; DropReason::COUNT],
                    statistics: Statistics::default(),
                    sides: [SideCounts::default(); 2],
                    ledger: Ledger::default(),
                }
            }
        }

        impl Counts {
            /// The plain counts with their labels.
            pub fn plain(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }

            /// Visits every number, always in the same order.
            fn visit(&mut self, mut number: impl FnMut(&mut u64)) {
                $(number(&mut self.$name);)+
                self.released.iter_mut().for_each(&mut number);
                self.dropped_inbound.iter_mut().for_each(&mut number);
                self.dropped_outbound.iter_mut().for_each(&mut number);
                visit_statistics(&mut self.statistics, &mut number);
                self.sides.iter_mut().for_each(|side| side.visit(&mut number));
                for gauge in self.ledger.gauges() {
                    let mut wide = u64::from(*gauge);
                    number(&mut wide);
                    *gauge = wide as u32;
                }
            }
        }
    };
}

counts! {
    /// Turns of the worker.
    turns,
    /// Turns that moved something.
    busy_turns,
    /// Times it slept.
    sleeps,
    /// CPU time it used, in nanoseconds.
    cpu_ns,
    /// Packets from the wire.
    from_wire_packets,
    /// Their bytes, link header included.
    from_wire_bytes,
    /// Hand-overs to the host: super-packets and single packets.
    to_host_trains,
    /// Wire packets in them.
    to_host_packets,
    /// Of the hand-overs, super-packets.
    to_host_supers,
    /// Wire packets in super-packets.
    to_host_super_packets,
    /// Packets from the host: super-packets and single ones.
    from_host_packets,
    /// Of them, super-packets.
    from_host_supers,
    /// Their bytes, from the IP header on.
    from_host_bytes,
    /// Packets of the host that went out on the wire, whole.
    to_wire_trains,
    /// Wire packets they became.
    to_wire_packets,
    /// Their bytes, link header included.
    to_wire_bytes,
    /// Packets of the host that took the kernel's own path: their next hop was not known.
    to_kernel_trains,
    /// Wire packets they became.
    to_kernel_packets,
}

impl Counts {
    /// How many numbers there are.
    const NUMBERS: usize = size_of::<Self>().div_ceil(size_of::<u32>());

    /// Wire packets dropped on the way to the host or to the other side, and packets dropped on the way to the
    /// wire.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let sides = self.sides.iter().map(|side| side.dropped[reason.index()]).sum::<u64>();
        self.dropped_inbound[reason.index()] + self.dropped_outbound[reason.index()] + sides
    }

    /// Trains released because of `reason`.
    #[must_use]
    pub fn released(&self, reason: FlushReason) -> u64 {
        let sides = self.sides.iter().map(|side| side.released[reason.index()]).sum::<u64>();
        self.released[reason.index()] + sides
    }
}

/// The counts of one worker, published: it stores them every few milliseconds, readers see each
/// number whole, and numbers that are a few milliseconds apart.
#[derive(Debug)]
pub struct WorkerCounters {
    numbers: CachePadded<[AtomicU64; Counts::NUMBERS]>,
}

impl Default for WorkerCounters {
    fn default() -> Self {
        Self { numbers: CachePadded::new([const { AtomicU64::new(0) }; Counts::NUMBERS]) }
    }
}

impl WorkerCounters {
    /// What was published last.
    #[must_use]
    pub fn read(&self) -> Counts {
        let mut counts = Counts::default();
        let mut numbers = self.numbers.iter();
        counts.visit(|number| {
            *number = numbers.next().map_or(0, |published| published.load(Ordering::Relaxed));
        });
        counts
    }

    /// Publishes `counts`. Only the worker does.
    pub(crate) fn publish(&self, counts: &Counts) {
        let mut numbers = self.numbers.iter();
        counts.clone().visit(|number| {
            if let Some(published) = numbers.next() {
                published.store(*number, Ordering::Relaxed);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_published_and_read_back_in_its_place() {
        let (mut counts, mut next) = (Counts::default(), 0);
        counts.visit(|number| {
            next += 1;
            *number = next;
        });
        assert!(next as usize <= Counts::NUMBERS);
        assert_eq!(counts.turns, 1);
        assert_eq!(u64::from(counts.ledger.lost), next, "the last one");
        let counters = WorkerCounters::default();
        counters.publish(&counts);
        assert_eq!(counters.read(), counts);
    }

    #[test]
    fn labels_are_the_names_of_the_fields() {
        let counts = Counts { to_wire_bytes: 7, ..Counts::default() };
        assert!(counts.plain().any(|labelled| labelled == ("to_wire_bytes", 7)));
    }
}
