//! Super-packets that chance would meet too rarely.

use std::net::IpAddr;

use sluice_common::checksum::naive;
use sluice_common::offload::GsoType;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Protocol, ipv4, tcp::Flags};

use crate::case::Case;
use crate::generate::zero_checksum;

/// Both families, without options and with so many bytes of payload.
fn both(len: usize) -> [Packet; 2] {
    [Packet::tcp4(), Packet::tcp6()].map(|packet| Packet {
        checksum: Field::Partial,
        options: Vec::new(),
        payload: payload(len),
        ..packet
    })
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 + n / 251) as u8).collect()
}

/// TCP.
pub(crate) fn tcp() -> Vec<Case> {
    [flags(), options(), ip_options(), sizes(), wraps(), identifications(), zero_sums()].concat()
}

/// Every combination of flags, with and without the promise that CWR is RFC 3168's.
fn flags() -> Vec<Case> {
    let all = (0..=0xff).flat_map(|flags| both(100).map(|packet| (flags, packet)));
    all.map(|(flags, packet)| {
        let mut case = Case::new("every flag", Packet { flags: Flags(flags), ..packet }, 40);
        case.vnet.gso_type |= if flags & 1 == 0 { 0 } else { GsoType::ECN.0 as u8 };
        case
    })
    .collect()
}

/// TCP options of every length.
fn options() -> Vec<Case> {
    let all = (0..=10).flat_map(|words| both(301).map(|packet| (words, packet)));
    all.map(|(words, packet)| {
        Case::new("options of every length", Packet { options: vec![1; 4 * words], ..packet }, 100)
    })
    .collect()
}

/// IPv4 options of every length.
fn ip_options() -> Vec<Case> {
    let [packet, _] = both(301);
    let of = |words: usize| Packet { ip_options: vec![1; 4 * words], ..packet.clone() };
    (0..=10_usize).map(|words| Case::new("IPv4 options of every length", of(words), 99)).collect()
}

/// Sizes at the ends of their range (S17), and packets at the 64 KiB edge.
fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    let lengths = [(0, 1), (0, 1448), (1, 1), (2, 1), (3, 2), (1500, 1), (3001, 3)];
    for (len, size) in lengths.into_iter().chain([(1448, 1448), (1449, 1448), (1447, 1448)]) {
        cases.extend(both(len).map(|packet| Case::new("a small size", packet, size)));
    }
    for size in [1, 2, 700, 1448, 9_000, 32_767, 65_000, 65_494, 65_495, 65_496, 65_534] {
        let edge = |at_most: usize| if size < 10 { 4_000 } else { at_most };
        let [v4, v6] = both(0);
        let v4 = v4.with_payload(&payload(edge(65_535 - 40)));
        // An IPv6 header is not part of the payload length, but no packet is above 65,535 bytes (G18).
        let v6 = v6.with_payload(&payload(edge(65_535 - 60)));
        cases.extend([v4, v6].map(|packet| Case::new("the 64 KiB edge", packet, size)));
    }
    cases
}

/// Sequence numbers that wrap at every place in and between segments.
fn wraps() -> Vec<Case> {
    let all = (0..=301).step_by(7).flat_map(|before| both(301).map(|packet| (before, packet)));
    all.map(|(before, packet)| {
        Case::new(
            "a sequence number that wraps",
            Packet { seq: 0_u32.wrapping_sub(before), ..packet },
            100,
        )
    })
    .collect()
}

/// Identifications that wrap, with and without DF.
fn identifications() -> Vec<Case> {
    let [packet, _] = both(400);
    let ids = [0, 1, 0x7fff, 0x8000, 0xfffc, 0xfffd, 0xfffe, 0xffff];
    let all = ids.into_iter().flat_map(|id| [0, ipv4::DF].map(|word| (id, word)));
    all.map(|(id, fragment_word)| {
        Case::new(
            "an identification that wraps",
            Packet { id, fragment_word, ..packet.clone() },
            100,
        )
    })
    .collect()
}

/// A checksum that comes out as 0 in each segment, and in a packet that is not cut.
fn zero_sums() -> Vec<Case> {
    let mut cases = Vec::new();
    for which in 0..4 {
        for mut packet in both(333) {
            zero_checksum(&mut packet, 100, which);
            cases.push(Case::new("a checksum of 0", packet, 100));
        }
    }
    for mut packet in both(333) {
        zero_checksum(&mut packet, 1_000, 0);
        debug_assert_eq!(packet.protocol, Protocol::TCP);
        cases.push(Case::new("a checksum of 0 in a packet that is not cut", packet, 1_000));
    }
    cases
}

/// UDP that is cut into datagrams.
pub(crate) fn uso() -> Vec<Case> {
    let udp = |len| both(len).map(|packet| Packet { protocol: Protocol::UDP, ..packet });
    let mut cases = Vec::new();
    let lengths = [(0, 1), (0, 1_472), (1, 1), (2, 1), (3, 2), (128, 1), (129, 1)];
    for (len, size) in lengths.into_iter().chain([(256, 2), (257, 2), (1_472, 1_472)]) {
        cases.extend(udp(len).map(|packet| Case::new("a small size", packet, size)));
    }
    for size in [511, 512, 1_472, 32_767, 65_000, 65_506, 65_507, 65_534] {
        let [v4, v6] = udp(65_535 - 48);
        let v4 = v4.with_payload(&payload(65_535 - 28));
        cases.extend([v4, v6].map(|packet| Case::new("the 64 KiB edge", packet, size)));
    }
    for (size, which) in [(100, 0), (100, 1), (100, 2), (100, 3), (1_000, 0)] {
        for mut packet in udp(333) {
            zero_checksum(&mut packet, size, which);
            cases.push(Case::new("a checksum of 0", packet, size as u16));
        }
    }
    for checksum in [Field::Is(0), Field::Is(0xffff)] {
        cases.extend(udp(333).map(|packet| {
            Case::new("a partial checksum of 0 or of all ones", Packet { checksum, ..packet }, 100)
        }));
    }
    cases
}

/// TCP beyond 64 KiB, with a jumbo option (S12), as Linux has it where `gso_ipv6_max_size` allows it.
pub(crate) fn jumbo() -> Vec<Case> {
    let lens = [65_537, 66_000, 100_001, 180_000];
    let sizes = [536, 1_440, 8_948, 65_000];
    let all = lens.into_iter().flat_map(|len| sizes.map(|size| (len, size)));
    all.map(|(len, size)| {
        let [_, packet] = both(len);
        jumbogram(
            Packet { options: vec![1; 12], flags: Flags::ACK.with(Flags::PSH), ..packet },
            size,
        )
    })
    .collect()
}

fn jumbogram(packet: Packet, size: u16) -> Case {
    let transport_len = (20 + packet.options.len() + packet.payload.len()) as u32;
    let option = [&[0, 0, 0xc2, 4][..], &(8 + transport_len).to_be_bytes()].concat();
    let mut pseudo: Vec<u8> = Vec::new();
    for end in [packet.src, packet.dst] {
        let IpAddr::V6(end) = end else { panic!("only IPv6 has jumbograms") };
        pseudo.extend(end.octets());
    }
    pseudo.extend(transport_len.to_be_bytes());
    pseudo.extend([0, 0, 0, packet.protocol.0]);
    let checksum = Field::Is(naive(&pseudo).folded());
    let extensions = vec![(Protocol::HOP_BY_HOP, option)];
    let mut case = Case::new("a jumbogram", Packet { checksum, extensions, ..packet }, size);
    // The length is the option's.
    case.ip[4..6].fill(0);
    case
}
