//! What comes out of the coalescer: the derived header and its vnet header (G27–G30).

use etherparse::{NetHeaders, PacketHeaders, TcpHeader, TransportHeader};
use sluice_common::offload::{
    Checksum, ChecksumMode, Coalescer, GroConfig, GsoType, Profile, RxChecksum, Segmenter, Train,
    VnetHeader,
};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, Link, Protocol};

fn train_of(config: GroConfig, packets: &[Packet]) -> Train<Vec<u8>> {
    let mut coalescer = Coalescer::new(config);
    let mut released = Vec::new();
    let mut sink = |train: Train<Vec<u8>>, _: FlushReason| released.push(train);
    for packet in packets {
        coalescer.push(packet.build(), 0, &mut sink);
    }
    coalescer.end_of_burst(0, &mut sink);
    assert_eq!(released.len(), 1, "all of them are one train");
    released.remove(0)
}

/// Three packets of 333, 333 and 332 bytes, the last with PSH.
fn three(first: Packet) -> [Packet; 3] {
    let first = first.with_payload(&(0..=255).cycle().take(333).collect::<Vec<u8>>());
    let second = first.next();
    let mut third = second.next();
    third.payload.truncate(332);
    third.flags = third.flags.with(Flags::PSH);
    [first, second, third]
}

fn header(train: &Train<Vec<u8>>, link: Link, mode: ChecksumMode) -> Vec<u8> {
    let mut out = vec![0xee; train.header_len(link) + 8];
    let len = train.write_header(&mut out, link, mode);
    assert_eq!(out.split_off(len), [0xee; 8], "nothing is written behind the header");
    out
}

fn linear(train: &Train<Vec<u8>>, link: Link, mode: ChecksumMode) -> Vec<u8> {
    let mut bytes = header(train, link, mode);
    train.payloads().for_each(|payload| bytes.extend(payload));
    bytes
}

/// An independent parser's view of a whole frame: the TCP header and what its checksum should be.
fn parse(frame: &[u8]) -> (TcpHeader, u16) {
    let headers = PacketHeaders::from_ethernet_slice(frame).unwrap();
    let Some(TransportHeader::Tcp(tcp)) = headers.transport else { panic!("no TCP header") };
    let payload = headers.payload.slice();
    let expected = match headers.net.unwrap() {
        NetHeaders::Ipv4(ip, _) => {
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            tcp.calc_checksum_ipv4(&ip, payload).unwrap()
        }
        NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(&ip, payload).unwrap(),
        other => panic!("{other:?}"),
    };
    (tcp, expected)
}

fn all_kinds() -> [Packet; 3] {
    let mut extended = Packet::tcp6();
    extended.extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0])];
    extended.tags = vec![(EtherType::VLAN, 5)];
    [Packet::tcp4(), Packet::tcp6(), extended]
}

#[test]
fn g27_g28_a_plain_frame_is_the_packet_a_sender_without_segmentation_would_have_sent() {
    for first in all_kinds() {
        let packets = three(first);
        let train = train_of(GroConfig::default(), &packets);
        let payload: Vec<u8> = packets.iter().flat_map(|packet| packet.payload.clone()).collect();
        let mut whole = packets[0].clone().with_payload(&payload);
        whole.flags = packets[2].flags;
        assert_eq!(linear(&train, Link::Ethernet, ChecksumMode::Full), whole.build());
        let ip_only = Packet { link: Link::None, ..whole };
        assert_eq!(linear(&train, Link::None, ChecksumMode::Full), ip_only.build());
        let (tcp, expected) = parse(&linear(&train, Link::Ethernet, ChecksumMode::Full));
        assert_eq!(tcp.checksum, expected);
    }
}

