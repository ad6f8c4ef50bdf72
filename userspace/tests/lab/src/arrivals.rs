//! What came of a load, and when.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much has come, and the longest time in which nothing did.
#[derive(Debug)]
pub(crate) struct Arrivals {
    amount: AtomicU64,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Times {
    last: Instant,
    longest_gap: Duration,
}

impl Arrivals {
    /// Nothing yet; the first gap begins.
    pub(crate) fn new() -> Self {
        let times = Times { last: Instant::now(), longest_gap: Duration::ZERO };
        Self { amount: AtomicU64::new(0), times: Mutex::new(times) }
    }

    /// So much more has come just now.
    pub(crate) fn note(&self, more: usize) {
        let mut times = self.times.lock().expect("no holder panics");
        let now = Instant::now();
        times.longest_gap = times.longest_gap.max(now - times.last);
        times.last = now;
        self.amount.fetch_add(more as u64, Ordering::AcqRel);
    }

    pub(crate) fn amount(&self) -> u64 {
        self.amount.load(Ordering::Acquire)
    }

    /// The gap that lasts until now included.
    pub(crate) fn longest_gap(&self) -> Duration {
        let times = self.times.lock().expect("no holder panics");
        times.longest_gap.max(times.last.elapsed())
    }
}
