//! IP fragmentation of datagrams larger than the MTU, and super-packets beyond 64 KiB, one test a rule.

use etherparse::SlicedPacket;
use etherparse::defrag::IpDefragPool;
use proptest::prelude::*;
use sluice_common::offload::{
    ChecksumMode, GsoType, Limits, Segmenter, VnetHeader, without_jumbo_option,
};
use sluice_common::reason::DropReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Link, Protocol};

use crate::cut::{MTU, payload, write_all};

const ID: u32 = 0x1234_5678;

/// A local sender's way out.
fn limits(mtu: usize) -> Limits {
    Limits { mtu, fragment_id: Some(ID) }
}

/// A datagram that its sender allows to be fragmented.
fn udp4(len: usize) -> Packet {
    Packet { link: Link::None, fragment_word: 0, ..Packet::udp4() }.with_payload(&payload(len))
}

fn udp6(len: usize) -> Packet {
    Packet { link: Link::None, ..Packet::udp6() }.with_payload(&payload(len))
}

/// What a UFO sender says of `packet`.
fn ufo(packet: &Packet, gso_size: u16) -> VnetHeader {
    let extensions: usize = packet.extensions.iter().map(|(_, body)| body.len()).sum();
    let network = if packet.src.is_ipv6() { 40 + extensions } else { 20 };
    VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: GsoType::UDP.0 as u8,
        hdr_len: (network + 8) as u16,
        gso_size,
        csum_start: network as u16,
        csum_offset: 6,
    }
}

fn fragments(packet: &Packet, vnet: &VnetHeader, limits: Limits) -> Vec<Vec<u8>> {
    let bytes = packet.build();
    write_all(&Segmenter::new(&bytes, vnet, limits).unwrap())
}

/// What an independent stack makes of the fragments: the whole datagram.
#[track_caller]
fn reassembled(fragments: &[Vec<u8>]) -> Vec<u8> {
    let mut pool = IpDefragPool::<(), ()>::new();
    for (i, fragment) in fragments.iter().enumerate() {
        let sliced = SlicedPacket::from_ip(fragment).unwrap();
        let whole = pool.process_sliced_packet(&sliced, (), ()).unwrap();
        assert_eq!(whole.is_some(), i + 1 == fragments.len(), "fragment {i}");
        if let Some(whole) = whole {
            return whole.payload;
        }
    }
    panic!("no fragments");
}

/// The UDP header and payload the sender meant.
fn datagram(packet: &Packet) -> Vec<u8> {
    let whole = Packet { checksum: Field::Right, extensions: vec![], ..packet.clone() }.build();
    whole[if packet.src.is_ipv6() { 40 } else { 20 }..].to_vec()
}

#[test]
fn s11_a_datagram_larger_than_the_mtu_becomes_fragments() {
    for packet in [udp4(4000), udp6(4000)] {
        let sent = fragments(&packet, &VnetHeader::default(), limits(MTU));
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|fragment| fragment.len() <= MTU), "none is larger than the MTU");
        assert_eq!(reassembled(&sent), datagram(&packet));
    }
}

#[test]
fn s11_ipv4_fragments_have_one_identification_and_all_but_the_last_mf() {
    let sent = fragments(&udp4(4000), &VnetHeader::default(), MTU.into());
    let fields: Vec<_> = sent
        .iter()
        .map(|one| {
            let header = etherparse::Ipv4Header::from_slice(one).unwrap().0;
            assert_eq!(usize::from(header.total_len), one.len());
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let offset = header.fragment_offset.byte_offset();
            (header.identification, header.dont_fragment, header.more_fragments, offset)
        })
        .collect();
    assert_eq!(
        fields,
        [(1000, false, true, 0), (1000, false, true, 1480), (1000, false, false, 2960)]
    );
}

#[test]
fn s11_ipv6_fragments_have_a_fragment_header_with_the_callers_identification() {
    let sent = fragments(&udp6(4000), &VnetHeader::default(), limits(MTU));
    let expected = [(0, true), (1448, true), (2896, false)];
    for (one, (offset, more)) in sent.iter().zip(expected) {
        assert_eq!(usize::from(u16::from_be_bytes([one[4], one[5]])) + 40, one.len());
        assert_eq!(one[6], Protocol::FRAGMENT.0);
        let header = etherparse::Ipv6FragmentHeader::from_slice(&one[40..]).unwrap().0;
        assert_eq!(header.next_header.0, Protocol::UDP.0);
        assert_eq!(header.fragment_offset.byte_offset(), offset);
        assert_eq!((header.more_fragments, header.identification), (more, ID));
    }
}

