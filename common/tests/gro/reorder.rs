//! The profile `reorder`: what comes early is waited for, within bounds.

use sluice_common::offload::{Coalescer, GroConfig, Hold, Profile, Reorder, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;
use sluice_common::wire::tcp::Flags;

use crate::burst::Released;

fn config(packets: usize, time: u64) -> GroConfig {
    let reorder = Reorder { packets, time };
    GroConfig { profile: Profile::Reorder, reorder, ..GroConfig::default() }
}

/// `count` packets in the order in which their sender sends them.
fn row(count: usize) -> Vec<Packet> {
    std::iter::successors(Some(Packet::tcp4()), |packet| Some(packet.next())).take(count).collect()
}

/// What comes out: which packets of the row, and why.
type Out = Vec<(Vec<usize>, FlushReason)>;

/// The numbers of packets in the row, by their sequence numbers.
fn numbers(released: &Released) -> Out {
    let number = |packet: &Vec<u8>| {
        let seq = u32::from_be_bytes([packet[38], packet[39], packet[40], packet[41]]);
        (seq / 100) as usize
    };
    let numbers = |train: &Train<Vec<u8>>| train.packets().iter().map(number).collect();
    released.iter().map(|(train, reason)| (numbers(train), *reason)).collect()
}

/// What comes out when packets of the row come in this order in one burst, and nothing more in time.
fn arrange(config: GroConfig, row: &[Packet], order: &[usize]) -> Out {
    let mut coalescer = Coalescer::new(config);
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    for number in order {
        coalescer.push(row[*number].build(), 0, &mut sink);
    }
    coalescer.end_of_burst(0, &mut sink);
    if let Some(due) = coalescer.deadline() {
        assert!(due <= config.reorder.time);
        coalescer.end_of_burst(due, &mut sink);
    }
    assert_eq!((coalescer.held(), coalescer.held_pieces(), coalescer.deadline()), (0, 0, None));
    numbers(&released)
}

#[test]
fn g10_g23_what_comes_early_joins_when_the_gap_is_filled() {
    let row = row(6);
    let whole = [((0..6).collect(), FlushReason::EndOfBurst)];
    for order in [
        [0, 1, 2, 3, 4, 5],
        [0, 2, 1, 3, 4, 5],
        [0, 2, 3, 1, 4, 5],
        [0, 5, 4, 3, 2, 1],
        [0, 3, 1, 5, 2, 4],
    ] {
        assert_eq!(arrange(config(4, 100), &row, &order), whole, "{order:?}");
    }
}

#[test]
fn g10_without_the_profile_nothing_is_waited_for() {
    let row = row(3);
    let config = GroConfig { profile: Profile::Linux, ..config(4, 100) };
    let out = arrange(config, &row, &[0, 2, 1]);
    let expected = [FlushReason::Sequence, FlushReason::Sequence, FlushReason::EndOfBurst];
    assert_eq!(out, [(vec![0], expected[0]), (vec![2], expected[1]), (vec![1], expected[2])]);
}

#[test]
fn g10_g25_gap_timeout_after_so_long_all_goes_as_it_came() {
    let row = row(5);
    let mut coalescer = Coalescer::new(config(4, 60));
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    for (number, now) in [(0, 10), (4, 20), (3, 30), (1, 40)] {
        coalescer.push(row[number].build(), now, &mut sink);
    }
    assert_eq!((coalescer.held(), coalescer.held_pieces()), (4, 4), "those aside count");
    for now in [40, 79] {
        coalescer.end_of_burst(now, &mut sink);
        assert_eq!(coalescer.held(), 4, "the burst's end is not the end of waiting");
        assert_eq!(coalescer.deadline(), Some(80), "after the first that came early");
    }
    coalescer.end_of_burst(80, &mut sink);
    assert_eq!((coalescer.held(), coalescer.deadline()), (0, None));
    let (timeout, sequence) = (FlushReason::GapTimeout, FlushReason::Sequence);
    assert_eq!(
        numbers(&released),
        [(vec![0, 1], timeout), (vec![4], sequence), (vec![3], timeout)],
        "the train, and then what came early, in the order in which it came"
    );
}

#[test]
fn g10_g25_in_time_the_burst_of_the_missing_packet_is_the_end() {
    let row = row(3);
    let mut coalescer = Coalescer::new(config(4, 60));
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    coalescer.push(row[0].build(), 10, &mut sink);
    coalescer.push(row[2].build(), 10, &mut sink);
    coalescer.end_of_burst(10, &mut sink);
    coalescer.push(row[1].build(), 69, &mut sink);
    coalescer.end_of_burst(69, &mut sink);
    assert_eq!(coalescer.held(), 0);
    assert_eq!(numbers(&released), [(vec![0, 1, 2], FlushReason::EndOfBurst)]);
}

#[test]
fn g10_gap_full_no_more_are_held_aside_than_it_says() {
    let out = arrange(config(2, 100), &row(8), &[0, 3, 2, 4]);
    assert_eq!(
        out,
        [
            (vec![0], FlushReason::GapFull),
            (vec![3], FlushReason::Sequence),
            (vec![2], FlushReason::GapFull),
            (vec![4], FlushReason::EndOfBurst),
        ]
    );
    // What fits is no reason.
    let out = arrange(config(2, 100), &row(8), &[0, 3, 2, 1, 5, 6, 4]);
    assert_eq!(out, [((0..7).collect(), FlushReason::EndOfBurst)]);
}

#[test]
fn g10_what_is_too_far_ahead_is_not_early() {
    // Two may be missing, and two wait: the fifth after the train's end is another part of the stream.
    let ahead = |number| arrange(config(2, 100), &row(9), &[0, number])[0].1;
    assert_eq!(ahead(4), FlushReason::GapTimeout);
    assert_eq!(ahead(5), FlushReason::Sequence);
}

#[test]
fn g10_g23_a_repetition_lets_all_go_as_it_came() {
    let out = arrange(config(4, 100), &row(6), &[0, 1, 3, 1, 4, 2]);
    let order: Vec<usize> = out.iter().flat_map(|(numbers, _)| numbers.clone()).collect();
    assert_eq!(out[0], (vec![0, 1], FlushReason::Sequence));
    // From the repeated packet on, 2 is next and 4 early.
    assert_eq!(order, [0, 1, 3, 1, 2, 4]);
    // The same packet twice beyond the gap: what came between the two goes where it came.
    let out = arrange(config(4, 100), &row(6), &[0, 2, 2, 3, 1]);
    let order: Vec<usize> = out.iter().flat_map(|(numbers, _)| numbers.clone()).collect();
    assert_eq!(order, [0, 1, 2, 2, 3]);
}

#[test]
fn g10_g21_a_train_that_closes_hands_over_to_what_follows_it() {
    let mut row = row(6);
    row[2].flags = row[2].flags.with(Flags::PSH);
    let out = arrange(config(4, 100), &row, &[0, 4, 3, 2, 1]);
    assert_eq!(
        out,
        [(vec![0, 1, 2], FlushReason::Push), (vec![3, 4], FlushReason::EndOfBurst)],
        "in the order of the sequence"
    );
    // With nothing to wait behind, what is beyond another gap waits no longer.
    let out = arrange(config(4, 100), &row, &[0, 5, 2, 1]);
    assert_eq!(out, [(vec![0, 1, 2], FlushReason::Push), (vec![5], FlushReason::EndOfBurst)]);
}

#[test]
fn g10_g11_what_does_not_fit_when_its_turn_comes_starts_another_train() {
    let mut row = row(4);
    row[2].ack += 1;
    row[3].ack += 1;
    let out = arrange(config(4, 100), &row, &[0, 3, 2, 1]);
    assert_eq!(
        out,
        [(vec![0, 1], FlushReason::Acknowledgement), (vec![2, 3], FlushReason::EndOfBurst)]
    );
}

#[test]
fn g8_g10_g23_what_takes_no_part_goes_after_what_waits() {
    let mut row = row(5);
    let ack = Packet { payload: vec![], ..row[4].clone() };
    row[4] = ack;
    let out = arrange(config(4, 100), &row, &[0, 3, 2, 4]);
    let no_payload = FlushReason::NoPayload;
    assert_eq!(
        out,
        [
            (vec![0], no_payload),
            (vec![3], FlushReason::Sequence),
            (vec![2], no_payload),
            (vec![4], no_payload),
        ]
    );
}

#[test]
fn g10_g24_a_full_table_and_the_end_let_go_what_waits() {
    let flow = |src_port, seq| Packet { src_port, seq, ..Packet::tcp4() }.build();
    let mut coalescer = Coalescer::new(GroConfig { flows: 1, ..config(4, 100) });
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    for packet in [flow(1, 0), flow(1, 300), flow(1, 200), flow(2, 0), flow(2, 300)] {
        coalescer.push(packet, 0, &mut sink);
    }
    assert_eq!(coalescer.held(), 2, "flow 2's");
    coalescer.flush(FlushReason::Shutdown, &mut sink);
    assert_eq!((coalescer.held(), coalescer.held_pieces(), coalescer.deadline()), (0, 0, None));
    let (capacity, shutdown) = (FlushReason::Capacity, FlushReason::Shutdown);
    assert_eq!(
        numbers(&released),
        [
            (vec![0], capacity),
            (vec![3], FlushReason::Sequence),
            (vec![2], capacity),
            (vec![0], shutdown),
            (vec![3], shutdown),
        ]
    );
}

#[test]
fn g10_the_sequence_number_wraps() {
    let first = Packet { seq: u32::MAX - 150, ..Packet::tcp4() };
    let row: Vec<_> = std::iter::successors(Some(first), |one| Some(one.next())).take(4).collect();
    let out = arrange(config(4, 100), &row, &[0, 3, 2, 1]);
    assert_eq!((out.len(), out[0].0.len()), (1, 4));
}

#[test]
fn g19_datagrams_have_no_sequence_and_nothing_is_waited_for() {
    let mut packet = Packet::udp4();
    let mut coalescer = Coalescer::new(config(4, 100));
    let mut released = Released::new();
    for _ in 0..3 {
        coalescer.push(packet.build(), 0, &mut |train, reason| released.push((train, reason)));
        packet = packet.next();
    }
    assert_eq!(coalescer.held(), 3);
    coalescer.end_of_burst(0, &mut |train, reason| released.push((train, reason)));
    assert_eq!(released.len(), 1);
}

#[test]
fn g25_a_hold_of_its_own_does_not_end_the_waiting() {
    let row = row(3);
    let hold = Hold::AtMost(30);
    let mut coalescer = Coalescer::new(GroConfig { hold, ..config(4, 60) });
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    coalescer.push(row[0].build(), 0, &mut sink);
    coalescer.push(row[2].build(), 10, &mut sink);
    coalescer.end_of_burst(50, &mut sink);
    assert_eq!(coalescer.held(), 2);
    coalescer.push(row[1].build(), 60, &mut sink);
    coalescer.end_of_burst(60, &mut sink);
    assert_eq!(numbers(&released), [(vec![0, 1, 2], FlushReason::EndOfBurst)]);
}
