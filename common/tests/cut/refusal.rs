//! What is not cut.

use sluice_common::offload::{Checksum, GroConfig, RxChecksum};
use sluice_common::testing::{Field, Packet, Tunnel};
use sluice_common::wire::Protocol;
use sluice_common::wire::tcp::Flags;

use crate::train::{coalesce, config, partial, payload, row, train, train_of};

fn is_cut(config: GroConfig, packet: &Packet) -> bool {
    train_of(config, [packet.build()]).cut(100).is_some()
}

fn large(first: Packet) -> Packet {
    first.with_payload(&payload(1000))
}

#[test]
fn s5_what_has_syn_rst_or_urg_is_not_cut() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        assert!(is_cut(config(), &large(first.clone())), "and the others are");
        for flag in [Flags::SYN, Flags::RST, Flags::URG] {
            let flags = Flags::ACK.with(flag);
            assert!(!is_cut(config(), &large(Packet { flags, ..first.clone() })), "{flag:?}");
        }
    }
}

#[test]
fn s15_what_is_not_tcp_or_in_a_tunnel_is_not_cut() {
    let protocol = Protocol(47);
    for packet in [Packet::udp4(), Packet::udp6(), Packet { protocol, ..Packet::tcp4() }] {
        assert!(!is_cut(config(), &large(packet)));
    }
    assert!(!is_cut(config(), &large(Packet::tcp4().inside(Tunnel::vxlan()))));
    assert!(!is_cut(config(), &large(Packet::tcp6().inside(Tunnel::ip4()))));
    assert!(train_of(config(), [vec![0x88; 1000]]).cut(100).is_none(), "nor what is not IP");
    let two = Packet::tcp4().inside(Tunnel::gre());
    assert!(train(&[two.clone(), two.next()]).cut(50).is_none(), "nor a train of them");
    let datagrams = [Packet::udp4(), Packet::udp4().next()];
    assert!(train(&datagrams).cut(50).is_none());
}

#[test]
fn s15_a_header_that_is_not_sound_is_not_copied() {
    let sound = large(Packet::tcp4()).build();
    let lies: [(&str, usize, u8); 4] = [
        ("a data offset below 5", 14 + 20 + 12, 0x40),
        ("an IP packet longer than the frame", 14 + 2, 0x40),
        ("an IP packet shorter than the frame", 14 + 2, 1),
        ("a fragment", 14 + 6, 0x20),
    ];
    for (lie, at, byte) in lies {
        let mut bytes = sound.clone();
        bytes[at] = byte;
        let trusts = GroConfig { rx_checksum: RxChecksum::Trust, ..config() };
        assert!(train_of(trusts, [bytes]).cut(100).is_none(), "{lie}");
    }
    let mut short = sound.clone();
    short.truncate(14 + 20 + 19);
    assert!(train_of(config(), [short]).cut(100).is_none());
}

#[test]
fn g7_a_wrong_checksum_is_not_repaired() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let wrong = large(Packet { checksum: Field::Wrong, ..first });
        assert!(!is_cut(config(), &wrong));
        assert!(!is_cut(partial(), &wrong));
        let partial_one = Packet { checksum: Field::Partial, ..wrong };
        assert!(!is_cut(config(), &partial_one), "where partial ones are not expected");
        assert!(is_cut(partial(), &partial_one));
    }
}

#[test]
fn g2_g7_a_wrong_ip_header_checksum_is_not_repaired() {
    let wrong = large(Packet { ip_checksum: Field::Wrong, ..Packet::tcp4() });
    assert!(!is_cut(config(), &wrong));
    let left = Packet { checksum: Field::Partial, ..wrong };
    assert!(!is_cut(partial(), &left));
}

#[test]
fn g7_a_checksum_nobody_looked_at_is_cut_once_it_is_verified() {
    let leave = GroConfig { rx_checksum: RxChecksum::Leave, ..config() };
    let mut train = train_of(leave, [large(Packet::tcp4()).build()]);
    assert!(train.cut(100).is_none());
    assert!(train.verify());
    assert_eq!(train.cut(100).map(|cut| cut.count()), Some(10));
}

#[test]
fn s3_signed_segments_are_not_cut() {
    let digest = |kind, len: u8| [vec![kind, len], vec![0x5a; usize::from(len) - 2]].concat();
    let options = |parts: &[&[u8]]| {
        let mut options = parts.concat();
        options.resize(options.len().next_multiple_of(4), 1);
        Packet { options, ..Packet::tcp4() }
    };
    let timestamps = [1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 2, 0];
    for (kind, len) in [(19, 18), (29, 16)] {
        let signature = digest(kind, len);
        assert!(!is_cut(config(), &large(options(&[&signature]))));
        assert!(!is_cut(config(), &large(options(&[&timestamps, &signature]))));
        assert!(!is_cut(config(), &large(options(&[&[1], &signature]))));
        // Where it is no option, it is no signature.
        assert!(is_cut(config(), &large(options(&[&[254, len + 2], &signature]))));
        assert!(is_cut(config(), &large(options(&[&[0], &signature]))));
    }
    // Options that lie about their lengths are copied like others.
    for lie in [[254, 0, 254, 1], [254, 60, 1, 1], [1, 1, 1, 254]] {
        assert!(is_cut(config(), &large(options(&[&lie]))), "{lie:?}");
    }
}

#[test]
fn g18_s15_no_segment_is_longer_than_an_ip_packet_and_none_is_empty() {
    let packets = row(&Packet::tcp4(), 1000, 3000);
    let train = train(&packets);
    let most = 65_535 - 20 - 32;
    assert!(train.cut(most).is_some());
    assert!(train.cut(most + 1).is_none());
    assert!(train.cut(usize::MAX).is_none());
    assert!(train.cut(0).is_none());
}

#[test]
fn s3_a_header_of_256_bytes_is_the_longest() {
    let with_options = |len| {
        let mut first = Packet { options: vec![1; len], ..Packet::tcp6() };
        first.extensions = vec![(Protocol::HOP_BY_HOP, vec![0; 176])];
        large(first)
    };
    // 14, 40 and 20 bytes, and the extension: with the options 254 and 258.
    assert!(is_cut(config(), &with_options(4)));
    assert!(!is_cut(config(), &with_options(8)));
}

#[test]
fn s2_trains_that_do_not_merge_are_cut_one_by_one() {
    let first = large(Packet { ip_options: vec![1; 4], ..Packet::tcp4() });
    let trains = coalesce(config(), [first.build(), first.next().build()]);
    assert_eq!(trains.len(), 2);
    for train in trains {
        assert_eq!(train.checksum(), Checksum::Valid);
        assert_eq!(train.cut(300).map(|cut| cut.count()), Some(4));
    }
}
