//! May this packet take part? What is refused goes on as it came, after what is held of its flow.

use sluice_common::offload::{Checksum, Coalescer, GroConfig, RxChecksum, VnetHeader};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Link, Protocol};

use crate::burst::{
    Released, assert_joins, assert_passes, coalesce, coalesce_bytes, linux, outcome, pair,
};

#[test]
fn g2_ipv4_options_pass_through() {
    let with_options = pair(Packet::tcp4(), |packet| packet.ip_options = vec![1, 1, 1, 0]);
    assert_passes(linux(), &with_options, FlushReason::Ipv4Options);
}

#[test]
fn g2_a_wrong_header_checksum_passes_through() {
    for field in [Field::Wrong, Field::Is(0xffff)] {
        let wrong = pair(Packet::tcp4(), |packet| packet.ip_checksum = field);
        assert_passes(linux(), &wrong, FlushReason::BadIpChecksum);
    }
}

#[test]
fn g2_a_header_checksum_of_all_ones_is_not_merged_for_segmentation_would_write_zero() {
    let checksum = |packet: &Packet| {
        let bytes = packet.build();
        u16::from_be_bytes([bytes[24], bytes[25]])
    };
    let mut zero = Packet { id: 0, ..Packet::tcp4() };
    zero.id = checksum(&zero);
    assert_eq!(checksum(&zero), 0);
    let out = outcome(&coalesce(linux(), std::slice::from_ref(&zero)));
    assert_eq!(out, [(1, FlushReason::EndOfBurst)]);
    let ones = Packet { ip_checksum: Field::Is(0xffff), ..zero };
    assert_eq!(outcome(&coalesce(linux(), &[ones])), [(1, FlushReason::BadIpChecksum)]);
}

#[test]
fn g3_fragments_and_the_reserved_flag_pass_through() {
    for word in [0x2000, 0x8000, 0xc000] {
        let fragment = pair(Packet::tcp4(), |packet| packet.fragment_word = word);
        assert_passes(linux(), &fragment, FlushReason::Fragment);
    }
    // A later fragment has no ports: it belongs to no flow that can be told.
    let later = pair(Packet::tcp4(), |packet| packet.fragment_word = 0x0010);
    let out = outcome(&coalesce(linux(), &later));
    assert_eq!(out, [(1, FlushReason::Fragment), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g4_ethernet_padding_is_trimmed() {
    let mut first = Packet::tcp4().with_payload(b"12");
    first.options.clear();
    first.padding = 60 - 14 - 42;
    let released = coalesce(linux(), &pair(first, |_| {}));
    assert_eq!(outcome(&released), [(2, FlushReason::EndOfBurst)]);
    assert_eq!(released[0].0.payloads().collect::<Vec<_>>(), [b"12", b"12"]);
    assert_eq!(released[0].0.ip_len(), 44);
}

#[test]
fn g4_lengths_that_disagree_with_the_bytes_pass_through() {
    // Padding of a frame that was long enough without it.
    let padded = pair(Packet::tcp4(), |packet| packet.padding = 1);
    assert_passes(linux(), &padded, FlushReason::BadLength);
    // Bytes that are missing; with IPv4 and with IPv6.
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let mut cut = first.next().build();
        cut.truncate(cut.len() - 1);
        let released = coalesce_bytes(linux(), &[first.build(), cut.clone()]);
        assert_eq!(outcome(&released), [(1, FlushReason::BadLength); 2]);
        assert_eq!(released[1].0.payloads().collect::<Vec<_>>(), [&cut[14..]]);
    }
}

#[test]
fn g4_without_a_link_header_there_is_no_padding() {
    let config = GroConfig { link: Link::None, ..linux() };
    let mut first = Packet::tcp4().with_payload(b"1");
    first.link = Link::None;
    assert_joins(config, &pair(first.clone(), |_| {}));
    assert_passes(config, &pair(first, |packet| packet.padding = 1), FlushReason::BadLength);
}

#[test]
fn g5_a_fragment_header_passes_through() {
    let atomic = (Protocol::FRAGMENT, vec![0, 0, 0, 0, 0, 0, 0, 9]);
    let fragment = pair(Packet::tcp6(), |packet| packet.extensions = vec![atomic]);
    assert_passes(linux(), &fragment, FlushReason::Fragment);
}

#[test]
fn g5_authentication_encryption_and_the_unknown_pass_through() {
    for protocol in [50, 51, 135, 253].map(Protocol) {
        let unknown = Packet { protocol, ..Packet::tcp6() };
        let out = outcome(&coalesce(linux(), &[unknown]));
        assert_eq!(out, [(1, FlushReason::NotMergeable)]);
    }
}

#[test]
fn g6_a_tcp_header_that_lies_about_its_length_passes_through() {
    let first = Packet::tcp4().with_payload(&[]);
    for words in [0x40, 0xf0] {
        let mut liar = first.build();
        liar[14 + 20 + 12] = words;
        let out = outcome(&coalesce_bytes(linux(), &[liar]));
        assert_eq!(out, [(1, FlushReason::BadLength)]);
    }
    let longest = Packet { options: vec![1; 40], ..Packet::tcp4() };
    assert_joins(linux(), &pair(longest, |_| {}));
}

#[test]
fn g7_a_wrong_checksum_is_neither_merged_nor_repaired() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        for field in [Field::Wrong, Field::Partial] {
            let wrong = pair(first.clone(), |packet| packet.checksum = field);
            assert_passes(linux(), &wrong, FlushReason::BadChecksum);
        }
        let released = coalesce(linux(), &pair(first, |packet| packet.checksum = Field::Wrong));
        assert_eq!(released[1].0.checksum(), Checksum::Unknown);
        assert_eq!(
            released[1].0.vnet_header(),
            VnetHeader::default(),
            "the kernel is to verify it"
        );
    }
}

