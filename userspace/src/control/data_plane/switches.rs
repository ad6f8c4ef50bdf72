//! Features that change while the workers work.

use std::time::{Duration, Instant};

use sluice_common::offload::features::{Feature, FeatureSet};

use super::super::protocol::Switched;
use crate::config::Offload;
use crate::pipeline::Handle;
use crate::tun::{Control, Offloads};

/// How long to wait for all workers together. Each looks at its mailbox within microseconds when it is
/// woken, and within ten milliseconds when it is busy; next hops wait meanwhile.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the features act on.
#[derive(Debug)]
pub(super) struct Switches {
    configured: Offload,
    /// The TUN device of host mode.
    tun: Option<Control>,
}

impl Switches {
    pub(super) const fn new(configured: Offload, tun: Option<Control>) -> Self {
        Self { configured, tun }
    }

    /// Goes by other settings from the next [`apply`](Self::apply) on.
    pub(super) fn configure(&mut self, configured: Offload) {
        self.configured = configured;
    }

    /// The settings with what is `active` on. Datagrams are not merged for a kernel that would refuse them.
    pub(super) fn offload(&self, active: FeatureSet) -> Offload {
        let udp = active.has(Feature::UdpReceive) && self.knows_udp();
        self.configured.switched(active.with(Feature::UdpReceive, udp))
    }

    /// Whether whoever gets the trains takes those of datagrams. Another port gets their packets.
    pub(super) fn knows_udp(&self) -> bool {
        self.tun.as_ref().is_none_or(Control::knows_udp)
    }

    /// Puts `active` in force: first the TUN device, if there is one, which may refuse, then every worker, which cannot.
    pub(super) fn apply<'h>(
        &self,
        active: FeatureSet,
        handles: impl Iterator<Item = &'h Handle> + Clone,
    ) -> Switched {
        let set = self.tun.as_ref().map_or(Ok(()), |tun| tun.set(tun_offloads(active)));
        if let Err(error) = set {
            return Switched::Refused(format!("the TUN device does not take it: {error}"));
        }
        // Keys stay with the workers.
        let gro = self.offload(active).coalescing([0; 4]);
        for handle in handles.clone() {
            // One whose mailbox is full is late below.
            let _ = handle.switch(gro);
        }
        let until = Instant::now() + PATIENCE;
        let is_late = |handle: &&Handle| {
            !handle.await_switch(until.saturating_duration_since(Instant::now()))
        };
        Switched::all_but(handles.filter(is_late).map(Handle::queue).collect())
    }
}

/// What of `active` the kernel is to leave to the workers.
pub(super) const fn tun_offloads(active: FeatureSet) -> Offloads {
    Offloads {
        checksums: active.has(Feature::TxChecksumming),
        tcp: active.has(Feature::TcpSegmentation),
        udp: active.has(Feature::UdpSegmentation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_of_the_way_out_is_an_offload_of_the_tun_device() {
        assert_eq!(tun_offloads(FeatureSet::ALL), Offloads::ALL);
        assert_eq!(tun_offloads(FeatureSet::EMPTY), Offloads::default());
        let all = FeatureSet::ALL;
        assert!(!tun_offloads(all.with(Feature::TxChecksumming, false)).checksums);
        assert!(!tun_offloads(all.with(Feature::TcpSegmentation, false)).tcp);
        assert!(!tun_offloads(all.with(Feature::UdpSegmentation, false)).udp);
    }
}
