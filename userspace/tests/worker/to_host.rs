//! Wire → host.

use sluice::pipeline::Turn;
use sluice::port::{Rings, Sent};
use sluice::sim::Talker;
use sluice_common::offload::{GroConfig, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::testing::{Field, Packet, Tunnel};

use super::rig::{ACK, MSS, Rig, config, umem};

fn expected(seq: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| Talker::byte(seq + at)).collect()
}

#[test]
fn bursts_of_0_1_and_64_reach_the_host_in_order() {
    for burst in [0, 1, 64] {
        let umem = umem(256);
        let mut rig = Rig::new(&umem, 128);
        let mut talker = Talker::new(9, 1_000);
        for _ in 0..burst {
            assert!(rig.wire().deliver(&talker.packet(100, ACK)));
        }
        assert_eq!(rig.turn(), if burst == 0 { Turn::Idle } else { Turn::Busy });
        assert_eq!(rig.host_payload(), expected(1_000, 100 * burst));
        assert_eq!(rig.worker.counts().from_wire_packets, burst as u64);
        assert_eq!(rig.worker.counts().to_host_packets, burst as u64);
    }
}

#[test]
fn a_burst_of_65_takes_two_turns() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 128);
    let mut talker = Talker::new(9, 0);
    for _ in 0..65 {
        assert!(rig.wire().deliver(&talker.packet(10, ACK)));
    }
    rig.turn();
    assert_eq!(rig.worker.counts().from_wire_packets, 64);
    rig.turn();
    assert_eq!(rig.worker.counts().from_wire_packets, 65);
    assert_eq!(rig.host_payload(), expected(0, 650));
}

#[test]
fn a_train_goes_to_the_host_in_one_write_with_its_payloads_where_they_lie() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 128);
    let mut talker = Talker::new(9, 0);
    for _ in 0..40 {
        assert!(rig.wire().deliver(&talker.packet(MSS, ACK)));
    }
    rig.turn();
    assert_eq!(rig.host().taken.len(), 1);
    assert_eq!(rig.host().most_slices, 41, "a header and 40 payloads");
    let first = rig.host().taken.iter().next().unwrap().to_vec();
    let vnet = VnetHeader::parse(&first).unwrap();
    assert_eq!((vnet.gso_size, vnet.gso_type), (MSS as u16, 1));
    assert_eq!(first.len(), VnetHeader::LEN + 40 + 40 * MSS);
    assert_eq!(rig.host_payload(), expected(0, 40 * MSS));
    let counts = rig.worker.counts();
    assert_eq!((counts.to_host_supers, counts.to_host_super_packets), (1, 40));
}

#[test]
fn a_train_of_one_keeps_its_header() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let packet = Talker::new(9, 0).packet(77, ACK);
    rig.wire().deliver(&packet);
    rig.turn();
    let taken = rig.host().taken.iter().next().unwrap().to_vec();
    assert_eq!(taken[VnetHeader::LEN..], packet[14..]);
}

#[test]
fn no_train_has_more_packets_than_a_write_takes_slices() {
    let umem = umem(1024);
    let gro = GroConfig { max_segments: 10_000, ..GroConfig::default() };
    let mut rig = Rig::with(&umem, 512, sluice::pipeline::WorkerConfig { gro, ..config() });
    let mut talker = Talker::new(9, 0);
    for _ in 0..500 {
        assert!(rig.wire().deliver(&talker.packet(8, ACK)));
    }
    rig.settle();
    assert!(rig.host().most_slices <= 256, "{}", rig.host().most_slices);
    assert_eq!(rig.host_payload(), expected(0, 4_000));
}

#[test]
fn what_the_host_has_no_room_for_waits_and_goes_first() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    let mut talker = Talker::new(9, 0);
    rig.host().answer = Sent::Full;
    for _ in 0..3 {
        assert!(rig.wire().deliver(&talker.packet(100, ACK)));
        rig.turn();
    }
    assert_eq!(rig.worker.ledger().backlog, 3);
    rig.host().answer = Sent::Done;
    assert!(rig.wire().deliver(&talker.packet(100, ACK)));
    assert_eq!(rig.turn(), Turn::Busy);
    assert_eq!(rig.host_payload(), expected(0, 400));
    assert_eq!(rig.worker.ledger().backlog, 0);
}

#[test]
fn nothing_overtakes_what_waits_when_the_host_has_room_again_in_mid_turn() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 64);
    let mut talker = Talker::new(9, 0);
    for _ in 0..2 {
        rig.host().full_for = 1;
        assert!(rig.wire().deliver(&talker.packet(100, ACK)));
        rig.turn();
    }
    rig.settle();
    assert_eq!(rig.host_payload(), expected(0, 200));
}

