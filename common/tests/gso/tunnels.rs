//! Segmentation of packets in tunnels (S6, S13–S15).
//!
//! What a segment should be is made field by field, with sums of the plainest kind.

use sluice_common::offload::{ChecksumMode, GsoType, Segmenter, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::testing::{Encapsulation, Field, Frame, Packet, Tunnel};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, Headers, Link, Protocol, TunnelPorts, ipv4};

use crate::cut::{MTU, payload, write_all};

const SIZE: usize = 700;

/// Every kind of tunnel over both families, with and without the checksums it may have.
fn tunnels() -> Vec<Tunnel> {
    let tagged = Frame { tags: vec![(EtherType::VLAN, 7)], ..Frame::default() };
    let bridged = Tunnel::gre_with(Field::Right, 1).with_frame(Frame::default());
    let mut inherited = Tunnel::geneve();
    inherited.frame = None;
    let over_ipv4 = [
        Tunnel::vxlan(),
        Tunnel::vxlan().with_udp_checksum(Field::Right).with_frame(tagged),
        Tunnel::geneve(),
        Tunnel::geneve().with_udp_checksum(Field::Right),
        inherited,
        Tunnel::gre(),
        Tunnel::gre_with(Field::Right, 0xdead_beef),
        bridged,
        Tunnel::ip4(),
    ];
    over_ipv4.into_iter().flat_map(|tunnel| [tunnel.clone(), tunnel.over_ipv6()]).collect()
}

fn inners() -> [Packet; 4] {
    let bare = |packet: Packet| Packet { link: Link::None, ..packet };
    let udp = Packet { dst_port: 53, ..Packet::udp4() };
    let udp6 = Packet { protocol: Protocol::UDP, ..Packet::tcp6() };
    let mut tcp = Packet::tcp4();
    tcp.flags = tcp.flags.with(Flags::PSH).with(Flags::FIN).with(Flags::CWR);
    [tcp, Packet::tcp6(), udp, udp6].map(bare)
}

fn cases() -> impl Iterator<Item = Packet> {
    let inside =
        |inner: Packet| tunnels().into_iter().map(move |tunnel| inner.clone().inside(tunnel));
    inners().into_iter().flat_map(inside)
}

/// The super-packet, and the vnet header that says how to cut it.
fn super_packet(packet: &Packet, len: usize) -> (Vec<u8>, VnetHeader) {
    let whole = Packet { checksum: Field::Partial, ..packet.clone() }.with_payload(&payload(len));
    let bytes = whole.build();
    let transport = bytes.len() - len - transport_len(packet);
    let kind = match (packet.protocol, packet.src.is_ipv6()) {
        (Protocol::UDP, _) => GsoType::UDP_L4,
        (_, false) => GsoType::TCPV4,
        (_, true) => GsoType::TCPV6,
    };
    let vnet = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: kind.0 as u8,
        hdr_len: (bytes.len() - len) as u16,
        gso_size: SIZE as u16,
        csum_start: transport as u16,
        csum_offset: if packet.protocol == Protocol::UDP { 6 } else { 16 },
    };
    (bytes, vnet)
}

fn transport_len(packet: &Packet) -> usize {
    if packet.protocol == Protocol::UDP { 8 } else { 20 + packet.options.len() }
}

/// The packets a sender without offloads would have sent.
fn expected(packet: &Packet, len: usize) -> Vec<Packet> {
    let mut next = packet.clone();
    let chunks: Vec<Vec<u8>> = payload(len).chunks(SIZE).map(<[u8]>::to_vec).collect();
    let last = chunks.len() - 1;
    let mut segments = Vec::new();
    for (i, chunk) in chunks.into_iter().enumerate() {
        let mut segment = next.clone().with_payload(&chunk);
        if i < last {
            segment.flags = segment.flags.without(Flags::PSH.with(Flags::FIN));
        }
        if i > 0 {
            segment.flags = segment.flags.without(Flags::CWR);
        }
        next = Packet { flags: packet.flags, ..segment.next() };
        segments.push(segment);
    }
    segments
}

fn segmenter<'a>(bytes: &'a [u8], vnet: &VnetHeader) -> Result<Segmenter<'a>, DropReason> {
    Segmenter::encapsulated(bytes, vnet, &TunnelPorts::default(), MTU)
}

fn build(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(Packet::build).collect()
}

