//! Between a network of 1,500 bytes and one of 9,000: packets filled and cut, each end told its own network's MSS,
//! and what does not fit fragmented or answered.

use sluice::xsk::FrameCount;
use sluice_common::Side;
use sluice_common::checksum::{naive, pseudo_header};
use sluice_common::reason::DropReason;
use sluice_common::stage::Forward;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Headers, Link, Protocol, ipv4, tcp};

use super::rig::{Rig, config, umem};

/// Side A has jumbo frames, side B has not.
const MTUS: [u16; 2] = [9000, 1500];
/// Payload of a full packet of a connection with timestamps.
const FULL: [usize; 2] = [8948, 1448];

fn rig(umem: &sluice::xsk::Umem) -> Rig<'_> {
    Rig::with(umem, 256, config(MTUS), Forward)
}

fn frames() -> sluice::xsk::Umem {
    umem(FrameCount::new(4096).unwrap().get())
}

/// Bytes that are all different near each other.
fn payload(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at ^ at >> 8).wrapping_mul(151) as u8).collect()
}

/// A packet of side B's network on its way to A, and those that follow it: `count` full ones.
fn bulk(first: &Packet, count: usize, each: usize) -> Vec<Packet> {
    let bytes = payload(count * each);
    let mut next = first.clone();
    let packet = |part: &[u8]| {
        let packet = next.clone().with_payload(part);
        next = packet.next();
        packet
    };
    bytes.chunks(each).map(packet).collect()
}

struct Seen {
    seq: u32,
    payload: Vec<u8>,
    ip_len: usize,
}

/// What an independent sum and the parser see in a TCP packet, whose checksums are right.
fn sound(packet: &[u8]) -> Seen {
    let headers = Headers::parse(packet, Link::Ethernet).unwrap();
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    assert_eq!(headers.protocol, Protocol::TCP);
    let ip = &packet[network..];
    if !headers.is_ipv6() {
        assert_eq!(ipv4::Packet::new(ip).unwrap().total_len() as usize, ip.len());
        assert_eq!(naive(&packet[network..transport]).folded(), 0xffff);
    }
    let len = (packet.len() - transport) as u16;
    let pseudo = pseudo_header(&headers.addresses, Protocol::TCP, len);
    assert_eq!((pseudo + naive(&packet[transport..])).folded(), 0xffff, "the checksum");
    let segment = tcp::Segment::new(&packet[transport..]).unwrap();
    let payload = packet[transport + segment.header_len()..].to_vec();
    Seen { seq: segment.seq(), payload, ip_len: ip.len() }
}

/// What was carried, in order and without a gap.
fn stream(packets: &[Vec<u8>], mtu: u16) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let first = sound(&packets[0]).seq;
    for packet in packets {
        let seen = sound(packet);
        assert!(seen.ip_len <= mtu.into(), "{} bytes", seen.ip_len);
        assert_eq!(seen.seq, first.wrapping_add(bytes.len() as u32));
        bytes.extend(seen.payload);
    }
    bytes
}

#[test]
fn small_packets_fill_large_ones_and_large_ones_are_cut_to_small_ones() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let v6 = first.src.is_ipv6();
        let full = FULL.map(|full| if v6 { full - 20 } else { full });
        for (from, count) in [(Side::B, 40), (Side::A, 7)] {
            let umem = frames();
            let mut rig = rig(&umem);
            let each = full[from.index()];
            for packet in bulk(&first, count, each) {
                rig.deliver(from, &packet.build());
            }
            rig.settle();
            let (to, beyond) = (from.other(), full[from.other().index()]);
            let left = rig.left(to);
            assert_eq!(stream(&left, MTUS[to.index()]), payload(count * each));
            let carried = |packet: &Vec<u8>| sound(packet).payload.len();
            assert!(left[..left.len() - 1].iter().all(|packet| carried(packet) == beyond));
            let counts = rig.worker.counts().sides[from.index()];
            assert_eq!(
                (counts.recut_packets, counts.recut_into),
                (count as u64, left.len() as u64)
            );
        }
    }
}

#[test]
fn a_single_packet_is_cut_where_it_is_too_large_and_left_alone_where_it_is_not() {
    let umem = frames();
    let mut rig = rig(&umem);
    let large = Packet::tcp4().with_payload(&payload(4000)).build();
    rig.deliver(Side::A, &large);
    rig.settle();
    assert_eq!(stream(&rig.left(Side::B), 1500), payload(4000));
    let small = Packet::tcp4().with_payload(&payload(1448)).build();
    rig.deliver(Side::B, &small);
    rig.settle();
    assert_eq!(rig.left(Side::A), [small]);
}

