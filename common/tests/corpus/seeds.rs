//! The seeds that people made: one of each kind.

use sluice_common::offload::{GsoType, VnetHeader};
use sluice_common::testing::{Field, Frame, Packet, Tunnel};
use sluice_common::wire::{EtherType, Link, Protocol};

use crate::Seed;

/// Packets of every kind.
pub(crate) fn parse() -> Vec<Seed> {
    let mut qinq = Packet::tcp4();
    qinq.tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 6)];
    let mut extended = Packet::tcp6();
    extended.extensions =
        vec![(Protocol::HOP_BY_HOP, vec![0; 8]), (Protocol::ROUTING, vec![0; 16])];
    let mut fragment = Packet::tcp6();
    fragment.extensions = vec![(Protocol::FRAGMENT, vec![0, 0, 0, 1, 0, 0, 0, 9])];
    let later = Packet { fragment_word: 0x0010, ip_options: vec![1; 8], ..Packet::tcp4() };
    let packets = [
        ("tcp4", Packet::tcp4()),
        ("tcp6", Packet::tcp6()),
        ("udp4", Packet::udp4()),
        ("udp6", Packet::udp6()),
        ("tcp4_qinq", qinq),
        ("tcp6_extensions", extended),
        ("tcp6_fragment", fragment),
        ("tcp4_options_later_fragment", later),
        ("tcp4_no_link", Packet { link: Link::None, ..Packet::tcp4() }),
    ];
    let packets = packets.map(|(name, packet)| (name.to_owned(), packet));
    let all = packets.into_iter().chain(encapsulated());
    all.map(|(name, packet)| ("parse", name, packet.build())).collect()
}

/// Every tunnel, with TCP and with UDP inside.
fn encapsulated() -> Vec<(String, Packet)> {
    let bridged = Frame { tags: vec![(EtherType::VLAN, 9)], ..Frame::default() };
    let checked = Tunnel::vxlan().over_ipv6().with_udp_checksum(Field::Right);
    let tunnels = [
        ("vxlan", Tunnel::vxlan()),
        ("vxlan_checksum_over_ipv6", checked),
        ("geneve", Tunnel::geneve()),
        ("gre", Tunnel::gre()),
        ("gre_checksum_key_frame", Tunnel::gre_with(Field::Right, 9).with_frame(bridged)),
        ("ip_in_ip4", Tunnel::ip4()),
        ("ip_in_ip6", Tunnel::ip6()),
    ];
    let inner = [("tcp4", Packet::tcp4()), ("tcp6", Packet::tcp6()), ("udp4", Packet::udp4())];
    let both = |(name, tunnel): (&str, Tunnel)| {
        let inside = |(inner, packet): &(&str, Packet)| {
            (format!("{inner}_in_{name}"), packet.clone().inside(tunnel.clone()))
        };
        inner.iter().map(inside).collect::<Vec<_>>()
    };
    tunnels.into_iter().flat_map(both).collect()
}

/// Super-packets of every kind, each behind its vnet header.
pub(crate) fn segment() -> Vec<Seed> {
    let ecn = GsoType::TCPV4.with(GsoType::ECN);
    let fragile = Packet { fragment_word: 0, ..Packet::udp4() };
    let supers = [
        ("tcp4", Packet::tcp4(), GsoType::TCPV4),
        ("tcp6", Packet::tcp6(), GsoType::TCPV6),
        ("tcp4_ecn", Packet::tcp4(), ecn),
        ("tcp4_whole", Packet::tcp4(), GsoType::NONE),
        ("uso4", Packet::udp4(), GsoType::UDP_L4),
        ("uso6", Packet::udp6(), GsoType::UDP_L4),
        ("ufo4", fragile, GsoType::UDP),
        ("ufo6", Packet::udp6(), GsoType::UDP),
    ];
    let supers = supers.map(|(name, packet, kind)| (name.to_owned(), packet, kind));
    let tunnels = encapsulated().into_iter().map(|(name, packet)| {
        let kind = kind_of(&packet);
        (name, packet, kind)
    });
    let all = supers.into_iter().chain(tunnels);
    all.map(|(name, packet, kind)| ("segment", name, super_packet(packet, kind))).collect()
}

fn kind_of(packet: &Packet) -> GsoType {
    match (packet.protocol, packet.src.is_ipv6()) {
        (Protocol::UDP, _) => GsoType::UDP_L4,
        (_, true) => GsoType::TCPV6,
        (_, false) => GsoType::TCPV4,
    }
}

fn super_packet(packet: Packet, kind: GsoType) -> Vec<u8> {
    let packet = Packet { link: Link::None, checksum: Field::Partial, ..packet };
    let packet = packet.with_payload(&[7; 333]);
    let bytes = packet.build();
    let is_tcp = packet.protocol == Protocol::TCP;
    let header = if is_tcp { 20 + packet.options.len() } else { 8 };
    let csum_start = (bytes.len() - 333 - header) as u16;
    let vnet = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: kind.0 as u8,
        hdr_len: csum_start + header as u16,
        gso_size: 100,
        csum_start,
        csum_offset: if is_tcp { 16 } else { 6 },
    };
    [&vnet.to_bytes()[..], &bytes].concat()
}

/// Plans of streams: a configuration, then steps of four bytes.
pub(crate) fn plans(target: &'static str) -> Vec<Seed> {
    let plan = |config: [u8; 4], steps: &[[u8; 4]]| [&config[..], steps.as_flattened()].concat();
    // Ten ordinary packets of each of the twelve flows.
    let bulk: Vec<[u8; 4]> = (0..120).map(|n| [32, n / 10, 0, 0]).collect();
    let every_action: Vec<[u8; 4]> =
        (0..64).flat_map(|n| [[32, n % 12, 0, 0], [32, n % 12, 0, 0], [n, n % 12, n, 3]]).collect();
    let seeds = [
        ("bulk", plan([0, 0, 0, 14], &bulk)),
        ("bulk_linux_6_12", plan([1, 0, 0, 14], &bulk)),
        ("bulk_accecn", plan([2, 0, 0, 14], &bulk)),
        ("bulk_in_pieces", plan([0, 0, 0, 0xc4], &bulk)),
        ("every_action", plan([0, 0, 0, 4], &every_action)),
        ("every_action_in_small_pieces", plan([0, 0, 0, 0x94], &every_action)),
        ("every_action_partial_adaptive", plan([0x58, 200, 0, 4], &every_action)),
    ];
    seeds.into_iter().map(|(name, plan)| (target, name.to_owned(), plan)).collect()
}
