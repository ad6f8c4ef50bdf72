//! Headers.

use std::hint::black_box;

use clap::ValueEnum;
use sluice_bench::frames::Frames;
use sluice_bench::limits;
use sluice_bench::said::Said;
use sluice_bench::stream::{HEADER, Stream};
use sluice_common::wire::{Headers, Link};

use crate::Load;

/// The parser, a packet at a time.
#[derive(Debug, clap::Args)]
pub(crate) struct Parse {
    #[command(flatten)]
    load: Load,
    #[arg(long, value_enum, default_value_t = By::Sluice)]
    by: By,
}

/// Who does it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The parser.
    Sluice,
    /// The limit: the header's bytes are copied.
    Memcpy,
}

impl Parse {
    pub(crate) fn measure(&self) -> Said {
        let work: fn(&[u8]) = match self.by {
            By::Sluice => |packet| {
                black_box(Headers::parse(black_box(packet), Link::Ethernet).is_ok());
            },
            By::Memcpy => |packet| {
                let mut header = [0; HEADER];
                limits::copy(&black_box(packet)[..HEADER], &mut header);
                black_box(header);
            },
        };
        let stream = Stream::of(self.load.flows());
        let (mut frames, mut burst) = (Frames::default(), Vec::new());
        let nanoseconds = self.load.meter().median(stream.len(), |stopwatch| {
            for headers in stream.bursts(self.load.burst()) {
                frames.receive_all(headers, &mut burst);
                stopwatch.time(|| burst.iter().for_each(|packet| work(packet)));
                frames.give(burst.drain(..));
            }
        });
        Said::value(nanoseconds)
    }
}