#[test]
fn s11_the_fragment_header_follows_what_routers_look_at() {
    let hop_by_hop = (Protocol::HOP_BY_HOP, vec![0, 0, 5, 2, 0, 0, 1, 0]);
    let destination = (Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0]);
    let routing = (Protocol::ROUTING, vec![0, 0, 4, 0, 0, 0, 0, 0]);
    let cases = [
        (vec![], 40),
        (vec![hop_by_hop.clone()], 48),
        (vec![destination.clone()], 40),
        (vec![hop_by_hop.clone(), destination.clone()], 48),
        (vec![hop_by_hop, destination.clone(), routing, destination], 64),
    ];
    for (extensions, at) in cases {
        let packet = Packet { extensions, ..udp6(4000) };
        let whole = packet.build();
        let sent = fragments(&packet, &VnetHeader::default(), limits(MTU));
        let mut bytes: Vec<u8> = Vec::new();
        for one in &sent {
            // The headers are the packet's but for length and the one name of what follows.
            assert_eq!(
                one[7..at].iter().filter(|byte| **byte == Protocol::FRAGMENT.0).count(),
                usize::from(at > 40)
            );
            assert_eq!(one[8..40], whole[8..40]);
            bytes.extend(&one[at + 8..]);
        }
        assert_eq!(bytes, whole[at..], "{at}");
        let sliced = SlicedPacket::from_ip(&sent[0]).unwrap();
        assert!(sliced.is_ip_payload_fragmented());
    }
}

#[test]
fn s11_the_checksum_over_the_whole_is_made_beforehand() {
    for packet in [udp4(3001), udp6(3001)] {
        let packet = Packet { checksum: Field::Partial, ..packet };
        let partial = VnetHeader { gso_type: 0, gso_size: 0, ..ufo(&packet, 0) };
        let bytes = packet.build();
        let segmenter = Segmenter::new(&bytes, &partial, limits(MTU)).unwrap();
        assert_eq!(segmenter.checksum_at(), None, "no port could make it");
        assert_eq!(reassembled(&write_all(&segmenter)), datagram(&packet));
    }
    // Nor is one that is complete, or absent, touched.
    for checksum in [Field::Wrong, Field::Is(0)] {
        let packet = Packet { checksum, ..udp4(3001) };
        let sent = fragments(&packet, &VnetHeader::default(), limits(MTU));
        assert_eq!(reassembled(&sent), packet.build()[20..]);
    }
}

#[test]
fn s9_s11_a_checksum_of_zero_is_written_all_ones() {
    let mut packet = Packet { checksum: Field::Partial, ..udp4(3000) };
    let checksum = |packet: &Packet| {
        let sent = fragments(packet, &ufo(packet, 1480), limits(MTU));
        u16::from_be_bytes([sent[0][26], sent[0][27]])
    };
    packet.payload[..2].fill(0);
    let sum = checksum(&packet);
    packet.payload[..2].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(checksum(&packet), 0xffff);
}

#[test]
fn s11_ufo_fragments_are_of_the_size_asked_for_in_units_of_eight() {
    for (packet, headers) in [(udp4(4000), 20), (udp6(4000), 48)] {
        let packet = Packet { checksum: Field::Partial, ..packet };
        for (asked, given) in [(1000, 1000), (1001, 1000), (1007, 1000), (8, 8)] {
            let sent = fragments(&packet, &ufo(&packet, asked), limits(MTU));
            let (last, full) = sent.split_last().unwrap();
            assert!(full.iter().all(|one| one.len() == headers + given), "{asked}");
            assert!(last.len() <= headers + given);
            assert_eq!(reassembled(&sent), datagram(&packet));
        }
        // What the MTU allows may be less.
        let sent = fragments(&packet, &ufo(&packet, 4000), limits(MTU));
        assert!(sent.iter().all(|one| one.len() <= MTU));
        assert_eq!(reassembled(&sent), datagram(&packet));
        // A datagram no larger than that is sent as it is, also where a fragment would have to be smaller.
        for len in [4000, 3999] {
            let packet = packet.clone().with_payload(&payload(len));
            let sent = fragments(&packet, &ufo(&packet, len as u16 + 8), limits(9000));
            assert_eq!(sent, [Packet { checksum: Field::Right, ..packet }.build()]);
        }
    }
}

