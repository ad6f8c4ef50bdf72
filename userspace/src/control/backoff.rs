//! How long to wait before the data plane is started again.

use std::time::Duration;

/// First wait: long enough for the kernel to release the queues, short against a TCP time-out.
const FIRST: Duration = Duration::from_millis(100);
/// Longest wait: a data plane that cannot start must not fill the log, and must not be forgotten either.
const LONGEST: Duration = Duration::from_secs(10);
/// A data plane that has run this long was sound; the next failure is a new one.
const STABLE: Duration = Duration::from_secs(30);

/// Waits that double from failure to failure, up to a bound.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// The wait after a data plane has died that lived for `lived`.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= STABLE {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..9).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn a_stable_time_makes_it_begin_again() {
        let mut backoff = Backoff::new();
        for _ in 0..5 {
            backoff.after(Duration::ZERO);
        }
        assert_eq!(backoff.after(STABLE - Duration::from_nanos(1)), FIRST * 32);
        assert_eq!(backoff.after(STABLE), FIRST);
        assert_eq!(backoff.after(Duration::ZERO), FIRST * 2);
    }
}
