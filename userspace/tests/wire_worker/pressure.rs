//! A side that does not send harms no other.

use sluice::sim::Talker;
use sluice_common::Side;
use sluice_common::reason::DropReason;
use sluice_common::wire::tcp::Flags;

use super::rig::{Rig, umem};

#[test]
fn what_one_side_cannot_send_is_dropped_where_it_came_in_and_the_other_direction_goes_on() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 32);
    rig.port(Side::B).stalled = true;
    let mut talkers = [Talker::new(1, 0), Talker::new(2, 0)];
    let mut expected = Vec::new();
    for _ in 0..100 {
        for _ in 0..8 {
            rig.deliver(Side::A, &talkers[0].packet(1460, Flags::ACK));
            let packet = talkers[1].packet(1460, Flags::ACK);
            rig.deliver(Side::B, &packet);
            expected.push(packet);
        }
        rig.turn();
    }
    rig.settle();
    assert_eq!(rig.left(Side::A), expected, "the other direction");
    let waiting = rig.worker.waiting(Side::B) as u64;
    let in_ring = u64::from(rig.worker.ledger().rings.transmit);
    assert_eq!(rig.dropped(Side::A, DropReason::BacklogFull), 800 - waiting - in_ring);
    assert_eq!(rig.dropped(Side::B, DropReason::BacklogFull), 0);
    rig.port(Side::B).stalled = false;
    rig.settle();
    assert_eq!(rig.left(Side::B).len() as u64, waiting + in_ring);
}

#[test]
fn withheld_completions_neither_leak_nor_hang_a_stop() {
    let umem = umem(128);
    let mut rig = Rig::new(&umem, 16);
    rig.port(Side::B).withhold_completions = true;
    let mut talker = Talker::new(1, 0);
    for _ in 0..40 {
        let _ = rig.port(Side::A).deliver(&talker.packet(1460, Flags::ACK));
        rig.turn();
    }
    rig.stop();
    assert_eq!(rig.heartbeats.each_ref().map(|heartbeat| heartbeat.last(0)), [0, 0]);
    assert_eq!(rig.worker.waiting(Side::B), 0);
}
