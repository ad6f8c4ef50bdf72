//! Packets that span several frames, both ways.

use sluice::pipeline::{End, Turn, WorkerConfig};
use sluice::port::{Rings, Sent};
use sluice::sim::Talker;
use sluice::xsk::{MAX_MTU, MOST_PIECES, Umem};
use sluice_common::offload::{GroConfig, GsoType, Hold, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::testing::Packet;

use super::rig::{ACK, MSS, Rig, config, umem};
use super::udp;

/// What a full packet carries with an MTU of 9,000; it takes three frames.
const JUMBO: usize = 8_960;
const FRAMES: u32 = 3;

/// A rig on a wire with an MTU of 9,000.
fn jumbo(umem: &Umem, ring: u32) -> Rig<'_> {
    wired(umem, ring, 9_000)
}

fn wired(umem: &Umem, ring: u32, mtu: usize) -> Rig<'_> {
    let mut rig = Rig::with(umem, ring, WorkerConfig { mtu, ..config() });
    rig.wire().multi_buffer = true;
    rig
}

fn expected(seq: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| Talker::byte(seq + at)).collect()
}

#[test]
fn s2_s16_a_super_packet_leaves_in_segments_that_span_frames() {
    for mtu in [FRAME_LIMIT, FRAME_LIMIT + 1, 4_000, 9_000, MAX_MTU] {
        let umem = umem(256);
        let mut rig = wired(&umem, 64, mtu);
        let mss = mtu - 40;
        let len = 5 * mss + 1;
        rig.host().deliver(&Talker::new(9, 5).super_packet(len, mss as u16, ACK));
        assert_eq!(rig.turn(), Turn::Busy);
        let lengths: Vec<_> = rig.wire().wire.iter().map(<[u8]>::len).collect();
        assert_eq!(lengths, [[14 + mtu; 5].as_slice(), &[14 + 41]].concat());
        assert_eq!(rig.wire_payload(), expected(5, len));
        let counts = rig.worker.counts();
        assert_eq!((counts.to_wire_trains, counts.to_wire_packets), (1, 6));
        assert_eq!(counts.to_wire_bytes, (len + 6 * 54) as u64);
    }
}

/// The largest packet that fits a frame behind an untagged link header.
const FRAME_LIMIT: usize = 3_840 - 14;

#[test]
fn s1_a_single_packet_leaves_in_as_many_frames_as_it_takes() {
    let umem = umem(64);
    let mut rig = jumbo(&umem, 16);
    rig.wire().stalled = true;
    for (payload, frames) in [(3_786, 1), (3_787, 2), (JUMBO, 3), (7_626, 2), (7_627, 3)] {
        let before = rig.worker.ledger().rings.transmit;
        rig.host().deliver(&Talker::new(9, 0).super_packet(payload, JUMBO as u16, ACK));
        rig.turn();
        assert_eq!(rig.worker.ledger().rings.transmit - before, frames, "{payload} bytes");
    }
    rig.wire().stalled = false;
    rig.settle();
    assert_eq!(rig.wire().wire.len(), 5);
    assert_eq!(rig.wire_payload().len(), 3_786 + 3_787 + JUMBO + 7_626 + 7_627);
}

#[test]
fn g30_jumbo_packets_reach_the_host_as_one_train_where_they_lie() {
    let umem = umem(256);
    let mut rig = jumbo(&umem, 64);
    let mut talker = Talker::new(9, 7);
    for _ in 0..7 {
        assert!(rig.wire().deliver(&talker.packet(JUMBO, ACK)));
    }
    rig.turn();
    assert_eq!(rig.host().taken.len(), 1);
    assert_eq!(rig.host().most_slices, 1 + 7 * FRAMES as usize, "a header and every piece");
    let first = rig.host().taken.iter().next().unwrap().to_vec();
    assert_eq!(VnetHeader::parse(&first).unwrap().gso_size, JUMBO as u16);
    assert_eq!(rig.host_payload(), expected(7, 7 * JUMBO));
    let counts = rig.worker.counts();
    assert_eq!((counts.from_wire_packets, counts.to_host_packets), (7, 7));
    assert_eq!(counts.from_wire_bytes, 7 * (JUMBO as u64 + 54));
}

