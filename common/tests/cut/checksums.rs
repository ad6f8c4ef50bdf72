//! Transport checksums that are verified or completed packet by packet, as the packets leave as they came.

use sluice_common::offload::{Checksum, Coalescer, GroConfig, RxChecksum, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Field, Packet, Tunnel};
use sluice_common::wire::Protocol;

use crate::train::{Divided, all_kinds, config, left_partial, partial, row, train_of};

fn leave() -> GroConfig {
    GroConfig { rx_checksum: RxChecksum::Leave, ..config() }
}

/// A train of one that nobody has looked at, in one piece and in several, with the answer and the checksum's
/// state after it.
fn verified(packet: &Packet) -> (bool, Checksum) {
    let ask = |divided| {
        let mut train = train_of(leave(), [divided]);
        assert_eq!(train.checksum(), Checksum::Unknown);
        (train.verify(), train.checksum())
    };
    let bytes = packet.build();
    let whole = ask(Divided::new(&bytes, bytes.len(), 1));
    let header = bytes.len() - packet.payload.len() - packet.padding;
    for (head, piece) in [(0, 1), (1, 7), (8, 8)] {
        assert_eq!(ask(Divided::new(&bytes, header + head, piece)), whole, "in pieces");
    }
    whole
}

#[test]
fn g7_a_checksum_nobody_looked_at_is_verified_over_all_pieces() {
    let udp = [Packet::udp4(), Packet::udp6()];
    let tunnels = [
        Packet::tcp4().inside(Tunnel::vxlan()),
        Packet::udp6().inside(Tunnel::geneve().over_ipv6().with_udp_checksum(Field::Right)),
        Packet::tcp6().inside(Tunnel::gre()),
    ];
    for packet in all_kinds().into_iter().chain(udp).chain(tunnels) {
        let packet = packet.with_payload(&crate::train::payload(101));
        assert_eq!(verified(&packet), (true, Checksum::Valid));
        let wrong = Packet { checksum: Field::Wrong, ..packet.clone() };
        assert_eq!(verified(&wrong), (false, Checksum::Unknown));
        let left = Packet { checksum: Field::Partial, ..packet };
        assert_eq!(verified(&left), (false, Checksum::Unknown), "a sum that is not complete");
    }
}

#[test]
fn g4_g7_padding_is_not_summed() {
    let first = Packet { options: Vec::new(), ..Packet::tcp4() };
    let mut packet = first.with_payload(b"abc");
    packet.padding = 3;
    let mut bytes = packet.build();
    let end = bytes.len();
    bytes[end - 3..].fill(0xff);
    let mut train = train_of(leave(), [bytes]);
    assert!(train.verify());
}

#[test]
fn g7_what_has_no_checksum_is_not_verified() {
    for datagram in [Packet::udp4(), sums_to_zero()] {
        let none = Packet { checksum: Field::Is(0), ..datagram };
        assert_eq!(verified(&none), (false, Checksum::Unknown));
    }
    let other = Packet { protocol: Protocol(47), ..Packet::tcp4() };
    assert_eq!(verified(&other), (false, Checksum::Unknown));
    let fragment = Packet { fragment_word: 0x2000, ..Packet::tcp4() };
    assert_eq!(verified(&fragment), (false, Checksum::Unknown));
    let mut garbage = train_of(leave(), [vec![0x45; 3]]);
    assert!(!garbage.verify());
}

#[test]
fn g7_what_is_known_is_not_summed_again() {
    let mut left = train_of(partial(), [left_partial(&[Packet::tcp4()])[0].build()]);
    assert!(left.verify());
    assert_eq!(left.checksum(), Checksum::Partial);
    let trusts = GroConfig { rx_checksum: RxChecksum::Trust, ..config() };
    let wrong = Packet { checksum: Field::Wrong, ..Packet::tcp4() };
    let mut trusted = train_of(trusts, [wrong.build()]);
    assert!(trusted.verify(), "the NIC has said so");
    let mut bad = train_of(config(), [wrong.build()]);
    assert!(!bad.verify());
}

