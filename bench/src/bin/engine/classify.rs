//! Which rule a packet matches.

use std::hint::black_box;

use clap::ValueEnum;
use sluice_bench::frames::Frames;
use sluice_bench::rules::{first_match, rules};
use sluice_bench::said::Said;
use sluice_bench::stream::Stream;
use sluice_common::classify::{Compiled, MAX_RULES, classify};
use sluice_common::wire::{Headers, Link, Unparsed};

use crate::Load;

/// The classifier, on headers that are parsed.
#[derive(Debug, clap::Args)]
pub(crate) struct Classify {
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    rules: Rules,
    #[arg(long, value_enum, default_value_t = By::Sluice)]
    by: By,
}

/// How many rules there are; the last takes the packets.
#[derive(Debug, clap::Args)]
pub(crate) struct Rules {
    #[arg(long = "rules", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=MAX_RULES as i64))]
    pub(crate) count: u8,
}

/// Who does it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The classifier.
    Sluice,
    /// A loop over the rules.
    Loop,
}

type Parsed = Result<Headers, Unparsed>;

impl Classify {
    pub(crate) fn measure(&self) -> Said {
        let rules = rules(self.rules.count.into());
        let tables = Compiled::new(&rules).expect("rules that can be compiled");
        match self.by {
            By::Sluice => self.timed(|parsed| {
                black_box(classify(parsed, &tables));
            }),
            By::Loop => self.timed(|parsed| {
                black_box(parsed.as_ref().ok().and_then(|headers| first_match(&rules, headers)));
            }),
        }
    }

    fn timed(&self, work: impl Fn(&Parsed)) -> Said {
        let stream = Stream::of(self.load.flows());
        let (mut frames, mut burst, mut parsed) = (Frames::default(), Vec::new(), Vec::new());
        let nanoseconds = self.load.meter().median(stream.len(), |stopwatch| {
            for headers in stream.bursts(self.load.burst()) {
                frames.receive_all(headers, &mut burst);
                parsed.extend(burst.iter().map(|packet| Headers::parse(&**packet, Link::Ethernet)));
                stopwatch.time(|| parsed.iter().for_each(|one| work(black_box(one))));
                parsed.clear();
                frames.give(burst.drain(..));
            }
        });
        Said::value(nanoseconds)
    }
}
