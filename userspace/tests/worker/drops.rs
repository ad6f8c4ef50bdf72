//! Every reason to drop, one test each, named as the counter.

use sluice::pipeline::{End, Turn};
use sluice::port::Sent;
use sluice::sim::Talker;
use sluice_common::offload::VnetHeader;
use sluice_common::reason::DropReason;
use sluice_common::wire::tcp::Flags;

use super::rig::{ACK, MSS, Rig, umem};

/// Has the worker take `packets` of the host, and counts what is dropped because of `reason`.
fn refused(reason: DropReason, packets: &[Vec<u8>]) {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 32);
    for packet in packets {
        rig.host().deliver(packet);
    }
    rig.settle();
    assert_eq!(rig.dropped(reason), packets.len() as u64, "{:?}", rig.worker.counts());
    assert_eq!(rig.wire().wire.len(), 0);
}

fn with(change: impl Fn(&mut VnetHeader)) -> Vec<u8> {
    let mut packet = Talker::new(9, 0).super_packet(3 * MSS, MSS as u16, ACK);
    let mut vnet = VnetHeader::parse(&packet).unwrap();
    change(&mut vnet);
    packet[..VnetHeader::LEN].copy_from_slice(&vnet.to_bytes());
    packet
}

#[test]
fn backlog_full() {
    let umem = umem(1024);
    let mut rig = Rig::new(&umem, 128);
    rig.host().answer = Sent::Full;
    // Each a train of its own: another connection.
    for port in 0..100 {
        assert!(rig.wire().deliver(&Talker::new(port, 0).packet(10, ACK)));
    }
    rig.settle();
    assert_eq!(rig.worker.ledger().backlog, 64);
    assert_eq!(rig.dropped(DropReason::BacklogFull), 36);
}

#[test]
fn tun_refused() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    rig.host().answer = Sent::Refused;
    rig.wire().deliver(&Talker::new(9, 0).packet(10, ACK));
    rig.turn();
    assert_eq!(rig.dropped(DropReason::TunRefused), 1);
}

#[test]
fn tun_gone() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    rig.host().answer = Sent::Gone;
    rig.wire().deliver(&Talker::new(9, 0).packet(10, ACK));
    assert_eq!(rig.turn(), Turn::Busy, "a TUN device that is down may come up again");
    assert_eq!(rig.dropped(DropReason::TunGone), 1);
}

#[test]
fn bad_vnet_header() {
    refused(
        DropReason::BadVnetHeader,
        &[
            vec![],
            vec![0; VnetHeader::LEN - 1],
            with(|vnet| vnet.gso_size = 0),
            with(|vnet| vnet.hdr_len = u16::MAX),
            with(|vnet| vnet.csum_start = u16::MAX),
            with(|vnet| vnet.csum_offset = 2),
        ],
    );
}

#[test]
fn unknown_gso_type() {
    refused(
        DropReason::UnknownGsoType,
        &[with(|vnet| vnet.gso_type = 3), with(|vnet| vnet.gso_type = 0x7f)],
    );
}

#[test]
fn syn_rst_super() {
    let [syn, rst] = [Flags::SYN, Flags::RST]
        .map(|flags| Talker::new(9, 0).super_packet(3 * MSS, MSS as u16, ACK.with(flags)));
    refused(DropReason::SynRstSuper, &[syn, rst]);
}

#[test]
fn too_many_segments() {
    let umem = umem(256);
    let mut rig = Rig::new(&umem, 8);
    let mut talker = Talker::new(9, 0);
    rig.host().deliver(&talker.super_packet(9 * MSS, MSS as u16, ACK));
    rig.host().deliver(&talker.super_packet(8 * MSS, MSS as u16, ACK));
    rig.settle();
    assert_eq!(rig.dropped(DropReason::TooManySegments), 1);
    assert_eq!(rig.wire().wire.len(), 8, "as many as the ring has slots do fit");
}

#[test]
fn too_many_segments_for_the_frames() {
    let umem = umem(16);
    let mut rig = Rig::new(&umem, 16);
    rig.host().deliver(&Talker::new(9, 0).super_packet(5 * MSS, MSS as u16, ACK));
    rig.turn();
    assert_eq!(rig.dropped(DropReason::TooManySegments), 1, "4 frames are for sending");
}

#[test]
fn too_large() {
    let whole = with(|vnet| (vnet.gso_type, vnet.gso_size) = (0, 0));
    let large_segments = Talker::new(9, 0).super_packet(3 * 1461, 1461, ACK);
    refused(DropReason::TooLarge, &[whole, large_segments]);
}

#[test]
fn not_ip() {
    refused(DropReason::NotIp, &[vec![0; VnetHeader::LEN], vec![0x70; 200]]);
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    rig.wire().deliver(&[0xee; 60]);
    rig.turn();
    assert_eq!(rig.dropped(DropReason::NotIp), 1);
    assert!(rig.host().taken.is_empty());
}

#[test]
fn no_route() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 32);
    (rig.hops().link, rig.hops().refuse) = (None, true);
    rig.host().deliver(&Talker::new(9, 0).super_packet(3 * MSS, MSS as u16, ACK));
    rig.turn();
    assert_eq!(rig.dropped(DropReason::NoRoute), 1);
    assert_eq!(rig.worker.counts().to_kernel_trains, 0);
}

#[test]
fn shutdown() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 16);
    rig.host().answer = Sent::Full;
    rig.wire().stalled = true;
    let mut talker = Talker::new(9, 0);
    rig.wire().deliver(&talker.packet(10, ACK));
    for _ in 0..2 {
        rig.host().deliver(&talker.super_packet(9 * MSS, MSS as u16, ACK));
    }
    rig.settle();
    assert!(rig.worker.has_waiting());
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    while rig.later() != Turn::Ended {}
    assert_eq!(rig.dropped(DropReason::Shutdown), 2, "a train and a packet of the host");
}
