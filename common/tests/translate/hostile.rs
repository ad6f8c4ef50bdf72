//! Whatever the bytes are, nothing panics, and nothing is written that should not be.

use proptest::prelude::*;
use sluice_common::answer::{AnswerFrom, MAX_LEN, too_big};
use sluice_common::offload::ChecksumMode;
use sluice_common::testing::{Cut, Packet};
use sluice_common::translate::{Fragments, Mtus, is_alterable, rewrite_syn, segment_size};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{Headers, Link, Protocol};

use crate::reassemble::write_all;

const FROM: AnswerFrom = AnswerFrom { v4: Some([192, 0, 2, 1]), v6: None };

/// Everything there is to do with a packet, with headers that may be another's.
fn do_all(bytes: &[u8], headers: &Headers, mtu: u16, cut: usize) {
    let mut syn = bytes.to_vec();
    let mtus = Mtus { from: mtu, to: mtu.wrapping_mul(3) };
    let seen = rewrite_syn(&mut syn, headers, mtus, ChecksumMode::Full);
    if seen.is_none_or(|seen| !seen.rewritten) {
        assert_eq!(syn, bytes);
    }
    let changed = syn.iter().zip(bytes).filter(|(now, then)| now != then).count();
    assert!(changed <= 4, "an MSS and a checksum");

    let mut out = [0; MAX_LEN];
    if let Some(len) = too_big(bytes, headers, mtu, &FROM, &mut out) {
        assert_eq!(too_big(bytes, headers, mtu, &FROM, &mut out[..len - 1]), None);
    }

    let buffer = Cut::at(bytes, &[cut]);
    if let Some(fragments) = Fragments::new(&buffer, headers, mtu.into()) {
        let longest = usize::from(headers.network) + usize::from(mtu);
        assert!(write_all(&fragments).iter().all(|frame| frame.len() <= longest));
    }

    let header = bytes.get(headers.transport.into()..).unwrap_or_default();
    let _ = is_alterable(header);
    assert!(segment_size(headers, cut, mtu, Some(mtu)) >= 1);
}

/// The same with the headers that are its own. An answer is one, and is not answered.
fn do_all_of(bytes: &[u8], mtu: u16, cut: usize) {
    let Ok(headers) = Headers::parse(bytes, Link::Ethernet) else { return };
    do_all(bytes, &headers, mtu, cut);
    let mut out = [0; MAX_LEN];
    if let Some(len) = too_big(bytes, &headers, mtu, &FROM, &mut out) {
        let answer = Headers::parse(&out[..len], Link::Ethernet).unwrap();
        let protocols = [Protocol::ICMP, Protocol::ICMPV6];
        assert_eq!(answer.protocol, protocols[usize::from(headers.is_ipv6())]);
        assert_eq!(too_big(&out[..len], &answer, mtu, &FROM, &mut [0; MAX_LEN]), None);
    }
}

/// A sound packet that everything looks at.
fn packet() -> impl Strategy<Value = Packet> {
    let base = prop_oneof![
        Just(Packet::tcp4()),
        Just(Packet::tcp6()),
        Just(Packet::udp4()),
        Just(Packet::udp6()),
        Just(Packet { protocol: Protocol::ICMP, ..Packet::tcp4() }),
        Just(Packet { protocol: Protocol::ICMPV6, ..Packet::tcp6() }),
    ];
    let words = prop::collection::vec(any::<[u8; 4]>(), 0..=10);
    (base, any::<u16>(), words.clone(), words, 0_usize..400).prop_map(
        |(base, fragment_word, ip_options, options, len)| Packet {
            fragment_word: fragment_word & 0x2003,
            flags: Flags::SYN,
            ip_options: ip_options.concat(),
            options: [&[2, 4, 5, 0xb4][..], &options.concat()[..options.len().min(9) * 4]].concat(),
            ..base.with_payload(&vec![7; len])
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn any_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        ethertype in prop::sample::select(vec![[8, 0], [0x86, 0xdd], [0x81, 0]]),
        mtu in any::<u16>(),
        cut in any::<usize>(),
    ) {
        let mut bytes = bytes;
        if bytes.len() > 14 {
            bytes[12..14].copy_from_slice(&ethertype);
            bytes[14] = if ethertype[0] == 8 { 0x40 | bytes[14] & 15 } else { 0x60 };
        }
        do_all_of(&bytes, mtu, cut);
    }

    #[test]
    fn any_packet_with_any_damage(
        packet in packet(),
        damage in prop::collection::vec((0_usize..160, any::<u8>()), 0..4),
        len in prop::option::of(any::<prop::sample::Index>()),
        mtu in prop_oneof![any::<u16>(), 0_u16..600],
        cut in 0_usize..500,
    ) {
        let mut bytes = packet.build();
        for (at, byte) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        if let Some(len) = len {
            bytes.truncate(len.index(bytes.len()));
        }
        do_all_of(&bytes, mtu, cut);
    }

    #[test]
    fn the_headers_of_another_packet(
        packets in (packet(), packet()),
        mtu in 0_u16..600,
        cut in 0_usize..500,
    ) {
        let headers = Headers::parse(&packets.1.build()[..], Link::Ethernet).unwrap();
        let bytes = packets.0.build();
        do_all(&bytes, &headers, mtu, cut);
        do_all(&bytes[..cut.min(bytes.len())], &headers, mtu, cut);
    }
}
