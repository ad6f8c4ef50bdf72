//! What lets a train go: what a packet says, and a table or a port that is full.

use sluice_common::offload::{ChecksumMode, Coalescer, GroConfig, Hold, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;
use sluice_common::wire::Link;
use sluice_common::wire::tcp::Flags;

use crate::burst::{Released, assert_passes, coalesce, linux, outcome, pair};

#[test]
fn g21_fin_and_psh_join_first_and_then_close_the_train() {
    for (flag, reason) in [(Flags::PSH, FlushReason::Push), (Flags::FIN, FlushReason::Fin)] {
        let packets = pair(Packet::tcp4(), |packet| packet.flags = Flags::ACK.with(flag));
        let after = Packet { flags: Flags::ACK, ..packets[1].next() };
        let released = coalesce(linux(), &[packets[0].clone(), packets[1].clone(), after]);
        assert_eq!(outcome(&released), [(2, reason), (1, FlushReason::EndOfBurst)]);
        let mut header = [0; 100];
        released[0].0.write_header(&mut header, Link::Ethernet, ChecksumMode::Partial);
        assert_eq!(header[14 + 20 + 13], Flags::ACK.with(flag).0, "G27");
    }
}

#[test]
fn g21_syn_rst_and_urg_close_the_train_and_go_alone() {
    let flags = [
        (Flags::SYN, FlushReason::Syn),
        (Flags::RST, FlushReason::Rst),
        (Flags::URG, FlushReason::Urg),
    ];
    for (flag, reason) in flags {
        let packets = pair(Packet::tcp4(), |packet| packet.flags = Flags::ACK.with(flag));
        assert_passes(linux(), &packets, reason);
        let out = outcome(&coalesce(linux(), &[packets[1].clone(), packets[1].next()]));
        assert_eq!(out, [(1, reason), (1, reason)]);
    }
}

#[test]
fn g22_a_shorter_payload_joins_and_closes_the_train() {
    let packets = pair(Packet::tcp4(), |packet| packet.payload.truncate(99));
    let out =
        outcome(&coalesce(linux(), &[packets[0].clone(), packets[1].clone(), packets[1].next()]));
    assert_eq!(out, [(2, FlushReason::ShortSegment), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g23_a_packet_that_passes_goes_after_what_is_held_of_its_flow() {
    let first = Packet::tcp4();
    let second = first.next();
    let other = Packet { src_port: 9, ..Packet::tcp4() };
    let ack = Packet { payload: vec![], ..second.next() };
    let released = coalesce(linux(), &[other, first, second, ack.clone()]);
    assert_eq!(
        outcome(&released),
        [(2, FlushReason::NoPayload), (1, FlushReason::NoPayload), (1, FlushReason::EndOfBurst)],
        "the other flow's train stays"
    );
    assert_eq!(released[1].0.packets()[0], ack.build());
}

#[test]
fn g24_when_the_table_is_full_the_oldest_train_goes_first() {
    let config = GroConfig { flows: 3, ..linux() };
    let flow = |src_port| Packet { src_port, ..Packet::tcp4() };
    // The first flow's train grows, but began first.
    let packets = [flow(1), flow(2), flow(3), flow(1).next(), flow(4), flow(5)];
    let released = coalesce(config, &packets);
    let port =
        |train: &Train<Vec<u8>>| train.headers().and_then(|headers| headers.ports).unwrap().src;
    let seen: Vec<_> = released
        .iter()
        .map(|(train, reason)| (port(train), train.packets().len(), *reason))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 2, FlushReason::Capacity),
            (2, 1, FlushReason::Capacity),
            (3, 1, FlushReason::EndOfBurst),
            (4, 1, FlushReason::EndOfBurst),
            (5, 1, FlushReason::EndOfBurst),
        ]
    );
}

#[test]
fn shutdown_everything_held_goes_oldest_first() {
    let mut coalescer = Coalescer::new(GroConfig { hold: Hold::AtMost(1000), ..linux() });
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    for src_port in [3, 1, 2] {
        coalescer.push(Packet { src_port, ..Packet::tcp4() }.build(), 0, &mut sink);
    }
    assert_eq!(coalescer.held(), 3);
    coalescer.flush(FlushReason::Shutdown, &mut sink);
    assert_eq!((coalescer.held(), coalescer.deadline()), (0, None));
    let ports: Vec<u16> = released
        .iter()
        .map(|(train, reason)| {
            assert_eq!(*reason, FlushReason::Shutdown);
            train.headers().and_then(|headers| headers.ports).unwrap().src
        })
        .collect();
    assert_eq!(ports, [3, 1, 2]);
}
