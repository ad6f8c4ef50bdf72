//! What the headers of a tunnel must be by themselves, and have in common (G26, G31–G33).

use super::refusal::{has_reserved_flag, ipv4_checksum_holds};
use super::side::Side;
use crate::offload::GroConfig;
use crate::offload::outer::OuterFacts;
use crate::offload::packet::Verified;
use crate::reason::FlushReason;
use crate::wire::{Bytes, Fragment, TunnelKind, gre, ipv4, udp};

/// Why a tunnel's packet takes no part because of what stands around the inner packet.
pub(in crate::offload) fn outer_refusal(
    outer: &OuterFacts<'_>,
    config: &GroConfig,
) -> Option<FlushReason> {
    let (headers, network) = (outer.headers, outer.network);
    first_broken! {
        /// Switched off.
        !config.enabled => Disabled,
        /// G3, G5
        headers.fragment != Fragment::Whole || has_reserved_flag(headers, network) => Fragment,
        /// G2
        !headers.is_ipv6() && network.len() > ipv4::HEADER_LEN => Ipv4Options,
        /// G4, G6
        !outer.agree => BadLength,
        /// G2
        !headers.is_ipv6() && !ipv4_checksum_holds(network) => BadIpChecksum,
        /// G31, G32
        !outer.tunnel.is_plain => TunnelHeader,
        /// G26
        outer.tunnel.is_nested => NestedTunnel,
        /// G31, G32
        outer.checksum == Verified::Bad => OuterChecksum,
        /// G30
        outer.checksum == Verified::AllOnes => ChecksumAllOnes,
    }
}

/// What outer UDP headers and tunnel headers have in common.
pub(super) fn tunnel_mismatch(
    kind: TunnelKind,
    train: &Side<'_>,
    next: &Side<'_>,
) -> Option<FlushReason> {
    let (train, next) = (train.transport(), next.transport());
    first_broken! {
        /// G31
        kind.is_udp() && has_udp_checksum(train) != has_udp_checksum(next) => OuterChecksum,
        /// G31, G32
        compared(kind, train) != compared(kind, next) => TunnelHeader,
    }
}

fn has_udp_checksum(header: &[u8]) -> bool {
    header.be16(udp::CHECKSUM).is_some_and(|field| field != 0)
}

/// All but lengths and checksums: UDP ports, or GRE's flags and protocol; and what follows.
fn compared(kind: TunnelKind, header: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = match kind {
        TunnelKind::Vxlan | TunnelKind::Geneve => udp::HEADER_LEN,
        TunnelKind::Gre if header.be16(0)? & gre::CHECKSUM != 0 => gre::CHECKSUM_AT + 2,
        TunnelKind::Gre => gre::HEADER_LEN,
        TunnelKind::Ip => return None,
    };
    Some((header.get(..4)?, header.get(rest..)?))
}