/// The receive ring is looked at while the kernel is still writing into it.
#[test]
fn a_packet_cut_in_two_by_a_batch_arrives_whole() {
    for at_once in [1, 2, 4, 5] {
        let umem = umem(256);
        let mut rig = jumbo(&umem, 64);
        rig.wire().taken_at_once = at_once;
        let mut talker = Talker::new(9, 0);
        for _ in 0..5 {
            assert!(rig.wire().deliver(&talker.packet(JUMBO, ACK)));
        }
        // Each turn's audit finds every frame: those of a packet that has no end yet are in the ring.
        for _ in 0..5 * FRAMES {
            rig.turn();
        }
        assert_eq!(rig.host_payload(), expected(0, 5 * JUMBO), "{at_once} at once");
        assert_eq!(rig.worker.counts().from_wire_packets, 5);
    }
}

#[test]
fn a_packet_that_is_never_finished_waits_in_the_ring_and_is_accounted_for() {
    let umem = umem(64);
    let mut rig = jumbo(&umem, 16);
    let packet = Talker::new(9, 0).packet(JUMBO, ACK);
    let pieces: Vec<_> = packet.chunks(3_000).collect();
    assert!(rig.wire().deliver_pieces(&pieces[..2], false));
    assert_eq!(rig.turn(), Turn::Idle, "nothing has arrived");
    assert_eq!(rig.worker.ledger().rings.receive, 2);
    assert!(rig.wire().deliver_pieces(&pieces[2..], true));
    rig.turn();
    assert_eq!(rig.host_payload(), expected(0, JUMBO), "the end may come late");

    assert!(rig.wire().deliver_pieces(&pieces[..2], false));
    rig.turn();
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    while rig.turn() != Turn::Ended {
        rig.now += 1_000_000;
        assert!(rig.now - now < 500_000_000, "it does not end: {}", rig.worker.ledger());
    }
    let ledger = rig.worker.report().counts.ledger;
    assert!(ledger.is_balanced(), "{ledger}");
    assert_eq!(ledger.rings.receive, 2, "the kernel has not finished it");
}

#[test]
fn g25_the_frames_of_held_jumbo_packets_are_in_the_ledger() {
    let umem = umem(64);
    let gro = GroConfig { hold: Hold::AtMost(1_000_000), ..GroConfig::default() };
    let mut rig = Rig::with(&umem, 32, WorkerConfig { gro, mtu: 9_000, ..config() });
    rig.wire().multi_buffer = true;
    let mut talker = Talker::new(9, 0);
    for held in 1..=4 {
        assert!(rig.wire().deliver(&talker.packet(JUMBO, ACK)));
        rig.turn();
        assert_eq!((rig.worker.ledger().held, rig.worker.here()), (held * FRAMES, held as usize));
    }
    rig.later();
    assert_eq!(rig.worker.ledger().held, 0);
    assert_eq!(rig.host_payload(), expected(0, 4 * JUMBO));
}

#[test]
fn too_many_pieces() {
    let umem = umem(128);
    let mut rig = jumbo(&umem, 64);
    let mut talker = Talker::new(9, 0);
    let (before, after) = (talker.packet(JUMBO, ACK), talker.packet(JUMBO, ACK));
    assert!(rig.wire().deliver(&before));
    let long = vec![&[0x55; 100][..]; MOST_PIECES + 3];
    assert!(rig.wire().deliver_pieces(&long, true));
    assert!(rig.wire().deliver(&after));
    rig.settle();
    assert_eq!(rig.dropped(DropReason::TooManyPieces), 1);
    assert_eq!(rig.host_payload(), expected(0, 2 * JUMBO));
    assert_eq!(rig.worker.counts().from_wire_packets, 3);
    let ledger = rig.worker.ledger();
    assert_eq!((ledger.rings, ledger.free), (Rings { fill: 64, ..Rings::default() }, 64));
}

/// A veth peer that leaves segmentation to others sends packets as large as IP has them.
#[test]
fn the_largest_ip_packet_goes_on_to_the_host_whole() {
    let umem = umem(256);
    let mut rig = jumbo(&umem, 64);
    let len = 65_535 - 40;
    assert!(rig.wire().deliver(&Talker::new(9, 0).packet(len, ACK)));
    rig.turn();
    assert_eq!(rig.host_payload(), expected(0, len));
    assert_eq!(rig.host().most_slices, 1 + MOST_PIECES);
}

