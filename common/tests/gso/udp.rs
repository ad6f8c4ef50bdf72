//! Segmentation of UDP super-packets into datagrams (USO), one test a rule.

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use sluice_common::checksum::naive;
use sluice_common::offload::{ChecksumMode, GsoType, Segmenter, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Link, Protocol};

use crate::cut::{MTU, payload, write_all};

/// A super-packet as the kernel gives it, with `len` bytes of payload.
fn super4(len: usize) -> Packet {
    Packet { link: Link::None, checksum: Field::Partial, ..Packet::udp4() }
        .with_payload(&payload(len))
}

fn super6(len: usize) -> Packet {
    let ends = Packet::tcp6();
    Packet { src: ends.src, dst: ends.dst, ..super4(len) }
}

/// The vnet header the kernel gives with `packet`: one kind for both families.
fn vnet(packet: &Packet, gso_size: u16) -> VnetHeader {
    let extensions: usize = packet.extensions.iter().map(|(_, body)| body.len()).sum();
    let v4 = 20 + packet.ip_options.len();
    let network = if packet.src.is_ipv6() { 40 + extensions } else { v4 };
    VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: GsoType::UDP_L4.0 as u8,
        hdr_len: (network + 8) as u16,
        gso_size,
        csum_start: network as u16,
        csum_offset: 6,
    }
}

fn segments(packet: &Packet, gso_size: u16) -> Vec<Vec<u8>> {
    let bytes = packet.build();
    write_all(&Segmenter::new(&bytes, &vnet(packet, gso_size), MTU).unwrap())
}

fn refused(packet: &Packet, lie: impl FnOnce(&mut VnetHeader)) -> Option<DropReason> {
    let mut vnet = vnet(packet, 1000);
    lie(&mut vnet);
    Segmenter::new(&packet.build(), &vnet, MTU).err()
}

/// Parses a wire packet with an independent parser, whose sums must agree; its UDP length and payload.
#[track_caller]
fn parse(segment: &[u8]) -> (u16, Vec<u8>) {
    let headers = PacketHeaders::from_ip_slice(segment).unwrap();
    let payload = headers.payload.slice().to_vec();
    let Some(TransportHeader::Udp(udp)) = headers.transport else { panic!("no UDP header") };
    let expected = match headers.net.unwrap() {
        NetHeaders::Ipv4(ip, _) => {
            assert_eq!(usize::from(ip.total_len), segment.len(), "S8");
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "S8");
            assert_eq!((u16::from(ip.fragment_offset), ip.more_fragments), (0, false), "S10");
            udp.calc_checksum_ipv4(&ip, &payload).unwrap()
        }
        NetHeaders::Ipv6(ip, _) => {
            assert_eq!(usize::from(ip.payload_length) + 40, segment.len(), "S8");
            udp.calc_checksum_ipv6(&ip, &payload).unwrap()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(udp.checksum, expected, "S9");
    (udp.length, payload)
}

/// What the sender would have sent without segmentation.
fn expected(packet: &Packet, gso_size: usize) -> Vec<Vec<u8>> {
    let datagram = |(i, payload): (usize, &[u8])| {
        let id = packet.id.wrapping_add(i as u16);
        Packet { id, checksum: Field::Right, ..packet.clone() }.with_payload(payload).build()
    };
    packet.payload.chunks(gso_size).enumerate().map(datagram).collect()
}

#[test]
fn s10_each_piece_is_a_datagram_with_its_own_length() {
    for packet in [super4(2501), super6(2501)] {
        let sent = segments(&packet, 1000);
        assert_eq!(sent, expected(&packet, 1000));
        let lengths: Vec<u16> = sent.iter().map(|segment| parse(segment).0).collect();
        assert_eq!(lengths, [1008, 1008, 509]);
    }
}

#[test]
fn s10_identifications_increment_with_df_and_without_and_wrap() {
    for df in [0, 0x4000] {
        let packet = Packet { id: 0xffff, fragment_word: df, ..super4(300) };
        let sent = segments(&packet, 100);
        let ids: Vec<_> = sent.iter().map(|one| u16::from_be_bytes([one[4], one[5]])).collect();
        assert_eq!(ids, [0xffff, 0, 1]);
        assert!(sent.iter().all(|one| one[6..8] == df.to_be_bytes()), "S7");
    }
}

#[test]
fn s3_options_and_extension_headers_are_copied_before_each_datagram() {
    let mut v4 = super4(250);
    v4.ip_options = vec![1, 1, 1, 0];
    let mut v6 = super6(250);
    v6.extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0])];
    for packet in [v4, v6] {
        assert_eq!(segments(&packet, 100), expected(&packet, 100));
    }
}

#[test]
fn s1_a_payload_no_larger_than_the_size_is_one_datagram() {
    for packet in [super4(1000), super6(1), super4(0)] {
        let sent = segments(&packet, 1000);
        assert_eq!(sent, [Packet { checksum: Field::Right, ..packet }.build()]);
    }
}

