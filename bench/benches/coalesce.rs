//! The coalescer: the time of a full-size packet must not grow with the number of flows, but for what
//! the packets' own memory costs. `trust` leaves the checksum's share out.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice_bench::bulk;
use sluice_common::offload::{Coalescer, GroConfig, Hold, RxChecksum, Train};
use sluice_common::reason::FlushReason;

/// Packets of a burst, as a worker takes them from the receive ring.
const BURST: usize = 64;

/// Pushes all of `packets`, in bursts, and gives the storage of the trains back.
fn push_all<'a>(
    coalescer: &mut Coalescer<&'a [u8]>,
    packets: &'a [Vec<u8>],
    trains: &mut Vec<Vec<&'a [u8]>>,
) {
    for (turn, burst) in packets.chunks(BURST).enumerate() {
        let mut sink = |train: Train<&'a [u8]>, _: FlushReason| trains.push(train.into_packets());
        for packet in burst {
            coalescer.push(packet, turn as u64, &mut sink);
        }
        coalescer.end_of_burst(turn as u64, &mut sink);
        trains.drain(..).for_each(|storage| coalescer.recycle(storage));
    }
}

fn coalesce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("coalesce");
    for flows in [1, 8, 64, 512, 8192] {
        let packets = bulk(flows, (16_384 / flows).max(4));
        group.throughput(Throughput::Elements(packets.len() as u64));
        for (name, rx_checksum) in [("verify", RxChecksum::Verify), ("trust", RxChecksum::Trust)] {
            let config = GroConfig {
                rx_checksum,
                flows: 8192,
                hold: Hold::AtMost(1_000_000),
                max_segments: 64,
                ..GroConfig::default()
            };
            let mut coalescer = Coalescer::new(config);
            let mut trains = Vec::with_capacity(flows);
            group.bench_function(BenchmarkId::new(name, flows), |bencher| {
                bencher.iter_batched(
                    || (),
                    |()| {
                        push_all(&mut coalescer, &packets, &mut trains);
                        let mut sink =
                            |train: Train<_>, _: FlushReason| trains.push(train.into_packets());
                        coalescer.flush(FlushReason::Shutdown, &mut sink);
                        trains.drain(..).for_each(|storage| coalescer.recycle(storage));
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

criterion_group!(benches, coalesce);
criterion_main!(benches);