/// A packet whose checksum is 0, and might as well be 0xFFFF.
fn with_checksum_zero() -> Packet {
    let mut packet = Packet::tcp4();
    let checksum = |packet: &Packet| {
        let bytes = packet.build();
        u16::from_be_bytes([bytes[50], bytes[51]])
    };
    packet.window = packet.window.wrapping_add(checksum(&packet));
    if checksum(&packet) != 0 {
        packet.window = packet.window.wrapping_add(checksum(&packet));
    }
    assert_eq!(checksum(&packet), 0);
    packet
}

#[test]
fn g30_a_checksum_of_all_ones_goes_alone_for_segmentation_would_write_zero() {
    let zero = with_checksum_zero();
    assert_eq!(
        outcome(&coalesce(linux(), std::slice::from_ref(&zero))),
        [(1, FlushReason::EndOfBurst)]
    );
    let ones = Packet { checksum: Field::Is(0xffff), ..zero };
    let trains = coalesce(linux(), &[ones]);
    assert_eq!(outcome(&trains), [(1, FlushReason::ChecksumAllOnes)]);
    assert_eq!(trains[0].0.checksum(), Checksum::Valid, "it is no damage");
}

#[test]
fn g7_a_checksum_left_to_others_is_not_looked_at_and_merges_nothing() {
    let config = GroConfig { rx_checksum: RxChecksum::Leave, ..linux() };
    let packets = [Packet::tcp4(), Packet::tcp4().next()];
    let released = coalesce(config, &packets);
    assert_eq!(outcome(&released), [(1, FlushReason::Disabled), (1, FlushReason::Disabled)]);
    assert!(released.iter().all(|(train, _)| train.checksum() == Checksum::Unknown));
}

#[test]
fn g7_a_trusted_checksum_is_not_looked_at() {
    let config = GroConfig { rx_checksum: RxChecksum::Trust, ..linux() };
    let wrong = pair(Packet::tcp4(), |packet| packet.checksum = Field::Wrong);
    assert_joins(config, &wrong);
}

#[test]
fn g7_a_partial_checksum_is_right_where_the_configuration_says_so() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..linux() };
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let partial = Packet { checksum: Field::Partial, ..first };
        let released = coalesce(config, &pair(partial.clone(), |_| {}));
        assert_eq!(outcome(&released), [(2, FlushReason::EndOfBurst)]);
        assert_eq!(released[0].0.checksum(), Checksum::Partial);
        assert_joins(config, &pair(Packet { checksum: Field::Right, ..partial }, |_| {}));
    }
    let wrong = pair(Packet::tcp4(), |packet| packet.checksum = Field::Wrong);
    assert_passes(config, &wrong, FlushReason::BadChecksum);
}

#[test]
fn g8_a_pure_acknowledgement_is_neither_merged_nor_held() {
    let pure = pair(Packet::tcp4(), |packet| packet.payload.clear());
    assert_passes(linux(), &pure, FlushReason::NoPayload);
    let mut coalescer = Coalescer::new(linux());
    let mut released = Released::new();
    coalescer.push(pure[1].build(), 0, &mut |train, reason| released.push((train, reason)));
    assert_eq!(outcome(&released), [(1, FlushReason::NoPayload)], "at once");
    assert_eq!(released[0].0.checksum(), Checksum::Valid);
}

#[test]
fn not_mergeable_another_protocol_and_what_is_not_ip_pass_through() {
    let icmp = Packet { protocol: Protocol::ICMP, ..Packet::tcp4() };
    let arp = [[2; 12].as_slice(), &[8, 6], &[0; 46]].concat();
    let released = coalesce_bytes(linux(), &[icmp.build(), arp.clone(), vec![1, 2]]);
    assert_eq!(outcome(&released), [(1, FlushReason::NotMergeable); 3]);
    assert_eq!(
        released.iter().map(|(train, _)| train.is_ip()).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(released[1].0.payloads().collect::<Vec<_>>(), [arp]);
}

#[test]
fn disabled_every_packet_goes_on_as_it_came() {
    let config = GroConfig { enabled: false, ..linux() };
    let out = outcome(&coalesce(config, &pair(Packet::tcp4(), |_| {})));
    assert_eq!(out, [(1, FlushReason::Disabled), (1, FlushReason::Disabled)]);
}
