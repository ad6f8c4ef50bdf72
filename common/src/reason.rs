//! Why: one name for each verdict of the classifier, each release of a train and each drop.
//!
//! A reason is at once a verdict, the label of a counter and the name of the test that produces it,
//! so that what a user reads in `sluice stats` can be found in the source with one search.

use core::error::Error;
use core::fmt;

/// Declares an enum of reasons with its labels and the array of all of them.
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every reason, in the order of its counter index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The label: how counters and tests name this reason.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What the reason means, in a sentence.
            #[must_use]
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The index of this reason's counter.
            #[must_use]
            pub const fn index(self) -> usize { self as usize }
        }
    };
}

pub(crate) use reasons;

reasons! {
    /// What the XDP program did with a packet, and why. Counted per CPU in the kernel.
    VerdictReason {
        /// A rule says steer, and a worker was there to take it.
        Steered = "steered",
        /// A rule says pass.
        PassRule = "pass_rule",
        /// A rule says drop.
        DropRule = "drop_rule",
        /// No rule matches.
        NoRule = "no_rule",
        /// Not an IP packet (ARP included).
        NotIp = "not_ip",
        /// An IP protocol without ports: ICMP, neighbour discovery, ESP, ….
        NotTcpUdp = "not_tcp_udp",
        /// A fragment: whoever reassembles must see all of them.
        Fragment = "fragment",
        /// The headers cannot be followed: cut short, wrong version or length, too deep.
        Malformed = "malformed",
        /// A rule says steer, but no socket serves the queue.
        NoSocket = "no_socket",
        /// A rule says steer, but the queue's worker gave no sign of life within the fail-open time.
        NoHeartbeat = "no_heartbeat",
        /// Larger than the other port sends, and no rule steers it: to the worker all the same, which cuts it
        /// or answers.
        TooLarge = "too_large",
        /// Larger than the other port sends, and no worker to take it: to the kernel, where the supervisor
        /// hears of it and answers.
        TooLargePassed = "too_large_passed",
    }
}

reasons! {
    /// Why a train was released, or a packet went on unmerged.
    FlushReason {
        /// G25: the burst ended.
        EndOfBurst = "end_of_burst",
        /// G25: the train's deadline passed.
        Timeout = "timeout",
        /// G24: the flow table was full, and this train was the oldest.
        Capacity = "capacity",
        /// G18: one more packet would not fit the largest super-packet.
        MaxSize = "max_size",
        /// The port takes no more buffers in one super-packet.
        MaxSegments = "max_segments",
        /// G19: a train of UDP has as many datagrams as Linux puts in one.
        MaxDatagrams = "max_datagrams",
        /// G22: a packet shorter than the segment size closed the train.
        ShortSegment = "short_segment",
        /// G17: a packet larger than the segment size does not join.
        LargerSegment = "larger_segment",
        /// G20: a super-packet of another segment size does not join.
        SegmentSize = "segment_size",
        /// G21: a packet with PSH closed the train.
        Push = "push",
        /// G21: a packet with FIN closed the train.
        Fin = "fin",
        /// G21: a packet with SYN goes alone.
        Syn = "syn",
        /// G21: a packet with RST goes alone.
        Rst = "rst",
        /// G21: a packet with URG goes alone.
        Urg = "urg",
        /// G15: a packet with CWR starts a train of its own.
        Cwr = "cwr",
        /// G10: the sequence number is not the expected one: loss, reordering or repetition.
        Sequence = "sequence",
        /// G10: under the profile `reorder`, what came early waited in vain for what was missing.
        GapTimeout = "gap_timeout",
        /// G10: under the profile `reorder`, more came early than is held aside.
        GapFull = "gap_full",
        /// G11: another acknowledgement number.
        Acknowledgement = "acknowledgement",
        /// G12: another header length.
        HeaderLength = "header_length",
        /// G12: another window.
        Window = "window",
        /// G12: other flags.
        Flags = "flags",
        /// G13: other TCP options, or other timestamps.
        Options = "options",
        /// G14: another TTL or hop limit.
        Ttl = "ttl",
        /// G14: another TOS or traffic class (DSCP or ECN).
        Tos = "tos",
        /// G14: another DF flag.
        DontFragment = "dont_fragment",
        /// G16: the IPv4 identification is neither the next one nor the same.
        IpId = "ip_id",
        /// G1: other MAC addresses or VLAN tags.
        LinkHeader = "link_header",
        /// G31, G32: other outer UDP ports or another tunnel header, or one that says what a train cannot say
        /// once for all: an unknown VXLAN flag, a Geneve control message, a GRE sequence number.
        TunnelHeader = "tunnel_header",
        /// G31, G32: the outer UDP or GRE checksum is wrong or left to a NIC, or one packet has it and the
        /// other has not.
        OuterChecksum = "outer_checksum",
        /// G26: a tunnel in a tunnel.
        NestedTunnel = "nested_tunnel",
        /// G5, G9: another IPv6 flow label or other extension headers.
        ExtensionHeaders = "extension_headers",
        /// G6, G8: no payload: a pure acknowledgement, or an empty datagram.
        NoPayload = "no_payload",
        /// A complete checksum and one that holds the pseudo-header sum only do not share a train.
        ChecksumState = "checksum_state",
        /// G7: the checksum is wrong, or 0xFFFF where a sender writes 0; the packet goes on as it came.
        BadChecksum = "bad_checksum",
        /// G7: a UDP checksum of 0, which says that there is none: segmentation would write one.
        NoChecksum = "no_checksum",
        /// G30: the checksum is right, but stands as 0xFFFF where segmentation would write 0.
        ChecksumAllOnes = "checksum_all_ones",
        /// G2: IPv4 options.
        Ipv4Options = "ipv4_options",
        /// G2: the IPv4 header checksum is wrong, or 0xFFFF where a sender writes 0.
        BadIpChecksum = "bad_ip_checksum",
        /// G3, G5: a fragment, or the reserved flag.
        Fragment = "fragment",
        /// G4, G6: lengths that disagree with the bytes present.
        BadLength = "bad_length",
        /// Neither TCP nor UDP over IP, or headers that cannot be followed.
        NotMergeable = "not_mergeable",
        /// Coalescing is switched off, for all packets or for UDP.
        Disabled = "disabled",
        /// A feature was switched: what is held goes, and what comes goes by the new rules.
        Switched = "switched",
        /// The worker stops: what is held goes.
        Shutdown = "shutdown",
    }
}

