//! A train of 64 KB, cut for another MTU into frames. An operation is a segment.

use std::hint::black_box;

use sluice_bench::in_order;
use sluice_common::offload::{Coalescer, GroConfig, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;

use crate::Case;
use crate::meter::measured;

pub(crate) const CASES: &[Case] =
    &[("cut_tcp4", || cut(44, 1460, 8948)), ("cut_tcp4_jumbo", || cut(7, 8948, 1448))];

/// Bytes in each frame.
const FRAME: usize = 3840;

/// Cuts `count` packets of `own` payload bytes to segments of `size`.
fn cut(count: usize, own: usize, size: usize) -> usize {
    let first = Packet { options: Vec::new(), ..Packet::tcp4() }.with_payload(&vec![0x5a; own]);
    let (packets, mut frame) = (in_order(&first, count), vec![0; FRAME]);
    let train = train(&packets);
    measured(|| {
        let mut cut = black_box(&train).cut(size).expect("the train is sound");
        for _ in 0..cut.count() {
            cut.write_payload(&mut black_box(&mut frame)[54..]);
            while cut.payload_left() > 0 {
                cut.write_payload(black_box(&mut frame));
            }
            cut.write_header(black_box(&mut frame));
        }
        cut.count()
    })
}

fn train(packets: &[Vec<u8>]) -> Train<&[u8]> {
    let mut coalescer = Coalescer::new(GroConfig::default());
    let mut trains = Vec::new();
    let mut sink = |train: Train<_>, _: FlushReason| trains.push(train);
    packets.iter().for_each(|packet| coalescer.push(&packet[..], 0, &mut sink));
    coalescer.end_of_burst(0, &mut sink);
    trains.pop().expect("the packets are one train")
}
