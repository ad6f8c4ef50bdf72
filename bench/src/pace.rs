//! How many packets are due by now.

/// A constant rate from a beginning on, or as fast as it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    begin: u64,
    per_second: Option<u64>,
}

impl Pace {
    /// So many packets a second from `begin` (nanoseconds) on; `None`: as fast as it goes.
    #[must_use]
    pub const fn new(begin: u64, per_second: Option<u64>) -> Self {
        Self { begin, per_second }
    }

    /// How many packets should have been sent by `now`, the first one at the beginning. What was missed is
    /// made up for, so that the mean holds.
    #[must_use]
    pub fn due(&self, now: u64) -> u64 {
        let Some(per_second) = self.per_second else { return u64::MAX };
        let Some(passed) = now.checked_sub(self.begin) else { return 0 };
        let due = u128::from(passed) * u128::from(per_second) / 1_000_000_000 + 1;
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_due_one_by_one() {
        let pace = Pace::new(1_000, Some(1_000_000));
        assert_eq!([0, 999, 1_000, 1_999, 2_000].map(|now| pace.due(now)), [0, 0, 1, 1, 2]);
        assert_eq!(pace.due(1_000 + 3_600_000_000_000), 3_600_000_001, "an hour later");
    }

    #[test]
    fn a_rate_that_divides_no_nanosecond_has_its_mean() {
        let pace = Pace::new(0, Some(3));
        assert_eq!(
            [0, 333_333_333, 333_333_334, 1_000_000_000].map(|at| pace.due(at)),
            [1, 1, 2, 4]
        );
    }

    #[test]
    fn without_a_rate_everything_is_due() {
        assert_eq!(Pace::new(5, None).due(5), u64::MAX);
        assert_eq!(Pace::new(0, Some(u64::MAX)).due(u64::MAX), u64::MAX);
    }
}
