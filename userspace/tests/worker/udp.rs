//! UDP, both ways.

use sluice::port::Sent;
use sluice_common::offload::{GsoType, VnetHeader};
use sluice_common::reason::{DropReason, FlushReason};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Link;

use super::rig::{LINK, Rig, umem};

/// Payload in which no two datagrams are alike.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Datagrams of `size` bytes of payload, as their sender sends them one after the other.
pub(crate) fn datagrams(first: Packet, payload: &[u8], size: usize) -> Vec<Packet> {
    let mut next = first;
    let datagram = |piece: &[u8]| {
        let this = next.clone().with_payload(piece);
        next = this.next();
        this
    };
    payload.chunks(size).map(datagram).collect()
}

/// A packet of the local kernel, with what it says of it.
pub(crate) fn from_host(packet: &Packet, gso_type: GsoType, gso_size: u16) -> Vec<u8> {
    let network = if packet.src.is_ipv6() { 40 } else { 20 };
    let vnet = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: gso_type.0 as u8,
        gso_size,
        hdr_len: network + 8,
        csum_start: network,
        csum_offset: 6,
    };
    let packet = Packet { link: Link::None, checksum: Field::Partial, ..packet.clone() };
    [&vnet.to_bytes()[..], &packet.build()].concat()
}

/// What it would be on the wire: as IP packets, without link headers.
pub(crate) fn ip_packets(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(|packet| Packet { link: Link::None, ..packet.clone() }.build()).collect()
}

pub(crate) fn on_the_wire(rig: &mut Rig<'_>) -> Vec<Vec<u8>> {
    let sent = rig.wire().wire.iter();
    sent.map(|bytes| {
        assert_eq!(bytes[..2], LINK[..2]);
        bytes[14..].to_vec()
    })
    .collect()
}

/// What the host took: vnet headers and IP packets.
pub(crate) fn taken(rig: &mut Rig<'_>) -> Vec<(VnetHeader, Vec<u8>)> {
    let split =
        |bytes: &[u8]| (VnetHeader::parse(bytes).unwrap(), bytes[VnetHeader::LEN..].to_vec());
    rig.host().taken.iter().map(split).collect()
}

#[test]
fn g28_a_train_of_datagrams_goes_to_the_host_in_one_write() {
    for first in [Packet::udp4(), Packet::udp6()] {
        let umem = umem(256);
        let mut rig = Rig::new(&umem, 128);
        let bytes = payload(50 * 1000 - 1);
        for packet in datagrams(first.clone(), &bytes, 1000) {
            assert!(rig.wire().deliver(&packet.build()));
        }
        rig.turn();
        let [(vnet, packet)] = &taken(&mut rig)[..] else { panic!("one write") };
        assert_eq!((vnet.gso_type, vnet.gso_size), (GsoType::UDP_L4.0 as u8, 1000));
        let whole = Packet { link: Link::None, checksum: Field::Partial, ..first };
        assert_eq!(*packet, whole.with_payload(&bytes).build());
        assert_eq!(rig.worker.counts().to_host_super_packets, 50);
    }
}

#[test]
fn a_host_that_takes_no_udp_trains_gets_each_datagram_as_it_came() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 128);
    rig.host().refuses = vec![GsoType::UDP_L4];
    let packets = datagrams(Packet::udp4(), &payload(3 * 1000 + 1), 1000);
    for packet in &packets {
        assert!(rig.wire().deliver(&packet.build()));
    }
    rig.turn();
    let valid = VnetHeader { flags: VnetHeader::DATA_VALID, ..VnetHeader::default() };
    let expected: Vec<_> = ip_packets(&packets).into_iter().map(|bytes| (valid, bytes)).collect();
    assert_eq!(taken(&mut rig), expected);
    let counts = rig.worker.counts();
    assert_eq!((counts.to_host_trains, counts.to_host_packets, counts.to_host_supers), (4, 4, 0));
    assert_eq!(counts.released[FlushReason::ShortSegment.index()], 1, "it was one train");
}

#[test]
fn a_train_that_goes_apart_waits_for_room_after_any_of_its_datagrams() {
    for full_after in 0..4 {
        let umem = umem(256);
        let mut rig = Rig::new(&umem, 128);
        rig.host().refuses = vec![GsoType::UDP_L4];
        rig.host().full_after = Some(full_after);
        let packets = datagrams(Packet::udp4(), &payload(4_000), 1000);
        for packet in &packets {
            assert!(rig.wire().deliver(&packet.build()));
        }
        rig.turn();
        assert_eq!(rig.host().taken.len(), full_after);
        assert_eq!(rig.worker.here(), 4 - full_after, "the audit counts what is not through");
        rig.host().full_after = None;
        rig.settle();
        let bytes: Vec<_> = taken(&mut rig).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(bytes, ip_packets(&packets));
        assert_eq!(rig.worker.counts().to_host_packets, 4);
        assert_eq!(rig.worker.ledger().backlog, 0);
    }
}

#[test]
fn datagrams_that_are_refused_one_by_one_are_dropped_one_by_one() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 128);
    rig.host().refuses = vec![GsoType::UDP_L4];
    rig.host().answer = Sent::Refused;
    for packet in datagrams(Packet::udp4(), &payload(4_000), 1000) {
        assert!(rig.wire().deliver(&packet.build()));
    }
    rig.turn();
    assert_eq!(rig.dropped(DropReason::TunRefused), 4);
    rig.settle();
}

#[test]
fn s10_a_super_packet_of_the_host_leaves_as_datagrams() {
    for first in [Packet::udp4(), Packet::udp6()] {
        let umem = umem(256);
        let mut rig = Rig::new(&umem, 64);
        let bytes = payload(40 * 1000 + 7);
        let whole = first.clone().with_payload(&bytes);
        rig.host().deliver(&from_host(&whole, GsoType::UDP_L4, 1000));
        rig.turn();
        assert_eq!(on_the_wire(&mut rig), ip_packets(&datagrams(first, &bytes, 1000)));
    }
}

#[test]
fn s11_a_datagram_larger_than_the_mtu_leaves_in_fragments() {
    let unfragmented = Packet { fragment_word: 0, ..Packet::udp4() };
    for (first, gso_type) in [
        (unfragmented.clone(), GsoType::NONE),
        (unfragmented, GsoType::UDP),
        (Packet::udp6(), GsoType::NONE),
    ] {
        let umem = umem(256);
        let mut rig = Rig::new(&umem, 64);
        let whole = first.with_payload(&payload(6_000));
        rig.host().deliver(&from_host(&whole, gso_type, if gso_type.0 == 0 { 0 } else { 1480 }));
        rig.turn();
        let sent = on_the_wire(&mut rig);
        assert_eq!(sent.len(), 5);
        let mut pool = etherparse::defrag::IpDefragPool::<(), ()>::new();
        let whole_again = sent.iter().find_map(|fragment| {
            let sliced = etherparse::SlicedPacket::from_ip(fragment).unwrap();
            pool.process_sliced_packet(&sliced, (), ()).unwrap()
        });
        let network = if whole.src.is_ipv6() { 40 } else { 20 };
        let expected = &ip_packets(std::slice::from_ref(&whole))[0][network..];
        assert_eq!(whole_again.expect("a whole datagram").payload, expected);
    }
}

#[test]
fn s11_too_large_with_df_it_is_dropped() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 64);
    let whole = Packet::udp4().with_payload(&payload(6_000));
    rig.host().deliver(&from_host(&whole, GsoType::NONE, 0));
    rig.turn();
    assert_eq!(rig.dropped(DropReason::TooLarge), 1);
}
