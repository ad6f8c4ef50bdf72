//! Trains of one bulk transfer.

use std::hint::black_box;

use sluice_bench::{MSS, in_order};
use sluice_common::offload::{
    ChecksumMode, Coalescer, GroConfig, Hold, RxChecksum, Train, VnetHeader,
};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Packet, Tunnel};
use sluice_common::wire::Link;

use crate::Case;
use crate::meter::measured;

pub(crate) const CASES: &[Case] = &[
    ("join_tcp4", || join(&Packet::tcp4(), RxChecksum::Trust)),
    ("join_tcp4_verified", || join(&Packet::tcp4(), RxChecksum::Verify)),
    ("join_tcp6", || join(&Packet::tcp6(), RxChecksum::Trust)),
    ("join_udp4", || join(&Packet::udp4(), RxChecksum::Trust)),
    ("join_vxlan_tcp4", || join(&Packet::tcp4().inside(Tunnel::vxlan()), RxChecksum::Trust)),
    ("release_tcp4", || release(&Packet::tcp4())),
    ("release_udp4", || release(&Packet::udp4())),
];

/// Full-size packets in a super-packet of 64 KiB.
const FULL: usize = 44;

fn full_train(first: &Packet) -> Vec<Vec<u8>> {
    in_order(&first.clone().with_payload(&[0x5a; MSS]), FULL)
}

type Borrowed<'p> = Coalescer<&'p [u8]>;

fn coalescer<'p>(rx_checksum: RxChecksum) -> Borrowed<'p> {
    let hold = Hold::AtMost(1_000_000);
    Coalescer::new(GroConfig { rx_checksum, hold, ..GroConfig::default() })
}

fn push<'p>(coalescer: &mut Borrowed<'p>, packets: &'p [Vec<u8>]) {
    for packet in packets {
        coalescer.push(packet, 0, &mut |_: Train<_>, reason: FlushReason| {
            panic!("the stream has nothing that releases a train: {reason:?}");
        });
    }
}

/// Lets the train go and makes of it what a TUN device takes.
fn let_go(coalescer: &mut Borrowed<'_>, header: &mut [u8]) {
    let mut trains = Vec::with_capacity(1);
    let mut sink = |train: Train<_>, _: FlushReason| {
        header[..VnetHeader::LEN].copy_from_slice(&train.vnet_header().to_bytes());
        train.write_header(&mut header[VnetHeader::LEN..], Link::None, ChecksumMode::Partial);
        trains.push(train.into_packets());
    };
    coalescer.flush(FlushReason::Timeout, &mut sink);
    trains.drain(..).for_each(|storage| coalescer.recycle(storage));
}

/// An operation is a packet that joins its train, with or without the sum of its bytes.
fn join(first: &Packet, rx_checksum: RxChecksum) -> usize {
    let packets = full_train(first);
    let (first, others) = packets.split_at(1);
    let mut coalescer = coalescer(rx_checksum);
    push(&mut coalescer, first);
    measured(|| push(black_box(&mut coalescer), black_box(others)));
    others.len()
}

/// An operation is a train that leaves: its vnet header, its derived header, and its storage's way back.
fn release(first: &Packet) -> usize {
    let packets = full_train(first);
    let mut coalescer = coalescer(RxChecksum::Trust);
    let mut header = [0; 200];
    push(&mut coalescer, &packets);
    let_go(&mut coalescer, &mut header);
    push(&mut coalescer, &packets);
    measured(|| let_go(black_box(&mut coalescer), black_box(&mut header)));
    1
}
