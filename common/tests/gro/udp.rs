//! UDP: what of it merges, how much of it, and what comes out.

use sluice_common::offload::{
    Checksum, ChecksumMode, Coalescer, GroConfig, GsoType, Hold, Profile, RxChecksum, Segmenter,
    VnetHeader,
};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{EtherType, Link, Protocol};

use crate::burst::{
    Released, assert_joins, assert_passes, assert_releases, coalesce, coalesce_bytes, linux,
    outcome, pair, with_profile,
};

fn both() -> [Packet; 2] {
    [Packet::udp4(), Packet::udp6()]
}

/// `count` datagrams, each as its sender sends it after the one before.
fn row(first: Packet, count: usize) -> Vec<Packet> {
    std::iter::successors(Some(first), |packet| Some(packet.next())).take(count).collect()
}

#[test]
fn g19_datagrams_of_one_size_join() {
    for first in both() {
        assert_joins(linux(), &row(first, 5));
    }
}

#[test]
fn g19_g22_a_smaller_datagram_joins_and_closes_the_train() {
    for first in both() {
        let mut packets = row(first, 4);
        packets[2].payload.truncate(99);
        packets[3].payload.truncate(99);
        let out = outcome(&coalesce(linux(), &packets));
        assert_eq!(out, [(3, FlushReason::ShortSegment), (1, FlushReason::EndOfBurst)]);
    }
}

#[test]
fn g17_g19_a_larger_datagram_starts_another_train() {
    for first in both() {
        let packets = pair(first, |packet| packet.payload.push(1));
        assert_releases(linux(), &packets, FlushReason::LargerSegment);
    }
}

#[test]
fn g19_a_train_has_64_datagrams_at_most() {
    let config = GroConfig { max_segments: 1000, ..linux() };
    for first in both() {
        let out = outcome(&coalesce(config, &row(first, 65)));
        assert_eq!(out, [(64, FlushReason::MaxDatagrams), (1, FlushReason::EndOfBurst)]);
    }
    let tcp = Packet { seq: 0, ..Packet::tcp4() };
    assert_joins(config, &row(tcp, 65));
}

#[test]
fn g19_a_train_of_64_datagrams_goes_at_once() {
    let config = GroConfig { max_segments: 1000, hold: Hold::AtMost(1000), ..linux() };
    let mut coalescer = Coalescer::new(config);
    let mut released = Released::new();
    for packet in row(Packet::udp4(), 64) {
        coalescer.push(packet.build(), 0, &mut |train, reason| released.push((train, reason)));
    }
    assert_eq!(outcome(&released), [(64, FlushReason::MaxDatagrams)]);
}

#[test]
fn g19_a_super_packet_joins_only_where_its_datagrams_have_room() {
    let mut coalescer = Coalescer::new(linux());
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    let [first, second] = pair(Packet::udp4().with_payload(&[1; 400]), |packet| packet.id += 39);
    coalescer.push_super(first.build(), 10, 0, &mut sink);
    coalescer.push_super(second.build(), 10, 0, &mut sink);
    coalescer.end_of_burst(0, &mut sink);
    assert_eq!(
        outcome(&released),
        [(1, FlushReason::MaxDatagrams), (1, FlushReason::EndOfBurst)],
        "40 and 40"
    );
    assert_eq!((released[0].0.gso_segs(), released[0].0.gso_type()), (40, GsoType::UDP_L4));
}

#[test]
fn g6_g8_an_empty_datagram_goes_alone() {
    for first in both() {
        let empty = pair(first, |packet| packet.payload.clear());
        assert_passes(linux(), &empty, FlushReason::NoPayload);
    }
}

#[test]
fn g6_a_udp_length_that_is_not_the_payloads_passes_through() {
    for first in both() {
        let transport = if first.src.is_ipv6() { 54 } else { 34 };
        for len in [0_u16, 7, 8, 107, 109, 9000] {
            let mut liar = first.next().build();
            liar[transport + 4..transport + 6].copy_from_slice(&len.to_be_bytes());
            let out = outcome(&coalesce_bytes(linux(), &[first.build(), liar]));
            assert_eq!(out, [(1, FlushReason::BadLength); 2], "{len}");
        }
    }
}

#[test]
fn g7_a_checksum_of_zero_says_there_is_none_and_the_datagram_goes_alone() {
    for rx_checksum in [RxChecksum::Verify, RxChecksum::Trust, RxChecksum::Partial] {
        let none = pair(Packet::udp4(), |packet| packet.checksum = Field::Is(0));
        let config = GroConfig { rx_checksum, ..linux() };
        assert_passes(config, &none, FlushReason::NoChecksum);
    }
}

