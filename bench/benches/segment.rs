//! The segmenter: a 64 KB super-packet into wire packets, against `memcpy` of its bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice_common::offload::{GsoType, Segmenter, VnetHeader};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Link;

const PAYLOAD: usize = 65_000;

fn segment(criterion: &mut Criterion) {
    let packet = Packet { link: Link::None, checksum: Field::Partial, ..Packet::tcp4() };
    let bytes = packet.with_payload(&[0x5a; PAYLOAD]).build();
    let mut out = vec![0; PAYLOAD + 100];
    let mut group = criterion.benchmark_group("segment");
    group.throughput(Throughput::Bytes(PAYLOAD as u64));
    for gso_size in [536, 1448, 8948] {
        let vnet = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type: GsoType::TCPV4.0 as u8,
            hdr_len: 52,
            gso_size,
            csum_start: 20,
            csum_offset: 16,
        };
        group.bench_function(BenchmarkId::new("tcp4", gso_size), |bencher| {
            bencher.iter(|| {
                let Ok(segmenter) = Segmenter::new(black_box(&bytes), &vnet, 9000) else {
                    return 0;
                };
                (0..segmenter.count()).map(|i| segmenter.write(i, black_box(&mut out))).sum()
            });
        });
    }
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| out[..bytes.len()].copy_from_slice(black_box(&bytes)));
    });
}

criterion_group!(benches, segment);
criterion_main!(benches);
