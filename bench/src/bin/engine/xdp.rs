//! The XDP program.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use sluice::steer::Steering;
use sluice_bench::rules::rules;
use sluice_bench::said::Said;
use sluice_bench::stream::Stream;

use crate::classify::Rules;

/// The XDP program in the kernel, timed by the kernel (`BPF_PROG_TEST_RUN`): it parses a packet, looks up the rules,
/// counts and drops, so that nothing but the verdict costs. Needs root.
#[derive(Debug, clap::Args)]
pub(crate) struct Xdp {
    #[command(flatten)]
    rules: Rules,
    #[arg(long, value_enum, default_value_t = By::Sluice)]
    by: By,
    /// How long to measure, in milliseconds.
    #[arg(long, default_value_t = 50)]
    millis: u64,
}

/// What is run.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The program with its rules.
    Sluice,
    /// The limit: the program before it has any, which passes a packet it has not looked at.
    Blind,
}

/// Runs between two looks at the clock: some hundred microseconds.
const REPEAT: u32 = 2_000;

/// Nobody's sign of life is asked for: no rule steers.
const FAIL_OPEN: Duration = Duration::from_secs(1);

impl Xdp {
    /// The median over calls of the mean of the runs of each.
    pub(crate) fn measure(&self) -> Result<Said> {
        let mut steering = Steering::load()?;
        if matches!(self.by, By::Sluice) {
            steering.set_rules(&rules(self.rules.count.into()), FAIL_OPEN)?;
        }
        let stream = Stream::of(1);
        let packet = stream.bursts(1).next().unwrap_or_default().as_flattened();
        let lasts = Duration::from_millis(self.millis);
        // The clock of the CPU, and the caches: a quarter of the time.
        timed(&steering, packet, lasts / 4)?;
        let mut means = timed(&steering, packet, lasts)?;
        means.sort_unstable();
        Ok(Said::value(means[means.len() / 2].as_nanos() as f64))
    }
}

/// What a run took on average, of each call; at least one.
fn timed(steering: &Steering, packet: &[u8], lasts: Duration) -> Result<Vec<Duration>> {
    let begin = Instant::now();
    let mut means = Vec::new();
    while means.is_empty() || begin.elapsed() < lasts {
        means.push(steering.time_run(packet, REPEAT)?);
    }
    Ok(means)
}
