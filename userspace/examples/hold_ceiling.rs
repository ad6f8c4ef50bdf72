//! How long may a train be held? Coalescing and delay of the adaptive hold (G25) under several ceilings.
//!
//! A worker on ports made of memory, and a virtual clock: packets arrive at chosen times, and a turn takes
//! as long as its work does. The same on every machine.
//!
//! ```text
//! cargo run --example hold_ceiling
//! ```

use std::sync::Arc;
use std::time::Duration;

use sluice::config::Idle;
use sluice::pipeline::{Worker, WorkerConfig};
use sluice::sim::{FixedHops, MemHost, MemPort, Talker};
use sluice::xsk::{FrameCount, Heartbeat, RingSize, Umem};
use sluice_common::offload::{GroConfig, Hold};
use sluice_common::wire::tcp::Flags;

/// Ceilings that are compared, in microseconds; 0 releases at the end of each burst.
const CEILINGS: [u64; 5] = [0, 10, 20, 30, 50];
/// Payload of a full packet with an MTU of 1,500.
const MSS: usize = 1_460;
/// Nanoseconds of a turn, of each packet in it, and of each hand-over, which is a system call.
const COSTS: [u64; 3] = [200, 150, 1_000];

/// An arrival: nanoseconds, flow, payload.
type Arrival = (u64, u16, usize);

fn main() {
    println!(
        "packets for each hand-over / mean delay that holding adds to a packet / p99 of time held, µs\n"
    );
    print!("{:46}", "ceiling, µs");
    CEILINGS.iter().for_each(|ceiling| print!("{ceiling:>20}"));
    println!();
    for (name, arrivals) in patterns() {
        print!("{name:46}");
        for ceiling in CEILINGS {
            let Outcome { per_hand_over, delay, p99 } = play(&arrivals, ceiling * 1_000);
            print!("{:>20}", format!("{per_hand_over:.1} / {delay:.1} / {p99:.1}"));
        }
        println!();
    }
}

struct Outcome {
    per_hand_over: f64,
    /// Microseconds.
    delay: f64,
    /// Microseconds.
    p99: f64,
}

fn play(arrivals: &[Arrival], ceiling: u64) -> Outcome {
    let umem = Umem::heap(FrameCount::new(1_024).expect("a power of two"));
    let heartbeat = Arc::new(Heartbeat::unwatched(1).expect("memory for one"));
    let wire = MemPort::new(RingSize::new(256).expect("a power of two"));
    let hops = FixedHops::known([6; 6], [8; 6]);
    let (pool, beat) = (umem.pool(), heartbeat.beat(0));
    let (mut worker, _handle) =
        Worker::new(config(ceiling), pool, wire, MemHost::default(), hops, beat)
            .expect("a descriptor");
    let mut talkers: Vec<_> = (0..64).map(|port| Talker::new(port, 0)).collect();
    let mut arrivals = arrivals.iter().peekable();
    let mut now = 1_000;
    worker.turn(now);
    while arrivals.peek().is_some() || worker.ledger().held > 0 {
        while let Some((_, flow, len)) = arrivals.next_if(|(time, ..)| *time <= now) {
            let packet = talkers[usize::from(*flow)].packet(*len, Flags::ACK);
            assert!(worker.sides().0.deliver(&packet), "the worker is too slow for this pattern");
        }
        let before = *worker.counts();
        worker.turn(now);
        worker.sides().1.taken = Default::default();
        let after = worker.counts();
        now += COSTS[0]
            + COSTS[1] * (after.from_wire_packets - before.from_wire_packets)
            + COSTS[2] * (after.to_host_trains - before.to_host_trains);
    }
    let counts = *worker.counts();
    let held = worker.report().times.held;
    // Each packet of a train waits for the rest: on average for half the time its first one does.
    let per_hand_over = counts.to_host_packets as f64 / counts.to_host_trains as f64;
    let held_share = held.len() as f64 / counts.to_host_trains as f64;
    Outcome {
        per_hand_over,
        delay: held.mean() / 2e3 * held_share,
        p99: held.value_at_quantile(0.99) as f64 / 1e3,
    }
}

fn config(ceiling: u64) -> WorkerConfig {
    let hold = if ceiling == 0 { Hold::EndOfBurst } else { Hold::Adaptive { ceiling } };
    WorkerConfig {
        queue: 0,
        gro: GroConfig { hold, ..GroConfig::default() },
        mtu: 1_500,
        idle: Idle::Spin,
        fail_open: Duration::from_millis(100),
    }
}

fn patterns() -> Vec<(&'static str, Vec<Arrival>)> {
    let full = |flow, gap| move |n: u64| (2_000 + n * gap, flow, MSS);
    let many = 4_000;
    vec![
        ("one flow, 10 Gbit/s", (0..many).map(full(0, 1_230)).collect()),
        ("one flow, 5 Gbit/s", (0..many).map(full(0, 2_460)).collect()),
        ("one flow, 2.5 Gbit/s", (0..many).map(full(0, 4_920)).collect()),
        ("one flow, 1 Gbit/s", (0..many).map(full(0, 12_300)).collect()),
        ("one flow, 500 Mbit/s", (0..many).map(full(0, 24_600)).collect()),
        ("4 flows in turn, 2.5 Gbit/s in all", in_turn(4, 4_920, many)),
        ("16 flows in turn, 10 Gbit/s in all", in_turn(16, 1_230, many)),
        ("one flow, random gaps of 5 µs on average", random(5_000, many)),
        ("one flow, random gaps of 15 µs on average", random(15_000, many)),
        ("16 packets at once every 50 µs", rows(16, 0, 50_000, many / 16)),
        ("2 packets at once every 25 µs", rows(2, 0, 25_000, many / 2)),
        ("messages of 8, 5 µs apart, no PSH, every ms", rows(8, 5_000, 1_000_000, 1_000)),
        ("requests of 2, 1.2 µs apart, no PSH, every 200 µs", rows(2, 1_200, 200_000, 1_000)),
    ]
}

fn in_turn(flows: u64, gap: u64, count: u64) -> Vec<Arrival> {
    (0..count).map(|n| (2_000 + n * gap, (n % flows) as u16, MSS)).collect()
}

/// `count` rows of packets, `apart` in the row.
fn rows(packets: u64, apart: u64, every: u64, count: u64) -> Vec<Arrival> {
    let row = |r: u64| (0..packets).map(move |n| (2_000 + r * every + n * apart, 0, MSS));
    (0..count).flat_map(row).collect()
}

/// Exponential gaps, from a generator that is always the same.
fn random(mean: u64, count: u64) -> Vec<Arrival> {
    let (mut state, mut time) = (0x9e37_79b9_7f4a_7c15_u64, 2_000);
    let mut next = || {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count)
        .map(|_| {
            time += (-(1.0 - next()).ln() * mean as f64) as u64;
            (time, 0, MSS)
        })
        .collect()
}
