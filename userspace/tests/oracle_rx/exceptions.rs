//! Where the engine differs from Linux on purpose, and why.
//!
//! An exception excuses nothing: it says how the packets that it names are to be given to the engine so
//! that it does what Linux does, and then all that comes out has to be equal. It counts as met only where
//! the outcomes differ without it.

use sluice_common::checksum::Sum;
use sluice_common::wire::{Bytes, Fragment, TunnelKind, ipv4, tcp, udp, vxlan};

use crate::burst::Family;
use crate::engine::Handling;
use crate::offer::Cwr;
use crate::seen::{Seen, network_of, of_version_6};

/// A difference on purpose.
pub(crate) struct Exception {
    /// Its name.
    pub(crate) name: &'static str,
    /// The rule the engine keeps.
    pub(crate) rule: &'static str,
    /// What Linux does instead, and why the engine does not.
    pub(crate) reason: &'static str,
    /// The bursts that have to meet it.
    pub(crate) family: Family,
    /// Changes how the packet is given to the engine, if it is one of those named.
    apply: fn(&Seen<'_>, &mut Handling) -> bool,
}

/// All of them. What lets a packet pass comes first: the others leave alone what passes.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        name: "ip_options_overtake",
        family: Family::Tcp,
        rule: "G2, G23",
        reason: "Linux looks at no flow for a packet with IPv4 options: it overtakes what is held of its \
                 own. The order within a flow never changes here.",
        apply: |seen, handling| overtakes(handling, seen.has_options()),
    },
    Exception {
        name: "fragments_overtake",
        family: Family::Tcp,
        rule: "G3, G5, G23",
        reason: "Linux lets a fragment overtake what is held of its flow. A first fragment shows its \
                 ports, so the order is kept here.",
        apply: |seen, handling| {
            let is_it = seen.layers().any(|headers| headers.fragment != Fragment::Whole);
            overtakes(handling, is_it)
        },
    },
    Exception {
        name: "bad_ip_checksums_overtake",
        family: Family::Tcp,
        rule: "G2, G23",
        reason: "Linux lets a packet with a wrong IPv4 header checksum overtake what is held of its flow.",
        apply: |seen, handling| overtakes(handling, seen.has_bad_ip_checksum()),
    },
    Exception {
        name: "bad_checksums_overtake",
        family: Family::Tcp,
        rule: "G7, G23",
        reason: "Linux lets a packet with a wrong TCP or UDP checksum overtake what is held of its flow.",
        apply: |seen, handling| overtakes(handling, seen.has_bad_checksum()),
    },
    Exception {
        name: "cut_headers_overtake",
        family: Family::Tcp,
        rule: "G6, G23",
        reason: "Linux looks at no flow for a packet whose TCP or UDP header is cut short, or whose TCP \
                 header claims fewer than five words: it overtakes what is held. Its ports are there, so \
                 the order is kept here.",
        apply: |seen, handling| {
            overtakes(handling, (seen.is_tcp() || seen.is_udp()) && !seen.has_transport_header())
        },
    },
    Exception {
        name: "udp_without_checksum_overtakes",
        family: Family::Udp,
        rule: "G7, G23",
        reason: "Linux lets a datagram without checksum overtake what is held of its flow.",
        apply: |seen, handling| {
            overtakes(handling, seen.udp().is_some_and(|(checksum, _)| checksum == 0))
        },
    },
    Exception {
        name: "udp_lengths_overtake",
        family: Family::Udp,
        rule: "G6, G23",
        reason: "Linux lets a datagram without payload, or whose UDP length is not what the IP packet \
                 has, overtake what is held of its flow.",
        apply: |seen, handling| {
            let is_it = |(_, len): (u16, u16)| {
                let (end, there) = (seen.transport() + usize::from(len), seen.bytes().len());
                let is_padded = end < there && end == seen.ip_end();
                len <= 8 || end != there && !is_padded
            };
            overtakes(handling, seen.udp().is_some_and(is_it))
        },
    },
    Exception {
        name: "outer_checksums_overtake",
        family: Family::Tunnels,
        rule: "G31, G32, G23",
        reason: "Linux lets a tunnel's packet whose outer UDP or GRE checksum is wrong overtake what is held \
                 of the flow inside; so it does if it has not verified the UDP checksum, as the outer lengths \
                 disagree.",
        apply: |seen, handling| overtakes(handling, seen.has_bad_outer_checksum()),
    },
    Exception {
        name: "padding",
        family: Family::Tcp,
        rule: "G4",
        reason: "Linux leaves trimming to drivers and does not merge a padded frame that comes from one \
                 that does not trim. Padding of short Ethernet frames is trimmed here.",
        apply: |seen, handling| {
            let is_padded = !handling.past && seen.ip_end() < seen.bytes().len();
            let datagram_ends = |(_, len)| seen.transport() + usize::from(len);
            let is_udp = seen.udp().is_some_and(|udp| datagram_ends(udp) == seen.ip_end());
            handling.apart |= is_padded && seen.is_tcp();
            handling.past |= is_padded && (seen.is_tcp() || is_udp);
            is_padded
        },
    },
    Exception {
        name: "link_and_label_lanes",
        family: Family::Tcp,
        rule: "G1, G5, G9, G23, G31, G32",
        reason: "For Linux packets with other MAC addresses, VLAN tags, flow labels, extension headers or \
                 tunnel headers are other flows, whose trains are held beside each other and may change \
                 their order. Here the order between two endpoints is kept.",
        apply: |seen, handling| {
            handling.lane = seen.lane();
            handling.lane > 0
        },
    },
    Exception {
        name: "vxlan_flags",
        family: Family::Tunnels,
        rule: "G31",
        reason: "Linux merges VXLAN packets with whatever flags, if they are the same. What unknown ones \
                 say about each packet is not known here, so these do not merge.",
        apply: |seen, handling| {
            let Some((outer, tunnel)) = seen.tunnel() else { return false };
            if tunnel.kind != TunnelKind::Vxlan || tunnel.is_plain {
                return false;
            }
            let instead = handling.instead.get_or_insert_with(|| seen.bytes().to_vec());
            with_vxlan_flags(&mut instead[outer.transport.into()..], vxlan::VNI_VALID);
            true
        },
    },
    Exception {
        name: "outer_udp_length",
        family: Family::Tunnels,
        rule: "G6, G31",
        reason: "Linux does not look at the UDP length of a tunnel's packet, which a checksum would cover. \
                 Here it has to be what the IP packet has.",
        apply: |seen, handling| {
            let Some((outer, tunnel)) = seen.tunnel() else { return false };
            let transport = usize::from(outer.transport);
            let len = (seen.bytes().len() - transport) as u16;
            let word = |at| seen.bytes().be16(transport + at);
            let is_plain = tunnel.kind.is_udp() && word(udp::CHECKSUM) == Some(0);
            if !is_plain || word(udp::LENGTH) == Some(len) {
                return false;
            }
            let instead = handling.instead.get_or_insert_with(|| seen.bytes().to_vec());
            let at = transport + udp::LENGTH;
            instead[at..at + 2].copy_from_slice(&len.to_be_bytes());
            true
        },
    },
    Exception {
        name: "outer_fixed_id",
        family: Family::Tunnels,
        rule: "G16, G30, S6",
        reason: "Linux merges packets whose outer headers have the same identification and no DF, and its \
                 segmentation then counts it up. Here what would not be cut to the same packets is not \
                 merged.",
        apply: |seen, handling| {
            let outer = seen.tunnel().map(|(outer, _)| outer).filter(|outer| !outer.is_ipv6());
            let Some(network) = outer.map(|outer| usize::from(outer.network)) else { return false };
            if seen.bytes().be16(network + 6).is_none_or(|word| word & ipv4::DF != 0) {
                return false;
            }
            let instead = handling.instead.get_or_insert_with(|| seen.bytes().to_vec());
            with_dont_fragment(&mut instead[network..]);
            true
        },
    },
    Exception {
        name: "outer_checksum",
        family: Family::Tunnels,
        rule: "G28, S13",
        reason: "Linux leaves the sum of the pseudo header in the outer UDP checksum of a super-packet, and \
                 in GRE's what its first packet had: segmentation makes them. Here they are those of the \
                 whole with the inner checksum completed, which is all that is left to do before it is \
                 sent as it is.",
        apply: |seen, handling| {
            handling.outer_checksum = seen.tunnel().is_some();
            handling.outer_checksum
        },
    },
    Exception {
        name: "gre_checksum_for_key",
        family: Family::Tunnels,
        rule: "G32",
        reason: "Where a GRE header has a checksum and a key, Linux compares the checksums for the keys: \
                 such packets hardly ever merge. Here the keys are compared.",
        apply: |seen, handling| {
            let lane = seen.gre_lane();
            handling.lane = lane.unwrap_or(handling.lane);
            lane.is_some()
        },
    },
    Exception {
        name: "cwr_alone",
        family: Family::Tcp,
        rule: "G15",
        reason: "Linux 6.18 merges a packet with CWR with none, so that AccECN's counter bits stay as they \
                 are. Classic ECN lets it start a train: a congestion signal does not end \
                 the coalescing of a window.",
        apply: |seen, handling| {
            let follows = seen.offer().cwr == Cwr::Alone
                && seen.is_tcp()
                && !handling.past
                && seen.previous().is_some_and(|before| before.flags().intersects(tcp::Flags::CWR));
            handling.apart |= follows;
            follows
        },
    },
    Exception {
        name: "checksum_all_ones",
        family: Family::Tcp,
        rule: "G30",
        reason: "Linux merges a packet whose checksum stands as 0xFFFF, and segments it with 0x0000. \
                 What is segmented here is what came.",
        apply: |seen, handling| {
            let at = seen.transport() + 16;
            let is_it = seen.is_tcp() && seen.bytes().be16(at) == Some(0xffff);
            if is_it {
                handling.instead.get_or_insert_with(|| seen.bytes().to_vec())[at..at + 2].fill(0);
            }
            is_it
        },
    },
    Exception {
        name: "ipv6_version",
        family: Family::Tcp,
        rule: "G5",
        reason: "Linux coalesces whatever has IPv6's EtherType and does not look at the version. Here a \
                 packet of another version is none that can be followed.",
        apply: |seen, handling| {
            let of_version_6 = of_version_6(seen.bytes());
            let is_it = of_version_6 != seen.bytes();
            if is_it {
                let instead = handling.instead.get_or_insert_with(|| seen.bytes().to_vec());
                let at = network_of(seen.bytes());
                instead[at] = of_version_6[at];
                handling.lane = handling.lane.max(seen.lane());
            }
            is_it
        },
    },
];

