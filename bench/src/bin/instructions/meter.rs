//! What is counted, and what is not.

use std::hint::black_box;

/// Does `work`. xtask tells callgrind to count from entry to exit of what has this name, so that it must
/// stay a function of its own.
#[inline(never)]
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// How often an operation of a few dozen instructions is repeated, so that the loop around it and the call of
/// [`measured`] are lost in rounding.
pub(crate) const TIMES: usize = 1000;

/// Repeats `work` [`TIMES`] times, once before that uncounted: whatever is done the first time only is done.
pub(crate) fn repeated<T>(mut work: impl FnMut() -> T) -> usize {
    black_box(work());
    measured(|| {
        for _ in 0..TIMES {
            black_box(work());
        }
    });
    TIMES
}
