//! Judging the workers by their signs of life.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Without a sign of life for this long a data plane is not late but hung, and is killed. Long enough
/// for a debugger's or a suspended machine's pause to pass without harm: packets pass to the kernel
/// meanwhile, at the cost of speed alone.
pub(super) const HUNG: Duration = Duration::from_secs(10);

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of the heartbeat.
pub(super) fn now() -> u64 {
    // The clock is always there (clock_gettime(2)); 0 would read as "long ago" and fail open.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

/// How the workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// All gave a sign of life within the fail-open time.
    Alive,
    /// One is late, by this much since its last sign or since the start.
    Late(Duration),
}

/// Takes the pulse of workers whose last signs of life were `beats`, started at `started`, at `now`.
///
/// Signs from before the start are an earlier data plane's.
pub(super) fn pulse(
    beats: impl IntoIterator<Item = u64>,
    started: u64,
    now: u64,
    fail_open: Duration,
) -> Pulse {
    let oldest = beats.into_iter().min().unwrap_or(0);
    let late = Duration::from_nanos(now.saturating_sub(oldest.max(started)));
    if oldest >= started && late < fail_open { Pulse::Alive } else { Pulse::Late(late) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAIL_OPEN: Duration = Duration::from_nanos(100);

    #[test]
    fn one_late_worker_is_enough() {
        assert_eq!(pulse([1000, 1050], 500, 1099, FAIL_OPEN), Pulse::Alive);
        let late = Pulse::Late(Duration::from_nanos(100));
        assert_eq!(pulse([1000, 1050], 500, 1100, FAIL_OPEN), late);
    }

    #[test]
    fn a_sign_of_the_data_plane_before_does_not_count() {
        let late = Pulse::Late(Duration::from_nanos(10));
        assert_eq!(pulse([1000], 1010, 1020, FAIL_OPEN), late);
        assert_eq!(pulse([0], 1010, 1020, FAIL_OPEN), late);
        assert_eq!(pulse([1010], 1010, 1020, FAIL_OPEN), Pulse::Alive);
    }

    #[test]
    fn a_sign_from_the_future_is_a_sign() {
        assert_eq!(pulse([2000], 500, 1000, FAIL_OPEN), Pulse::Alive);
    }
}
