//! When to stop: after so many packets, so long, or when told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

static TOLD: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM end what is running, with its report.
///
/// # Errors
/// Where this was asked for before, or the kernel refuses.
pub fn heed_signals() -> Result<()> {
    ctrlc::set_handler(|| TOLD.store(true, Ordering::Release)).context("cannot heed signals")
}

/// Whether a signal said to stop.
#[must_use]
pub fn told() -> bool {
    TOLD.load(Ordering::Acquire)
}

/// How much of a run is wanted; nothing by default: until it is told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Packets.
    pub count: Option<u64>,
    /// Seconds.
    pub seconds: Option<f64>,
}

/// The end of a run that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// Packets.
    pub count: Option<u64>,
    /// When, in nanoseconds of the clock.
    pub end: Option<u64>,
}

impl Until {
    /// Of one that began at `begin`.
    #[must_use]
    pub fn new(bounds: Bounds, begin: u64) -> Self {
        let after = |seconds| begin.saturating_add(nanoseconds(seconds));
        Self { count: bounds.count, end: bounds.seconds.map(after) }
    }

    /// How many packets of `wanted` may still follow the first `done`, at `now`.
    #[must_use]
    pub fn allows(&self, wanted: u64, done: u64, now: u64) -> u64 {
        if self.is_over(done, now) {
            return 0;
        }
        self.count.map_or(wanted, |count| wanted.min(count - done))
    }

    /// Whether `done` packets are enough, it is late enough, or a signal came.
    #[must_use]
    pub fn is_over(&self, done: u64, now: u64) -> bool {
        self.is_reached(done, now) || told()
    }

    /// The same whatever signals came.
    #[must_use]
    pub fn is_reached(&self, done: u64, now: u64) -> bool {
        self.count.is_some_and(|count| done >= count) || self.end.is_some_and(|end| now >= end)
    }
}

/// So many seconds. What is no time is none.
fn nanoseconds(seconds: f64) -> u64 {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_time_bound_a_run() {
        let until = Until::new(Bounds { count: Some(100), seconds: Some(1.5) }, 7);
        assert_eq!(until.allows(64, 0, 7), 64);
        assert_eq!(until.allows(64, 90, 7), 10);
        assert_eq!(until.allows(64, 100, 7), 0);
        assert_eq!(until.allows(64, 0, 1_500_000_006), 64);
        assert_eq!(until.allows(64, 0, 1_500_000_007), 0);
        assert!(!Until::new(Bounds::default(), 0).is_over(u64::MAX, u64::MAX));
    }
}
