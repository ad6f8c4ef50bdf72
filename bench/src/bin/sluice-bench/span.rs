//! How long a command goes on, and where: the same for all that run until they are told to stop.

use anyhow::Result;
use sluice_bench::link::pin;
use sluice_bench::until::Bounds;

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Span {
    /// Stop after so many packets.
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so long.
    #[arg(long, value_parser = seconds)]
    seconds: Option<f64>,
    /// The core to run on.
    #[arg(long)]
    core: Option<usize>,
}

impl Span {
    pub(super) const fn bounds(&self) -> Bounds {
        Bounds { count: self.count, seconds: self.seconds }
    }

    /// Keeps to the core, if one was named.
    pub(super) fn pin(&self) -> Result<()> {
        self.core.map_or(Ok(()), pin)
    }

    /// The core for what runs on one in any case.
    pub(super) fn core(&self) -> usize {
        self.core.unwrap_or(0)
    }
}

/// A number of seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|seconds| (0.001..=1e6).contains(seconds));
    number.ok_or_else(|| "seconds, from 0.001 to a million".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("0.25"), Ok(0.25));
        for bad in ["", "0", "-1", "NaN", "inf", "1e7", "1s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