#[test]
fn s13_each_segment_has_outer_headers_of_its_own() {
    for packet in cases() {
        for len in [3 * SIZE, 2 * SIZE + 1, SIZE + 333] {
            let (bytes, vnet) = super_packet(&packet, len);
            let segments = write_all(&segmenter(&bytes, &vnet).unwrap());
            assert_eq!(segments, build(&expected(&packet, len)), "{packet:?}");
        }
    }
}

#[test]
fn s13_what_stands_in_outer_checksums_and_lengths_of_inner_headers_is_not_believed() {
    for packet in cases() {
        let (mut bytes, vnet) = super_packet(&packet, 2 * SIZE);
        let outer = Headers::parse(&bytes[..], Link::None).unwrap();
        let at = usize::from(outer.transport);
        match packet.tunnel.as_ref().unwrap().encapsulation {
            Encapsulation::Gre { checksum: Some(_), .. } => bytes[at + 4] ^= 0x55,
            Encapsulation::Vxlan { udp, .. } | Encapsulation::Geneve { udp, .. }
                if udp.checksum == Field::Right =>
            {
                bytes[at + 6..at + 8].copy_from_slice(&[0x12, 0x34]);
            }
            _ => continue,
        }
        let segments = write_all(&segmenter(&bytes, &vnet).unwrap());
        assert_eq!(segments, build(&expected(&packet, 2 * SIZE)));
    }
}

#[test]
fn s9_s13_a_partial_inner_checksum_leaves_the_outer_one_complete() {
    for packet in cases() {
        let (bytes, vnet) = super_packet(&packet, 2 * SIZE + 9);
        let segmenter = segmenter(&bytes, &vnet).unwrap();
        let (start, at) = segmenter.checksum_at().unwrap();
        assert_eq!(start, usize::from(vnet.csum_start));
        for (i, expected) in expected(&packet, 2 * SIZE + 9).into_iter().enumerate() {
            let mut header = vec![0; segmenter.header_len()];
            segmenter.write_header(i, &mut header, ChecksumMode::Partial);
            let complete = expected.build();
            let partial = Packet { checksum: Field::Partial, ..expected }.build();
            assert_eq!(header[at..at + 2], partial[at..at + 2]);
            // The outer checksum is what it is once a NIC has completed the inner one.
            header[at..at + 2].copy_from_slice(&complete[at..at + 2]);
            assert_eq!(header, complete[..header.len()]);
        }
    }
}

#[test]
fn s1_s13_one_segment_gets_its_checksums_or_is_left_as_it_is() {
    for packet in cases() {
        for len in [1, SIZE] {
            let (bytes, vnet) = super_packet(&packet, len);
            let completed = write_all(&segmenter(&bytes, &vnet).unwrap());
            assert_eq!(completed, build(&expected(&packet, len)), "{packet:?}");
            let complete = packet.clone().with_payload(&payload(len)).build();
            // Datagrams to be cut always have a checksum to be made.
            let gso_type = if packet.protocol == Protocol::UDP { 0 } else { vnet.gso_type };
            let vnet = VnetHeader { flags: 0, gso_type, ..vnet };
            assert_eq!(
                write_all(&segmenter(&complete, &vnet).unwrap()),
                std::slice::from_ref(&complete)
            );
        }
    }
}

/// The identifications of the outer and inner headers of what is cut from `packet`.
fn ids(packet: &Packet, keep: GsoType) -> Vec<(u16, u16)> {
    let (bytes, vnet) = super_packet(packet, 3 * SIZE);
    let segmenter = segmenter(&bytes, &vnet).unwrap().keeping(keep);
    let id = |bytes: &[u8]| u16::from_be_bytes([bytes[4], bytes[5]]);
    write_all(&segmenter).iter().map(|segment| (id(segment), id(&segment[20..]))).collect()
}

#[test]
fn s6_outer_and_inner_identifications_are_counted_or_kept_separately() {
    let tunnel = Tunnel { id: 0xffff, ..Tunnel::ip4() };
    let packet = Packet { link: Link::None, id: 7, ..Packet::tcp4() }.inside(tunnel);
    assert_eq!(ids(&packet, GsoType::NONE), [(0xffff, 7), (0, 8), (1, 9)]);
    assert_eq!(ids(&packet, GsoType::FIXED_ID), [(0xffff, 7), (0, 7), (1, 7)]);
    assert_eq!(ids(&packet, GsoType::OUTER_FIXED_ID), [(0xffff, 7), (0xffff, 8), (0xffff, 9)]);
    let both = GsoType::OUTER_FIXED_ID.with(GsoType::FIXED_ID);
    assert_eq!(ids(&packet, both), [(0xffff, 7); 3]);
}

