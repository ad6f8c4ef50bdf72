//! Super-packets of every kind.

use std::net::IpAddr;

use sluice_common::checksum::naive;
use sluice_common::offload::{GsoType, VnetHeader};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{EtherType, Link, Protocol, ipv4, tcp::Flags};

use crate::case::{Case, checksum_at, transport_at};
use crate::dice::Dice;

/// A TCP super-packet, truthful in all.
pub(crate) fn tcp(dice: &mut Dice) -> Case {
    let mut packet = headers(dice);
    packet.seq = if dice.one_in(4) { near_wrap(dice) } else { dice.any() as u32 };
    packet.ack = dice.any() as u32;
    packet.window = dice.any() as u16;
    packet.urgent = if dice.one_in(4) { dice.any() as u16 } else { 0 };
    packet.reserved = if dice.one_in(4) { dice.between(0, 15) as u8 } else { 0 };
    packet.flags = flags(dice);
    let words = dice.between(0, 10);
    packet.options = dice.bytes(4 * words);
    let (len, size) = lengths(dice, 65_535 - transport_at(&packet) - 20 - 4 * words);
    packet.payload = dice.bytes(len);
    let zero = dice.one_in(8).then(|| dice.any() as usize);
    if let Some(which) = zero {
        zero_checksum(&mut packet, size, which);
    }
    let mut case = Case::new("tcp", packet, size as u16);
    if dice.one_in(3) {
        case.vnet.gso_type |= GsoType::ECN.0 as u8;
    }
    if case.packet.tags.is_empty() && dice.one_in(8) {
        // Nothing is promised of the checksum, and the whole packet is summed. Behind a tag a packet socket
        // does not find the transport header by itself.
        case.vnet.flags = 0;
    }
    case
}

/// A UDP super-packet of datagrams (USO), truthful in all.
pub(crate) fn uso(dice: &mut Dice) -> Case {
    let mut packet = Packet { protocol: Protocol::UDP, ..headers(dice) };
    let (len, size) = lengths(dice, 65_535 - transport_at(&packet) - 8);
    // No socket makes more datagrams than this, and the kernel takes no more (`UDP_MAX_SEGMENTS`).
    packet.payload = dice.bytes(len.min(128 * size));
    let zero = dice.one_in(8).then(|| dice.any() as usize);
    if let Some(which) = zero {
        zero_checksum(&mut packet, size, which);
    }
    Case::new("datagrams", packet, size as u16)
}

/// A UDP datagram to be cut into fragments (UFO), truthful in all.
pub(crate) fn ufo(dice: &mut Dice) -> Case {
    let mut packet = Packet { protocol: Protocol::UDP, ..headers(dice) };
    packet.fragment_word = if dice.one_in(8) { ipv4::DF } else { 0 };
    if !dice.one_in(8) {
        packet.ip_options.clear();
    }
    let (len, size) = lengths(dice, 65_535 - transport_at(&packet) - 8);
    let size = if dice.one_in(8) { size } else { size.max(8) / 8 * 8 };
    packet.payload = dice.bytes(len);
    if dice.one_in(8) {
        zero_checksum(&mut packet, len, 0);
    }
    let mut case = Case::datagram("a datagram", packet, size as u16);
    if dice.one_in(8) && case.packet.tags.is_empty() {
        // Its checksum is there, or none is wanted.
        case.packet.checksum = dice.of(&[Field::Right, Field::Is(0)]);
        case = Case::datagram("a datagram with its checksum", case.packet, size as u16);
        case.vnet.flags = 0;
    }
    case
}

