//! How long trains are held (G25): a virtual clock, a wire that delivers at chosen times, and a worker that
//! looks twice a microsecond, which is faster than the wire.

use proptest::prelude::*;
use sluice::observe::Times;
use sluice::pipeline::WorkerConfig;
use sluice::sim::Talker;
use sluice_common::offload::{GroConfig, Hold};
use sluice_common::wire::tcp::Flags;

use super::rig::{ACK, MSS, Rig, config, umem};

const US: u64 = 1_000;
/// Nanoseconds between two turns.
const TURN: u64 = 500;
/// The longest an adaptive train is held.
const CEILING: u64 = 50 * US;
const PUSH: Flags = Flags(ACK.0 | Flags::PSH.0);

/// What the host got.
struct Outcome {
    hand_overs: u64,
    packets: u64,
    times: Box<Times>,
    /// When the last hand-over was.
    left: u64,
}

/// Full-size packets arrive at these times, with these flags; the worker looks until nothing is held.
fn play(arrivals: &[(u64, Flags)]) -> Outcome {
    let umem = umem(256);
    let gro = GroConfig { hold: Hold::Adaptive { ceiling: CEILING }, ..GroConfig::default() };
    let mut rig = Rig::with(&umem, 64, WorkerConfig { gro, ..config() });
    let mut talker = Talker::new(9, 0);
    let mut arrivals = arrivals.iter().copied().peekable();
    let begin = rig.now;
    let mut left = 0;
    while arrivals.peek().is_some() || rig.worker.ledger().held > 0 {
        rig.now += TURN;
        while let Some((_, flags)) = arrivals.next_if(|(time, _)| begin + time <= rig.now) {
            assert!(rig.wire().deliver(&talker.packet(MSS, flags)));
        }
        let before = rig.worker.counts().to_host_trains;
        rig.worker.turn(rig.now);
        if rig.worker.counts().to_host_trains > before {
            left = rig.now - begin;
        }
    }
    let counts = rig.worker.counts();
    let (hand_overs, packets) = (counts.to_host_trains, counts.to_host_packets);
    Outcome { hand_overs, packets, times: rig.worker.report().times, left }
}

/// `messages` of so many segments each, one every `gap`; the segments of one are `apart`.
fn messages(messages: u64, segments: u64, gap: u64, apart: u64, last: Flags) -> Vec<(u64, Flags)> {
    let message = |m: u64| {
        (0..segments).map(move |s| {
            let flags = if s + 1 == segments { last } else { ACK };
            (US + m * gap + s * apart, flags)
        })
    };
    (0..messages).flat_map(message).collect()
}

#[test]
fn g25_requests_that_end_with_push_are_not_delayed_however_fast_they_come() {
    for gap in [2 * US, 20 * US, 200 * US] {
        let outcome = play(&messages(200, 1, gap, 0, PUSH));
        assert_eq!((outcome.times.held.len(), outcome.hand_overs), (0, 200), "one each {gap} ns");
    }
    let outcome = play(&messages(200, 2, 200 * US, 1_200, PUSH));
    assert_eq!(outcome.times.held.len(), 0, "two segments");
}

#[test]
fn g25_requests_without_push_are_not_delayed_at_long_gaps() {
    for segments in 1..=3 {
        for apart in [0, 1_200, 12 * US] {
            let outcome = play(&messages(200, segments, 200 * US, apart, ACK));
            assert_eq!(outcome.packets, 200 * segments);
            assert_eq!(outcome.times.held.len(), 0, "{segments} segments {apart} ns apart");
        }
    }
}

#[test]
fn g25_a_request_after_a_stream_is_not_delayed() {
    let mut arrivals = messages(100, 1, 5 * US, 0, ACK);
    let stream = play(&arrivals).times.held.len();
    let idle = 500 * US;
    arrivals.extend(
        messages(50, 1, 200 * US, 0, ACK).into_iter().map(|(t, f)| (t + 1_000 * US + idle, f)),
    );
    assert_eq!(play(&arrivals).times.held.len(), stream, "no more than of the stream alone");
}

#[test]
fn g25_bursts_of_one_five_microseconds_apart_coalesce() {
    let outcome = play(&messages(1_000, 1, 5 * US, 0, ACK));
    assert_eq!(outcome.packets, 1_000);
    assert!(outcome.hand_overs <= 110, "{} hand-overs of 1,000 packets", outcome.hand_overs);
    assert!(outcome.times.held.max() <= CEILING + TURN, "{} ns", outcome.times.held.max());
}

#[test]
fn g25_the_bound_holds_when_the_next_packet_never_comes() {
    for (gap, packets) in [(5 * US, 20), (5 * US, 24), (12 * US, 30), (24 * US, 31)] {
        let arrivals = messages(packets, 1, gap, 0, ACK);
        let last = arrivals.last().unwrap().0;
        let outcome = play(&arrivals);
        assert!(outcome.left > last, "the last train was held: else this says nothing");
        assert!(outcome.left <= last + 2 * gap + TURN, "{} after {last}", outcome.left);
        assert!(outcome.times.held.max() <= CEILING + TURN, "{} ns", outcome.times.held.max());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn g25_whatever_comes_no_train_is_held_beyond_the_ceiling(
        gaps in prop::collection::vec((0_u64..80_000, 0_u8..9), 1..200),
    ) {
        let mut time = 0;
        let arrivals: Vec<_> = gaps
            .iter()
            .map(|(gap, kind)| {
                // Most gaps are short, as in a flow in full flight.
                time += if *kind < 6 { gap / 16 } else { *gap };
                (time, if *kind == 8 { PUSH } else { ACK })
            })
            .collect();
        let outcome = play(&arrivals);
        prop_assert_eq!(outcome.packets, arrivals.len() as u64);
        // A histogram has its values to a hundredth.
        prop_assert!(outcome.times.held.max() <= (CEILING + TURN) * 101 / 100);
    }
}
