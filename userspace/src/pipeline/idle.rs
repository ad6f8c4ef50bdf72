//! What a worker does when there is nothing to do.

use std::time::Duration;

use super::worker::Turn;
use crate::config::Idle;

/// Nanoseconds the adaptive policy looks again before it sleeps. Waking up costs a few microseconds
/// on both sides: shorter, and a busy peer is woken for every burst; longer, and the core that the
/// peer might need is spent on looking.
const SPIN_FOR: u64 = 20_000;

/// Shares of the fail-open time between two signs of life while asleep.
const BEATS: u32 = 4;

/// When to sleep, and how long at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdlePolicy {
    policy: Idle,
    /// Nanoseconds.
    longest: u64,
    /// When there was something to do.
    busy_at: u64,
}

impl IdlePolicy {
    /// A policy that leaves time for a sign of life within `fail_open`.
    pub(super) const fn new(policy: Idle, fail_open: Duration) -> Self {
        let longest = fail_open.as_nanos() as u64 / BEATS as u64;
        Self { policy, longest, busy_at: 0 }
    }

    /// How many nanoseconds to sleep at most after `turn` at `now`; `None`: look again at once.
    pub(super) fn after(&mut self, turn: Turn, now: u64) -> Option<u64> {
        if turn == Turn::Busy {
            self.busy_at = now;
        }
        let sleeps = match self.policy {
            Idle::Spin => false,
            Idle::Adaptive => now.saturating_sub(self.busy_at) >= SPIN_FOR,
            Idle::Interrupt => turn != Turn::Busy,
        };
        sleeps.then_some(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(policy: Idle) -> IdlePolicy {
        IdlePolicy::new(policy, Duration::from_millis(100))
    }

    #[test]
    fn spin_never_sleeps() {
        assert_eq!(policy(Idle::Spin).after(Turn::Idle, u64::MAX), None);
    }

    #[test]
    fn interrupt_sleeps_at_once_and_in_time_for_the_heartbeat() {
        let mut policy = policy(Idle::Interrupt);
        assert_eq!(policy.after(Turn::Busy, 0), None);
        assert_eq!(policy.after(Turn::Idle, 1), Some(25_000_000));
    }

    #[test]
    fn adaptive_looks_again_for_a_while() {
        let mut policy = policy(Idle::Adaptive);
        assert_eq!(policy.after(Turn::Busy, 1_000_000), None);
        assert_eq!(policy.after(Turn::Idle, 1_000_000 + SPIN_FOR - 1), None);
        assert!(policy.after(Turn::Idle, 1_000_000 + SPIN_FOR).is_some());
    }
}
