//! Host → wire.

use sluice::pipeline::Turn;
use sluice::sim::Talker;
use sluice_common::reason::DropReason;

use super::rig::{ACK, MSS, Rig, umem};

fn expected(seq: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| Talker::byte(seq + at)).collect()
}

#[test]
fn a_super_packet_leaves_as_whole_packets_with_link_headers_and_checksums() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    let len = 30 * MSS + 11;
    rig.host().deliver(&Talker::new(9, 5).super_packet(len, MSS as u16, ACK));
    assert_eq!(rig.turn(), Turn::Busy);
    assert_eq!(rig.wire().wire.len(), 31);
    assert_eq!(rig.wire_payload(), expected(5, len));
    let counts = rig.worker.counts();
    assert_eq!((counts.to_wire_trains, counts.to_wire_packets), (1, 31));
    assert_eq!(counts.to_wire_bytes, (len + 31 * 54) as u64);
    assert_eq!((counts.from_host_packets, counts.from_host_supers), (1, 1));
}

#[test]
fn a_turn_sends_about_a_burst_and_leaves_the_rest_to_the_host() {
    let umem = umem(1024);
    let mut rig = Rig::new(&umem, 256);
    let mut talker = Talker::new(9, 0);
    for _ in 0..10 {
        let packet = talker.super_packet(40 * MSS, MSS as u16, ACK);
        rig.host().deliver(&packet);
    }
    rig.turn();
    assert_eq!(rig.worker.counts().to_wire_packets, 80, "two of forty: a burst is 64");
    assert_eq!(rig.host().waiting(), 8);
}

#[test]
fn a_transmit_ring_of_one_slot_sends_one_packet_a_turn() {
    let umem = umem(16);
    let mut rig = Rig::new(&umem, 1);
    let mut talker = Talker::new(9, 0);
    for _ in 0..5 {
        let packet = talker.super_packet(100, MSS as u16, ACK);
        rig.host().deliver(&packet);
    }
    for sent in 1..=5 {
        rig.turn();
        assert_eq!(rig.wire().wire.len(), sent);
    }
    assert_eq!(rig.wire_payload(), expected(0, 500));
}

#[test]
fn s16_without_room_for_all_segments_none_is_sent() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 32);
    let mut talker = Talker::new(9, 0);
    rig.wire().stalled = true;
    for _ in 0..2 {
        let packet = talker.super_packet(20 * MSS, MSS as u16, ACK);
        rig.host().deliver(&packet);
    }
    rig.settle();
    assert_eq!(rig.worker.ledger().rings.transmit, 20, "the second has to wait, whole");
    assert!(rig.worker.has_waiting());
    rig.wire().stalled = false;
    rig.settle();
    rig.settle();
    assert_eq!(rig.wire_payload(), expected(0, 40 * MSS));
    assert!(!rig.worker.has_waiting());
}

#[test]
fn withheld_completions_hold_the_host_back_and_lose_nothing() {
    let umem = umem(128);
    let mut rig = Rig::new(&umem, 32);
    let mut talker = Talker::new(9, 0);
    rig.wire().withhold_completions = true;
    for _ in 0..12 {
        let packet = talker.super_packet(10 * MSS, MSS as u16, ACK);
        rig.host().deliver(&packet);
    }
    for _ in 0..50 {
        rig.turn();
    }
    assert!(rig.worker.has_waiting());
    assert!(rig.host().waiting() > 0, "what does not fit stays with the host");
    rig.wire().withhold_completions = false;
    for _ in 0..50 {
        rig.turn();
    }
    assert_eq!(rig.wire_payload(), expected(0, 120 * MSS));
}

#[test]
fn sending_cannot_starve_receiving_nor_receiving_sending() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 64);
    let (mut out, mut back) = (Talker::new(9, 0), Talker::new(10, 0));
    rig.wire().withhold_completions = true;
    for _ in 0..64 {
        rig.host().deliver(&out.super_packet(100, MSS as u16, ACK));
        let packet = back.packet(100, ACK);
        rig.wire().deliver(&packet);
        rig.turn();
    }
    let ledger = rig.worker.ledger();
    assert!(ledger.rings.fill >= umem.reserve(), "{ledger}");
    assert!(ledger.rings.outbound() >= umem.reserve(), "{ledger}");
}

#[test]
fn an_unknown_next_hop_takes_the_kernels_own_path_in_segments() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 32);
    rig.hops().link = None;
    rig.host().deliver(&Talker::new(9, 0).super_packet(3 * MSS, MSS as u16, ACK));
    rig.turn();
    assert_eq!(rig.wire().wire.len(), 0);
    let payload: Vec<u8> = rig
        .hops()
        .kernel
        .iter()
        .flat_map(|packet| super::rig::tcp_payload(packet).to_vec())
        .collect();
    assert_eq!(payload, expected(0, 3 * MSS));
    let counts = rig.worker.counts();
    assert_eq!((counts.to_kernel_trains, counts.to_kernel_packets), (1, 3));
    assert_eq!(counts.dropped(DropReason::NoRoute), 0);
}

#[test]
fn one_doorbell_a_turn() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    let before = rig.wire().doorbells();
    rig.host().deliver(&Talker::new(9, 0).super_packet(30 * MSS, MSS as u16, ACK));
    rig.turn();
    assert_eq!(rig.wire().doorbells(), before + 1);
}

#[test]
fn what_the_kernel_sends_slowly_arrives_all_the_same() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    rig.wire().sent_at_once = 7;
    rig.host().deliver(&Talker::new(9, 0).super_packet(40 * MSS, MSS as u16, ACK));
    for _ in 0..10 {
        rig.turn();
    }
    assert_eq!(rig.wire_payload(), expected(0, 40 * MSS));
    assert_eq!(rig.worker.ledger().rings.outbound(), 0);
}