#[test]
fn s8_s9_lengths_and_checksums_are_made_anew_in_each_datagram() {
    for packet in [super4(3333), super6(3333)] {
        for size in [1, 2, 3, 99, 100, 1400] {
            let sent = segments(&packet, size);
            let bytes: Vec<u8> = sent.iter().flat_map(|segment| parse(segment).1).collect();
            assert_eq!(bytes, packet.payload);
        }
    }
}

#[test]
fn s9_a_checksum_of_zero_is_written_all_ones_in_any_datagram() {
    let checksum = |segment: &[u8]| u16::from_be_bytes([segment[26], segment[27]]);
    let mut packet = super4(300);
    packet.payload[100..102].fill(0);
    let sum = checksum(&segments(&packet, 100)[1]);
    packet.payload[100..102].copy_from_slice(&sum.to_be_bytes());
    let sent = segments(&packet, 100);
    assert_eq!(checksum(&sent[1]), 0xffff);
    sent.iter().for_each(|segment| drop(parse(segment)));
}

#[test]
fn s9_a_checksum_may_be_left_to_the_port() {
    for packet in [super4(250), super6(250)] {
        let bytes = packet.build();
        let segmenter = Segmenter::new(&bytes, &vnet(&packet, 100), MTU).unwrap();
        let (start, at) = segmenter.checksum_at().unwrap();
        for (i, expected) in write_all(&segmenter).into_iter().enumerate() {
            let mut out = vec![0; 200];
            let len = segmenter.write_header(i, &mut out, ChecksumMode::Partial);
            out.truncate(len);
            out.extend(segmenter.payload(i));
            let checksum = naive(&out[start..]).checksum();
            out[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
            assert_eq!(out, expected);
        }
    }
}

/// What is untrue, and how it is said.
type Lie = (&'static str, fn(&mut VnetHeader));

#[test]
fn s15_bad_vnet_header_each_lie_is_refused() {
    let lies: [Lie; 6] = [
        ("no checksum in each datagram", |vnet| vnet.flags = 0),
        ("a header longer than the packet", |vnet| vnet.hdr_len = 9999),
        ("a size of 0", |vnet| vnet.gso_size = 0),
        ("a checksum that begins elsewhere", |vnet| vnet.csum_start += 2),
        ("a checksum behind the packet", |vnet| vnet.csum_start = u16::MAX),
        ("a checksum where TCP has it", |vnet| vnet.csum_offset = 16),
    ];
    for packet in [super4(3000), super6(3000)] {
        for (lie, change) in lies {
            assert_eq!(refused(&packet, change), Some(DropReason::BadVnetHeader), "{lie}");
        }
        assert_eq!(refused(&packet, |_| {}), None, "and the truth is not");
    }
}

#[test]
fn s15_bad_vnet_header_a_datagram_that_disagrees_with_itself() {
    let packet = super4(3000);
    let judge = |bytes: &[u8]| Segmenter::new(bytes, &vnet(&packet, 1000), MTU).err();
    let bytes = packet.build();
    assert_eq!(judge(&bytes[..bytes.len() - 1]), Some(DropReason::BadVnetHeader));
    for len in [0_u16, 7, 1008, 3009] {
        let mut liar = bytes.clone();
        liar[24..26].copy_from_slice(&len.to_be_bytes());
        assert_eq!(judge(&liar), Some(DropReason::BadVnetHeader), "UDP length {len}");
    }
    let fragment = Packet { fragment_word: 0x2000, ..packet.clone() };
    assert_eq!(judge(&fragment.build()), Some(DropReason::BadVnetHeader));
}

#[test]
fn s15_unknown_gso_type_the_kind_and_the_protocol_have_to_agree() {
    for kind in [GsoType::TCPV4, GsoType::TCPV6] {
        let reason = refused(&super4(3000), |vnet| vnet.gso_type = kind.0 as u8);
        assert_eq!(reason, Some(DropReason::UnknownGsoType));
    }
    let tcp = Packet { protocol: Protocol::TCP, ..super4(3000) };
    assert_eq!(refused(&tcp, |_| {}), Some(DropReason::UnknownGsoType));
    let ecn = |vnet: &mut VnetHeader| vnet.gso_type |= GsoType::ECN.0 as u8;
    assert_eq!(refused(&super4(3000), ecn), Some(DropReason::UnknownGsoType));
}

#[test]
fn s15_too_large_no_datagram_above_the_mtu_is_written() {
    let fits = |vnet: &mut VnetHeader| vnet.gso_size = (MTU - 28) as u16;
    let larger = |vnet: &mut VnetHeader| vnet.gso_size = (MTU - 28 + 1) as u16;
    assert_eq!(refused(&super4(3000), fits), None);
    assert_eq!(refused(&super4(3000), larger), Some(DropReason::TooLarge));
}

#[test]
fn s17_a_segment_size_of_one_works_and_only_the_ring_bounds_the_count() {
    let packet = super6(700);
    let sent = segments(&packet, 1);
    assert_eq!(sent.len(), 700, "more than a Linux socket may send at once");
    assert_eq!(sent, expected(&packet, 1));
}