#[test]
fn without_multi_buffer_a_jumbo_packet_is_the_kernels_to_drop() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    assert!(!rig.wire().deliver(&Talker::new(9, 0).packet(JUMBO, ACK)));
    rig.later();
    assert_eq!(rig.worker.counts().statistics.rx_dropped, 1);
}

#[test]
fn no_train_has_more_pieces_than_a_write_takes_slices() {
    let umem = umem(2048);
    let gro = GroConfig { max_segments: 10_000, max_size: u32::MAX, ..GroConfig::default() };
    let mut rig = Rig::with(&umem, 1024, WorkerConfig { gro, mtu: 9_000, ..config() });
    rig.wire().multi_buffer = true;
    let mut talker = Talker::new(9, 0);
    for _ in 0..60 {
        let packet = talker.packet(300, ACK);
        let pieces: Vec<_> = packet.chunks(60).collect();
        assert!(rig.wire().deliver_pieces(&pieces, true));
    }
    rig.settle();
    assert!(rig.host().most_slices <= 256, "{}", rig.host().most_slices);
    assert_eq!(rig.host_payload(), expected(0, 60 * 300));
}

#[test]
fn s16_a_packet_that_takes_more_frames_than_there_are_slots_is_dropped_and_said_so() {
    let umem = umem(256);
    let mut rig = jumbo(&umem, 2);
    rig.host().deliver(&Talker::new(9, 0).super_packet(JUMBO, JUMBO as u16, ACK));
    rig.host().deliver(&Talker::new(10, 0).super_packet(100, JUMBO as u16, ACK));
    rig.settle();
    assert_eq!(rig.dropped(DropReason::TooManySegments), 1);
    assert_eq!(rig.wire_payload(), expected(0, 100));
}

#[test]
fn s16_without_slots_for_all_frames_none_is_sent() {
    let umem = umem(256);
    let mut rig = jumbo(&umem, 8);
    rig.wire().stalled = true;
    let mut talker = Talker::new(9, 0);
    for _ in 0..3 {
        rig.host().deliver(&talker.super_packet(JUMBO + 100, JUMBO as u16, ACK));
    }
    rig.settle();
    assert_eq!(
        rig.worker.ledger().rings.transmit,
        2 * (FRAMES + 1),
        "the third has to wait, whole"
    );
    assert!(rig.worker.has_waiting());
    rig.wire().stalled = false;
    rig.settle();
    rig.settle();
    assert_eq!(rig.wire_payload(), expected(0, 3 * (JUMBO + 100)));
    assert!(!rig.worker.has_waiting());
}

#[test]
fn without_completions_both_ways_go_on_as_long_as_their_share_lasts_and_no_frame_is_lost() {
    let umem = umem(128);
    let mut rig = jumbo(&umem, 64);
    let (mut out, mut back) = (Talker::new(9, 0), Talker::new(10, 0));
    rig.wire().withhold_completions = true;
    let mut arrived = 0;
    for _ in 0..40 {
        rig.host().deliver(&out.super_packet(2 * JUMBO, JUMBO as u16, ACK));
        if rig.wire().deliver(&back.packet(JUMBO, ACK)) {
            arrived += 1;
        }
        rig.turn();
    }
    assert_eq!(arrived, 40, "receiving has its reserve");
    assert!(rig.worker.has_waiting(), "sending has used its own");
    assert_eq!(rig.host_payload(), expected(0, 40 * JUMBO));
    rig.wire().withhold_completions = false;
    for _ in 0..60 {
        rig.turn();
    }
    assert_eq!(rig.wire_payload(), expected(0, 80 * JUMBO));
    assert_eq!(rig.worker.ledger().rings.outbound(), 0);
}

