//! Packets that become trains.

use std::ops::RangeInclusive;

use sluice_bench::frames::Frames;
use sluice_bench::meter::Stopwatch;
use sluice_bench::said::Said;
use sluice_bench::stream::{FRAME, Header, Stream};
use sluice_common::offload::{Coalescer, GroConfig, Hold, RxChecksum, Train};
use sluice_common::reason::FlushReason;

use crate::Load;

/// The coalescer. The time counts from a packet's bytes to the trains, parsing included; what receives packets and
/// what takes the trains is left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Coalesce {
    #[command(flatten)]
    load: Load,
    /// Verify the checksums, too.
    #[arg(long)]
    verify: bool,
    /// Hold trains for so many bursts instead of letting them go at the end of each.
    #[arg(long, default_value_t = 0)]
    held: u64,
}

/// Nanoseconds of virtual time between two bursts.
const BETWEEN: u64 = 1_000;

/// Trains there may be, at the least and at the most: as many as there are flows, but the engine's table has no more
/// than 65,536. Where flows are more, the train that began first makes room for each that begins.
const TRAINS: RangeInclusive<usize> = 8192..=65_536;

/// Pieces a TUN device takes with one call.
const SEGMENTS: usize = 64;

type Packet = Box<[u8]>;

/// A coalescer, what goes into it, and what comes out.
struct Rig {
    coalescer: Coalescer<Packet>,
    frames: Frames,
    burst: Vec<Packet>,
    trains: Vec<Train<Packet>>,
    now: u64,
    released: usize,
}

impl Coalesce {
    pub(crate) fn measure(&self) -> Said {
        let stream = Stream::of(self.load.flows());
        let mut rig = Rig::new(self.config());
        let mut trains = 0.0;
        let nanoseconds = self.load.meter().median(stream.len(), |stopwatch| {
            rig.released = 0;
            for headers in stream.bursts(self.load.burst()) {
                rig.turn(headers, stopwatch);
            }
            rig.end(stopwatch);
            trains = rig.released as f64;
        });
        Said::per_packet(nanoseconds, FRAME).and("packets_per_train", stream.len() as f64 / trains)
    }

    fn config(&self) -> GroConfig {
        let hold = match self.held {
            0 => Hold::EndOfBurst,
            bursts => Hold::AtMost(bursts * BETWEEN),
        };
        let rx_checksum = if self.verify { RxChecksum::Verify } else { RxChecksum::Trust };
        let flows = self.load.flows().clamp(*TRAINS.start(), *TRAINS.end());
        let (udp, spare_trains, max_segments) = (true, flows, SEGMENTS);
        GroConfig {
            rx_checksum,
            hold,
            udp,
            flows,
            max_segments,
            spare_trains,
            ..GroConfig::default()
        }
    }
}

impl Rig {
    fn new(config: GroConfig) -> Self {
        Self {
            trains: Vec::with_capacity(config.flows + config.spare_trains),
            coalescer: Coalescer::new(config),
            frames: Frames::default(),
            burst: Vec::new(),
            now: BETWEEN,
            released: 0,
        }
    }

    fn turn(&mut self, headers: &[Header], stopwatch: &mut Stopwatch) {
        self.frames.receive_all(headers, &mut self.burst);
        self.now += BETWEEN;
        let Self { coalescer, burst, trains, now, .. } = self;
        let mut sink = |train: Train<Packet>, _: FlushReason| trains.push(train);
        stopwatch.time(|| {
            for packet in burst.drain(..) {
                coalescer.push(packet, *now, &mut sink);
            }
            coalescer.end_of_burst(*now, &mut sink);
        });
        self.clear();
    }

    /// Lets go what is held, and what that takes counts, too.
    fn end(&mut self, stopwatch: &mut Stopwatch) {
        let Self { coalescer, trains, .. } = self;
        let mut sink = |train: Train<Packet>, _: FlushReason| trains.push(train);
        stopwatch.time(|| coalescer.flush(FlushReason::Shutdown, &mut sink));
        self.clear();
    }

    fn clear(&mut self) {
        self.released += self.trains.len();
        for train in self.trains.drain(..) {
            let mut packets = train.into_packets();
            self.frames.give(packets.drain(..));
            self.coalescer.recycle(packets);
        }
    }
}