#[test]
fn g7_a_wrong_checksum_is_neither_merged_nor_repaired() {
    for first in both() {
        for field in [Field::Wrong, Field::Partial] {
            let wrong = pair(first.clone(), |packet| packet.checksum = field);
            assert_passes(linux(), &wrong, FlushReason::BadChecksum);
            let trusting = GroConfig { rx_checksum: RxChecksum::Trust, ..linux() };
            assert_joins(trusting, &wrong);
        }
    }
}

#[test]
fn g7_a_partial_checksum_is_right_where_the_configuration_says_so() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..linux() };
    for first in both() {
        let partial = Packet { checksum: Field::Partial, ..first };
        let released = coalesce(config, &row(partial.clone(), 2));
        assert_eq!(outcome(&released), [(2, FlushReason::EndOfBurst)]);
        assert_eq!(released[0].0.checksum(), Checksum::Partial);
        let mixed = pair(partial, |packet| packet.checksum = Field::Right);
        assert_releases(config, &mixed, FlushReason::ChecksumState);
    }
}

#[test]
fn g7_s9_a_checksum_of_all_ones_is_what_a_udp_sender_writes_for_zero() {
    let checksum = |packet: &Packet| {
        let bytes = packet.build();
        u16::from_be_bytes([bytes[40], bytes[41]])
    };
    let mut packet = Packet::udp4().with_payload(&[0; 2]);
    packet.payload = checksum(&packet).to_be_bytes().to_vec();
    assert_eq!(checksum(&packet), 0xffff);
    assert_joins(linux(), &row(packet, 2));
}

#[test]
fn g9_other_ports_or_another_protocol_are_another_flow() {
    let changes: [fn(&mut Packet); 3] = [
        |packet| packet.src_port += 1,
        |packet| packet.dst_port += 1,
        |packet| packet.protocol = Protocol::TCP,
    ];
    for change in changes {
        let [first, other] = pair(Packet::udp4(), change);
        let packets = [first.clone(), other.clone(), first.next(), other.next()];
        let out = outcome(&coalesce(linux(), &packets));
        assert_eq!(out, [(2, FlushReason::EndOfBurst), (2, FlushReason::EndOfBurst)]);
    }
}

/// A change to a datagram, and why it releases the train before it.
type Change = (fn(&mut Packet), FlushReason);

#[test]
fn g1_g9_g14_another_header_releases_the_train() {
    let changes: [Change; 4] = [
        (|packet| packet.macs[1][5] = 9, FlushReason::LinkHeader),
        (|packet| packet.tags.push((EtherType::VLAN, 1)), FlushReason::LinkHeader),
        (|packet| packet.ttl -= 1, FlushReason::Ttl),
        (|packet| packet.tos = 3, FlushReason::Tos),
    ];
    for first in both() {
        for (change, reason) in changes {
            assert_releases(linux(), &pair(first.clone(), change), reason);
        }
    }
    let flow_label = pair(Packet::udp6(), |packet| packet.flow_label += 1);
    assert_releases(linux(), &flow_label, FlushReason::ExtensionHeaders);
    let df = pair(Packet::udp4(), |packet| packet.fragment_word = 0);
    assert_releases(linux(), &df, FlushReason::DontFragment);
}

