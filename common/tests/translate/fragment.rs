//! IPv4 fragments as routers make them (RFC 791 §3.2).

use etherparse::Ipv4Header;
use proptest::prelude::*;
use sluice_common::testing::{Cut, Field, Packet};
use sluice_common::translate::Fragments;
use sluice_common::wire::{EtherType, Headers, Link, Protocol, ipv4, ipv4::COPIED, options::NOP};

use crate::reassemble::{Parts, reassembled, write_all};

/// A datagram that its sender lets routers fragment.
fn datagram(len: usize) -> Packet {
    let payload: Vec<u8> =
        (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Packet { fragment_word: 0, ..Packet::udp4() }.with_payload(&payload)
}

fn network(packet: &Packet) -> usize {
    14 + 4 * packet.tags.len()
}

/// The frames `packet` becomes, cut into buffers at `cuts`.
fn cut_fragments(packet: &Packet, cuts: &[usize], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let buffer = Cut::at(&packet.build(), cuts);
    let headers = Headers::parse(&packet.build()[..], Link::Ethernet).unwrap();
    Fragments::new(&buffer, &headers, mtu).map(|fragments| write_all(&fragments))
}

fn fragments(packet: &Packet, mtu: usize) -> Option<Vec<Vec<u8>>> {
    cut_fragments(packet, &[], mtu)
}

/// What holds for all fragments: none is longer than the MTU, each has a header of its own that is sound, and
/// together they are the packet.
#[track_caller]
fn assert_sound(packet: &Packet, frames: &[Vec<u8>], mtu: usize) {
    let network = network(packet);
    let whole = Parts::of(&packet.build(), network);
    for (i, frame) in frames.iter().enumerate() {
        let Parts { link, header, payload } = Parts::of(frame, network);
        assert!(frame.len() - network <= mtu, "fragment {i}");
        assert_eq!(frame.len(), network + usize::from(header.total_len), "no padding");
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert_eq!(link, whole.link);
        let is_last = i + 1 == frames.len();
        assert_eq!(header.more_fragments, !is_last || whole.header.more_fragments);
        assert!(is_last || payload.len() % 8 == 0);
        let expected = Ipv4Header {
            options: header.options.clone(),
            total_len: header.total_len,
            fragment_offset: header.fragment_offset,
            more_fragments: header.more_fragments,
            header_checksum: header.header_checksum,
            ..whole.header.clone()
        };
        assert_eq!(header, expected, "all else is the packet's");
    }
    assert_eq!(reassembled(frames, network), whole);
}

#[test]
fn a_packet_larger_than_the_mtu_becomes_fragments_that_make_it_again() {
    for protocol in [Protocol::UDP, Protocol::ICMP, Protocol::GRE, Protocol(132)] {
        let packet = Packet { protocol, ..datagram(4000) };
        let frames = fragments(&packet, 1500).unwrap();
        assert_eq!(frames.len(), 3);
        assert_sound(&packet, &frames, 1500);
    }
}

#[test]
fn a_packet_that_fits_is_its_own_fragment() {
    for len in [0, 1, 17, 1472] {
        let packet = Packet { padding: 13, ..datagram(len) };
        let whole = Packet { padding: 0, ..packet.clone() }.build();
        assert_eq!(fragments(&packet, 1500), Some(vec![whole]), "padding is not sent");
    }
    assert_eq!(fragments(&datagram(1473), 1500).unwrap().len(), 2);
}

#[test]
fn the_link_header_with_its_tags_stands_before_each() {
    let tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 6)];
    let packet = Packet { tags, padding: 6, ..datagram(3000) };
    assert_sound(&packet, &fragments(&packet, 576).unwrap(), 576);
}

#[test]
fn a_fragment_of_a_fragment_goes_on_where_that_began() {
    for (word, len) in [(ipv4::MF, 3992), (ipv4::MF | 185, 4000), (185, 3999), (185, 1481)] {
        let protocol = if word & ipv4::OFFSET == 0 { Protocol::UDP } else { Protocol(99) };
        let packet = Packet { fragment_word: word, protocol, ..datagram(len) };
        let frames = fragments(&packet, 1500).unwrap();
        assert!(frames.len() > 1);
        assert_sound(&packet, &frames, 1500);
        let offset = |frame| Parts::of(frame, 14).header.fragment_offset.value();
        assert_eq!(offset(&frames[0]), word & ipv4::OFFSET);
    }
}