#[test]
fn s6_an_outer_header_without_df_always_increments() {
    let tunnel = Tunnel { id: 3, fragment_word: 0, ..Tunnel::ip4() };
    let packet =
        Packet { link: Link::None, id: 7, fragment_word: 0, ..Packet::tcp4() }.inside(tunnel);
    let both = GsoType::OUTER_FIXED_ID.with(GsoType::FIXED_ID);
    assert_eq!(ids(&packet, both), [(3, 7), (4, 7), (5, 7)]);
}

/// What a port does that segments one level: everything before the inner transport header is copied,
/// and only the identifications and that header are changed.
fn cut_by_port(header: &[u8], payload: &[u8], vnet: &VnetHeader, is_tcp: bool) -> Vec<Vec<u8>> {
    let transport = usize::from(vnet.csum_start);
    let chunks: Vec<&[u8]> = payload.chunks(SIZE).collect();
    let cut = |(i, chunk): (usize, &&[u8])| {
        let mut out = [header, chunk].concat();
        let sum = |bytes: &[u8]| sluice_common::checksum::naive(bytes);
        let len = (out.len() - transport) as u16;
        let old_len = (header.len() - transport + payload.len()) as u16;
        let checksum = transport + usize::from(vnet.csum_offset);
        if is_tcp {
            let seq = u32::from_be_bytes(out[transport + 4..transport + 8].try_into().unwrap());
            let seq = seq.wrapping_add((i * SIZE) as u32);
            out[transport + 4..transport + 8].copy_from_slice(&seq.to_be_bytes());
            let flags = Flags(out[transport + 13]);
            let flags = if i > 0 { flags.without(Flags::CWR) } else { flags };
            let is_last = i + 1 == chunks.len();
            let ends = Flags::FIN.with(Flags::PSH);
            out[transport + 13] = if is_last { flags.0 } else { flags.without(ends).0 };
        } else {
            out[transport + 4..transport + 6].copy_from_slice(&len.to_be_bytes());
        }
        let lengths = [old_len ^ 0xffff, len].map(u16::to_be_bytes);
        let total = sum(&out[transport..]) + sum(lengths.as_flattened());
        let value = if total.checksum() == 0 && !is_tcp { 0xffff } else { total.checksum() };
        out[checksum..checksum + 2].copy_from_slice(&value.to_be_bytes());
        out
    };
    chunks.iter().enumerate().map(cut).collect()
}

#[test]
fn s14_headers_of_one_full_segment_and_the_odd_last_piece_by_itself() {
    for packet in cases() {
        for (len, counts) in [(3 * SIZE, &[3][..]), (3 * SIZE + 5, &[3, 1]), (SIZE + 5, &[1, 1])] {
            let (bytes, vnet) = super_packet(&packet, len);
            let segmenter = segmenter(&bytes, &vnet).unwrap();
            assert_eq!(segmenter.pieces().map(|piece| piece.count()).collect::<Vec<_>>(), counts);
            let mut sent = Vec::new();
            for piece in segmenter.pieces() {
                let mut header = vec![0; segmenter.header_len()];
                assert_eq!(segmenter.write_piece_header(piece, &mut header), header.len());
                let payload = segmenter.piece_payload(piece);
                let is_tcp = packet.protocol == Protocol::TCP;
                sent.extend(cut_by_port(&header, payload, &vnet, is_tcp));
            }
            assert_eq!(segmenter.gso_size(), SIZE);
            // The port counts the identifications up; here they stay.
            let mut expected = expected(&packet, len);
            let (full, ids) = (counts[0], expected.clone());
            for (i, segment) in expected.iter_mut().enumerate().take(full) {
                assert_eq!(ids[i].id, packet.id + i as u16);
                segment.id = packet.id;
                segment.tunnel.as_mut().unwrap().id = packet.tunnel.as_ref().unwrap().id;
            }
            assert_eq!(sent, build(&expected), "{packet:?}");
        }
    }
}

