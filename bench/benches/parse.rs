//! The parser: one packet of each kind.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_common::testing::Packet;
use sluice_common::wire::{EtherType, Headers, Link, Protocol};

fn parse(criterion: &mut Criterion) {
    let mut tagged = Packet::tcp4();
    tagged.tags = vec![(EtherType::QINQ, 1), (EtherType::VLAN, 2)];
    let mut extended = Packet::tcp6();
    extended.extensions = vec![(Protocol::HOP_BY_HOP, vec![0; 8]), (Protocol::ROUTING, vec![0; 8])];
    let mut group = criterion.benchmark_group("parse");
    let packets = [
        ("tcp4", Packet::tcp4()),
        ("tcp6", Packet::tcp6()),
        ("tcp4_qinq", tagged),
        ("tcp6_extensions", extended),
        ("udp4", Packet::udp4()),
    ];
    for (name, packet) in packets {
        let bytes = packet.build();
        group.bench_function(name, |bencher| {
            bencher.iter(|| Headers::parse(black_box(&bytes[..]), Link::Ethernet));
        });
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