/// Link and IP header of any kind, and no payload.
fn headers(dice: &mut Dice) -> Packet {
    let mut packet = if dice.one_in(2) { Packet::tcp4() } else { Packet::tcp6() };
    packet.checksum = Field::Partial;
    packet.payload = Vec::new();
    packet.options = Vec::new();
    packet.tags = dice
        .of(&[&[][..], &[], &[EtherType::VLAN], &[EtherType::QINQ, EtherType::VLAN]])
        .iter()
        .map(|tag| (*tag, dice.any() as u16))
        .collect();
    (packet.ttl, packet.tos) = (dice.between(1, 255) as u8, dice.any() as u8);
    packet.flow_label = dice.any() as u32 & 0xf_ffff;
    packet.id =
        if dice.one_in(4) { 0xfff0 + dice.between(0, 15) as u16 } else { dice.any() as u16 };
    packet.fragment_word = dice.of(&[0, ipv4::DF]);
    (packet.src_port, packet.dst_port) = (dice.any() as u16 | 1, 5_001);
    if packet.src.is_ipv6() {
        packet.src = IpAddr::from(<[u8; 16]>::try_from(dice.bytes(16)).expect("sixteen bytes"));
        packet.extensions = extensions(dice);
    } else {
        packet.src = IpAddr::from([10, dice.any() as u8, dice.any() as u8, 1]);
        // No-operation, and an end of the list: options nobody acts on.
        packet.ip_options =
            if dice.one_in(4) { vec![1; 4 * dice.between(1, 10)] } else { Vec::new() };
    }
    packet
}

/// Up to three extension headers that are there to be copied.
fn extensions(dice: &mut Dice) -> Vec<(Protocol, Vec<u8>)> {
    let kinds: &[Protocol] = match dice.between(0, 7) {
        0 => &[Protocol::HOP_BY_HOP],
        1 => &[Protocol::DESTINATION_OPTIONS],
        2 => &[Protocol::ROUTING],
        3 => &[Protocol::HOP_BY_HOP, Protocol::ROUTING, Protocol::DESTINATION_OPTIONS],
        _ => &[],
    };
    kinds.iter().map(|kind| (*kind, extension(dice))).collect()
}

/// The first two bytes are made by the builder; PadN fills the rest, which is a routing header of type 1
/// (unknown, none left) as well.
fn extension(dice: &mut Dice) -> Vec<u8> {
    let len = 8 * dice.between(1, 4);
    let mut body = vec![0; len];
    (body[2], body[3]) = (1, (len - 4) as u8);
    body
}

/// A sequence number that wraps inside the packet.
fn near_wrap(dice: &mut Dice) -> u32 {
    (u32::MAX).wrapping_sub(dice.between(0, 3000) as u32)
}

/// All that may be segmented.
fn flags(dice: &mut Dice) -> Flags {
    let any = Flags(dice.any() as u8).without(Flags::SYN.with(Flags::RST));
    match dice.between(0, 3) {
        0 => Flags::ACK,
        1 => Flags::ACK.with(Flags::PSH),
        _ => any,
    }
}

/// Bytes of payload and of a segment, so that there are not thousands of segments each time. `most` is the
/// most payload there may be.
pub(crate) fn lengths(dice: &mut Dice, most: usize) -> (usize, usize) {
    match dice.between(0, 15) {
        0 => (dice.between(1, 300), 1),
        1 => (dice.between(1, 600), dice.between(2, 9)),
        2 => (most - dice.between(0, 3), dice.between(1_000, 9_000)),
        3 => (most - dice.between(0, 3), dice.between(20_000, 65_000)),
        4 => {
            // A whole number of segments, and one byte more or less.
            let (count, size) = (dice.between(2, 20), dice.between(3, 1_500));
            (count * size - 1 + dice.between(0, 2), size)
        }
        5 => {
            // One packet, or barely two.
            let size = dice.between(1, 1_500);
            (size - 1 + dice.between(0, 2), size)
        }
        _ => (dice.between(1, 6_000), dice.between(64, 1_460)),
    }
}

/// Changes the payload, where there is one, so that the checksum of one segment comes out as 0.
pub(crate) fn zero_checksum(packet: &mut Packet, size: usize, which: usize) {
    if packet.payload.is_empty() {
        return;
    }
    let count = packet.payload.len().div_ceil(size);
    let i = which % count;
    let range = i * size..packet.payload.len().min((i + 1) * size);
    if range.len() < 2 {
        return;
    }
    // Flags that are the same in all segments.
    packet.flags = Flags::ACK;
    packet.payload[range.start..range.start + 2].fill(0);
    let segment = Packet {
        link: Link::None,
        seq: packet.seq.wrapping_add(range.start as u32),
        payload: packet.payload[range.clone()].to_vec(),
        checksum: Field::Right,
        ..packet.clone()
    };
    let bytes = segment.build();
    let at = checksum_at(packet);
    // What the checksum is without these two bytes, put there, makes the sum all ones.
    packet.payload[range.start..range.start + 2].copy_from_slice(&bytes[at..at + 2]);
}