#[test]
fn what_a_stuck_host_leaves_waiting_is_bounded_in_frames() {
    let umem = umem(128);
    let mut rig = jumbo(&umem, 32);
    let mut talker = Talker::new(9, 0);
    rig.host().answer = Sent::Full;
    for _ in 0..100 {
        assert!(rig.wire().deliver(&talker.packet(JUMBO, ACK)), "frames are there");
        rig.turn();
    }
    let backlog = rig.worker.ledger().backlog;
    assert_eq!(backlog, umem.reserve() / FRAMES * FRAMES);
    assert_eq!(rig.worker.here() as u32, backlog / FRAMES);
    assert_eq!(rig.dropped(DropReason::BacklogFull), u64::from(100 - backlog / FRAMES));
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    while rig.later() != Turn::Ended {}
    assert_eq!(rig.dropped(DropReason::Shutdown), u64::from(backlog / FRAMES));
}

#[test]
fn an_unknown_next_hop_takes_the_kernels_own_path_in_jumbo_segments() {
    let umem = umem(64);
    let mut rig = wired(&umem, 32, MAX_MTU);
    rig.hops().link = None;
    let mss = MAX_MTU - 40;
    rig.host().deliver(&Talker::new(9, 0).super_packet(3 * mss, mss as u16, ACK));
    rig.turn();
    let lengths: Vec<_> = rig.hops().kernel.iter().map(<[u8]>::len).collect();
    assert_eq!(lengths, [MAX_MTU; 3]);
}

#[test]
fn ordinary_and_jumbo_packets_share_a_wire_in_order() {
    let umem = umem(512);
    let mut rig = jumbo(&umem, 256);
    let (mut back, mut out, mut sent) = (Talker::new(9, 0), Talker::new(10, 0), 0);
    for len in [JUMBO, MSS, 1, 3_786, 3_787, JUMBO, 7_626, 7_627, 10] {
        assert!(rig.wire().deliver(&back.packet(len, ACK)));
        rig.host().deliver(&out.super_packet(len, JUMBO as u16, ACK));
        sent += len;
    }
    rig.settle();
    assert_eq!(rig.host_payload(), expected(0, sent));
    assert_eq!(rig.wire_payload(), expected(0, sent));
}

#[test]
fn s10_s11_datagrams_and_fragments_of_them_span_frames_too() {
    for first in [Packet { fragment_word: 0, ..Packet::udp4() }, Packet::udp6()] {
        let umem = umem(256);
        let mut rig = jumbo(&umem, 64);
        let bytes = udp::payload(50_000);
        rig.host().deliver(&udp::from_host(
            &first.clone().with_payload(&bytes),
            GsoType::UDP_L4,
            8_000,
        ));
        rig.turn();
        let expected = udp::ip_packets(&udp::datagrams(first.clone(), &bytes, 8_000));
        assert_eq!(udp::on_the_wire(&mut rig), expected);

        let whole = first.with_payload(&udp::payload(30_000));
        rig.host().deliver(&udp::from_host(&whole, GsoType::NONE, 0));
        rig.turn();
        let fragments = &udp::on_the_wire(&mut rig)[expected.len()..];
        assert_eq!(fragments.len(), 4, "30,008 bytes in fragments of up to 9,000");
        let mut pool = etherparse::defrag::IpDefragPool::<(), ()>::new();
        let again = fragments.iter().find_map(|fragment| {
            let sliced = etherparse::SlicedPacket::from_ip(fragment).unwrap();
            pool.process_sliced_packet(&sliced, (), ()).unwrap()
        });
        let network = if whole.src.is_ipv6() { 40 } else { 20 };
        let expected = &udp::ip_packets(std::slice::from_ref(&whole))[0][network..];
        assert_eq!(again.expect("a whole datagram").payload, expected);
    }
}

#[test]
fn a_host_that_takes_no_trains_of_datagrams_gets_each_with_all_its_pieces() {
    let umem = umem(256);
    let mut rig = jumbo(&umem, 64);
    rig.host().refuses = vec![GsoType::UDP_L4];
    let sent = udp::datagrams(Packet::udp4(), &udp::payload(32_000), 8_000);
    for packet in &sent {
        assert!(rig.wire().deliver(&packet.build()));
    }
    rig.turn();
    let taken: Vec<_> = udp::taken(&mut rig).into_iter().map(|(_, packet)| packet).collect();
    assert_eq!(taken, udp::ip_packets(&sent));
}
