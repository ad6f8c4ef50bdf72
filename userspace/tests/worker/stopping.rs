//! How a worker ends: always, soon, and with every frame accounted for.

use sluice::pipeline::{End, Turn};
use sluice::port::Sent;
use sluice::sim::Talker;

use super::rig::{ACK, MSS, Rig, umem};

/// Nanoseconds until the worker has ended.
fn time_to_end(rig: &mut Rig<'_>) -> u64 {
    let begin = rig.now;
    while rig.turn() != Turn::Ended {
        rig.now += 1_000_000;
        assert!(rig.now - begin < 1_000_000_000, "a second is over: {}", rig.worker.ledger());
    }
    rig.now - begin
}

#[test]
fn stop_hands_over_what_is_there_and_ends_the_sign_of_life() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    let mut talker = Talker::new(9, 0);
    rig.later();
    assert_eq!(rig.heartbeat.last(0), rig.now);
    for _ in 0..10 {
        rig.wire().deliver(&talker.packet(MSS, ACK));
        rig.host().deliver(&Talker::new(10, 0).super_packet(3 * MSS, MSS as u16, ACK));
    }
    assert!(rig.handle.stop());
    time_to_end(&mut rig);
    assert_eq!(rig.heartbeat.last(0), 0, "packets pass to the kernel from now on");
    let (packets, sent) = (rig.host_payload().len(), rig.wire().wire.len());
    assert_eq!((packets, sent), (10 * MSS, 30));
    let report = rig.worker.report();
    assert_eq!(report.end, End::Stopped);
    assert!(report.counts.ledger.is_balanced());
    assert_eq!(report.counts.ledger.rings.outbound(), 0);
    assert!(!report.times.stay.is_empty());
}

#[test]
fn stop_in_mid_backlog_ends_within_a_second() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    rig.host().answer = Sent::Full;
    let mut talker = Talker::new(9, 0);
    for _ in 0..60 {
        rig.wire().deliver(&talker.packet(MSS, ACK));
    }
    rig.turn();
    assert_eq!(rig.worker.ledger().backlog, 60);
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    assert!(time_to_end(&mut rig) < 500_000_000);
    assert_eq!(rig.worker.ledger().backlog, 0);
}

#[test]
fn a_missing_completion_does_not_hang_a_stop() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    rig.wire().withhold_completions = true;
    rig.host().deliver(&Talker::new(9, 0).super_packet(3 * MSS, MSS as u16, ACK));
    rig.turn();
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    assert!(time_to_end(&mut rig) < 500_000_000);
    assert_eq!(rig.worker.ledger().rings.completion, 3, "the kernel's, and known to be");
}

#[test]
fn a_stop_waits_for_completions_that_come() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    rig.wire().sent_at_once = 1;
    rig.host().deliver(&Talker::new(9, 0).super_packet(9 * MSS, MSS as u16, ACK));
    rig.turn();
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    assert!(time_to_end(&mut rig) < 100_000_000);
    assert_eq!(rig.wire().wire.len(), 9);
    assert_eq!(rig.worker.ledger().rings.outbound(), 0);
}

#[test]
fn a_stop_waits_for_an_interface_that_is_slow() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    rig.wire().stalled = true;
    rig.host().deliver(&Talker::new(9, 0).super_packet(9 * MSS, MSS as u16, ACK));
    rig.settle();
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    assert_ne!(rig.turn(), Turn::Ended);
    rig.wire().stalled = false;
    time_to_end(&mut rig);
    assert_eq!(rig.wire().wire.len(), 9);
}

#[test]
fn a_vanished_interface_ends_the_worker_and_says_so() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    rig.wire().stalled = true;
    for _ in 0..30 {
        rig.host().deliver(&Talker::new(9, 0).super_packet(9 * MSS, MSS as u16, ACK));
    }
    rig.settle();
    rig.wire().deliver(&Talker::new(10, 0).packet(MSS, ACK));
    rig.wire().gone = true;
    assert!(time_to_end(&mut rig) < 100_000_000, "no completion is waited for");
    assert_eq!(rig.host_payload().len(), MSS, "what had been received is handed over");
    assert_eq!(rig.worker.report().end, End::WireGone);
}

#[test]
fn a_vanished_tun_device_ends_the_worker_and_says_so() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    rig.host().gone = true;
    assert!(time_to_end(&mut rig) < 500_000_000);
    assert_eq!(rig.worker.report().end, End::HostGone);
}

#[test]
fn after_its_end_a_worker_does_nothing() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    time_to_end(&mut rig);
    let before = *rig.worker.counts();
    rig.wire().deliver(&Talker::new(9, 0).packet(MSS, ACK));
    assert_eq!(rig.turn(), Turn::Ended);
    assert_eq!(*rig.worker.counts(), before);
}