/// A super-packet that lies, or whose vnet header does.
pub(crate) fn lie(dice: &mut Dice) -> Case {
    let mut case = if dice.one_in(2) { tcp(dice) } else { uso(dice) };
    let lies: [fn(&mut Case, &mut Dice); 17] = [
        |case, _| named(case, "a segment size of 0").vnet.gso_size = 0,
        |case, _| named(case, "a segment size that means a list").vnet.gso_size = 0xffff,
        |case, dice| named(case, "a kind there is none of").vnet.gso_type = dice.of(&[2, 6, 7, 64]),
        |case, dice| {
            named(case, "another kind that there is").vnet.gso_type = dice.of(&[1, 4, 5, 0x85]);
        },
        |case, _| named(case, "a header longer than the packet").vnet.hdr_len = 65_000,
        |case, _| {
            let case = named(case, "a checksum at the place of the other protocol's");
            (case.vnet.flags, case.vnet.csum_offset) = (1, case.vnet.csum_offset ^ 6 ^ 16);
        },
        |case, _| {
            let case = named(case, "a checksum behind the packet");
            (case.vnet.flags, case.vnet.csum_start) = (VnetHeader::NEEDS_CSUM, 65_000);
        },
        |case, _| {
            let case = named(case, "a checksum that begins in the IP header");
            (case.vnet.flags, case.vnet.csum_start) = (VnetHeader::NEEDS_CSUM, 10);
        },
        |case, dice| {
            let at = transport_at(&case.packet) + 12;
            if case.packet.protocol == Protocol::TCP {
                named(case, "a short TCP header").ip[at] = (dice.between(0, 4) as u8) << 4;
            }
        },
        |case, _| {
            let at = transport_at(&case.packet) + 12;
            if case.packet.protocol == Protocol::TCP {
                named(case, "a TCP header longer than the packet").ip.truncate(at + 8 + 10);
                case.ip[at] = 0xf0;
            }
        },
        |case, _| {
            named(case, "another protocol");
            let protocol = if case.packet.src.is_ipv6() { 6 } else { 9 };
            case.ip[protocol] = 132;
            fix_ip_checksum(case);
        },
        |case, _| {
            named(case, "another IP version").ip[0] ^= 0x20;
        },
        |case, dice| {
            let at = if case.packet.src.is_ipv6() { 5 } else { 3 };
            named(case, "another length").ip[at] ^= dice.between(1, 255) as u8;
            fix_ip_checksum(case);
        },
        |case, dice| {
            if !case.packet.src.is_ipv6() {
                case.packet.fragment_word = dice.of(&[ipv4::MF, 1, ipv4::MF | 77, ipv4::DF | 9]);
                *case = Case::new("a fragment", case.packet.clone(), case.vnet.gso_size);
            }
        },
        |case, dice| {
            let at = checksum_at(&case.packet);
            named(case, "another partial checksum").ip[at] ^= dice.between(1, 255) as u8;
        },
        |case, dice| {
            let at = transport_at(&case.packet) + 5;
            if case.packet.protocol == Protocol::UDP {
                named(case, "another UDP length").ip[at] ^= dice.between(1, 255) as u8;
            }
        },
        |case, _| {
            // Behind a tag a packet socket finds no transport header.
            if case.packet.tags.is_empty() {
                named(case, "nothing said of the checksum").vnet.flags = 0;
            }
        },
    ];
    dice.of(&lies)(&mut case, dice);
    case
}

fn named<'a>(case: &'a mut Case, name: &'static str) -> &'a mut Case {
    case.name = name;
    case
}

fn fix_ip_checksum(case: &mut Case) {
    if !case.packet.src.is_ipv6() {
        let header_len = transport_at(&case.packet);
        case.ip[10..12].fill(0);
        let checksum = naive(&case.ip[..header_len]).checksum();
        case.ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
}
