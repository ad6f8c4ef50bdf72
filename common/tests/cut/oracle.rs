//! The segmenter, given the same train as one linear super-packet, makes the same bytes.

use proptest::prelude::*;
use sluice_common::offload::{
    Buffer, ChecksumMode, GroConfig, GsoType, Profile, Segmenter, Train, VnetHeader,
};
use sluice_common::testing::Packet;
use sluice_common::wire::Link;
use sluice_common::wire::tcp::Flags;

use crate::train::{all_kinds, config, left_partial, partial, row, train_of, write_all};

/// What the segmenter makes of `train`, without link headers.
fn by_segmenter<H: Buffer>(train: &Train<H>, size: usize) -> Vec<Vec<u8>> {
    let mut whole = vec![0; train.header_len(Link::None)];
    train.write_header(&mut whole, Link::None, ChecksumMode::Partial);
    train.payloads().for_each(|payload| whole.extend(payload));
    let is_ipv6 = train.headers().unwrap().is_ipv6();
    let transport = train.header_len(Link::None) - train.transport_header_len().unwrap();
    let vnet = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: if is_ipv6 { GsoType::TCPV6 } else { GsoType::TCPV4 }.0 as u8,
        hdr_len: train.header_len(Link::None) as u16,
        gso_size: size as u16,
        csum_start: transport as u16,
        csum_offset: 16,
    };
    let segmenter = Segmenter::new(&whole, &vnet, 65_535).unwrap().keeping(train.gso_type());
    let write = |i| {
        let mut out = vec![0; segmenter.segment_len(i)];
        segmenter.write(i, &mut out);
        out
    };
    (0..segmenter.count()).map(write).collect()
}

#[track_caller]
fn assert_agree<H: Buffer>(train: &Train<H>, size: usize) {
    let link = train.header_len(Link::Ethernet) - train.header_len(Link::None);
    let sent = write_all(train.cut(size).unwrap());
    let came = train.packets()[0].head();
    assert!(sent.iter().all(|segment| segment[..link] == came[..link]), "S3");
    let sent: Vec<_> = sent.iter().map(|segment| segment[link..].to_vec()).collect();
    assert_eq!(sent, by_segmenter(train, size), "to {size}");
}

#[test]
fn s2_s3_s4_s5_s6_s8_s9_the_segmenter_makes_the_same_of_a_linear_packet() {
    for first in all_kinds() {
        let packets = row(&first, 1448, 45_000);
        let train = train_of(config(), packets.iter().map(Packet::build));
        for size in [1, 100, 536, 1220, 1447, 1448, 1449, 8948, 44_999, 45_000, 65_000] {
            assert_agree(&train, size);
        }
    }
}

#[test]
fn s5_s6_the_segmenter_is_told_of_fixed_identifications_and_accecn() {
    let accecn = GroConfig { profile: Profile::AccEcn, ..config() };
    let flags = Flags::ACK.with(Flags::CWR);
    let mut packets = row(&Packet { flags, ..Packet::tcp4() }, 1000, 9_999);
    packets.iter_mut().for_each(|packet| packet.id = 9);
    let train = train_of(accecn, packets.iter().map(Packet::build));
    assert!(train.gso_type().has(GsoType::ACCECN.with(GsoType::FIXED_ID)));
    for size in [999, 1001, 4000] {
        assert_agree(&train, size);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn s9_the_segmenter_agrees_about_any_sizes(
        kind in prop::sample::select(all_kinds().to_vec()),
        own in 1_usize..9000,
        len in 1_usize..30_000,
        size in 1_usize..9000,
        is_partial in any::<bool>(),
    ) {
        // One packet that fits has nothing to be cut; the segmenter would believe it to be partial.
        let packets = row(&kind, own, len.min(own * 200).max(size + 1));
        let came = if is_partial { left_partial(&packets) } else { packets };
        let config = if is_partial { partial() } else { config() };
        assert_agree(&train_of(config, came.iter().map(Packet::build)), size);
    }
}
