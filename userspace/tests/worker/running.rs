//! Housekeeping, the handle, and the loop.

use std::thread;
use std::time::Duration;

use sluice::config::Idle;
use sluice::observe::Counts;
use sluice::pipeline::{End, Turn, WorkerConfig};
use sluice::sim::Talker;

use super::rig::{ACK, MSS, Rig, config, umem};

#[test]
fn the_sign_of_life_follows_the_clock() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let first = rig.heartbeat.last(0);
    assert_ne!(first, 0, "the first turn gives one");
    rig.turn();
    assert_eq!(rig.heartbeat.last(0), first, "not every microsecond");
    rig.now += 1_000_000;
    rig.turn();
    assert_eq!(rig.heartbeat.last(0), rig.now);
}

#[test]
fn counters_are_published_in_housekeeping() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    rig.wire().deliver(&Talker::new(9, 0).packet(MSS, ACK));
    rig.turn();
    assert_eq!(rig.handle.counters().from_wire_packets, 0);
    rig.later();
    let counters = rig.handle.counters();
    assert_eq!(counters.from_wire_packets, 1);
    assert!(counters.ledger.is_balanced());
    assert_eq!(counters, *rig.worker.counts());
}

#[test]
fn the_times_are_swapped_out() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    rig.wire().deliver(&Talker::new(9, 0).packet(MSS, ACK));
    rig.turn();
    rig.now += 41_000;
    let times = thread::scope(|scope| {
        let handle = &rig.handle;
        let asked = scope.spawn(|| handle.times(Duration::from_secs(60)));
        while !asked.is_finished() {
            rig.now += 10_000_000;
            rig.worker.turn(rig.now);
            thread::yield_now();
        }
        asked.join().unwrap().expect("an answer")
    });
    assert_eq!((times.stay.len(), times.held.len()), (1, 0));
    // From the turn that received it to the clock reading of the next one.
    assert!(times.stay.max() > 42_000, "{}", times.stay.max());
    assert!(rig.handle.times(Duration::ZERO).is_none(), "nobody turns the worker");
}

#[test]
fn the_loop_moves_packets_sleeps_and_stops_when_told() {
    for idle in [Idle::Spin, Idle::Adaptive, Idle::Interrupt] {
        let umem = umem(256);
        let mut rig = Rig::with(&umem, 64, WorkerConfig { idle, ..config() });
        rig.wire().deliver(&Talker::new(9, 0).packet(MSS, ACK));
        rig.host().deliver(&Talker::new(10, 0).super_packet(3 * MSS, MSS as u16, ACK));
        let Rig { worker, handle, heartbeat, .. } = rig;
        let report = thread::scope(|scope| {
            let running = scope.spawn(move || worker.run());
            let slept = |counts: Counts| idle == Idle::Spin || counts.sleeps > 0;
            while handle.counters().to_wire_packets < 3 || !slept(handle.counters()) {
                thread::yield_now();
            }
            assert_ne!(heartbeat.last(0), 0);
            assert!(handle.stop());
            running.join().unwrap()
        });
        assert_eq!((report.end, report.queue), (End::Stopped, 0));
        assert_eq!(report.counts.to_host_packets, 1);
        assert!(report.counts.ledger.is_balanced(), "{}", report.counts.ledger);
        assert_eq!(report.counts.sleeps == 0, idle == Idle::Spin);
        assert!(!handle.stop(), "it has ended");
    }
}

#[test]
fn a_stop_is_heard_when_nobody_has_answered_for_long() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    for _ in 0..100 {
        assert!(rig.handle.times(Duration::ZERO).is_none());
    }
    assert!(rig.handle.stop());
    while rig.later() != Turn::Ended {}
}
