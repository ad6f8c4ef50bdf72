//! Segmentation of TCP super-packets, one test a rule, and a test for each lie a vnet header can tell.

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use proptest::prelude::*;
use sluice_common::offload::{ChecksumMode, GsoType, Segmenter, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{Link, Protocol};

use crate::cut::{MTU, payload, write_all};

/// A super-packet as the kernel gives it, with `len` bytes of payload.
fn super4(len: usize) -> Packet {
    Packet { link: Link::None, checksum: Field::Partial, ..Packet::tcp4() }
        .with_payload(&payload(len))
}

fn super6(len: usize) -> Packet {
    let ends = Packet::tcp6();
    Packet { src: ends.src, dst: ends.dst, ..super4(len) }
}

/// The vnet header the kernel gives with `packet`.
fn vnet(packet: &Packet, gso_size: u16) -> VnetHeader {
    let is_ipv6 = packet.src.is_ipv6();
    let extensions: usize = packet.extensions.iter().map(|(_, body)| body.len()).sum();
    let network = if is_ipv6 { 40 + extensions } else { 20 + packet.ip_options.len() };
    let kind = if is_ipv6 { GsoType::TCPV6 } else { GsoType::TCPV4 };
    VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: if gso_size == 0 { 0 } else { kind.0 as u8 },
        hdr_len: (network + 20 + packet.options.len()) as u16,
        gso_size,
        csum_start: network as u16,
        csum_offset: 16,
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

/// A wire packet as an independent parser sees it.
#[derive(Debug)]
struct Parsed {
    tcp: etherparse::TcpHeader,
    id: u16,
    payload: Vec<u8>,
}

/// Parses a wire packet with etherparse and checks its lengths and checksums with etherparse's own sums.
#[track_caller]
fn parse(segment: &[u8]) -> Parsed {
    let headers = PacketHeaders::from_ip_slice(segment).unwrap();
    let payload = headers.payload.slice().to_vec();
    let Some(TransportHeader::Tcp(tcp)) = headers.transport else { panic!("no TCP header") };
    let (expected, id) = match headers.net.unwrap() {
        NetHeaders::Ipv4(ip, _) => {
            assert_eq!(usize::from(ip.total_len), segment.len(), "S8");
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "S8");
            assert_eq!(u16::from(ip.fragment_offset), 0, "S7");
            (tcp.calc_checksum_ipv4(&ip, &payload).unwrap(), ip.identification)
        }
        NetHeaders::Ipv6(ip, _) => {
            assert_eq!(usize::from(ip.payload_length) + 40, segment.len(), "S8");
            (tcp.calc_checksum_ipv6(&ip, &payload).unwrap(), 0)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(tcp.checksum, expected, "S9");
    Parsed { tcp, id, payload }
}

fn parse_all(segments: &[Vec<u8>]) -> Vec<Parsed> {
    segments.iter().map(|segment| parse(segment)).collect()
}

#[test]
fn s1_a_payload_no_larger_than_the_size_is_sent_as_it_is() {
    for packet in [super4(1000), super6(1)] {
        let sent = segments(&packet, 1000);
        assert_eq!(sent, [Packet { checksum: Field::Right, ..packet }.build()]);
    }
}

#[test]
fn s1_a_packet_that_is_complete_is_sent_bit_for_bit() {
    let odd_one = Packet { checksum: Field::Wrong, ..super4(10) }.build();
    let segmenter = Segmenter::new(&odd_one, &VnetHeader::default(), MTU).unwrap();
    assert_eq!(write_all(&segmenter), std::slice::from_ref(&odd_one));
    assert_eq!(segmenter.checksum_at(), None);
}

#[test]
fn s2_every_segment_but_the_last_carries_the_size() {
    for (len, expected) in
        [(2000, vec![1000; 2]), (2001, vec![1000, 1000, 1]), (1999, vec![1000, 999])]
    {
        let parsed = parse_all(&segments(&super4(len), 1000));
        assert_eq!(parsed.iter().map(|one| one.payload.len()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn s3_headers_options_and_extension_headers_are_copied() {
    let mut v4 = super4(250);
    v4.ip_options = vec![1, 1, 1, 0];
    v4.options = [vec![8, 10, 1, 2, 3, 4, 5, 6, 7, 8], vec![1; 30]].concat();
    let mut v6 = super6(250);
    v6.extensions = vec![(Protocol::HOP_BY_HOP, vec![0, 0, 1, 4, 0, 0, 0, 0])];
    for packet in [v4, v6] {
        let sent = segments(&packet, 100);
        let expected = |i: usize| {
            let range = i * 100..250.min(i * 100 + 100);
            let mut expected = packet.clone().with_payload(&packet.payload[range]);
            expected.seq += 100 * i as u32;
            expected.id += i as u16;
            expected.checksum = Field::Right;
            expected.build()
        };
        assert_eq!(sent, [expected(0), expected(1), expected(2)]);
    }
}

#[test]
fn s4_sequence_numbers_go_on_and_wrap_while_the_rest_stays() {
    let packet = Packet { seq: u32::MAX - 150, urgent: 99, ..super4(300) };
    let parsed = parse_all(&segments(&packet, 100));
    let seqs: Vec<u32> = parsed.iter().map(|one| one.tcp.sequence_number).collect();
    assert_eq!(seqs, [u32::MAX - 150, u32::MAX - 50, 49]);
    for one in &parsed {
        assert_eq!(one.tcp.acknowledgment_number, packet.ack);
        assert_eq!((one.tcp.window_size, one.tcp.urgent_pointer), (packet.window, 99));
    }
}

fn flags_of(segments: &[Vec<u8>]) -> Vec<u8> {
    segments.iter().map(|segment| segment[20 + 13]).collect()
}

#[test]
fn s5_fin_and_psh_are_on_the_last_and_the_rest_on_all() {
    let common = Flags::ACK.with(Flags::ECE).with(Flags::URG);
    let flags = common.with(Flags::FIN).with(Flags::PSH);
    let packet = Packet { flags, ..super4(300) };
    assert_eq!(flags_of(&segments(&packet, 100)), [common.0, common.0, flags.0]);
}

#[test]
fn s5_cwr_is_on_the_first_or_under_accecn_on_all() {
    let flags = Flags::ACK.with(Flags::CWR);
    let packet = Packet { flags, ..super4(300) };
    let (ack, cwr) = (Flags::ACK.0, flags.0);
    assert_eq!(flags_of(&segments(&packet, 100)), [cwr, ack, ack]);
    let bytes = packet.build();
    let mut vnet = vnet(&packet, 100);
    vnet.gso_type |= GsoType::ECN.0 as u8;
    let classic = Segmenter::new(&bytes, &vnet, MTU).unwrap();
    assert_eq!(flags_of(&write_all(&classic)), [cwr, ack, ack]);
    let accecn = classic.keeping(GsoType::ACCECN);
    let sent = write_all(&accecn);
    assert_eq!(flags_of(&sent), [cwr, cwr, cwr]);
    parse_all(&sent);
}

#[test]
fn s5_syn_rst_super_a_packet_with_syn_or_rst_is_never_segmented() {
    for flag in [Flags::SYN, Flags::RST] {
        let packet = |len| Packet { flags: flag, ..super4(len) };
        assert_eq!(refused(&packet(1001), |_| {}), Some(DropReason::SynRstSuper));
        assert_eq!(refused(&packet(1000), |_| {}), None);
    }
}

#[test]
fn s6_identifications_increment_and_wrap_or_stay() {
    let ids = |sent: &[Vec<u8>]| parse_all(sent).iter().map(|one| one.id).collect::<Vec<_>>();
    let packet = Packet { id: 0xffff, ..super4(300) };
    assert_eq!(ids(&segments(&packet, 100)), [0xffff, 0, 1]);
    let bytes = packet.build();
    let fixed =
        Segmenter::new(&bytes, &vnet(&packet, 100), MTU).unwrap().keeping(GsoType::FIXED_ID);
    assert_eq!(ids(&write_all(&fixed)), [0xffff; 3]);
}

#[test]
fn s7_df_ttl_tos_and_flow_label_stay_and_no_segment_is_a_fragment() {
    for df in [0, 0x4000] {
        let packet = Packet { tos: 0xba, ttl: 7, fragment_word: df, ..super4(300) };
        for segment in segments(&packet, 100) {
            assert_eq!((segment[1], segment[8]), (0xba, 7));
            assert_eq!(u16::from_be_bytes([segment[6], segment[7]]), df);
        }
    }
    let packet = Packet { tos: 0xba, ttl: 7, flow_label: 0x12345, ..super6(300) };
    for segment in segments(&packet, 100) {
        assert_eq!(segment[..4], [0x6b, 0xa1, 0x23, 0x45]);
        assert_eq!(segment[7], 7);
    }
}

#[test]
fn s8_s9_lengths_and_checksums_are_made_anew_in_each_segment() {
    for packet in [super4(3333), super6(3333)] {
        for size in [1, 2, 3, 99, 100, 1400] {
            let parsed = parse_all(&segments(&packet, size));
            assert_eq!(parsed.len(), 3333_usize.div_ceil(size.into()));
        }
    }
}

#[test]
fn s9_a_udp_checksum_of_zero_is_written_all_ones() {
    let mut packet = Packet { protocol: Protocol::UDP, ..super4(2) };
    let vnet = VnetHeader { csum_offset: 6, ..vnet(&packet, 0) };
    let checksum = |packet: &Packet| {
        let bytes = packet.build();
        let sent = write_all(&Segmenter::new(&bytes, &vnet, MTU).unwrap());
        u16::from_be_bytes([sent[0][26], sent[0][27]])
    };
    packet.payload = vec![0, 0];
    let sum = checksum(&packet);
    packet.payload = sum.to_be_bytes().to_vec();
    assert_eq!(checksum(&packet), 0xffff);
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
            let checksum = sluice_common::checksum::naive(&out[start..]).checksum();
            out[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
            assert_eq!(out, expected);
        }
    }
}

#[test]
fn s15_the_checksum_of_any_packet_is_completed_where_the_header_says() {
    // A protocol that is not known here, with a checksum at an odd place.
    let packet = Packet { protocol: Protocol(253), payload: payload(33), ..super4(0) };
    let vnet = VnetHeader { csum_start: 21, csum_offset: 4, gso_type: 0, ..vnet(&packet, 0) };
    let bytes = packet.build();
    let sent = write_all(&Segmenter::new(&bytes, &vnet, MTU).unwrap());
    let checksum = sluice_common::checksum::naive(&bytes[21..]).checksum();
    let mut expected = bytes.clone();
    expected[25..27].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(sent, [expected]);
}

/// What is untrue, and how it is said.
type Lie = (&'static str, fn(&mut VnetHeader));

#[test]
fn s15_bad_vnet_header_each_lie_is_refused() {
    let lies: [Lie; 9] = [
        ("a header longer than the packet", |vnet| vnet.hdr_len = 9999),
        ("a size of 0", |vnet| vnet.gso_size = 0),
        ("a size that stands for a list of buffers", |vnet| vnet.gso_size = 0xffff),
        ("the other family", |vnet| vnet.gso_type = GsoType::TCPV6.0 as u8),
        ("a checksum that begins elsewhere", |vnet| vnet.csum_start += 2),
        ("a checksum that begins in the IP header", |vnet| vnet.csum_start = 0),
        ("a checksum behind the packet", |vnet| vnet.csum_start = u16::MAX),
        ("a checksum that stands elsewhere", |vnet| vnet.csum_offset = 6),
        ("a checksum that stands behind the packet", |vnet| vnet.csum_offset = u16::MAX),
    ];
    for (lie, change) in lies {
        assert_eq!(refused(&super4(3000), change), Some(DropReason::BadVnetHeader), "{lie}");
    }
    let other = |vnet: &mut VnetHeader| vnet.gso_type = GsoType::TCPV4.0 as u8;
    assert_eq!(refused(&super6(3000), other), Some(DropReason::BadVnetHeader));
    assert_eq!(refused(&super4(3000), |_| {}), None, "and the truth is not");
}

#[test]
fn s15_bad_vnet_header_lies_about_a_packet_that_is_not_segmented() {
    let lies: [Lie; 4] = [
        ("a checksum that begins in the IP header", |vnet| vnet.csum_start = 10),
        ("a checksum behind the packet", |vnet| vnet.csum_start = u16::MAX),
        ("one byte of it behind the packet", |vnet| vnet.csum_start = 20 + 32 + 100 - 17),
        ("a TCP checksum at UDP's place", |vnet| vnet.csum_offset = 6),
    ];
    for (lie, change) in lies {
        let not_segmented = |vnet: &mut VnetHeader| {
            vnet.gso_type = 0;
            change(vnet);
        };
        let reason = refused(&super4(100), not_segmented);
        assert_eq!(reason, Some(DropReason::BadVnetHeader), "{lie}");
    }
}

#[test]
fn s15_bad_vnet_header_a_packet_that_disagrees_with_itself() {
    let packet = super4(3000);
    let vnet = vnet(&packet, 1000);
    let judge = |bytes: &[u8]| Segmenter::new(bytes, &vnet, MTU).err();
    let bytes = packet.build();
    assert_eq!(judge(&bytes[..bytes.len() - 1]), Some(DropReason::BadVnetHeader));
    assert_eq!(judge(&[&bytes[..], &[0]].concat()), Some(DropReason::BadVnetHeader));
    for words in [0x40, 0x00] {
        let mut liar = bytes.clone();
        liar[32] = words;
        assert_eq!(judge(&liar), Some(DropReason::BadVnetHeader), "data offset {words:#x}");
    }
    let fragment = Packet { fragment_word: 0x2000, ..packet };
    assert_eq!(judge(&fragment.build()), Some(DropReason::BadVnetHeader));
    let mut cut = super4(0).build();
    cut[32] = 0xf0;
    assert_eq!(judge(&cut), Some(DropReason::BadVnetHeader), "a TCP header beyond the packet");
    let mut behind_fragment_header = super6(3000);
    behind_fragment_header.extensions = vec![(Protocol::FRAGMENT, vec![0; 8])];
    assert_eq!(refused(&behind_fragment_header, |_| {}), Some(DropReason::BadVnetHeader));
}

#[test]
fn s15_unknown_gso_type_unknown_kinds_and_protocols_are_refused() {
    for kind in [2, 3, 5, 6, 0x21, 0x41, 0x80] {
        let reason = refused(&super4(3000), |vnet| vnet.gso_type = kind);
        assert_eq!(reason, Some(DropReason::UnknownGsoType), "{kind:#x}");
    }
    for protocol in [Protocol::UDP, Protocol(132)] {
        let packet = Packet { protocol, ..super4(3000) };
        assert_eq!(refused(&packet, |_| {}), Some(DropReason::UnknownGsoType));
    }
}

#[test]
fn s15_not_ip_is_refused() {
    for bytes in [&[][..], &[0x45; 19], &[0x15; 40], &[0x65; 39]] {
        let judged = Segmenter::new(bytes, &VnetHeader::default(), MTU);
        assert_eq!(judged.err(), Some(DropReason::NotIp));
    }
}

#[test]
fn s15_too_large_nothing_above_the_mtu_is_written() {
    let header = 20 + 32;
    assert_eq!(refused(&super4(3000), |vnet| vnet.gso_size = (MTU - header) as u16), None);
    let larger = |vnet: &mut VnetHeader| vnet.gso_size = (MTU - header + 1) as u16;
    assert_eq!(refused(&super4(3000), larger), Some(DropReason::TooLarge));
    assert_eq!(refused(&super4(MTU - header + 1), larger), Some(DropReason::TooLarge));
    let whole = |vnet: &mut VnetHeader| vnet.gso_type = 0;
    assert_eq!(refused(&super4(MTU - header), whole), None);
    assert_eq!(refused(&super4(MTU - header + 1), whole), Some(DropReason::TooLarge));
}

#[test]
fn s16_the_number_of_segments_is_known_before_anything_is_written() {
    let packet = super6(64_000);
    let bytes = packet.build();
    let segmenter = Segmenter::new(&bytes, &vnet(&packet, 1000), MTU).unwrap();
    assert_eq!(segmenter.count(), 64);
    let lens: usize = (0..64).map(|i| segmenter.segment_len(i)).sum();
    assert_eq!(lens, 64_000 + 64 * 72);
}

#[test]
fn s17_a_segment_size_of_one_works() {
    let packet = super4(700);
    let parsed = parse_all(&segments(&packet, 1));
    let bytes: Vec<u8> = parsed.iter().flat_map(|one| one.payload.clone()).collect();
    assert_eq!((parsed.len(), bytes), (700, packet.payload));
}

#[test]
fn s18_a_header_and_a_reference_to_the_payload_make_the_same_packet() {
    let udp = Packet { protocol: Protocol::UDP, ..super4(77) };
    let udp_vnet = VnetHeader { csum_offset: 6, ..vnet(&udp, 0) };
    let tcp = super4(250);
    for (packet, vnet) in [(&udp, udp_vnet), (&tcp, vnet(&tcp, 100)), (&tcp, vnet(&tcp, 0))] {
        let bytes = packet.build();
        let segmenter = Segmenter::new(&bytes, &vnet, MTU).unwrap();
        for (i, expected) in write_all(&segmenter).into_iter().enumerate() {
            let mut out = vec![0; 200];
            let len = segmenter.write_header(i, &mut out, ChecksumMode::Full);
            assert_eq!([&out[..len], segmenter.payload(i)].concat(), expected);
        }
    }
}

fn any_super() -> impl Strategy<Value = (Packet, u16)> {
    let header =
        (any::<bool>(), 0..=10_usize, any::<u32>(), any::<u16>(), any::<u8>(), any::<u8>());
    (header, prop::collection::vec(any::<u8>(), 1..5000), 1_u16..1400).prop_map(
        |((is_ipv6, words, seq, id, flags, tos), bytes, size)| {
            let mut packet = if is_ipv6 { super6(0) } else { super4(0) };
            packet.options = vec![1; 4 * words];
            (packet.seq, packet.id, packet.tos) = (seq, id, tos);
            packet.flags = Flags(flags).without(Flags::SYN.with(Flags::RST));
            (packet.with_payload(&bytes), size)
        },
    )
}

proptest! {
    #[test]
    fn segments_reassemble_to_the_payload_each_with_valid_checksums((packet, size) in any_super()) {
        let parsed = parse_all(&segments(&packet, size));
        let mut next = packet.seq;
        for one in &parsed {
            prop_assert_eq!(one.tcp.sequence_number, next);
            prop_assert!(one.payload.len() <= size.into());
            next = next.wrapping_add(one.payload.len() as u32);
        }
        let bytes: Vec<u8> = parsed.into_iter().flat_map(|one| one.payload).collect();
        prop_assert_eq!(bytes, packet.payload);
    }

    #[test]
    fn s15_whatever_bytes_and_vnet_header_come_nothing_panics_and_the_mtu_holds(
        (packet, size) in any_super(),
        header in any::<[u8; VnetHeader::LEN]>(),
        takes_vnet in any::<[bool; 6]>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        mtu in 0_usize..3000,
    ) {
        let lie = VnetHeader::parse(&header).unwrap();
        let mut vnet = vnet(&packet, size);
        let [flags, kind, hdr_len, size, start, offset] = takes_vnet;
        if flags { vnet.flags = lie.flags }
        if kind { vnet.gso_type = lie.gso_type % 6 }
        if hdr_len { vnet.hdr_len = lie.hdr_len }
        if size { vnet.gso_size = lie.gso_size }
        if start { vnet.csum_start = lie.csum_start }
        if offset { vnet.csum_offset = lie.csum_offset }
        let mut bytes = packet.build();
        for (at, byte) in changes {
            let at = at.index(bytes.len().min(100));
            bytes[at] = byte;
        }
        if let Ok(segmenter) = Segmenter::new(&bytes, &vnet, mtu) {
            let sent = write_all(&segmenter);
            prop_assert!(sent.iter().all(|segment| segment.len() <= mtu));
        }
    }
}
