//! What lets a train go: time.

use sluice_common::offload::{Coalescer, GroConfig, Hold, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;
use sluice_common::wire::tcp::Flags;

use crate::burst::{Released, linux, outcome, pair};

/// Feeds one packet a burst, at the times given, and returns when each train left, its size and why.
fn released_at(hold: Hold, times: &[u64], until: u64) -> Vec<(u64, usize, FlushReason)> {
    let mut coalescer = Coalescer::new(GroConfig { hold, ..linux() });
    let mut released = Vec::new();
    let mut packet = Packet::tcp4();
    let mut times = times.iter().copied().peekable();
    for now in 0..=until {
        let mut sink = |train: Train<Vec<u8>>, reason| {
            released.push((now, train.packets().len(), reason));
        };
        if times.next_if_eq(&now).is_some() {
            coalescer.push(packet.build(), now, &mut sink);
            packet = packet.next();
        }
        coalescer.end_of_burst(now, &mut sink);
        assert_eq!(coalescer.deadline().is_some(), coalescer.held() > 0, "G25: never without");
    }
    released
}

#[test]
fn g25_a_timeout_of_zero_releases_at_the_end_of_the_burst() {
    let out = released_at(Hold::EndOfBurst, &[10, 20], 30);
    assert_eq!(out, [(10, 1, FlushReason::EndOfBurst), (20, 1, FlushReason::EndOfBurst)]);
}

#[test]
fn g25_no_train_is_held_longer_than_the_timeout() {
    let out = released_at(Hold::AtMost(60), &[10, 20, 30, 80], 200);
    assert_eq!(out, [(70, 3, FlushReason::Timeout), (140, 1, FlushReason::Timeout)]);
}

#[test]
fn g25_adaptive_holds_as_long_as_the_flow_makes_likely() {
    let hold = Hold::Adaptive { ceiling: 60 };
    // No history, then every 10: held from the second on, given up after twice the mean gap.
    let out = released_at(hold, &[10, 20, 30, 40], 200);
    assert_eq!(out, [(10, 1, FlushReason::EndOfBurst), (60, 3, FlushReason::Timeout)]);
}

#[test]
fn g25_adaptive_never_holds_beyond_the_ceiling() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let times: Vec<u64> = (1..=20).map(|n| 10 * n).collect();
    let out = released_at(hold, &times, 400);
    assert_eq!(
        out[..3],
        [
            (10, 1, FlushReason::EndOfBurst),
            (80, 7, FlushReason::Timeout),
            (150, 7, FlushReason::Timeout),
        ]
    );
}

#[test]
fn g25_adaptive_does_not_hold_a_flow_whose_packets_are_far_apart() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let out = released_at(hold, &[10, 100, 190], 400);
    let alone = |now| (now, 1, FlushReason::EndOfBurst);
    assert_eq!(out, [alone(10), alone(100), alone(190)]);
}

#[test]
fn g25_adaptive_learns_from_packets_of_the_same_burst_that_have_their_own_times() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let mut coalescer = Coalescer::new(GroConfig { hold, ..linux() });
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    let first = Packet::tcp4();
    coalescer.push(first.build(), 10, &mut sink);
    coalescer.push(first.next().build(), 20, &mut sink);
    coalescer.end_of_burst(20, &mut sink);
    assert_eq!(coalescer.held(), 2);
    coalescer.end_of_burst(40, &mut sink);
    assert_eq!(outcome(&released), [(2, FlushReason::Timeout)]);
}

#[test]
fn g25_a_closed_train_goes_at_once() {
    let mut coalescer = Coalescer::new(GroConfig { hold: Hold::AtMost(1000), ..linux() });
    let mut released = Released::new();
    let packets = pair(Packet::tcp4(), |packet| packet.flags = Flags::ACK.with(Flags::PSH));
    for packet in &packets {
        coalescer.push(packet.build(), 0, &mut |train, reason| released.push((train, reason)));
    }
    assert_eq!(outcome(&released), [(2, FlushReason::Push)]);
}