#[test]
fn g7_a_wrong_checksum_is_never_made_right() {
    let umem = frames();
    let mut rig = rig(&umem);
    let wrong = Packet { checksum: Field::Wrong, ..Packet::tcp4() };
    rig.deliver(Side::A, &wrong.clone().with_payload(&payload(4000)).build());
    rig.settle();
    assert_eq!(rig.left(Side::B).len(), 0);
    assert_eq!(rig.dropped(Side::A, DropReason::BadChecksum), 1);
    let fits = wrong.with_payload(&payload(100)).build();
    rig.deliver(Side::A, &fits);
    rig.settle();
    assert_eq!(rig.left(Side::B), [fits]);
}

fn syn(mss: u16, first: Packet) -> Packet {
    let [m0, m1] = mss.to_be_bytes();
    Packet { flags: tcp::Flags::SYN, options: vec![2, 4, m0, m1], ..first }.with_payload(&[])
}

fn mss_of(packet: &[u8]) -> u16 {
    let seen = sound(packet);
    assert_eq!(seen.payload.len(), 0);
    let headers = Headers::parse(packet, Link::Ethernet).unwrap();
    let at = usize::from(headers.transport) + tcp::HEADER_LEN + 2;
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

#[test]
fn each_end_hears_the_mss_of_its_own_network_and_gets_no_more_than_it_announced() {
    let umem = frames();
    let mut rig = rig(&umem);
    // The jumbo host opens the connection, and can take a bit less than its network carries.
    rig.deliver(Side::A, &syn(8960, Packet::tcp4()).build());
    rig.settle();
    assert_eq!(mss_of(&rig.left(Side::B)[0]), 1460);
    let back = Packet { src_port: 5_001, dst_port: 40_000, ..Packet::tcp4() };
    let back = Packet { src: back.dst, dst: back.src, ..back };
    rig.deliver(Side::B, &syn(1460, back.clone()).build());
    rig.settle();
    assert_eq!(mss_of(&rig.left(Side::A)[0]), 8960);
    assert_eq!(rig.worker.counts().sides.map(|side| side.mss_rewritten), [1, 1]);

    // Another one announces 4,000 with a reason: it is not raised, and what is merged for it keeps to it.
    let other = Packet { src_port: 41_000, ..Packet::tcp4() };
    rig.deliver(Side::A, &syn(4000, other.clone()).build());
    rig.settle();
    assert_eq!(mss_of(&rig.left(Side::B)[1]), 1460);
    let back = Packet { dst_port: 41_000, ..back };
    for packet in bulk(&back, 20, 1448) {
        rig.deliver(Side::B, &packet.build());
    }
    rig.settle();
    let left = rig.left(Side::A);
    assert_eq!(stream(&left[1..], 9000), payload(20 * 1448));
    let largest = left[1..].iter().map(|packet| sound(packet).payload.len()).max();
    assert_eq!(largest, Some(4000 - 12), "timestamps count");
}

#[test]
fn without_translation_nothing_is_merged_cut_or_rewritten() {
    let umem = frames();
    let mut rig = Rig::with(
        &umem,
        256,
        sluice::pipeline::WireConfig { translate: false, ..config(MTUS) },
        Forward,
    );
    let syn = syn(8960, Packet::tcp4()).build();
    rig.deliver(Side::A, &syn);
    let packets: Vec<_> = bulk(&Packet::tcp4(), 10, 1448).iter().map(Packet::build).collect();
    for packet in &packets {
        rig.deliver(Side::B, packet);
    }
    rig.settle();
    assert_eq!(rig.left(Side::B), [syn]);
    assert_eq!(rig.left(Side::A), packets);
    rig.deliver(Side::A, &Packet::tcp4().with_payload(&payload(4000)).build());
    rig.settle();
    assert_eq!(rig.worker.counts().sides[0].answered_packets, 1);
}

#[test]
fn a_datagram_is_fragmented_where_its_sender_allows_it_and_else_he_is_told() {
    let umem = frames();
    let mut rig = rig(&umem);
    let datagram = Packet { fragment_word: 0, ..Packet::udp4() }.with_payload(&payload(8000));
    rig.deliver(Side::A, &datagram.build());
    rig.settle();
    let left = rig.left(Side::B);
    let mut whole = vec![0; 8008];
    for fragment in &left {
        let ip = ipv4::Packet::new(&fragment[14..]).unwrap();
        assert!(ip.total_len() <= 1500);
        let at = usize::from(ip.fragment_word() & ipv4::OFFSET) * 8;
        let bytes = &fragment[34..];
        whole[at..at + bytes.len()].copy_from_slice(bytes);
    }
    assert_eq!((left.len(), &whole[8..]), (6, &payload(8000)[..]));

    for (datagram, from) in [(Packet::udp4(), 42), (Packet::udp6(), 62)] {
        let before = rig.left(Side::A).len();
        rig.deliver(Side::A, &datagram.with_payload(&payload(8000)).build());
        rig.settle();
        let answers = rig.left(Side::A)[before..].to_vec();
        assert_eq!(answers.len(), 1);
        // IPv4: an 8-byte ICMP header behind 34 bytes; IPv6: behind 54.
        let mtu = &answers[0][from - 4..from];
        assert_eq!(mtu[2..], 1500_u16.to_be_bytes(), "{:02x?}", answers[0]);
        assert_eq!(answers[0][..6], [2, 0, 0, 0, 0, 1], "to who sent it");
    }
    let counts = rig.worker.counts().sides[0];
    assert_eq!((counts.fragmented_packets, counts.fragmented_into), (1, 6));
    assert_eq!(counts.answered_packets, 2);
    assert_eq!(rig.left(Side::B).len(), 6, "nothing else went on");
}

#[test]
fn answers_are_limited() {
    let umem = frames();
    let mut rig = rig(&umem);
    for _ in 0..200 {
        let mut other = Packet::udp4().with_payload(&payload(2000));
        other.id = 7;
        rig.deliver(Side::A, &other.build());
        rig.turn();
    }
    let counts = rig.worker.counts().sides[0];
    assert_eq!(counts.answered_packets, 100, "a tenth of a second's worth in 0.2 ms");
    assert_eq!(rig.dropped(Side::A, DropReason::TooLarge), 100);
}

#[test]
fn what_is_signed_is_neither_cut_nor_rewritten() {
    let umem = frames();
    let mut rig = rig(&umem);
    let signature = [vec![19, 18], vec![7; 16], vec![1, 1]].concat();
    let signed = Packet { options: signature.clone(), ..Packet::tcp4() };
    let [m0, m1] = 8960_u16.to_be_bytes();
    let options = [&[2, 4, m0, m1][..], &signature].concat();
    let syn =
        Packet { options, flags: tcp::Flags::SYN, ..Packet::tcp4() }.with_payload(&[]).build();
    let fits = signed.clone().with_payload(&payload(1000)).build();
    for packet in [&syn, &fits] {
        rig.deliver(Side::A, packet);
    }
    rig.deliver(Side::A, &signed.with_payload(&payload(4000)).build());
    rig.settle();
    assert_eq!(rig.left(Side::B), [syn, fits]);
    assert_eq!(rig.worker.counts().sides[0].answered_packets, 1);
}

#[test]
fn s16_without_room_for_all_of_it_a_train_is_dropped_whole() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 64, config(MTUS), Forward);
    rig.port(Side::B).stalled = true;
    for _ in 0..40 {
        let _ = rig.port(Side::A).deliver(&Packet::tcp4().with_payload(&payload(8948)).build());
        rig.turn();
    }
    assert!(rig.dropped(Side::A, DropReason::BacklogFull) > 0);
    let waiting =
        rig.worker.waiting(Side::B) as u64 + u64::from(rig.worker.ledger().rings.transmit);
    assert_eq!(waiting % 7, 0, "seven segments of each, or none");
    rig.port(Side::B).stalled = false;
    rig.settle();
    assert_eq!(rig.left(Side::B).len() as u64, waiting);
}

#[test]
fn a_second_vlan_tag_takes_its_room_from_the_packet() {
    use sluice_common::wire::EtherType;
    let umem = frames();
    let mut rig = rig(&umem);
    let tags = |count| [(EtherType::QINQ, 5), (EtherType::VLAN, 6)].into_iter().take(count);
    for (count, largest) in [(0, 1500), (1, 1500), (2, 1496)] {
        let before = rig.left(Side::B).len();
        let first = Packet { tags: tags(count).collect(), ..Packet::tcp4() };
        rig.deliver(Side::A, &first.with_payload(&payload(8_000)).build());
        rig.settle();
        let left = &rig.left(Side::B)[before..];
        assert_eq!(sound(&left[0]).ip_len, largest, "{count} tags");
        assert_eq!(stream(left, 1500), payload(8_000));
    }
}