#[test]
fn s11_too_large_df_or_another_sender_forbids_fragments() {
    let refused = |packet: &Packet, vnet: &VnetHeader, limits| {
        Segmenter::new(&packet.build(), vnet, limits).err()
    };
    let none = VnetHeader::default();
    let df = Packet { fragment_word: 0x4000, ..udp4(4000) };
    assert_eq!(refused(&df, &none, limits(MTU)), Some(DropReason::TooLarge));
    assert_eq!(refused(&df, &ufo(&df, 1000), limits(MTU)), Some(DropReason::TooLarge));
    assert_eq!(refused(&udp6(4000), &none, MTU.into()), Some(DropReason::TooLarge));
    let with_options = Packet { ip_options: vec![1; 4], ..udp4(4000) };
    assert_eq!(refused(&with_options, &none, limits(MTU)), Some(DropReason::TooLarge));
    for word in [0x2000, 0x00b9, 0x8000] {
        let fragment = Packet { fragment_word: word, ..udp4(4000) };
        assert_eq!(refused(&fragment, &none, limits(MTU)), Some(DropReason::TooLarge), "{word:#x}");
    }
    let mut again = udp6(4000);
    again.extensions = vec![(Protocol::FRAGMENT, vec![0; 8])];
    assert_eq!(refused(&again, &none, limits(MTU)), Some(DropReason::TooLarge));
    // With DF a datagram that fits is no matter.
    assert_eq!(refused(&df, &ufo(&df, 1000), limits(9000)), None);
}

#[test]
fn s7_s11_tcp_is_never_fragmented() {
    let tcp = Packet { protocol: Protocol::TCP, ..udp4(4000) };
    let judge = |vnet: &VnetHeader| Segmenter::new(&tcp.build(), vnet, limits(MTU)).err();
    assert_eq!(judge(&VnetHeader::default()), Some(DropReason::TooLarge));
    assert_eq!(judge(&ufo(&tcp, 1000)), Some(DropReason::UnknownGsoType));
    let mut vnet = VnetHeader { csum_offset: 16, ..ufo(&tcp, 1000) };
    vnet.gso_type = GsoType::TCPV4.0 as u8;
    let partial = Packet { checksum: Field::Partial, ..tcp.clone() };
    for segment in fragments(&partial, &vnet, limits(MTU)) {
        assert_eq!(segment[6..8], [0, 0]);
    }
}

#[test]
fn s11_an_mtu_too_small_for_a_fragment_is_refused() {
    for (packet, smallest) in [(udp4(100), 28), (udp6(100), 56)] {
        let none = VnetHeader::default();
        assert_eq!(fragments(&packet, &none, limits(smallest)).len(), 14);
        for mtu in 0..smallest {
            let judged = Segmenter::new(&packet.build(), &none, limits(mtu)).err();
            assert_eq!(judged, Some(DropReason::TooLarge), "{mtu}");
        }
    }
}

#[test]
fn s15_bad_vnet_header_lies_about_a_datagram_to_be_fragmented() {
    type Lie = (&'static str, fn(&mut VnetHeader));
    let lies: [Lie; 4] = [
        ("a header longer than the packet", |vnet| vnet.hdr_len = 9999),
        ("a size of 0", |vnet| vnet.gso_size = 0),
        ("a checksum that begins elsewhere", |vnet| vnet.csum_start += 2),
        ("a checksum where TCP has it", |vnet| vnet.csum_offset = 16),
    ];
    let packet = udp4(4000);
    let bytes = packet.build();
    for (lie, change) in lies {
        let mut vnet = ufo(&packet, 1000);
        change(&mut vnet);
        let judged = Segmenter::new(&bytes, &vnet, limits(MTU)).err();
        assert_eq!(judged, Some(DropReason::BadVnetHeader), "{lie}");
    }
    let mut liar = bytes.clone();
    liar[24] = 0;
    let judged = |vnet| Segmenter::new(&liar, &vnet, limits(MTU)).err();
    assert_eq!(judged(ufo(&packet, 1000)), Some(DropReason::BadVnetHeader), "the UDP length");
    assert_eq!(judged(VnetHeader::default()), Some(DropReason::TooLarge));
}

#[test]
fn s18_a_header_and_a_reference_to_the_payload_make_the_same_fragment() {
    for packet in [udp4(4000), udp6(4000)] {
        let packet = Packet { checksum: Field::Partial, ..packet };
        let bytes = packet.build();
        let segmenter = Segmenter::new(&bytes, &ufo(&packet, 1000), limits(MTU)).unwrap();
        for (i, expected) in write_all(&segmenter).into_iter().enumerate() {
            let piece = segmenter.pieces().nth(i).unwrap();
            assert_eq!((piece.first(), piece.count()), (i, 1), "S14: no port cuts fragments");
            assert_eq!(segmenter.piece_payload(piece), segmenter.payload(i));
            for mode in [ChecksumMode::Full, ChecksumMode::Partial] {
                let mut out = vec![0; segmenter.header_len()];
                let len = segmenter.write_header(i, &mut out, mode);
                assert_eq!([&out[..len], segmenter.payload(i)].concat(), expected);
            }
        }
    }
}

/// A super-packet beyond 64 KiB, with the jumbo option or, as newer kernels have it, without.
fn jumbo(len: usize, with_option: bool) -> Vec<u8> {
    let packet = Packet { link: Link::None, checksum: Field::Partial, ..Packet::tcp6() };
    let header = packet.with_payload(&[]).build();
    let mut bytes = header[..40].to_vec();
    bytes[4..6].fill(0);
    if with_option {
        let whole = (8 + header.len() - 40 + len) as u32;
        bytes.extend([bytes[6], 0, 0xc2, 4]);
        bytes.extend(whole.to_be_bytes());
        bytes[6] = 0;
    }
    bytes.extend(&header[40..]);
    bytes.extend(payload(len));
    bytes
}

fn jumbo_vnet() -> VnetHeader {
    VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: GsoType::TCPV6.0 as u8,
        hdr_len: 72,
        gso_size: 1400,
        csum_start: 40,
        csum_offset: 16,
    }
}

