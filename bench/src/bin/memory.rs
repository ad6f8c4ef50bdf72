//! The heap that a flow takes, measured once: `cargo xtask bench scale-memory` runs this and what it is compared with. A
//! program of its own, for an allocator that counts is the whole program's.

use std::collections::HashMap;
use std::hint::black_box;

use clap::{Parser, ValueEnum};
use sluice::xsk::{Frame, Packet};
use sluice_bench::said::Said;
use sluice_bench::stream::Stream;
use sluice_common::flow::FlowKey;
use sluice_common::offload::{Coalescer, GroConfig};
use sluice_common::translate::MssTable;
use sluice_common::wire::{Headers, Link};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Measures the bytes of heap that each flow takes, and prints the result as one line of JSON.
#[derive(Parser)]
struct Memory {
    /// Who keeps something about flows.
    #[arg(value_enum)]
    of: Of,
    /// How many flows there is to be room for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    flows: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Of {
    /// The coalescer, with room for a train of each flow. What the sink keeps is left out: it does not grow with flows.
    Coalescer,
    /// The table of what receivers announced.
    Announced,
    /// The same in a map of the standard library, which has no bound and forgets nothing.
    Map,
}

impl Of {
    /// All storage is made in advance, but for the map's.
    fn measure(self, flows: usize) -> usize {
        let config = GroConfig { flows, spare_trains: 0, ..GroConfig::default() };
        match self {
            Self::Coalescer => taken(|| Coalescer::<Frame<'static, Packet>>::new(config)),
            Self::Announced => taken(|| MssTable::new(flows, config.hash_keys, u64::MAX)),
            Self::Map => {
                let keys = keys(flows);
                taken(|| keys.iter().map(|&key| (key, (0_u16, 0_u64))).collect::<HashMap<_, _>>())
            }
        }
    }
}

/// A key for each flow of the stream.
fn keys(flows: usize) -> Vec<FlowKey> {
    let stream = Stream::of(flows);
    let first = stream.bursts(flows).next().unwrap_or_default();
    let parsed = first.iter().map(|header| Headers::parse(&header[..], Link::Ethernet));
    let keys = parsed.map(|headers| headers.ok().and_then(|headers| FlowKey::of(&headers)));
    keys.map(|key| key.expect("a stream is of TCP")).collect()
}

/// The bytes that what is made keeps.
fn taken<T>(make: impl FnOnce() -> T) -> usize {
    let bytes = || dhat::HeapStats::get().curr_bytes;
    let before = bytes();
    let made = make();
    let taken = bytes() - before;
    drop(black_box(made));
    taken
}

fn main() {
    let Memory { of, flows } = Memory::parse();
    // Nothing is written when it ends.
    let _counting = dhat::Profiler::builder().testing().build();
    let bytes = of.measure(flows as usize) as f64;
    println!("{}", Said::value(bytes / f64::from(flows)).and("bytes", bytes).line());
}