#[test]
fn g28_for_a_vnet_header_the_checksum_is_the_pseudo_header_sum() {
    for first in all_kinds() {
        let packets = three(first);
        let train = train_of(GroConfig::default(), &packets);
        let payload: Vec<u8> = packets.iter().flat_map(|packet| packet.payload.clone()).collect();
        let mut whole = packets[0].clone().with_payload(&payload);
        (whole.flags, whole.checksum, whole.link) = (packets[2].flags, Field::Partial, Link::None);
        assert_eq!(linear(&train, Link::None, ChecksumMode::Partial), whole.build());
        let extensions = if packets[0].extensions.is_empty() { 0 } else { 8 };
        let network = if packets[0].src.is_ipv6() { 40 + extensions } else { 20 };
        let kind = if network == 20 { GsoType::TCPV4 } else { GsoType::TCPV6 };
        let expected = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type: kind.0 as u8,
            hdr_len: network + 32,
            gso_size: 333,
            csum_start: network,
            csum_offset: 16,
        };
        assert_eq!(train.vnet_header(), expected);
        assert_eq!((train.gso_size(), train.gso_segs()), (333, 3));
        assert_eq!(train.ip_len(), usize::from(network) + 32 + 998);
    }
}

#[test]
fn g28_cwr_is_told_to_the_kernel_as_ecn() {
    let mut packets = three(Packet::tcp4());
    packets[0].flags = packets[0].flags.with(Flags::CWR);
    let train = train_of(GroConfig::default(), &packets);
    assert_eq!(train.vnet_header().gso_type, 0x81);
    assert_eq!(header(&train, Link::None, ChecksumMode::Partial)[33], 0x98, "CWR, PSH, ACK");
    packets[1].flags = packets[1].flags.with(Flags::CWR);
    packets[2].flags = packets[2].flags.with(Flags::CWR);
    let config = GroConfig { profile: Profile::AccEcn, ..GroConfig::default() };
    assert!(train_of(config, &packets).gso_type().has(GsoType::ACCECN));
}

#[test]
fn g29_a_train_of_one_leaves_bit_identical() {
    let mut odd = Packet::tcp6();
    (odd.reserved, odd.urgent, odd.tos) = (7, 99, 0xff);
    let wrong = Packet { checksum: Field::Wrong, ip_checksum: Field::Wrong, ..Packet::tcp4() };
    let ack = Packet { padding: 8, options: vec![], ..Packet::tcp4() }.with_payload(&[]);
    for packet in [Packet::tcp4(), odd, wrong, ack, Packet::udp4()] {
        let train = train_of(GroConfig::default(), std::slice::from_ref(&packet));
        assert_eq!(train.packets(), [packet.build()]);
        let unpadded = Packet { padding: 0, ..packet };
        for mode in [ChecksumMode::Partial, ChecksumMode::Full] {
            assert_eq!(linear(&train, Link::Ethernet, mode), unpadded.build());
        }
        assert_eq!((train.gso_size(), train.gso_segs(), train.gso_type()), (0, 1, GsoType::NONE));
    }
}

#[test]
fn g29_a_train_of_one_says_what_is_known_of_its_checksum() {
    let vnet = |rx_checksum, packet: Packet| {
        let train = train_of(GroConfig { rx_checksum, ..GroConfig::default() }, &[packet]);
        (train.checksum(), train.vnet_header())
    };
    let valid = VnetHeader { flags: VnetHeader::DATA_VALID, ..VnetHeader::default() };
    assert_eq!(vnet(RxChecksum::Verify, Packet::tcp4()), (Checksum::Valid, valid));
    assert_eq!(vnet(RxChecksum::Trust, Packet::udp4()), (Checksum::Valid, valid));
    let unknown = (Checksum::Unknown, VnetHeader::default());
    assert_eq!(vnet(RxChecksum::Verify, Packet::udp4()), (Checksum::Valid, valid));
    let none = Packet { checksum: Field::Is(0), ..Packet::udp4() };
    for rx_checksum in [RxChecksum::Verify, RxChecksum::Trust, RxChecksum::Partial] {
        assert_eq!(vnet(rx_checksum, none.clone()), unknown);
    }
    let partial = |csum_start, csum_offset| VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        csum_start,
        csum_offset,
        ..VnetHeader::default()
    };
    for (packet, csum_start, csum_offset) in
        [(Packet::tcp4(), 20, 16), (Packet::tcp6(), 40, 16), (Packet::udp4(), 20, 6)]
    {
        let packet = Packet { checksum: Field::Partial, ..packet };
        let expected = (Checksum::Partial, partial(csum_start, csum_offset));
        assert_eq!(vnet(RxChecksum::Partial, packet), expected);
    }
}

