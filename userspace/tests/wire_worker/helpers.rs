//! Flows handed to another worker: order within each, every frame accounted for, and an end without any left behind.

use std::collections::HashMap;

use sluice::pipeline::{End, Turn, WireHandle, WireHelper};
use sluice::sim::{Talker, audit_wire};
use sluice_common::Side;
use sluice_common::reason::DropReason;
use sluice_common::stage::Forward;
use sluice_common::wire::tcp::Flags;

use super::rig::{Rig, config, umem};

struct Crew<'u> {
    rig: Rig<'u>,
    helpers: Vec<(WireHelper<'u, Forward>, WireHandle<Forward>)>,
}

impl<'u> Crew<'u> {
    fn new(umem: &'u sluice::xsk::Umem, helpers: u32) -> Self {
        let mut rig = Rig::with(umem, 64, config([1500, 1500]), Forward);
        let helpers =
            (1..=helpers).map(|number| rig.worker.helper(number, Forward).unwrap()).collect();
        Self { rig, helpers }
    }

    /// The owner has a turn, then each helper.
    fn turn(&mut self) -> bool {
        self.rig.now += 1_000;
        let now = self.rig.now;
        let mut busy = self.rig.worker.turn(now) == Turn::Busy;
        for (helper, _) in &mut self.helpers {
            busy |= helper.turn(now) == Turn::Busy;
        }
        let helpers: Vec<_> = self.helpers.iter().map(|(helper, _)| helper).collect();
        audit_wire(&mut self.rig.worker, &helpers).unwrap();
        busy
    }

    fn settle(&mut self) {
        while self.turn() {}
    }

    /// Stops all of them at once, as the data plane does.
    fn stop(&mut self) {
        let now = self.rig.now;
        self.rig.worker.begin_stop(End::Stopped, now);
        for (helper, _) in &mut self.helpers {
            helper.begin_stop(End::Stopped, now);
        }
        while self.rig.worker.turn(self.rig.now) != Turn::Ended {
            self.turn();
            self.rig.now += 1_000_000;
            assert!(self.rig.now - now < 1_000_000_000, "{}", self.rig.worker.ledger());
        }
    }
}

fn port_of(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[34], packet[35]])
}

#[test]
fn both_workers_carry_flows_and_each_flow_keeps_its_order() {
    let umem = umem(2048);
    let mut crew = Crew::new(&umem, 1);
    let mut talkers: Vec<_> = (0..40).map(|port| Talker::new(port, 0)).collect();
    let mut sent: HashMap<u16, Vec<Vec<u8>>> = HashMap::new();
    for round in 0..100_usize {
        for n in 0..20 {
            let which = (round * 7 + n * 3) % talkers.len();
            let packet = talkers[which].packet(1460, Flags::ACK);
            crew.rig.deliver(Side::A, &packet);
            sent.entry(which as u16).or_default().push(packet);
        }
        crew.turn();
    }
    crew.settle();
    let mut left: HashMap<u16, Vec<Vec<u8>>> = HashMap::new();
    for packet in crew.rig.left(Side::B) {
        left.entry(port_of(&packet)).or_default().push(packet);
    }
    assert_eq!(left, sent);
    let own = crew.rig.worker.counts().sides[0].forwarded_packets;
    let helped = crew.helpers[0].0.counts().sides[0].forwarded_packets;
    assert!(own > 200 && helped > 200, "{own} and {helped} of 2000");
    crew.stop();
    let ledger = crew.rig.worker.ledger();
    assert_eq!((ledger.handed, ledger.held, ledger.backlog), (0, 0, 0), "{ledger}");
}

#[test]
fn a_helper_that_is_away_takes_no_more_than_its_share_and_costs_no_frame() {
    let umem = umem(512);
    let mut crew = Crew::new(&umem, 1);
    let mut talkers: Vec<_> = (0..40).map(|port| Talker::new(port, 0)).collect();
    for round in 0..200 {
        for talker in &mut talkers[..20] {
            // The fill ring may be empty: such is the pressure.
            let _ = crew.rig.port(Side::A).deliver(&talker.packet(1460, Flags::ACK));
        }
        crew.rig.now += 1_000;
        crew.rig.worker.turn(crew.rig.now);
        let helpers: Vec<_> = crew.helpers.iter().map(|(helper, _)| helper).collect();
        audit_wire(&mut crew.rig.worker, &helpers)
            .unwrap_or_else(|wrong| panic!("{round}: {wrong}"));
    }
    assert!(crew.rig.dropped(Side::A, DropReason::HelperBusy) > 0);
    assert!(crew.rig.left(Side::B).len() > 1_000, "the worker's own flows go on");
    // It is back, and goes: all of it comes home.
    crew.settle();
    crew.stop();
    assert_eq!(crew.rig.worker.ledger().handed, 0);
}

#[test]
fn a_helper_that_never_comes_back_does_not_hang_a_stop() {
    let umem = umem(512);
    let mut crew = Crew::new(&umem, 2);
    let mut talkers: Vec<_> = (0..40).map(|port| Talker::new(port, 0)).collect();
    for talker in &mut talkers {
        crew.rig.deliver(Side::A, &talker.packet(1460, Flags::ACK));
    }
    crew.rig.turn_unaudited();
    let now = crew.rig.now;
    crew.rig.worker.begin_stop(End::Stopped, now);
    while crew.rig.turn_unaudited() != Turn::Ended {
        crew.rig.now += 1_000_000;
        assert!(crew.rig.now - now < 1_000_000_000, "a second is over");
    }
    let ledger = crew.rig.worker.ledger();
    assert!(ledger.is_balanced(), "{ledger}");
    assert_eq!(ledger.handed, 0, "what was never taken has been taken back: {ledger}");
}
