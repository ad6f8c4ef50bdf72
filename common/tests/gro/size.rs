//! Does it fit the train held for its flow? Segment sizes, and how large a train may become.

use sluice_common::offload::{Coalescer, GroConfig};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;

use crate::burst::{Released, assert_joins, assert_releases, coalesce, linux, outcome, pair};

#[test]
fn g17_a_larger_payload_does_not_join() {
    let packets = pair(Packet::tcp4(), |packet| packet.payload.push(1));
    assert_releases(linux(), &packets, FlushReason::LargerSegment);
}

#[test]
fn g18_a_train_is_never_larger_than_an_ip_packet_can_be() {
    for (first, header) in [(Packet::tcp4(), 52), (Packet::tcp6(), 72)] {
        let fitting = (65_535 - header) / 1000;
        let mut packets = vec![first.with_payload(&[1; 1000])];
        for _ in 0..fitting {
            packets.push(packets[packets.len() - 1].next());
        }
        let out = outcome(&coalesce(linux(), &packets));
        assert_eq!(out, [(fitting, FlushReason::MaxSize), (1, FlushReason::EndOfBurst)]);
    }
}

#[test]
fn g18_the_largest_size_can_be_configured_lower_but_not_higher() {
    let packets = pair(Packet::tcp4(), |_| {});
    assert_joins(GroConfig { max_size: 252, ..linux() }, &packets);
    assert_releases(GroConfig { max_size: 251, ..linux() }, &packets, FlushReason::MaxSize);
    let first = Packet::tcp4().with_payload(&[1; 40_000]);
    let config = GroConfig { max_size: u32::MAX, ..linux() };
    assert_releases(config, &pair(first, |_| {}), FlushReason::MaxSize);
}

#[test]
fn max_segments_a_train_goes_when_the_port_takes_no_more_buffers() {
    let config = GroConfig { max_segments: 3, ..linux() };
    let mut packets = vec![Packet::tcp4()];
    for _ in 0..3 {
        packets.push(packets[packets.len() - 1].next());
    }
    let out = outcome(&coalesce(config, &packets));
    assert_eq!(out, [(3, FlushReason::MaxSegments), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g20_a_super_packet_joins_with_the_same_segment_size_only() {
    let supers = |sizes: [u16; 2]| {
        let packets = pair(Packet::tcp4().with_payload(&[1; 200]), |packet| packet.id += 1);
        let mut coalescer = Coalescer::new(linux());
        let mut released = Released::new();
        let mut sink = |train, reason| released.push((train, reason));
        for (packet, size) in packets.iter().zip(sizes) {
            coalescer.push_super(packet.build(), size, 0, &mut sink);
        }
        coalescer.end_of_burst(0, &mut sink);
        released
    };
    let joined = supers([100, 100]);
    assert_eq!(outcome(&joined), [(2, FlushReason::EndOfBurst)]);
    let train = &joined[0].0;
    assert_eq!((train.gso_size(), train.gso_segs(), train.is_segmented()), (100, 4, false));
    let out = outcome(&supers([100, 50]));
    assert_eq!(out, [(1, FlushReason::SegmentSize), (1, FlushReason::EndOfBurst)]);
    let out = outcome(&supers([70, 70]));
    assert_eq!(out, [(1, FlushReason::ShortSegment); 2], "200 is no multiple of 70");
}