#[test]
fn a_partial_checksum_is_completed_where_the_packet_leaves_on_a_wire() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..GroConfig::default() };
    for right in [Packet::tcp4(), Packet::tcp6(), Packet::udp4()] {
        let right = right.with_payload(b"odd");
        let partial = Packet { checksum: Field::Partial, ..right.clone() };
        let train = train_of(config, &[partial]);
        assert_eq!(linear(&train, Link::Ethernet, ChecksumMode::Full), right.build());
    }
    // Options keep a packet from merging, not its checksum from being completed.
    let with_options = Packet { ip_options: vec![1; 4], ..Packet::tcp4() };
    let partial = Packet { checksum: Field::Partial, ..with_options.clone() };
    let train = train_of(config, &[partial]);
    assert_eq!(linear(&train, Link::Ethernet, ChecksumMode::Full), with_options.build());
}

#[test]
fn g30_segmentation_at_the_trains_own_size_gives_the_packets_back() {
    for first in all_kinds() {
        let packets = three(first);
        let train = train_of(GroConfig::default(), &packets);
        let whole = linear(&train, Link::None, ChecksumMode::Partial);
        let segmenter = Segmenter::new(&whole, &train.vnet_header(), 1500).unwrap();
        for (i, packet) in packets.iter().enumerate() {
            let mut out = vec![0; segmenter.segment_len(i)];
            segmenter.write(i, &mut out);
            assert_eq!(out, Packet { link: Link::None, ..packet.clone() }.build());
        }
    }
}

#[test]
fn g20_a_super_packet_comes_out_as_one() {
    let packet = Packet::tcp4().with_payload(&[7; 250]);
    let mut coalescer = Coalescer::new(GroConfig::default());
    let mut released = Vec::new();
    let mut sink = |train: Train<Vec<u8>>, reason: FlushReason| released.push((train, reason));
    coalescer.push_super(packet.build(), 100, 0, &mut sink);
    let (train, reason) = released.remove(0);
    assert_eq!(reason, FlushReason::ShortSegment);
    assert_eq!((train.gso_size(), train.gso_segs(), train.is_segmented()), (100, 3, false));
    let whole = linear(&train, Link::None, ChecksumMode::Partial);
    let segmenter = Segmenter::new(&whole, &train.vnet_header(), 1500).unwrap();
    assert_eq!(segmenter.count(), 3);
}

#[test]
fn storage_comes_back_and_is_used_again() {
    let config = GroConfig { flows: 1, spare_trains: 0, max_segments: 4, ..GroConfig::default() };
    let mut coalescer = Coalescer::new(config);
    let mut released: Vec<Train<Vec<u8>>> = Vec::new();
    let ack = Packet::tcp4().with_payload(&[]).build();
    coalescer.push(ack.clone(), 0, &mut |train, _| released.push(train));
    let storage = released.remove(0).into_packets();
    let address = storage.as_ptr();
    assert_eq!(storage, std::slice::from_ref(&ack));
    coalescer.recycle(storage);
    // Had it been freed, the allocator would give it to the next who asks for as much.
    let _other = Vec::<Vec<u8>>::with_capacity(4);
    coalescer.push(ack, 0, &mut |train, _| released.push(train));
    assert_eq!(released[0].packets().as_ptr(), address);
}
