//! From `[offload]` to what the coalescer is told.

use sluice_common::offload::{GroConfig, Hold};

use super::{Flush, Offload};

/// Longest time an adaptive train waits for its flow's next packet, found by measurement
/// (`docs/PERFORMANCE.md`): with less, the packets of 16 flows that share 10 Gbit/s are too far apart to
/// merge; with more, a packet is delayed for longer and little is saved, and the bursts of a NIC that
/// interrupts every 50 µs would be held from one to the next.
const ADAPTIVE_CEILING_NS: u64 = 30_000;

impl Offload {
    /// How a coalescer is to work by these settings. `hash_keys` are a secret where packets are a
    /// stranger's (G24).
    #[must_use]
    pub fn coalescing(&self, hash_keys: [u64; 4]) -> GroConfig {
        let hold = match self.flush {
            Flush::Adaptive => Hold::Adaptive { ceiling: ADAPTIVE_CEILING_NS },
            Flush::EndOfBurst => Hold::EndOfBurst,
            Flush::After(time) => Hold::AtMost(time.as_nanos() as u64),
        };
        GroConfig {
            enabled: self.gro,
            udp: self.udp_gro,
            profile: self.profile,
            rx_checksum: self.rx_checksum,
            hold,
            max_size: self.max_size,
            tunnel_ports: self.tunnel_ports,
            hash_keys,
            ..GroConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sluice_common::offload::{Profile, RxChecksum};
    use sluice_common::wire::{TunnelKind, TunnelPorts};

    use super::*;

    #[test]
    fn the_configuration_reaches_the_coalescer() {
        let offload = Offload {
            gro: false,
            udp_gro: false,
            tso: true,
            uso: true,
            profile: Profile::AccEcn,
            flush: Flush::After(Duration::from_micros(7)),
            max_size: 9000,
            rx_checksum: RxChecksum::Trust,
            tunnel_ports: TunnelPorts::new(&[8472], &[]).unwrap(),
        };
        let gro = offload.coalescing([1, 2, 3, 4]);
        assert_eq!((gro.enabled, gro.udp, gro.profile), (false, false, Profile::AccEcn));
        assert_eq!(gro.tunnel_ports.kind(8472), Some(TunnelKind::Vxlan));
        assert_eq!((gro.hold, gro.max_size), (Hold::AtMost(7000), 9000));
        assert_eq!((gro.rx_checksum, gro.hash_keys), (RxChecksum::Trust, [1, 2, 3, 4]));
    }
}
