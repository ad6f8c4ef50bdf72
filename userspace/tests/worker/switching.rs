//! Features that are switched while a worker works: what is held goes first, nothing changes places,
//! nothing is lost.

use sluice::pipeline::WorkerConfig;
use sluice::port::Sent;
use sluice::sim::Talker;
use sluice_common::offload::{GroConfig, Hold};
use sluice_common::reason::FlushReason;

use super::rig::{ACK, MSS, Rig, config, umem};

/// Trains are held for longer than these tests take.
fn patient() -> WorkerConfig {
    let gro = GroConfig { hold: Hold::AtMost(1_000_000_000), ..GroConfig::default() };
    WorkerConfig { gro, ..config() }
}

fn off() -> GroConfig {
    GroConfig { enabled: false, ..patient().gro }
}

fn expected(len: usize) -> Vec<u8> {
    (0..len as u32).map(Talker::byte).collect()
}

/// Delivers `count` full packets, in one turn.
fn receive(rig: &mut Rig<'_>, talker: &mut Talker, count: usize) {
    for _ in 0..count {
        assert!(rig.wire().deliver(&talker.packet(MSS, ACK)));
    }
    rig.turn();
}

#[test]
fn f2_a_switch_in_mid_train_releases_it_and_trains_of_one_follow_in_order() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 64, patient());
    let mut talker = Talker::new(9, 0);
    receive(&mut rig, &mut talker, 5);
    assert_eq!(rig.worker.ledger().held, 5, "in mid-train");
    assert!(rig.handle.switch(off()));
    assert_eq!(rig.host().taken.len(), 0, "not before the end of a turn");
    rig.later();
    assert!(rig.handle.await_switch(std::time::Duration::ZERO), "it says that it has");
    assert_eq!((rig.worker.ledger().held, rig.host().taken.len()), (0, 1));
    assert_eq!(rig.worker.counts().released(FlushReason::Switched), 1);
    receive(&mut rig, &mut talker, 3);
    assert_eq!(rig.host().taken.len(), 4, "each alone");
    assert_eq!(rig.host_payload(), expected(8 * MSS));
    assert_eq!(rig.worker.counts().dropped_inbound.iter().sum::<u64>(), 0);
}

#[test]
fn f2_switched_on_again_packets_merge_again() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 64, WorkerConfig { gro: off(), ..config() });
    let mut talker = Talker::new(9, 0);
    receive(&mut rig, &mut talker, 3);
    assert_eq!(rig.host().taken.len(), 3);
    assert!(rig.handle.switch(GroConfig::default()));
    rig.later();
    receive(&mut rig, &mut talker, 5);
    assert_eq!(
        rig.worker.ledger().held,
        5,
        "held as long as it was made to: a switch changes no times"
    );
    assert!(rig.handle.switch(off()));
    rig.later();
    assert_eq!(rig.host().taken.len(), 4);
    assert_eq!(rig.host_payload(), expected(8 * MSS));
}

#[test]
fn f2_what_a_switch_releases_waits_behind_what_waits() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 64, patient());
    let (mut talker, mut other) = (Talker::new(9, 0), Talker::new(10, 0));
    rig.host().answer = Sent::Full;
    assert!(rig.wire().deliver(&other.packet(MSS, sluice_common::wire::tcp::Flags::PSH)));
    receive(&mut rig, &mut talker, 4);
    assert!(rig.handle.switch(off()));
    rig.later();
    let ledger = rig.worker.ledger();
    assert_eq!((ledger.backlog, ledger.held), (5, 0));
    rig.host().answer = Sent::Done;
    receive(&mut rig, &mut talker, 2);
    rig.settle();
    let taken: Vec<_> = rig.host().taken.iter().map(<[u8]>::len).collect();
    assert_eq!(taken.len(), 4);
    assert!(taken[1] > taken[0], "the packet that waited, the train, then one by one: {taken:?}");
    let mine = rig.host_payload().split_off(MSS);
    assert_eq!(mine, expected(6 * MSS));
}

#[test]
fn a_switch_to_what_is_already_releases_nothing() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 64, patient());
    let mut talker = Talker::new(9, 0);
    receive(&mut rig, &mut talker, 5);
    assert!(rig.handle.switch(patient().gro));
    rig.later();
    assert!(rig.handle.await_switch(std::time::Duration::ZERO));
    assert_eq!((rig.worker.ledger().held, rig.host().taken.len()), (5, 0));
}

#[test]
fn a_worker_that_does_not_turn_takes_a_few_orders_and_carries_out_all() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let told = (0..100).filter(|_| rig.handle.switch(off())).count();
    assert!((1..100).contains(&told), "{told} orders fit: the mailbox is bounded");
    assert!(!rig.handle.await_switch(std::time::Duration::ZERO), "nobody turns it");
    rig.later();
    assert!(rig.handle.await_switch(std::time::Duration::ZERO));
}