#[test]
fn s15_what_lies_about_a_tunnel_is_refused() {
    let refused = |bytes: &[u8], vnet: &VnetHeader| segmenter(bytes, vnet).err();
    let packet = |tunnel| Packet { link: Link::None, ..Packet::tcp4() }.inside(tunnel);
    let (bytes, vnet) = super_packet(&packet(Tunnel::vxlan()), 3 * SIZE);
    assert_eq!(refused(&bytes, &vnet), None);
    // Outer total length, outer UDP length, inner total length.
    for at in [3, 25, 20 + 8 + 8 + 14 + 3] {
        let mut liar = bytes.clone();
        liar[at] ^= 4;
        assert_eq!(refused(&liar, &vnet), Some(DropReason::BadVnetHeader), "{at}");
    }
    let lies = [
        VnetHeader { gso_size: 0, ..vnet },
        VnetHeader { csum_start: 20, csum_offset: 6, ..vnet },
        VnetHeader { hdr_len: u16::MAX, ..vnet },
        VnetHeader { gso_type: GsoType::TCPV6.0 as u8, ..vnet },
    ];
    for lie in lies {
        assert_eq!(refused(&bytes, &lie), Some(DropReason::BadVnetHeader), "{lie:?}");
    }
    let udp = VnetHeader { gso_type: GsoType::UDP_L4.0 as u8, ..vnet };
    assert_eq!(refused(&bytes, &udp), Some(DropReason::UnknownGsoType));
    let large = VnetHeader { gso_size: 1480, ..vnet };
    assert_eq!(refused(&bytes, &large), Some(DropReason::TooLarge));
    let mut syn = packet(Tunnel::vxlan());
    syn.flags = Flags::SYN;
    let (bytes, vnet) = super_packet(&syn, 3 * SIZE);
    assert_eq!(refused(&bytes, &vnet), Some(DropReason::SynRstSuper));
}

#[test]
fn s15_g26_what_cannot_be_cut_inside_a_tunnel_is_refused() {
    let mut numbered = Tunnel::gre();
    if let Encapsulation::Gre { sequence, .. } = &mut numbered.encapsulation {
        *sequence = Some(9);
    }
    let mut control = Tunnel::gre();
    if let Encapsulation::Gre { word, .. } = &mut control.encapsulation {
        *word = 1;
    }
    let fragment = Tunnel { fragment_word: ipv4::MF, ..Tunnel::vxlan() };
    for tunnel in [numbered, control, fragment] {
        let packet = Packet { link: Link::None, ..Packet::tcp4() }.inside(tunnel);
        let (bytes, vnet) = super_packet(&packet, 3 * SIZE);
        assert_eq!(segmenter(&bytes, &vnet).err(), Some(DropReason::UnknownGsoType));
    }
    let nested = Packet { link: Link::None, dst_port: 4789, ..Packet::udp4() };
    let (bytes, vnet) = super_packet(&nested.inside(Tunnel::ip4()), 3 * SIZE);
    assert_eq!(segmenter(&bytes, &vnet).err(), Some(DropReason::UnknownGsoType));
}

#[test]
fn s13_a_packet_of_no_tunnel_is_cut_as_ever() {
    for inner in inners() {
        let packet = Packet { tunnel: None, ..inner };
        let (bytes, vnet) = super_packet(&packet, 3 * SIZE);
        let plain = Segmenter::new(&bytes, &vnet, MTU).unwrap();
        assert_eq!(write_all(&segmenter(&bytes, &vnet).unwrap()), write_all(&plain));
    }
}

#[test]
fn s9_s13_an_outer_udp_checksum_of_0_is_written_as_all_ones() {
    let with_port = |src_port| {
        let mut tunnel = Tunnel::vxlan().with_udp_checksum(Field::Right);
        tunnel.udp_mut().unwrap().src_port = src_port;
        Packet { link: Link::None, ..Packet::tcp4() }.inside(tunnel)
    };
    let checksum = |bytes: &[u8]| u16::from_be_bytes([bytes[26], bytes[27]]);
    // A port of 0 counts nothing; the checksum itself, in its place, makes the sum all ones.
    let port = checksum(&with_port(0).with_payload(&payload(SIZE)).build());
    let (bytes, vnet) = super_packet(&with_port(port), 2 * SIZE);
    let segments = write_all(&segmenter(&bytes, &vnet).unwrap());
    assert_eq!(checksum(&segments[0]), 0xffff);
    assert_eq!(segments, build(&expected(&with_port(port), 2 * SIZE)));
}
