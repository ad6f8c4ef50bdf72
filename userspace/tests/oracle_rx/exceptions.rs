//! Where the engine differs from Linux on purpose, and why.
//!
//! An exception excuses nothing: it says how the packets that it names are to be given to the engine so
//! that it does what Linux does, and then all that comes out has to be equal. It counts as met only where
//! the outcomes differ without it.

use sluice_common::wire::{Bytes, Fragment, tcp};

use crate::burst::Family;
use crate::engine::Handling;
use crate::seen::{Seen, of_version_6};

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
        apply: |seen, handling| {
            overtakes(handling, seen.is_ipv4() && seen.transport() - seen.network() > 20)
        },
    },
    Exception {
        name: "fragments_overtake",
        family: Family::Tcp,
        rule: "G3, G5, G23",
        reason: "Linux lets a fragment overtake what is held of its flow. A first fragment shows its \
                 ports, so the order is kept here.",
        apply: |seen, handling| {
            overtakes(handling, seen.headers().is_some_and(|it| it.fragment != Fragment::Whole))
        },
    },
    Exception {
        name: "bad_ip_checksums_overtake",
        family: Family::Tcp,
        rule: "G2, G23",
        reason: "Linux lets a packet with a wrong IPv4 header checksum overtake what is held of its flow.",
        apply: |seen, handling| overtakes(handling, seen.is_ipv4() && seen.ip_sum() != 0xffff),
    },
    Exception {
        name: "bad_checksums_overtake",
        family: Family::Tcp,
        rule: "G7, G23",
        reason: "Linux lets a packet with a wrong TCP or UDP checksum overtake what is held of its flow.",
        apply: |seen, handling| {
            let verified = seen.is_tcp() || seen.udp().is_some_and(|(checksum, _)| checksum != 0);
            let looked_at = verified && seen.ip_end() == seen.bytes().len();
            overtakes(handling, looked_at && seen.transport_sum() != 0xffff)
        },
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
        rule: "G1, G5, G9, G23",
        reason: "For Linux packets with other MAC addresses, VLAN tags, flow labels or extension headers \
                 are other flows, whose trains are held beside each other and may change their order. \
                 Here the order between two endpoints is kept.",
        apply: |seen, handling| {
            handling.lane = seen.lane();
            handling.lane > 0
        },
    },
    Exception {
        name: "cwr_alone",
        family: Family::Tcp,
        rule: "G15",
        reason: "From 6.15 on Linux merges a packet with CWR with none, so that AccECN's counter bits \
                 stay as they are. Classic ECN lets it start a train: a congestion signal does not end \
                 the coalescing of a window.",
        apply: |seen, handling| {
            let follows = seen.is_tcp()
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
                handling.instead = Some(of_version_6.into_owned());
                handling.lane = seen.lane();
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

fn overtakes(handling: &mut Handling, is_it: bool) -> bool {
    handling.past |= is_it;
    is_it
}
