//! Time, and what a passage of it is worth.

use std::time::{Duration, Instant};

/// Passes that a result is the median of, at the least.
const LEAST: usize = 3;
/// And at the most: beyond, nothing is gained.
const MOST: usize = 10_000;

/// Measures passes over a stream until a time is up.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// How long, warming up aside.
    pub lasts: Duration,
}

/// Adds up the parts of a pass that count.
#[derive(Debug, Default)]
pub struct Stopwatch {
    ran: Duration,
}

impl Stopwatch {
    /// Does `work`, which counts.
    #[inline]
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = work();
        self.ran += begin.elapsed();
        done
    }
}

impl Meter {
    /// The median over passes of how many nanoseconds one of a pass's `operations` took. A pass that something else
    /// on the machine fell into does not count for more than another.
    pub fn median(&self, operations: usize, mut pass: impl FnMut(&mut Stopwatch)) -> f64 {
        // What is done the first time only, and the caches: a quarter of the time, or one pass.
        let begin = Instant::now();
        while {
            pass(&mut Stopwatch::default());
            begin.elapsed() < self.lasts / 4
        } {}
        let mut passes = Vec::new();
        let mut ran = Duration::ZERO;
        while passes.len() < LEAST || ran < self.lasts && passes.len() < MOST {
            let mut stopwatch = Stopwatch::default();
            pass(&mut stopwatch);
            ran += stopwatch.ran;
            passes.push(stopwatch.ran.as_nanos() as f64 / operations as f64);
        }
        passes.sort_by(f64::total_cmp);
        passes[passes.len() / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_measures_at_least_three_passes_after_warming_up() {
        let mut passes = 0;
        let value = Meter { lasts: Duration::ZERO }.median(1, |stopwatch| {
            passes += 1;
            stopwatch.time(|| std::hint::black_box(passes));
        });
        assert_eq!(passes, LEAST + 1);
        assert!(value < 1e9);
    }
}