reasons! {
    /// Why a packet or a train was dropped in user space. Never silently.
    DropReason {
        /// The backlog towards a port is full.
        BacklogFull = "backlog_full",
        /// A received packet spans more frames than the largest IP packet does.
        TooManyPieces = "too_many_pieces",
        /// The TUN device refused the packet.
        TunRefused = "tun_refused",
        /// The kernel did not take the packet on its way out through a packet socket, or had no room to queue it.
        SocketRefused = "socket_refused",
        /// The TUN device is gone or down.
        TunGone = "tun_gone",
        /// S15: a vnet header that disagrees with its packet: lengths beyond the packet, `gso_size` 0.
        BadVnetHeader = "bad_vnet_header",
        /// S15: a `gso_type` or protocol that cannot be segmented.
        UnknownGsoType = "unknown_gso_type",
        /// S5: a super-packet with SYN or RST.
        SynRstSuper = "syn_rst_super",
        /// S16: more segments than the transmit ring has slots: it would never fit.
        TooManySegments = "too_many_segments",
        /// Larger than the port's MTU, and not to be segmented.
        TooLarge = "too_large",
        /// G7: to fit the other side the packet would have to be cut, which would make its wrong checksum right.
        BadChecksum = "bad_checksum",
        /// The stage dropped the train.
        Stage = "stage",
        /// The helper that has the flow is behind, or as many frames are with helpers as may be.
        HelperBusy = "helper_busy",
        /// A packet came back from a helper and found no room to leave through its port.
        HandedBackFull = "handed_back_full",
        /// Not an IP packet.
        NotIp = "not_ip",
        /// The kernel's own path took neither: the next hop is unknown and the kernel refused.
        NoRoute = "no_route",
        /// The worker stops with this in its backlog.
        Shutdown = "shutdown",
    }
}

/// As an error of [`Segmenter::new`](crate::offload::Segmenter::new).
impl Error for DropReason {}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_distinct(labels: impl Iterator<Item = &'static str>) {
        let labels: std::vec::Vec<_> = labels.collect();
        let mut unique = labels.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), labels.len(), "two reasons share a label: {labels:?}");
    }

    #[test]
    fn labels_are_distinct_and_indices_follow_all() {
        assert_distinct(VerdictReason::ALL.iter().map(|reason| reason.label()));
        assert_distinct(FlushReason::ALL.iter().map(|reason| reason.label()));
        assert_distinct(DropReason::ALL.iter().map(|reason| reason.label()));
        for (index, reason) in FlushReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }

    #[test]
    fn a_description_is_the_documentation() {
        assert_eq!(FlushReason::EndOfBurst.describe(), "G25: the burst ended.");
    }
}
