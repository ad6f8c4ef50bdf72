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

/// Released at the end of its burst.
fn at_once(now: u64) -> (u64, usize, FlushReason) {
    (now, 1, FlushReason::EndOfBurst)
}

#[test]
fn g25_adaptive_holds_as_long_as_the_flow_makes_likely() {
    let hold = Hold::Adaptive { ceiling: 60 };
    // Every 10: held when three gaps have shown it, given up after twice the mean gap.
    let out = released_at(hold, &[10, 20, 30, 40, 50, 60], 200);
    assert_eq!(out, [at_once(10), at_once(20), at_once(30), (80, 3, FlushReason::Timeout)]);
}

#[test]
fn g25_adaptive_never_holds_beyond_the_ceiling() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let times: Vec<u64> = (1..=30).map(|n| 10 * n).collect();
    let out = released_at(hold, &times, 400);
    assert_eq!(out[3..5], [(100, 7, FlushReason::Timeout), (170, 7, FlushReason::Timeout)]);
}

#[test]
fn g25_adaptive_does_not_wait_for_what_cannot_come_before_the_ceiling() {
    let hold = Hold::Adaptive { ceiling: 50 };
    let times: Vec<u64> = (1..=12).map(|n| 20 * n).collect();
    let out = released_at(hold, &times, 400);
    // The third packet comes at 40 of 50, the fourth would at 60: it goes with the third.
    assert_eq!(out[3..5], [(120, 3, FlushReason::Timeout), (180, 3, FlushReason::Timeout)]);
}

#[test]
fn g25_adaptive_does_not_delay_messages_of_up_to_three_packets() {
    let hold = Hold::Adaptive { ceiling: 60 };
    for packets in 1..=3 {
        let message = |begin: u64| (0..packets).map(move |n| begin + 5 * n);
        let times: Vec<u64> = (1..30).flat_map(|n| message(1_000 * n)).collect();
        let out = released_at(hold, &times, 40_000);
        assert_eq!(out, times.iter().map(|now| at_once(*now)).collect::<Vec<_>>());
    }
}

#[test]
fn g25_adaptive_does_not_hold_a_flow_whose_packets_are_far_apart() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let out = released_at(hold, &[10, 100, 190], 400);
    assert_eq!(out, [at_once(10), at_once(100), at_once(190)]);
}

#[test]
fn g25_adaptive_learns_from_packets_of_the_same_burst_that_have_their_own_times() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let mut coalescer = Coalescer::new(GroConfig { hold, ..linux() });
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    let mut packet = Packet::tcp4();
    for now in [10, 20, 30, 40] {
        coalescer.push(packet.build(), now, &mut sink);
        packet = packet.next();
    }
    coalescer.end_of_burst(40, &mut sink);
    assert_eq!(coalescer.held(), 4);
    coalescer.end_of_burst(60, &mut sink);
    assert_eq!(outcome(&released), [(4, FlushReason::Timeout)]);
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