#[test]
fn g16_identifications_increment_or_stay() {
    let with_ids = |ids: &[u16], fragment_word| -> Vec<Packet> {
        ids.iter().map(|&id| Packet { id, fragment_word, ..Packet::udp4() }).collect()
    };
    for df in [0, 0x4000] {
        for ids in [[7, 8, 9], [0xffff, 0, 1], [7, 7, 7]] {
            assert_joins(linux(), &with_ids(&ids, df));
        }
        let out = outcome(&coalesce(linux(), &with_ids(&[7, 9], df)));
        assert_eq!(out, [(1, FlushReason::IpId), (1, FlushReason::EndOfBurst)]);
    }
    let out = outcome(&coalesce(with_profile(Profile::Linux612), &with_ids(&[7, 7], 0)));
    assert_eq!(out, [(1, FlushReason::IpId), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g18_a_train_is_never_larger_than_an_ip_packet_can_be() {
    for (first, header) in [(Packet::udp4(), 28), (Packet::udp6(), 48)] {
        let fitting = (65_535 - header) / 1400;
        let packets = row(first.with_payload(&[1; 1400]), fitting + 1);
        let out = outcome(&coalesce(linux(), &packets));
        assert_eq!(out, [(fitting, FlushReason::MaxSize), (1, FlushReason::EndOfBurst)]);
    }
}

#[test]
fn g23_a_datagram_that_passes_goes_after_what_is_held_of_its_flow() {
    let mut packets = row(Packet::udp4(), 4);
    packets[2].checksum = Field::Is(0);
    let released = coalesce(linux(), &packets);
    let reasons = [FlushReason::NoChecksum, FlushReason::NoChecksum, FlushReason::EndOfBurst];
    assert_eq!(outcome(&released), [(2, reasons[0]), (1, reasons[1]), (1, reasons[2])]);
    let order: Vec<_> = released.iter().flat_map(|(train, _)| train.packets().to_vec()).collect();
    assert_eq!(order, packets.iter().map(Packet::build).collect::<Vec<_>>());
}

#[test]
fn g25_an_open_train_goes_at_its_deadline_and_a_closed_one_at_once() {
    let mut coalescer = Coalescer::new(GroConfig { hold: Hold::AtMost(1000), ..linux() });
    let mut released = Released::new();
    let mut packets = row(Packet::udp4(), 3);
    packets[1].payload.truncate(9);
    for packet in &packets {
        coalescer.push(packet.build(), 0, &mut |train, reason| released.push((train, reason)));
    }
    assert_eq!(outcome(&released), [(2, FlushReason::ShortSegment)]);
    coalescer.end_of_burst(1000, &mut |train, reason| released.push((train, reason)));
    assert_eq!(outcome(&released)[1..], [(1, FlushReason::Timeout)]);
}

#[test]
fn g27_g28_the_header_is_that_of_one_large_datagram() {
    for first in both() {
        let mut packets = row(first.with_payload(&[7; 333]), 3);
        packets[2].payload.truncate(100);
        let released = coalesce(linux(), &packets);
        let train = &released[0].0;
        let payload = packets.iter().flat_map(|packet| packet.payload.clone()).collect::<Vec<_>>();
        let whole = packets[0].clone().with_payload(&payload);
        let linear = |link, mode| {
            let mut bytes = vec![0; train.header_len(link)];
            train.write_header(&mut bytes, link, mode);
            bytes.extend(train.payloads().flatten());
            bytes
        };
        assert_eq!(linear(Link::Ethernet, ChecksumMode::Full), whole.build());
        let partial = Packet { link: Link::None, checksum: Field::Partial, ..whole };
        assert_eq!(linear(Link::None, ChecksumMode::Partial), partial.build());
        let network = if partial.src.is_ipv6() { 40 } else { 20 };
        let expected = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type: 5,
            hdr_len: network + 8,
            gso_size: 333,
            csum_start: network,
            csum_offset: 6,
        };
        assert_eq!(train.vnet_header(), expected);
        assert_eq!((train.gso_segs(), train.gso_type()), (3, GsoType::UDP_L4));
    }
}

#[test]
fn g29_a_datagram_alone_leaves_bit_identical() {
    let padded = Packet { padding: 15, ..Packet::udp4() }.with_payload(&[1; 3]);
    let none = Packet { checksum: Field::Is(0), ..Packet::udp6() };
    let wrong = Packet { checksum: Field::Wrong, ..Packet::udp4() };
    for packet in [padded, none, wrong, Packet::udp4().with_payload(&[])] {
        let released = coalesce(linux(), std::slice::from_ref(&packet));
        let [(train, _)] = &released[..] else { panic!("{released:?}") };
        let mut bytes = vec![0; train.header_len(Link::Ethernet)];
        train.write_header(&mut bytes, Link::Ethernet, ChecksumMode::Full);
        bytes.extend(train.payloads().flatten());
        assert_eq!(bytes, Packet { padding: 0, ..packet }.build());
        assert_eq!(train.gso_type(), GsoType::NONE);
    }
}

#[test]
fn g30_segmentation_gives_the_datagrams_back_fixed_identifications_too() {
    for (first, id_step) in both().into_iter().flat_map(|first| [(first.clone(), 1), (first, 0)]) {
        let mut packets = row(first.with_payload(&[9; 333]), 3);
        packets[2].payload.truncate(1);
        for (n, packet) in packets.iter_mut().enumerate() {
            packet.id = 50 + id_step * n as u16;
        }
        let released = coalesce(linux(), &packets);
        let train = &released[0].0;
        let mut whole = vec![0; train.header_len(Link::None)];
        train.write_header(&mut whole, Link::None, ChecksumMode::Partial);
        whole.extend(train.payloads().flatten());
        let segmenter = Segmenter::new(&whole, &train.vnet_header(), 1500).unwrap();
        let segmenter = segmenter.keeping(train.gso_type());
        for (i, packet) in packets.iter().enumerate() {
            let mut out = vec![0; segmenter.segment_len(i)];
            segmenter.write(i, &mut out);
            assert_eq!(out, Packet { link: Link::None, ..packet.clone() }.build());
        }
    }
}

#[test]
fn disabled_udp_may_be_left_alone_while_tcp_merges() {
    let config = GroConfig { udp: false, ..linux() };
    for first in both() {
        assert_passes(config, &pair(first, |_| {}), FlushReason::Disabled);
    }
    assert_joins(config, &pair(Packet::tcp4(), |_| {}));
    let released = coalesce(config, &[Packet::udp4()]);
    assert_eq!(released[0].0.checksum(), Checksum::Unknown, "and is not summed in vain");
}
