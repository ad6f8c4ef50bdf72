//! Features: what can be switched, under the names of `ethtool -k`, and what goes with what.
//!
//! | file | what it holds |
//! |---|---|
//! | `set` | a set of features |
//! | `mend` | what features cannot do without, and a wish brought into line with it (F2) |
//! | `switches` | wishes, what became of them and why (F1), and changing them |
//! | `size_goal` | the largest super-packet (F3) |

mod mend;
mod set;
mod size_goal;
mod switches;

pub use mend::{Limits, Reason};
pub use set::FeatureSet;
pub use size_goal::size_goal;
pub use switches::{Change, FeatureRefused, Features, State};

use crate::reason::reasons;

reasons! {
    /// A feature by its name in `ethtool -k` (F1).
    Feature {
        /// Received checksums are verified: nothing merges unverified.
        RxChecksumming = "rx-checksumming",
        /// Checksums are made for who sends.
        TxChecksumming = "tx-checksumming",
        /// A packet may stand in several buffers.
        ScatterGather = "scatter-gather",
        /// TCP super-packets are taken and cut (TSO).
        TcpSegmentation = "tcp-segmentation-offload",
        /// UDP super-packets are taken and cut into datagrams (USO).
        UdpSegmentation = "tx-udp-segmentation",
        /// Segmentation in software, for a port that cannot cut itself (GSO).
        GenericSegmentation = "generic-segmentation-offload",
        /// Packets of a flow are merged such that they can be had back (GRO).
        GenericReceive = "generic-receive-offload",
        /// UDP datagrams are merged too, whoever they are for.
        UdpReceive = "rx-udp-gro-forwarding",
        /// Packets are merged such that they cannot be had back (LRO).
        LargeReceive = "large-receive-offload",
        /// The NIC merges as GRO does.
        HardwareReceive = "rx-gro-hw",
        /// Packets are chained by reference instead of merged.
        ReceiveList = "rx-gro-list",
        /// Super-packets in a UDP tunnel (VXLAN, Geneve) are cut; the outer checksum is 0.
        TunnelSegmentation = "tx-udp_tnl-segmentation",
        /// As before, with an outer checksum.
        TunnelChecksumSegmentation = "tx-udp_tnl-csum-segmentation",
        /// Super-packets in GRE are cut.
        GreSegmentation = "tx-gre-segmentation",
        /// As before, with a GRE checksum.
        GreChecksumSegmentation = "tx-gre-csum-segmentation",
        /// Super-packets in an IPv4 tunnel (IPIP, SIT) are cut.
        Ipv4TunnelSegmentation = "tx-ipxip4-segmentation",
        /// Super-packets in an IPv6 tunnel are cut.
        Ipv6TunnelSegmentation = "tx-ipxip6-segmentation",
        /// The NIC cuts the inner packet and copies the outer headers as they are (S14).
        PartialSegmentation = "tx-gso-partial",
        /// The NIC takes VLAN tags off.
        RxVlan = "rx-vlan-offload",
        /// The NIC puts VLAN tags on.
        TxVlan = "tx-vlan-offload",
        /// Flows are steered to queues by rules.
        Ntuple = "ntuple-filters",
        /// The NIC tells the hash it spread packets by.
        ReceiveHashing = "receive-hashing",
        /// Traffic control runs in the NIC.
        TrafficControl = "hw-tc-offload",
    }
}

impl Feature {
    /// The feature of that name.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|feature| feature.label() == label)
    }
}

impl core::fmt::Display for Feature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_a_name_leads_to_its_feature_and_back() {
        for &feature in Feature::ALL {
            assert_eq!(Feature::from_label(feature.label()), Some(feature));
        }
        assert_eq!(Feature::from_label("tcp-segmentation"), None);
    }
}
