//! Sums, and copies that sum.

use std::hint::black_box;

use clap::ValueEnum;
use sluice_bench::frames::Frames;
use sluice_bench::said::Said;
use sluice_bench::stream::{FRAME, HEADER, Stream};
use sluice_bench::{MSS, limits};
use sluice_common::checksum;

use crate::Load;

/// The payload of full-size packets.
#[derive(Debug, clap::Args)]
pub(crate) struct Checksum {
    #[command(flatten)]
    load: Load,
    #[arg(long, value_enum, default_value_t = By::Sum)]
    by: By,
}

/// Who does it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The sum.
    Sum,
    /// Copy and sum in one pass.
    Copy,
    /// The limit of that: a loop without an end that is odd.
    Fused,
    /// The limit of both: a copy.
    Memcpy,
}

impl Checksum {
    pub(crate) fn measure(&self) -> Said {
        let work: fn(&[u8], &mut [u8]) = match self.by {
            By::Sum => |from, _| {
                black_box(checksum::sum(black_box(from)));
            },
            By::Copy => |from, to| {
                black_box(checksum::copy(black_box(from), to));
            },
            By::Fused => |from, to| {
                black_box(limits::copy_and_sum(black_box(from), to));
            },
            By::Memcpy => |from, to| limits::copy(black_box(from), to),
        };
        let stream = Stream::of(self.load.flows());
        let mut out = vec![vec![0_u8; FRAME]; self.load.burst()];
        let (mut frames, mut burst) = (Frames::default(), Vec::new());
        let nanoseconds = self.load.meter().median(stream.len(), |stopwatch| {
            for headers in stream.bursts(self.load.burst()) {
                frames.receive_all(headers, &mut burst);
                stopwatch.time(|| {
                    for (packet, out) in burst.iter().zip(&mut out) {
                        work(&packet[HEADER..], black_box(&mut out[HEADER..]));
                    }
                });
                frames.give(burst.drain(..));
            }
        });
        Said::per_packet(nanoseconds, MSS)
    }
}
