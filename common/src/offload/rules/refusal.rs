//! May this packet take part (G2–G8, G21)?

use crate::checksum::sum;
use crate::offload::packet::{Facts, Verified};
use crate::offload::{GroConfig, RxChecksum};
use crate::reason::FlushReason;
use crate::wire::{Bytes, Fragment, Headers, Protocol, ipv4, tcp};

/// Why a packet takes no part, whatever is held.
pub(in crate::offload) fn refusal(facts: &Facts<'_>, config: &GroConfig) -> Option<FlushReason> {
    let flags = facts.tcp().map_or_else(Default::default, |tcp| tcp.flags());
    let is_udp = facts.headers.protocol == Protocol::UDP;
    first_broken! {
        /// Switched off; G7: unverified is unmerged.
        !config.enabled || is_udp && !config.udp || config.rx_checksum == RxChecksum::Leave
            => Disabled,
        /// G3, G5
        facts.headers.fragment != Fragment::Whole || has_reserved_flag(facts.headers, facts.network())
            => Fragment,
        /// G5, G26: neither TCP nor UDP, or behind a header that is not stepped over.
        !is_udp && facts.headers.protocol != Protocol::TCP => NotMergeable,
        /// G2
        !facts.headers.is_ipv6() && facts.network().len() > ipv4::HEADER_LEN => Ipv4Options,
        /// G4, G6
        facts.payload.is_none() => BadLength,
        /// G2
        !facts.headers.is_ipv6() && !ipv4_checksum_holds(facts.network()) => BadIpChecksum,
        /// G7
        facts.checksum == Verified::Absent => NoChecksum,
        /// G7
        facts.checksum == Verified::Bad => BadChecksum,
        /// G30
        facts.checksum == Verified::AllOnes => ChecksumAllOnes,
        /// G21
        flags.intersects(tcp::Flags::SYN) => Syn,
        /// G21
        flags.intersects(tcp::Flags::RST) => Rst,
        /// G21
        flags.intersects(tcp::Flags::URG) => Urg,
        /// G6, G8
        facts.payload == Some(facts.end) => NoPayload,
    }
}

/// Of `headers`, whose IP header is `network`.
pub(super) fn has_reserved_flag(headers: &Headers, network: &[u8]) -> bool {
    ipv4::Packet::new(network)
        .is_some_and(|packet| !headers.is_ipv6() && packet.fragment_word() & ipv4::RESERVED != 0)
}

/// 0xFFFF passes for 0, but no sender writes it, and segmentation would write 0 (G30).
pub(super) fn ipv4_checksum_holds(header: &[u8]) -> bool {
    sum(header).folded() == 0xffff && header.be16(10) != Some(0xffff)
}
