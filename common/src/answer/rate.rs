//! How many answers there may be: a token bucket.

/// A token, in the unit of the account: what a rate of one a second gains in so many nanoseconds.
const TOKEN: u64 = 1_000_000_000;
/// A second fills every bucket; a longer pause counts as one.
const LONGEST: u64 = 1_000_000_000;

/// So many a second on average, and a tenth of a second's worth at once, at least one.
///
/// Times are in nanoseconds of any clock. The account is exact: nothing is rounded, so nothing drifts.
///
/// ```
/// let mut limit = sluice_common::answer::RateLimit::new(20);
/// assert_eq!([0, 0, 0].map(|now| limit.allow(now)), [true, true, false]);
/// assert!(!limit.allow(49_999_999));
/// assert!(limit.allow(50_000_000));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    per_second: u64,
    most: u64,
    /// Parts of [`TOKEN`]. At most 2^59, and 2^62 come in at most: no sum overflows.
    account: u64,
    last: u64,
}

impl RateLimit {
    /// A limit of so many a second; with 0 there are none.
    #[must_use]
    pub const fn new(per_second: u32) -> Self {
        let burst = match per_second {
            0 => 0,
            1..10 => 1,
            _ => per_second / 10,
        };
        let most = burst as u64 * TOKEN;
        Self { per_second: per_second as u64, most, account: most, last: 0 }
    }

    /// Whether there may be one more `now`; if so, it is counted. A time before the last one is taken for
    /// that.
    pub fn allow(&mut self, now: u64) -> bool {
        let passed = now.saturating_sub(self.last).min(LONGEST);
        self.last = self.last.max(now);
        self.account = (self.account + passed * self.per_second).min(self.most);
        let is_allowed = self.account >= TOKEN;
        if is_allowed {
            self.account -= TOKEN;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// How many of `asked` are allowed at `now`.
    fn allowed(limit: &mut RateLimit, now: u64, asked: usize) -> usize {
        (0..asked).filter(|_| limit.allow(now)).count()
    }

    #[test]
    fn a_burst_is_a_tenth_of_a_second_and_at_least_one() {
        for (per_second, burst) in [(0, 0), (1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (100, 10)] {
            let mut limit = RateLimit::new(per_second);
            assert_eq!(allowed(&mut limit, 0, 50), burst, "{per_second}");
            assert_eq!(allowed(&mut limit, 1000 * SECOND, 50), burst, "{per_second}");
        }
    }

    #[test]
    fn however_often_it_is_asked_the_rate_is_exact() {
        for (per_second, step) in [(1, 999_983), (7, 1_000_003), (100, 333_333), (1_000_003, 601)] {
            let mut limit = RateLimit::new(per_second);
            let burst = u64::from(per_second / 10).max(1);
            let ends = 3 * SECOND;
            let times = (0..=ends / step).map(|n| n * step);
            let count = times.filter(|now| limit.allow(*now)).count() as u64;
            let last = ends / step * step;
            let expected = burst + last * u64::from(per_second) / SECOND;
            // Between two questions a bucket may fill up; not at these rates.
            assert_eq!(count, expected, "{per_second} a second, asked every {step} ns");
        }
    }

    #[test]
    fn time_that_stands_still_or_runs_back_gives_nothing() {
        let mut limit = RateLimit::new(10);
        assert!(limit.allow(5 * SECOND));
        assert!(!limit.allow(5 * SECOND));
        assert!(!limit.allow(SECOND));
        assert!(!limit.allow(5 * SECOND + SECOND / 10 - 1));
        assert!(limit.allow(5 * SECOND + SECOND / 10));
    }

    proptest! {
        #[test]
        fn no_time_and_no_rate_overflows_and_no_second_has_more_than_rate_and_burst(
            per_second in any::<u32>(),
            times in prop::collection::vec(any::<u64>(), 0..100),
        ) {
            let mut limit = RateLimit::new(per_second);
            for now in times {
                limit.allow(now);
                prop_assert!(limit.account <= limit.most);
            }
            let mut limit = RateLimit::new(per_second % 1000);
            let most = u64::from(per_second % 1000);
            let count = (0..10_000).filter(|n| limit.allow(u64::MAX - SECOND + n * 100_000)).count();
            prop_assert!(count as u64 <= most + (most / 10).max(1));
        }
    }
}