impl Exception {
    /// Changes how the packet is given to the engine; `false` if it is none of those named.
    pub(crate) fn apply(&self, seen: &Seen<'_>, handling: &mut Handling) -> bool {
        (self.apply)(seen, handling)
    }
}

/// Sets DF, with which the engine takes any identification; a TTL no other packet has keeps the packet apart
/// from those that have DF anyway. The header checksum is as good as before.
fn with_dont_fragment(header: &mut [u8]) {
    let words = [6, 8].map(|at| header.be16(at).unwrap_or(0));
    let [fragment, ttl] = [words[0] | ipv4::DF, words[1] ^ 0x8000];
    let before = header.be16(10).unwrap_or(0);
    // RFC 1624, equation 3.
    let change = words.into_iter().map(|word| Sum::of(!word)).chain([fragment, ttl].map(Sum::of));
    let checksum = change.fold(Sum::of(!before), |sum, word| sum + word).checksum();
    for (at, word) in [(6, fragment), (8, ttl), (10, checksum)] {
        header[at..at + 2].copy_from_slice(&word.to_be_bytes());
    }
}

/// Gives the packet, from its outer UDP header on, these flags, and as good a UDP checksum as before.
fn with_vxlan_flags(udp: &mut [u8], flags: u32) {
    let [f0, f1, f2, f3] = flags.to_be_bytes();
    let new = [u16::from_be_bytes([f0, f1]), u16::from_be_bytes([f2, f3])];
    let old = [8, 10].map(|at| udp.be16(at).unwrap_or(0));
    if let Some(before) = udp.be16(6).filter(|before| *before != 0) {
        // RFC 1624, equation 3.
        let change = old.into_iter().map(|word| Sum::of(!word)).chain(new.map(Sum::of));
        let checksum = match change.fold(Sum::of(!before), |sum, word| sum + word).checksum() {
            0 => 0xffff,
            checksum => checksum,
        };
        udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
    udp[8..12].copy_from_slice(&flags.to_be_bytes());
}

fn overtakes(handling: &mut Handling, is_it: bool) -> bool {
    handling.past |= is_it;
    is_it
}