#[test]
fn packets_that_are_not_taken_yet_leave_the_reserve_alone() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 256);
    let mut talker = Talker::new(9, 0);
    for _ in 0..130 {
        assert!(rig.wire().deliver(&talker.packet(10, ACK)));
    }
    rig.turn();
    assert_eq!(rig.worker.ledger().rings.receive, 66);
    assert_eq!(rig.worker.ledger().free, umem.reserve());
}

#[test]
fn a_host_that_is_stuck_does_not_take_the_frames_to_receive_into() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let mut talker = Talker::new(9, 0);
    rig.host().answer = Sent::Full;
    for _ in 0..100 {
        assert!(rig.wire().deliver(&talker.packet(100, ACK)), "a frame is there");
        rig.turn();
    }
    assert!(rig.worker.ledger().backlog <= umem.reserve());
    assert_eq!(
        u64::from(rig.worker.ledger().backlog) + rig.dropped(DropReason::BacklogFull),
        100,
        "the rest is dropped, with a reason"
    );
}

#[test]
fn the_fill_ring_is_kept_full_and_leaves_the_reserve() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 64);
    assert_eq!(rig.worker.ledger().rings, Rings { fill: 48, ..Rings::default() });
    assert_eq!(rig.worker.ledger().free, umem.reserve());
    let mut talker = Talker::new(9, 0);
    for _ in 0..48 {
        assert!(rig.wire().deliver(&talker.packet(10, ACK)));
    }
    assert!(!rig.wire().deliver(&talker.packet(10, ACK)), "the kernel drops, and counts");
    rig.turn();
    assert_eq!(rig.worker.ledger().rings.fill, 48);
    rig.later();
    assert_eq!(rig.worker.counts().statistics.rx_fill_empty, 1);
}

#[test]
fn a_packet_of_any_length_passes_through() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let packet = Talker::new(9, 0).packet(1460, ACK);
    for len in 0..packet.len() {
        rig.wire().deliver(&packet[..len]);
        rig.turn();
    }
    assert_eq!(rig.worker.counts().from_wire_packets, packet.len() as u64);
}

/// A burst of one flow inside VXLAN.
fn encapsulated(count: usize) -> Vec<Vec<u8>> {
    let first = Packet::tcp4().inside(Tunnel::vxlan().with_udp_checksum(Field::Right));
    let packets = std::iter::successors(Some(first), |packet| Some(packet.next()));
    packets.take(count).map(|packet| packet.build()).collect()
}

/// What the host took, from the IP header on.
fn taken(rig: &mut Rig<'_>) -> Vec<Vec<u8>> {
    rig.host().taken.iter().map(|bytes| bytes[VnetHeader::LEN..].to_vec()).collect()
}

#[test]
fn g30_g33_a_train_in_a_tunnel_goes_to_the_host_packet_by_packet_as_it_came() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let packets = encapsulated(5);
    packets.iter().for_each(|packet| assert!(rig.wire().deliver(packet)));
    rig.turn();
    let expected: Vec<_> = packets.iter().map(|packet| packet[14..].to_vec()).collect();
    assert_eq!(taken(&mut rig), expected);
    let valid = VnetHeader { flags: VnetHeader::DATA_VALID, ..VnetHeader::default() };
    let all_valid = |bytes: &[u8]| VnetHeader::parse(bytes) == Some(valid);
    assert!(rig.host().taken.iter().all(all_valid));
    let counts = rig.worker.counts();
    assert_eq!((counts.to_host_trains, counts.to_host_packets), (5, 5));
    assert_eq!(counts.to_host_supers, 0, "the host was given none");
}

#[test]
fn s16_a_train_that_the_host_took_in_part_goes_on_where_it_stopped() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    let packets = encapsulated(6);
    rig.host().full_after = Some(2);
    packets[..5].iter().for_each(|packet| assert!(rig.wire().deliver(packet)));
    rig.turn();
    assert_eq!((rig.host().taken.iter().count(), rig.worker.ledger().backlog), (2, 5));
    rig.host().full_after = Some(3);
    rig.turn();
    assert_eq!(rig.host().taken.iter().count(), 3);
    rig.host().full_after = None;
    assert!(rig.wire().deliver(&packets[5]));
    rig.turn();
    let expected: Vec<_> = packets.iter().map(|packet| packet[14..].to_vec()).collect();
    assert_eq!(taken(&mut rig), expected);
    assert_eq!((rig.worker.counts().to_host_packets, rig.worker.ledger().backlog), (6, 0));
}
