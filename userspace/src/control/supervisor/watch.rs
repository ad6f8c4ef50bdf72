//! Judging the workers by their signs of life.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Without a sign of life for this long a data plane is not late but hung, and is killed. Long enough
/// for a debugger's or a suspended machine's pause to pass without harm: packets pass to the kernel
/// meanwhile, at the cost of speed alone.
pub(super) const HUNG: Duration = Duration::from_secs(10);

/// How old a sign of life may be before the policy routes are withdrawn. It is looked at four times in
/// the fail-open time, so that they are gone before the XDP program lets the first packet pass; a worker
/// that sleeps gives four signs in that time, so that one may be late.
pub(super) const fn patience(fail_open: Duration) -> Duration {
    Duration::from_nanos(fail_open.as_nanos() as u64 / 4 * 3)
}

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of the heartbeat.
pub(super) fn now() -> u64 {
    // The clock is always there (clock_gettime(2)); 0 would read as "long ago" and fail open.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

/// How the workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// All gave a sign of life in time.
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
    patience: Duration,
) -> Pulse {
    let oldest = beats.into_iter().min().unwrap_or(0);
    let late = Duration::from_nanos(now.saturating_sub(oldest.max(started)));
    if oldest >= started && late < patience { Pulse::Alive } else { Pulse::Late(late) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_nanos(100);

    #[test]
    fn one_late_worker_is_enough() {
        assert_eq!(pulse([1000, 1050], 500, 1099, PATIENCE), Pulse::Alive);
        let late = Pulse::Late(Duration::from_nanos(100));
        assert_eq!(pulse([1000, 1050], 500, 1100, PATIENCE), late);
    }

    #[test]
    fn a_sign_of_the_data_plane_before_does_not_count() {
        let late = Pulse::Late(Duration::from_nanos(10));
        assert_eq!(pulse([1000], 1010, 1020, PATIENCE), late);
        assert_eq!(pulse([0], 1010, 1020, PATIENCE), late);
        assert_eq!(pulse([1010], 1010, 1020, PATIENCE), Pulse::Alive);
    }

    #[test]
    fn routes_are_gone_within_the_fail_open_time() {
        let fail_open = Duration::from_millis(100);
        let looked_at_every = fail_open / 4;
        assert!(patience(fail_open) + looked_at_every <= fail_open);
    }

    #[test]
    fn a_sign_from_the_future_is_a_sign() {
        assert_eq!(pulse([2000], 500, 1000, PATIENCE), Pulse::Alive);
    }
}