#[test]
fn s12_the_jumbo_option_is_removed_before_splitting() {
    let len = 100_000;
    let sent = |mut bytes: Vec<u8>| {
        let stripped = without_jumbo_option(&mut bytes);
        write_all(&Segmenter::new(stripped, &jumbo_vnet(), MTU).unwrap())
    };
    let segments = sent(jumbo(len, true));
    assert_eq!(segments.len(), len.div_ceil(1400));
    let mut expected = Packet { link: Link::None, ..Packet::tcp6() };
    for (segment, piece) in segments.iter().zip(payload(len).chunks(1400)) {
        expected = expected.with_payload(piece);
        assert_eq!(*segment, expected.build());
        expected = expected.next();
    }
    assert_eq!(sent(jumbo(len, false)), segments);
}

#[test]
fn s12_s15_a_jumbo_option_that_lies_is_refused() {
    let judge = |bytes: &mut [u8]| {
        let stripped = without_jumbo_option(bytes);
        Segmenter::new(stripped, &jumbo_vnet(), MTU).err()
    };
    assert_eq!(judge(&mut jumbo(100_000, true)), None);
    let mut bytes = jumbo(100_000, true);
    bytes[47] ^= 1;
    let vnet_of_the_whole = VnetHeader { csum_start: 48, ..jumbo_vnet() };
    let stripped = without_jumbo_option(&mut bytes);
    assert_eq!(stripped.len(), jumbo(100_000, true).len(), "it stays");
    let judged = Segmenter::new(stripped, &vnet_of_the_whole, MTU).err();
    assert_eq!(judged, Some(DropReason::BadVnetHeader));
    // A length of 0 in a packet that could say its length.
    assert_eq!(judge(&mut jumbo(1000, false)), Some(DropReason::BadVnetHeader));
}

#[test]
fn s12_other_packets_are_left_alone() {
    let hop_by_hop = (Protocol::HOP_BY_HOP, vec![0, 0, 5, 2, 0, 0, 1, 0]);
    let router_alert = Packet { extensions: vec![hop_by_hop], ..udp6(10) };
    for packet in [udp4(0), udp6(0), router_alert] {
        let mut bytes = packet.build();
        assert_eq!(without_jumbo_option(&mut bytes), packet.build());
    }
    for len in 0..48 {
        let mut cut = jumbo(0, true)[..len].to_vec();
        assert_eq!(without_jumbo_option(&mut cut).len(), len);
    }
}

proptest! {
    #[test]
    fn s11_whatever_the_sizes_the_fragments_reassemble(
        is_ipv6 in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..5000),
        asked in prop::option::of(8_u16..3000),
        mtu in 60_usize..2000,
    ) {
        let packet = if is_ipv6 { udp6(0) } else { udp4(0) };
        let packet = Packet { checksum: Field::Partial, ..packet }.with_payload(&bytes);
        let gso_type = asked.map_or(0, |_| GsoType::UDP.0 as u8);
        let vnet = VnetHeader { gso_type, ..ufo(&packet, asked.unwrap_or(0)) };
        let sent = fragments(&packet, &vnet, limits(mtu));
        prop_assert!(sent.iter().all(|one| one.len() <= mtu));
        if sent.len() > 1 {
            prop_assert_eq!(reassembled(&sent), datagram(&packet));
        } else {
            let whole = Packet { checksum: Field::Right, ..packet }.build();
            prop_assert_eq!(&sent[0], &whole);
        }
    }
}
