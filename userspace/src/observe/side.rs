//! What a worker of wire mode counts for each of its ports.

use sluice_common::reason::{DropReason, FlushReason};

use crate::port::Statistics;

macro_rules! side_counts {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counts of one port of a wire-mode worker since its start.
        ///
        /// Every packet that came in by it is accounted for: `received_packets` and `taken_packets` are
        /// `forwarded_packets`, `recut_packets`, `fragmented_packets`, `answered_packets`, `to_host_packets`,
        /// `handed_packets`, [`dropped`](Self::dropped) and what is held.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct SideCounts {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Trains of packets that came in by this port, released, by reason.
            pub released: [u64; FlushReason::COUNT],
            /// Packets that came in by this port, dropped, by reason.
            pub dropped: [u64; DropReason::COUNT],
            /// What the kernel counts for the socket.
            pub statistics: Statistics,
        }

        impl Default for SideCounts {
            fn default() -> Self {
                Self {
                    $($name: 0,)+
                    released: [0; FlushReason::COUNT],
                    dropped: [0; DropReason::COUNT],
                    statistics: Statistics::default(),
                }
            }
        }

        impl SideCounts {
            /// The plain counts with their labels.
            pub fn plain(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }

            pub(super) fn visit(&mut self, mut number: impl FnMut(&mut u64)) {
                $(number(&mut self.$name);)+
                self.released.iter_mut().for_each(&mut number);
                self.dropped.iter_mut().for_each(&mut number);
                visit_statistics(&mut self.statistics, &mut number);
            }
        }
    };
}

side_counts! {
    /// Packets that came in.
    received_packets,
    /// Their bytes, link header included.
    received_bytes,
    /// Trains the packets that came in made, packets that stayed alone included.
    trains,
    /// Packets that came in and left as they came, or with their headers edited.
    forwarded_packets,
    /// Packets that came in and left cut to another size.
    recut_packets,
    /// Packets they became.
    recut_into,
    /// Packets that came in and left as fragments.
    fragmented_packets,
    /// Fragments they became.
    fragmented_into,
    /// Packets that came in too large for the other side, and were answered.
    answered_packets,
    /// Packets that came in and went to the local kernel.
    to_host_packets,
    /// Packets that came in and were handed to a helper; what it made of them is in its own counts.
    handed_packets,
    /// A helper's: packets that came in by this port and were handed to it.
    taken_packets,
    /// SYN segments that came in whose MSS was rewritten.
    mss_rewritten,
    /// Packets that left.
    sent_packets,
    /// Their bytes, link header included.
    sent_bytes,
    /// Super-packets among them: each was given to the kernel as one, and segmented behind it.
    sent_supers,
    /// Packets that were to leave and the kernel dropped or did not take.
    refused_packets,
    /// Packets that were to leave when the worker ended.
    unsent_packets,
}

/// Visits every number, always in the same order.
pub(super) fn visit_statistics(statistics: &mut Statistics, number: impl FnMut(&mut u64)) {
    let Statistics {
        rx_dropped,
        rx_invalid,
        rx_ring_full,
        rx_fill_empty,
        tx_invalid,
        tx_ring_empty,
    } = statistics;
    [rx_dropped, rx_invalid, rx_ring_full, rx_fill_empty, tx_invalid, tx_ring_empty]
        .into_iter()
        .for_each(number);
}
