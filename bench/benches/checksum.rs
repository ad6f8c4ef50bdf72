//! Sums and copies against `memcpy` of the same bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice_common::checksum;

fn sums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [20_usize, 64, 536, 1448, 8948, 65_483] {
        let bytes: Vec<u8> = (0..len).map(|n| (n * 7) as u8).collect();
        let mut out = vec![0; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("sum", len), |bencher| {
            bencher.iter(|| checksum::sum(black_box(&bytes)));
        });
        group.bench_function(BenchmarkId::new("copy", len), |bencher| {
            bencher.iter(|| checksum::copy(black_box(&bytes), black_box(&mut out)));
        });
        group.bench_function(BenchmarkId::new("memcpy", len), |bencher| {
            bencher.iter(|| black_box(&mut out).copy_from_slice(black_box(&bytes)));
        });
        group.bench_function(BenchmarkId::new("naive", len), |bencher| {
            bencher.iter(|| checksum::naive(black_box(&bytes)));
        });
    }
}

criterion_group!(benches, sums);
criterion_main!(benches);