#[test]
fn s9_every_packet_of_a_train_gets_its_own_checksum() {
    let udp = [Packet::udp4(), Packet::udp6()];
    let in_vxlan = Tunnel::vxlan().with_udp_checksum(Field::Right);
    let tunnels = [
        Packet::tcp4().inside(in_vxlan.clone()),
        Packet::udp6().inside(in_vxlan.over_ipv6()),
        Packet::tcp6().inside(Tunnel::gre_with(Field::Right, 7)),
    ];
    for first in all_kinds().into_iter().chain(udp).chain(tunnels) {
        // The last is shorter: its own length counts.
        let packets = row(&first, 333, 900);
        let built: Vec<_> = packets.iter().map(Packet::build).collect();
        let came: Vec<_> = packets.iter().map(left_to_nic).collect();
        for (head, piece) in [(9000, 1), (150, 1), (151, 7)] {
            let divided = came.iter().map(|bytes| Divided::new(bytes, head, piece));
            let mut train = train_of(partial(), divided);
            assert_eq!((train.checksum(), train.packets().len()), (Checksum::Partial, 3));
            train.complete_checksums();
            assert_eq!(train.checksum(), Checksum::Valid);
            let left: Vec<_> = train.packets().iter().map(Divided::bytes).collect();
            assert_eq!(left, built);
        }
    }
}

/// The packet with the checksum next to its payload left to a NIC. An outer one is that of the completed packet.
fn left_to_nic(packet: &Packet) -> Vec<u8> {
    let behind = packet.payload.len()
        + match packet.protocol {
            Protocol::UDP => 2,
            _ => 4 + packet.options.len(),
        };
    let inner = Packet { tunnel: None, checksum: Field::Partial, ..packet.clone() }.build();
    let mut bytes = packet.build();
    let at = bytes.len() - behind;
    bytes[at..at + 2].copy_from_slice(&inner[inner.len() - behind..][..2]);
    bytes
}

/// A datagram whose checksum comes out as 0.
fn sums_to_zero() -> Packet {
    let bytes = Packet::udp4().with_payload(&[0, 0]).build();
    let packet = Packet::udp4().with_payload(&bytes[14 + 20 + 6..14 + 20 + 8]);
    assert_eq!(packet.build()[40..42], [0xff, 0xff]);
    packet
}

#[test]
fn s9_a_udp_checksum_of_zero_is_completed_to_all_ones() {
    let packet = sums_to_zero();
    let left = Packet { checksum: Field::Partial, ..packet.clone() };
    let mut train = train_of(partial(), [left.build()]);
    train.complete_checksums();
    assert_eq!(train.packets(), [packet.build()]);
}

#[test]
fn g29_only_what_is_partial_is_completed() {
    let wrong = Packet { checksum: Field::Wrong, ..Packet::tcp4() };
    for packet in [Packet::tcp4(), wrong, Packet::udp4()] {
        let mut train = train_of(partial(), [packet.build()]);
        let state = train.checksum();
        train.complete_checksums();
        assert_eq!((train.packets(), train.checksum()), (&[packet.build()][..], state));
    }
}

#[test]
fn packets_that_are_changed_where_they_stand_are_cut_as_they_are_now() {
    let packets = row(&Packet::tcp4(), 500, 1000);
    let mut train = train_of(config(), packets.iter().map(Packet::build));
    let moved = |packet: &Packet| Packet { dst: [192, 0, 2, 9].into(), ..packet.clone() };
    let moved: Vec<_> = packets.iter().map(moved).collect();
    for (bytes, packet) in train.packets_mut().iter_mut().zip(&moved) {
        *bytes = packet.build();
    }
    let sent = crate::train::write_all(train.cut(700).unwrap());
    let expected = row(&moved[0], 700, 1000);
    assert_eq!(sent, expected.iter().map(Packet::build).collect::<Vec<_>>());
}

/// A super-packet that came as one packet has one checksum.
#[test]
fn g20_a_super_packet_that_came_as_one_is_cut_and_completed_as_one() {
    let packet = Packet { checksum: Field::Partial, ..Packet::tcp4() };
    let packet = packet.with_payload(&crate::train::payload(1000));
    let mut coalescer = Coalescer::new(partial());
    let mut trains: Vec<Train<Vec<u8>>> = Vec::new();
    let mut sink = |train, _: FlushReason| trains.push(train);
    coalescer.push_super(packet.build(), 300, 0, &mut sink);
    coalescer.end_of_burst(0, &mut sink);
    let mut train = trains.remove(0);
    assert_eq!((train.gso_segs(), train.packets().len()), (4, 1));
    let right = Packet { checksum: Field::Right, ..packet };
    let mut expected = row(&right, 400, 1000);
    expected[2].flags = right.flags;
    let sent = crate::train::write_all(train.cut(400).unwrap());
    assert_eq!(sent, expected.iter().map(Packet::build).collect::<Vec<_>>());
    train.complete_checksums();
    assert_eq!(train.packets(), [right.build()]);
}
