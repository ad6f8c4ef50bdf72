//! What a running Sluice counts for a port of wire mode.

use serde_json::Value;

macro_rules! crossed {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What crossed a port of wire mode, all workers together. Zero where nothing is counted.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Crossed {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Crossed {
            /// Adds the counters of one worker.
            pub(crate) fn add(&mut self, counters: &Value) {
                $(self.$name += counters[stringify!($name)].as_u64().unwrap_or(0);)+
            }
        }

        impl std::ops::Sub for Crossed {
            type Output = Self;

            fn sub(self, before: Self) -> Self {
                Self { $($name: self.$name - before.$name,)+ }
            }
        }
    };
}

crossed! {
    /// Packets that came in.
    received_packets,
    /// Their bytes, link header included.
    received_bytes,
    /// Trains they made, packets that stayed alone included.
    trains,
    /// Packets that came in and left with the size they had.
    forwarded_packets,
    /// Packets that came in and left cut to another size.
    recut_packets,
    /// Packets they became.
    recut_into,
    /// Packets that came in and left as fragments.
    fragmented_packets,
    /// Packets that came in too large for the other side, and were answered.
    answered_packets,
    /// SYN segments that came in whose MSS was rewritten.
    mss_rewritten,
    /// Packets that left.
    sent_packets,
    /// Their bytes, link header included.
    sent_bytes,
    /// Super-packets among them.
    sent_supers,
    /// Packets that were to leave and the kernel dropped or did not take.
    refused_packets,
}

impl Crossed {
    /// Packets of a train that came in, on average, those that stayed alone included.
    #[must_use]
    pub fn coalesced(&self) -> f64 {
        self.received_packets as f64 / self.trains.max(1) as f64
    }
}