/// Fragmenting on two links and on the narrower alone gives packets that come together to the same.
#[test]
fn fragments_are_fragmented_again() {
    let packet = datagram(5000);
    let mut twice = Vec::new();
    for frame in fragments(&packet, 1500).unwrap() {
        let headers = Headers::parse(&frame[..], Link::Ethernet).unwrap();
        twice.extend(write_all(&Fragments::new(&frame, &headers, 600).unwrap()));
    }
    assert!(twice.iter().all(|frame| frame.len() - 14 <= 600));
    assert_eq!(reassembled(&twice, 14), Parts::of(&packet.build(), 14));
}

#[test]
fn later_fragments_have_the_options_marked_copied_and_no_others() {
    let security = [COPIED | 2, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let timestamp = [68, 8, 5, 0, 0, 0, 0, 0];
    let router_alert = [COPIED | 20, 4, 0, 0];
    let options = [&timestamp[..], &[NOP], &security, &router_alert].concat();
    let packet = Packet { ip_options: options.clone(), ..datagram(400) };
    let frames = fragments(&packet, 120).unwrap();
    assert_sound(&packet, &frames, 120);
    assert_eq!(Parts::of(&frames[0], 14).header.options.as_slice(), options);
    let copied = [&security[..], &router_alert, &[0]].concat();
    for frame in &frames[1..] {
        assert_eq!(Parts::of(frame, 14).header.options.as_slice(), copied);
    }
    // 120 − 44 and 120 − 36, in units of eight.
    let sizes: Vec<_> = frames.iter().map(|frame| Parts::of(frame, 14).payload.len()).collect();
    assert_eq!(sizes, [72, 80, 80, 80, 80, 16]);
}

#[test]
fn options_that_lie_end_the_list() {
    for lie in [0, 1, 7, 255] {
        let options = vec![COPIED | 20, 4, 0, 0, COPIED | 2, lie, 9, 9];
        let packet = Packet { ip_options: options, ..datagram(200) };
        let frames = fragments(&packet, 100).unwrap();
        assert_sound(&packet, &frames, 100);
        assert_eq!(Parts::of(&frames[1], 14).header.options.as_slice(), [COPIED | 20, 4, 0, 0]);
    }
}

#[test]
fn bytes_are_taken_from_whatever_pieces_they_stand_in() {
    let packet = Packet { ip_options: vec![COPIED | 20, 4, 0, 0], ..datagram(1000) };
    let expected = fragments(&packet, 300).unwrap();
    let headers_end = 14 + 24;
    for place in headers_end..packet.build().len() {
        for cuts in [&[place][..], &[place, place + 1], &[place, place, place + 97]] {
            assert_eq!(cut_fragments(&packet, cuts, 300).as_ref(), Some(&expected), "{cuts:?}");
        }
    }
    assert_eq!(cut_fragments(&packet, &[headers_end - 1], 300), None, "a header in two pieces");
}

#[test]
fn who_sets_df_or_sends_ipv6_is_not_fragmented() {
    for word in [ipv4::DF, ipv4::DF | ipv4::MF] {
        assert_eq!(fragments(&Packet { fragment_word: word, ..datagram(3000) }, 1500), None);
    }
    assert_eq!(fragments(&Packet::udp6().with_payload(&[0; 3000]), 1500), None);
}

#[test]
fn s7_tcp_is_not_fragmented_but_its_fragments_are() {
    let tcp = Packet { protocol: Protocol::TCP, ..datagram(3000) };
    assert_eq!(fragments(&tcp, 1500), None);
    assert_eq!(fragments(&tcp, 9000), None);
    // 3,032 bytes with the TCP header.
    for word in [ipv4::MF, ipv4::MF | 100, 100] {
        let fragment = Packet { fragment_word: word, ..tcp.clone() };
        assert_sound(&fragment, &fragments(&fragment, 1500).unwrap(), 1500);
    }
}

#[test]
fn an_mtu_without_room_for_eight_bytes_is_refused() {
    let packet = datagram(100);
    assert_sound(&packet, &fragments(&packet, 28).unwrap(), 28);
    for mtu in 0..28 {
        assert_eq!(fragments(&packet, mtu), None, "{mtu}");
    }
    let options = Packet { ip_options: vec![NOP; 40], ..packet };
    assert_eq!(fragments(&options, 67), None);
    assert_sound(&options, &fragments(&options, 68).unwrap(), 68);
}

#[test]
fn lengths_that_lie_are_refused() {
    let packet = datagram(3000).build();
    let headers = Headers::parse(&packet[..], Link::Ethernet).unwrap();
    assert!(Fragments::new(&packet, &headers, 1500).is_some());
    let short = packet[..packet.len() - 1].to_vec();
    assert!(Fragments::new(&short, &headers, 1500).is_none(), "more than there is");
    let mut inside = packet.clone();
    inside[16..18].copy_from_slice(&[0, 19]);
    ipv4::Packet::new(&mut inside[14..34]).unwrap().fill_checksum();
    assert!(Fragments::new(&inside, &headers, 1500).is_none(), "less than the header");
    let refused = |word, len| {
        let packet = Packet { fragment_word: word, protocol: Protocol(99), ..datagram(len) };
        fragments(&packet, 1500).is_none()
    };
    assert!(refused(ipv4::MF, 3001) && !refused(0, 3001), "a middle that is no multiple of eight");
    assert!(refused(8191, 3000), "what would be longer than a packet can be");
    assert!(refused(7814, 3005) && !refused(7814, 3003), "65,535 bytes is the longest");
}

#[test]
fn a_damaged_header_is_not_repaired() {
    assert_eq!(fragments(&Packet { ip_checksum: Field::Wrong, ..datagram(3000) }, 1500), None);
    // What the transport's checksum is worth, its receiver says.
    let packet = Packet { checksum: Field::Wrong, ..datagram(3000) };
    assert_sound(&packet, &fragments(&packet, 1500).unwrap(), 1500);
}

#[test]
#[should_panic(expected = "there are 3 fragments, and not 3")]
fn a_fragment_beyond_the_last_is_the_callers_mistake() {
    let packet = datagram(4000).build();
    let headers = Headers::parse(&packet[..], Link::Ethernet).unwrap();
    let _ = Fragments::new(&packet, &headers, 1500).unwrap().len(3);
}

/// Options of any kinds, sound or not, padded to a word.
fn any_options() -> impl Strategy<Value = Vec<u8>> {
    let option =
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(kind, data)| {
            if kind <= NOP {
                vec![kind]
            } else {
                [&[kind, 2 + data.len() as u8][..], &data].concat()
            }
        });
    let sound = prop::collection::vec(option, 0..6).prop_map(|options| options.concat());
    prop_oneof![sound, prop::collection::vec(any::<u8>(), 0..40)].prop_map(|mut options| {
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        options
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn any_packet_comes_together_again_byte_for_byte(
        len in 0_usize..6000,
        mtu in 68_usize..3000,
        ip_options in any_options(),
        offset in prop_oneof![Just(0), 0_u16..7000],
        more in any::<bool>(),
        protocol in prop_oneof![Just(Protocol::UDP), any::<u8>().prop_map(Protocol)],
        padding in 0_usize..10,
        tags in 0_usize..=2,
        cuts in prop::collection::vec(0_usize..6000, 0..4),
    ) {
        let len = if more { len / 8 * 8 } else { len };
        let word = offset | if more { ipv4::MF } else { 0 };
        let tags = vec![(EtherType::VLAN, 7); tags];
        let packet =
            Packet { ip_options, fragment_word: word, protocol, padding, tags, ..datagram(len) };
        let headers_end = network(&packet) + 20 + packet.ip_options.len();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| headers_end + cut).collect();
        cuts.sort_unstable();
        let expect_none = protocol == Protocol::TCP && word == 0;
        // The transport header of a TCP packet and of UDP is a multiple of four, or of eight.
        let is_odd = more && packet.build().len() % 8 != (headers_end + padding) % 8;
        match cut_fragments(&packet, &cuts, mtu) {
            Some(frames) => assert_sound(&packet, &frames, mtu),
            None => prop_assert!(expect_none || is_odd),
        }
    }
}
