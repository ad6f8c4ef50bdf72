//! `segment(coalesce(x)) == x`, for every stream.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use sluice_common::offload::{GroConfig, Profile};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{
    Event, Packet, round_trip, round_trip_in_pieces, round_trip_of_bytes,
};

/// A stream's plan: a configuration, then steps of four bytes, of which most are ordinary packets.
fn plan() -> impl Strategy<Value = Vec<u8>> {
    let step =
        (prop_oneof![2 => 16_u8..64, 1 => 0_u8..16, 1 => 64_u8..], 0_u8..12, any::<[u8; 2]>());
    let steps = prop::collection::vec(step, 0..120);
    (any::<[u8; 4]>(), steps).prop_map(|(config, steps)| {
        let steps = steps.into_iter().flat_map(|(action, flow, [a, b])| [action, flow, a, b]);
        config.into_iter().chain(steps).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn g23_g29_g30_every_stream_comes_out_complete_in_order_and_byte_for_byte(plan in plan()) {
        round_trip_of_bytes(&plan);
    }

    #[test]
    fn any_bytes_are_a_stream_that_comes_out_again(plan in prop::collection::vec(any::<u8>(), 0..400)) {
        round_trip_of_bytes(&plan);
    }
}

/// The generated streams would prove little if most of them never met a rule.
#[test]
fn the_generated_streams_meet_nearly_every_reason() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        let tree = plan().new_tree(&mut runner).unwrap();
        seen.extend(round_trip_of_bytes(&tree.current()));
    }
    // A super-packet is no wire packet, and is not generated, nor is anything switched; one checksum in 65,536 comes out as zero; these
    // streams are too short for 64 datagrams in a row, and their bursts too long for a gap that stays through two.
    let rare = [
        FlushReason::SegmentSize,
        FlushReason::ChecksumAllOnes,
        FlushReason::MaxDatagrams,
        FlushReason::GapTimeout,
        FlushReason::Switched,
    ];
    let missing: Vec<_> = FlushReason::ALL
        .iter()
        .filter(|reason| !seen.contains(reason) && !rare.contains(reason))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn g16_fixed_identifications_come_out_fixed() {
    for df in [0, 0x4000] {
        let mut packet = Packet { fragment_word: df, ..Packet::tcp4() };
        let mut events = Vec::new();
        for _ in 0..5 {
            events.push(Event::Packet(packet.build()));
            packet = Packet { id: packet.id, ..packet.next() };
        }
        let reasons = round_trip(&events, GroConfig::default());
        assert_eq!(reasons, [FlushReason::Shutdown], "df {df:#x}");
    }
}

#[test]
fn g15_accecn_trains_keep_cwr_in_all_packets() {
    let mut packet = Packet::tcp4();
    packet.flags = packet.flags.with(sluice_common::wire::tcp::Flags::CWR);
    let events = [Event::Packet(packet.build()), Event::Packet(packet.next().build())];
    let config = GroConfig { profile: Profile::AccEcn, ..GroConfig::default() };
    assert_eq!(round_trip(&events, config), [FlushReason::Shutdown]);
}

#[test]
fn g19_a_long_stream_of_datagrams_comes_out_in_trains_of_64() {
    for first in [Packet::udp4(), Packet::udp6()] {
        let packets = std::iter::successors(Some(first), |packet| Some(packet.next()));
        let mut events: Vec<_> = packets.take(130).map(|one| Event::Packet(one.build())).collect();
        events.insert(100, Event::EndOfBurst(1));
        let config = GroConfig { max_segments: 255, ..GroConfig::default() };
        let [full, burst, last] = round_trip(&events, config).try_into().unwrap();
        assert_eq!(full, FlushReason::MaxDatagrams);
        assert_eq!((burst, last), (FlushReason::EndOfBurst, FlushReason::Shutdown));
    }
}

#[test]
fn g30_packets_in_several_pieces_come_out_as_those_in_one() {
    for first in [Packet::tcp4(), Packet::tcp6(), Packet::udp4(), Packet::udp6()] {
        let first = first.with_payload(&[0x5a; 500]);
        let packets = std::iter::successors(Some(first), |packet| Some(packet.next()));
        let events: Vec<_> = packets.take(7).map(|one| Event::Packet(one.build())).collect();
        for piece in [86, 90, 101, 500, 566] {
            let reasons = round_trip_in_pieces(&events, GroConfig::default(), piece);
            assert_eq!(reasons, [FlushReason::Shutdown], "pieces of {piece} bytes");
        }
        // No piece holds all headers of a packet: each goes alone.
        assert_eq!(round_trip_in_pieces(&events, GroConfig::default(), 40).len(), 7);
    }
}

#[test]
fn g10_g23_packets_that_come_early_come_out_once_and_only_nearer_to_their_sequence() {
    let first = Packet::tcp4();
    let row: Vec<_> = std::iter::successors(Some(first), |one| Some(one.next())).take(40).collect();
    let config = GroConfig { profile: Profile::Reorder, ..GroConfig::default() };
    let arrives = |number: usize| Event::Packet(row[number].build());
    // Filled after a burst, and never filled.
    let filled =
        [arrives(0), arrives(2), Event::EndOfBurst(99_000), arrives(1), Event::EndOfBurst(0)];
    assert_eq!(round_trip(&filled, config), [FlushReason::EndOfBurst]);
    let waits = [arrives(0), arrives(2), Event::EndOfBurst(100_000), Event::EndOfBurst(0)];
    assert_eq!(round_trip(&waits, config), [FlushReason::GapTimeout; 2]);
    // Any shuffle of so few is put right: each packet at most eight places from its own.
    for seed in 1..50_usize {
        let mut order: Vec<usize> = (1..40).collect();
        for chunk in order.chunks_mut(8) {
            for i in 1..chunk.len() {
                chunk.swap(i, (seed * 31 + i * 17) % (i + 1));
            }
        }
        let events: Vec<_> = [0].iter().chain(&order).map(|number| arrives(*number)).collect();
        assert_eq!(round_trip(&events, config), [FlushReason::Shutdown], "{order:?}");
    }
}
