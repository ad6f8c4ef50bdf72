//! What the rules of the offload engine say, each in a sentence or two.
//!
//! The numbers are those that the source, the reasons and the names of the tests use.

/// One rule.
pub(super) struct Rule {
    /// `G` coalescing, `S` segmentation, `F` features; and its number.
    pub(super) id: &'static str,
    /// What holds.
    pub(super) says: &'static str,
}

/// Rules that answer one question.
pub(super) struct Chapter {
    pub(super) title: &'static str,
    pub(super) rules: &'static [Rule],
}

const fn rule(id: &'static str, says: &'static str) -> Rule {
    Rule { id, says }
}

/// All of them, in the order of the page.
pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "Coalescing: may this packet take part?",
        rules: &[
            rule(
                "G1",
                "All packets of a train came through one queue of one port and have the same MAC addresses, \
                 EtherType and VLAN tags.",
            ),
            rule(
                "G2",
                "An IPv4 header has no options and a right checksum; a packet with another one is passed on.",
            ),
            rule(
                "G3",
                "IPv4 fragments are passed on, and so is a packet whose reserved flag is set.",
            ),
            rule(
                "G4",
                "The IP header's length is what there is. Padding that fills up a short Ethernet frame is cut \
                 off; with any other difference the packet is passed on.",
            ),
            rule(
                "G5",
                "Hop-by-hop, routing and destination-options headers of IPv6 are the same bytes in all of a \
                 train. Fragments, AH, ESP and unknown headers are passed on.",
            ),
            rule(
                "G6",
                "The transport header is sound: 20 to 60 bytes of TCP header inside the packet, or a UDP \
                 length above 8 that is the length of the IP payload.",
            ),
            rule(
                "G7",
                "The transport checksum is verified before anything merges; a packet with a wrong one goes on \
                 as it came. UDP without a checksum does not merge, except as the outer header of a tunnel \
                 when the whole train does without.",
            ),
            rule("G8", "A TCP packet without payload is not merged and does not wait."),
        ],
    },
    Chapter {
        title: "Coalescing: does it fit the train held for its flow?",
        rules: &[
            rule(
                "G9",
                "A flow is addresses, protocol and ports; a train of IPv6 has one flow label besides.",
            ),
            rule(
                "G10",
                "The sequence number is the one after the train's last byte, wrap-around included. After a \
                 gap or an overlap the next train begins.",
            ),
            rule("G11", "The acknowledgement number is the train's."),
            rule(
                "G12",
                "TCP header length, window and flags are the train's. FIN, PSH and CWR have rules of their \
                 own; the urgent pointer does not count.",
            ),
            rule(
                "G13",
                "The bytes of the TCP options are the train's, timestamps and order included.",
            ),
            rule("G14", "TTL or hop limit, TOS or traffic class, and DF are the train's."),
            rule(
                "G15",
                "A packet with CWR may begin a train and never joins one; in profile `accecn` CWR is compared \
                 like any flag.",
            ),
            rule(
                "G16",
                "IPv4 identifications count up by one, or all are the same: the second packet decides. \
                 Profile `linux-6.12` takes the same ones only with DF, and does not compare those of an \
                 outer header with DF; in the others DF does not matter.",
            ),
            rule(
                "G17",
                "No payload is larger than the first of its train. A smaller one may join, as the last.",
            ),
            rule(
                "G18",
                "A super-packet has at most 65,535 bytes from its IP header on, or fewer by choice.",
            ),
            rule(
                "G19",
                "A train of UDP has datagrams of one size, a smaller last one excepted, and at most 64. TCP \
                 segments are not counted, only measured.",
            ),
            rule(
                "G20",
                "A packet that is a super-packet already joins one of its own segment size only.",
            ),
        ],
    },
    Chapter {
        title: "Coalescing: what lets a train go?",
        rules: &[
            rule(
                "G21",
                "FIN and PSH join, show in the derived header, and close the train. A packet with SYN, RST or \
                 URG lets the train go and follows it alone.",
            ),
            rule("G22", "A payload shorter than the segment size closes the train that it joins."),
            rule(
                "G23",
                "A packet that does not fit lets the train go and begins the next, or follows it if it may \
                 not. Packets of one flow never overtake each other.",
            ),
            rule(
                "G24",
                "The table of flows is bounded, and gives up its oldest train when it is full. The number of \
                 flows does not change what a packet costs, and the key of the hash is the caller's secret.",
            ),
            rule(
                "G25",
                "No train waits without a deadline: the end of the burst, a time, or (adaptive) as long as \
                 the spacing of the flow's packets promises another one, up to a ceiling. A closed train \
                 does not wait.",
            ),
            rule("G26", "One encapsulation is looked into; a packet with two is passed on."),
        ],
    },
    Chapter {
        title: "Coalescing: what comes out?",
        rules: &[
            rule(
                "G27",
                "The derived header is the first packet's with the lengths, the IPv4 checksum and the closing \
                 flags of the whole.",
            ),
            rule(
                "G28",
                "With it come segment size, count and type (family, UDP, tunnel, fixed identifications, ECN) \
                 and a checksum: complete, or the pseudo-header's folded sum and where to complete it.",
            ),
            rule("G29", "A train of one packet leaves as it came, bit for bit."),
            rule(
                "G30",
                "A train cut at its own segment size gives every packet back, byte for byte.",
            ),
        ],
    },
    Chapter {
        title: "Coalescing: tunnels",
        rules: &[
            rule(
                "G31",
                "VXLAN and Geneve: a train has the same outer ports and the same tunnel header, options \
                 included, and outer checksums that are all 0 or all right. Unknown VXLAN flags, other \
                 versions of Geneve and its control packets do not merge.",
            ),
            rule(
                "G32",
                "GRE: version 0 with nothing but a checksum, which is verified, and a key; protocol and key \
                 are the train's. Sequence numbers do not merge.",
            ),
            rule(
                "G33",
                "IP in IP in all four combinations, one level of it. What goes to a tunnel's port is never \
                 taken for plain UDP.",
            ),
        ],
    },
    Chapter {
        title: "Segmentation",
        rules: &[
            rule(
                "S1",
                "A super-packet whose payload fits one segment is sent as it is; a size of 0 is refused.",
            ),
            rule(
                "S2",
                "Each segment but the last has exactly the segment size, and none is missing.",
            ),
            rule(
                "S3",
                "Every segment has the headers of the super-packet, tags, options and extensions included.",
            ),
            rule(
                "S4",
                "The sequence number grows with the bytes before the segment and wraps; acknowledgement \
                 number, window and urgent pointer stay.",
            ),
            rule(
                "S5",
                "FIN and PSH are on the last segment only, CWR on the first only (on all with Accurate ECN), \
                 other flags on all. SYN and RST are not segmented.",
            ),
            rule(
                "S6",
                "IPv4 identifications count up modulo 2^16, or stay where they are marked fixed; outer and \
                 inner ones each for themselves, and an outer header without DF always counts up.",
            ),
            rule(
                "S7",
                "DF, TTL, TOS and flow label are on all segments. No TCP segment is an IP fragment.",
            ),
            rule("S8", "Each segment has its own IP length and IPv4 header checksum."),
            rule(
                "S9",
                "Each segment has its own transport checksum, or the sum to complete it from where the port \
                 does that. UDP writes 0xFFFF for a result of 0.",
            ),
            rule(
                "S10",
                "A UDP super-packet is cut into whole datagrams, each with its own length.",
            ),
            rule(
                "S11",
                "A datagram larger than the MTU leaves as IP fragments of one identification, cut at multiples \
                 of 8, with one UDP header and one checksum, made before.",
            ),
            rule("S12", "The jumbo payload option of IPv6 is taken out first."),
            rule(
                "S13",
                "Tunnels: the inner packet is cut; outer headers are repeated with lengths and checksums of \
                 their own, and no checksum stays no checksum.",
            ),
            rule(
                "S14",
                "A port that cuts one level only gets outer headers for a full segment; an odd last piece is \
                 made apart.",
            ),
            rule(
                "S15",
                "What is unknown passes or is refused, never damaged. Metadata from outside that disagrees \
                 with its packet is refused and counted.",
            ),
            rule("S16", "A train leaves as a whole or waits as a whole for room."),
            rule("S17", "A segment size of 1 works."),
            rule(
                "S18",
                "A port that gathers gets one buffer of headers and references to payload; else there is one \
                 copy.",
            ),
        ],
    },
    Chapter {
        title: "Features",
        rules: &[
            rule(
                "F1",
                "Features have the names of `ethtool -k` and are on, off, fixed, or requested and off for a \
                 reason that is told.",
            ),
            rule(
                "F2",
                "A feature brings what it depends on, or says why it cannot be; nothing goes beyond what \
                 hardware and driver can do.",
            ),
            rule(
                "F3",
                "The largest super-packet is what 65,535 bytes leave after the headers, rounded down to a \
                 multiple of the segment size.",
            ),
        ],
    },
];

/// Every rule, in the order of the page.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    CHAPTERS.iter().flat_map(|chapter| chapter.rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_without_a_gap() {
        for (kind, count) in [("G", 33), ("S", 18), ("F", 3)] {
            let ids: Vec<_> = all().map(|rule| rule.id).filter(|id| id.starts_with(kind)).collect();
            let expected: Vec<_> = (1..=count).map(|n| format!("{kind}{n}")).collect();
            assert_eq!(ids, expected);
        }
    }

    #[test]
    fn a_statement_is_sentences() {
        for rule in all() {
            assert!(
                rule.says.ends_with('.') && !rule.says.contains("  "),
                "{}: {}",
                rule.id,
                rule.says
            );
        }
    }
}
