//! The same bytes wherever packets and segments are divided into buffers.

use proptest::prelude::*;
use sluice_common::offload::{Buffer, Cut};
use sluice_common::testing::Packet;

use crate::train::{Divided, all_kinds, config, row, segments, train_of};

/// The next segment, written to slices of these lengths, the last of which comes again and again; the header
/// stands in the first.
fn write_divided<H: Buffer>(cut: &mut Cut<'_, H>, slices: &[usize]) -> Vec<u8> {
    let header_len = cut.header_len();
    let mut lens = slices.iter().copied().chain(std::iter::repeat(*slices.last().unwrap()));
    let mut first = vec![0; header_len + lens.next().unwrap()];
    let len = cut.write_payload(&mut first[header_len..]);
    first.truncate(header_len + len);
    let mut rest: Vec<u8> = Vec::new();
    while cut.payload_left() > 0 {
        let mut slice = vec![0; lens.next().unwrap()];
        let len = cut.write_payload(&mut slice);
        rest.extend(&slice[..len]);
    }
    assert_eq!(
        cut.write_payload(&mut [0; 9]),
        0,
        "the next segment's payload waits for its header"
    );
    assert_eq!(cut.write_header(&mut first), header_len);
    first.extend(rest);
    first
}

#[test]
fn s2_s9_a_jumbo_segment_spans_frames() {
    for first in all_kinds() {
        let packets = row(&first, 1460, 20_000);
        let train = train_of(config(), packets.iter().map(Packet::build));
        let mut cut = train.cut(8948).unwrap();
        let frame = 3840;
        let slices = [frame - cut.header_len(), frame];
        let sent: Vec<_> = (0..cut.count()).map(|_| write_divided(&mut cut, &slices)).collect();
        assert_eq!(sent, segments(&packets, 8948));
        assert_eq!((cut.payload_left(), cut.write_payload(&mut [0; 9])), (0, 0), "that was all");
    }
}

#[test]
fn s2_s9_a_jumbo_packet_in_frames_is_cut() {
    for first in all_kinds() {
        let packets = row(&first, 8948, 7 * 8948 - 1);
        let expected = segments(&packets, 1448);
        for (head, piece) in [(3818, 3840), (500, 1), (1024, 333), (9100, 1)] {
            let divided = packets.iter().map(|packet| Divided::new(&packet.build(), head, piece));
            let train = train_of(config(), divided);
            let sent = crate::train::write_all(train.cut(1448).unwrap());
            assert_eq!(sent, expected, "{head} and {piece}");
        }
    }
}

#[test]
#[should_panic(expected = "bytes of payload are not written yet")]
fn a_header_is_not_written_before_the_payload() {
    let train = train_of(config(), [Packet::tcp4().build()]);
    let mut cut = train.cut(50).unwrap();
    cut.write_payload(&mut [0; 49]);
    cut.write_header(&mut [0; 100]);
}

#[test]
#[should_panic(expected = "all 2 segments are written")]
fn no_more_segments_are_written_than_there_are() {
    let train = train_of(config(), [Packet::tcp4().build()]);
    let mut cut = train.cut(50).unwrap();
    (0..3).for_each(|_| assert_eq!(cut.write(&mut [0; 200]), 66 + 50));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn s2_s9_any_division_of_packets_and_segments_gives_the_same_bytes(
        kind in prop::sample::select(all_kinds().to_vec()),
        own in 1_usize..3000,
        len in 1_usize..9000,
        size in 1_usize..3000,
        (head, piece) in (0_usize..200, 1_usize..700),
        slices in prop::collection::vec(prop_oneof![0_usize..4, 1_usize..700], 1..5),
        last in 1_usize..700,
    ) {
        let packets = row(&kind, own, len.min(own * 100));
        let expected = segments(&packets, size);
        // All headers stand in the first piece.
        let header = packets[0].build().len() - packets[0].payload.len();
        let divided: Vec<_> = packets
            .iter()
            .map(|packet| Divided::new(&packet.build(), header + head, piece))
            .collect();
        prop_assert_eq!(divided[0].bytes(), packets[0].build());
        let train = train_of(config(), divided);
        let mut cut = train.cut(size).unwrap();
        let slices = [&slices[..], &[last]].concat();
        let sent: Vec<_> = (0..cut.count()).map(|_| write_divided(&mut cut, &slices)).collect();
        prop_assert_eq!(sent, expected);
    }
}
